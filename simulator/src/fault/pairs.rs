//! A rule as keys and texts: the one form between files, flags, interfaces and the typed rule.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

/// Keys with their values, each key once. A list has several values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, Vec<String>)>);

/// What is wrong with a rule, and with which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The key, where one is to blame.
    pub key: Option<String>,
    /// What is wrong with it, without the key's name.
    pub reason: String,
}

impl Pairs {
    /// Adds a key.
    ///
    /// # Errors
    /// The key is there already, or too much is said.
    pub fn add(&mut self, key: &str, values: Vec<String>) -> Result<(), RuleError> {
        if self.0.iter().any(|(known, _)| known == key) {
            return Err(RuleError::new(key, "given twice"));
        }
        if self.0.len() >= KEYS_MAX || values.len() > VALUES_MAX {
            let reason = format!("more than {KEYS_MAX} keys, or {VALUES_MAX} values of one");
            return Err(RuleError::new(key, reason));
        }
        self.0.push((key.to_owned(), values));
        Ok(())
    }

    /// The one value of `key`, where there is nothing else.
    #[must_use]
    pub fn only(&self, key: &str) -> Option<&str> {
        match self.0.as_slice() {
            [(known, values)] if known == key => match values.as_slice() {
                [value] => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes the one value of `key`, if it is there, as `read` reads it.
    pub(super) fn take_with<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, RuleError> {
        let Some(values) = self.remove(key) else { return Ok(None) };
        let [value] = values.as_slice() else {
            return Err(RuleError::new(key, "one value is wanted, not a list"));
        };
        read(value).map(Some).map_err(|reason| RuleError::invalid(key, value, reason))
    }

    /// Takes the one value of `key`, if it is there, by the parser of its type.
    pub(super) fn take<T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, RuleError> {
        self.take_with(key, |value| value.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// Takes all values of `key`; none when it is not there.
    pub(super) fn take_list<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, RuleError> {
        let values = self.remove(key).unwrap_or_default();
        let read =
            |value: &String| read(value).map_err(|reason| RuleError::invalid(key, value, reason));
        values.iter().map(read).collect()
    }

    /// Takes a whole number within `range`.
    pub(super) fn take_number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, RuleError> {
        self.take_with(key, |text| {
            let number = text.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| match *range.end() {
                u64::MAX => format!("not a whole number from {} up", range.start()),
                end => format!("not a whole number from {} to {end}", range.start()),
            })
        })
    }

    /// Takes 32 bits written as `0x…` or as a decimal number.
    pub(super) fn take_code(&mut self, key: &str) -> Result<Option<u32>, RuleError> {
        self.take_with(key, |text| {
            let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let digits = hex.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let number = match digits {
                Some(digits) => u32::from_str_radix(digits, 16),
                // Digits only: `+5` parses as a number, and is a slip of the finger here.
                None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse(),
                None => "".parse(),
            };
            number.map_err(|_| "not a 32-bit code, such as `0xC004F042`".to_owned())
        })
    }

    /// Takes a length of time from zero to `max`.
    pub(super) fn take_time(
        &mut self,
        key: &str,
        max: Duration,
    ) -> Result<Option<Duration>, RuleError> {
        self.take_with(key, |text| {
            let time = text.parse::<SignedDuration>().ok().and_then(|time| time.try_into().ok());
            time.filter(|time| *time <= max).ok_or_else(|| {
                format!("not a time such as `200ms`, `5s` or `2h`, at most {}", time_text(max))
            })
        })
    }

    /// Takes a length of time in either direction.
    pub(super) fn take_offset(&mut self, key: &str) -> Result<Option<SignedDuration>, RuleError> {
        self.take_with(key, |text| {
            let offset = text.parse::<SignedDuration>().ok();
            let in_range = |offset: &SignedDuration| offset.unsigned_abs() <= OFFSET_MAX;
            offset.filter(in_range).ok_or_else(|| {
                "not a time such as `5h` or `-90m`, at most 100 years either way".to_owned()
            })
        })
    }

    /// Fails when a key is left that nobody has taken.
    pub(super) fn finish(self, known: &str) -> Result<(), RuleError> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(RuleError::new(key, format!("unknown here; {known}"))),
        }
    }

    fn remove(&mut self, key: &str) -> Option<Vec<String>> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(at).1)
    }
}

impl RuleError {
    pub(super) fn new(key: &str, reason: impl Into<String>) -> Self {
        Self { key: Some(key.to_owned()), reason: reason.into() }
    }

    fn invalid(key: &str, value: &str, reason: impl fmt::Display) -> Self {
        let shown: String = value.chars().take(SHOWN_CHARS_MAX).collect();
        Self::new(key, format!("invalid value `{}`: {reason}", shown.escape_debug()))
    }

    pub(super) fn required(key: &str, means: &str) -> Self {
        Self::new(key, format!("required: {means}"))
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "key `{}`: {}", key.escape_debug(), self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for RuleError {}

/// `200ms`, `5s`, `2h`: what the parser of times reads again.
pub(super) fn time_text(time: Duration) -> String {
    jiff::fmt::friendly::SpanPrinter::new().unsigned_duration_to_string(&time)
}

/// The same with a sign.
pub(super) fn offset_text(offset: SignedDuration) -> String {
    let sign = if offset.is_negative() { "-" } else { "" };
    format!("{sign}{}", time_text(offset.unsigned_abs()))
}

/// Most keys of one rule.
const KEYS_MAX: usize = 32;

/// Most values of one key.
pub const VALUES_MAX: usize = 1_000;

/// So much of a wrong value is shown.
const SHOWN_CHARS_MAX: usize = 64;

/// 100 years.
const OFFSET_MAX: Duration = Duration::from_secs(36_525 * 24 * 3600);
