#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::file;
use super::*;

/// The only command, with flags of each kind.
fn program() -> Command {
    let check = Command::new("check")
        .arg(Arg::new("target").required(true))
        .arg(Arg::new("timeout").long("timeout").default_value("4s"))
        .arg(Arg::new("format").long("format").value_parser(["text", "json"]))
        .arg(Arg::new("needed").long("needed").required(true))
        .arg(Arg::new("resolvers").long("resolver").action(ArgAction::Append))
        .arg(Arg::new("v4").long("ipv4").action(ArgAction::SetTrue).conflicts_with("v6"))
        .arg(Arg::new("v6").long("ipv6").action(ArgAction::SetTrue))
        .arg(Arg::new("colour").long("no-colour").action(ArgAction::SetFalse));
    Command::new("p").subcommand(check)
}

fn layers(files: &[&str], variables: &[(&str, &str)]) -> Layers {
    let files = files
        .iter()
        .enumerate()
        .map(|(number, text)| file::parse(&format!("{number}.toml"), text, &program()).unwrap());
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Layers::new(files.collect(), variables)
}

/// The matches of `check` when `typed` follows it.
fn parsed(layers: &Layers, typed: &[&str]) -> ArgMatches {
    let line: Vec<&str> = ["p", "check", "host"].iter().chain(typed).copied().collect();
    let given = program().ignore_errors(true).try_get_matches_from(&line).unwrap();
    let program = layers.apply(program(), &given).unwrap();
    let matches = program.try_get_matches_from(&line).unwrap();
    matches.subcommand_matches("check").unwrap().clone()
}

fn timeout(layers: &Layers, typed: &[&str]) -> String {
    let typed = [typed, &["--needed", "x"]].concat();
    parsed(layers, &typed).get_one::<String>("timeout").unwrap().clone()
}

#[test]
fn command_line_over_environment_over_file_over_default() {
    let nothing = layers(&[], &[]);
    assert_eq!(timeout(&nothing, &[]), "4s");
    let in_all = layers(&["[all]\ntimeout = '1s'"], &[]);
    assert_eq!(timeout(&in_all, &[]), "1s");
    let in_system = "[check]\ntimeout = '9s'";
    let two_files = layers(&["[all]\ntimeout = '1s'", in_system], &[]);
    assert_eq!(timeout(&two_files, &[]), "1s", "the user's file over the machine's");
    let own_table = layers(&["[all]\ntimeout = '1s'\n[check]\ntimeout = '2s'"], &[]);
    assert_eq!(timeout(&own_table, &[]), "2s");
    let all_variable = layers(&[in_system], &[("KMS_PROBE_ALL_TIMEOUT", "3s")]);
    assert_eq!(timeout(&all_variable, &[]), "3s");
    let variables = [("KMS_PROBE_ALL_TIMEOUT", "3s"), ("KMS_PROBE_CHECK_TIMEOUT", "5s")];
    let own_variable = layers(&[in_system], &variables);
    assert_eq!(timeout(&own_variable, &[]), "5s");
    assert_eq!(timeout(&own_variable, &["--timeout", "6s"]), "6s");
    let empty = layers(&[in_system], &[("KMS_PROBE_CHECK_TIMEOUT", "")]);
    assert_eq!(timeout(&empty, &[]), "9s", "an empty variable is no variable");
}

#[test]
fn a_flag_that_a_command_requires_may_come_from_a_file() {
    let layers = layers(&["[check]\nneeded = 'x'"], &[]);
    assert_eq!(parsed(&layers, &[]).get_one::<String>("needed").unwrap(), "x");
}

#[test]
fn a_list_on_the_command_line_replaces_the_one_of_the_file() {
    let layers = layers(&["[check]\nneeded = 'x'\nresolver = ['a', 'b']"], &[("KMS_PROBE_X", "c")]);
    let list = |typed: &[&str]| -> Vec<String> {
        parsed(&layers, typed).get_many("resolvers").unwrap().cloned().collect()
    };
    assert_eq!(list(&[]), ["a", "b"]);
    assert_eq!(list(&["--resolver", "c"]), ["c"]);
}

#[test]
fn a_list_in_a_variable_is_separated_by_commas() {
    let layers = layers(&["[check]\nneeded = 'x'"], &[("KMS_PROBE_CHECK_RESOLVER", "a, b")]);
    let matches = parsed(&layers, &[]);
    let list: Vec<&String> = matches.get_many("resolvers").unwrap().collect();
    assert_eq!(list, ["a", "b"]);
}

#[test]
fn a_switch_on_the_command_line_silences_its_opposite_in_the_file() {
    for (file, typed, expected) in [
        ("ipv4 = true", vec![], (true, false)),
        ("ipv4 = true", vec!["--ipv6"], (false, true)),
        ("ipv6 = true", vec!["--ipv4"], (true, false)),
        ("ipv6 = false", vec![], (false, false)),
    ] {
        let layers = layers(&[&format!("[check]\nneeded = 'x'\n{file}")], &[]);
        let matches = parsed(&layers, &typed);
        let switches = (matches.get_flag("v4"), matches.get_flag("v6"));
        assert_eq!(switches, expected, "{file} {typed:?}");
    }
}

#[test]
fn a_flag_that_turns_something_off_is_true_when_it_is_given() {
    for (file, expected) in [("no_colour = true", false), ("no_colour = false", true)] {
        let layers = layers(&[&format!("[check]\nneeded = 'x'\n{file}")], &[]);
        assert_eq!(parsed(&layers, &[]).get_flag("colour"), expected, "{file}");
    }
}

#[test]
fn a_variable_with_a_bad_value_is_named() {
    let apply = |name, value| {
        let given = program().ignore_errors(true).try_get_matches_from(["p", "check"]).unwrap();
        layers(&[], &[(name, value)]).apply(program(), &given)
    };
    let error = apply("KMS_PROBE_CHECK_FORMAT", "yaml").unwrap_err();
    let expected = "variable `KMS_PROBE_CHECK_FORMAT`: invalid value `yaml`: possible values are \
                    text, json";
    assert_eq!(error, expected);
    let error = apply("KMS_PROBE_CHECK_IPV4", "maybe").unwrap_err();
    assert!(error.contains("`true` or `false` is wanted, not `maybe`"), "{error}");
    assert!(apply("KMS_PROBE_ALL_FORMAT", "yaml").is_ok(), "meant for commands that take it");
}

#[test]
fn variables_that_set_nothing_are_listed() {
    let variables = [
        ("KMS_PROBE_CHECK_TIMEOUT", "1s"),
        ("KMS_PROBE_ALL_FORMAT", "json"),
        ("KMS_PROBE_CONFIG", "x"),
        ("KMS_PROBE_CHECK_TIMOUT", "1s"),
        ("HOME", "/"),
    ];
    let layers = layers(&[], &variables);
    assert_eq!(layers.unknown_variables(&program()), ["KMS_PROBE_CHECK_TIMOUT"]);
}
