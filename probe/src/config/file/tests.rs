#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use clap::value_parser;

use super::*;

fn program() -> Command {
    let format = |values: [&'static str; 2]| Arg::new("format").long("format").value_parser(values);
    let check = Command::new("check")
        .arg(format(["text", "nagios"]))
        .arg(Arg::new("timeout").long("dns-timeout").value_parser(value_parser!(u8).range(1..)))
        .arg(Arg::new("resolvers").long("resolver").action(ArgAction::Append))
        .arg(Arg::new("ports").long("port").value_delimiter(',').value_parser(value_parser!(u16)))
        .arg(Arg::new("verbose").long("verbose").action(ArgAction::Count))
        .arg(Arg::new("host").long("host").action(ArgAction::SetTrue));
    let show = Command::new("show").arg(format(["text", "json"]));
    Command::new("p").subcommand(check).subcommand(Command::new("set-up").subcommand(show))
}

fn entries(text: &str) -> Vec<(String, String, Vec<String>)> {
    let file = parse("f.toml", text, &program()).unwrap();
    file.entries.into_iter().map(|it| (it.table.join("."), it.key, it.values)).collect()
}

fn problem(text: &str) -> String {
    parse("f.toml", text, &program()).unwrap_err().to_string()
}

#[test]
fn keys_of_every_kind_are_read_with_their_place() {
    let text = "[check]\nformat = \"nagios\"\ndns_timeout = 4\nresolver = [\"a\", \"b\"]\n\
                port = [443, 0x10]\nverbose = 2\nhost = true\n[all]\n  format = 'json'\n\
                [set_up.show]\nformat = 'text'\n";
    let entry = |table: &str, key: &str, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        (table.to_owned(), key.to_owned(), values)
    };
    let expected = [
        entry("check", "format", &["nagios"]),
        entry("check", "dns_timeout", &["4"]),
        entry("check", "resolver", &["a", "b"]),
        entry("check", "port", &["443", "16"]),
        entry("check", "verbose", &["2"]),
        entry("check", "host", &["true"]),
        entry("all", "format", &["json"]),
        entry("set-up.show", "format", &["text"]),
    ];
    assert_eq!(entries(text), expected);
    let file = parse("f.toml", text, &program()).unwrap();
    let place = file.entries.iter().find(|entry| entry.table == [ALL]).unwrap().place;
    assert_eq!(place, Place { line: 9, column: 3 });
}

#[test]
fn one_value_of_a_list_needs_no_brackets_and_a_delimiter_works_as_on_the_command_line() {
    let read = entries("[check]\nresolver = 'a'\nport = '443, 445'");
    assert_eq!(read[0].2, ["a"]);
    assert_eq!(read[1].2, ["443", "445"]);
}

#[test]
fn what_is_unknown_is_named_with_its_place_and_the_nearest_that_is_known() {
    for (text, expected) in [
        ("[chek]\n", "f.toml:1:2: unknown table `chek`: no such command; the nearest is `check`"),
        ("[zzz]\n", "f.toml:1:2: unknown table `zzz`: no such command"),
        (
            "[check]\n\n formt = 'text'\n",
            "f.toml:3:2: unknown key `formt` in `[check]`; the nearest is `format`",
        ),
        (
            "[all]\nresolvr = 'a'\n",
            "f.toml:2:1: unknown key `resolvr` in `[all]`: no command has it; the nearest is \
             `resolver`",
        ),
        (
            "[set_up.show]\nfrmat = 'text'\n",
            "f.toml:2:1: unknown key `frmat` in `[set-up.show]`; the nearest is `format`",
        ),
        (
            "format = 'text'\n",
            "f.toml:1:1: key `format` stands in no table: put it under `[all]` or under its \
             command, as `[check]`",
        ),
        ("check = 1\n", "f.toml:1:1: `check` is a table: `[check]`"),
        ("[check]\nconfig = 'x'\n", "f.toml:2:1: unknown key `config` in `[check]`"),
    ] {
        assert_eq!(problem(text), expected);
    }
}

#[test]
fn a_bad_value_is_named_with_its_key_its_place_and_what_is_wanted() {
    for (line, expected) in [
        ("format = 'yaml'", "key `format`: invalid value `yaml`: possible values are text, nagios"),
        ("format = ['text']", "key `format`: one value is wanted, not an array"),
        ("dns_timeout = 0", "key `dns_timeout`: invalid value `0`: 0 is not in 1..=255"),
        ("dns_timeout = 1979-05-27", "a string or a number is wanted, not a datetime"),
        ("host = 1", "key `host`: `true` or `false` is wanted, not an integer"),
        ("verbose = 300", "key `verbose`: a number from 0 to 255 is wanted, not an integer"),
        ("resolver = [['a']]", "key `resolver`: an array of strings or numbers is wanted"),
        ("port = [1, 70000]", "key `port`: invalid value `70000`: 70000 is not in 0..=65535"),
    ] {
        let error = problem(&format!("[check]\n{line}\n"));
        assert!(error.starts_with("f.toml:2:1: "), "{error}");
        assert!(error.ends_with(expected), "{error}");
    }
    let many = vec!["'a'"; VALUES_MAX].join(",");
    assert_eq!(entries(&format!("[check]\nresolver = [{many}]"))[0].2.len(), VALUES_MAX);
    let error = problem(&format!("[check]\nresolver = [{many},'a']"));
    assert!(error.ends_with("at most 1000 values are possible"), "{error}");
}

#[test]
fn a_value_for_all_commands_must_suit_one_of_them() {
    assert_eq!(entries("[all]\nformat = 'json'").len(), 1);
    let error = problem("[all]\nformat = 'yaml'");
    let expected = "f.toml:2:1: key `format`: invalid value `yaml`: possible values are text, \
                    nagios";
    assert_eq!(error, expected);
}

#[test]
fn what_is_not_toml_is_named_with_its_place() {
    let error = problem("[check]\nhost = = true\n");
    assert!(error.starts_with("f.toml:2:8: "), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let error = problem("[check]\nhost = true\nhost = false\n");
    assert!(error.starts_with("f.toml:3:1: "), "{error}");
}
