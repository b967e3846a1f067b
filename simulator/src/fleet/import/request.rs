//! What event 12290 says of a request, or an inventory of a machine.
//!
//! "HRESULT,N-policy,client name,CMID,client time,VM info,licence status,minutes to expiry,activation
//! id" (Microsoft, "Error 0xC004F074 when you activate Windows"). The time has the form of the host's
//! language, and name and time may hold commas of their own: fields are found from the ids.

use jiff::Timestamp;
use kms_protocol::guid::Guid;
use kms_protocol::kms::Hresult;

use super::moment;

/// A client, as it was seen once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) cmid: Option<Guid>,
    pub(super) name: Option<String>,
    /// Activation id.
    pub(super) sku: Option<Guid>,
    /// The product's name, where a table gives one.
    pub(super) product: Option<String>,
    pub(super) n_policy: Option<u32>,
    pub(super) time: Option<Timestamp>,
    pub(super) host: Option<String>,
    pub(super) site: Option<String>,
    /// What the host answered.
    pub(super) result: Option<Hresult>,
    /// Licence status that the client had when it asked.
    pub(super) status: Option<u32>,
}

impl Sighting {
    /// From the first code on in `text`; `None` where that is no event 12290.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let start = text.find("0x").or_else(|| text.find("0X"))?;
        let line = text.get(start..)?.lines().next()?;
        let fields: Vec<&str> = line.split(',').map(str::trim).take(FIELDS_MAX).collect();
        let is_guid = |field: &&str| super::guid(field).is_some();
        let cmid_at = 3 + fields.get(3..)?.iter().position(is_guid)?;
        let sku_at = fields.iter().rposition(is_guid)?;
        if sku_at < cmid_at + 5 {
            return None;
        }
        let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
        let joined = |from: usize, to: usize| fields.get(from..to).map(|part| part.join(","));
        Some(Self {
            cmid: super::guid(fields.get(cmid_at)?),
            name: joined(2, cmid_at),
            sku: super::guid(fields.get(sku_at)?),
            n_policy: number(1),
            time: moment::parse(&joined(cmid_at + 1, sku_at - 3)?),
            result: Some(Hresult(code(fields.first()?)?)),
            status: number(sku_at - 2),
            ..Self::default()
        })
    }
}

/// `0x0`, `0xC004F074`.
pub(super) fn code(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    u32::from_str_radix(digits, 16).ok()
}

/// Fields that are looked at: names and dates may hold commas of their own.
const FIELDS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const CMID: &str = "36f27b39-2fd5-440b-be67-a09996d27a38";
    const SKU: &str = "68531fb9-5511-4989-97be-d11a0f55633f";

    #[test]
    fn the_example_of_microsoft_and_names_and_dates_with_commas_are_read() {
        let text = format!("0xC004F06C,5,LAB-PC,{CMID},2010/9/29 21:46,0,2,41520,{SKU}");
        let seen = Sighting::parse(&text).unwrap();
        assert_eq!(seen.cmid.unwrap().to_string(), CMID);
        assert_eq!(seen.sku.unwrap().to_string(), SKU);
        assert_eq!((seen.name.as_deref(), seen.n_policy), (Some("LAB-PC"), Some(5)));
        assert_eq!((seen.result, seen.status), (Some(Hresult(0xC004_F06C)), Some(2)));
        assert_eq!(seen.time.unwrap().to_string(), "2010-09-29T21:46:00Z");
        let text = format!("Info:\r\n0x0,25,a,b,{CMID},9/29/2010, 9:46 PM,0,1,100,{SKU}");
        let seen = Sighting::parse(&text).unwrap();
        assert_eq!(seen.name.as_deref(), Some("a,b"));
        assert_eq!(seen.time.unwrap().to_string(), "2010-09-29T21:46:00Z");
    }

    #[test]
    fn what_is_no_event_12290_is_none() {
        let short = format!("0x0,25,PC,{CMID},{SKU}");
        for text in
            ["", "0x0", "0x0,1,2,3,4,5,6,7,8", &short, &format!("0xZZ,1,n,{CMID},t,0,1,2,{SKU}")]
        {
            assert_eq!(Sighting::parse(text), None, "{text}");
        }
    }
}
