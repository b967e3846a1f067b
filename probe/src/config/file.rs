//! One configuration file: TOML, read against the commands and flags that exist.

use std::fmt;

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ALL, option};

/// What a file sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// The file, as it was named.
    pub name: String,
    /// One entry per key.
    pub entries: Vec<Entry>,
}

/// One key of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path of the command, or `["all"]`.
    pub table: Vec<String>,
    /// The flag, in `snake_case`.
    pub key: String,
    /// Its values, as text; `true` or `false` for a flag that takes none.
    pub values: Vec<String>,
    /// Where the key stands.
    pub place: Place,
}

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// The place of the byte `at` of `text`.
    pub(crate) fn in_text(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub name: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong, with the key.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.name, self.place.line, self.place.column, self.reason)
    }
}

impl std::error::Error for Problem {}

/// What the tables of a file are, for its messages.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// What there is none of when a table is unknown.
    pub kind: &'static str,
    /// A table that there is.
    pub example: &'static str,
}

/// Tables are commands.
const OF_COMMANDS: Words = Words { kind: "command", example: "check" };

/// Reads `text` as settings for `program`.
///
/// # Errors
/// The first thing that is wrong, and where: not TOML, no such table, no such key, not a value that
/// the flag takes.
pub fn parse(name: &str, text: &str, program: &Command) -> Result<File, Problem> {
    parse_as(name, text, program, OF_COMMANDS)
}

/// Reads `text` as settings for something else that clap describes.
///
/// # Errors
/// As [`parse`].
pub fn parse_as(name: &str, text: &str, program: &Command, words: Words) -> Result<File, Problem> {
    let reader = Reader { name, text, program, words };
    let table = DeTable::parse(text).map_err(|error| {
        let message: Vec<&str> = error.message().lines().map(str::trim).collect();
        reader.problem(error.span().map_or(0, |span| span.start), message.join("; "))
    })?;
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        reader.top_level(key, value, &mut entries)?;
    }
    entries.sort_by_key(|entry| (entry.place.line, entry.place.column));
    Ok(File { name: name.to_owned(), entries })
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    program: &'a Command,
    words: Words,
}

impl Reader<'_> {
    /// At the top level there are tables only.
    fn top_level(
        &self,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Problem> {
        let at = key.span().start;
        let name = key.get_ref().as_ref();
        let mut commands = self.program.get_subcommands();
        let child = commands.find(|command| option::snake(command.get_name()) == name);
        let table = value.get_ref().as_table();
        match (child, table) {
            (_, Some(table)) if name == ALL => self.all(table, entries),
            (Some(command), Some(table)) => {
                self.table(&[command.get_name().to_owned()], command, table, entries)
            }
            (Some(_), None) => Err(self.problem(at, format!("`{name}` is a table: `[{name}]`"))),
            (None, Some(_)) => {
                let commands = self.program.get_subcommands();
                let known = commands.map(|command| option::snake(command.get_name()));
                let known: Vec<String> = known.chain([ALL.to_owned()]).collect();
                let hint = hint(name, known.iter().map(String::as_str), "; the nearest is ");
                let reason = format!("unknown table `{name}`: no such {}{hint}", self.words.kind);
                Err(self.problem(at, reason))
            }
            (None, None) => {
                let Words { kind, example } = self.words;
                let reason = format!(
                    "key `{name}` stands in no table: put it under `[{ALL}]` or under its {kind}, \
                     as `[{example}]`"
                );
                Err(self.problem(at, reason))
            }
        }
    }

    fn table(
        &self,
        path: &[String],
        command: &Command,
        table: &DeTable<'_>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Problem> {
        for (key, value) in table {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            let mut children = command.get_subcommands();
            let child = children.find(|child| option::snake(child.get_name()) == name);
            if let (Some(child), Some(table)) = (child, value.get_ref().as_table()) {
                let path = [path, &[child.get_name().to_owned()]].concat();
                self.table(&path, child, table, entries)?;
                continue;
            }
            let Some(arg) = option::option(command, name) else {
                let known: Vec<String> = option::options(command).map(option::key).collect();
                let hint = hint(name, known.iter().map(String::as_str), "; the nearest is ");
                let reason = format!("unknown key `{name}` in `[{}]`{hint}", path.join("."));
                return Err(self.problem(at, reason));
            };
            let values = values(arg, value.get_ref())
                .and_then(|values| option::check(arg, &values).map(|()| values))
                .map_err(|reason| self.problem(at, format!("key `{name}`: {reason}")))?;
            entries.push(self.entry(path, name, values, at));
        }
        Ok(())
    }

    /// A key for all commands must have a meaning for one of them.
    fn all(&self, table: &DeTable<'_>, entries: &mut Vec<Entry>) -> Result<(), Problem> {
        let commands = option::commands(self.program);
        for (key, value) in table {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            let of_commands = commands.iter().filter_map(|(_, it)| option::option(it, name));
            let mut understood = of_commands.map(|arg| {
                values(arg, value.get_ref())
                    .and_then(|values| option::check(arg, &values).map(|()| values))
            });
            let values = match understood.next() {
                Some(Err(first)) => {
                    understood.find_map(Result::ok).ok_or_else(|| format!("key `{name}`: {first}"))
                }
                Some(Ok(values)) => Ok(values),
                None => {
                    let known = commands.iter().flat_map(|(_, it)| option::options(it));
                    let known: Vec<String> = known.map(option::key).collect();
                    let hint = hint(name, known.iter().map(String::as_str), "; the nearest is ");
                    Err(format!("unknown key `{name}` in `[{ALL}]`: no command has it{hint}"))
                }
            };
            let values = values.map_err(|reason| self.problem(at, reason))?;
            entries.push(self.entry(&[ALL.to_owned()], name, values, at));
        }
        Ok(())
    }

    fn entry(&self, table: &[String], key: &str, values: Vec<String>, at: usize) -> Entry {
        Entry { table: table.to_vec(), key: key.to_owned(), values, place: self.place(at) }
    }

    fn problem(&self, at: usize, reason: String) -> Problem {
        Problem { name: self.name.to_owned(), place: self.place(at), reason }
    }

    fn place(&self, at: usize) -> Place {
        Place::in_text(self.text, at)
    }
}

/// A value of the file as values of the flag.
fn values(arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    if option::is_switch(arg) {
        let wanted = || format!("`true` or `false` is wanted, not {}", a(value.type_str()));
        return value.as_bool().map(|it| vec![it.to_string()]).ok_or_else(wanted);
    }
    if matches!(arg.get_action(), ArgAction::Count) {
        let wanted = || format!("a number from 0 to 255 is wanted, not {}", a(value.type_str()));
        return scalar(value)
            .filter(|text| text.parse::<u8>().is_ok())
            .map(|it| vec![it])
            .ok_or_else(wanted);
    }
    if let Some(array) = value.as_array() {
        if !option::is_list(arg) {
            return Err("one value is wanted, not an array".to_owned());
        }
        if array.len() > VALUES_MAX {
            return Err(format!("at most {VALUES_MAX} values are possible"));
        }
        let texts = array.iter().map(|value| scalar(value.get_ref()));
        return texts
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| "an array of strings or numbers is wanted".to_owned());
    }
    let text = scalar(value)
        .ok_or_else(|| format!("a string or a number is wanted, not {}", a(value.type_str())))?;
    Ok(split(arg, &text))
}

/// One text as the values of a flag that takes several in one word.
pub(super) fn split(arg: &Arg, text: &str) -> Vec<String> {
    match arg.get_value_delimiter() {
        Some(delimiter) => text.split(delimiter).map(|part| part.trim().to_owned()).collect(),
        None => vec![text.to_owned()],
    }
}

/// A value without parts, as it would stand on the command line.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn a(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>, before: &str) -> String {
    kms_page::nearest(name, known).map_or_else(String::new, |near| format!("{before}`{near}`"))
}

/// Upper bound of a file.
pub const BYTES_MAX: u64 = 1024 * 1024;
/// Upper bound of an array.
pub const VALUES_MAX: usize = 1000;

#[cfg(test)]
mod tests;
