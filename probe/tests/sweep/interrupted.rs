//! Sweeps that end early, and go on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::harness::{
    Folder, Running, assert_refused, code, each, json, kms_host, lines, run, silent_host, sweep,
    text, wait_for_bytes,
};

/// The rows of a journal whose lines are complete, as they stand there.
fn finished(journal: &Path) -> Vec<String> {
    let content = fs::read_to_string(journal).unwrap_or_default();
    let whole = content.rfind('\n').map_or(0, |at| at + 1);
    content[..whole].lines().skip(1).map(ToOwned::to_owned).collect()
}

fn row_of(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["row"].as_u64().unwrap()
}

#[test]
fn after_kill_9_at_any_moment_no_finished_row_is_lost_or_done_twice() {
    let seed = 20_261_124;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (_server, healthy) = kms_host();
    let (_listener, silent) = silent_host();
    let folder = Folder::new();
    let targets = [healthy.to_string(), silent.to_string(), "127.0.0.1:1".to_owned()];
    let list: Vec<String> = (0..ROWS).map(|number| targets[number % 3].clone()).collect();
    let list = folder.file("list.txt", list.join("\n"));
    let journal = folder.path("journal");
    let arguments =
        ["--resume", journal.to_str().unwrap(), "--timeout", "30ms", "--concurrency", "4"];
    let mut before: Vec<String> = Vec::new();
    let (mut kills, mut cuts) = (0, 0);
    while kills < KILLS_MAX {
        let mut running = Running::start(sweep(&list, &arguments));
        let length = fs::metadata(&journal).map_or(0, |metadata| metadata.len());
        let moment = length + random.random_range(1..12_000);
        if !wait_for_bytes(&journal, moment, &mut running) {
            break;
        }
        running.signal("KILL");
        drop(running);
        kills += 1;
        // What a crash in the middle of a write would leave: the last line cut off anywhere.
        let content = fs::read(&journal).unwrap();
        let last_line = content.len()
            - content[..content.len() - 1].iter().rposition(|&b| b == b'\n').unwrap_or(0);
        if random.random_bool(0.5) {
            let cut = random.random_range(1..last_line);
            fs::write(&journal, &content[..content.len() - cut]).unwrap();
            cuts += 1;
        }
        let now = finished(&journal);
        let kept = before.len().min(now.len());
        assert_eq!(now[..kept], before[..kept], "seed {seed}: a finished row changed");
        before = now;
    }
    assert!(kills >= 3 && cuts >= 1, "seed {seed}: {kills} kills, {cuts} cuts");
    let output = run(&list, &[&arguments[..], &["--format", "ndjson"]].concat());
    let rows = lines(&output);
    assert_eq!(each(&rows, "row"), (1..=ROWS).collect::<Vec<_>>(), "seed {seed}");
    let now = finished(&journal);
    assert_eq!(now[..before.len()], before[..], "seed {seed}: a finished row was done again");
    let distinct: BTreeSet<u64> = now.iter().map(|line| row_of(line)).collect();
    assert_eq!((now.len(), distinct.len()), (ROWS, ROWS), "seed {seed}");
    let expected = ["rpc.ok", "bind.timeout", "tcp.refused"];
    let as_expected = rows.iter().enumerate().all(|(at, row)| row["verdict"] == expected[at % 3]);
    assert!(as_expected, "seed {seed}");
}

#[test]
fn a_finished_journal_is_reported_again_without_any_check() {
    let folder = Folder::new();
    let (server, address) = kms_host();
    let list = folder.file("list.txt", format!("{address}\n127.0.0.1:1\n"));
    let journal = folder.path("journal");
    let arguments = ["--resume", journal.to_str().unwrap(), "--format", "json"];
    let first = json(&run(&list, &arguments));
    drop(server);
    let again = json(&run(&list, &[&arguments[..], &["--concurrency", "1"]].concat()));
    assert_eq!(again["resumed_rows"], 2);
    for field in ["started", "rows", "summary", "verdict"] {
        assert_eq!(first[field], again[field], "{field}");
    }
}

#[test]
fn a_journal_serves_only_its_own_list_and_options() {
    let folder = Folder::new();
    let list = folder.file("list.txt", "127.0.0.1:1\n127.0.0.1:2\n");
    let journal = folder.path("journal");
    let resume = ["--resume", journal.to_str().unwrap()];
    assert_eq!(code(&run(&list, &resume)), 1);
    let kept = fs::read(&journal).unwrap();
    let shorter = folder.file("shorter.txt", "127.0.0.1:1\n");
    let other = folder.file("other.txt", "127.0.0.1:1\n127.0.0.1:3\n");
    let with = |more: &[&str]| run(&list, &[&resume[..], more].concat());
    for (output, part) in [
        (run(&shorter, &resume), "its list has 2 rows, and this one 1"),
        (run(&other, &resume), "its list has other rows"),
        (with(&["--timeout", "2s"]), "--bind-timeout was `1s` there, and is `2s` now"),
        (with(&["--depth", "tcp"]), "its list has other rows"),
        (with(&["--kms-version", "4"]), "--kms-version was `V6` there"),
    ] {
        assert_refused(&output, &["journal `", "belongs to another sweep", part]);
    }
    assert_eq!(fs::read(&journal).unwrap(), kept, "it is left as it is");
    assert_eq!(code(&with(&["--concurrency", "1", "--format", "csv"])), 1, "these may change");
}

#[test]
fn a_file_that_is_no_journal_or_is_damaged_is_left_alone() {
    let folder = Folder::new();
    let list = folder.file("list.txt", "127.0.0.1:1\n127.0.0.1:2\n");
    let journal = folder.path("journal");
    let resume = ["--resume", journal.to_str().unwrap()];
    run(&list, &resume);
    let good = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let repeated = format!("{good}{}\n", lines[1]);
    let damaged = format!("{}\n{{\"row\":\n{}\n", lines[0], lines[2]);
    for (content, part) in [
        ("my diary\n", "not the journal of a sweep"),
        ("my diary", "not the journal of a sweep"),
        (damaged.as_str(), "line 2 is damaged"),
        (repeated.as_str(), "line 4 is damaged"),
    ] {
        fs::write(&journal, content).unwrap();
        assert_refused(&run(&list, &resume), &["journal `", part]);
        assert_eq!(fs::read_to_string(&journal).unwrap(), content);
    }
    // A header that was cut off, and an empty file, are the beginning of a journal.
    for content in ["", &lines[0][..25]] {
        fs::write(&journal, content).unwrap();
        assert_eq!(code(&run(&list, &resume)), 1);
        assert_eq!(finished(&journal).len(), 2);
    }
}

#[test]
fn two_sweeps_do_not_share_a_journal() {
    let (_listener, silent) = silent_host();
    let folder = Folder::new();
    let list = folder.file("list.txt", format!("{silent}\n"));
    let journal = folder.path("journal");
    let arguments = ["--resume", journal.to_str().unwrap(), "--timeout", "1m"];
    let mut first = Running::start(sweep(&list, &arguments));
    assert!(wait_for_bytes(&journal, 1, &mut first), "the first is at work");
    assert_refused(&run(&list, &arguments), &["journal `", "is in use by another sweep"]);
}

#[test]
fn a_signal_ends_it_soon_with_what_is_finished_and_what_is_missing() {
    for signal in ["INT", "TERM"] {
        let (_listener, silent) = silent_host();
        let folder = Folder::new();
        let list = folder.file("list.txt", format!("127.0.0.1:1\n{silent}\n127.0.0.1:2\n"));
        let journal = folder.path("journal");
        let resume = ["--resume", journal.to_str().unwrap(), "--timeout", "10m"];
        let one = [&resume[..], &["--concurrency", "2", "--total-timeout", "1h"]].concat();
        let mut running = Running::start(sweep(&list, &one));
        let header_and_two_rows = || finished(&journal).len() == 2;
        let mut bytes = 1;
        while !header_and_two_rows() {
            assert!(wait_for_bytes(&journal, bytes, &mut running));
            bytes = fs::metadata(&journal).unwrap().len();
            std::thread::yield_now();
        }
        running.signal(signal);
        let output = running.output();
        let shown = text(&output.stdout);
        assert_eq!(code(&output), 1, "{shown}");
        assert!(shown.starts_with("2 of 3 rows finished in "), "{shown}");
        assert!(
            shown.contains("INCOMPLETE: it was interrupted, and 1 row had no result"),
            "{shown}"
        );
    }
}

#[test]
fn the_total_timeout_ends_it_with_what_is_finished_and_what_is_missing() {
    let (_listener, silent) = silent_host();
    let folder = Folder::new();
    let list = folder.file("list.txt", format!("127.0.0.1:1\n{silent}\n"));
    let arguments = ["--timeout", "10m", "--total-timeout", "400ms", "--fail-on", "critical"];
    let output = run(&list, &[&arguments[..], &["--format", "json"]].concat());
    let report = json(&output);
    assert_eq!((code(&output), &report["ended"]), (1, &"total_timeout".into()));
    assert_eq!(
        (&report["summary"]["finished"], &report["summary"]["missing"]),
        (&1.into(), &1.into())
    );
    assert_eq!(each(report["rows"].as_array().unwrap(), "row"), [1]);
    let shown = run(&list, &arguments);
    assert!(text(&shown.stdout).contains("INCOMPLETE: the total timeout was over"));
}

const ROWS: usize = 240;
const KILLS_MAX: usize = 12;
