//! Fault rules of a running kms-sim: from flags, from a file that is read again, and in its DNS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{ChildStderr, Command, Output};

use common::sim::{Sim, assert_refused, kms_sim};
use common::{Reply, request};
use nix::sys::signal::Signal;
use skip::Need;

#[test]
fn bad_rules_are_named_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.toml");
    fs::write(&bad, "[[fault]]\nkind = \"delay\"\ntime = \"soon\"\n").unwrap();
    let good = folder.path().join("good.toml");
    fs::write(&good, "[[fault]]\nid = \"a\"\nkind = \"reset\"\n").unwrap();
    let (bad, good) = (bad.to_str().unwrap(), good.to_str().unwrap());
    for (arguments, named) in [
        (&["--fault", "delay time=soon"][..], "key `time`: invalid value `soon`"),
        (&["--fault", "dealy time=1s"], "key `kind`: invalid value `dealy`"),
        (&["--fault", "nowhere.toml"], "cannot read the fault file `nowhere.toml`"),
        (&["--fault", bad], "bad.toml:3:8: key `time`: invalid value `soon`"),
        (&["--faults", good, "--fault", good], "is a second file of rules"),
        (&["--fault", good, "--fault", "close id=a"], "another fault rule is called `a`"),
        (&["--time-scale", "-1"], "--time-scale"),
        (&["--time-scale", "2", "--clock-frozen"], "--clock-frozen"),
    ] {
        let output = kms_sim().args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).output();
        assert_refused(&output.unwrap(), named);
    }
    assert_refused(&faults(&["check", bad]), "bad.toml:3:8: key `time`");
    let checked = faults(&["check", good]);
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout),
        "reset id=a stage=request after=0\n1 rule, no mistake\n"
    );
    assert_refused(&faults(&["list", "explode"]), "no such kind of fault: `explode`");
}

#[test]
fn sighup_reads_the_file_again_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.toml");
    let rule = |code: &str| format!("[[fault]]\nkind = \"hresult\"\ncode = {code}\n");
    fs::write(&path, rule("0xC004F042")).unwrap();
    let mut sim = Sim::start(&["--fault", path.to_str().unwrap()]);
    let mut log = BufReader::new(sim.child.stderr.take().unwrap()).lines();
    let mut client = sim.bind();
    assert!(matches!(client.ask(&request(1)), Reply::Error(0xC004_F042)));

    fs::write(&path, rule("0xC004F041") + "[[fault]]\nkind = \"reset\"\nnth = -1\n").unwrap();
    sim.signal(Signal::SIGHUP);
    let line = wait_for(&mut log, "not read again");
    assert!(line.contains("faults.toml:6:7: key `nth`: invalid value `-1`"), "{line}");
    assert!(matches!(client.ask(&request(1)), Reply::Error(0xC004_F042)), "the old rules stay");

    fs::write(&path, rule("0xC004F041")).unwrap();
    sim.signal(Signal::SIGHUP);
    wait_for(&mut log, "fault rules read");
    assert!(matches!(client.ask(&request(1)), Reply::Error(0xC004_F041)));

    fs::write(&path, "").unwrap();
    sim.signal(Signal::SIGHUP);
    wait_for(&mut log, "fault rules read");
    assert_eq!(client.ask(&request(1)).count(), 1, "what was withheld was not counted");
}

#[test]
fn rules_of_flags_strike_by_number_and_are_logged() {
    let rule = "hresult id=second stage=response code=0xC004F042 nth=2";
    let sim = Sim::start(&["--fault", rule, "--seed", "1"]);
    let mut client = sim.bind();
    assert_eq!(client.ask(&request(1)).count(), 1);
    assert!(matches!(client.ask(&request(2)), Reply::Error(0xC004_F042)));
    assert_eq!(client.ask(&request(3)).count(), 3, "at response the host has counted it");
    drop(client);
    let log = sim.stop();
    assert!(log.contains("fault rule=\"second\" kind=\"hresult\" stage=\"response\""), "{log}");
    assert!(
        log.contains("result=\"0xC004F042\"") && log.contains("fault=\"second (hresult)\""),
        "{log}"
    );
    assert!(log.contains("faults=1"), "{log}");
}

#[test]
fn the_journal_names_the_rule_with_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.db");
    let journal = journal.to_str().unwrap();
    let rules = ["--fault", "count id=three count=3 stage=response"];
    let outside = ["--fault", "delay id=slow stage=bind time=1ms"];
    let sim = Sim::start(&[&["--journal", journal], &rules[..], &outside].concat());
    assert_eq!(sim.bind().ask(&request(1)).count(), 3);
    sim.stop();
    let export = kms_sim().args(["journal", "export", journal, "--format", "jsonl"]).output();
    let text = String::from_utf8(export.unwrap().stdout).unwrap();
    let line = |text: &str, wanted: &str| text.lines().any(|line| line.contains(wanted));
    assert!(line(&text, "three") && text.contains("\"count\":3"), "{text}");
    assert!(!line(&text, "\"count\":1,"), "what was sent is what is kept: {text}");
}

#[test]
fn the_clock_of_a_host_can_stand_still_or_run() {
    for flags in [&["--clock-frozen"][..], &["--time-scale", "1"], &["--clock-offset", "3h"]] {
        assert_eq!(Sim::start(flags).bind().ask(&request(1)).count(), 1, "{flags:?}");
    }
    let ahead = Sim::start(&["--clock-frozen", "--clock-offset", "5h"]);
    assert!(matches!(ahead.bind().ask(&request(1)), Reply::Error(0xC004_F06C)));
}

#[test]
fn dig_sees_what_each_rule_of_dns_does() {
    let test = "dig_sees_what_each_rule_of_dns_does";
    if !skip::require(test, &[Need::Tool("dig")]) {
        return;
    }
    for (rule, expected) in [
        ("dns-nxdomain", &["status: NXDOMAIN"][..]),
        ("dns-nodata", &["status: NOERROR", "ANSWER: 0"]),
        ("dns-servfail code=22 text=\"no way\"", &["status: SERVFAIL", "EDE: 22", "(no way)"]),
        ("dns-refused", &["status: REFUSED"]),
        ("dns-drop", &["timed out"]),
        ("dns-delay time=1h", &["timed out"]),
        ("dns-delay time=1ms", &["status: NOERROR", "ANSWER: 1"]),
        ("dns-truncate", &["Truncated, retrying in TCP mode.", "ANSWER: 1"]),
        ("dns-no-service", &["SRV 0 0 0 ."]),
        ("dns-dangling target=nobody", &["nobody.lab.test.", "ADDITIONAL: 1"]),
        ("dns-malformed", &["malformed message packet"]),
        ("dns-wrong-id", &["ID mismatch", "status: NOERROR", "ANSWER: 1"]),
        ("dns-flap ttl=3", &["lab.test. 3 IN SRV", "lab.test. 3 IN A"]),
        ("dns-view addresses=192.0.2.9", &["kms1.lab.test. 60 IN A 192.0.2.9"]),
        ("dns-view addresses=192.0.2.9 client=192.0.2.0/24", &["kms1.lab.test. 60 IN A 127.0.0.1"]),
    ] {
        let sim = Sim::start(&["--dns", "127.0.0.1:0", "--fault", rule]);
        let text = dig(sim, &["SRV", "_vlmcs._tcp.lab.test"]);
        for wanted in expected {
            assert!(text.contains(wanted), "{rule}: no `{wanted}` in\n{text}");
        }
    }
    let view = "dns-view addresses=192.0.2.9,2001:db8::9";
    let sim = Sim::start(&["--dns", "127.0.0.1:0", "--fault", view]);
    let text = dig(sim, &["AAAA", "kms1.lab.test"]);
    assert!(text.contains("kms1.lab.test. 60 IN AAAA 2001:db8::9"), "{text}");
}

fn dig(mut sim: Sim, query: &[&str]) -> String {
    let server: SocketAddr = sim.ready_line("dns listening on ");
    let output = Command::new(skip::tool("dig").unwrap())
        .arg("-r") // Not the caller's ~/.digrc.
        .args([format!("@{}", server.ip()), "-p".to_owned(), server.port().to_string()])
        .args(["+tries=1", "+timeout=2"])
        .args(query)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let lines = String::from_utf8_lossy(&text).into_owned();
    let single = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.lines().map(single).collect::<Vec<_>>().join("\n")
}

fn faults(arguments: &[&str]) -> Output {
    kms_sim().arg("faults").args(arguments).output().unwrap()
}

/// The next line of the log that contains `text`.
fn wait_for(log: &mut Lines<BufReader<ChildStderr>>, text: &str) -> String {
    let mut lines = log.map(Result::unwrap);
    lines
        .find(|line| line.contains(text))
        .unwrap_or_else(|| panic!("the log ended before `{text}`"))
}
