//! The exporter as a child process, and a scraper of a few lines.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use kms_simulator::serve::{ServeConfig, Server};
use tempfile::TempDir;

/// A running exporter; dropping it ends the process.
pub(crate) struct Exporter {
    pub(crate) address: SocketAddr,
    child: Child,
    said: BufReader<ChildStderr>,
    pub(crate) folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Exporter {
    /// An exporter with these modules, on a free port of loopback.
    pub(crate) fn new(modules: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("modules.toml");
        fs::write(&path, modules).unwrap();
        let mut child = command()
            .args(["--listen", "127.0.0.1:0", "--modules"])
            .arg(path)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let line = line(&mut said);
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        Self { address, child, said, folder }
    }

    /// Writes the file of modules again.
    pub(crate) fn write_modules(&self, modules: &str) -> PathBuf {
        let path = self.folder.path().join("modules.toml");
        fs::write(&path, modules).unwrap();
        path
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The next line for the person at the console.
    pub(crate) fn says(&mut self) -> String {
        line(&mut self.said)
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[])
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        request(self.address, "POST", path, &[])
    }

    /// A scrape by somebody who waits that long.
    pub(crate) fn scrape(&self, target: &str, module: &str, patience_s: &str) -> Answer {
        let path = format!("/probe?target={target}&module={module}");
        request(self.address, "GET", &path, &[("X-Prometheus-Scrape-Timeout-Seconds", patience_s)])
    }

    /// One of its own samples.
    pub(crate) fn own(&self, series: &str) -> Option<f64> {
        let body = self.get("/metrics").body;
        let line = body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `kms-probe exporter`, without the defaults of whoever runs the test.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
    command.arg("exporter").env("KMS_PROBE_CONFIG", "").stdin(Stdio::null());
    command
}

/// Fails unless the program refused to begin: one message, exit code 2, nothing on standard output.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, parts: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{errors}");
    assert!(errors.starts_with("error: ") && errors.lines().count() == 1, "{errors}");
    for part in parts {
        assert!(errors.contains(part), "no {part:?} in {errors}");
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    answer(raw(address, head.as_bytes()))
}

/// Sends these bytes and reads to the end.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may answer and close before it has read everything.
    let _may_be_cut_short = stream.write_all(bytes);
    let mut text = Vec::new();
    let _reset_after_the_answer = stream.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

fn answer(text: String) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

fn line(from: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line
}

/// Polls another process, with a bound.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..POLLS {
        if holds() {
            return;
        }
        thread::park_timeout(POLL);
    }
    panic!("not within {:?}: {what}", POLL * POLLS);
}

/// A simulated KMS host on every loopback address, with this port.
pub(crate) fn kms_host() -> (Server, u16) {
    let config = ServeConfig {
        listen: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    };
    let server = Server::start(config).unwrap();
    let port = server.addresses().first().unwrap().port();
    (server, port)
}

/// A port on which connections open and nothing is ever said: the kernel completes the handshakes.
pub(crate) fn mute_host() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port at which SYNs to every loopback address are dropped: the kernel does that while the queue
/// of those that wait to be accepted is full.
pub(crate) struct Dropping {
    _listener: socket2::Socket,
    _waiting: Vec<socket2::Socket>,
    pub(crate) port: u16,
}

impl Dropping {
    pub(crate) fn new() -> Self {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let port = listener.local_addr().unwrap().as_socket().unwrap().port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
        let waiting = (0..WAITING).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _in_progress = socket.connect(&address);
            socket
        });
        let waiting = waiting.collect();
        Self { _listener: listener, _waiting: waiting, port }
    }
}

/// The kernel lets one more wait than it is told.
const WAITING: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const POLLS: u32 = 600;
const POLL: Duration = Duration::from_millis(100);
