//! What goes wrong, with its parameters.

use std::net::IpAddr;
use std::time::Duration;

use jiff::SignedDuration;
use kms_protocol::kms::Hresult;
use kms_protocol::rpc::{BindNakReason, Status};

use super::delay::{DELAY_MAX, Delay};
use super::kind::Kind;
use super::pairs::{Pairs, RuleError, offset_text, time_text};
use crate::dns::ExtendedError;
use crate::dns::name;

/// What goes wrong. [`Kind`] is the same without parameters, and says what each does.
///
/// None of them sets an ePID, a hardware id or a key: there is no such variant, and what seals
/// answers has no such parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table of kinds says what each does and what its fields mean")]
pub enum Action {
    Refuse,
    Reset { after_bytes: usize },
    Close { after_bytes: usize },
    NeverAnswer,
    Delay(Delay),
    Drip { bytes: usize, interval: Duration },
    Truncate { bytes: usize },
    Corrupt { offset: Option<usize>, mask: u8 },
    WrongCallId { add: u32 },
    Oversize { bytes: u16 },
    Split { bytes: u16 },
    BindNak { reason: BindNakReason },
    RejectInterface,
    RejectSyntax { ndr32: bool, ndr64: bool },
    RpcFault { status: Status },
    Execute,
    Hresult { code: Hresult },
    Count { count: u32 },
    WrongCmid,
    WrongTime { offset: SignedDuration },
    WrongMac,
    WrongHash,
    WrongHmac,
    ClockOffset { offset: SignedDuration },
    DnsNxdomain,
    DnsNodata,
    DnsServfail { reason: Option<ExtendedError> },
    DnsRefused,
    DnsDrop,
    DnsDelay(Delay),
    DnsTruncate,
    DnsNoService,
    DnsDangling { target: String },
    DnsMalformed,
    DnsWrongId,
    DnsFlap { ttl_s: u32 },
    DnsView { addresses: Vec<IpAddr> },
}

impl Action {
    /// Takes the fields of `kind` out of `pairs`.
    pub(super) fn take(kind: Kind, pairs: &mut Pairs) -> Result<Self, RuleError> {
        let mut after = || -> Result<usize, RuleError> {
            Ok(number(pairs.take_number("after", 0..=PDU_BYTES_MAX)?, 0))
        };
        Ok(match kind {
            Kind::Refuse => Self::Refuse,
            Kind::Reset => Self::Reset { after_bytes: after()? },
            Kind::Close => Self::Close { after_bytes: after()? },
            Kind::NeverAnswer => Self::NeverAnswer,
            Kind::Delay => Self::Delay(take_delay(pairs)?),
            Kind::Drip => Self::Drip {
                bytes: number(pairs.take_number("bytes", 1..=PDU_BYTES_MAX)?, 1),
                interval: pairs.take_time("interval", DELAY_MAX)?.unwrap_or(DRIP_INTERVAL),
            },
            Kind::Truncate => {
                Self::Truncate { bytes: number(pairs.take_number("bytes", 0..=PDU_BYTES_MAX)?, 8) }
            }
            Kind::Corrupt => Self::Corrupt {
                offset: pairs
                    .take_number("offset", 0..=PDU_BYTES_MAX)?
                    .and_then(|offset| usize::try_from(offset).ok()),
                mask: small(pairs.take_number("mask", 1..=255)?, 255),
            },
            Kind::WrongCallId => {
                Self::WrongCallId { add: small(pairs.take_number("add", 1..=u32::MAX.into())?, 1) }
            }
            Kind::Oversize => Self::Oversize {
                bytes: small(pairs.take_number("bytes", OVERSIZE_MIN..=OVERSIZE_MAX)?, 65_528),
            },
            Kind::Split => Self::Split { bytes: take_split(pairs)? },
            Kind::BindNak => Self::BindNak {
                reason: BindNakReason(small(pairs.take_number("reason", 0..=u16::MAX.into())?, 0)),
            },
            Kind::RejectInterface => Self::RejectInterface,
            Kind::RejectSyntax => take_syntax(pairs)?,
            Kind::RpcFault => Self::RpcFault {
                status: pairs.take_code("status")?.map_or(Status::SERVER_TOO_BUSY, Status),
            },
            Kind::Execute => Self::Execute,
            Kind::Hresult => Self::Hresult {
                code: Hresult(needed(pairs.take_code("code")?, "code", "the HRESULT to answer")?),
            },
            Kind::Count => {
                let count = pairs.take_number("count", 0..=u32::MAX.into())?;
                Self::Count { count: small(Some(needed(count, "count", "what to tell")?), 0) }
            }
            Kind::WrongCmid => Self::WrongCmid,
            Kind::WrongTime => Self::WrongTime {
                offset: nonzero("offset", pairs.take_offset("offset")?)?
                    .unwrap_or(SignedDuration::from_secs(1)),
            },
            Kind::WrongMac => Self::WrongMac,
            Kind::WrongHash => Self::WrongHash,
            Kind::WrongHmac => Self::WrongHmac,
            Kind::ClockOffset => {
                let offset = pairs.take_offset("offset")?;
                Self::ClockOffset { offset: needed(offset, "offset", "such as `5h` or `-90m`")? }
            }
            Kind::DnsServfail => Self::DnsServfail { reason: take_reason(pairs)? },
            Kind::DnsDelay => Self::DnsDelay(take_delay(pairs)?),
            Kind::DnsDangling => {
                let read = |text: &str| match name::parse(text) {
                    Ok(name) => Ok(name.to_ascii().trim_end_matches('.').to_owned()),
                    Err(error) => Err(error.to_string()),
                };
                let target = pairs.take_with("target", read)?;
                Self::DnsDangling { target: target.unwrap_or_else(|| "gone".to_owned()) }
            }
            Kind::DnsFlap => {
                Self::DnsFlap { ttl_s: small(pairs.take_number("ttl", 0..=TTL_MAX_S)?, 1) }
            }
            Kind::DnsView => Self::DnsView { addresses: take_addresses(pairs)? },
            Kind::DnsNxdomain => Self::DnsNxdomain,
            Kind::DnsNodata => Self::DnsNodata,
            Kind::DnsRefused => Self::DnsRefused,
            Kind::DnsDrop => Self::DnsDrop,
            Kind::DnsTruncate => Self::DnsTruncate,
            Kind::DnsNoService => Self::DnsNoService,
            Kind::DnsMalformed => Self::DnsMalformed,
            Kind::DnsWrongId => Self::DnsWrongId,
        })
    }

    /// The kind of this action.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Refuse => Kind::Refuse,
            Self::Reset { .. } => Kind::Reset,
            Self::Close { .. } => Kind::Close,
            Self::NeverAnswer => Kind::NeverAnswer,
            Self::Delay(_) => Kind::Delay,
            Self::Drip { .. } => Kind::Drip,
            Self::Truncate { .. } => Kind::Truncate,
            Self::Corrupt { .. } => Kind::Corrupt,
            Self::WrongCallId { .. } => Kind::WrongCallId,
            Self::Oversize { .. } => Kind::Oversize,
            Self::Split { .. } => Kind::Split,
            Self::BindNak { .. } => Kind::BindNak,
            Self::RejectInterface => Kind::RejectInterface,
            Self::RejectSyntax { .. } => Kind::RejectSyntax,
            Self::RpcFault { .. } => Kind::RpcFault,
            Self::Execute => Kind::Execute,
            Self::Hresult { .. } => Kind::Hresult,
            Self::Count { .. } => Kind::Count,
            Self::WrongCmid => Kind::WrongCmid,
            Self::WrongTime { .. } => Kind::WrongTime,
            Self::WrongMac => Kind::WrongMac,
            Self::WrongHash => Kind::WrongHash,
            Self::WrongHmac => Kind::WrongHmac,
            Self::ClockOffset { .. } => Kind::ClockOffset,
            Self::DnsNxdomain => Kind::DnsNxdomain,
            Self::DnsNodata => Kind::DnsNodata,
            Self::DnsServfail { .. } => Kind::DnsServfail,
            Self::DnsRefused => Kind::DnsRefused,
            Self::DnsDrop => Kind::DnsDrop,
            Self::DnsDelay(_) => Kind::DnsDelay,
            Self::DnsTruncate => Kind::DnsTruncate,
            Self::DnsNoService => Kind::DnsNoService,
            Self::DnsDangling { .. } => Kind::DnsDangling,
            Self::DnsMalformed => Kind::DnsMalformed,
            Self::DnsWrongId => Kind::DnsWrongId,
            Self::DnsFlap { .. } => Kind::DnsFlap,
            Self::DnsView { .. } => Kind::DnsView,
        }
    }

    /// The fields, as [`Action::take`] reads them.
    pub(super) fn fields(&self) -> Vec<(&'static str, Vec<String>)> {
        let one = |key, value: String| vec![(key, vec![value])];
        match self {
            Self::Reset { after_bytes } | Self::Close { after_bytes } => {
                one("after", after_bytes.to_string())
            }
            Self::Delay(delay) | Self::DnsDelay(delay) => delay_fields(delay),
            Self::Drip { bytes, interval } => {
                vec![("bytes", vec![bytes.to_string()]), ("interval", vec![time_text(*interval)])]
            }
            Self::Truncate { bytes } => one("bytes", bytes.to_string()),
            Self::Corrupt { offset, mask } => {
                let offset = offset.map(|offset| ("offset", vec![offset.to_string()]));
                offset.into_iter().chain([("mask", vec![mask.to_string()])]).collect()
            }
            Self::WrongCallId { add } => one("add", add.to_string()),
            Self::Oversize { bytes } | Self::Split { bytes } => one("bytes", bytes.to_string()),
            Self::BindNak { reason } => one("reason", reason.0.to_string()),
            Self::RejectSyntax { ndr32, ndr64 } => {
                one("syntax", syntax_name(*ndr32, *ndr64).into())
            }
            Self::RpcFault { status } => {
                one("status", format!("{:#010X}", status.0).replace('X', "x"))
            }
            Self::Hresult { code } => one("code", format!("{:#010X}", code.0).replace('X', "x")),
            Self::Count { count } => one("count", count.to_string()),
            Self::WrongTime { offset } | Self::ClockOffset { offset } => {
                one("offset", offset_text(*offset))
            }
            Self::DnsServfail { reason: Some(reason) } => {
                vec![("code", vec![reason.code.to_string()]), ("text", vec![reason.text.clone()])]
            }
            Self::DnsDangling { target } => one("target", target.clone()),
            Self::DnsFlap { ttl_s } => one("ttl", ttl_s.to_string()),
            Self::DnsView { addresses } => {
                vec![("addresses", addresses.iter().map(ToString::to_string).collect())]
            }
            _ => Vec::new(),
        }
    }
}

fn needed<T>(value: Option<T>, key: &str, means: &str) -> Result<T, RuleError> {
    value.ok_or_else(|| RuleError::required(key, means))
}

/// A number that was read within the range of its type.
fn small<T: TryFrom<u64>>(value: Option<u64>, default: T) -> T {
    value.and_then(|value| T::try_from(value).ok()).unwrap_or(default)
}

fn number(value: Option<u64>, default: usize) -> usize {
    small(value, default)
}

fn nonzero(key: &str, offset: Option<SignedDuration>) -> Result<Option<SignedDuration>, RuleError> {
    match offset {
        Some(SignedDuration::ZERO) => Err(RuleError::new(key, "zero would change nothing")),
        offset => Ok(offset),
    }
}

fn take_delay(pairs: &mut Pairs) -> Result<Delay, RuleError> {
    let time = pairs.take_time("time", DELAY_MAX)?;
    let distribution: Option<String> = pairs.take("distribution")?;
    let Some(distribution) = distribution else {
        return time.map(Delay::Fixed).ok_or_else(|| {
            RuleError::required("time", "a time such as `200ms`, or a `distribution`")
        });
    };
    if time.is_some() {
        return Err(RuleError::new(
            "time",
            "stands alone: a `distribution` has `mean` or `min` and `max`",
        ));
    }
    let mut length = |key, means| {
        let length = pairs.take_time(key, DELAY_MAX)?;
        length.ok_or_else(|| RuleError::required(key, means))
    };
    let max = length("max", "nothing is held back longer than this")?;
    let (mean, deviation) = match distribution.as_str() {
        "uniform" => (Duration::ZERO, Duration::ZERO),
        "normal" => (length("mean", "of `normal`")?, length("deviation", "of `normal`")?),
        "exponential" => (length("mean", "of `exponential`")?, Duration::ZERO),
        _ => {
            let reason = "not `uniform`, `normal` or `exponential`";
            return Err(RuleError::new("distribution", reason));
        }
    };
    let min = pairs.take_time("min", DELAY_MAX)?.unwrap_or_default();
    if min > max {
        return Err(RuleError::new("min", "greater than `max`"));
    }
    Ok(match distribution.as_str() {
        "uniform" => Delay::Uniform { min, max },
        "normal" => Delay::Normal { mean, deviation, min, max },
        _ => Delay::Exponential { mean, min, max },
    })
}

fn delay_fields(delay: &Delay) -> Vec<(&'static str, Vec<String>)> {
    let time = |key, time: &Duration| (key, vec![time_text(*time)]);
    let name = |name: &str| ("distribution", vec![name.to_owned()]);
    match delay {
        Delay::Fixed(length) => vec![time("time", length)],
        Delay::Uniform { min, max } => vec![name("uniform"), time("min", min), time("max", max)],
        Delay::Normal { mean, deviation, min, max } => vec![
            name("normal"),
            time("mean", mean),
            time("deviation", deviation),
            time("min", min),
            time("max", max),
        ],
        Delay::Exponential { mean, min, max } => {
            vec![name("exponential"), time("mean", mean), time("min", min), time("max", max)]
        }
    }
}

fn take_split(pairs: &mut Pairs) -> Result<u16, RuleError> {
    let bytes: u16 = small(pairs.take_number("bytes", 16..=5808)?, 16);
    match bytes.is_multiple_of(16) {
        true => Ok(bytes),
        false => Err(RuleError::new("bytes", "not a multiple of 16: stubs are cut in steps of 16")),
    }
}

fn take_syntax(pairs: &mut Pairs) -> Result<Action, RuleError> {
    let read = |text: &str| match text {
        "ndr32" => Ok((true, false)),
        "ndr64" => Ok((false, true)),
        "all" => Ok((true, true)),
        _ => Err("not `ndr32`, `ndr64` or `all`".to_owned()),
    };
    let (ndr32, ndr64) = pairs.take_with("syntax", read)?.unwrap_or((true, true));
    Ok(Action::RejectSyntax { ndr32, ndr64 })
}

const fn syntax_name(ndr32: bool, ndr64: bool) -> &'static str {
    match (ndr32, ndr64) {
        (true, false) => "ndr32",
        (false, true) => "ndr64",
        _ => "all",
    }
}

fn take_reason(pairs: &mut Pairs) -> Result<Option<ExtendedError>, RuleError> {
    let code = pairs.take_number("code", 0..=u16::MAX.into())?;
    let text: Option<String> = pairs.take("text")?;
    match (code, text) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(RuleError::required("code", "`text` explains it")),
        (Some(_), Some(text)) if text.len() > REASON_BYTES_MAX => {
            Err(RuleError::new("text", format!("longer than {REASON_BYTES_MAX} bytes")))
        }
        (code, text) => {
            Ok(Some(ExtendedError { code: small(code, 0), text: text.unwrap_or_default() }))
        }
    }
}

fn take_addresses(pairs: &mut Pairs) -> Result<Vec<IpAddr>, RuleError> {
    let read = |text: &str| text.parse().map_err(|_| "not an address".to_owned());
    let addresses: Vec<IpAddr> = pairs.take_list("addresses", read)?;
    match addresses.len() {
        0 => Err(RuleError::required("addresses", "what names have in this view")),
        1..=VIEW_ADDRESSES_MAX => Ok(addresses),
        _ => Err(RuleError::new("addresses", format!("more than {VIEW_ADDRESSES_MAX}"))),
    }
}

/// No PDU is longer: its length has 16 bits.
const PDU_BYTES_MAX: u64 = 65_535;

/// Longer than any client has to take, which is 5,840 bytes, in steps of 8.
const OVERSIZE_MIN: u64 = 5_848;
const OVERSIZE_MAX: u64 = 65_528;

const DRIP_INTERVAL: Duration = Duration::from_millis(100);

/// 68 years: RFC 2181 section 8.
const TTL_MAX_S: u64 = 0x7FFF_FFFF;

/// More would not fit beside any question.
const REASON_BYTES_MAX: usize = 200;

/// More would not fit the datagram of any client.
const VIEW_ADDRESSES_MAX: usize = 16;
