//! Rules in JSON: one flat object, whose keys are those of a file.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::pairs::{Pairs, VALUES_MAX};
use super::rule::Rule;
use super::set::Listed;

/// Text that is a number or a truth value is written as one; keys that can be lists are arrays.
struct Value<'a>(&'static str, &'a [String]);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(key, values) = self;
        match values {
            [text] if !LISTS.contains(key) => match (text.parse::<u64>(), text.parse::<bool>()) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(value)) => serializer.serialize_bool(value),
                _ => match text.parse::<f64>().ok().filter(|_| *key == "probability") {
                    Some(number) => serializer.serialize_f64(number),
                    None => serializer.serialize_str(text),
                },
            },
            values => serializer.collect_seq(*values),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write_rule(&mut map, self)?;
        map.end()
    }
}

/// The rule, with `enabled`, `source`, `matched` and `applied` beside its keys.
impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        write_rule(&mut map, &self.rule)?;
        map.serialize_entry("source", self.source.name())?;
        map.serialize_entry("matched", &self.matched)?;
        map.serialize_entry("applied", &self.applied)?;
        map.end()
    }
}

fn write_rule<M: SerializeMap>(map: &mut M, rule: &Rule) -> Result<(), M::Error> {
    for (key, values) in rule.write().iter().filter(|(key, _)| *key != "enabled") {
        map.serialize_entry(key, &Value(key, values))?;
    }
    map.serialize_entry("enabled", &rule.enabled)
}

/// Keys and values as they come; [`Rule::read`] makes a rule of them.
impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the keys of a fault rule")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Pairs::default();
        while let Some((key, Texts(values))) = map.next_entry::<String, Texts>()? {
            pairs.add(&key, values).map_err(A::Error::custom)?;
        }
        Ok(pairs)
    }
}

/// One text, number or truth value, or a list of them.
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, `true`, `false` or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![text.to_owned()]))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Texts, E> {
        Ok(Texts(vec![value.to_string()]))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Texts, E> {
        Ok(Texts(vec![number.to_string()]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Texts, E> {
        Ok(Texts(vec![number.to_string()]))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Texts, E> {
        Ok(Texts(vec![number.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(Texts(values)) = sequence.next_element()? {
            texts.extend(values);
            if texts.len() > VALUES_MAX {
                return Err(A::Error::custom(format_args!("more than {VALUES_MAX} values")));
            }
        }
        Ok(Texts(texts))
    }
}

const LISTS: [&str; 8] =
    ["client", "machine", "cmid", "product", "version", "qname", "qtype", "addresses"];
