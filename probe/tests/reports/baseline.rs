//! `check --baseline`: what differs, and nothing else.

use std::path::Path;

use kms_probe::baseline::{BASELINE_BYTES_MAX, Direction, Snapshot, What, compare};
use kms_probe::report::json::{self, CheckJson};
use kms_probe::report::{Style, changes};
use serde_json::{Value, json};

use super::command::{code, run, stdout};
use super::fixture::report;
use super::skip;

/// A report as JSON, to be changed.
fn as_json() -> Value {
    serde_json::to_value(CheckJson(&report())).unwrap()
}

fn snapshot(value: &Value) -> Snapshot {
    Snapshot::parse(value.to_string().as_bytes()).unwrap()
}

/// A change as (what, subject, before, now, direction).
type Said = (What, String, Option<String>, Option<String>, Direction);

/// The changes from `before` to the same after `change`.
fn changes_after(before: &Value, change: impl FnOnce(&mut Value)) -> Vec<Said> {
    let mut now = before.clone();
    change(&mut now);
    let changes = compare(&snapshot(before), &snapshot(&now));
    changes.into_iter().map(|c| (c.what, c.subject, c.before, c.now, c.direction)).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_same_report_has_no_difference() {
    assert_eq!(changes_after(&as_json(), |_| {}), []);
}

#[test]
fn a_verdict_that_got_worse_or_better_is_said() {
    let before = as_json();
    let change = |now: &mut Value| {
        now["targets"][0]["verdict"] = json!("tcp.timeout");
        now["targets"][0]["severity"] = json!("critical");
    };
    let said = |a: &str, b: &str, direction| {
        vec![(What::Verdict, "verdict".to_owned(), some(a), some(b), direction)]
    };
    let (good, bad) = ("warning kms.count_low", "critical tcp.timeout");
    assert_eq!(changes_after(&before, change), said(good, bad, Direction::Worse));
    let mut worse = before.clone();
    change(&mut worse);
    let repaired = changes_after(&worse, |now| *now = before);
    assert_eq!(repaired, said(bad, good, Direction::Better));
}

#[test]
fn addresses_records_and_hosts_that_come_and_go_are_told_apart() {
    let before = as_json();
    let moved = changes_after(&before, |now| now["targets"][0]["address"] = json!("127.0.0.2"));
    let address = (
        What::Address,
        "address".to_owned(),
        some("127.0.0.1"),
        some("127.0.0.2"),
        Direction::Neutral,
    );
    assert_eq!(moved, [address]);

    let gone = changes_after(&before, |now| {
        now["targets"].as_array_mut().unwrap().remove(0);
    });
    assert_eq!(
        gone,
        [(What::Entry, "gone".to_owned(), some("warning kms.count_low"), None, Direction::Better)],
        "it was no good"
    );

    let records = changes_after(&before, |now| {
        for entry in now["targets"].as_array_mut().unwrap() {
            let facts = &mut entry["stages"][0]["facts"];
            if facts["name"] == "corp.test" {
                let record = facts["records"].as_array_mut().unwrap().last_mut().unwrap();
                record["priority"] = json!(11);
            }
        }
    });
    let record =
        |before, now| (What::Record, "SRV record".to_owned(), before, now, Direction::Neutral);
    let expected = [
        record(None, some("11 0 1688 gone.corp.test")),
        record(some("9 0 1688 gone.corp.test"), None),
    ];
    assert_eq!(records, expected, "once per target, not once per entry");
}

/// Sets the TTL of the first record of a target's first entry, which has the views.
fn set_ttl(report: &mut Value, ttl: u64, authoritative: bool) {
    let facts = &mut report["targets"][0]["stages"][0]["facts"];
    facts["records"][0]["ttl"] = json!(ttl);
    let exchange = &mut facts["views"][0]["service"]["exchanges"][0];
    exchange["response"]["authoritative"] = json!(authoritative);
}

#[test]
fn a_ttl_that_a_cache_counted_down_is_no_difference() {
    let mut before = as_json();
    set_ttl(&mut before, 3600, true);
    let changes = changes_after(&before, |now| set_ttl(now, 300, true));
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].0, changes[0].3.as_deref()), (What::Ttl, Some("300 s")));
    assert_eq!(changes_after(&before, |now| set_ttl(now, 300, false)), []);
}

#[test]
fn latency_counts_only_beyond_noise_and_facts_only_where_both_know_them() {
    let mut before = as_json();
    before["targets"][0]["stages"][1]["elapsed_us"] = json!(10_000);
    let slower =
        |us: u64| move |now: &mut Value| now["targets"][0]["stages"][1]["elapsed_us"] = json!(us);
    assert_eq!(changes_after(&before, slower(30_000)), []);
    let expected =
        (What::Latency, "tcp".to_owned(), some("10 ms"), some("31 ms"), Direction::Worse);
    assert_eq!(changes_after(&before, slower(31_000)), [expected]);

    let icmp = |from: Value| {
        move |now: &mut Value| {
            now["targets"][1]["stages"][1]["facts"]["icmp"] = json!({ "from": from });
        }
    };
    assert_eq!(changes_after(&before, icmp(json!("192.0.2.1"))), [], "there was none before");
    icmp(json!("192.0.2.1"))(&mut before);
    let changes = changes_after(&before, icmp(json!("192.0.2.2")));
    assert_eq!(changes[0].1, "hop that sent the ICMP error");
    let port = changes_after(&before, |now| {
        now["targets"][0]["stages"][1]["facts"]["source"] = json!("127.0.0.1:1");
    });
    assert_eq!(port, [], "the client's own port is another one each time");
}

#[test]
fn findings_that_come_and_go_are_said() {
    let before = as_json();
    let finding = json!({
        "code": "dns.split_view", "severity": "warning", "cause": "x", "remedy": null,
        "facts": { "qname": "_vlmcs._tcp.corp.test" }
    });
    let changes = changes_after(&before, |now| now["targets"][0]["findings"] = json!([finding]));
    let subject = "dns.split_view _vlmcs._tcp.corp.test".to_owned();
    assert_eq!(changes, [(What::Finding, subject, None, some("warning"), Direction::Worse)]);
}

#[test]
fn differences_are_plain_text_and_valid_json() {
    let now = report();
    let mut before = serde_json::to_value(CheckJson(&now)).unwrap();
    before["targets"][0]["verdict"] = json!("kms.ok");
    before["targets"][0]["severity"] = json!("ok");
    before["started"] = json!("2026-11-20T09:00:00.5Z");
    let before = snapshot(&before);
    let changes = compare(&before, &Snapshot::of(&now).unwrap());
    let text = changes::text(&now, &before, &changes, Style::PLAIN);
    assert!(
        text.starts_with("1 change since 2026-11-20 09:00:00 UTC, 1 for the worse. "),
        "{text}"
    );
    assert!(text.contains("worse    verdict: ok kms.ok -> warning kms.count_low"), "{text}");

    let mut out = Vec::new();
    changes::write_json(&now, &before, &changes, &mut out).unwrap();
    let value: Value = serde_json::from_slice(&out).unwrap();
    let schema = skip::workspace_root().join("docs/schema/changes.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{value:#}");
    let mut wrong = value.clone();
    wrong["changes"][0]["direction"] = json!("sideways");
    assert!(!validator.is_valid(&wrong));
}

fn write(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_exit_code_is_that_of_the_check_and_1_when_something_got_worse() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.json");
    let base = base.to_str().unwrap();
    let check = |more: &[&str]| run(&[&["check", "127.0.0.1:1", "--depth", "tcp"], more].concat());
    check(&["--format", "json", "--output", base]);

    let same = check(&["--baseline", base]);
    assert_eq!(code(&same), 1, "as bad as before");
    assert!(stdout(&same).starts_with("Nothing changed since 2"), "{}", stdout(&same));
    assert!(stdout(&same).ends_with("The worst verdict is CRITICAL tcp.refused.\n"));

    let healthy = std::fs::read_to_string(base).unwrap();
    let healthy = healthy.replace("tcp.refused", "tcp.ok").replace("critical", "ok");
    let healthy = write(folder.path(), "healthy.json", healthy.as_bytes());
    let worse = check(&["--baseline", &healthy, "--format", "json"]);
    assert_eq!(code(&worse), 1);
    let value: Value = serde_json::from_str(stdout(&worse)).unwrap();
    assert_eq!(
        (&value["worse"], &value["changes"][0]["before"]),
        (&json!(true), &json!("ok tcp.ok"))
    );
}

#[test]
fn a_file_that_is_no_report_is_refused_with_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    json::write(&CheckJson(&report()), &mut out).unwrap();
    let good = String::from_utf8(out).unwrap();
    for (content, part) in [
        ("", "is not a report that `kms-probe check --format json` wrote: no JSON object"),
        ("[]", "no JSON object"),
        (&good[..good.len() / 2], "EOF while parsing"),
        (&good.replacen("\"verdict\"", "\"verdikt\"", 1), "missing field `verdict` at line "),
        (&good.replacen("\"severity\": \"", "\"severity\": \"very", 1), "unknown variant `very"),
        (&good.replace("\"schema_version\": 1", "\"schema_version\": 2"), "schema_version 2"),
        (&good.replace("\"kms-probe\"", "\"other\""), "was written by `other`"),
    ] {
        let file = write(folder.path(), "bad.json", content.as_bytes());
        let output = run(&["check", "127.0.0.1:1", "--baseline", &file]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((code(&output), stdout(&output)), (2, ""), "{part}: {errors}");
        assert!(errors.starts_with("error: --baseline: `"), "{errors}");
        assert!(errors.contains(part), "{errors} lacks {part}");
    }
    for arguments in [
        &["--baseline", "no/such/file"][..],
        &["--baseline", "Cargo.toml", "--format", "html"],
        &["--baseline", "Cargo.toml", "--ticket"],
        &["--ticket", "--format", "json"],
    ] {
        let output = run(&[&["check", "127.0.0.1:1"], arguments].concat());
        assert_eq!(code(&output), 2, "{arguments:?}");
    }
    let large = std::fs::File::create(folder.path().join("large.json")).unwrap();
    large.set_len(BASELINE_BYTES_MAX + 1).unwrap();
    let large = folder.path().join("large.json");
    let output = run(&["check", "127.0.0.1:1", "--baseline", large.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is larger than 64 MiB"));
}

#[test]
fn a_ticket_stands_in_place_of_the_report_or_beside_it() {
    let alone = run(&["check", "127.0.0.1:1", "--ticket"]);
    assert_eq!(code(&alone), 1);
    assert!(stdout(&alone).starts_with("Ticket: tcp.refused at 127.0.0.1:1\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ticket.txt");
    let flag = format!("--ticket={}", file.display());
    let both = run(&["check", "127.0.0.1:1", &flag, "--format", "ndjson"]);
    assert!(stdout(&both).starts_with("{\"schema_version\":1"));
    assert_eq!(
        std::fs::read_to_string(&file).unwrap().lines().next(),
        stdout(&alone).lines().next()
    );
}
