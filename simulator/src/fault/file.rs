//! A file of rules: TOML with tables `[[fault]]` and `[[dns]]`.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::pairs::{Pairs, RuleError};
use super::rule::{Rule, RuleId};

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub error: RuleError,
}

/// Reads the text of a file. In a table `[[dns]]` the kinds may stand without their `dns-`.
///
/// # Errors
/// [`FileError`]: the first mistake. No rule is taken from a file with a mistake.
pub fn parse(text: &str) -> Result<Vec<Rule>, FileError> {
    if text.len() > FILE_BYTES_MAX {
        let reason = format!("longer than {FILE_BYTES_MAX} bytes");
        return Err(FileError::at(text, 0, RuleError { key: None, reason }));
    }
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let reason = error.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
        FileError::at(text, at, RuleError { key: None, reason })
    })?;
    let mut rules: Vec<Rule> = Vec::new();
    for (name, tables) in table.get_ref() {
        let at = name.span().start;
        let name = name.get_ref().as_ref();
        let DeValue::Array(tables) = tables.get_ref() else {
            return Err(FileError::at(text, at, not_a_table(name)));
        };
        if !matches!(name, FAULT | DNS) {
            return Err(FileError::at(text, at, not_a_table(name)));
        }
        for (number, table) in (1..).zip(tables) {
            let DeValue::Table(fields) = table.get_ref() else {
                return Err(FileError::at(text, table.span().start, not_a_table(name)));
            };
            let rule = read_table(text, table.span().start, name, number, fields)?;
            if rules.iter().any(|known| known.id == rule.id) {
                let reason = format!("`{}` is the name of an earlier rule", rule.id);
                return Err(FileError::at(
                    text,
                    key_at(fields, "id", table.span().start),
                    RuleError::new("id", reason),
                ));
            }
            if rules.len() >= super::RULES_MAX {
                let reason = format!("more than {} rules", super::RULES_MAX);
                return Err(FileError::at(
                    text,
                    table.span().start,
                    RuleError { key: None, reason },
                ));
            }
            rules.push(rule);
        }
    }
    Ok(rules)
}

fn not_a_table(name: &str) -> RuleError {
    RuleError::new(name, "a file of faults has tables `[[fault]]` and `[[dns]]` and nothing else")
}

fn read_table(
    text: &str,
    at: usize,
    name: &str,
    number: usize,
    fields: &DeTable<'_>,
) -> Result<Rule, FileError> {
    let mut pairs = Pairs::default();
    for (key, value) in fields {
        let name_of_key = key.get_ref().as_ref();
        let read = texts(value.get_ref()).map(|mut values| {
            if (name, name_of_key) == (DNS, "kind") {
                values.iter_mut().for_each(|kind| *kind = dns_kind(kind));
            }
            values
        });
        let added = match read {
            Some(values) => pairs.add(name_of_key, values),
            None => Err(RuleError::new(
                name_of_key,
                "neither text, number, `true`, `false` nor a list of them",
            )),
        };
        added.map_err(|error| FileError::at(text, value.span().start, error))?;
    }
    Rule::read(pairs, &RuleId::made_up(name, number)).map_err(|error| {
        let key = error.key.clone().unwrap_or_default();
        FileError::at(text, key_at(fields, &key, at), error)
    })
}

fn dns_kind(kind: &str) -> String {
    if kind.starts_with("dns-") { kind.to_owned() } else { format!("dns-{kind}") }
}

/// Where `key` stands, or else where the table begins.
fn key_at(fields: &DeTable<'_>, key: &str, table: usize) -> usize {
    let mut keys = fields.iter().map(|(name, value)| (name, Spanned::span(value).start));
    keys.find(|(name, _)| name.get_ref().as_ref() == key).map_or(table, |(_, at)| at)
}

fn texts(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(values) => values.iter().map(|value| one_text(value.get_ref())).collect(),
        value => one_text(value).map(|text| vec![text]),
    }
}

fn one_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Datetime(date) => Some(date.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

impl FileError {
    fn at(text: &str, offset: usize, error: RuleError) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            error,
        }
    }
}

impl fmt::Display for FileError {
    /// `LINE:COLUMN: key …: reason`, to be put behind the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.error)
    }
}

impl std::error::Error for FileError {}

const FAULT: &str = "fault";
const DNS: &str = "dns";

/// Largest file.
pub const FILE_BYTES_MAX: usize = 1 << 20;
