//! A folder with a configuration, a relay beside it, and runs of `kms-probe watch --once`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use kms_simulator::serve::{ServeConfig, Server};
use tempfile::TempDir;

use crate::skip::{python, workspace_root};

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// `watch --once` with the configuration in this folder.
    pub(crate) fn once(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
        command.arg("watch").arg(self.path("watch.toml")).arg("--once");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The mails that the relay has kept, in their order.
    pub(crate) fn mails(&self) -> Vec<String> {
        let mail = |number: usize| fs::read_to_string(self.path(&format!("{number}.eml"))).ok();
        (1..).map_while(mail).collect()
    }
}

/// A relay that keeps its mails in a folder.
pub(crate) struct Relay {
    pub(crate) port: u16,
    child: Child,
    _ends_with_this: ChildStdin,
}

impl Relay {
    pub(crate) fn start(folder: &Folder, options: &[&str]) -> Self {
        let mut child = Command::new(python("aiosmtpd").unwrap())
            .arg(workspace_root().join("tests/python/smtp_server.py"))
            .arg(folder.0.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap(), child, _ends_with_this: stdin }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// An address of this machine where nothing listens, until the test lets a host do so.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// A simulated KMS host at this address.
pub(crate) fn kms_host(address: SocketAddr) -> Server {
    let listen = vec![address];
    let config = ServeConfig { listen, workers: NonZeroUsize::MIN, ..ServeConfig::default() };
    Server::start(config).unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    format!("{}\n{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}
