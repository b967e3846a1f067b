//! A fleet run in parts gives what the unsharded run gives, byte for byte, whoever shares it out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use skip::Need;

/// Five sites; the clients of two of them ask the same host, so there are four parts for eight shards.
const PLAN: &str = r#"
name = "five-sites"
title = "Five sites, four of which have a host"
duration = "3d"
sample_every = "1h"

[[site]]
name = "a"
[[site]]
name = "b"
dns = [{ host = "kms-a" }]
[[site]]
name = "c"
[[site]]
name = "d"
[[site]]
name = "e"

[[host]]
name = "kms-a"
site = "a"
[[host]]
name = "kms-c"
site = "c"
[[host]]
name = "kms-d"
site = "d"
[[host]]
name = "kms-e"
site = "e"

[[group]]
name = "in-a"
site = "a"
count = 20
product = "Windows 10/11 Enterprise"
first_start_within = "8h"
[[group]]
name = "in-b"
site = "b"
count = 20
product = "Windows 10/11 Enterprise"
first_start_within = "8h"
[[group]]
name = "in-c"
site = "c"
count = 30
product = "Windows 10/11 Enterprise"
presence = { kind = "office-hours" }
[[group]]
name = "in-d"
site = "d"
count = 10
product = "Windows 10/11 Enterprise"
[[group]]
name = "in-e"
site = "e"
count = 40
product = "Windows 10/11 Enterprise"
jitter = "10m"

[[expect]]
metric = "clients"
at = "3d"
states = ["licensed"]
groups = ["in-a", "in-b"]
at_least = 40

[[expect]]
title = "ten clients are too few"
metric = "clients"
at = "3d"
states = ["licensed"]
groups = ["in-d"]
at_least = 1
"#;

/// A folder with the plan and what the unsharded run of it prints.
struct Whole {
    folder: tempfile::TempDir,
    json: Vec<u8>,
}

impl Whole {
    fn run() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("plan.toml"), PLAN).unwrap();
        let output = fleet(folder.path(), &["run", "plan.toml", "--format", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        Self { folder, json: output.stdout }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The files `shard-0.json` to `shard-7.json` of a folder, last first, must give the whole.
    fn assert_merges(&self, folder: &Path) {
        let files: Vec<String> = (0..8)
            .rev()
            .map(|n| folder.join(format!("shard-{n}.json")).display().to_string())
            .collect();
        let mut arguments = vec!["merge", "--format", "json"];
        arguments.extend(files.iter().map(String::as_str));
        let merged = fleet(self.path(), &arguments);
        assert_eq!(merged.status.code(), Some(1), "an expectation is broken: {}", said(&merged));
        assert!(merged.stdout == self.json, "merged and unsharded are not the same bytes");
    }
}

fn fleet(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin("kms-sim"));
    command.current_dir(folder).arg("fleet").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

#[test]
fn gnu_parallel_runs_the_shards_as_the_documentation_says() {
    let test = "gnu_parallel_runs_the_shards_as_the_documentation_says";
    if !skip::require(test, &[Need::Tool("parallel")]) {
        return;
    }
    documented_line_gives_the_whole("parallel kms-sim");
}

#[test]
fn xargs_runs_the_shards_as_the_documentation_says() {
    let test = "xargs_runs_the_shards_as_the_documentation_says";
    if !skip::require(test, &[Need::Tool("xargs")]) {
        return;
    }
    documented_line_gives_the_whole("xargs");
}

/// Runs the line of `docs/fleet-shards.md` that contains `part`, with this build's program.
fn documented_line_gives_the_whole(part: &str) {
    let whole = Whole::run();
    let documentation =
        fs::read_to_string(skip::workspace_root().join("docs/fleet-shards.md")).unwrap();
    let line =
        documentation.lines().find(|line| line.starts_with("    seq") && line.contains(part));
    let program = cargo_bin("kms-sim").display().to_string();
    let line = line.unwrap().replace("kms-sim", &program);
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", &line])
        .current_dir(whole.path())
        .env("HOME", whole.path())
        .output()
        .unwrap();
    assert_success(&output);
    whole.assert_merges(whole.path());
}

#[test]
fn the_slurm_script_runs_one_shard_per_task() {
    let whole = Whole::run();
    let script = skip::workspace_root().join("packaging/fleet/slurm-array.sh");
    for task in 0..8 {
        let output = Command::new("bash")
            .arg(&script)
            .args(["plan.toml", "results"])
            .current_dir(whole.path())
            .env("KMS_SIM", cargo_bin("kms-sim"))
            .env("SLURM_ARRAY_TASK_ID", task.to_string())
            .env("SLURM_ARRAY_TASK_COUNT", "8")
            .output()
            .unwrap();
        assert_success(&output);
    }
    whole.assert_merges(&whole.path().join("results"));
    let script_alone = Command::new("bash").arg(&script).args(["plan.toml", "r"]).output().unwrap();
    assert!(!script_alone.status.success());
    assert!(said(&script_alone).contains("start it with sbatch"), "{}", said(&script_alone));
}

#[test]
fn the_arguments_of_the_kubernetes_job_run_one_shard_per_index() {
    let whole = Whole::run();
    let manifest = skip::workspace_root().join("packaging/fleet/kubernetes-indexed-job.yaml");
    let manifest = fs::read_to_string(manifest).unwrap();
    assert!(manifest.contains("completionMode: Indexed") && manifest.contains("completions: 8"));
    let after = manifest.split_once("          args:\n").unwrap().1;
    let arguments: Vec<String> = after
        .lines()
        .map_while(|line| line.strip_prefix("            - \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .collect();
    let folder = whole.path().display().to_string();
    for index in 0..8 {
        let mounted = arguments.iter().map(|argument| {
            argument
                .replace("$(JOB_COMPLETION_INDEX)", &index.to_string())
                .replace("/scenario/", &format!("{folder}/"))
                .replace("/results/", &format!("{folder}/"))
        });
        let output = Command::new(cargo_bin("kms-sim")).args(mounted).output().unwrap();
        assert_success(&output);
    }
    whole.assert_merges(whole.path());
}

#[test]
fn shards_that_do_not_add_up_are_named() {
    let whole = Whole::run();
    let shard = |name: &str, arguments: &[&str]| -> PathBuf {
        let mut all = vec!["run", "plan.toml", "--format", "json", "--output", name];
        all.extend(arguments);
        fleet(whole.path(), &all);
        whole.path().join(name)
    };
    shard("0.json", &["--shard", "0/2"]);
    shard("1.json", &["--shard", "1/2"]);
    shard("seed.json", &["--shard", "1/2", "--seed", "9"]);
    shard("of3.json", &["--shard", "1/3"]);
    fs::write(whole.path().join("whole.json"), &whole.json).unwrap();
    fs::write(whole.path().join("broken.json"), "{").unwrap();
    for (files, told) in [
        (&["0.json"][..], "missing: shard 1/2"),
        (&["0.json", "1.json", "1.json"], "`1.json` and `1.json` are both shard 1/2"),
        (&["0.json", "seed.json"], "`seed.json` has seed 9, and `0.json` has 1"),
        (&["0.json", "of3.json"], "`of3.json` is one of 3 shards, and `0.json` is one of 2"),
        (&["0.json", "whole.json"], "`whole.json` is a whole run and no shard"),
        (&["0.json", "broken.json"], "`broken.json`: it is not the JSON of a fleet run"),
        (&["0.json", "absent.json"], "cannot read `absent.json`"),
    ] {
        let mut arguments = vec!["merge"];
        arguments.extend(files);
        let output = fleet(whole.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{files:?}");
        assert!(said(&output).contains(told), "{files:?}: {}", said(&output));
        assert!(output.stdout.is_empty());
    }
    let merged = fleet(whole.path(), &["merge", "1.json", "0.json"]);
    let text = String::from_utf8(merged.stdout).unwrap();
    assert_eq!(merged.status.code(), Some(1));
    assert!(text.contains("FAIL  ten clients are too few") && text.contains("in-d-1"), "{text}");
}

#[test]
fn two_runs_are_compared() {
    let whole = Whole::run();
    let more = PLAN.replace("count = 10\n", "count = 25\n");
    fs::write(whole.path().join("more.toml"), more).unwrap();
    fs::write(whole.path().join("plan.json"), &whole.json).unwrap();
    let run = ["run", "more.toml", "--format", "json", "--output", "more.json", "--html", "m.html"];
    assert_success(&fleet(whole.path(), &run));
    let output =
        fleet(whole.path(), &["compare", "plan.json", "more.json", "--html", "what-if.html"]);
    assert_success(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ten clients are too few\n    A  FAIL"), "{text}");
    let page = fs::read_to_string(whole.path().join("what-if.html")).unwrap();
    assert!(page.contains("kms-d, A") && page.contains("kms-d, B"));
    let output = fleet(whole.path(), &["compare", "plan.json", "plan.json", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["same_trace"], true);
    assert_eq!(fleet(whole.path(), &["compare", "plan.json", "more.toml"]).status.code(), Some(2));
}
