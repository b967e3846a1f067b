//! Configuration files: TOML, whose keys are the flags in snake_case, and errors that say where.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, anyhow};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// Reads the file at `path`.
///
/// # Errors
/// The file cannot be read; or where it goes wrong: file, line, column, key and reason.
pub(super) fn load<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let name = path.display().to_string();
    let name = name.escape_debug();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file `{name}`"))?;
    toml::from_str(&text).map_err(|error| {
        let place = Place::of(&text, error.span().map_or(0, |span| span.start));
        anyhow!("{name}:{place}: {}", one_line(error.message()))
    })
}

/// Where an error is.
struct Place<'a> {
    line: usize,
    column: usize,
    key: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            key: key_at(text, line_start),
        }
    }
}

/// The key of the line that begins at `line_start`, or of the nearest line before it that has one:
/// an array may go over several lines.
fn key_at(text: &str, line_start: usize) -> Option<&str> {
    let line_end = text.get(line_start..)?.find('\n').map_or(text.len(), |at| line_start + at);
    text.get(..line_end)?.lines().rev().find_map(|line| {
        let (key, _) = line.split_once('=')?;
        let key = key.trim();
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        (!key.is_empty() && key.chars().all(bare)).then_some(key)
    })
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)?;
        self.key.map_or(Ok(()), |key| write!(f, ": key `{key}`"))
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Reads a value by the parser of its flag; numbers may stand without quotation marks.
pub(super) fn text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    Text(PhantomData).deserialize(deserializer).map(Some)
}

/// Reads an array of values by the parser of their flag.
pub(super) fn texts<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_seq(Texts(PhantomData))
}

struct Text<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> DeserializeSeed<'de> for Text<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|error| {
            E::custom(format_args!("invalid value `{}`: {error}", text.escape_debug()))
        })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

struct Texts<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Texts<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(Text(PhantomData))? {
            values.push(value);
        }
        Ok(values)
    }
}
