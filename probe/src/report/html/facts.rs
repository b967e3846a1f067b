//! The facts of every stage as tables, whatever facts a stage has: they are read from its JSON.

use kms_page::{Cell, Column, Details, Table};
use serde_json::Value;

use super::facts_text;
use crate::check::Entry;
use crate::verdict::Severity;

/// The facts of an entry; open where something is wrong.
pub(super) fn of(entry: &Entry) -> Details {
    let is_open = entry.verdict.severity >= Severity::Warning;
    let mut details = Details::new("Facts").open(is_open);
    for stage in &entry.stages {
        let (mut facts, mut tables) = (Vec::new(), Vec::new());
        let value = serde_json::to_value(&stage.facts).unwrap_or_default();
        collect("", &value, &mut facts, &mut tables);
        details.heading(stage.stage.name());
        details.paragraph(facts_text::line(&stage.facts));
        details.push(Table::of_facts(facts));
        tables.into_iter().for_each(|table| details.push(table));
    }
    for line in facts_text::beside(&entry.beside) {
        details.heading(line.label);
        details.paragraph(line.facts);
    }
    details
}

/// Single values become facts, lists of objects tables. What is unknown is left out, and so is
/// [`TOO_LONG`].
fn collect(name: &str, value: &Value, facts: &mut Vec<(String, String)>, tables: &mut Vec<Table>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, member) in members.iter().filter(|(key, _)| !TOO_LONG.contains(&key.as_str()))
            {
                let words = key.replace('_', " ");
                let name = if name.is_empty() { words } else { format!("{name} {words}") };
                collect(&name, member, facts, tables);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            tables.push(table(name, items))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            if !items.is_empty() {
                facts.push((name.to_owned(), items.join(", ")));
            }
        }
        single => facts.push((name.to_owned(), scalar(single))),
    }
}

/// A list of objects; a column for each member that any of them has.
fn table(name: &str, items: &[Value]) -> Table {
    let rows: Vec<Vec<(String, String)>> = items
        .iter()
        .map(|item| {
            let (mut facts, mut nested) = (Vec::new(), Vec::new());
            collect("", item, &mut facts, &mut nested);
            facts
        })
        .collect();
    let mut columns: Vec<&String> = Vec::new();
    for (column, _) in rows.iter().flatten() {
        if !columns.contains(&column) && columns.len() < COLUMNS_MAX {
            columns.push(column);
        }
    }
    let mut table = Table::new(columns.iter().map(|column| Column::text(*column))).caption(name);
    for row in &rows {
        table.row(columns.iter().map(|column| {
            let found = row.iter().find(|(name, _)| name == *column);
            Cell::from(found.map(|(_, value)| value))
        }));
    }
    table
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What each resolver said, whole, is in the JSON report; here it would bury the rest. Values that
/// only fill sentences are in these sentences.
const TOO_LONG: [&str; 2] = ["views", "reason"];
const COLUMNS_MAX: usize = 12;
