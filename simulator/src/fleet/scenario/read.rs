//! TOML to a scenario: unknown keys, missing keys and wrong values are found before serde sees them.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, unknown};
use super::nearest;
use super::shape::{
    EXPECT, FILE_BYTES_MAX, Key, Kind, LISTED_MAX, Missing, NAME_BYTES_MAX, SCENARIO, TABLES_MAX,
    Table,
};
use super::{ListedClient, Scenario, Seconds};

impl Scenario {
    /// Reads a scenario from TOML, and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file, with line and column.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Mistake>> {
        if text.len() > FILE_BYTES_MAX {
            let message = format!("longer than {FILE_BYTES_MAX} bytes");
            return Err(vec![Mistake::new("", message)]);
        }
        let document = DeTable::parse(text).map_err(|error| {
            let message = error.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
            vec![Mistake::new("", message).at(text, error.span().map_or(0, |span| span.start))]
        })?;
        let mut reader = Reader { text, mistakes: Vec::new() };
        let value = reader.table(&SCENARIO, document.get_ref(), "", 0);
        if reader.mistakes.is_empty() {
            match serde_json::from_value::<Self>(value) {
                Ok(scenario) => {
                    reader.mistakes = scenario.check();
                    for mistake in &mut reader.mistakes {
                        let offset = offset_of(document.get_ref(), &mistake.key);
                        *mistake = mistake.clone().at(text, offset);
                    }
                    if reader.mistakes.is_empty() {
                        return Ok(scenario);
                    }
                }
                Err(error) => reader.mistakes.push(Mistake::new("", error.to_string())),
            }
        }
        reader.mistakes.sort_by_key(|mistake| mistake.place);
        Err(reader.mistakes)
    }

    /// The scenario as TOML, complete with every default; it reads again to the same scenario.
    ///
    /// # Errors
    /// A number that TOML cannot hold: a seed of 2^63 or more.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(self)?)
    }
}

/// Goes through a document along the shape, and keeps what is wrong.
struct Reader<'a> {
    text: &'a str,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, offset: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(key, message).at(self.text, offset));
    }

    /// The table as JSON; where something is wrong it is left out.
    fn table(&mut self, shape: &Table, table: &DeTable<'_>, path: &str, offset: usize) -> Value {
        let mut object = Map::new();
        let chosen = self.chosen(shape, table, path, offset, &mut object);
        let keys: Vec<&Key> = shape.keys_for(chosen.as_deref()).collect();
        let tag = shape.choice.map(|(tag, _)| tag);
        for (name, value) in table {
            let (name, offset) = (name.get_ref().as_ref(), name.span().start);
            if Some(name) == tag {
                continue;
            }
            let inner = join(path, name);
            match keys.iter().find(|key| key.name == name) {
                Some(key) => {
                    if let Some(value) = self.value(key, value, &inner) {
                        object.insert(name.to_owned(), value);
                    }
                }
                // Without its deciding key nobody knows what belongs into the table.
                None if tag.is_some() && chosen.is_none() => {}
                None => {
                    let known = keys.iter().map(|key| key.name).chain(tag);
                    let message = self.unknown_key(name, known, chosen.as_deref());
                    self.wrong(&inner, offset, message);
                }
            }
        }
        if std::ptr::eq(shape, &EXPECT) {
            self.when(table, path, offset);
        }
        for key in keys {
            if matches!(key.default, Missing::Required) && !table.contains_key(key.name) {
                self.wrong(&join(path, key.name), offset, "missing");
            }
        }
        Value::Object(object)
    }

    /// An expectation is measured at an instant or over a window.
    fn when(&mut self, table: &DeTable<'_>, path: &str, offset: usize) {
        let has = |name| table.contains_key(name);
        match (has("at"), has("from"), has("until")) {
            (true, false, false) | (false, true, true) => {}
            (true, ..) => {
                let message = "`at` and a window of `from` and `until` do not go together";
                self.wrong(&join(path, "at"), offset, message);
            }
            (false, false, false) => {
                let message = "missing; or `from` and `until` for a window";
                self.wrong(&join(path, "at"), offset, message);
            }
            (false, true, false) => self.wrong(&join(path, "until"), offset, "missing"),
            (false, false, true) => self.wrong(&join(path, "from"), offset, "missing"),
        }
    }

    fn unknown_key<'k>(
        &self,
        name: &str,
        known: impl Iterator<Item = &'k str> + Clone,
        chosen: Option<&str>,
    ) -> String {
        match (nearest(name, known.clone()), chosen) {
            (Some(near), _) => format!("unknown key; did you mean `{near}`?"),
            (None, Some(chosen)) => {
                let known: Vec<_> = known.collect();
                format!("unknown key; with `{chosen}` there are `{}`", known.join("`, `"))
            }
            (None, None) => {
                let known: Vec<_> = known.collect();
                format!("unknown key; there are `{}`", known.join("`, `"))
            }
        }
    }

    /// The value of the key that decides, where the table has one.
    fn chosen(
        &mut self,
        shape: &Table,
        table: &DeTable<'_>,
        path: &str,
        offset: usize,
        object: &mut Map<String, Value>,
    ) -> Option<String> {
        let (tag, variants) = shape.choice?;
        let path = join(path, tag);
        let Some(value) = table.get(tag) else {
            self.wrong(&path, offset, "missing");
            return None;
        };
        let names: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
        let chosen = self.choice(&names, value, &path)?;
        object.insert(tag.to_owned(), Value::from(chosen.as_str()));
        Some(chosen)
    }

    fn value(&mut self, key: &Key, value: &Spanned<DeValue<'_>>, path: &str) -> Option<Value> {
        let offset = value.span().start;
        match key.kind {
            Kind::Flag => match value.get_ref().as_bool() {
                Some(flag) => Some(Value::from(flag)),
                None => self.expected("`true` or `false`", value, path),
            },
            Kind::Whole(min, max) => self.whole(min, max, value, path),
            Kind::Number(min, max) => self.number(min, max, value, path),
            Kind::Choice(names) => self.choice(names, value, path).map(Value::from),
            Kind::Table(shape) => match value.get_ref().as_table() {
                Some(table) => Some(self.table(shape, table, path, offset)),
                None => self.expected("a table", value, path),
            },
            Kind::Tables(shape) => {
                self.list("an array of tables", TABLES_MAX, value, path, |reader, value, path| {
                    match value.get_ref().as_table() {
                        Some(table) => Some(reader.table(shape, table, path, value.span().start)),
                        None => reader.expected("a table", value, path),
                    }
                })
            }
            Kind::Choices(names) => self.list(STRINGS, TABLES_MAX, value, path, |r, v, path| {
                r.choice(names, v, path).map(Value::from)
            }),
            Kind::References(_) => {
                self.list(STRINGS, TABLES_MAX, value, path, |r, v, path| r.word(v, path))
            }
            Kind::Clients => self.list(STRINGS, LISTED_MAX, value, path, |r, v, path| {
                r.parsed::<ListedClient>("a CMID, a name or `CMID NAME`", v, path)
            }),
            Kind::Dates => {
                self.list("an array of dates", TABLES_MAX, value, path, |reader, value, path| {
                    reader.parsed::<Date>("a date such as `2026-12-25`", value, path)
                })
            }
            Kind::Text(max) => {
                let text = self.string(value, path)?;
                if text.len() > max {
                    self.wrong(path, offset, format!("longer than {max} bytes"));
                    return None;
                }
                Some(Value::from(text))
            }
            Kind::Name | Kind::Reference(_) => self.word(value, path),
            Kind::Time => {
                let text = self.string(value, path)?;
                match text.parse::<Seconds>() {
                    Ok(_) => Some(Value::from(text)),
                    Err(error) => {
                        self.wrong(path, offset, format!("`{}` is {error}", text.escape_debug()));
                        None
                    }
                }
            }
            Kind::Moment => {
                self.parsed::<Timestamp>("a moment such as `2026-01-05T00:00:00Z`", value, path)
            }
            Kind::TimeOfDay => self.parsed::<Time>("a time of day such as `08:30`", value, path),
        }
    }

    fn list(
        &mut self,
        what: &str,
        most: usize,
        value: &Spanned<DeValue<'_>>,
        path: &str,
        mut element: impl FnMut(&mut Self, &Spanned<DeValue<'_>>, &str) -> Option<Value>,
    ) -> Option<Value> {
        let Some(array) = value.get_ref().as_array() else {
            return self.expected(what, value, path);
        };
        if array.len() > most {
            let message = format!("{} of them; at most {most} are taken", array.len());
            self.wrong(path, value.span().start, message);
            return None;
        }
        let mut values = Vec::with_capacity(array.len());
        for (index, value) in array.iter().enumerate() {
            values.extend(element(self, value, &format!("{path}[{}]", index + 1)));
        }
        Some(Value::Array(values))
    }

    /// Bare TOML dates and times are taken as well as strings.
    fn parsed<T: std::str::FromStr>(
        &mut self,
        what: &str,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) -> Option<Value> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            _ => return self.expected(what, value, path),
        };
        if text.parse::<T>().is_err() {
            let message = format!("`{}` is not {what}", text.escape_debug());
            self.wrong(path, value.span().start, message);
            return None;
        }
        Some(Value::from(text))
    }

    fn string(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.expected("a string", value, path),
        }
    }

    /// A name of something; a product's may have spaces.
    fn word(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Option<Value> {
        let text = self.string(value, path)?;
        if text.len() > NAME_BYTES_MAX {
            let message = format!("longer than {NAME_BYTES_MAX} bytes");
            self.wrong(path, value.span().start, message);
            return None;
        }
        Some(Value::from(text))
    }

    fn choice(
        &mut self,
        names: &[&str],
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) -> Option<String> {
        let text = self.string(value, path)?;
        if names.contains(&text.as_str()) {
            return Some(text);
        }
        let mut message = unknown("no such value:", &text, names.iter().copied());
        if !message.ends_with('?') {
            message = format!("{message}; there are `{}`", names.join("`, `"));
        }
        self.wrong(path, value.span().start, message);
        None
    }

    fn whole(
        &mut self,
        min: i64,
        max: i64,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) -> Option<Value> {
        let Some(integer) = value.get_ref().as_integer() else {
            return self.expected("a whole number", value, path);
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if (min..=max).contains(&number) => Some(Value::from(number)),
            _ => {
                let message = format!("`{integer}` is not a whole number from {min} to {max}");
                self.wrong(path, value.span().start, message);
                None
            }
        }
    }

    fn number(
        &mut self,
        min: f64,
        max: f64,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) -> Option<Value> {
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64)
            }
            _ => return self.expected("a number", value, path),
        };
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => Some(Value::from(number)),
            None => {
                self.wrong(path, value.span().start, format!("not a number from {min} to {max}"));
                None
            }
        }
    }

    fn expected<T>(&mut self, what: &str, value: &Spanned<DeValue<'_>>, path: &str) -> Option<T> {
        let is = value.get_ref().type_str();
        self.wrong(path, value.span().start, format!("must be {what}, and is of type {is}"));
        None
    }
}

/// Where `key` is in the document: the value where there is one, else the innermost table around it.
fn offset_of(document: &DeTable<'_>, key: &str) -> usize {
    let mut offset = 0;
    let mut table = Some(document);
    for part in key.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((found, value)) = table.and_then(|table| table.get_key_value(name)) else {
            return offset;
        };
        offset = found.span().start;
        let mut value = value;
        if let Some(index) = index {
            let element = value.get_ref().as_array().and_then(|a| a.get(index.saturating_sub(1)));
            let Some(element) = element else { return offset };
            (offset, value) = (element.span().start, element);
        }
        table = value.get_ref().as_table();
    }
    offset
}

const STRINGS: &str = "an array of strings";

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
