//! The dashboard in headless Chromium, driven from Python.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use common::{Client, Reply, request};
use skip::Need;

#[test]
fn the_page_shows_requests_sets_faults_moves_the_clock_and_outlives_a_restart() {
    let test = "the_page_shows_requests_sets_faults_moves_the_clock_and_outlives_a_restart";
    if !skip::require(test, &[Need::Python("playwright"), Need::Tool("chromium")]) {
        return;
    }
    let admin = free_address();
    let mut lab = Lab::start(admin);
    // Screenshots are for people to look at.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    fs::create_dir_all(&folder).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/dashboard.py");
    let mut browser = Command::new(skip::python("playwright").unwrap())
        .arg(script)
        .arg(skip::tool("chromium").unwrap())
        .arg(format!("http://{admin}/"))
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut go_on = browser.stdin.take().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(browser.stdout.take().unwrap()).lines().map(Result::unwrap) {
        match line.as_str() {
            "ask" => assert!(matches!(lab.ask(), Reply::Answer(_))),
            "faulty" => assert!(matches!(lab.ask(), Reply::Error(0xC004_F042))),
            "healthy" => assert!(matches!(lab.ask(), Reply::Answer(_))),
            "restart" => {
                drop(lab);
                lab = Lab::start(admin);
            }
            _ => {}
        }
        said.push(line);
        // At the end there is nobody left to tell.
        go_on.write_all(b"\n").ok();
    }
    assert!(browser.wait().unwrap().success(), "{said:?}");
    assert_eq!(said, ["ask", "faulty", "healthy", "restart", "ask", "done"]);
}

struct Lab {
    host: SocketAddr,
    child: Child,
}

impl Lab {
    fn start(admin: SocketAddr) -> Self {
        let mut child = Command::new(cargo_bin("kms-sim"))
            .args(["serve", "--listen", "127.0.0.1:0", "--dns", "127.0.0.1:0"])
            .args(["--initial-count", "windows=24", "--admin", &admin.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let host = lines.next().unwrap();
        let host = host.strip_prefix("listening on ").unwrap().parse().unwrap();
        lines.find(|line| line.starts_with("admin listening on ")).unwrap();
        Self { host, child }
    }

    fn ask(&self) -> Reply {
        Client::bind(self.host).unwrap().ask(&request(1))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// The page's server has to come back at the same address.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}
