//! `kms-sim faults`: what rules there can be, and whether a file of rules is right.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::output;
use crate::fault::{FILE_BYTES_MAX, KINDS, KindSpec, Rule, parse_file};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a file of fault rules and say what is wrong with it, or what it contains.
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// The file: TOML with tables `[[fault]]` and `[[dns]]`.
        file: PathBuf,
    },
    /// Print every kind of fault with its stages and fields.
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only this kind.
    kind: Option<String>,
    /// How it is printed; `markdown` is the table of docs/faults.md.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Markdown,
}

/// # Errors
/// A file that cannot be read or is wrong, with line, column and key; a kind that does not exist.
pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check { file } => output::print(describe(&load(file)?).as_bytes()),
        Command::List(list) => output::print(render(list)?.as_bytes()),
    }
}

/// The rules in the file at `path`.
///
/// # Errors
/// The file cannot be read; or where it goes wrong: file, line, column, key and reason.
pub(super) fn load(path: &Path) -> anyhow::Result<Vec<Rule>> {
    let name = path.display().to_string();
    let name = name.escape_debug();
    let unreadable = || format!("cannot read the fault file `{name}`");
    let len = std::fs::metadata(path).with_context(unreadable)?.len();
    if len > FILE_BYTES_MAX as u64 {
        bail!("{name}: longer than {FILE_BYTES_MAX} bytes");
    }
    let text = std::fs::read_to_string(path).with_context(unreadable)?;
    parse_file(&text).map_err(|error| anyhow::anyhow!("{name}:{error}"))
}

/// One line per rule, in the form of a flag.
fn describe(rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        writeln!(text, "{}", line(rule)).ok();
    }
    let (count, s) = (rules.len(), if rules.len() == 1 { "" } else { "s" });
    writeln!(text, "{count} rule{s}, no mistake").ok();
    text
}

/// The rule as `--fault` takes it.
fn line(rule: &Rule) -> String {
    let mut text = rule.kind().name().to_owned();
    for (key, values) in rule.write().iter().filter(|(key, _)| *key != "kind") {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        write!(text, " {key}={}", values.join(",")).ok();
    }
    text
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != ',';
    match value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("\"{}\"", value.escape_debug()),
    }
}

fn render(list: &List) -> anyhow::Result<String> {
    let mut specs: Vec<&KindSpec> = KINDS.iter().collect();
    if let Some(name) = &list.kind {
        specs.retain(|spec| spec.name == name || spec.aliases.contains(&name.as_str()));
        if specs.is_empty() {
            let name = name.escape_debug();
            bail!("no such kind of fault: `{name}` (`kms-sim faults list` prints all)");
        }
    }
    Ok(match list.format {
        Format::Text => specs.iter().map(|spec| as_text(spec)).collect(),
        Format::Json => as_json(&specs)?,
        Format::Markdown => as_markdown(&specs),
    })
}

fn as_text(spec: &KindSpec) -> String {
    let mut text = spec.name.to_owned();
    if !spec.aliases.is_empty() {
        write!(text, " (also {})", spec.aliases.join(", ")).ok();
    }
    writeln!(text, "  at {}", stages(spec)).ok();
    writeln!(text, "    {}", spec.effect).ok();
    for field in spec.fields {
        let default = match field.default {
            Some(default) => format!("default {default}"),
            None => "required".to_owned(),
        };
        writeln!(text, "    {}={}  {} [{default}]", field.name, field.value, field.means).ok();
    }
    text.push('\n');
    text
}

fn stages(spec: &KindSpec) -> String {
    spec.stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", ")
}

fn as_json(specs: &[&KindSpec]) -> anyhow::Result<String> {
    let kinds: Vec<_> = specs
        .iter()
        .map(|spec| {
            let fields = spec.fields.iter().map(|field| {
                serde_json::json!({
                    "name": field.name, "value": field.value, "default": field.default,
                    "required": field.default.is_none(), "means": field.means,
                })
            });
            serde_json::json!({
                "name": spec.name, "aliases": spec.aliases,
                "stages": spec.stages.iter().map(|stage| stage.name()).collect::<Vec<_>>(),
                "fields": fields.collect::<Vec<_>>(), "effect": spec.effect,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({ "kinds": kinds }))? + "\n")
}

fn as_markdown(specs: &[&KindSpec]) -> String {
    let mut text = "| kind | at | fields | what the client gets |\n|---|---|---|---|\n".to_owned();
    for spec in specs {
        let fields = spec.fields.iter().map(|field| {
            let default = field.default.map_or("required".to_owned(), |d| format!("default {d}"));
            let value = field.value.replace('|', "\\|");
            format!("`{}={value}` {} ({default})", field.name, field.means)
        });
        let aliases: Vec<_> = spec.aliases.iter().map(|name| format!("`{name}`")).collect();
        let also = match aliases.is_empty() {
            true => String::new(),
            false => format!("<br>({})", aliases.join(", ")),
        };
        writeln!(
            text,
            "| `{}`{also} | {} | {} | {} |",
            spec.name,
            stages(spec),
            fields.collect::<Vec<_>>().join("<br>"),
            spec.effect
        )
        .ok();
    }
    text
}

const CHECK_EXAMPLES: &str = "Examples:
  kms-sim faults check faults.toml
  kms-sim faults check faults.toml && kill -HUP $(pidof kms-sim)   # then let it be read again";

const LIST_EXAMPLES: &str = "Examples:
  kms-sim faults list
  kms-sim faults list delay
  kms-sim faults list --format json";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::fault::{Kind, RuleId, parse_compact};

    #[test]
    fn a_rule_is_shown_as_the_flag_that_sets_it() {
        for text in [
            "delay id=a stage=response time=200ms client=10.0.0.0/8,::1",
            "dns-servfail id=b stage=dns code=22 text=\"no reachable, authority\" qtype=SRV",
            "hresult id=c stage=request enabled=false code=0xC004F042 version=4.0 probability=0.5",
        ] {
            let rule = parse_compact(text, &RuleId::made_up("x", 1)).unwrap();
            assert_eq!(line(&rule), text);
        }
    }

    #[test]
    fn every_kind_is_listed_in_every_format() {
        for format in [Format::Text, Format::Json, Format::Markdown] {
            let all = render(&List { kind: None, format }).unwrap();
            assert!(Kind::all().all(|kind| all.contains(kind.name())));
            let one = render(&List { kind: Some("hang".to_owned()), format }).unwrap();
            assert!(one.contains("never-answer") && !one.contains("drip"));
        }
        let documented = include_str!("../../../docs/faults.md");
        let table = render(&List { kind: None, format: Format::Markdown }).unwrap();
        assert!(documented.contains(&table), "docs/faults.md does not hold\n{table}");
        assert!(render(&List { kind: Some("x".to_owned()), format: Format::Text }).is_err());
    }
}
