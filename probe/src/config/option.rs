//! A flag as a key: which flags have one, how it is spelled, which values it takes.

use clap::builder::ValueRange;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

/// The flags of `command` that may be set elsewhere: all with a long name, but those that say where
/// settings come from or that end the program.
pub fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let settable = !matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        let known = arg.get_long().is_some_and(|long| !NEVER.contains(&long));
        settable && known && !arg.is_hide_set()
    })
}

/// The flag of `command` with this key.
#[must_use]
pub fn option<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    options(command).find(|arg| self::key(arg) == key)
}

/// The commands of the program, at any depth, each with its path (`["config", "show"]`).
#[must_use]
pub fn commands(program: &Command) -> Vec<(Vec<String>, &Command)> {
    let mut found = Vec::new();
    collect(program, &[], &mut found);
    found
}

fn collect<'a>(command: &'a Command, path: &[String], found: &mut Vec<(Vec<String>, &'a Command)>) {
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        let path = [path, &[child.get_name().to_owned()]].concat();
        found.push((path.clone(), child));
        collect(child, &path, found);
    }
}

/// The command at `path`.
#[must_use]
pub fn command<'a>(program: &'a Command, path: &[String]) -> Option<&'a Command> {
    path.iter().try_fold(program, |command, name| command.find_subcommand(name))
}

/// The key of a flag: its long name in `snake_case`.
#[must_use]
pub fn key(arg: &Arg) -> String {
    snake(arg.get_long().unwrap_or_default())
}

/// A name of the command line as a key.
#[must_use]
pub fn snake(name: &str) -> String {
    name.replace('-', "_")
}

/// Whether the flag takes no value.
#[must_use]
pub fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// Whether the flag takes several values.
#[must_use]
pub fn is_list(arg: &Arg) -> bool {
    let several = arg.get_num_args().is_some_and(|range: ValueRange| range.max_values() > 1);
    matches!(arg.get_action(), ArgAction::Append) || several || arg.get_value_delimiter().is_some()
}

/// Whether its value is never shown.
#[must_use]
pub fn is_secret(arg: &Arg) -> bool {
    let key = key(arg);
    key.split('_').next_back().is_some_and(|word| SECRETS.contains(&word))
}

/// Why the flag does not take these values, in the words of its own parser.
///
/// # Errors
/// The reason, without the value if it is a secret.
pub fn check(arg: &Arg, values: &[String]) -> Result<(), String> {
    if is_switch(arg) || matches!(arg.get_action(), ArgAction::Count) {
        return Ok(());
    }
    values.iter().try_for_each(|value| {
        let alone = Arg::new(ALONE)
            .long(ALONE)
            .action(ArgAction::Set)
            .value_parser(arg.get_value_parser().clone());
        let parser = Command::new(ALONE).no_binary_name(true).arg(alone);
        match parser.try_get_matches_from([format!("--{ALONE}={value}")]) {
            Ok(_) => Ok(()),
            Err(_) if is_secret(arg) => Err("invalid value (not shown)".to_owned()),
            Err(error) => Err(format!("invalid value `{value}`: {}", reason(&error))),
        }
    })
}

/// What clap has against a value, without its frame of usage and hints.
fn reason(error: &clap::Error) -> String {
    let valid = error.get(ContextKind::ValidValue);
    if let (ErrorKind::InvalidValue, Some(ContextValue::Strings(valid))) = (error.kind(), valid)
        && !valid.is_empty()
    {
        return format!("possible values are {}", valid.join(", "));
    }
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| "an empty value is not possible".to_owned())
}

/// `--config` says where settings come from.
const NEVER: [&str; 1] = ["config"];
/// Last words of keys whose values are secrets.
const SECRETS: [&str; 4] = ["key", "token", "secret", "password"];
const ALONE: &str = "value";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn program() -> Command {
        Command::new("p").arg(Arg::new("config").long("config").global(true)).subcommand(
            Command::new("check")
                .arg(Arg::new("target"))
                .arg(
                    Arg::new("max")
                        .long("max-hops")
                        .value_parser(clap::value_parser!(u8).range(1..9)),
                )
                .arg(Arg::new("format").long("format").value_parser(["text", "json"]))
                .arg(Arg::new("lab").long("lab-key").value_parser(|text: &str| {
                    text.parse::<u8>().map_err(|error| error.to_string())
                }))
                .arg(Arg::new("host").long("host").action(ArgAction::SetTrue)),
        )
    }

    #[test]
    fn every_long_flag_but_config_has_a_key() {
        let mut program = program();
        program.build();
        let check = program.find_subcommand("check").unwrap();
        let keys: Vec<_> = options(check).map(key).collect();
        assert_eq!(keys, ["max_hops", "format", "lab_key", "host"]);
    }

    #[test]
    fn values_are_judged_by_the_flags_own_parser_and_secrets_are_not_repeated() {
        let program = program();
        let check = program.find_subcommand("check").unwrap();
        let judge =
            |key: &str, value: &str| super::check(option(check, key).unwrap(), &[value.to_owned()]);
        assert_eq!(judge("max_hops", "8"), Ok(()));
        assert_eq!(judge("max_hops", "-1").unwrap_err(), "invalid value `-1`: -1 is not in 1..9");
        let error = judge("format", "yaml").unwrap_err();
        assert_eq!(error, "invalid value `yaml`: possible values are text, json");
        assert!(judge("format", "").unwrap_err().contains("text, json"));
        assert_eq!(judge("lab_key", "hunter2").unwrap_err(), "invalid value (not shown)");
    }
}
