//! Every value in effect, and where it came from.

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::layers::{self, Layers, Origin, Setting};
use super::option;
use crate::report::{Style, escape};

/// The values in effect for some commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The files that were read, the strongest first.
    pub files: Vec<String>,
    /// By command.
    pub commands: Vec<CommandShown>,
    /// Variables that begin with `KMS_PROBE_` and set nothing.
    pub unknown_variables: Vec<String>,
}

/// The values in effect for one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandShown {
    /// Its name, with those above it: `config show`.
    pub command: String,
    /// Its flags, in the order of its help.
    pub settings: Vec<Row>,
}

/// One flag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The key in a file.
    pub key: String,
    /// The variable of the environment.
    pub variable: String,
    /// The values; empty if it is not set, masked if they are secret.
    pub values: Vec<String>,
    /// Whether the value is secret and therefore not shown.
    pub secret: bool,
    /// Who set it.
    #[serde(flatten)]
    pub origin: Shape,
}

/// [`Origin`] in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
#[allow(missing_docs, reason = "Origin describes the same")]
pub enum Shape {
    Default,
    File { file: String, table: String, line: usize, column: usize },
    Environment { from_variable: String },
    CommandLine,
}

/// What is in effect for the commands whose path begins with `wanted`; `given` is what follows the
/// command on the command line, if that is asked about.
///
/// # Errors
/// A variable holds a value that its flag does not take.
pub fn show(
    layers: &Layers,
    program: &Command,
    wanted: &[String],
    given: Option<&ArgMatches>,
) -> Result<Shown, String> {
    let commands = option::commands(program)
        .into_iter()
        .filter(|(path, _)| path.starts_with(wanted))
        .map(|(path, command)| {
            let given = given.and_then(|given| below(given, &path));
            let rows = option::options(command).map(|arg| row(layers, &path, arg, given));
            let settings = rows.collect::<Result<Vec<_>, _>>()?;
            Ok(CommandShown { command: path.join(" "), settings })
        })
        .filter(|it| it.as_ref().map_or(true, |it| !it.settings.is_empty()))
        .collect::<Result<Vec<_>, String>>()?;
    Ok(Shown {
        files: layers.files.iter().map(|file| file.name.clone()).collect(),
        commands,
        unknown_variables: layers.unknown_variables(program),
    })
}

/// The part of a command line that belongs to the command at `path`.
fn below<'a>(given: &'a ArgMatches, path: &[String]) -> Option<&'a ArgMatches> {
    path.iter().try_fold(given, |given, name| given.subcommand_matches(name))
}

fn row(
    layers: &Layers,
    path: &[String],
    arg: &Arg,
    given: Option<&ArgMatches>,
) -> Result<Row, String> {
    let typed = given.filter(|given| layers::is_typed(given, arg)).map(|given| typed(given, arg));
    let setting = match typed {
        Some(setting) => setting,
        None => layers.setting(path, arg)?.unwrap_or_else(|| built_in(arg)),
    };
    let secret = option::is_secret(arg);
    let is_set = !setting.values.is_empty();
    Ok(Row {
        key: option::key(arg),
        variable: layers::variable(path, arg),
        values: if secret && is_set { vec![MASK.to_owned()] } else { setting.values },
        secret,
        origin: setting.origin.into(),
    })
}

fn typed(given: &ArgMatches, arg: &Arg) -> Setting {
    let values = if option::is_switch(arg) {
        vec!["true".to_owned()]
    } else {
        let raw = given.get_raw(arg.get_id().as_str()).into_iter().flatten();
        raw.map(|value| value.to_string_lossy().into_owned()).collect()
    };
    Setting { values, origin: Origin::CommandLine }
}

pub(super) fn built_in(arg: &Arg) -> Setting {
    let values = if option::is_switch(arg) {
        vec!["false".to_owned()]
    } else {
        let defaults = arg.get_default_values().iter();
        defaults.map(|value| value.to_string_lossy().into_owned()).collect()
    };
    Setting { values, origin: Origin::Default }
}

impl From<Origin> for Shape {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Default => Self::Default,
            Origin::File { name, table, place } => {
                Self::File { file: name, table, line: place.line, column: place.column }
            }
            Origin::Environment(from_variable) => Self::Environment { from_variable },
            Origin::CommandLine => Self::CommandLine,
        }
    }
}

impl Shown {
    /// For people.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        for command in &self.commands {
            text.push_str(&style.strong(&format!("[{}]", command.command.replace(' ', "."))));
            text.push('\n');
            let values = command.settings.iter().map(|row| row.value().chars().count());
            let columns = values.max().unwrap_or_default().clamp(VALUE_MIN, VALUE_MAX);
            for row in &command.settings {
                text.push_str(&row.text(columns, style));
            }
            text.push('\n');
        }
        match self.files.as_slice() {
            [] => text.push_str("No configuration file was read.\n"),
            files => {
                for file in files {
                    text.push_str(&format!("Read: {}\n", escape(file)));
                }
            }
        }
        for name in &self.unknown_variables {
            let name = escape(name);
            text.push_str(&format!("The variable {name} sets nothing: no flag has this name.\n"));
        }
        text
    }
}

impl Row {
    fn value(&self) -> String {
        match self.values.as_slice() {
            [] => "-".to_owned(),
            values => escape(&values.join(", ")).into_owned(),
        }
    }

    fn text(&self, columns: usize, style: Style) -> String {
        let value = self.value();
        let origin = match &self.origin {
            Shape::Default if self.values.is_empty() => "not set".to_owned(),
            Shape::Default => "built-in default".to_owned(),
            Shape::File { file, table, line, column } => {
                format!("{}:{line}:{column}, in [{table}]", escape(file))
            }
            Shape::Environment { from_variable } => format!("variable {from_variable}"),
            Shape::CommandLine => "command line".to_owned(),
        };
        let key = format!("  {:<KEY_COLUMNS$}", self.key);
        let is_default = self.origin == Shape::Default;
        let origin = if is_default { style.dim(&origin) } else { origin };
        format!("{key} {value:<columns$} {origin}\n")
    }
}

const MASK: &str = "(set, not shown)";
const KEY_COLUMNS: usize = 18;
const VALUE_MIN: usize = 10;
const VALUE_MAX: usize = 40;
