//! Values of the flags of `kms-sim load`.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use kms_protocol::kms::Version;
use kms_protocol::kms::product::Product;
use kms_protocol::ndr::Ndr;

use crate::load::{Profile, Weighted};

/// A rate in requests per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PerSecond(pub(super) f64);

/// A share, written as a percentage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percent(pub(super) f64);

/// A length of time that may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause(pub(super) Duration);

/// How many times as fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed(pub(super) f64);

/// A share from 0 to 1, written so or as a percentage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share(pub(super) f64);

/// `RATE:TIME,RATE:TIME,..`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Steps(pub(super) Profile);

/// `FROM..TO:TIME`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ramp(pub(super) Profile);

/// `A,B,..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources(pub(super) Vec<IpAddr>);

impl FromStr for PerSecond {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.parse::<f64>().map_err(|_| "not a number of requests a second")?;
        Profile::Constant(rate).check().map_err(|error| error.to_string())?;
        Ok(Self(rate))
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        match number {
            Some(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent / 100.0)),
            _ => Err("not a percentage such as `1%`".to_owned()),
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(speed) if (SPEED_LEAST..=SPEED_MOST).contains(&speed) => Ok(Self(speed)),
            _ => Err(format!("not a factor from {SPEED_LEAST} to {SPEED_MOST}, such as `100`")),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse::<f64>(),
        };
        match share {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err("not a share such as `0.2` or `20%`".to_owned()),
        }
    }
}

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        time(text).map(Self).ok_or_else(|| "not a time such as `0s`, `500ms` or `2s`".to_owned())
    }
}

fn time(text: &str) -> Option<Duration> {
    let time: Duration = text.parse::<SignedDuration>().ok()?.try_into().ok()?;
    (time <= crate::load::DURATION_MAX).then_some(time)
}

impl FromStr for Steps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = |part: &str| {
            let (rate, length) = part.split_once(':')?;
            Some((rate.parse().ok()?, time(length)?))
        };
        let steps: Option<Vec<(f64, Duration)>> = text.split(',').map(step).collect();
        let steps = steps.ok_or("not RATE:TIME,RATE:TIME,.. such as `100:10s,200:10s`")?;
        let profile = Profile::Steps(steps);
        profile.check().map_err(|error| error.to_string())?;
        Ok(Self(profile))
    }
}

impl FromStr for Ramp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (rates, over) = text.split_once(':')?;
            let (from, to) = rates.split_once("..")?;
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            Some(Profile::Ramp { from, to, over: time(over)? })
        };
        let profile = read().ok_or("not FROM..TO:TIME such as `10..500:30s`")?;
        profile.check().map_err(|error| error.to_string())?;
        Ok(Self(profile))
    }
}

impl FromStr for Sources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |part: &str| part.parse::<IpAddr>();
        let all = text.split(',').map(one).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|_| "not addresses such as `127.0.0.2,127.0.0.3`")?;
        if all.len() > SOURCES_MAX {
            return Err(format!("more than {SOURCES_MAX} addresses"));
        }
        Ok(Self(all))
    }
}

/// `6` or `4=1,6=3`: things with weights.
fn weighted<T>(text: &str, one: impl Fn(&str) -> Result<T, String>) -> Result<Weighted<T>, String> {
    let part = |part: &str| {
        let (name, weight) = part.rsplit_once('=').unwrap_or((part, "1"));
        let weight = weight.parse::<u32>();
        let weight = weight.map_err(|_| "a weight is a whole number from 0 up".to_owned())?;
        Ok((one(name.trim())?, weight))
    };
    let all = Weighted(text.split(',').map(part).collect::<Result<Vec<_>, String>>()?);
    if all.0.iter().all(|(_, weight)| *weight == 0) {
        return Err("the weights sum to nothing".to_owned());
    }
    Ok(all)
}

pub(super) fn versions(text: &str) -> Result<Weighted<Version>, String> {
    weighted(text, |name| {
        let known = Version::ALL.into_iter().find(|version| version.major().to_string() == name);
        known.ok_or_else(|| "not 4, 5 or 6, or weights such as `4=1,6=3`".to_owned())
    })
}

pub(super) fn ndr(text: &str) -> Result<Weighted<Ndr>, String> {
    weighted(text, |name| match name {
        "32" => Ok(Ndr::Ndr32),
        "64" => Ok(Ndr::Ndr64),
        _ => Err("not 32 or 64, or weights such as `32=1,64=1`".to_owned()),
    })
}

pub(super) fn products(text: &str) -> Result<Weighted<&'static Product>, String> {
    weighted(text, |name| {
        let unknown = || "no such product: `kms-sim catalog` lists them".to_owned();
        Product::by_name(name).ok_or_else(unknown)
    })
}

/// A replay's file.
pub(super) fn replay(path: &Path, speed: f64) -> anyhow::Result<Profile> {
    use anyhow::Context as _;
    let shown = || format!("--replay `{}`", path.display());
    let length = std::fs::metadata(path).with_context(shown)?.len();
    anyhow::ensure!(length <= REPLAY_BYTES_MAX, "{}: more than {REPLAY_BYTES_MAX} bytes", shown());
    let text = std::fs::read_to_string(path).with_context(shown)?;
    Profile::replay(&text, speed).with_context(shown)
}

const SPEED_LEAST: f64 = 0.001;
/// A year in half a minute.
const SPEED_MOST: f64 = 1_000_000.0;
const SOURCES_MAX: usize = 10_000;
const REPLAY_BYTES_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn schedules_are_read_or_refused() {
        let steps: Steps = "100:10s,200:500ms".parse().unwrap();
        let lengths = [Duration::from_secs(10), Duration::from_millis(500)];
        let wanted = vec![(100.0, lengths[0]), (200.0, lengths[1])];
        assert_eq!(steps.0, Profile::Steps(wanted));
        let ramp: Ramp = "10..500:30s".parse().unwrap();
        assert_eq!(ramp.0, Profile::Ramp { from: 10.0, to: 500.0, over: Duration::from_secs(30) });
        for text in ["", "100", "100:0s", "0:1s", "x:1s", "100:1s,"] {
            assert!(text.parse::<Steps>().is_err(), "{text}");
        }
        for text in ["", "1..2", "1..2:0s", "0..2:1s", "2:1s"] {
            assert!(text.parse::<Ramp>().is_err(), "{text}");
        }
        for text in ["0", "-1", "nan", "inf", "1e99", "ten"] {
            assert!(text.parse::<PerSecond>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_factors_are_read_or_refused() {
        for (text, share) in [("0.2", 0.2), ("20%", 0.2), ("0", 0.0), ("100%", 1.0)] {
            assert!((text.parse::<Share>().unwrap().0 - share).abs() < 1e-12, "{text}");
        }
        for text in ["", "%", "1.1", "101%", "-0.1", "nan", "a fifth"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!("100".parse::<Speed>(), Ok(Speed(100.0)));
        for text in ["0", "-1", "nan", "inf", "1e9", "fast"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }

    #[test]
    fn weights_are_read_and_must_sum_to_something() {
        assert_eq!(versions("6").unwrap().0, [(Version::V6, 1)]);
        assert_eq!(versions("4=1,6=3").unwrap().0, [(Version::V4, 1), (Version::V6, 3)]);
        assert_eq!(ndr("32=0,64=2").unwrap().total(), 2);
        assert!(versions("4=0,6=0").unwrap_err().contains("sum to nothing"));
        assert!(products("no such thing").is_err());
        assert!(ndr("32=-1").is_err());
    }
}
