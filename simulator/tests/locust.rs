//! The Locust worker against Locust itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use skip::Need;

#[test]
fn three_workers_and_a_python_one_report_exactly_what_the_host_answered() {
    let test = "three_workers_and_a_python_one_report_exactly_what_the_host_answered";
    if !skip::require(test, &[Need::Python("locust"), Need::Python("hdrh")]) {
        return;
    }
    // Locust waits half a second for the last figures, which a machine busy with compilers may miss.
    let missed = |(reported, answered): &(u64, u64)| reported != answered;
    let runs: Vec<(u64, u64)> =
        (0..4).map(|_| a_run_of_four_workers()).take_while(missed).collect();
    assert!(runs.len() < 4, "reported, and answered by the host: {runs:?}");
}

/// Requests that Locust reports, and that the host has answered.
fn a_run_of_four_workers() -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(folder.path());
    let master_port = free_port();
    stub(folder.path());
    let mut master = locust(folder.path())
        .args(["--master", "--headless", "--master-bind-host", "127.0.0.1"])
        .args(["--master-bind-port", &master_port.to_string(), "--expect-workers", "4"])
        .args(["-u", "8", "-r", "8", "-t", "5s", "--csv", "out", "--only-summary"])
        .spawn()
        .unwrap();
    let workers: Vec<Running> = (0..3).map(|_| worker(&lab, master_port, &[])).collect();
    let mut python = Running(
        locust(folder.path())
            .args(["--worker", "--master-host", "127.0.0.1"])
            .args(["--master-port", &master_port.to_string()])
            .spawn()
            .unwrap(),
    );
    assert!(wait(&mut master).success(), "a test without failures");
    for mut worker in workers {
        assert!(wait(&mut worker.0).success(), "told to quit");
    }
    wait(&mut python.0);
    let (requests, failures) = aggregated(&folder.path().join("out_stats.csv"));
    assert_eq!(failures, 0);
    // Each of the three has proved first that the host is a lab's.
    let answered = lab.stop() - 3;
    if requests == answered {
        assert!(requests > 10, "{requests}");
        let text = fs::read_to_string(folder.path().join("kms-histograms.json")).unwrap();
        let histograms: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(histograms[0]["requests"], requests, "nor is anything lost at full resolution");
        assert!(histograms[0]["latency_us"]["p50"].as_u64().unwrap() > 0);
    }
    (requests, answered)
}

#[test]
fn the_page_shows_our_rows_and_a_master_that_was_killed_gets_its_worker_back() {
    let test = "the_page_shows_our_rows_and_a_master_that_was_killed_gets_its_worker_back";
    let needs = [Need::Python("locust"), Need::Python("playwright"), Need::Tool("chromium")];
    if !skip::require(test, &needs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::start(folder.path());
    let (master_port, web_port) = (free_port(), free_port());
    stub(folder.path());
    let start = || {
        let mut command = locust(folder.path());
        command.args(["--master", "--master-bind-host", "127.0.0.1"]);
        command.args(["--master-bind-port", &master_port.to_string()]);
        command.args(["--web-host", "127.0.0.1", "--web-port", &web_port.to_string()]);
        Running(command.spawn().unwrap())
    };
    let mut master = start();
    let mut worker = worker(&lab, master_port, &[]);
    let web = Web(SocketAddr::from(([127, 0, 0, 1], web_port)));
    for round in 0..2 {
        web.until("a worker", |stats| stats["workers"].as_array().is_some_and(|w| w.len() == 1));
        web.post("/swarm", "user_count=4&spawn_rate=4&host=");
        web.until("requests", |stats| {
            stats["stats"].as_array().is_some_and(|rows| {
                let ours = |row: &Value| row["name"] == "kms" && row["method"] == "KMS";
                rows.iter().any(|row| ours(row) && row["num_requests"].as_u64() > Some(20))
            })
        });
        if round == 0 {
            master.0.kill().unwrap();
            master.0.wait().unwrap();
            master = start();
        }
    }
    // Fewer users, then a stop and another run with the same worker.
    web.post("/swarm", "user_count=1&spawn_rate=4&host=");
    web.until("fewer users", |stats| stats["user_count"] == 1 && stats["state"] == "running");
    web.post("/stop", "");
    web.until("ready again", |stats| {
        let worker = &stats["workers"][0];
        worker["state"] == "ready" && worker["user_count"] == 0
    });
    web.post("/swarm", "user_count=2&spawn_rate=4&host=");
    web.until("the next run", |stats| stats["user_count"] == 2 && stats["state"] == "running");
    let page = Command::new(skip::python("playwright").unwrap())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/locust_page.py"))
        .arg(skip::tool("chromium").unwrap())
        .arg(format!("http://127.0.0.1:{web_port}/"))
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(page.success(), "the page has no row of ours");
    kill(Pid::from_raw(i32::try_from(worker.0.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert!(wait(&mut worker.0).success(), "an interrupted worker leaves in order");
    web.until("no worker", |stats| {
        stats["workers"]
            .as_array()
            .is_none_or(|workers| workers.iter().all(|worker| worker["state"] == "missing"))
    });
}

#[test]
fn errors_are_keyed_as_python_keys_them() {
    let test = "errors_are_keyed_as_python_keys_them";
    if !skip::require(test, &[Need::Python("locust")]) {
        return;
    }
    use kms_simulator::locust::report::ErrorEntry;
    let script = "import sys, json\nfrom locust.stats import StatsError\n\
                  print(json.dumps([StatsError.create_key(*row) for row in json.load(sys.stdin)]))";
    let rows = [
        ["KMS", "kms", "tcp.refused"],
        ["KMS", "rpc", "it's"],
        ["KMS", "rpc", "a \"quoted\" it's \\ \n\t"],
    ];
    let mut python = Command::new(skip::python("locust").unwrap())
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(&rows).unwrap();
    python.stdin.take().unwrap().write_all(&input).unwrap();
    let output = python.wait_with_output().unwrap();
    let theirs: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let ours: Vec<String> = rows
        .iter()
        .map(|[method, name, error]| {
            let (method, name, error) = ((*method).into(), (*name).into(), (*error).into());
            ErrorEntry { name, method, error, occurrences: 1, first_seen_s: 0.0, last_seen_s: 0.0 }
                .key()
        })
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn what_a_worker_is_not_allowed_is_said_at_once() {
    let lab = Lab::start(tempfile::tempdir().unwrap().path());
    let target = lab.address.to_string();
    let nobody = format!("127.0.0.1:{}", free_port());
    for (arguments, says) in [
        (vec!["--locust-master", "192.0.2.1:5557"], "--allow-remote-master"),
        (vec!["--locust-master", "nowhere"], "HOST:PORT"),
        (vec!["--locust-master", &nobody, "--locust-class", "1x"], "--locust-class"),
        (vec!["--locust-master", &nobody, "--locust-wait", "1s"], "no Locust master"),
    ] {
        let output = Command::new(cargo_bin("kms-sim"))
            .args(["load", &target, "--depth", "rpc"])
            .args(&arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}

/// A child that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

struct Lab {
    address: SocketAddr,
    child: Running,
    journal: std::path::PathBuf,
}

impl Lab {
    fn start(folder: &Path) -> Self {
        let journal = folder.join("journal.sqlite");
        let mut child = Command::new(cargo_bin("kms-sim"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--journal"])
            .arg(&journal)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.next().unwrap();
        let address = address.strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { address, child: Running(child), journal }
    }

    /// Ends the host and returns the requests that it has answered.
    fn stop(mut self) -> u64 {
        kill(Pid::from_raw(i32::try_from(self.child.0.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert!(wait(&mut self.child.0).success());
        let output = Command::new(cargo_bin("kms-sim"))
            .args(["journal", "export", "--format", "jsonl"])
            .arg(&self.journal)
            .output()
            .unwrap();
        let rows = String::from_utf8(output.stdout).unwrap();
        rows.lines().filter(|row| row.contains("\"kind\":\"request\"")).count() as u64
    }
}

fn worker(lab: &Lab, master_port: u16, more: &[&str]) -> Running {
    let child = Command::new(cargo_bin("kms-sim"))
        .args(["load", &lab.address.to_string(), "--depth", "kms", "--think", "20ms"])
        .args(["--locust-master", &format!("127.0.0.1:{master_port}"), "--locust-wait", "60s"])
        .args(["--locust-class", "KmsUser"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Running(child.unwrap())
}

fn locust(folder: &Path) -> Command {
    let mut command = Command::new(skip::python("locust").unwrap());
    command.args(["-m", "locust", "-f", "locustfile.py"]).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn stub(folder: &Path) {
    let output = Command::new(cargo_bin("kms-sim"))
        .args(["locust-stub", "--locust-class", "KmsUser"])
        .output()
        .unwrap();
    assert!(output.status.success());
    fs::write(folder.join("locustfile.py"), output.stdout).unwrap();
}

/// Requests and failures of the row that sums up.
fn aggregated(csv: &Path) -> (u64, u64) {
    let text = fs::read_to_string(csv).unwrap();
    let row = text.lines().find(|line| line.contains("Aggregated")).unwrap();
    let cells: Vec<&str> = row.split(',').collect();
    (cells[2].parse().unwrap(), cells[3].parse().unwrap())
}

struct Web(SocketAddr);

impl Web {
    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let started = Instant::now();
        loop {
            let stats = self.ask("GET", "/stats/requests", "");
            let stats = stats.and_then(|body| serde_json::from_str(&body).ok());
            if stats.as_ref().is_some_and(&holds) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "never {what}: {stats:?}");
            pause();
        }
    }

    fn post(&self, path: &str, body: &str) {
        assert!(self.ask("POST", path, body).is_some(), "{path}");
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.0).ok()?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
    }
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "still running");
        pause();
    }
}

/// Other people's processes announce nothing that could be waited for.
#[allow(clippy::disallowed_methods, reason = "polls another process, for at most PATIENCE")]
fn pause() {
    thread::sleep(Duration::from_millis(50));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).unwrap().port()
}

/// Far longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(90);
