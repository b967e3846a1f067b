//! The file of modules: each is a set of flags of `check`, and clap understands both.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};
use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};
use toml::de::DeTable;

use super::super::args::{self, CheckArgs, Cli};
use super::super::check_options;
use crate::config::file::{self, Entry, Words};
use crate::config::{ALL, option};
use crate::exporter::{AllowList, Module, Rule, Settings};
use crate::report;

/// Reads a file of modules.
///
/// # Errors
/// The first thing that is wrong, with line and key, or with the module.
pub(super) fn read(name: &str, text: &str) -> anyhow::Result<Settings> {
    let names = module_names(name, text)?;
    let words = Words { kind: "table", example: "module.NAME" };
    let file = file::parse_as(name, text, &description(&names), words)?;
    ensure!(!names.is_empty(), "{name}: no module in it: a table such as `[module.rpc]` is wanted");
    let of_all: Vec<&Entry> = file.entries.iter().filter(|entry| entry.table == [ALL]).collect();
    let mut modules = BTreeMap::new();
    for module in &names {
        let own = |entry: &&Entry| entry.table == [MODULE, module.as_str()];
        let own: Vec<&Entry> = file.entries.iter().filter(own).collect();
        let given = |entry: &&&Entry| !own.iter().any(|other| other.key == entry.key);
        let entries: Vec<&Entry> = own.iter().chain(of_all.iter().filter(given)).copied().collect();
        let understood =
            understand(&entries).with_context(|| format!("{name}: module `{module}`"))?;
        modules.insert(module.clone(), understood);
    }
    let allow = file.entries.iter().find(|entry| entry.table == [TARGETS] && entry.key == ALLOW);
    let allow = match allow {
        None => AllowList::default(),
        Some(entry) => AllowList::new(
            entry.values.iter().map(|text| Rule::parse(text)).collect::<Result<_, _>>()?,
        ),
    };
    let shown = shown(&allow, &names, &file.entries);
    Ok(Settings { modules, allow, shown })
}

/// The names of the tables below `[module]`; what else is wrong is found by the reader proper.
fn module_names(name: &str, text: &str) -> anyhow::Result<Vec<String>> {
    let Ok(table) = DeTable::parse(text) else { return Ok(Vec::new()) };
    let modules = table.get_ref().iter().find(|(key, _)| key.get_ref() == MODULE);
    let Some(modules) = modules.and_then(|(_, value)| value.get_ref().as_table()) else {
        return Ok(Vec::new());
    };
    let names = modules.iter().filter(|(_, value)| value.get_ref().as_table().is_some());
    let names: Vec<String> = names.map(|(key, _)| key.get_ref().to_string()).collect();
    ensure!(names.len() <= MODULES_MAX, "{name}: at most {MODULES_MAX} modules are possible");
    let is_name = |name: &&String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
    };
    if let Some(bad) = names.iter().find(|name| !is_name(name)) {
        let bad = report::escape(bad);
        bail!(
            "{name}: `[module.{bad}]`: the name of a module has letters, digits and `_`, at most \
             {NAME_BYTES_MAX} of them"
        );
    }
    Ok(names)
}

/// A file as clap would describe a program: a command for each table, a flag for each key.
fn description(names: &[String]) -> Command {
    let allow = Arg::new(ALLOW)
        .long(ALLOW)
        .action(ArgAction::Append)
        .value_parser(|text: &str| Rule::parse(text).map(|rule| rule.to_string()));
    let mut modules = Command::new(MODULE);
    let check = check_command();
    for name in names {
        modules = modules.subcommand(check.clone().name(name.clone()));
    }
    Command::new("exporter").subcommand(Command::new(TARGETS).arg(allow)).subcommand(modules)
}

/// `check`, without the flags that say how and where a report is shown.
fn check_command() -> Command {
    let program = Cli::command();
    let check = program.find_subcommand(CHECK).cloned().unwrap_or_else(|| Command::new(CHECK));
    check.mut_args(|arg| {
        let is_of_reports = arg.get_long().is_some_and(|long| OF_REPORTS.contains(&long));
        if is_of_reports { arg.hide(true) } else { arg }
    })
}

/// The flags of one module, understood as `check` does.
fn understand(entries: &[&Entry]) -> anyhow::Result<Module> {
    let mut line = vec!["kms-probe".to_owned(), CHECK.to_owned()];
    let check = check_command();
    for entry in entries {
        let Some(arg) = option::option(&check, &entry.key) else { continue };
        let flag = format!("--{}", arg.get_long().unwrap_or_default());
        match option::is_switch(arg) {
            true if entry.values.iter().any(|value| value == "true") => line.push(flag),
            true => {}
            false => line.extend(entry.values.iter().map(|value| format!("{flag}={value}"))),
        }
    }
    let args = match Cli::try_parse_from(line) {
        Ok(Cli { command: args::Command::Check(args), .. }) => args,
        Ok(_) => bail!("these keys make no check"),
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            bail!("{}", first.strip_prefix("error: ").unwrap_or(first))
        }
    };
    let CheckArgs { host, .. } = args;
    Ok(Module { options: check_options(&args)?, names_are_hosts: host })
}

/// The file as it was understood: secrets are left out.
fn shown(allow: &AllowList, names: &[String], entries: &[Entry]) -> String {
    let check = check_command();
    let modules = names.iter().map(|name| vec![MODULE.to_owned(), name.clone()]);
    let mut text = shown_targets(allow);
    for table in [vec![ALL.to_owned()]].into_iter().chain(modules) {
        let own: Vec<&Entry> = entries.iter().filter(|entry| entry.table == table).collect();
        if table == [ALL] && own.is_empty() {
            continue;
        }
        let _infallible = writeln!(text, "\n[{}]", table.join("."));
        for entry in own {
            let _infallible = writeln!(text, "{} = {}", entry.key, shown_value(&check, entry));
        }
    }
    text
}

fn shown_value(check: &Command, entry: &Entry) -> String {
    match option::option(check, &entry.key) {
        Some(arg) if option::is_secret(arg) => "\"(not shown)\"".to_owned(),
        Some(arg) if option::is_list(arg) => format!("{:?}", entry.values),
        Some(arg) if option::is_switch(arg) => entry.values.concat(),
        _ => format!("{:?}", entry.values.concat()),
    }
}

/// What there is without a file.
pub(super) fn shown_built_in(settings: &Settings) -> String {
    let mut text = shown_targets(&settings.allow);
    for (name, module) in &settings.modules {
        let depth = module.options.depth.name();
        let _infallible = writeln!(text, "\n[module.{name}]\ndepth = \"{depth}\"");
    }
    text
}

fn shown_targets(allow: &AllowList) -> String {
    let rules: Vec<String> = allow.rules().iter().map(ToString::to_string).collect();
    format!("[{TARGETS}]\n{ALLOW} = {rules:?}\n")
}

const MODULE: &str = "module";
const TARGETS: &str = "targets";
const ALLOW: &str = "allow";
const CHECK: &str = "check";
const OF_REPORTS: [&str; 6] =
    ["fail-on", "format", "output", "ticket", "baseline", "otlp-endpoint"];
const MODULES_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::stage::Stage;
    use std::time::Duration;

    fn problem(text: &str) -> String {
        format!("{:#}", read("m.toml", text).err().unwrap())
    }

    #[test]
    fn a_module_has_the_flags_of_check_and_those_of_all_below_them() {
        let text = "[all]\ntimeout = \"2s\"\n[targets]\nallow = [\"*.corp.test\", \"192.0.2.0/24\"]\n\
                    [module.rpc]\n[module.deep]\ndepth = \"kms\"\ntimeout = \"3s\"\nhost = true\n\
                    lab_key = \"000102030405060708090a0b0c0d0e0f\"\n";
        let settings = read("m.toml", text).unwrap();
        let of = |name: &str| settings.modules.get(name).unwrap();
        assert_eq!(of("rpc").options.depth, Stage::Rpc);
        assert_eq!(of("rpc").options.timeouts.tcp, Duration::from_secs(2));
        assert_eq!(of("deep").options.depth, Stage::Kms);
        assert_eq!(of("deep").options.timeouts.tcp, Duration::from_secs(3));
        assert!(of("deep").names_are_hosts && !of("rpc").names_are_hosts);
        assert_eq!(settings.allow.rules().len(), 2);
        assert!(settings.shown.contains("lab_key = \"(not shown)\""), "{}", settings.shown);
        assert!(!settings.shown.contains("0001020304"));
        let again = read("m.toml", &settings.shown.replace("lab_key", "# lab_key")).unwrap();
        assert_eq!(again.allow, settings.allow);
        assert_eq!(again.modules.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            (
                "[module.rpc]\ntimout = \"2s\"\n",
                "m.toml:2:1: unknown key `timout` in `[module.rpc]`; the nearest is `timeout`",
            ),
            ("[module.rpc]\nformat = \"json\"\n", "m.toml:2:1: unknown key `format`"),
            (
                "[modul.rpc]\n",
                "m.toml:1:2: unknown table `modul`: no such table; the nearest is `module`",
            ),
            ("[module.rpc]\ndepth = \"http\"\n", "m.toml:2:1: key `depth`: invalid value `http`"),
            (
                "[targets]\nallow = [\"a b\"]\n[module.rpc]\n",
                "m.toml:2:1: key `allow`: invalid value `a b`",
            ),
            ("[module.a-b]\n", "letters, digits and `_`"),
            ("[targets]\n", "no module in it"),
            ("depth = 1\n", "stands in no table"),
            (
                "[module.rpc]\nipv4 = true\nipv6 = true\n",
                "module `rpc`: the argument '--ipv4' cannot be used with '--ipv6'",
            ),
            (
                "[module.rpc]\ndepth = \"dns\"\nclock = [\"ntlm\"]\n",
                "module `rpc`: --clock asks the host",
            ),
            ("[module.rpc\n", "m.toml:1:"),
        ] {
            let shown = problem(text);
            assert!(shown.contains(expected), "{text:?}: {shown}");
        }
    }

    #[test]
    fn there_are_a_bounded_number_of_modules() {
        let modules = |count: usize| {
            (0..count).map(|number| format!("[module.m{number}]\n")).collect::<String>()
        };
        assert_eq!(read("m.toml", &modules(MODULES_MAX)).unwrap().modules.len(), MODULES_MAX);
        assert!(problem(&modules(MODULES_MAX + 1)).contains("at most 100 modules"));
    }
}
