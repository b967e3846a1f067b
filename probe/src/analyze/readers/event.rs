//! What an event says, by its id: the nine or ten values after "Info:".
//!
//! Layouts are those of Microsoft's Volume Activation Operations Guide and of "Error 0xC004F074 when
//! you activate Windows". 12288 and 12289 separate values by `, `, 12290 by `,` alone; dates have
//! the form of the machine's language; a result is `0x0` or has eight digits.

use kms_protocol::guid::Guid;

use super::super::moment::Moment;
use super::super::names::{Id, Names};
use super::super::record::{
    ACTIVATION_FAILED, AD_ACTIVATED, CLIENT_PROCESSED, CLIENT_SENT, Event, FIRMWARE_KEY,
    HOST_FAILED, HOST_PROCESSED, PUBLISH_FAILED, PUBLISHED, Place, STATUS_CHECKED,
};

/// An event as a log has it.
#[derive(Clone, Debug, Default)]
pub(super) struct RawEvent {
    /// Who logged it.
    pub(super) provider: String,
    /// Its id.
    pub(super) id: u32,
    /// When.
    pub(super) time: Option<Moment>,
    /// Its number in the log.
    pub(super) record: Option<u64>,
    /// The machine.
    pub(super) computer: String,
    /// Its values, in order.
    pub(super) data: Vec<String>,
    /// Its text, where values are not given apart.
    pub(super) message: String,
}

impl RawEvent {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.provider.clear();
        self.id = 0;
        self.time = None;
        self.record = None;
        self.computer.clear();
        self.data.clear();
        self.message.clear();
    }

    /// Whether it is one of the ids that are read, from a provider that logs them. VSS uses 12288
    /// and 12289 for something else; without a provider the content has to tell.
    #[must_use]
    pub(super) fn is_about_activation(&self) -> bool {
        KNOWN.contains(&self.id) && (self.provider.is_empty() || is_licensing(&self.provider))
    }

    /// What it says; `None` where its values are not those of its id.
    pub(super) fn interpret(&self, place: Place, names: &mut Names) -> Option<Event> {
        let mut event = match self.id {
            CLIENT_SENT | HOST_PROCESSED => self.request(place, names)?,
            CLIENT_PROCESSED => self.answer(place)?,
            PUBLISH_FAILED | PUBLISHED => self.publishing(place, names),
            _ => {
                let mut event = Event::new(self.id, place);
                event.hresult = self.first_code();
                // Without a provider anything could have such an id.
                if self.provider.is_empty() && event.hresult.is_none() {
                    return None;
                }
                event
            }
        };
        event.time = self.time.unwrap_or(event.client_time);
        event.computer = names.name(&self.computer);
        Some(event)
    }

    /// 12288 and 12290.
    fn request(&self, place: Place, names: &mut Names) -> Option<Event> {
        let info = self.info()?;
        parse_request(self.id, info, place, names)
    }

    /// 12289.
    fn answer(&self, place: Place) -> Option<Event> {
        let info = self.info()?;
        let values: Vec<&str> = info.split(',').map(str::trim).collect();
        let [hresult, flags, bound, _, count, _, _, ..] = values.as_slice() else { return None };
        let mut event = Event::new(CLIENT_PROCESSED, place);
        event.hresult = Some(code(hresult)?);
        event.flags = code(flags).unwrap_or(0);
        event.is_bound = match *bound {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        };
        event.count = count.parse().ok();
        let time = values.get(7..).unwrap_or_default().join(", ");
        event.client_time = Moment::parse(&time).unwrap_or(Moment::UNKNOWN);
        Some(event)
    }

    /// 12293 and 12294: a domain, and for the first an HRESULT.
    fn publishing(&self, place: Place, names: &mut Names) -> Event {
        let mut event = Event::new(self.id, place);
        event.hresult = self.first_code();
        let domain = match self.data.as_slice() {
            [] => between_quotes(&self.message),
            values => values.iter().map(String::as_str).find(|value| code(value).is_none()),
        };
        event.name = names.name(domain.unwrap_or_default());
        event
    }

    /// The text of values: from the first `0x` on.
    fn info(&self) -> Option<&str> {
        let texts = self.data.iter().map(String::as_str).chain([self.message.as_str()]);
        texts.filter_map(from_code).find(|text| text.contains(','))
    }

    /// The first value that looks like a code.
    fn first_code(&self) -> Option<u32> {
        let texts = self.data.iter().map(String::as_str).chain([self.message.as_str()]);
        let mut starts = texts.filter_map(from_code);
        starts.find_map(|text| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            code(text.get(..end)?)
        })
    }
}

/// What 12288 or 12290 says.
pub(super) fn parse_request(id: u32, info: &str, place: Place, names: &mut Names) -> Option<Event> {
    // At most this many values are looked at: names and dates may hold commas of their own.
    let mut values = [""; VALUES_MAX];
    let mut count = 0;
    for (slot, value) in values.iter_mut().zip(info.split(',')) {
        *slot = value.trim();
        count += 1;
    }
    let values = values.get(..count)?;
    let mut event = Event::new(id, place);
    event.hresult = Some(code(values.first()?)?);
    let guid_at = |from: usize| {
        let rest = values.iter().enumerate().skip(from);
        rest.filter(|(_, value)| value.len() == GUID_CHARS)
            .find_map(|(at, value)| Some((at, Guid::parse(value).ok()?)))
    };
    // An id that was taken out of an example or log leaves its place by number.
    let (cmid_at, cmid) = match guid_at(3) {
        Some((at, guid)) if count < FIELDS_MIN || at + 4 < count => (at, Some(guid)),
        _ => (3, None),
    };
    let (sku_at, sku) = match guid_at(cmid_at + 1) {
        Some((at, guid)) if at >= cmid_at + 5 => (at, Some(guid)),
        _ => (cmid_at + 5, None),
    };
    if count < FIELDS_MIN && (cmid.is_none() || sku.is_none()) {
        return None;
    }
    event.cmid = cmid.map_or(Id::NONE, |guid| names.id(guid));
    event.sku = sku.map_or(Id::NONE, |guid| names.id(guid));
    let joined = |from: usize, to: usize| match values.get(from..to) {
        Some([one]) => std::borrow::Cow::Borrowed(*one),
        Some(several) => std::borrow::Cow::Owned(several.join(",")),
        None => std::borrow::Cow::Borrowed(""),
    };
    let number = |at: usize| values.get(at).and_then(|value| value.parse::<u32>().ok());
    event.client_time = Moment::parse(&joined(cmid_at + 1, sku_at - 3)).unwrap_or(Moment::UNKNOWN);
    event.status = number(sku_at - 2).and_then(|status| u8::try_from(status).ok());
    event.minutes = number(sku_at - 1);
    if id == CLIENT_SENT {
        event.flags = values.get(1).and_then(|flags| code(flags)).unwrap_or(0);
        event.host = names.name(&joined(2, cmid_at));
        event.n_policy = number(sku_at + 1);
    } else {
        event.n_policy = number(1);
        event.name = names.name(&joined(2, cmid_at));
    }
    Some(event)
}

/// Whether a provider logs events of volume activation, under any of the names it has had.
fn is_licensing(provider: &str) -> bool {
    let small = provider.to_ascii_lowercase();
    PROVIDERS.iter().any(|known| small.contains(known))
}

/// `text` from its first `0x` on.
fn from_code(text: &str) -> Option<&str> {
    let at = text.find("0x").or_else(|| text.find("0X"))?;
    text.get(at..)
}

fn between_quotes(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('\'')?;
    let (quoted, _) = rest.split_once('\'')?;
    Some(quoted)
}

/// A code as `0x0`, `0xC004F074` or a decimal number, negative ones included.
#[must_use]
pub(super) fn code(text: &str) -> Option<u32> {
    let text = text.trim();
    if let Some(hexadecimal) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(hexadecimal, 16).ok();
    }
    if let Ok(number) = text.parse::<u32>() {
        return Some(number);
    }
    text.parse::<i32>().ok().map(i32::cast_unsigned)
}

const PROVIDERS: [&str; 6] = [
    "security-spp",
    "licensing-slc",
    "kmsrequests",
    "software protection",
    "software licensing",
    "key management service",
];

/// Ids that are read.
const KNOWN: [u32; 10] = [
    STATUS_CHECKED,
    FIRMWARE_KEY,
    ACTIVATION_FAILED,
    CLIENT_SENT,
    CLIENT_PROCESSED,
    HOST_PROCESSED,
    HOST_FAILED,
    PUBLISH_FAILED,
    PUBLISHED,
    AD_ACTIVATED,
];

const VALUES_MAX: usize = 24;
const FIELDS_MIN: usize = 9;
const GUID_CHARS: usize = 36;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const CMID: &str = "36f27b39-2fd5-440b-be67-a09996d27a38";
    const SKU: &str = "68531fb9-5511-4989-97be-d11a0f55633f";

    fn read(id: u32, data: &str) -> Option<(Event, Names)> {
        let mut names = Names::new(false);
        let raw = RawEvent { id, data: vec![data.to_owned()], ..RawEvent::default() };
        raw.interpret(Place::default(), &mut names).map(|event| (event, names))
    }

    #[test]
    fn a_request_as_the_client_logs_it() {
        let text = format!(
            "0xC004F06C, 0x00000000, kms01.contoso.com:1688, {CMID}, 2010/09/29 17:52, 0, 2, 41760, {SKU}, 5"
        );
        let (event, names) = read(CLIENT_SENT, &text).unwrap();
        assert_eq!((event.hresult, event.n_policy), (Some(0xC004_F06C), Some(5)));
        assert_eq!((event.status, event.minutes), (Some(2), Some(41_760)));
        assert_eq!(names.text(event.host), "kms01.contoso.com:1688");
        assert_eq!(names.guid(event.cmid).to_string(), CMID);
        assert_eq!(event.client_time.to_string(), "2010-09-29 17:52:00");
    }

    #[test]
    fn an_empty_last_value_and_short_codes_are_read() {
        let text = format!(
            "0x0, 0x8, azkms.core.windows.net:1688, {CMID}, 2006/1/14 2:30, 1, 5, 0, {SKU}, "
        );
        let (event, _) = read(CLIENT_SENT, &text).unwrap();
        assert_eq!((event.hresult, event.flags, event.n_policy), (Some(0), 8, None));
        assert_eq!(event.status, Some(5));
    }

    #[test]
    fn an_id_that_was_taken_out_leaves_the_other_values() {
        let text = format!(
            "0xC004F06C, 0x00000000, azkms:1688, <CMID>, 2026/1/1 1:00, 1, 5, 0, {SKU}, 25"
        );
        let (event, _) = read(CLIENT_SENT, &text).unwrap();
        assert!(!event.cmid.is_some());
        assert_eq!((event.status, event.n_policy), (Some(5), Some(25)));
    }

    #[test]
    fn a_request_as_the_host_logs_it_with_a_comma_in_the_name() {
        let text = format!("0xC004F06C,5,pc,with,commas,{CMID},2010/9/29 21:46,0,2,41520,{SKU}");
        let (event, names) = read(HOST_PROCESSED, &text).unwrap();
        assert_eq!(names.text(event.name), "pc,with,commas");
        assert_eq!((event.n_policy, event.minutes), (Some(5), Some(41_520)));
    }

    #[test]
    fn an_answer_as_the_client_logs_it() {
        let (event, _) =
            read(CLIENT_PROCESSED, "0x0, 0x4000008, 0, 0, 4, 120, 10080, 1/14/2006 2:30").unwrap();
        assert_eq!((event.flags, event.count, event.is_bound), (0x0400_0008, Some(4), Some(false)));
        assert_eq!(event.client_time.to_string(), "2006-01-14 02:30:00");
    }

    #[test]
    fn publishing_names_its_domain_and_its_code() {
        let mut names = Names::new(false);
        let raw = RawEvent {
            id: PUBLISH_FAILED,
            message:
                "Publishing the service in the 'contoso.com' domain failed.\nInfo:\n0x80072338"
                    .to_owned(),
            provider: "Microsoft-Windows-Security-SPP".to_owned(),
            ..RawEvent::default()
        };
        let event = raw.interpret(Place::default(), &mut names).unwrap();
        assert_eq!((names.text(event.name), event.hresult), ("contoso.com", Some(0x8007_2338)));
    }

    #[test]
    fn the_shadow_copy_service_is_not_the_licensing_service() {
        let mut raw =
            RawEvent { id: CLIENT_SENT, provider: "VSS".to_owned(), ..RawEvent::default() };
        assert!(!raw.is_about_activation());
        raw.provider = "Microsoft-Windows-Security-Licensing-SLC".to_owned();
        assert!(raw.is_about_activation());
        assert!(read(CLIENT_SENT, "VSS text, with, commas").is_none());
        assert!(read(CLIENT_PROCESSED, "0x0, nothing").is_none());
    }
}
