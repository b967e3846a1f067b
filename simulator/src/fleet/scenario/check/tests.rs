#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use super::*;

const GOOD: &str = r#"
name = "small"
title = "A small scenario"
duration = "30d"

[[site]]
name = "here"

[[host]]
name = "kms-a"
site = "here"

[[group]]
name = "desks"
site = "here"
count = 30
product = "Windows 10/11 Enterprise"

[[change]]
at = "1d"
until = "2d"
what = "host-down"
host = "kms-a"

[[expect]]
metric = "clients"
at = "30d"
states = ["licensed"]
at_least = 30
"#;

#[test]
fn a_good_scenario_is_taken() {
    let scenario = Scenario::from_toml(GOOD).unwrap();
    assert_eq!(scenario.check(), []);
    assert_eq!(scenario.expectations.len(), 1);
}

/// Replaces `old` in the good scenario, and wants this one mistake.
#[track_caller]
fn assert_wrong(old: &str, new: &str, wanted: &str) {
    assert!(GOOD.contains(old), "{old}");
    let text = GOOD.replacen(old, new, 1);
    let mistakes = Scenario::from_toml(&text).unwrap_err();
    let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert!(shown.iter().any(|line| line == wanted), "wanted {wanted}\ngot {shown:#?}");
}

#[test]
fn mistakes_name_line_column_key_and_the_nearest_that_is_right() {
    for (old, new, wanted) in [
        (
            "count = 30",
            "cuont = 30",
            "16:1: key `group[1].cuont`: unknown key; did you mean `count`?",
        ),
        ("count = 30", "", "13:1: key `group[1].count`: missing"),
        (
            "count = 30",
            "count = \"many\"",
            "16:9: key `group[1].count`: must be a whole number, and is of type string",
        ),
        (
            "count = 30",
            "count = 300000000",
            "16:9: key `group[1].count`: `300000000` is not a whole number from 1 to 200000000",
        ),
        (
            "count = 30",
            "count = 3\npresence = { kind = \"laptop\", here = \"1d\", awya = \"2d\" }",
            "17:44: key `group[1].presence.awya`: unknown key; did you mean `away`?",
        ),
        (
            "count = 30",
            "count = 3\nhardware = { kind = \"rooming\" }",
            "17:21: key `group[1].hardware.kind`: no such value: `rooming`; did you mean `roaming`?",
        ),
        (
            "host = \"kms-a\"",
            "hots = \"kms-a\"",
            "23:1: key `change[1].hots`: unknown key; did you mean `host`?",
        ),
        (
            "host = \"kms-a\"",
            "host = \"kms-b\"",
            "23:1: key `change[1].host`: no such host: `kms-b`; did you mean `kms-a`?",
        ),
        (
            "at_least = 30",
            "at_laest = 30",
            "29:1: key `expect[1].at_laest`: unknown key; did you mean `at_least`?",
        ),
        (
            "at_least = 30",
            "",
            "26:1: key `expect[1].metric`: has no bound: `at_least`, `at_most` or both are needed",
        ),
        (
            "\"licensed\"",
            "\"licenced\"",
            "28:11: key `expect[1].states[1]`: no such value: `licenced`; did you mean `licensed`?",
        ),
        (
            "Windows 10/11 Enterprise",
            "Windows 10/11 Entreprise",
            "17:1: key `group[1].product`: no such product: `Windows 10/11 Entreprise`; did you mean \
             `Windows 10/11 Enterprise`?",
        ),
        (
            "until = \"2d\"",
            "until = \"1d\"",
            "21:1: key `change[1].until`: `1d` is not after `at` at `1d`",
        ),
        (
            "until = \"2d\"",
            "until = \"31d\"",
            "21:1: key `change[1].until`: `31d` is after the end of the scenario at `30d`",
        ),
        (
            "until = \"2d\"",
            "until = \"2 days\"",
            "21:9: key `change[1].until`: `2 days` is not a time such as `90s`, `15m`, `2h`, `30d` or `1d 12h`, up to 136 years",
        ),
        (
            "duration = \"30d\"",
            "duration = 30",
            "4:12: key `duration`: must be a string, and is of type integer",
        ),
    ] {
        assert_wrong(old, new, wanted);
    }
}

#[test]
fn what_contradicts_itself_or_leads_nowhere_is_found() {
    for (old, new, wanted) in [
        (
            "name = \"desks\"",
            "name = \"desks\"\nclones = 2",
            "only goes with `identity = \"shared-cmid\"`",
        ),
        ("name = \"desks\"", "name = \"desks\"\nkey = \"mak\"", "a MAK needs a number"),
        (
            "name = \"here\"",
            "name = \"here\"\ntime_zone = \"Europe/Berlni\"",
            "did you mean `Europe/Berlin`?",
        ),
        (
            "name = \"here\"",
            "name = \"here\"\n[[site]]\nname = \"here\"",
            "there is another site `here`",
        ),
        ("name = \"here\"", "name = \"over there\"", "is not a name"),
        (
            "metric = \"clients\"",
            "metric = \"clients\"\npercentile = 50",
            "does not go with this metric",
        ),
        ("metric = \"clients\"", "metric = \"count\"", "missing; this metric needs it"),
        ("at = \"30d\"", "from = \"20d\"\nuntil = \"10d\"", "is before `from`"),
        ("at = \"30d\"", "", "missing"),
        ("at = \"30d\"", "at = \"1d\"\nfrom = \"1d\"", "`at` and a window"),
        ("what = \"host-down\"", "what = \"host-forgets\"", "has no end"),
        (
            "[[expect]]",
            "[[change]]\nat = \"36h\"\nwhat = \"host-down\"\nhost = \"kms-a\"\n[[expect]]",
            "overlaps `change[1]`",
        ),
        (
            "duration = \"30d\"",
            "duration = \"30d\"\nsample_every = \"1s\"",
            "at most 5000000 are kept",
        ),
        (
            "site = \"here\"",
            "site = \"here\"\nrenewal_interval = \"5m\"",
            "is not whole minutes from",
        ),
        ("count = 30", "count = 30\nclients = [\"PC-1\"]", "1 are listed, and `count` is 30"),
        ("count = 30", "count = 1\nclients = [\"\"]", "`` is not a CMID, a name or `CMID NAME`"),
        (
            "count = 30",
            "count = 1\nidentity = \"shared-cmid\"\nclients = [\"PC-1\"]",
            "`shared-cmid` makes CMIDs up",
        ),
    ] {
        let text = GOOD.replacen(old, new, 1);
        let mistakes = Scenario::from_toml(&text).unwrap_err();
        let found = mistakes.iter().any(|mistake| {
            mistake.message.contains(wanted) && mistake.place.is_some_and(|(line, _)| line > 1)
        });
        assert!(found, "{new}: {mistakes:?}");
    }
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let long = format!("# {}\n{GOOD}", "x".repeat(super::super::shape::FILE_BYTES_MAX));
    let mistakes = Scenario::from_toml(&long).unwrap_err();
    assert!(mistakes.iter().all(|mistake| mistake.message.contains("longer than")));
}

#[test]
fn a_scenario_lists_so_many_clients_and_no_more() {
    let with = |count: usize, groups: usize| {
        let mut scenario = Scenario::from_toml(GOOD).unwrap();
        let client = super::super::ListedClient { cmid: None, name: Some("PC".to_owned()) };
        let like = scenario.groups[0].clone();
        scenario.groups = (0..groups)
            .map(|number| super::super::Group {
                name: format!("group-{number}"),
                count: u32::try_from(count).unwrap(),
                clients: vec![client.clone(); count],
                ..like.clone()
            })
            .collect();
        scenario
    };
    let most = super::super::shape::LISTED_MAX;
    let text = with(most, 1).to_toml().unwrap();
    assert_eq!(Scenario::from_toml(&text).unwrap().groups[0].clients.len(), most);
    let text = with(most + 1, 1).to_toml().unwrap();
    let mistakes = Scenario::from_toml(&text).unwrap_err();
    assert!(mistakes[0].message.contains("100001 of them; at most 100000"), "{mistakes:?}");
    let mistakes = with(most / 2 + 1, 2).check();
    assert!(mistakes.iter().any(|m| m.message.contains("100002 clients are listed")));
}
