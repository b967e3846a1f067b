//! A `kms-sim serve` in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Client;

/// A running `kms-sim serve`, killed when dropped.
pub(crate) struct Sim {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Sim {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut kms_sim(), arguments)
    }

    pub(crate) fn spawn(command: &mut Command, arguments: &[&str]) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        Self::of(command)
    }

    /// Of a command that is complete.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut sim = Self::unready(command);
        sim.address = sim.ready_line("listening on ");
        sim
    }

    /// Of a command whose lines are still to be read.
    pub(crate) fn unready(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, address: SocketAddr::from(([0; 4], 0)) }
    }

    pub(crate) fn ready_line(&mut self, prefix: &str) -> SocketAddr {
        self.ready_text(prefix).parse().unwrap()
    }

    /// The rest of the next line of standard output, which begins with `prefix`.
    pub(crate) fn ready_text(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let rest = line.trim_end().strip_prefix(prefix);
        rest.unwrap_or_else(|| panic!("not ready: {line:?}")).to_owned()
    }

    /// The address in a line that shows it as a URL.
    pub(crate) fn ready_url(&mut self, prefix: &str) -> SocketAddr {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix(prefix).and_then(|rest| rest.strip_suffix('/'));
        address.unwrap_or_else(|| panic!("not ready: {line:?}")).parse().unwrap()
    }

    pub(crate) fn bind(&self) -> Client {
        Client::bind(self.address).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Everything logged, once the process has ended.
    pub(crate) fn log(&mut self) -> String {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }

    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.log()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn kms_sim() -> Command {
    Command::new(cargo_bin("kms-sim"))
}

/// Exit code 2, one message on standard error that names what is wrong, nothing on standard output.
#[track_caller]
pub(crate) fn assert_refused(output: &Output, named: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{named}: {message}");
    assert!(output.stdout.is_empty(), "{named}");
    assert!(message.contains(named), "`{named}` is not in: {message}");
    let complaints =
        message.lines().filter(|l| l.starts_with("error:") || l.starts_with("kms-sim:"));
    assert_eq!(complaints.count(), 1, "{message}");
}
