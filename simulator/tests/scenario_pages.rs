//! The pages on the scenarios that come along: their commands are run again, their tables and plots made
//! again. `UPDATE_SCENARIOS=1 cargo test -p kms-simulator --test scenario_pages` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use kms_simulator::fleet::builtin::BUILTINS;
use kms_simulator::fleet::engine::{Options, run};
use kms_simulator::fleet::expect::judge;
use kms_simulator::fleet::outcome::{HostSample, Outcome};
use kms_simulator::fleet::scenario::{Scenario, Seconds};

#[test]
fn pages_show_what_their_commands_print_and_their_runs_lead_to() {
    let pages = BUILTINS.iter().map(|builtin| {
        let made =
            std::thread::spawn(|| (file(&format!("{}.md", builtin.name)), page(builtin.name)));
        (builtin.name, made)
    });
    let pages: Vec<_> = pages.collect();
    let mut stale = Vec::new();
    for (name, page) in pages {
        let (path, (text, picture)) = page.join().unwrap();
        stale.extend(differs(&path, &text));
        stale.extend(differs(&file(&format!("{name}.svg")), &picture));
    }
    assert!(stale.is_empty(), "stale; `UPDATE_SCENARIOS=1` rewrites them: {stale:#?}");
}

#[test]
fn the_index_lists_every_scenario() {
    let path = file("README.md");
    let text = replace_between(&read(&path), "<!-- list -->\n", "<!-- end of list -->", &list());
    assert_eq!(differs(&path, &text), None);
}

#[test]
fn every_page_gives_a_reason_for_every_expectation_and_names_its_sources() {
    for builtin in BUILTINS {
        let (page, scenario) =
            (read(&file(&format!("{}.md", builtin.name))), scenario(builtin.name));
        for judgement in judge(&scenario, &run(&scenario, &Options::default()).unwrap()) {
            let bullet = format!("- *{}*: ", judgement.title);
            assert!(page.contains(&bullet), "{}: {bullet}", builtin.name);
        }
        for heading in ["## The situation", "## What to do", "## Sources"] {
            assert!(page.contains(&format!("\n{heading}\n")), "{}: {heading}", builtin.name);
        }
    }
}

/// The page and the picture of a scenario as they should be.
fn page(name: &str) -> (String, String) {
    let old = read(&file(&format!("{name}.md")));
    let show = between(&old, "<!-- plot: ", " -->").unwrap_or_else(|| panic!("{name}: no plot"));
    assert!(old.contains(&format!("]({name}.svg)")), "{name}: its picture is not shown");
    let picture = shell(&format!("kms-sim fleet plot {name} --show {show}"));
    let instants =
        between(&old, "<!-- course: ", " -->").unwrap_or_else(|| panic!("{name}: no course"));
    let from = format!("<!-- course: {instants} -->\n");
    let text = replace_between(&old, &from, "<!-- end of course -->", &course(name, instants));
    (rerun(&text), picture)
}

/// The text with what its commands print now.
fn rerun(page: &str) -> String {
    let mut parts = page.split("```console\n");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (block, rest) = part.split_once("```").unwrap();
        text.push_str("```console\n");
        for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            text.push_str(&format!("$ {command}\n{}", shell(command)));
        }
        text.push_str(&format!("```{rest}"));
    }
    text
}

fn shell(command: &str) -> String {
    let bin = cargo_bin("kms-sim");
    let path = format!("{}:{}", bin.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", command])
        .env("PATH", path)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.is_empty(), "`{command}`: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A table of a run at `instants`: clients of each group by state, and each host's requests and count.
fn course(name: &str, instants: &str) -> String {
    let scenario = scenario(name);
    let outcome = run(&scenario, &Options::default()).unwrap();
    let groups = scenario.groups.iter().map(|group| group.name.as_str());
    let hosts = scenario.hosts.iter().map(|host| host.name.as_str());
    let mut table = format!("| time | {} |\n", groups.chain(hosts).collect::<Vec<_>>().join(" | "));
    let columns = 1 + scenario.groups.len() + scenario.hosts.len();
    table.push_str(&format!("|{}\n", "---|".repeat(columns)));
    for instant in instants.split(", ") {
        let at: Seconds = instant.parse().unwrap();
        let index = scenario.instants().binary_search(&at).unwrap_or_else(|_| {
            panic!("{name}: no sample at {instant}");
        });
        table.push_str(&format!("| {at} | {} |\n", cells(&outcome, index).join(" | ")));
    }
    table
}

fn cells(outcome: &Outcome, index: usize) -> Vec<String> {
    let mut groups: Vec<_> = outcome.sites.iter().flat_map(|site| &site.groups).collect();
    groups.sort_by_key(|group| group.group);
    let mut hosts: Vec<_> = outcome.sites.iter().flat_map(|site| &site.hosts).collect();
    hosts.sort_by_key(|host| host.host);
    let states = |states: &[u64; 7]| {
        let seen = STATES.iter().zip(states).filter(|(_, many)| **many > 0);
        seen.map(|(state, many)| format!("{many} {state}")).collect::<Vec<_>>().join(", ")
    };
    let figures = |sample: &HostSample| {
        let HostSample { requests, count_windows, count_office, .. } = sample;
        match count_office {
            0 => format!("count {count_windows}, {requests} requests"),
            office => format!("count {count_windows}, Office {office}, {requests} requests"),
        }
    };
    let groups = groups.iter().map(|group| states(&group.samples[index].states));
    groups.chain(hosts.iter().map(|host| figures(&host.samples[index]))).collect()
}

fn list() -> String {
    let mut table =
        "| scenario | what it shows | clients | lasts |\n|---|---|---|---|\n".to_owned();
    for builtin in BUILTINS {
        let scenario = scenario(builtin.name);
        let clients: u64 = scenario.groups.iter().map(|group| u64::from(group.count)).sum();
        let (name, title, lasts) = (builtin.name, &scenario.title, scenario.duration);
        table.push_str(&format!("| [{name}]({name}.md) | {title} | {clients} | {lasts} |\n"));
    }
    table
}

fn scenario(name: &str) -> Scenario {
    let builtin = BUILTINS.iter().find(|builtin| builtin.name == name).unwrap();
    Scenario::from_toml(builtin.toml).unwrap()
}

/// Writes `text` where that was asked for; otherwise says the first line that is not as it should be.
fn differs(path: &Path, text: &str) -> Option<String> {
    if std::env::var_os("UPDATE_SCENARIOS").is_some() {
        fs::write(path, text).unwrap();
        return None;
    }
    let old = fs::read_to_string(path).unwrap_or_default();
    if old == text {
        return None;
    }
    let line = old.lines().zip(text.lines()).position(|(old, new)| old != new);
    let line = line.unwrap_or_else(|| old.lines().count().min(text.lines().count()));
    let new = text.lines().nth(line).unwrap_or("(nothing)");
    Some(format!("{}:{}: now `{new}`", path.display(), line + 1))
}

fn replace_between(text: &str, from: &str, to: &str, new: &str) -> String {
    let (head, rest) = text.split_once(from).unwrap_or_else(|| panic!("no `{from}`"));
    let (_, tail) = rest.split_once(to).unwrap_or_else(|| panic!("no `{to}`"));
    format!("{head}{from}{new}{to}{tail}")
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(inside, _)| inside)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn file(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenarios")).join(name)
}

const STATES: [&str; 7] = [
    "unlicensed",
    "licensed",
    "initial grace",
    "additional grace",
    "non-genuine grace",
    "notification",
    "extended grace",
];
