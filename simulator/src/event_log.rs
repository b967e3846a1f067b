//! Requests as the event logs of clients and hosts show them. Pure.

use kms_page::text::escape;
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::{Hresult, Request};

/// Event 12288, which a client logs when it asks: the fields of its info line (TechNet, "Windows Event
/// Log", table 11). `server` is `HOST:PORT`, escaped.
pub(crate) fn event_12288(result: Hresult, server: &str, request: &Request) -> String {
    format!(
        "{result}, 0x00000000, {server}, {}, {}, {}, {}, {}, {}, {}",
        request.cmid,
        date(request.client_time),
        request.vm_info,
        request.license_status.0,
        request.binding_expiration_minutes,
        request.sku_id,
        request.n_policy,
    )
}

/// Event 12289, which a client logs of an answer: the fields of its info line (the same table). A
/// count that is too low is a flag.
pub(crate) fn event_12289(
    result: Hresult,
    bound: bool,
    count: u32,
    intervals_minutes: (u32, u32),
    request: &Request,
) -> String {
    let too_low = result == Hresult::OK && !bound;
    let flags = if too_low { NOT_ENOUGH_COUNT } else { 0 };
    format!(
        "{result}, {flags:#010x}, {}, 0, {count}, {}, {}, {}",
        u8::from(bound),
        intervals_minutes.0,
        intervals_minutes.1,
        date(request.client_time),
    )
}

/// Event 12290, which a host logs of a request: HRESULT, N-policy, client name, CMID, client time, VM
/// info, licence status, minutes to expiry, activation id, with commas and no spaces (Microsoft, "Error
/// 0xC004F074 when you activate Windows").
pub(crate) fn event_12290(result: Hresult, client: &str, request: &Request) -> String {
    let result = if result == Hresult::OK { "0x0".to_owned() } else { result.to_string() };
    // A comma in a name would be a further field, and a line break a further line.
    let name = client.replace(',', "_");
    format!(
        "{result},{},{},{},{},{},{},{},{}",
        request.n_policy,
        escape(&name),
        request.cmid,
        short_date(request.client_time),
        request.vm_info,
        request.license_status.0,
        request.binding_expiration_minutes,
        request.sku_id,
    )
}

/// `2026/11/24 12:16`, in UTC.
pub(crate) fn date(time: FileTime) -> String {
    let text = time.to_string().replace('-', "/");
    text.get(..text.len().saturating_sub(3)).unwrap_or_default().to_owned()
}

/// `2010/9/29 21:46`, in UTC.
fn short_date(time: FileTime) -> String {
    let text = time.to_string();
    let (date, clock) = text.split_once(' ').unwrap_or((&text, ""));
    let date: Vec<&str> = date.split('-').map(|part| part.trim_start_matches('0')).collect();
    let (hour, rest) = clock.split_once(':').unwrap_or(("", ""));
    let minute = rest.get(..2).unwrap_or("");
    let hour = if hour.starts_with('0') { hour.get(1..).unwrap_or("") } else { hour };
    format!("{} {hour}:{minute}", date.join("/"))
}

/// The flag of Volume Activation 2.0 Operations Guide, page 29.
const NOT_ENOUGH_COUNT: u32 = 0x0400_0000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use kms_protocol::guid::Guid;
    use kms_protocol::kms::product::DEFAULT;
    use kms_protocol::kms::{LicenseStatus, MachineName, Version};
    use std::time::Duration;

    fn start() -> FileTime {
        FileTime::from_unix(1_795_521_600, 0).unwrap()
    }

    #[test]
    fn events_have_the_documented_fields_in_their_order() {
        let request = Request {
            version: Version::V6,
            vm_info: 0,
            license_status: LicenseStatus(2),
            binding_expiration_minutes: 41_760,
            app_id: DEFAULT.app_id,
            sku_id: DEFAULT.sku_id,
            kms_id: DEFAULT.kms_id,
            cmid: Guid::ZERO,
            n_policy: 25,
            client_time: start().saturating_add(Duration::from_secs(59)),
            cmid_previous: Guid::ZERO,
            machine_name: MachineName::default(),
        };
        assert_eq!(
            event_12288(Hresult::INVALID_TIMESTAMP, "kms1.lab.test:1688", &request),
            "0xC004F06C, 0x00000000, kms1.lab.test:1688, 00000000-0000-0000-0000-000000000000, \
             2026/11/24 12:00, 0, 2, 41760, 7e5b90ff-6c8e-5775-9dc3-4538d0e15940, 25"
        );
        for (bound, count, expected) in [
            (true, 25, "0x00000000, 0x00000000, 1, 0, 25, 120, 10080, 2026/11/24 12:00"),
            (false, 4, "0x00000000, 0x04000000, 0, 0, 4, 120, 10080, 2026/11/24 12:00"),
        ] {
            let line = event_12289(Hresult::OK, bound, count, (120, 10_080), &request);
            assert_eq!(line, expected);
        }
    }
}
