//! Lines as the "Info:" of event 12290 has them: what `kms-sim journal export --format event12290` and
//! `kms-sim fleet run --host-events` write.

use std::io::BufRead;

use super::request::Sighting;
use super::text::Lines;
use super::{Bad, Sink};

/// Reads all lines; empty ones are nothing.
pub(super) fn read(text: &mut dyn BufRead, sink: &mut dyn Sink) -> Result<(), Bad> {
    let mut lines = Lines::new(text);
    while let Some((number, line)) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        let Some(seen) = Sighting::parse(line) else {
            let what = "not a line of event 12290: result, N-policy, name, CMID, time, VM, status, \
                        minutes, activation id";
            return Err((number, what.to_owned()));
        };
        sink.take(number, seen)?;
    }
    Ok(())
}
