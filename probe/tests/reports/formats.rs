//! ndjson, JUnit, Nagios and Prometheus.

use std::time::Duration;

use kms_probe::check::{StageFacts, StageReport};
use kms_probe::report::{junit, nagios, ndjson, prometheus, text};
use kms_probe::stage::Stage;
use kms_probe::stage::clock::{ClockFacts, ClockSource, Reading};
use kms_probe::verdict::Severity;
use serde_json::Value;

use super::fixture::{assert_accepted, fed, hostile_report, report};
use super::skip::{self, Need};
use crate::support::valid_json;

/// Every format as text.
fn formats() -> Vec<(&'static str, String)> {
    let report = hostile_report();
    let mut lines = Vec::new();
    ndjson::write(&report, &mut lines).unwrap();
    vec![
        ("text", text::check(&report, kms_probe::report::Style::PLAIN)),
        ("json", valid_json(&report).to_string()),
        ("ndjson", String::from_utf8(lines).unwrap()),
        ("junit", junit::report(&report, Severity::Warning).unwrap()),
        ("html", kms_probe::report::html::page(&report)),
        ("nagios", nagios::report(&report)),
        ("prometheus", prometheus::report(&report)),
    ]
}

#[test]
fn no_format_passes_on_what_a_terminal_could_obey() {
    for (format, shown) in formats() {
        // serde_json's own text is not what is printed: `valid_json` has read the printed one.
        let bad = shown.chars().find(|c| *c != '\n' && kms_page::text::is_dangerous(*c));
        assert!(bad.is_none() || format == "json", "{format}: {bad:?}");
        if ["html", "junit"].contains(&format) {
            assert!(!shown.contains("<script"), "{format}");
        }
        assert!(shown.contains("script"), "{format} shows the name, as text");
    }
}

#[test]
fn ndjson_has_the_entries_of_json_each_on_its_own() {
    let report = report();
    let whole = valid_json(&report);
    let mut lines = Vec::new();
    ndjson::write(&report, &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), report.entries.len());
    for (line, entry) in lines.lines().zip(whole["targets"].as_array().unwrap()) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert_line_valid(&line);
        let members = line.as_object_mut().unwrap();
        for same in ["schema_version", "tool", "started"] {
            assert_eq!(members.remove(same).as_ref(), Some(&whole[same]), "{same}");
        }
        assert_eq!(&line, entry);
    }
}

/// Fails unless `line` is what its JSON Schema describes, which refers to that of the whole report.
fn assert_line_valid(line: &Value) {
    let folder = skip::workspace_root().join("docs/schema");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let registry = jsonschema::Resource::from_contents(read("check.schema.json"));
    let validator = jsonschema::options()
        .with_resource("urn:kms-probe:check:1", registry)
        .build(&read("check-line.schema.json"))
        .unwrap();
    let errors: Vec<_> = validator.iter_errors(line).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut wrong = line.clone();
    wrong.as_object_mut().unwrap().remove("cause");
    assert!(!validator.is_valid(&wrong), "the schema asks for every member");
}

#[test]
fn junit_is_valid_and_its_failures_are_those_of_the_exit_code() {
    if !skip::require("junit_is_valid", &[Need::Tool("xmllint")]) {
        return;
    }
    let schema = skip::workspace_root().join("probe/tests/reports/junit.xsd");
    let arguments = ["--noout", "--schema", schema.to_str().unwrap(), "-"];
    for report in [report(), hostile_report()] {
        let xml = junit::report(&report, Severity::Warning).unwrap();
        assert_accepted(&fed("xmllint", &arguments, xml.as_bytes()), &xml);
    }
    let bad = fed("xmllint", &arguments, b"<testsuites><testcase/></testsuites>");
    assert!(!bad.status.success(), "the schema refuses what it should");

    let xml = junit::report(&report(), Severity::Warning).unwrap();
    let query = |path: &str| {
        let output = fed("xmllint", &["--xpath", path, "-"], xml.as_bytes());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(query("count(//testsuite)"), "2", "a suite per target:\n{xml}");
    assert_eq!(query("string(/testsuites/@failures)"), "4");
    assert_eq!(query("count(//failure)"), "4");
    assert_eq!(query("count(//testcase) - /testsuites/@tests"), "0");
    assert_eq!(query("count(//testcase[@name='kms'])"), "1");
    assert!(query("string(//failure[@type='tcp.refused'])").contains("remedy: "), "{xml}");
    let lenient = junit::report(&report(), Severity::Critical).unwrap();
    assert!(!lenient.contains("kms.count_low"), "a warning fails nothing then:\n{lenient}");
}

#[test]
fn nagios_output_is_a_state_with_performance_data_then_a_line_per_entry() {
    for report in [report(), hostile_report()] {
        let output = nagios::report(&report);
        let mut lines = output.lines();
        let first = lines.next().unwrap();
        let (said, data) = first.split_once('|').unwrap();
        assert!(said.starts_with("KMS CRITICAL - "), "{first}");
        assert!(said.contains("4 checked: 3 critical, 1 warning"), "{first}");
        assert!(lines.all(|line| !line.contains('|')), "{output}");
        assert_performance_data(data);
        assert!(output.len() <= 8192);
    }
    let mut many = report();
    let entry = many.entries.first().unwrap().clone();
    many.entries = vec![entry; 1_000];
    let output = nagios::report(&many);
    assert!(output.len() <= 8192, "{}", output.len());
    assert!(output.ends_with("more lines not shown\n"), "{output}");
}

/// `'label'=value[UOM];[warn];[crit];[min];[max]`, separated by spaces.
fn assert_performance_data(data: &str) {
    let mut rest = data.trim();
    let mut count = 0;
    while !rest.is_empty() {
        let (label, after) = match rest.strip_prefix('\'') {
            Some(quoted) => {
                let mut end = 0;
                while let Some(at) = quoted[end..].find('\'').map(|at| at + end) {
                    end = at + 1;
                    if !quoted[end..].starts_with('\'') {
                        break;
                    }
                    end += 1;
                }
                (&quoted[..end - 1], &quoted[end..])
            }
            None => rest.split_at(rest.find('=').unwrap()),
        };
        assert!(!label.contains('='), "{data}");
        let after = after.strip_prefix('=').unwrap_or_else(|| panic!("{rest}"));
        let (value, more) = after.split_once(' ').unwrap_or((after, ""));
        let number = value.split(';').next().unwrap();
        let number = number.trim_end_matches(['s', '%']);
        assert!(number.parse::<f64>().is_ok(), "{value} in {data}");
        assert_eq!(value.split(';').count(), 5, "{value}");
        rest = more.trim_start();
        count += 1;
    }
    assert!(count > 5, "{data}");
}

/// A clock that is a quarter of a second behind.
fn clock() -> StageReport {
    let time = "2026-11-24T10:00:00Z".to_owned();
    let facts = ClockFacts {
        source: ClockSource::Sntp,
        server: Some(([127, 0, 0, 1], 123).into()),
        reading: Some(Reading { time, offset_us: -250_000, uncertainty_us: 40 }),
        unknown: None,
        ntlm: None,
        sntp: None,
        timeout_ms: 4_000,
    };
    StageReport {
        stage: Stage::Clock,
        verdict: "clock.ok",
        elapsed: Duration::from_micros(80),
        facts: StageFacts::Clock(Box::new(facts)),
    }
}

#[test]
fn prometheus_text_passes_promtool() {
    if !skip::require("prometheus_text_passes_promtool", &[Need::Tool("promtool")]) {
        return;
    }
    for report in [report(), hostile_report()] {
        let text = prometheus::report(&report);
        assert_accepted(&fed("promtool", &["check", "metrics"], text.as_bytes()), &text);
    }
    let text = prometheus::report(&report());
    for part in [
        "kms_probe_success{target=\"corp.test\",host=\"dead.corp.test\",port=\"1\",address=\"127.0.0.1\"} 0",
        "verdict=\"tcp.refused\",severity=\"critical\"} 1",
        "verdict=\"dns.nxdomain\",severity=\"critical\"} 1",
        "stage=\"bind\"} ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let share = text.lines().find(|line| {
        line.starts_with("kms_probe_srv_share_ratio") && line.contains("kms1.corp.test")
    });
    assert!(share.unwrap().ends_with(" 0.75"), "{text}");
    let mut report = report();
    report.entries.first_mut().unwrap().stages.push(clock());
    let text = prometheus::report(&report);
    assert_accepted(&fed("promtool", &["check", "metrics"], text.as_bytes()), &text);
    assert!(text.contains("server=\"127.0.0.1:123\"} -0.25\n"), "{text}");
    let bad = fed("promtool", &["check", "metrics"], b"kms_probe_x{a=\"\"\"} 1\n");
    assert!(!bad.status.success(), "promtool refuses what it should");
}
