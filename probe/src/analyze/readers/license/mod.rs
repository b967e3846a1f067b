//! What slmgr.vbs (`/dlv`, `/dli`, `/xpr`) and ospp.vbs (`/dstatus`) print about licences.
//!
//! Labels are known in English, German and Chinese. In other languages values are found by their
//! form and order, since the script prints the same lines everywhere; the report says so.

mod labels;
mod positions;

use std::io::{self, BufRead};

use kms_protocol::guid::Guid;

use self::labels::{Field, Label};
use super::super::record::{Channel, HostCounters, License, Place, Tool, Unit};
use super::super::records::Sink;
use super::event::code;
use super::lines::Lines;
use crate::analyze::names::{Id, Name, Names};

/// Whether a text is such output.
pub(super) fn recognises(start: &str) -> bool {
    if start.lines().any(|line| channel_of(line).is_some()) {
        return true;
    }
    let known = start.lines().filter_map(labels::find);
    known.filter(|(label, _)| label.field != Field::Other).take(LABELS_NEEDED).count()
        == LABELS_NEEDED
        || start.lines().any(|line| labels::statement(line).is_some())
}

/// Reads all licences.
pub(super) fn read(text: &mut dyn BufRead, before: u64, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut lines = Lines::after(text, before);
    let mut kept: Vec<(u64, String)> = Vec::new();
    while let Some((number, line)) = lines.next()? {
        if kept.len() >= LINES_MAX {
            sink.problem(format!("only its first {LINES_MAX} lines were read"));
            break;
        }
        if !line.trim().is_empty() {
            kept.push((number, line.chars().take(LINE_CHARS_MAX).collect()));
        }
    }
    let mut starts: Vec<usize> = (0..kept.len()).filter(|at| begins(&kept, *at)).collect();
    if starts.is_empty() {
        starts.push(0);
    }
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(kept.len());
        let block = kept.get(*start..end).unwrap_or_default();
        take(block, sink);
    }
    Ok(())
}

/// Whether a licence begins at this line: with its name in slmgr, with its id in ospp.
fn begins(lines: &[(u64, String)], at: usize) -> bool {
    let line = |at: usize| lines.get(at).map_or("", |(_, line)| line.as_str());
    let starts_by_label =
        labels::find(line(at)).is_some_and(|(label, _)| label.field == Field::Name);
    if starts_by_label {
        // ospp prints the name behind the id.
        return !labels::find(line(at.wrapping_sub(1)))
            .is_some_and(|(label, _)| label.field == Field::SkuId);
    }
    if labels::find(line(at)).is_some_and(|(label, _)| label.field == Field::SkuId) {
        return true;
    }
    let is_unknown = labels::find(line(at)).is_none() && line(at).contains([':', '：']);
    is_unknown && channel_of(line(at + 1)).is_some() && labels::find(line(at + 1)).is_none()
}

fn take(block: &[(u64, String)], sink: &mut Sink<'_>) {
    let Some((number, _)) = block.first() else { return };
    let place = sink.place(Unit::Line, *number);
    let known: Vec<(&Label, &str)> =
        block.iter().filter_map(|(_, line)| labels::find(line)).collect();
    let is_known = known.len() >= LABELS_NEEDED;
    let statements = block.iter().any(|(_, line)| labels::statement(line).is_some());
    let has_channel = block.iter().any(|(_, line)| channel_of(line).is_some());
    if !is_known && !statements && !has_channel {
        return;
    }
    sink.read();
    let mut license = empty(place);
    if is_known || statements {
        license.language = language(&known).or(Some("en"));
        for (_, line) in block {
            line_of(&mut license, line, sink.names());
        }
    } else {
        positions::read(&mut license, block, sink.names());
        sink.note(
            "the language of the output is not known here: values were found by form and order, and \
             its licence status follows from what is printed",
        );
    }
    if license.status.is_none() && license.cmid.is_some() {
        // The script prints the client's part of a licensed machine only.
        license.status = Some(LICENSED);
    }
    sink.license(license);
}

fn empty(place: Place) -> License {
    License {
        place,
        tool: Tool::Slmgr,
        language: None,
        product: String::new(),
        channel: None,
        partial_key: None,
        status: None,
        code: None,
        minutes: None,
        cmid: Id::NONE,
        registered_host: Name::NONE,
        found_host: Name::NONE,
        dns_found_none: false,
        activation_interval: None,
        renewal_interval: None,
        host: None,
    }
}

/// The language that most labels are of.
fn language(known: &[(&Label, &str)]) -> Option<&'static str> {
    let count = |language: &str| known.iter().filter(|(l, _)| l.language == language).count();
    ["en", "de", "zh"].into_iter().max_by_key(|language| count(language))
}

fn line_of(license: &mut License, line: &str, names: &mut Names) {
    if let Some(status) = labels::statement(line) {
        license.status = Some(status);
    }
    let Some((label, value)) = labels::find(line) else { return };
    match label.field {
        Field::SkuId => license.tool = Tool::Ospp,
        Field::Name => value.clone_into(&mut license.product),
        Field::Description => license.channel = channel_of(value).or(license.channel),
        Field::Key => license.partial_key = partial_key(value),
        Field::Status => license.status = labels::status(value),
        Field::Code => license.code = first_code(value),
        Field::Minutes => license.minutes = minutes(value),
        Field::Cmid => license.cmid = id(value, names),
        Field::RegisteredHost => license.registered_host = names.name(value),
        Field::FoundHost => license.found_host = names.name(value),
        Field::DnsFoundNone => license.dns_found_none = true,
        Field::ActivationInterval => license.activation_interval = first_number(value),
        Field::RenewalInterval => license.renewal_interval = first_number(value),
        Field::Count => counters(license).count = first_number(value),
        Field::Port => counters(license).port = first_number(value),
        Field::Total => counters(license).total = first_number(value),
        Field::Failed => counters(license).failed = first_number(value),
        Field::Other => {}
    }
}

fn counters(license: &mut License) -> &mut HostCounters {
    license.host.get_or_insert_with(HostCounters::default)
}

fn id(value: &str, names: &mut Names) -> Id {
    Guid::parse(value.trim()).map(|guid| names.id(guid)).unwrap_or_default()
}

/// The channel that a description names.
fn channel_of(text: &str) -> Option<Channel> {
    let upper = text.to_uppercase().replace('-', "_");
    let is_description = upper.contains("VOLUME_") || upper.contains("CHANNEL");
    if !is_description {
        return None;
    }
    Some(if upper.contains("VOLUME_KMSCLIENT") {
        Channel::KmsClient
    } else if upper.contains("VOLUME_KMS") {
        Channel::KmsHost
    } else if upper.contains("VOLUME_MAK") {
        Channel::Mak
    } else if upper.contains("RETAIL") {
        Channel::Retail
    } else if upper.contains("OEM_") {
        Channel::Oem
    } else if upper.contains(" CHANNEL") && !upper.contains(':') {
        Channel::Other
    } else {
        return None;
    })
}

/// Five characters as keys have them.
fn partial_key(value: &str) -> Option<String> {
    let value = value.trim();
    let is_key = value.len() == 5
        && value.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    is_key.then(|| value.to_owned())
}

/// The first whole number of a text.
fn first_number<T: std::str::FromStr>(text: &str) -> Option<T> {
    numbers(text).next()
}

fn numbers<T: std::str::FromStr>(text: &str) -> impl Iterator<Item = T> + '_ {
    let pieces = text.split(|c: char| !c.is_ascii_digit());
    pieces.filter_map(|piece| piece.parse().ok())
}

/// Minutes as slmgr (`259200 minute(s) (180 day(s))`) and ospp (`180 days  (259200 minute(s) …`)
/// have them: the larger of the first two numbers.
fn minutes(text: &str) -> Option<u32> {
    numbers(text).take(2).max()
}

fn first_code(text: &str) -> Option<u32> {
    let at = text.find("0x").or_else(|| text.find("0X"))?;
    let rest = text.get(at..)?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    code(rest.get(..end)?)
}

const LICENSED: u8 = 1;

/// Labels that must be known before a text is taken for the script's.
const LABELS_NEEDED: usize = 2;

const LINES_MAX: usize = 50_000;
const LINE_CHARS_MAX: usize = 500;

#[cfg(test)]
mod tests;
