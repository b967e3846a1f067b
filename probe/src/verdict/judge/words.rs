//! Facts in words, for sentences.

use std::time::Duration;

use crate::stage::call::FaultFacts;
use crate::stage::channel::{Broken, BrokenHow};
use crate::stage::guess::Guess;

/// A duration as a person would say it: `4 s`, `1.5 s`, `250 ms`, `730 us`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{} ms", trimmed(micros, 1_000)),
        _ => format!("{} s", trimmed(micros, 1_000_000)),
    }
}

/// `value / unit` with three significant digits at least, without trailing zeros.
fn trimmed(value: u128, unit: u128) -> String {
    let thousandths = value * 1_000 / unit;
    let (whole, fraction) = (thousandths / 1_000, thousandths % 1_000);
    let digits = match whole {
        0..10 => format!("{fraction:03}").get(..2).unwrap_or_default().to_owned(),
        10..100 => (fraction / 100).to_string(),
        _ => String::new(),
    };
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { whole.to_string() } else { format!("{whole}.{digits}") }
}

/// `one`, or `many` with its number.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// Status and symbol of a fault.
pub(super) fn fault(fault: &FaultFacts) -> String {
    match fault.name {
        Some(name) => format!("fault {} ({name})", fault.status),
        None => format!("fault {}", fault.status),
    }
}

/// The values that a broken conversation brings to a sentence.
pub(super) fn broken_values(broken: &Broken) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    if let Some(detail) = &broken.detail {
        values.push(("detail", detail.clone()));
    }
    if let Some(error) = broken.error.filter(|_| broken.how == BrokenHow::TimedOut) {
        values.push((
            "icmp_note",
            format!(", while an ICMP error came back ({})", error.kind.words()),
        ));
    }
    if let Some(guess) = broken.guess {
        values.push(("guess", guess_words(guess, &broken.first_bytes)));
    }
    values
}

fn guess_words(guess: Guess, first_bytes: &str) -> String {
    let start = readable(first_bytes);
    let what = match guess {
        Guess::Http => "an HTTP server or proxy",
        Guess::Tls => "a TLS server",
        Guess::Ssh => "an SSH server",
        Guess::Smb => "an SMB file server",
        Guess::Unknown => return format!("its answer begins with {start}"),
    };
    format!("its answer looks like that of {what} and begins with {start}")
}

/// The start of an answer, given in hexadecimal: as text where it is text.
pub(crate) fn readable(hexadecimal: &str) -> String {
    let bytes = hexadecimal.as_bytes().chunks(2).take(READABLE_BYTES_MAX);
    let bytes: Vec<u8> = bytes
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let line: Vec<u8> =
        bytes.iter().copied().take_while(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let is_text = line.len() >= TEXT_BYTES_MIN && line.iter().all(|b| (b' '..=b'~').contains(b));
    if is_text {
        format!("`{}`", String::from_utf8_lossy(&line))
    } else {
        let shown = hexadecimal.get(..2 * HEX_BYTES_MAX).unwrap_or(hexadecimal);
        format!("the bytes {shown}")
    }
}

const READABLE_BYTES_MAX: usize = 32;
const HEX_BYTES_MAX: usize = 16;
const TEXT_BYTES_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_as_text_only_where_it_is_text() {
        assert_eq!(readable("5353482d322e300d0a"), "`SSH-2.0`");
        assert_eq!(readable("15030100020246"), "the bytes 15030100020246");
        assert_eq!(readable("1b5b324a41414141"), "the bytes 1b5b324a41414141");
    }

    #[test]
    fn durations_keep_what_matters() {
        for (micros, text) in [
            (0, "0 us"),
            (999, "999 us"),
            (1_000, "1 ms"),
            (1_234, "1.23 ms"),
            (20_500, "20.5 ms"),
            (700_999, "700 ms"),
            (4_000_000, "4 s"),
            (4_001_500, "4 s"),
            (61_500_000, "61.5 s"),
            (600_000_000, "600 s"),
        ] {
            assert_eq!(duration(Duration::from_micros(micros)), text);
        }
    }
}
