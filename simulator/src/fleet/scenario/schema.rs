//! The format as a JSON Schema and as tables for docs/fleet.md, both from [`shape`](super::shape).
//!
//! TOML has the values of JSON but for dates and times, which are strings in the schema; a file may
//! give them bare as well.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::shape::{Key, Kind, LISTED_MAX, Missing, NAME_BYTES_MAX, SCENARIO, TABLES_MAX, Table};

/// The JSON Schema of a scenario.
#[must_use]
pub fn json_schema() -> Value {
    let mut definitions = BTreeMap::new();
    let mut schema = table(&SCENARIO, &mut definitions);
    if let Value::Object(object) = &mut schema {
        let head = json!("https://json-schema.org/draft/2020-12/schema");
        object.insert("$schema".to_owned(), head);
        object.insert("title".to_owned(), json!("A scenario of kms-sim fleet"));
        object.insert("$defs".to_owned(), json!(definitions));
    }
    schema
}

fn table(shape: &'static Table, definitions: &mut BTreeMap<&'static str, Value>) -> Value {
    let Some((tag, variants)) = shape.choice else {
        let mut schema = object(shape.keys.iter(), None, definitions);
        schema.insert("description".to_owned(), json!(shape.means));
        if shape.name == "expect" {
            // At an instant or over a window; a bound at one end or at both.
            schema.insert(
                "allOf".to_owned(),
                json!([
                    { "oneOf": [{ "required": ["at"] }, { "required": ["from", "until"] }] },
                    { "anyOf": [{ "required": ["at_least"] }, { "required": ["at_most"] }] },
                ]),
            );
        }
        return Value::Object(schema);
    };
    let mut either = Vec::new();
    for variant in variants {
        let keys = shape.keys_for(Some(variant.name));
        let mut schema = object(keys, Some((tag, variant.name)), definitions);
        schema.insert("description".to_owned(), json!(variant.means));
        either.push(Value::Object(schema));
    }
    json!({ "description": shape.means, "oneOf": either })
}

fn object(
    keys: impl Iterator<Item = &'static Key>,
    tag: Option<(&str, &str)>,
    definitions: &mut BTreeMap<&'static str, Value>,
) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some((tag, value)) = tag {
        properties.insert(tag.to_owned(), json!({ "const": value }));
        required.push(tag);
    }
    for key in keys {
        let mut schema = value(key.kind, definitions);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(key.means));
        }
        properties.insert(key.name.to_owned(), schema);
        if matches!(key.default, Missing::Required) {
            required.push(key.name);
        }
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), json!(required));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn value(kind: Kind, definitions: &mut BTreeMap<&'static str, Value>) -> Value {
    let name = json!({ "type": "string", "maxLength": NAME_BYTES_MAX });
    match kind {
        Kind::Text(max) => json!({ "type": "string", "maxLength": max }),
        Kind::Name => {
            json!({ "type": "string", "maxLength": NAME_BYTES_MAX, "pattern": NAME_PATTERN })
        }
        Kind::Reference(_) => name,
        Kind::References(_) => json!({ "type": "array", "items": name, "maxItems": TABLES_MAX }),
        Kind::Time => json!({ "type": "string", "pattern": TIME_PATTERN }),
        Kind::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number(min, max) => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Choice(names) => json!({ "enum": names }),
        Kind::Choices(names) => json!({ "type": "array", "items": { "enum": names } }),
        Kind::Moment => json!({ "type": "string", "format": "date-time" }),
        Kind::Clients => {
            let items = json!({ "type": "string", "minLength": 1, "maxLength": CLIENT_CHARS_MAX });
            json!({ "type": "array", "items": items, "maxItems": LISTED_MAX })
        }
        Kind::Dates => json!({ "type": "array", "items": { "type": "string", "format": "date" } }),
        Kind::TimeOfDay => json!({ "type": "string", "pattern": TIME_OF_DAY_PATTERN }),
        Kind::Table(shape) => reference(shape, definitions),
        Kind::Tables(shape) => {
            let items = reference(shape, definitions);
            json!({ "type": "array", "items": items, "maxItems": TABLES_MAX })
        }
    }
}

fn reference(shape: &'static Table, definitions: &mut BTreeMap<&'static str, Value>) -> Value {
    if !definitions.contains_key(shape.name) {
        let schema = table(shape, definitions);
        definitions.insert(shape.name, schema);
    }
    json!({ "$ref": format!("#/$defs/{}", shape.name) })
}

/// Every table of the format in Markdown, as docs/fleet.md has it.
///
/// # Errors
/// None: writing to a string does not fail.
pub fn markdown() -> Result<String, std::fmt::Error> {
    let mut tables: Vec<&'static Table> = vec![&SCENARIO];
    let mut text = String::new();
    let mut next = 0;
    while let Some(shape) = tables.get(next).copied() {
        next += 1;
        writeln!(text, "### {}\n\n{}\n", heading(shape.name), shape.means)?;
        text.push_str("| key | value | default | what it means |\n|---|---|---|---|\n");
        for key in shape.keys {
            row(&mut text, key, "")?;
        }
        if let Some((tag, variants)) = shape.choice {
            for variant in variants {
                let (name, means) = (variant.name, variant.means);
                writeln!(text, "| `{tag}` | `\"{name}\"` | | **{means}** |")?;
                for key in variant.keys {
                    row(&mut text, key, "... ")?;
                }
            }
        }
        text.push('\n');
        let variants = shape.choice.map_or(&[][..], |(_, variants)| variants);
        let keys = shape.keys.iter().chain(variants.iter().flat_map(|variant| variant.keys));
        for inner in keys.filter_map(|key| match key.kind {
            Kind::Table(inner) | Kind::Tables(inner) => Some(inner),
            _ => None,
        }) {
            if !tables.iter().any(|known| known.name == inner.name) {
                tables.push(inner);
            }
        }
    }
    Ok(text)
}

fn heading(name: &str) -> String {
    match name {
        "scenario" => "At the top".to_owned(),
        "record" => "Records in `dns` and `records`".to_owned(),
        "hardware" | "presence" => format!("`{name}` of a group"),
        _ => format!("`[[{name}]]`"),
    }
}

fn row(text: &mut String, key: &Key, indent: &str) -> std::fmt::Result {
    let default = match key.default {
        Missing::Required => "required".to_owned(),
        Missing::Nothing(words) => words.to_owned(),
        Missing::Value(value) => format!("`{value}`"),
    };
    writeln!(text, "| {indent}`{}` | {} | {default} | {} |", key.name, words(key.kind), key.means)
}

/// What a value can be, in words.
fn words(kind: Kind) -> String {
    match kind {
        Kind::Text(max) => format!("text, at most {max} bytes"),
        Kind::Name => "name".to_owned(),
        Kind::Reference(what) => format!("name of a {what}").replace("a IANA", "an IANA"),
        Kind::References(what) => format!("names of {what}s"),
        Kind::Time => "time".to_owned(),
        Kind::Whole(min, i64::MAX) => format!("whole number, {min} to 2^63-1"),
        Kind::Whole(min, max) => format!("whole number, {min} to {max}"),
        Kind::Number(min, max) => format!("number, {min} to {max}"),
        Kind::Flag => "`true`, `false`".to_owned(),
        Kind::Choice(names) => format!("`\"{}\"`", names.join("\"`, `\"")),
        Kind::Choices(names) => format!("some of `\"{}\"`", names.join("\"`, `\"")),
        Kind::Moment => "moment".to_owned(),
        Kind::Clients => format!("`\"CMID NAME\"`, at most {LISTED_MAX}"),
        Kind::Dates => "dates".to_owned(),
        Kind::TimeOfDay => "time of day".to_owned(),
        Kind::Table(shape) => format!("table, see `{}`", shape.name),
        Kind::Tables(shape) => format!("tables, see `{}`", shape.name),
    }
}

/// A GUID, a space, a name.
const CLIENT_CHARS_MAX: usize = 36 + 1 + 63;
const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";
const TIME_PATTERN: &str = "^([0-9]+w ?)?([0-9]+d ?)?([0-9]+h ?)?([0-9]+m ?)?([0-9]+s)?$";
const TIME_OF_DAY_PATTERN: &str = "^[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?$";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::path::Path;

    use super::*;
    use crate::fleet::builtin::BUILTINS;
    use crate::fleet::scenario::Scenario;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    /// `UPDATE_SCHEMA=1` writes what the format says now.
    #[test]
    fn the_schema_in_docs_is_that_of_the_format() {
        let path = root().join("docs/schema/scenario.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
            std::fs::write(&path, schema).unwrap();
        }
        // As a value: in which order an object keeps its keys depends on what else is built.
        let documented: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(documented, json_schema(), "{}", path.display());
        assert!(jsonschema::meta::is_valid(&json_schema()));
    }

    #[test]
    fn the_reference_in_docs_is_that_of_the_format() {
        let path = root().join("docs/fleet.md");
        let mut documented = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = ("<!-- reference -->\n", "<!-- end of reference -->\n");
        let from = documented.find(begin).unwrap() + begin.len();
        let to = documented.find(end).unwrap();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            documented.replace_range(from..to, &format!("\n{}", markdown().unwrap()));
            std::fs::write(&path, &documented).unwrap();
        } else {
            assert_eq!(documented[from..to].trim(), markdown().unwrap().trim());
        }
    }

    #[test]
    fn every_scenario_that_comes_along_follows_the_schema_and_what_is_wrong_does_not() {
        let validator = jsonschema::draft202012::new(&json_schema()).unwrap();
        for builtin in BUILTINS {
            for toml in [
                builtin.toml.to_owned(),
                Scenario::from_toml(builtin.toml).unwrap().to_toml().unwrap(),
            ] {
                let value: Value = toml::from_str(&toml).unwrap();
                let errors: Vec<String> = validator
                    .iter_errors(&value)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert_eq!(errors, [""; 0], "{}", builtin.name);
            }
            for (old, new) in [
                ("duration", "duraiton"),
                ("metric = \"", "metric = \"x"),
                ("count = ", "count = -"),
                ("at_", "at_very_"),
            ] {
                let wrong: Value = toml::from_str(&builtin.toml.replace(old, new)).unwrap();
                assert!(!validator.is_valid(&wrong), "{} with {new}", builtin.name);
            }
        }
    }
}
