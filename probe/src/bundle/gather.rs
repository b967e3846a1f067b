//! What goes into a bundle: every question of a supporter, asked once.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use super::machine;
use super::manifest::LeftOut;
use crate::analyze::{self, Analysis};
use crate::check::{self, Report};
use crate::discover;
use crate::dns::system::SystemConfig;
use crate::report::json::{self, CheckJson};
use crate::report::{self, Style};
use crate::stage::{Stage, resolve};
use crate::target::{Asked, Target};
use crate::trace;
use crate::verdict::Severity;

/// What to put into a bundle.
pub struct Wanted {
    /// What to check; none: the search suffixes of this machine.
    pub targets: Vec<Asked>,
    /// How.
    pub check: check::Options,
    /// When the path is traced.
    pub trace: When,
    /// Logs of Windows and others.
    pub logs: Vec<PathBuf>,
    /// The settings in effect, as text.
    pub settings: String,
}

/// When something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// If a stage failed that it can explain.
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// A part, before it is written.
pub(super) struct Part {
    pub name: String,
    pub what: &'static str,
    pub content: Content,
}

/// What is in it.
pub(super) enum Content {
    Text(String),
    /// A log, which may be long.
    Log(PathBuf),
}

/// Everything, and the names in it.
pub(super) struct Gathered {
    pub parts: Vec<Part>,
    pub left_out: Vec<LeftOut>,
    pub names: Vec<String>,
    pub domains: Vec<String>,
    pub made: String,
    pub severity: Severity,
}

/// Asks all of it. `say` is told what happens now.
pub(super) fn gather(wanted: &Wanted, say: &mut dyn FnMut(&str)) -> anyhow::Result<Gathered> {
    let mut parts = Vec::new();
    let mut left_out = Vec::new();
    say("checking");
    let report = check::run(&wanted.targets, &wanted.check)?;
    parts.push(text("check.json", "the check", to_json(&CheckJson(&report))?));
    parts.push(text(
        "check.txt",
        "the same for people",
        report::text::check(&report, Style::PLAIN),
    ));
    say("asking every resolver");
    match discovered(wanted)? {
        Ok(discovery) => {
            let shown = discover::text(&discovery);
            parts.push(text(
                "discover.json",
                "the answers of every resolver",
                versioned(&discovery)?,
            ));
            parts.push(text("discover.txt", "the same for people", shown));
        }
        Err(why) => left_out.push(LeftOut { name: "discover.json".to_owned(), why }),
    }
    traced(wanted, &report, &mut parts, &mut left_out, say)?;
    let (mut names, domains) = names_of(&report);
    parts.push(text("machine.txt", "this machine", machine::text(&names, &report.started)));
    parts.push(text("settings.txt", "the settings in effect", wanted.settings.clone()));
    say("reading logs");
    if let Some(analysis) = analyzed(wanted, &mut left_out)? {
        names.extend(analysis.records.names.all().map(host_part));
        let mut json = Vec::new();
        analyze::report::json::write(&analysis, &mut json)?;
        let shown = analyze::report::text::text(&analysis, Style::PLAIN);
        parts.push(text("analyze.json", "what the logs say", String::from_utf8(json)?));
        parts.push(text("analyze.txt", "the same for people", shown));
    }
    for (number, path) in wanted.logs.iter().enumerate() {
        let name = format!("logs/{:02}-{}", number + 1, plain_file_name(path));
        parts.push(Part { name, what: "a log", content: Content::Log(path.clone()) });
    }
    let severity = report.severity();
    Ok(Gathered { parts, left_out, names, domains, made: report.started, severity })
}

fn text(name: &str, what: &'static str, text: String) -> Part {
    Part { name: name.to_owned(), what, content: Content::Text(text) }
}

fn to_json(content: &impl Serialize) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    json::write(content, &mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

fn versioned(content: &impl Serialize) -> anyhow::Result<String> {
    to_json(&json::Versioned::new(content))
}

/// What DNS says of the domains, or why it was not asked.
fn discovered(wanted: &Wanted) -> anyhow::Result<Result<discover::Discovery, String>> {
    let domains: Vec<_> = wanted
        .targets
        .iter()
        .filter_map(|asked| match &asked.target {
            Target::Domain(name) => Some(name.clone()),
            Target::Address(_) | Target::Host(..) | Target::SearchList => None,
        })
        .collect();
    let is_search = wanted.targets.is_empty();
    if domains.is_empty() && !is_search {
        return Ok(Err("no domain was named: only hosts".to_owned()));
    }
    let system = match SystemConfig::load() {
        Ok(system) => system,
        Err(_) if !wanted.check.resolvers.is_empty() => SystemConfig::default(),
        Err(error) => return Ok(Err(error.to_string())),
    };
    if is_search && system.search.is_empty() {
        return Ok(Err(format!("`{}` has no search suffix to look in", system.source)));
    }
    let resolve = resolve::Options::new(system, &wanted.check.resolvers, wanted.check.timeouts.dns);
    let options = discover::Options { domains, resolve, seed: 1 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the DNS client")?;
    Ok(Ok(runtime.block_on(discover::run(&options))?))
}

/// The paths to the addresses that the check reached for, where that is asked for or explains something.
fn traced(
    wanted: &Wanted,
    report: &Report,
    parts: &mut Vec<Part>,
    left_out: &mut Vec<LeftOut>,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let mut skip = |why: &str| {
        left_out.push(LeftOut { name: "trace.json".to_owned(), why: why.to_owned() });
    };
    if wanted.trace == When::Never {
        skip("--trace never");
        return Ok(());
    }
    let failed = |entry: &&check::Entry| {
        entry.stages.iter().any(|stage| {
            stage.stage >= Stage::Tcp
                && stage.stage <= Stage::Rpc
                && !stage.verdict.ends_with(".ok")
        })
    };
    let entries =
        report.entries.iter().filter(|entry| wanted.trace == When::Always || failed(entry));
    let mut targets: Vec<Asked> = Vec::new();
    for entry in entries {
        let (Some(address), Some(port)) = (entry.address, entry.port) else { continue };
        let address = std::net::SocketAddr::new(address, port);
        let asked = Asked { text: address.to_string(), target: Target::Address(address) };
        if !targets.contains(&asked) {
            targets.push(asked);
        }
    }
    if targets.is_empty() {
        skip("no host failed from tcp to rpc: --trace always traces in any case");
        return Ok(());
    }
    let beyond = targets.len().saturating_sub(TRACES_MAX);
    targets.truncate(TRACES_MAX);
    say("tracing the path");
    let options = trace::Options {
        origin: wanted.check.origin,
        timeout: wanted.check.timeouts.tcp.max(trace::Options::default().timeout),
        ..trace::Options::default()
    };
    let mut shown = String::new();
    let traced = trace::run(&targets, &options, &wanted.check, |entry| {
        shown.push_str(&trace::text::entry(entry, Style::PLAIN));
        shown.push('\n');
        Ok(())
    });
    match traced {
        Ok(traced) => {
            parts.push(text("trace.json", "the paths", to_json(&trace::json::shape(&traced))?));
            parts.push(text("trace.txt", "the same for people", shown));
            if beyond > 0 {
                skip(&format!("{beyond} more addresses: at most {TRACES_MAX} are traced"));
            }
        }
        Err(error) => skip(&format!("{error:#}")),
    }
    Ok(())
}

/// What the logs say together. Logs that hold nothing known are still in the bundle.
fn analyzed(wanted: &Wanted, left_out: &mut Vec<LeftOut>) -> anyhow::Result<Option<Analysis>> {
    let mut skip = |why: String| {
        left_out.push(LeftOut { name: "analyze.json".to_owned(), why });
    };
    if wanted.logs.is_empty() {
        skip("no log was named: --log".to_owned());
        return Ok(None);
    }
    match analyze::run(&wanted.logs, &analyze::Options::default()) {
        Ok(analysis) => Ok(Some(analysis)),
        Err(error) => {
            skip(format!("{error:#}"));
            Ok(None)
        }
    }
}

/// The hosts and the domains that a report mentions.
fn names_of(report: &Report) -> (Vec<String>, Vec<String>) {
    let (mut names, mut domains) = (Vec::new(), Vec::new());
    for entry in &report.entries {
        match Target::parse(&entry.target, false) {
            Ok(Target::Domain(name)) => domains.push(name.to_string()),
            _ => names.push(host_part(&entry.target)),
        }
        names.extend(entry.host.clone());
        if let Some(dns) = entry.dns() {
            names.extend(dns.records().iter().map(|record| record.service.target.to_string()));
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    (names, domains)
}

/// A name without its port.
fn host_part(text: &str) -> String {
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => host.to_owned(),
        _ => text.to_owned(),
    }
}

/// The last part of a path, in letters that every system takes.
fn plain_file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let plain: String = name.chars().map(plain).collect();
    let start = plain.len().saturating_sub(FILE_NAME_BYTES_MAX);
    plain.get(start..).unwrap_or_default().to_owned()
}

const TRACES_MAX: usize = 4;
const FILE_NAME_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_log_is_plain_and_short() {
        assert_eq!(plain_file_name(Path::new("/a/Key Management.evtx")), "Key_Management.evtx");
        assert_eq!(plain_file_name(Path::new("..")), "");
        let long = format!("{}.xml", "x".repeat(300));
        let short = plain_file_name(Path::new(&long));
        assert!(short.len() == FILE_NAME_BYTES_MAX && short.ends_with(".xml"));
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        assert_eq!(host_part("kms1.corp.test:1688"), "kms1.corp.test");
        assert_eq!(host_part("2001:db8::1"), "2001:db8::1");
    }
}
