//! Numbers and judgements as people read them.

use crate::fleet::expect::{Judgement, Measured, bounds};
use crate::fleet::scenario::Metric;

/// `1,234,567`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 client`, `2 clients`.
pub(crate) fn clients(many: u64) -> String {
    let ending = if many == 1 { "" } else { "s" };
    format!("{} client{ending}", number(many))
}

/// `12.5 %`; a part that is not all never reads 100, and one that is not none never 0.
pub(crate) fn share(part: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    let percent = part as f64 / of as f64 * 100.0;
    match () {
        () if part < of && percent > 99.9 => "99.9 %".to_owned(),
        () if part > 0 && percent < 0.1 => "0.1 %".to_owned(),
        () => format!("{percent:.1} %"),
    }
}

/// Minutes as days, hours and minutes; none: never.
pub(crate) fn minutes(minutes: Option<f64>) -> String {
    let Some(minutes) = minutes else { return "never".to_owned() };
    let whole = minutes.round() as u64;
    let (days, hours, left) = (whole / 1440, whole % 1440 / 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{left}m"),
        (0, hours) => format!("{hours}h {left}m"),
        (days, hours) => format!("{days}d {hours}h"),
    }
}

/// What was measured, and what would have been right.
pub(crate) fn outcome_of(judgement: &Judgement) -> String {
    let right = bounds(judgement.at_least, judgement.at_most);
    match (&judgement.problem, &judgement.measured) {
        (Some(problem), _) => format!("not measured: {problem} (right is {right})"),
        (None, None) => format!("not measured (right is {right})"),
        (None, Some(measured)) => {
            let at = measured.worst_at.map_or_else(String::new, |at| format!(", worst at {at}"));
            format!("{}{at} (right is {right})", range(measured, judgement))
        }
    }
}

/// `25 clients`, or `24 to 26 clients` over a window.
pub(crate) fn range(measured: &Measured, judgement: &Judgement) -> String {
    let amount = |amount: Option<f64>| match amount {
        None => "never".to_owned(),
        Some(share) if judgement.metric == Metric::Share => rounded(share, 4),
        Some(amount) => rounded(amount, 1),
    };
    let (least, most) = (amount(measured.least), amount(measured.most));
    let unit = &judgement.unit;
    match (measured.least, measured.most) {
        (None, None) => "never: too few clients activated at all".to_owned(),
        _ if least == most => format!("{least} {unit}"),
        _ => format!("{least} to {most} {unit}"),
    }
}

/// The clients that break it.
pub(crate) fn offenders(judgement: &Judgement) -> String {
    let offenders = &judgement.offenders;
    let named = offenders.names.join(", ");
    let more = offenders.total.saturating_sub(offenders.names.len() as u64);
    match (named.is_empty(), more) {
        (true, _) => clients(offenders.total),
        (false, 0) => named,
        (false, more) => format!("{named} and {} more", number(more)),
    }
}

/// At most so many decimals, and none that is zero.
fn rounded(amount: f64, decimals: usize) -> String {
    let text = format!("{amount:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_easily() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([clients(1), clients(2000)], ["1 client", "2,000 clients"]);
        assert_eq!(
            [0, 1, 50_000, 99_999, 100_000].map(|part| share(part, 100_000)),
            ["0.0 %", "0.1 %", "50.0 %", "99.9 %", "100.0 %"]
        );
        assert_eq!(share(0, 0), "-");
        assert_eq!(
            [Some(5.0), Some(120.0), Some(1500.0), None].map(minutes),
            ["5m", "2h 0m", "1d 1h", "never"]
        );
        assert_eq!([rounded(25.0, 1), rounded(0.25, 4), rounded(100.0, 0)], ["25", "0.25", "100"]);
    }
}
