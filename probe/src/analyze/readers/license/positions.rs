//! Values by their form and order, for languages whose labels are not known.

use kms_protocol::guid::Guid;

use super::super::super::names::Names;
use super::super::super::record::License;
use super::{channel_of, first_code, id, minutes, numbers, partial_key};

/// Fills in what the lines of one licence tell without their labels.
pub(super) fn read(license: &mut License, block: &[(u64, String)], names: &mut Names) {
    let mut before = "";
    let mut intervals = Vec::new();
    for (_, line) in block {
        let value = value(line);
        if license.channel.is_none()
            && let Some(channel) = channel_of(line)
        {
            license.channel = Some(channel);
            before.clone_into(&mut license.product);
        }
        if license.partial_key.is_none() {
            license.partial_key = partial_key(value);
        }
        if license.minutes.is_none() && is_expiration(value) {
            license.minutes = minutes(value);
        }
        // Activation and application ids come before the time, the machine's id after it.
        let is_client = line.contains("CMID") || license.minutes.is_some();
        if is_client && Guid::parse(value).is_ok() {
            license.cmid = id(value, names);
        }
        if license.code.is_none() {
            license.code = first_code(value);
        }
        if license.cmid.is_some() {
            if is_host(value) {
                let is_found = line.contains("DNS");
                let host = names.name(value);
                let place =
                    if is_found { &mut license.found_host } else { &mut license.registered_host };
                *place = host;
            }
            if let [number] = numbers::<u32>(value).collect::<Vec<_>>().as_slice()
                && !value.contains(['.', '-'])
                && Guid::parse(value).is_err()
                && !is_host(value)
            {
                intervals.push(*number);
            }
        }
        before = value;
    }
    if let [activation, renewal, ..] = intervals.as_slice() {
        license.activation_interval = Some(*activation);
        license.renewal_interval = Some(*renewal);
    }
    if license.status.is_none() && license.code.is_some() && !license.cmid.is_some() {
        license.status = Some(NOTIFICATION);
    }
}

/// What stands behind the first colon.
fn value(line: &str) -> &str {
    let at = line.find([':', '：']);
    let rest = at.and_then(|at| line.get(at..)).unwrap_or(line);
    rest.trim_start_matches([':', '：']).trim()
}

/// Minutes, and in parentheses the days that they make.
fn is_expiration(value: &str) -> bool {
    let found: Vec<u32> = numbers(value).take(3).collect();
    matches!(found.as_slice(), [minutes, days]
        if *minutes > 0 && minutes.div_ceil(1440).abs_diff(*days) <= 1)
}

/// `kms1.corp.test:1688`.
fn is_host(value: &str) -> bool {
    value.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok_and(|port| port > 0)
            && host.contains(|c: char| c.is_ascii_alphabetic())
            && !host.contains(char::is_whitespace)
    })
}

const NOTIFICATION: u8 = 5;
