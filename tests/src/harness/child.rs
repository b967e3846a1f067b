//! Child processes that end with the test that started them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::server::until_within;
use crate::skip::workspace_root;

/// A running program. It is killed when dropped; nothing else ever is.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

/// What a finished program left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Running {
    /// Starts a program whose standard error can be followed.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let stderr = child.stderr.take().expect("stderr is piped");
        Self { child, lines: follow(stderr) }
    }

    /// Waits for a line of standard error that contains `text`.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str) {
        let begun = Instant::now();
        let mut seen = Vec::new();
        while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return,
                Ok(line) => seen.push(line),
                Err(_) => break,
            }
        }
        panic!("no line with `{text}` but: {seen:#?}");
    }

    /// Asks the program to end, as Ctrl-C does, and waits for it.
    #[track_caller]
    pub fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
        assert!(sent.success(), "SIGINT for process {pid}");
        self.wait_for(PATIENCE)
    }

    #[track_caller]
    fn wait_for(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        until_within(patience, "the end of a child process", || {
            status = self.child.try_wait().expect("a child of ours");
            status.is_some()
        });
        status.expect("ended")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs a program to its end, which must come within `RUN_PATIENCE`.
#[track_caller]
#[must_use]
pub fn run(command: &mut Command) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let stdout = read_all(child.stdout.take().expect("stdout is piped"));
    let stderr = read_all(child.stderr.take().expect("stderr is piped"));
    let mut running = Running { child, lines: channel().1 };
    let status = running.wait_for(RUN_PATIENCE);
    Finished {
        code: status.code(),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    }
}

/// Runs a program that must succeed, and returns its standard output.
#[track_caller]
#[must_use]
pub fn run_ok(command: &mut Command) -> String {
    let finished = run(command);
    assert_eq!(
        finished.code,
        Some(0),
        "{command:?}\nstdout:\n{}\nstderr:\n{}",
        finished.stdout,
        finished.stderr
    );
    finished.stdout
}

/// A script of the folder `python`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    let path: &Path = workspace_root();
    path.join("tests/python").join(name)
}

/// Reads a pipe to its end in a thread of its own.
fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("reads from a child");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Sends the lines of a child's standard error from a thread of their own, so that the child is
/// never held up by a full pipe.
fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            // A test that no longer waits has dropped its end.
            sender.send(text).ok();
            line.clear();
        }
    });
    receiver
}

/// Longest run of a program: Samba's tests wait for silence thousands of times.
const RUN_PATIENCE: Duration = Duration::from_secs(180);

const LINE_MAX: u64 = 4096;
