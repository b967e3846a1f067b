//! The sample configuration in `packaging/` has every key, and says its true default.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args as _, Command};

use super::arguments::Settings;
use super::plan::{self, Plan};

const SAMPLE: &str = include_str!("../../../../packaging/kms-sim.toml");

/// What a line begins with that shows a default.
const DEFAULT: &str = "#";

/// What a line begins with that shows an example.
const EXAMPLE: &str = "#? ";

#[test]
fn the_sample_as_it_is_says_nothing() {
    assert!(SAMPLE.lines().all(|line| line.is_empty() || line.starts_with('#')));
    let shown = format!("{:?}", parsed(SAMPLE));
    assert_eq!(shown, format!("{:?}", Settings::default()));
}

#[test]
fn every_key_of_the_settings_is_in_the_sample_once_and_no_other() {
    let command = Settings::augment_args(Command::new("settings"));
    let known: BTreeSet<&str> = command.get_arguments().map(|key| key.get_id().as_str()).collect();
    let mut listed = BTreeSet::new();
    for (key, _) in
        SAMPLE.lines().filter_map(|line| assignment(line, EXAMPLE).or(assignment(line, DEFAULT)))
    {
        assert!(listed.insert(key), "`{key}` is in the sample twice");
    }
    assert_eq!(listed, known);
}

#[test]
fn what_the_sample_calls_a_default_is_what_holds_without_it() {
    let said = parsed(&uncommented(&[DEFAULT]));
    assert_eq!(said.time_scale.map(|rate| rate.millionths()), Some(1_000_000));
    let (said, unsaid) = (started(said), started(Settings::default()));
    assert_eq!(plan::shown(&said), plan::shown(&unsaid));
    let rest = |plan: &Plan| {
        let config = &plan.config;
        let journal = config.journal.as_ref().unwrap();
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            config.lab_key == kms_protocol::kms::crypto::LabKey::DEFAULT,
            config.policy,
            config.limits,
            config.initial_counts,
            config.clock.rate(),
            (journal.on_failure, journal.retention),
            (plan.log_format, plan.log_level),
            plan.warnings,
        )
    };
    assert_eq!(rest(&said), rest(&unsaid));
    let apart = said.config.clock.now().abs_diff(unsaid.config.clock.now());
    assert!(apart < std::time::Duration::from_secs(600), "the clock is not moved");
}

#[test]
fn every_example_of_the_sample_is_taken() {
    let mut settings = parsed(&uncommented(&[EXAMPLE, DEFAULT]));
    settings.admin_token_file = None; // There is none here.
    let hosts = std::mem::take(&mut settings.host); // Beside what is said of one host.
    assert_eq!(hosts.len(), 2);
    let several = Settings { host: hosts, ..Settings::default() };
    assert_eq!(Plan::new(several, Vec::new()).unwrap().config.further.len(), 1);
    let plan = Plan::new(settings, Vec::new()).unwrap();
    assert_eq!(plan.warnings, [""; 0]);
    assert_eq!((plan.config.initial_counts.len(), plan.config.seed), (2, 42));
}

fn parsed(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

/// A plan of `settings` with everything switched on whose own settings have defaults.
fn started(mut settings: Settings) -> Plan {
    settings.seed = Some(1);
    settings.dns = Some("127.0.0.1:0".parse().unwrap());
    settings.journal = Some(PathBuf::from("journal"));
    Plan::new(settings, Vec::new()).unwrap()
}

/// The assignments of lines that begin with one of `marks`, without them.
fn uncommented(marks: &[&str]) -> String {
    let lines = SAMPLE.lines().filter_map(|line| {
        let (key, value) = marks.iter().find_map(|mark| assignment(line, mark))?;
        Some(format!("{key} = {value}\n"))
    });
    lines.collect()
}

fn assignment<'a>(line: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let (key, value) = line.strip_prefix(mark)?.split_once(" = ")?;
    let is_key = |c: char| c.is_ascii_lowercase() || c == '_';
    (!key.is_empty() && key.chars().all(is_key)).then_some((key, value))
}
