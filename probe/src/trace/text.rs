//! A trace for people: the verdict, a picture of the path to each port, the hops as a table, then
//! cause, remedy and what cannot be known.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::entry::{Entry, Traced};
use super::path::{Answer, AnswerKind, PortPath};
use super::{picture, table};
use crate::report::words::client_view;
use crate::report::{Style, escape};
use crate::verdict::judge::duration;

/// One entry as text.
#[must_use]
pub fn entry(entry: &Entry, style: Style) -> String {
    let severity = entry.verdict.severity;
    let word = format!("{} {}", severity.name().to_uppercase(), entry.verdict.row.code);
    let mut text = String::new();
    let title = escape(&route(entry)).into_owned();
    push_line(&mut text, &format!("{}  {}", style.severity(severity, &word), style.strong(&title)));
    if let Some(traced) = &entry.traced {
        push_line(&mut text, "");
        text.push_str(&pictures(traced));
        push_line(&mut text, "");
        text.push_str(&hops(traced));
        push_line(&mut text, "");
    }
    let mut labelled = |label: &str, sentence: &str| {
        let label = format!("  {label}");
        push_line(&mut text, &style.labelled(&label, LABEL_COLUMNS, &escape(sentence)));
    };
    labelled("cause", &entry.verdict.cause);
    if let Some(remedy) = &entry.verdict.remedy {
        labelled("remedy", remedy);
    }
    if let Some(seen) = client_view(&entry.verdict) {
        labelled("Windows", &seen);
    }
    let Some(traced) = &entry.traced else { return text };
    if let Some(echo) = &traced.echo {
        labelled("ping", &format!("ICMP echo: {}.", echo.words()));
    }
    for caveat in &traced.conclusion.caveats {
        labelled("note", &caveat.text);
    }
    text
}

/// `kms1.corp.test -> kms1.corp.test:1688 (192.0.2.10)`, as far as it is known.
fn route(entry: &Entry) -> String {
    let (Some(host), Some(port), Some(address)) = (&entry.host, entry.port, entry.address) else {
        return if entry.target.is_empty() { "this machine" } else { &entry.target }.to_owned();
    };
    let endpoint = std::net::SocketAddr::new(address, port).to_string();
    if *host == address.to_string() { endpoint } else { format!("{host}:{port} ({address})") }
}

fn pictures(traced: &Traced) -> String {
    let row = traced.conclusion.verdict.row;
    let lines = picture::lines(&traced.facts, &traced.paths, row);
    let width = lines.iter().map(|line| line.drawing.len()).max().unwrap_or_default();
    let mut text = String::new();
    for line in &lines {
        let drawing = &line.drawing;
        push_line(&mut text, &format!("  {:>5}  {drawing:<width$}  {}", line.port, line.meaning));
    }
    text
}

/// One row per hop and router, one column per port.
fn hops(traced: &Traced) -> String {
    let mut table = vec![header(&traced.paths)];
    let hops = traced.paths.iter().flat_map(|path| &path.hops);
    let ttls: BTreeSet<u8> = hops.map(|hop| hop.ttl).collect();
    let mut silent: Option<(u8, u8)> = None;
    for ttl in ttls {
        let rows = rows(traced, ttl);
        if rows.is_empty() {
            silent = Some((silent.map_or(ttl, |(first, _)| first), ttl));
            continue;
        }
        table.extend(silent.take().map(|range| silent_row(range, traced)));
        table.extend(rows);
    }
    table.extend(silent.map(|range| silent_row(range, traced)));
    aligned(&table)
}

fn header(paths: &[PortPath]) -> Vec<String> {
    let mut header = vec!["hop".to_owned(), "answered by".to_owned()];
    header.extend(paths.iter().map(|path| path.port.to_string()));
    header
}

fn silent_row((first, last): (u8, u8), traced: &Traced) -> Vec<String> {
    let hop = if first == last { first.to_string() } else { format!("{first}-{last}") };
    let mut row = vec![hop, "(no answer)".to_owned()];
    row.extend(traced.paths.iter().map(|path| {
        let probed = (first..=last).any(|ttl| path.hop(ttl).is_some());
        if probed { "-" } else { "" }.to_owned()
    }));
    row
}

/// A row for each address that answers at a TTL; the number of the hop only in the first.
fn rows(traced: &Traced, ttl: u8) -> Vec<Vec<String>> {
    let hops = || traced.paths.iter().filter_map(|path| path.hop(ttl));
    let mut senders: Vec<Option<IpAddr>> = Vec::new();
    for answer in hops().flat_map(|hop| &hop.answers) {
        if !senders.contains(&answer.from) {
            senders.push(answer.from);
        }
    }
    let row = |(index, sender): (usize, &Option<IpAddr>)| {
        let hop = if index == 0 { ttl.to_string() } else { String::new() };
        let mut row = vec![hop, sender_words(traced, *sender, ttl)];
        row.extend(traced.paths.iter().map(|path| cell(path, ttl, *sender)));
        row
    };
    senders.iter().enumerate().map(row).collect()
}

fn sender_words(traced: &Traced, sender: Option<IpAddr>, ttl: u8) -> String {
    let Some(address) = sender else { return "(sender unknown)".to_owned() };
    let name = traced.names.get(&address).map(|name| format!(" {}", escape(name)));
    let note = if address == traced.facts.address.ip() {
        if ttl < host_hop(traced) { " (in its name)" } else { " (the target)" }
    } else if Some(address) == traced.facts.source {
        " (this machine)"
    } else {
        ""
    };
    format!("{address}{}{note}", name.unwrap_or_default())
}

/// The nearest that the host can be, as the conclusion has it.
fn host_hop(traced: &Traced) -> u8 {
    let row = traced.conclusion.verdict.row;
    let is_before_the_host = [&table::RESET_ON_PATH, &table::ANSWERED_EARLY]
        .into_iter()
        .any(|other| std::ptr::eq(row, other));
    let reached = traced.paths.first().and_then(PortPath::reached_at);
    reached.filter(|_| is_before_the_host).map_or(0, |ttl| ttl.saturating_add(1))
}

/// What a sender answered to one port at one TTL; `-` where nobody did.
fn cell(path: &PortPath, ttl: u8, sender: Option<IpAddr>) -> String {
    let Some(hop) = path.hop(ttl) else { return String::new() };
    if hop.answers.is_empty() {
        return "-".to_owned();
    }
    let answers = hop.answers.iter().filter(|answer| answer.from == sender);
    answers.map(answer_words).collect::<Vec<_>>().join(", ")
}

fn answer_words(answer: &Answer) -> String {
    let rtt = duration(Duration::from_micros(answer.rtt_us));
    match answer.kind {
        AnswerKind::TimeExceeded => rtt,
        AnswerKind::SynAck => format!("open {rtt}"),
        AnswerKind::Reset => format!("reset {rtt}"),
        AnswerKind::Unreachable { icmp } => format!("ICMP {}/{} {rtt}", icmp.kind, icmp.code),
    }
}

/// The rows with their columns aligned: numbers of hops to the right, the rest to the left.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _infallible = if column == 0 {
                write!(line, "  {cell:>width$}")
            } else {
                write!(line, "  {cell:<width$}")
            };
        }
        push_line(&mut text, &line);
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{}", line.trim_end());
}

const LABEL_COLUMNS: usize = 11;
