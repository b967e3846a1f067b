//! `kms-sim dns publish` and `withdraw` against real servers: BIND and Knot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use skip::Need;
use tempfile::TempDir;

const SERVICE: &str = "_vlmcs._tcp.lab.test";

#[test]
fn exactly_our_own_records_come_and_go() {
    for daemon in daemons("exactly_our_own_records_come_and_go") {
        let before = daemon.records();
        assert_eq!(before.len(), 2, "{before:?}");

        let published = daemon.run("publish", &OURS);
        assert!(published.status.success(), "{published:?}");
        let text = String::from_utf8(published.stdout).unwrap();
        assert!(
            text.contains("published: _vlmcs._tcp.lab.test. 600 IN SRV 5 7 1690 kms1.lab.test.")
        );
        assert!(text.contains("warning: other.lab.test.:1688 is published there too"), "{text}");
        assert!(
            text.contains("note: the TTL is that of the SRV records that were there"),
            "{text}"
        );
        let mut wanted = before.clone();
        wanted.push(format!("{SERVICE}. 600 IN SRV 5 7 1690 kms1.lab.test."));
        wanted.push("kms1.lab.test. 600 IN A 192.0.2.1".to_owned());
        wanted.push("kms1.lab.test. 600 IN AAAA 2001:db8::1".to_owned());
        wanted.sort();
        assert_eq!(daemon.records(), wanted, "{}", daemon.name);

        let again = daemon.run("publish", &OURS);
        assert!(again.status.success(), "a refresh changes nothing: {again:?}");
        assert_eq!(daemon.records(), wanted, "{}", daemon.name);

        let withdrawn = daemon.run("withdraw", &OURS);
        assert!(withdrawn.status.success(), "{withdrawn:?}");
        assert_eq!(daemon.records(), before, "{}", daemon.name);
    }
}

#[test]
fn an_update_without_the_key_is_refused_with_what_to_do() {
    for daemon in daemons("an_update_without_the_key_is_refused_with_what_to_do") {
        let before = daemon.records();
        let refused = daemon.run_without_key("publish", &OURS);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains("cannot publish `_vlmcs._tcp.lab.test.` at 127.0.0.1:"), "{text}");
        assert!(text.contains("REFUSED (5)") || text.contains("NOTAUTH (9)"), "{text}");
        assert_eq!(daemon.records(), before, "{}", daemon.name);
    }
}

#[test]
fn a_wrong_secret_and_an_unknown_key_are_told_apart() {
    for daemon in daemons("a_wrong_secret_and_an_unknown_key_are_told_apart") {
        for (name, secret, wanted) in [
            ("lab-key", "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgIQ==", "the secret differs"),
            ("no-such-key", SECRET, "the server knows no key of this name"),
        ] {
            let key = daemon.folder.path().join("other.key");
            fs::write(&key, key_file(name, secret)).unwrap();
            let output = daemon.run_with(&key, "publish", &OURS);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.contains(wanted), "{}: {text}", daemon.name);
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_zone_that_may_be_real_needs_a_word() {
    for daemon in daemons("a_zone_that_may_be_real_needs_a_word") {
        let records = ["--domain", "corp.com", "--host", "kms1.corp.com", "--address", "192.0.2.1"];
        let refused = daemon.run("publish", &records);
        assert_eq!(refused.status.code(), Some(2));
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains("zone `corp.com.` is not a lab's"), "{text}");
        let allowed = daemon.run("publish", &[&records[..], &["--i-own-this-zone"]].concat());
        assert!(allowed.status.success(), "{allowed:?}");
    }
}

#[test]
fn a_zone_elsewhere_and_a_dry_run_change_nothing() {
    for daemon in daemons("a_zone_elsewhere_and_a_dry_run_change_nothing") {
        let elsewhere = ["--domain", "elsewhere.test", "--host", "kms1.elsewhere.test"];
        let output = daemon.run("publish", &elsewhere);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            text.contains("not authoritative") || text.contains("Refused"),
            "{}: {text}",
            daemon.name
        );
        let before = daemon.records();
        let dry = daemon.run("publish", &[&OURS[..], &["--dry-run"]].concat());
        assert!(dry.status.success(), "{dry:?}");
        assert!(String::from_utf8(dry.stdout).unwrap().contains("would publish: _vlmcs._tcp"));
        assert_eq!(daemon.records(), before, "{}", daemon.name);
    }
}

#[test]
fn refreshing_puts_back_what_was_lost_and_withdraws_at_the_end() {
    for daemon in daemons("refreshing_puts_back_what_was_lost_and_withdraws_at_the_end") {
        let before = daemon.records();
        let flags = ["--refresh", "--refresh-interval", "100ms", "--withdraw-on-exit"];
        let mut child = daemon
            .command(&daemon.key, "publish", &[&OURS[..], &flags].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut published = || lines.by_ref().map(Result::unwrap).find(|l| l.contains(" AAAA "));
        published().unwrap();
        assert!(daemon.run("withdraw", &OURS).status.success());
        published().unwrap(); // Perhaps of an update before the withdrawal.
        published().unwrap();
        assert_eq!(daemon.records().len(), before.len() + 3, "{}", daemon.name);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        lines.map(Result::unwrap).find(|line| line.contains("withdrawn: ")).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(daemon.records(), before, "{}", daemon.name);
    }
}

/// What this test's host publishes.
const OURS: [&str; 10] = [
    "--domain",
    "lab.test,5,7",
    "--host",
    "kms1.lab.test",
    "--address",
    "192.0.2.1",
    "--address",
    "2001:db8::1",
    "--port",
    "1690",
];

const SECRET: &str = "bGFiIGxhYiBsYWIgbGFiIGxhYiBsYWIgbGFiIGxhYiE=";

fn key_file(name: &str, secret: &str) -> String {
    format!("key \"{name}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n")
}

/// A running server with zones `lab.test` and `corp.com` that takes updates signed by `lab-key`.
struct Daemon {
    name: &'static str,
    address: SocketAddr,
    key: PathBuf,
    folder: TempDir,
    child: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Both servers, or none where one cannot run.
fn daemons(test: &str) -> Vec<Daemon> {
    let needs = [Need::Tool("named"), Need::Tool("knotd"), Need::Tool("dig")];
    if !skip::require(test, &needs) {
        return Vec::new();
    }
    vec![Daemon::start("BIND", bind), Daemon::start("Knot", knot)]
}

fn bind(folder: &Path, address: SocketAddr) -> Command {
    let shown = folder.display();
    let zone = |name: &str| {
        format!(
            "zone \"{name}\" {{ type primary; file \"{name}.zone\"; allow-update {{ key lab-key; }}; }};\n"
        )
    };
    let config = format!(
        "{}options {{ directory \"{shown}\"; pid-file none; session-keyfile none; \
         listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; notify no; recursion no; \
         dnssec-validation no; }};\ncontrols {{ }};\n{}{}",
        key_file("lab-key", SECRET),
        address.port(),
        address.ip(),
        zone("lab.test"),
        zone("corp.com"),
    );
    let path = folder.join("named.conf");
    fs::write(&path, config).unwrap();
    let mut command = Command::new(skip::tool("named").unwrap());
    command.args(["-g", "-4", "-n", "1", "-c"]).arg(path);
    command
}

fn knot(folder: &Path, address: SocketAddr) -> Command {
    let shown = folder.display();
    let config = format!(
        "server:\n  rundir: \"{shown}\"\n  listen: {}@{}\n\
         database:\n  storage: \"{shown}\"\n\
         key:\n  - id: lab-key\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
         acl:\n  - id: update\n    key: lab-key\n    action: update\n\
         template:\n  - id: default\n    storage: \"{shown}\"\n    file: \"%s.zone\"\n    acl: update\n\
         zone:\n  - domain: lab.test\n  - domain: corp.com\n",
        address.ip(),
        address.port(),
    );
    let path = folder.join("knot.conf");
    fs::write(&path, config).unwrap();
    let mut command = Command::new(skip::tool("knotd").unwrap());
    command.arg("-c").arg(path);
    command
}

impl Daemon {
    /// Another process can take the port in between, so it is tried a few times.
    fn start(name: &'static str, command: fn(&Path, SocketAddr) -> Command) -> Self {
        (0..3).find_map(|_| Self::try_start(name, command)).expect("the server does not start")
    }

    fn try_start(name: &'static str, command: fn(&Path, SocketAddr) -> Command) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        for (zone, records) in [
            ("lab.test", "_vlmcs._tcp 600 IN SRV 0 100 1688 other\nother 600 IN A 192.0.2.9\n"),
            ("corp.com", ""),
        ] {
            let head =
                "$TTL 600\n@ IN SOA ns admin 1 3600 600 86400 60\n@ IN NS ns\nns IN A 127.0.0.1\n";
            let text = format!("$ORIGIN {zone}.\n{head}{records}");
            fs::write(folder.path().join(format!("{zone}.zone")), text).unwrap();
        }
        let key = folder.path().join("lab.key");
        fs::write(&key, key_file("lab-key", SECRET)).unwrap();
        let address = free_port();
        let child = command(folder.path(), address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = Self { name, address, key, folder, child };
        daemon.is_ready().then_some(daemon)
    }

    /// dig waits and asks again by itself; the process is watched in between.
    fn is_ready(&mut self) -> bool {
        (0..100).any(|_| {
            self.child.try_wait().unwrap().is_none()
                && (!self.dig(&["SOA", "lab.test"]).is_empty() || pause())
        })
    }

    fn command(&self, key: &Path, command: &str, records: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_kms-sim"));
        program.args(["dns", command, "--server", &self.address.to_string()]).args(records);
        program.arg("--tsig-key-file").arg(key);
        program
    }

    fn run(&self, command: &str, records: &[&str]) -> Output {
        self.run_with(&self.key, command, records)
    }

    fn run_with(&self, key: &Path, command: &str, records: &[&str]) -> Output {
        self.command(key, command, records).output().unwrap()
    }

    fn run_without_key(&self, command: &str, records: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_kms-sim"));
        program.args(["dns", command, "--server", &self.address.to_string()]).args(records);
        program.output().unwrap()
    }

    /// All that concerns KMS hosts in `lab.test`, sorted, with single spaces between fields.
    fn records(&self) -> Vec<String> {
        let queries = [
            ["SRV", SERVICE],
            ["A", "other.lab.test"],
            ["A", "kms1.lab.test"],
            ["AAAA", "kms1.lab.test"],
        ];
        let mut records: Vec<_> = queries.iter().flat_map(|query| self.dig(query)).collect();
        records.sort();
        records
    }

    fn dig(&self, query: &[&str]) -> Vec<String> {
        let output = Command::new(skip::tool("dig").unwrap())
            .args([
                "-r",
                &format!("@{}", self.address.ip()),
                "-p",
                &self.address.port().to_string(),
            ])
            .args(["+tries=1", "+timeout=10", "+noall", "+answer"])
            .args(query)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }
}

/// A refused query returns at once; the server needs time to open its socket.
fn pause() -> bool {
    let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    receiver.recv_timeout(Duration::from_millis(50)).is_ok()
}

fn free_port() -> SocketAddr {
    let find = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        UdpSocket::bind(address).is_ok().then_some(address)
    };
    (0..32).find_map(|_| find()).expect("no port is free for both UDP and TCP")
}
