//! Values of the file that are more than text or numbers. Each says what is wrong with it; the reader
//! adds where it stands.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Deserializer, de};

use crate::watch::state::ConfirmRules;

/// A time with its unit: `500ms`, `30s`, `5m`, `2h`, `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

/// `2 of 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MOfN(pub(super) ConfirmRules);

/// `10%`, from 0 to 100, as a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Percent(pub(super) u8);

/// Something that no log, message or report may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// From the first line of a file.
    ///
    /// # Errors
    /// A file that cannot be read, is empty or too long. The message never shows what it holds.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(SECRET_BYTES_MAX + 2).read_to_string(&mut text))
            .with_context(|| format!("cannot read the secret file `{name}`"))?;
        Self::parse(&text).with_context(|| format!("secret file `{name}`"))
    }

    /// From a variable of the environment.
    ///
    /// # Errors
    /// A variable that is not set, is empty or too long.
    pub fn from_env(name: &str) -> anyhow::Result<Self> {
        let text = std::env::var(name)
            .with_context(|| format!("cannot read the variable `{name}` of the environment"))?;
        Self::parse(&text).with_context(|| format!("variable `{name}` of the environment"))
    }

    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            bail!("a secret is wanted, and it is empty");
        }
        if text.contains(['\r', '\n']) {
            bail!("a secret of one line is wanted, and it has several");
        }
        if u64::try_from(text.len()).is_ok_and(|length| length > SECRET_BYTES_MAX) {
            bail!("a secret has at most {SECRET_BYTES_MAX} bytes");
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret comes from.
pub(super) fn secret(
    file: Option<&PathBuf>,
    variable: Option<&String>,
    key: &str,
) -> anyhow::Result<Option<Secret>> {
    match (file, variable) {
        (Some(_), Some(_)) => {
            bail!("`{key}_file` and `{key}_env` do not go together: keep one of them")
        }
        (Some(path), None) => Secret::from_file(path).map(Some),
        (None, Some(name)) => Secret::from_env(name).map(Some),
        (None, None) => Ok(None),
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        time(&text).map(Self).ok_or_else(|| {
            let wanted = "a time with its unit is wanted, as `30s`, `5m`, `2h` or `90d`";
            de::Error::custom(format!("{wanted}, not `{text}`"))
        })
    }
}

impl<'de> Deserialize<'de> for MOfN {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        m_of_n(&text).map(Self).ok_or_else(|| {
            let max = ConfirmRules::OUT_OF_MAX;
            de::Error::custom(format!(
                "`M of N` is wanted, as `2 of 3`, with M from 1 to N and N up to {max}, not `{text}`"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
        number.filter(|number| *number <= 100).map(Self).ok_or_else(|| {
            de::Error::custom(format!("a share from `0%` to `100%` is wanted, not `{text}`"))
        })
    }
}

fn time(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let time = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(millis)?);
    (time <= TIME_MAX).then_some(time)
}

fn m_of_n(text: &str) -> Option<ConfirmRules> {
    let (checks, out_of) = text.split_once(" of ")?;
    let rules =
        ConfirmRules { checks: checks.trim().parse().ok()?, out_of: out_of.trim().parse().ok()? };
    let is_possible = (1..=rules.out_of).contains(&rules.checks);
    (is_possible && rules.out_of <= ConfirmRules::OUT_OF_MAX).then_some(rules)
}

/// Upper bound of every time: ten years.
const TIME_MAX: Duration = Duration::from_secs(3650 * 86_400);
const SECRET_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn times_shares_and_confirmations_are_understood_or_refused() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("2h", 7200), ("90d", 7_776_000)] {
            assert_eq!(time(text), Some(Duration::from_secs(seconds)));
        }
        for text in ["", "5", "s", "-5s", "5 s", "1.5s", "99999999999999999999d", "4000d"] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(m_of_n("2 of 3"), Some(ConfirmRules { checks: 2, out_of: 3 }));
        for text in ["0 of 3", "4 of 3", "1 of 21", "2/3", "two of three", ""] {
            assert_eq!(m_of_n(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_is_one_line_and_never_shown() {
        let secret = Secret::parse("s3cret\n").unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("s3cret", "Secret(…)"));
        assert!(Secret::parse("\n").is_err());
        assert!(Secret::parse("a\nb").is_err());
        assert!(Secret::parse(&"x".repeat(5000)).is_err());
    }
}
