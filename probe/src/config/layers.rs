//! One layer of settings over the other, and the command line over them all.

use std::collections::HashMap;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::file::{self, File, Place};
use super::{ALL, option};

/// Everything that sets a default.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Files, each over those after it.
    pub files: Vec<File>,
    /// Variables of the environment whose names begin with [`PREFIX`].
    pub environment: HashMap<String, String>,
}

/// The value of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// As on the command line; `true` or `false` for a flag without value; empty when it is not set.
    pub values: Vec<String>,
    /// Who says so.
    pub origin: Origin,
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: the built-in default, or none.
    Default,
    /// A table of a file.
    File {
        /// The file.
        name: String,
        /// The table, as `check` or `all`.
        table: String,
        /// Where the key stands.
        place: Place,
    },
    /// A variable.
    Environment(String),
    /// The command line.
    CommandLine,
}

impl Layers {
    /// Takes the variables that could be settings.
    #[must_use]
    pub fn new(files: Vec<File>, variables: impl Iterator<Item = (String, String)>) -> Self {
        let environment = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        Self { files, environment }
    }

    /// What these layers say of a flag of the command at `path`; `None` if they are silent.
    ///
    /// # Errors
    /// A variable holds a value that the flag does not take.
    pub fn setting(&self, path: &[String], arg: &Arg) -> Result<Option<Setting>, String> {
        match self.of_environment(path, arg)? {
            Some(setting) => Ok(Some(setting)),
            None => Ok(self.of_files(path, arg)),
        }
    }

    fn of_environment(&self, path: &[String], arg: &Arg) -> Result<Option<Setting>, String> {
        let own = (variable(path, arg), true);
        let shared = (variable(&[ALL.to_owned()], arg), false);
        for (name, must_fit) in [own, shared] {
            let Some(text) = self.environment.get(&name).filter(|text| !text.is_empty()) else {
                continue;
            };
            let values = from_text(arg, text);
            match values.and_then(|values| option::check(arg, &values).map(|()| values)) {
                Ok(values) => {
                    return Ok(Some(Setting { values, origin: Origin::Environment(name) }));
                }
                Err(reason) if must_fit => return Err(format!("variable `{name}`: {reason}")),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// A value under `[all]` that this command does not take is not meant for it.
    fn of_files(&self, path: &[String], arg: &Arg) -> Option<Setting> {
        let key = option::key(arg);
        self.files.iter().find_map(|file| {
            let of = |table: &[String]| {
                file.entries.iter().find(|entry| {
                    entry.key == key
                        && entry.table == table
                        && option::check(arg, &entry.values).is_ok()
                })
            };
            of(path).or_else(|| of(&[ALL.to_owned()])).map(|entry| Setting {
                values: entry.values.clone(),
                origin: Origin::File {
                    name: file.name.clone(),
                    table: entry.table.join("."),
                    place: entry.place,
                },
            })
        })
    }

    /// `program` with these defaults for the command that `given` names.
    ///
    /// A flag that contradicts one on the command line keeps its built-in default: what was typed
    /// last wins.
    ///
    /// # Errors
    /// A variable holds a value that its flag does not take.
    pub fn apply(&self, program: Command, given: &ArgMatches) -> Result<Command, String> {
        apply_below(self, program, &[], given)
    }

    /// Variables that look like settings but are none.
    #[must_use]
    pub fn unknown_variables(&self, program: &Command) -> Vec<String> {
        let commands = option::commands(program);
        let known: Vec<String> = commands
            .iter()
            .flat_map(|(path, command)| {
                option::options(command)
                    .flat_map(|arg| [variable(path, arg), variable(&[ALL.to_owned()], arg)])
            })
            .chain([super::places::VARIABLE.to_owned()])
            .collect();
        let names = self.environment.keys().filter(|name| !known.contains(name));
        let mut unknown: Vec<String> = names.cloned().collect();
        unknown.sort_unstable();
        unknown
    }
}

fn apply_below(
    layers: &Layers,
    command: Command,
    path: &[String],
    given: &ArgMatches,
) -> Result<Command, String> {
    let Some((name, below)) = given.subcommand() else {
        return Ok(command);
    };
    let path = [path, &[name.to_owned()]].concat();
    let Some(child) = command.find_subcommand(name) else { return Ok(command) };
    let mut defaults: HashMap<String, Vec<String>> = HashMap::new();
    for arg in option::options(child).filter(|arg| !is_contradicted(child, arg, below)) {
        if let Some(setting) = layers.setting(&path, arg)? {
            defaults.insert(arg.get_id().to_string(), setting.values);
        }
    }
    let child = child.clone().mut_args(|arg| match defaults.remove(arg.get_id().as_str()) {
        Some(values) => with_default(arg, values),
        None => arg,
    });
    let child = apply_below(layers, child, &path, below)?;
    Ok(command.mut_subcommand(name, |_| child))
}

fn with_default(arg: Arg, mut values: Vec<String>) -> Arg {
    if matches!(arg.get_action(), ArgAction::SetFalse) {
        // The value of such a flag is whether it is absent.
        for value in &mut values {
            *value = (value != "true").to_string();
        }
    }
    arg.default_values(values).required(false)
}

/// Whether a flag that excludes this one stands on the command line.
fn is_contradicted(command: &Command, arg: &Arg, given: &ArgMatches) -> bool {
    command.get_arguments().filter(|other| is_typed(given, other)).any(|other| {
        let excludes = |one: &Arg, another: &Arg| {
            let mut excluded = command.get_arg_conflicts_with(one).into_iter();
            excluded.any(|it| it.get_id() == another.get_id())
        };
        other.get_id() != arg.get_id() && (excludes(arg, other) || excludes(other, arg))
    })
}

/// Whether the command line gives the flag.
#[must_use]
pub fn is_typed(given: &ArgMatches, arg: &Arg) -> bool {
    let id = arg.get_id().as_str();
    let known = given.try_contains_id(id).is_ok();
    known && given.value_source(id) == Some(ValueSource::CommandLine)
}

/// The variable of a flag: `KMS_PROBE_CHECK_DNS_TIMEOUT`.
#[must_use]
pub fn variable(path: &[String], arg: &Arg) -> String {
    let words: Vec<String> = path.iter().map(|name| option::snake(name)).collect();
    format!("{PREFIX}{}_{}", words.join("_"), option::key(arg)).to_ascii_uppercase()
}

/// A variable as values of its flag: several are separated by commas.
fn from_text(arg: &Arg, text: &str) -> Result<Vec<String>, String> {
    if option::is_switch(arg) {
        return match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(vec!["true".to_owned()]),
            "false" | "no" | "off" | "0" => Ok(vec!["false".to_owned()]),
            _ => Err(format!("`true` or `false` is wanted, not `{text}`")),
        };
    }
    if matches!(arg.get_action(), ArgAction::Count) {
        let number = text.parse::<u8>();
        return number
            .map(|number| vec![number.to_string()])
            .map_err(|_| format!("a number from 0 to 255 is wanted, not `{text}`"));
    }
    if option::is_list(arg) && arg.get_value_delimiter().is_none() {
        let values: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        if values.len() > file::VALUES_MAX {
            return Err(format!("at most {} values are possible", file::VALUES_MAX));
        }
        return Ok(values);
    }
    Ok(file::split(arg, text))
}

/// How the names of all variables begin.
pub const PREFIX: &str = "KMS_PROBE_";

#[cfg(test)]
mod tests;
