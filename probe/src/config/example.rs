//! A configuration file with every key, as comments: to begin with.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::layers::{self};
use super::{option, show};

/// The file for every command of `program`.
#[must_use]
pub fn example(program: &Command) -> String {
    let mut text = HEAD.to_owned();
    for (path, command) in option::commands(program) {
        let mut options = option::options(command).peekable();
        if options.peek().is_none() {
            continue;
        }
        let _infallible = writeln!(text, "\n[{}]", path.join("."));
        for arg in options {
            describe(&path, arg, &mut text);
        }
    }
    text
}

fn describe(path: &[String], arg: &Arg, text: &mut String) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    for line in help.lines() {
        let _infallible = writeln!(text, "# {line}");
    }
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !option::is_switch(arg) && !possible.is_empty() {
        let _infallible = writeln!(text, "# One of: {}", possible.join(", "));
    }
    let _infallible = writeln!(text, "# Variable: {}", layers::variable(path, arg));
    let key = option::key(arg);
    let value = match show::built_in(arg).values.as_slice() {
        [] => None,
        values if option::is_list(arg) => {
            let quoted: Vec<String> = values.iter().map(|value| literal(arg, value)).collect();
            Some(format!("[{}]", quoted.join(", ")))
        }
        [value, ..] => Some(literal(arg, value)),
    };
    let _infallible = match value {
        Some(value) => writeln!(text, "#{key} = {value}\n"),
        None => {
            let wanted = arg.get_value_names().unwrap_or_default().join(" ");
            writeln!(text, "# No default: {key} = {wanted}\n")
        }
    };
}

/// A value as TOML: bare where it is a truth value or a whole number.
fn literal(arg: &Arg, value: &str) -> String {
    if option::is_switch(arg) || value.parse::<u32>().is_ok_and(|it| it.to_string() == value) {
        value.to_owned()
    } else {
        toml::Value::String(value.to_owned()).to_string()
    }
}

const HEAD: &str = "\
# Configuration of kms-probe. Every key is a flag, in snake_case, in the table of its command.
# The command line goes over the environment, the environment over this file.
# Read from --config FILE, else from the file that KMS_PROBE_CONFIG names, else from
# $XDG_CONFIG_HOME/kms-probe/config.toml (~/.config) and /etc/kms-probe.toml.

# Keys for every command that has such a flag.
[all]
#resolver = [\"192.0.2.53\"]
";
