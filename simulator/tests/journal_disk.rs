//! Journals on disks that take nothing more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use assert_cmd::cargo::cargo_bin;
use common::sim::{Sim, assert_refused, kms_sim};
use common::{Reply, request};
use kms_protocol::guid::Guid;
use kms_protocol::kms::Request;
use rusqlite::Connection;
use skip::Need;

#[test]
fn a_host_that_may_not_serve_without_its_journal_stops_when_the_disk_is_full() {
    let needs = [Need::Root, Need::Tool("unshare")];
    if !skip::require("journal_disk::stops_when_the_disk_is_full", &needs) {
        return;
    }
    let disk = SmallDisk::new();
    let mut sim = disk.start(&["--durability", "full"]);
    let files = disk.hold(&sim);
    let acknowledged = ask_until_closed(&sim);
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert_eq!(sim.child.wait().unwrap().code(), Some(2));
    let log = sim.log();
    assert!(log.contains("journal cannot be written: nothing more is answered"), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("kms-sim: journal `"), "{last}");
    assert!(last.contains("the disk is full"), "{last}");
    assert!(last.ends_with("; stopped, as --journal-failure stop says"), "{last}");
    assert_eq!(files.check().intersection(&acknowledged).count(), acknowledged.len());
}

#[test]
fn a_host_that_may_serves_on_without_its_journal_and_records_what_is_missing() {
    let needs = [Need::Root, Need::Tool("unshare")];
    if !skip::require("journal_disk::serves_on_when_the_disk_is_full", &needs) {
        return;
    }
    let disk = SmallDisk::new();
    let mut sim = disk.start(&["--journal-failure", "continue", "--durability", "full"]);
    let files = disk.hold(&sim);
    let ballast = files.path("ballast");
    fs::write(&ballast, vec![0; 600 << 10]).unwrap();
    let log = BufReader::new(sim.child.stderr.take().unwrap());
    let (lines, logged) = channel();
    thread::spawn(move || log.lines().try_for_each(|line| lines.send(line.unwrap())));
    let mut client = sim.bind();
    let mut asked = 0u64;
    // Before, while and after the disk is full a row is written or lost, an answer never.
    let mut ask_until = |told: &str| {
        while !logged.try_iter().any(|line| line.contains(told)) {
            asked += 1;
            assert!(matches!(client.ask(&numbered(asked)), Reply::Answer(_)), "{told}");
        }
    };
    ask_until("journal cannot be written: serving on, rows are lost");
    fs::remove_file(&ballast).unwrap();
    ask_until("journal: rows are written again rows_lost=");
    sim.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(sim.child.wait().unwrap().code(), Some(0));
    let rows = files.check();
    assert!(rows.len() < usize::try_from(asked).unwrap(), "rows are missing");
    let detail = files.text("SELECT detail FROM event WHERE kind = 'rows-lost'");
    let lost: usize = detail[0].split_once(' ').unwrap().0.parse().unwrap();
    assert_eq!(rows.len() + lost, usize::try_from(asked).unwrap(), "and their number is known");
}

#[test]
fn a_write_error_that_is_not_a_full_disk_is_treated_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut command = Command::new("sh");
    // Files may not grow beyond 1 MiB: what goes past it fails with EFBIG.
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(cargo_bin("kms-sim"));
    let flags =
        ["--durability", "full", "--log-level", "warn", "--journal", path.to_str().unwrap()];
    let mut sim = Sim::spawn(&mut command, &flags);
    let acknowledged = ask_until_closed(&sim);
    assert_eq!(sim.child.wait().unwrap().code(), Some(2));
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let log = sim.log();
    assert!(log.contains("nothing more is answered"), "{log}");
    assert_eq!(check(&path).intersection(&acknowledged).count(), acknowledged.len());
    // The limit is gone, and so is the trouble.
    let sim = Sim::start(&["--journal", path.to_str().unwrap()]);
    assert_eq!(sim.bind().ask(&numbered(1)).count(), 50);
    sim.stop();
}

#[test]
fn a_file_system_that_is_read_only_can_be_read_and_not_served_from() {
    let needs = [Need::Root, Need::Tool("unshare")];
    if !skip::require("journal_disk::read_only", &needs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let sim = Sim::start(&["--journal", path.to_str().unwrap()]);
    sim.bind().ask(&request(1));
    sim.stop();
    let read_only = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(folder.path()).arg(cargo_bin("kms-sim"));
        command.args(arguments).output().unwrap()
    };
    let file = path.to_str().unwrap();
    let output = read_only(&["serve", "--listen", "127.0.0.1:0", "--journal", file]);
    assert_refused(&output, "the file system is read-only");
    let other = folder.path().join("other");
    let output =
        read_only(&["serve", "--listen", "127.0.0.1:0", "--journal", other.to_str().unwrap()]);
    assert_refused(&output, "the file system is read-only");
    let output = read_only(&["journal", "query", file, "--requests-only"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert!(kms_sim().args(["journal", "query", file]).output().unwrap().status.success());
}

/// A file system of a megabyte, seen by one process only.
struct SmallDisk {
    mount_point: tempfile::TempDir,
}

/// The files of that file system, also once its process is gone.
struct HeldFiles(File);

impl SmallDisk {
    fn new() -> Self {
        Self { mount_point: tempfile::tempdir().unwrap() }
    }

    fn start(&self, flags: &[&str]) -> Sim {
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs -o size=1m tmpfs \"$0\" && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(self.mount_point.path());
        command.arg(cargo_bin("kms-sim"));
        let journal = self.mount_point.path().join("journal");
        let journal = ["--log-level", "warn", "--journal", journal.to_str().unwrap()];
        Sim::spawn(&mut command, &[&journal, flags].concat())
    }

    fn hold(&self, sim: &Sim) -> HeldFiles {
        let mount_point = self.mount_point.path().strip_prefix("/").unwrap();
        let seen = Path::new("/proc").join(sim.child.id().to_string()).join("root");
        HeldFiles(File::open(seen.join(mount_point)).unwrap())
    }
}

impl HeldFiles {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }

    /// A copy that SQLite can open by its path.
    fn copied(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["journal", "journal-wal"] {
            if self.path(name).exists() {
                fs::copy(self.path(name), folder.path().join(name)).unwrap();
            }
        }
        let path = folder.path().join("journal");
        (folder, path)
    }

    fn check(&self) -> BTreeSet<Guid> {
        let (_folder, path) = self.copied();
        check(&path)
    }

    fn text(&self, sql: &str) -> Vec<String> {
        let (_folder, path) = self.copied();
        text(&Connection::open(path).unwrap(), sql)
    }
}

/// The client machine ids of a sound journal.
fn check(path: &Path) -> BTreeSet<Guid> {
    let connection = Connection::open(path).unwrap();
    assert_eq!(text(&connection, "PRAGMA integrity_check"), ["ok"]);
    let ids = text(&connection, "SELECT lower(hex(cmid)) FROM request");
    ids.iter()
        .map(|id| Guid::from_bytes(u128::from_str_radix(id, 16).unwrap().to_be_bytes()))
        .collect()
}

fn text(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Asks until the host closes, and returns what it has acknowledged.
fn ask_until_closed(sim: &Sim) -> BTreeSet<Guid> {
    let mut client = sim.bind();
    let mut acknowledged = BTreeSet::new();
    for number in 1.. {
        match client.ask(&numbered(number)) {
            Reply::Answer(_) => acknowledged.insert(numbered(number).cmid),
            Reply::Closed => break,
            other => panic!("neither an answer nor the end: {other:?}"),
        };
    }
    acknowledged
}

fn numbered(number: u64) -> Request {
    Request { cmid: Guid::from_bytes(u128::from(number).to_be_bytes()), ..request(1) }
}
