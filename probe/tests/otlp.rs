//! Checks as OpenTelemetry traces, received by the protocol's own definitions.

#![cfg(feature = "otlp")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use kms_simulator::serve::{ServeConfig, Server};
use serde_json::Value;
use skip::Need;

/// A receiver in a process of its own.
struct Receiver {
    child: Child,
    lines: BufReader<ChildStdout>,
    endpoint: String,
}

impl Receiver {
    fn start(test: &str) -> Option<Self> {
        if !skip::require(test, &[Need::Python("opentelemetry.proto")]) {
            return None;
        }
        let script = skip::workspace_root().join("tests/python/otlp_receiver.py");
        let mut child = Command::new(skip::python("opentelemetry.proto").unwrap())
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        Some(Self { child, lines, endpoint: format!("http://127.0.0.1:{}", port.trim()) })
    }

    /// The next trace that arrives.
    fn trace(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn host() -> Server {
    Server::start(ServeConfig {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    })
    .unwrap()
}

fn closed_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn check(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
    command.arg("check").args(arguments).env("KMS_PROBE_CONFIG", "").output().unwrap()
}

fn span<'a>(trace: &'a Value, name: &str) -> &'a Value {
    let spans = trace["spans"].as_array().unwrap();
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {trace}"))
}

#[test]
fn a_check_is_a_trace_with_a_span_for_each_target_and_stage() {
    let Some(mut receiver) =
        Receiver::start("a_check_is_a_trace_with_a_span_for_each_target_and_stage")
    else {
        return;
    };
    let host = host();
    let address = host.addresses().first().unwrap().to_string();
    let checked = check(&[&address, "--otlp-endpoint", &receiver.endpoint]);
    assert_eq!((checked.status.code(), &checked.stderr[..]), (Some(0), &b""[..]));
    let trace = receiver.trace();
    assert_eq!((&trace["service"], &trace["traces"]), (&"kms-probe".into(), &1.into()), "{trace}");
    assert_eq!(trace["ids"], true);
    let (root, target) = (span(&trace, "check"), span(&trace, "target"));
    assert_eq!((&root["parent"], &target["parent"]), (&Value::Null, &"check".into()));
    assert_eq!(root["attributes"]["kms.verdict"], "rpc.ok");
    assert_eq!(target["attributes"]["network.peer.address"], "127.0.0.1");
    let mut before = root["start"].as_u64().unwrap();
    for name in ["tcp", "bind", "rpc"] {
        let stage = span(&trace, name);
        assert_eq!(stage["parent"], "target", "{trace}");
        assert_eq!((&stage["kind"], &stage["status"]), (&3.into(), &1.into()), "client, ok");
        assert_eq!(stage["attributes"]["kms.verdict"], format!("{name}.ok"));
        let (start, length) = (&stage["start"], stage["nanoseconds"].as_u64().unwrap());
        assert_eq!(start.as_u64().unwrap(), before, "{name} begins where the one before it ended");
        assert!(length > 0);
        before += length;
    }
    assert_eq!(root["start"].as_u64().unwrap() + root["nanoseconds"].as_u64().unwrap(), before);
}

#[test]
fn what_is_wrong_is_an_error_in_the_trace_with_its_cause() {
    let Some(mut receiver) =
        Receiver::start("what_is_wrong_is_an_error_in_the_trace_with_its_cause")
    else {
        return;
    };
    let closed = closed_port().to_string();
    let checked = check(&[&closed, "--otlp-endpoint", &receiver.endpoint]);
    assert_eq!(checked.status.code(), Some(1));
    let trace = receiver.trace();
    for name in ["check", "target", "tcp"] {
        let span = span(&trace, name);
        assert_eq!(span["status"], 2, "{trace}");
        assert!(span["message"].as_str().unwrap().contains("answered the SYN with a reset"));
        assert_eq!(span["attributes"]["kms.verdict"], "tcp.refused");
    }
}

#[test]
fn a_collector_that_is_not_there_or_refuses_is_a_warning_beside_the_report() {
    let host = host();
    let address = host.addresses().first().unwrap().to_string();
    let nowhere = format!("http://{}", closed_port());
    let checked = check(&[&address, "--otlp-endpoint", &nowhere]);
    let warning = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{warning}");
    assert!(
        warning.starts_with("warning: cannot send the trace to http://127.0.0.1:"),
        "{warning}"
    );
    assert!(String::from_utf8_lossy(&checked.stdout).starts_with("OK rpc.ok"));

    let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    for (status, body, expected) in [
        ("429 Too Many Requests", "later", "refused the trace: HTTP status 429"),
        (
            "200 OK",
            "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"too old\"}}",
            "refused 2 spans of the trace: too old",
        ),
    ] {
        let answering = collector.try_clone().unwrap();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = answering.accept().unwrap();
            take_request(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let checked = check(&[&address, "--otlp-endpoint", &endpoint]);
        thread.join().unwrap();
        let warning = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(warning.contains(expected), "{warning}");
        assert_eq!(checked.status.code(), Some(0));
    }
    let refused = check(&[&address, "--otlp-endpoint", "grpc://a"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--otlp-endpoint"));
}

/// Reads a whole request, so that closing does not reset what the other side still reads.
fn take_request(stream: &mut TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

#[test]
fn every_scrape_of_an_exporter_is_a_trace() {
    let Some(mut receiver) = Receiver::start("every_scrape_of_an_exporter_is_a_trace") else {
        return;
    };
    let host = host();
    let mut exporter = Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(["exporter", "--listen", "127.0.0.1:0", "--otlp-endpoint", &receiver.endpoint])
        .env("KMS_PROBE_CONFIG", "")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(exporter.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    let at = said.trim().strip_prefix("listening on http://").unwrap();
    let target = host.addresses().first().unwrap();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(at).unwrap();
        let request =
            format!("GET /probe?target={target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("probe_success 1"), "{answer}");
        assert_eq!(span(&receiver.trace(), "check")["attributes"]["kms.verdict"], "rpc.ok");
    }
    exporter.kill().unwrap();
    exporter.wait().unwrap();
}
