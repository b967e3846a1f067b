//! `kms-sim fleet import`: what was recorded becomes a scenario with the same clients.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;

use common::request;
use common::sim::{Sim, assert_refused, kms_sim};
use kms_protocol::kms::crypto::LabKey;
use serde_json::Value;

#[test]
fn the_journal_of_a_host_becomes_a_scenario_with_its_clients() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("lab.journal");
    let sim = Sim::start(&["--journal", journal.to_str().unwrap()]);
    for client in 1..=26 {
        sim.bind().ask(&request(client));
    }
    let mut foreign = sim.bind();
    foreign.use_key(&LabKey::from_bytes([9; 16]));
    foreign.ask(&request(99));
    sim.stop();

    let plan = folder.path().join("plan.toml");
    let output =
        kms_sim().args(["fleet", "import"]).arg(&journal).arg("-o").arg(&plan).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&plan).unwrap();
    assert!(text.contains("lab.journal: a journal, 26 of clients, 3 of other things"), "{text}");
    for client in 1..=26 {
        assert!(text.contains(&request(client).cmid.to_string()), "{client}: {text}");
    }
    assert!(!text.contains(&request(99).cmid.to_string()));
    assert!(text.contains("name = \"kms1\""), "{text}");
    let exported = |format: &str| {
        let export = kms_sim()
            .args(["journal", "export", "--format", format])
            .arg(&journal)
            .output()
            .unwrap();
        let path = folder.path().join(format);
        fs::write(&path, export.stdout).unwrap();
        path
    };
    // The same clients in either form of an export; a line of event 12290 does not name its host.
    let cmids = |text: &str| {
        let listed = text.lines().filter(|line| line.starts_with("  \""));
        listed.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cmids(&text).len(), 26);
    for format in ["csv", "event12290"] {
        let output = kms_sim().args(["fleet", "import"]).arg(exported(format)).output().unwrap();
        let again = String::from_utf8(output.stdout).unwrap();
        let foreign = request(99).cmid.to_string();
        let mut found = cmids(&again);
        found.retain(|line| !line.contains(&foreign));
        assert_eq!(found, cmids(&text), "{format}");
    }
    assert_eq!(final_count(&plan), 26);
}

#[test]
fn a_run_and_what_is_imported_of_its_events_end_with_the_same_count() {
    let folder = tempfile::tempdir().unwrap();
    let (events, plan) = (folder.path().join("events.log"), folder.path().join("plan.toml"));
    let ran = kms_sim()
        .args([
            "fleet",
            "run",
            "first-rollout",
            "--trace",
            "*",
            "--format",
            "json",
            "--host-events",
        ])
        .arg(&events)
        .output()
        .unwrap();
    let ran: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let imported = kms_sim()
        .args(["fleet", "import", "--name", "Branch 7"])
        .arg(&events)
        .arg("-o")
        .arg(&plan)
        .status()
        .unwrap();
    assert!(imported.success());
    let checked = kms_sim().args(["fleet", "check"]).arg(&plan).output().unwrap();
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(
        checked.contains("no mistake; 25 clients over 60d: 1 group, 1 site, 1 host"),
        "{checked}"
    );
    assert_eq!(Some(final_count(&plan)), ran["hosts"][0]["final_count"].as_u64());
    assert!(fs::read_to_string(&plan).unwrap().contains("name = \"branch-7\""));
}

#[test]
fn bad_input_is_one_message_with_file_and_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (good, bad) =
        (file("good.csv", "name\nPC-1\n"), file("bad.csv", "name,cmid\nPC-1,\nPC-2,x\n"));
    let import = |files: &[&Path], more: &[&str]| {
        kms_sim()
            .args(["fleet", "import", "-o"])
            .arg(&plan)
            .args(files)
            .args(more)
            .output()
            .unwrap()
    };
    assert_refused(&import(&[&good, &bad], &[]), "bad.csv:3: `x` is not a CMID");
    assert_refused(&import(&[&folder.path().join("none")], &[]), "none: cannot read it");
    assert_refused(&import(&[folder.path()], &[]), "cannot read it");
    assert_refused(&import(&[&good], &["--product", "a=Windows Entreprise"]), "no such product");
    assert_refused(&import(&[&file("db", "SQLite format 3\0")], &[]), "db: ");
    assert!(!plan.exists());
    assert!(import(&[&good], &[]).status.success() && plan.exists());
}

fn final_count(plan: &Path) -> u64 {
    let output = kms_sim().args(["fleet", "run", "--format", "json"]).arg(plan).output().unwrap();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    run["hosts"][0]["final_count"].as_u64().unwrap()
}
