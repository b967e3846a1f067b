//! No verdict without a cause: for every row of the verdict tables `causes.txt` names a test that
//! causes it for real, with real servers, sockets and filters. A new row needs a line there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kms_probe::{trace, verdict};

/// Code, file below `probe/tests/` and name of the test.
fn causes() -> Vec<[&'static str; 3]> {
    let lines = include_str!("causes.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.try_into().unwrap_or_else(|_| panic!("three words are wanted: `{line}`"))
        })
        .collect()
}

/// The body of a test: from its name to the next line that closes a function.
fn body_of<'a>(source: &'a str, test: &str) -> Option<&'a str> {
    let (before, after) = source.split_once(&format!("fn {test}()"))?;
    let attributes = before.rsplit_once("\n}\n").map_or(before, |(_, attributes)| attributes);
    attributes.contains("test]").then(|| after.split("\n}\n").next().unwrap())
}

/// Whether a test says that it expects this code: as text, or as a value of the DNS stage.
fn expects(body: &str, code: &str) -> bool {
    let as_value = code.strip_prefix("dns.").map(|short| {
        let value = format!("dnscode::{}", short.replace('_', ""));
        body.to_lowercase().contains(&value)
    });
    body.contains(&format!("\"{code}\"")) || as_value == Some(true)
}

#[test]
fn every_verdict_is_caused_for_real() {
    let causes = causes();
    let rows = verdict::table::rows().chain(trace::table::ROWS.iter().copied());
    let uncaused: Vec<_> = rows
        .map(|row| row.code)
        .filter(|code| !causes.iter().any(|[known, ..]| known == code))
        .collect();
    assert!(uncaused.is_empty(), "name a test in probe/tests/causes.txt for {uncaused:?}");
}

#[test]
fn every_cause_is_a_test_that_expects_its_verdict() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut sources = BTreeMap::new();
    let mut wrong = Vec::new();
    for [code, file, test] in causes() {
        let source = sources
            .entry(file)
            .or_insert_with(|| fs::read_to_string(folder.join(file)).unwrap_or_default());
        match body_of(source, test) {
            None => wrong.push(format!("{code}: no test `{test}` in {file}")),
            Some(body) if !expects(body, code) => {
                wrong.push(format!("{code}: `{test}` in {file} does not expect it"));
            }
            Some(_) => {}
        }
        let known = verdict::table::find(code).is_some()
            || trace::table::ROWS.iter().any(|row| row.code == code);
        if !known {
            wrong.push(format!("{code}: no such verdict"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_name_that_is_no_test_or_expects_nothing_is_noticed() {
    let source = "#[test]\nfn a() {\n    shows(\"tcp.ok\");\n}\n\nfn b() {\n}\n";
    assert!(body_of(source, "a").is_some_and(|body| expects(body, "tcp.ok")));
    assert!(body_of(source, "a").is_some_and(|body| !expects(body, "tcp.reset")));
    assert_eq!((body_of(source, "b"), body_of(source, "c")), (None, None));
    assert!(expects("assert_eq!(code, DnsCode::TruncatedNoTcp)", "dns.truncated_no_tcp"));
}
