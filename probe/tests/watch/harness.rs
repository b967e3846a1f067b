//! A simulated host with its admin API, a folder with a configuration, and a webhook receiver.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use kms_simulator::admin::{self, AdminServer};
use kms_simulator::serve::{ServeConfig, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::skip::{tool, workspace_root};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// A test that waits this long fails for another reason.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Lab {
    server: Server,
    admin: AdminServer,
}

impl Lab {
    pub(crate) fn start() -> Self {
        let config = ServeConfig {
            listen: vec![ANY_PORT],
            workers: NonZeroUsize::MIN,
            ..ServeConfig::default()
        };
        let server = Server::start(config).unwrap();
        let options = admin::Options { address: ANY_PORT, names: Vec::new(), token: None };
        let admin = admin::start(&options, server.hosts(), None, Value::Null).unwrap();
        Self { server, admin }
    }

    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.admin.address())
    }

    /// The host refuses connections; the id of the rule that makes it.
    pub(crate) fn break_it(&self) -> String {
        let url = format!("{}/api/v1/faults", self.admin());
        let request = ureq::post(&url).header("content-type", "application/json");
        let answer = request.send(r#"{"rule":"refuse"}"#).unwrap().into_body().read_to_string();
        let rule: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        rule["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn mend(&self) {
        ureq::delete(&format!("{}/api/v1/faults", self.admin())).call().unwrap();
    }
}

pub(crate) struct Watch(TempDir);

impl Watch {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn configure(&self, lab: &Lab, target: &str, tables: &str) {
        let address = lab.server.addresses().first().unwrap();
        let text = format!(
            "history = \"watch.db\"\n[[target]]\nname = \"kms1\"\ntarget = \"{address}\"\n\
             confirm = \"1 of 1\"\n{target}\ntimeout = \"20s\"\n{tables}\n"
        );
        self.write("watch.toml", &text);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
        command.arg("watch").arg(self.path("watch.toml"));
        command.env("KMS_PROBE_CONFIG", "").stdin(Stdio::null());
        command
    }

    /// Exit code, and standard output and error together.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command().args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    pub(crate) fn once(&self) -> (i32, String) {
        self.run(&["--once"])
    }

    /// Runs again, as cron would, until `is_done`.
    pub(crate) fn once_until(&self, is_done: impl Fn() -> bool) {
        self.until(|| {
            self.once();
            is_done()
        });
    }

    #[track_caller]
    pub(crate) fn until(&self, mut is_done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_done() {
            assert!(begun.elapsed() < PATIENCE, "it never came");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Watches until the end of the test, or of the value, which kills it (SIGKILL).
    pub(crate) fn start(&self) -> Running {
        self.start_and_see("watching")
    }

    /// The same once it has written a line with `text` to standard error.
    pub(crate) fn start_and_see(&self, text: &str) -> Running {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let running = Running(child);
        assert!(lines.any(|line| line.unwrap().contains(text)), "it ended");
        running
    }

    /// The rows of a query of the history, columns joined by `|`.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        let history = rusqlite::Connection::open(self.path("watch.db")).unwrap();
        let mut statement = history.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let value = |column| row.get::<_, rusqlite::types::Value>(column);
            let text = |value| match value {
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Integer(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            let values: Result<Vec<_>, _> = (0..columns).map(|it| value(it).map(text)).collect();
            Ok(values?.join("|"))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}

pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A receiver that keeps alerts in the folder of a watch.
pub(crate) struct Receiver {
    port: u16,
    child: Child,
    _ends_with_this: ChildStdin,
}

impl Receiver {
    pub(crate) fn start(watch: &Watch, port: u16, secret: &str) -> Self {
        let mut child = Command::new(tool("python3").unwrap())
            .arg(workspace_root().join("tests/python/webhook_receiver.py"))
            .arg(port.to_string())
            .arg(watch.path("alerts"))
            .arg(secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap(), child, _ends_with_this: stdin }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn alerts(&self, watch: &Watch) -> Vec<Value> {
        let text = fs::read_to_string(watch.path("alerts")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port of this machine where nothing listens.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap().port()
}
