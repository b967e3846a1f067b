//! EDNS and truncation.

use super::super::MAX_UDP_BYTES;
use super::*;

fn sized(zone: &Zone, max_payload: Option<u16>, transport: Transport) -> (usize, Message) {
    let plain = query(SERVICE, RecordType::SRV);
    let message = max_payload.map_or(plain.clone(), |size| with_edns(plain, size));
    let bytes = bytes_of(answer(zone, None, &message.to_vec().unwrap(), transport));
    (bytes.len(), Message::from_vec(&bytes).unwrap())
}

#[test]
fn edns_is_answered_with_edns_and_only_then() {
    assert!(ask(SERVICE, RecordType::SRV).edns.is_none());
    let mut message = with_edns(query(SERVICE, RecordType::SRV), 4_096);
    message.edns.as_mut().unwrap().set_dnssec_ok(true);
    let response = ask_with(&zone(), None, &message, Transport::Udp);
    let edns = response.edns.unwrap();
    assert_eq!((edns.version(), edns.max_payload()), (0, MAX_UDP_BYTES));
    assert!(edns.flags().dnssec_ok, "RFC 3225: the DO bit is copied");
    assert_eq!(response.answers.len(), 3);
}

#[test]
fn what_does_not_fit_a_datagram_is_truncated_and_whole_over_tcp() {
    let zone = large_zone(120);
    for (offered, limit) in [
        (None, 512),
        (Some(0), 512),
        (Some(512), 512),
        (Some(1_000), 1_000),
        (Some(1_232), 1_232),
        (Some(u16::MAX), 1_232),
    ] {
        let (len, response) = sized(&zone, offered, Transport::Udp);
        assert!(len <= limit, "{len} bytes for an offer of {offered:?}");
        assert!(response.truncation && response.authoritative);
        assert!(!response.answers.is_empty() && response.answers.len() < 120);
        assert!(response.additionals.is_empty());
        assert_eq!(response.edns.is_some(), offered.is_some());
    }
    let (_, response) = sized(&zone, None, Transport::Tcp);
    assert!(!response.truncation);
    assert_eq!((response.answers.len(), response.additionals.len()), (120, 120));
}

#[test]
fn addresses_give_way_before_answers() {
    // 10 SRV records and 10 addresses exceed 512 bytes; the SRV records alone do not.
    let (len, response) = sized(&large_zone(10), None, Transport::Udp);
    assert!(len <= 512);
    assert!(!response.truncation, "a short additional section is no truncation");
    assert_eq!(response.answers.len(), 10);
    assert!(response.additionals.len() < 10);
}

#[test]
fn a_host_keeps_all_of_its_addresses_or_none() {
    let addresses = |host: u8| (0..5).map(move |n| IpAddr::V4(Ipv4Addr::new(10, 0, host, n)));
    let zone = (0..5)
        .try_fold(Zone::new("lab.test").unwrap(), |zone, n| {
            zone.host(HostRecord::new(format!("kms{n}"), addresses(n)))
        })
        .unwrap();
    let (len, response) = sized(&zone, None, Transport::Udp);
    assert!(len <= 512 && !response.truncation);
    let kept = response.additionals.len();
    assert!(kept > 0 && kept < 25 && kept.is_multiple_of(5), "{kept} of 25 addresses");
}

#[test]
fn the_largest_zone_fits_one_tcp_answer() {
    let mut zone = Zone::new("lab.test").unwrap();
    let mut count = 0;
    while let Ok(larger) = zone.clone().service(0, 0, 1688, &format!("kms{count:05}.lab.test")) {
        zone = larger;
        count += 1;
    }
    let (len, response) = sized(&zone, Some(1_232), Transport::Tcp);
    assert!(len > 40_000, "{len} bytes");
    assert!(!response.truncation);
    assert_eq!(response.answers.len(), count);
}

#[test]
fn additional_records_stop_at_their_limit() {
    let (_, response) = sized(&large_zone(600), None, Transport::Tcp);
    assert_eq!((response.answers.len(), response.additionals.len()), (600, 256));
}
