//! Events around volume activation that Microsoft documents, with what they tell.

use super::Match;

/// One event.
pub(super) struct Event {
    pub(super) id: u32,
    log: &'static str,
    meaning: &'static str,
    reading: &'static str,
}

impl Event {
    pub(super) fn explain(&self) -> Match {
        Match {
            kind: "event",
            code: self.id.to_string(),
            name: Some(self.log.to_owned()),
            meaning: self.meaning.to_owned(),
            cause: Some(self.reading.to_owned()),
            source: Some(SOURCE.to_owned()),
            ..Match::default()
        }
    }
}

const SOURCE: &str = "Microsoft, Guidelines for troubleshooting the Key Management Service";

const CLIENT: &str = "Application log of the client, Microsoft-Windows-Security-SPP";
const HOST: &str = "Key Management Service log of the host";
const HOST_APPLICATION: &str = "Application log of the host, Microsoft-Windows-Security-SPP";

/// In order of id.
pub(super) const EVENTS: &[Event] = &[
    Event {
        id: 8198,
        log: CLIENT,
        meaning: "automatic activation failed",
        reading: "Its HRESULT says why: look that code up.",
    },
    Event {
        id: 12288,
        log: CLIENT,
        meaning: "the client sent an activation request",
        reading: "It names HRESULT, flags, host and port, client machine id, client time, licence \
                  status, minutes to expiry, activation id and the count needed. Without a 12289 \
                  after it the host was unreachable or silent, or its answer was lost.",
    },
    Event {
        id: 12289,
        log: CLIENT,
        meaning: "the client processed the answer of a KMS host",
        reading: "It names HRESULT, flags, whether it activated, the host's count and its two \
                  intervals. Flag 0x04000000 means that the count is too low.",
    },
    Event {
        id: 12290,
        log: HOST,
        meaning: "the host processed an activation request",
        reading: "It names HRESULT, the count needed, client name, client machine id, client time, \
                  licence status and activation id. A client that is missing here never reached \
                  the host: name, path, port or firewall.",
    },
    Event {
        id: 12291,
        log: HOST_APPLICATION,
        meaning: "the Key Management Service failed to start",
        reading: "Its HRESULT says why.",
    },
    Event {
        id: 12293,
        log: HOST_APPLICATION,
        meaning: "publishing the KMS host in DNS failed",
        reading: "The host may not update _vlmcs._tcp in that domain, often because another host \
                  owns the record, or the zone takes no dynamic updates.",
    },
    Event {
        id: 12294,
        log: HOST_APPLICATION,
        meaning: "publishing the KMS host in DNS succeeded",
        reading: "The SRV record of the domain named in it is in place.",
    },
    Event {
        id: 12308,
        log: CLIENT,
        meaning: "Active Directory-based activation succeeded",
        reading: "The machine does not depend on KMS.",
    },
];
