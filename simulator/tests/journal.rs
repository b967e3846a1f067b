//! The journal of a running `kms-sim serve`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{TryRecvError, channel};
use std::thread;

use common::sim::{Sim, assert_refused, kms_sim};
use common::{Reply, request};
use kms_protocol::guid::Guid;
use kms_protocol::kms::Request;
use kms_protocol::kms::crypto::LabKey;
use rusqlite::Connection;

#[test]
fn a_restarted_host_knows_its_clients_and_every_row_is_there() {
    for durability in ["full", "async"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.journal");
        let flags = ["--journal", path.to_str().unwrap(), "--durability", durability];
        let sim = Sim::start(&flags);
        for client in 1..=7 {
            assert_eq!(sim.bind().ask(&request(client)).count(), u32::from(client));
        }
        let mut foreign = sim.bind();
        foreign.use_key(&LabKey::from_bytes([9; 16]));
        assert!(matches!(foreign.ask(&request(1)), Reply::Error(0x8007_000D)));
        let skewed = Request { client_time: Default::default(), ..request(2) };
        assert!(matches!(sim.bind().ask(&skewed), Reply::Error(0xC004_F06C)));
        let log = sim.stop();
        assert!(log.contains(&format!("durability=\"{durability}: ")), "{log}");
        assert!(log.contains("journal closed rows=11 "), "{log}");

        let sim = Sim::start(&flags);
        assert_eq!(sim.bind().ask(&request(3)).count(), 7, "{durability}");
        assert_eq!(sim.bind().ask(&request(8)).count(), 8, "{durability}");
        sim.stop();
        let outcomes = rows(&path, "SELECT outcome FROM request ORDER BY number");
        let mut expected = vec!["accepted"; 7];
        expected.extend(["foreign-key", "refused", "accepted", "accepted"]);
        assert_eq!(outcomes, expected, "{durability}");
        let events = rows(&path, "SELECT kind FROM event ORDER BY number");
        assert_eq!(events, ["host-started", "host-stopped", "host-started", "host-stopped"]);
    }
}

#[test]
fn a_journal_that_cannot_be_used_keeps_the_host_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("notes.txt");
    std::fs::write(&foreign, "not a journal\n").unwrap();
    for (path, named) in [
        (foreign.as_path(), "not an SQLite file"),
        (folder.path(), "is a directory"),
        (Path::new("/nonexistent/lab.journal"), "does its directory exist"),
    ] {
        let mut command = kms_sim();
        command.args(["serve", "--listen", "127.0.0.1:0", "--journal"]).arg(path);
        assert_refused(&command.output().unwrap(), named);
    }
    let sim = Sim::start(&["--journal", folder.path().join("used").to_str().unwrap()]);
    let mut command = kms_sim();
    command.args(["serve", "--listen", "127.0.0.1:0", "--journal"]).arg(folder.path().join("used"));
    assert_refused(&command.output().unwrap(), "in use by another kms-sim");
    drop(sim);
}

fn rows(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_was_recorded_is_read_in_every_form_while_the_host_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.journal");
    let file = path.to_str().unwrap();
    let sim = Sim::start(&["--journal", file, "--durability", "full"]);
    for client in 1..=5 {
        sim.bind().ask(&request(client));
    }
    let skewed = Request { client_time: Default::default(), ..request(6) };
    sim.bind().ask(&skewed);

    let lines = |arguments: &[&str]| -> Vec<String> {
        let output = kms_sim().arg("journal").args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let exported = lines(&["export", file]);
    assert_eq!(exported.len(), 7, "six requests and the start of the host");
    for line in &exported {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["kind"] != "request" || line["cmid"].is_string(), "{line}");
    }
    assert_eq!(lines(&["export", file, "--format", "csv", "--requests-only"]).len(), 7);
    let events = lines(&["export", file, "--format", "event12290"]);
    assert_eq!(events.len(), 6);
    assert!(events[0].starts_with("0x0,25,LAB-PC,01010101-0101-0101-0101-010101010101,20"));
    assert!(events[5].starts_with("0xC004F06C,25,LAB-PC,"), "{}", events[5]);
    let newest = lines(&["query", file, "--limit", "2", "--from", "1h"]);
    assert_eq!(newest.len(), 2);
    assert!(newest[1].contains("refused") && newest[1].contains("0xC004F06C"), "{newest:?}");
    assert_eq!(lines(&["query", file, "--outcome", "accepted", "--product", "windows"]).len(), 5);
    assert_eq!(lines(&["query", file, "--to", "2020-01-01"]).len(), 0);
    assert_eq!(lines(&["tail", file, "-n", "3"]).len(), 3);
    let stats = lines(&["stats", file, "--format", "json"]).join("\n");
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((&stats["requests"], &stats["clients"]), (&6.into(), &6.into()));
    assert!(lines(&["stats", file]).iter().any(|line| line.contains("clocks more than 4 h apart")));

    let copy = folder.path().join("copy.journal");
    assert!(lines(&["backup", file, copy.to_str().unwrap()]).is_empty());
    assert_eq!(lines(&["export", copy.to_str().unwrap()]), exported);
    let out = folder.path().join("out.csv");
    let out = out.to_str().unwrap();
    assert!(lines(&["export", file, "--format", "csv", "--output", out]).is_empty());
    assert_eq!(std::fs::read_to_string(out).unwrap().lines().count(), 8);
    for again in [&["backup", file, out][..], &["export", file, "--output", out]] {
        let output = kms_sim().arg("journal").args(again).output().unwrap();
        assert_refused(&output, out);
    }
}

#[test]
fn a_journal_that_is_followed_shows_rows_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.journal");
    let sim = Sim::start(&["--journal", path.to_str().unwrap(), "--durability", "full"]);
    let mut follower = kms_sim()
        .args(["journal", "tail", "-f", "-n", "0", "--requests-only", "--format", "jsonl"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    // It may begin at any moment, and from then on shows every row.
    let cmid = |line: Option<std::io::Result<String>>| {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
        line["cmid"].as_str().unwrap().to_owned()
    };
    let (asked, begun) = channel();
    let clients = thread::spawn(move || {
        let mut client = sim.bind();
        let mut number = 0u64;
        while begun.try_recv() == Err(TryRecvError::Empty) {
            number += 1;
            let mut bytes = [7; 16];
            bytes[8..].copy_from_slice(&number.to_be_bytes());
            client.ask(&Request { cmid: Guid::from_bytes(bytes), ..request(1) });
        }
    });
    let seen: Vec<u64> =
        (0..200).map(|_| u64::from_str_radix(&cmid(lines.next())[24..], 16).unwrap()).collect();
    asked.send(()).unwrap();
    clients.join().unwrap();
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seen:?}");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn what_is_no_journal_is_named_and_bad_conditions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.journal");
    let file = path.to_str().unwrap();
    let refused = |arguments: &[&str], named: &str| {
        assert_refused(&kms_sim().arg("journal").args(arguments).output().unwrap(), named);
    };
    for command in ["query", "export", "tail", "stats"] {
        refused(&[command, file], "no such file");
    }
    refused(&["backup", file, "/nonexistent/copy"], "no such file");
    std::fs::write(&path, "a text file, and long enough to be looked at as something else\n")
        .unwrap();
    refused(&["query", file], "not an SQLite file");
    std::fs::remove_file(&path).unwrap();
    Sim::start(&["--journal", file]).stop();
    for (arguments, named) in [
        (&["--from", "soon"][..], "--from"),
        (&["--from", "2026-13-01"], "--from"),
        (&["--from", "1h", "--to", "2h"], "--from: not before --to"),
        (&["--cmid", "1234"], "--cmid"),
        (&["--hresult", "C004F06C"], "--hresult"),
        (&["--hresult", "0x1C004F06C"], "--hresult"),
        (&["--outcome", "lost"], "--outcome"),
        (&["--limit", "many"], "--limit"),
        (&["--format", "xml"], "--format"),
    ] {
        refused(&[&["query", file], arguments].concat(), named);
    }
    refused(&["backup", file, "/nonexistent/copy"], "/nonexistent/copy");
}
