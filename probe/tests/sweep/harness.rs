//! Lists in a folder of the test, runs of the program over them, and the JSON Schemas.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kms_simulator::serve::{ServeConfig, Server};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with lists, journals and reports.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// `kms-probe sweep` on a list.
pub(crate) fn sweep(list: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
    command.arg("sweep").arg(list).args(arguments).stdin(Stdio::null());
    command
}

/// The same, run to its end.
pub(crate) fn run(list: &Path, arguments: &[&str]) -> Output {
    sweep(list, arguments).output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Fails unless the program refused to begin: one message, exit code 2, nothing on standard output.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, parts: &[&str]) {
    let errors = text(&output.stderr);
    assert_eq!((code(output), text(&output.stdout)), (2, ""), "{errors}");
    assert!(errors.starts_with("error: ") && errors.lines().count() == 1, "{errors}");
    for part in parts {
        assert!(errors.contains(part), "no {part:?} in {errors}");
    }
}

/// A report of `--format json` that its schema describes.
#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    assert_valid(&report, "sweep");
    report
}

/// The lines of `--format ndjson`, each of which its schema describes.
#[track_caller]
pub(crate) fn lines(output: &Output) -> Vec<Value> {
    let lines = text(&output.stdout).lines();
    let rows: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    rows.iter().for_each(|row| assert_valid(row, "sweep-row"));
    rows
}

#[track_caller]
fn assert_valid(report: &Value, schema: &str) {
    let read = |name: &str| -> Value {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let path = root.join(format!("docs/schema/{name}.schema.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let registered = ["check", "sweep-row"].map(|name| {
        let resource = jsonschema::Resource::from_contents(read(name));
        (format!("urn:kms-probe:{name}:1"), resource)
    });
    let validator =
        jsonschema::options().with_resources(registered.into_iter()).build(&read(schema)).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The value of a field in each row.
pub(crate) fn each<'a>(rows: impl IntoIterator<Item = &'a Value>, field: &str) -> Vec<Value> {
    rows.into_iter().map(|row| row[field].clone()).collect()
}

/// A simulated KMS host on loopback.
pub(crate) fn kms_host() -> (Server, SocketAddr) {
    let config = ServeConfig {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    };
    let server = Server::start(config).unwrap();
    let address = *server.addresses().first().unwrap();
    (server, address)
}

/// A port on which connections open and nothing is ever said: the kernel completes the handshakes.
pub(crate) fn silent_host() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A child that does not outlive the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let arguments = [OsStr::new("-s"), OsStr::new(name), OsStr::new(&pid)];
        assert!(Command::new("kill").args(arguments).status().unwrap().success());
    }

    /// What it wrote, once it has ended.
    pub(crate) fn output(mut self) -> Output {
        use std::io::Read as _;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.0.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        self.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status: self.0.wait().unwrap(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Waits, with a bound, until a file has this many bytes; false if `running` ended before.
pub(crate) fn wait_for_bytes(path: &Path, bytes: u64, running: &mut Running) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() >= bytes => return true,
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
        if running.0.try_wait().unwrap().is_some() {
            return false;
        }
        thread::yield_now();
    }
    panic!("`{}` has not {bytes} bytes after {PATIENCE:?}", path.display());
}

const PATIENCE: Duration = Duration::from_secs(60);
