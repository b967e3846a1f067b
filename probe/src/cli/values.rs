//! Values of flags that need more than `FromStr`: each error is one clear message.

use std::time::Duration;

use kms_protocol::kms::product::Product;

use crate::dns::name::DomainName;
use crate::target::Target;

/// A positive time with its unit: `250ms`, `4s`, `1.5s`, `2m`.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match time(text)? {
        time if time < TIMEOUT_MIN => Err("at least 1ms is wanted".to_owned()),
        time if time > TIMEOUT_MAX => Err("at most 1h is wanted".to_owned()),
        time => Ok(time),
    }
}

/// Any time with its unit, to the microsecond.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time with its unit is wanted, as `500ms`, `4s` or `1m`".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let micros_per_unit: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let scale = 10u64.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let fraction: u64 = fraction.parse().map_err(|_| wrong())?;
    let micros = whole
        .checked_mul(micros_per_unit)
        .and_then(|micros| micros.checked_add(fraction * micros_per_unit / scale))
        .ok_or_else(wrong)?;
    Ok(Duration::from_micros(micros))
}

/// A domain, which an address is not.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn domain(text: &str) -> Result<DomainName, String> {
    if Target::parse(text, false).is_ok_and(|target| matches!(target, Target::Address(_))) {
        return Err("an address has no SRV records; `kms-probe check` takes it".to_owned());
    }
    DomainName::parse(text).map_err(|error| error.to_string())
}

/// A product of the catalogue by its name.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn product(text: &str) -> Result<&'static Product, String> {
    Product::by_name(text)
        .ok_or_else(|| "no such product; `kms-sim catalog` lists their names".to_owned())
}

const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_units_are_understood() {
        for (text, millis) in
            [("500ms", 500), ("4s", 4000), ("1.5s", 1500), ("1m", 60_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_wanted_form() {
        for text in
            ["", "4", "s", "4 s", "-4s", "4days", "1.2.3s", ".5s", "5.s", "99999999999999999999s"]
        {
            assert!(duration(text).is_err_and(|error| error.contains("`4s`")), "{text}");
        }
        assert!(duration("0s").is_err());
        assert!(duration("1us").is_err());
        assert!(duration("2h").is_err());
    }
}
