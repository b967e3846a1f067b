#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use crate::analyze::record::{
    CLIENT_PROCESSED, CLIENT_SENT, Channel, Event, HOST_PROCESSED, License, Tool,
};

const MINUTE: i64 = 60_000;

/// Records with one file.
fn records() -> Records {
    let mut records = Records::default();
    records.begin("x".to_owned());
    records
}

fn id(records: &mut Records, number: u8) -> Id {
    records.names.id(kms_protocol::guid::Guid::from_bytes([number; 16]))
}

/// A request as a client logs it, at a minute.
fn sent(records: &mut Records, machine: &str, cmid: u8, minute: i64, code: u32) {
    let mut event = Event::new(CLIENT_SENT, Place::default());
    event.time = Moment::from_millis(minute * MINUTE);
    event.client_time = event.time;
    event.computer = records.names.name(machine);
    event.host = records.names.name("kms1.corp.test:1688");
    event.cmid = id(records, cmid);
    event.hresult = Some(code);
    records.events.push(event);
}

fn processed(records: &mut Records, machine: &str, minute: i64, flags: u32) {
    let mut event = Event::new(CLIENT_PROCESSED, Place::default());
    event.time = Moment::from_millis(minute * MINUTE);
    event.client_time = event.time;
    event.computer = records.names.name(machine);
    (event.hresult, event.flags, event.is_bound) = (Some(0), flags, Some(flags == 0));
    event.count = Some(4);
    records.events.push(event);
}

fn at_host(records: &mut Records, name: &str, cmid: u8, minute: i64, code: u32) {
    let mut event = Event::new(HOST_PROCESSED, Place::default());
    event.time = Moment::from_millis(minute * MINUTE);
    event.client_time = event.time;
    event.name = records.names.name(name);
    event.cmid = id(records, cmid);
    event.hresult = Some(code);
    records.events.push(event);
}

fn codes(records: &mut Records) -> Vec<(&'static str, Severity)> {
    let timeline = Timeline::of(records);
    of(records, &timeline).iter().map(|finding| (finding.row.code, finding.severity)).collect()
}

#[test]
fn codes_of_the_table_are_unique_and_have_sentences() {
    let mut known = std::collections::BTreeSet::new();
    for row in table::ROWS {
        assert!(known.insert(row.code), "{} twice", row.code);
        assert!(!row.cause.ends_with('.') && !row.remedy.ends_with('.'), "{}", row.code);
    }
}

#[test]
fn a_request_with_its_answer_is_healthy() {
    let mut records = records();
    sent(&mut records, "pc1", 1, 10, 0);
    processed(&mut records, "pc1", 10, 0);
    assert_eq!(codes(&mut records), []);
}

#[test]
fn every_documented_code_has_its_finding() {
    for (code, finding) in [
        (0x8007_06BA, "client.host_unreachable"),
        (0xC004_F074, "client.host_unreachable"),
        (0x8007_232B, "client.dns_failed"),
        (0xC004_F06C, "client.skew"),
        (0xC004_F042, "client.product_not_covered"),
        (0xC004_F041, "client.host_not_activated"),
        (0xC004_F050, "client.wrong_key"),
        (0x8007_0001, "client.refused"),
    ] {
        let mut records = records();
        sent(&mut records, "pc1", 1, 10, code);
        assert_eq!(codes(&mut records), [(finding, Severity::Critical)], "{code:08X}");
    }
}

#[test]
fn events_that_say_all_by_their_id_are_information_and_1003_says_nothing() {
    let mut records = records();
    for id in [1003, 1058, 12308] {
        let mut event = Event::new(id, Place::default());
        event.computer = records.names.name("pc1");
        event.hresult = (id == 1058).then_some(0xC004_F057);
        records.events.push(event);
    }
    assert_eq!(
        codes(&mut records),
        [
            ("client.activated_by_directory", Severity::Info),
            ("client.firmware_key", Severity::Info)
        ]
    );
}

#[test]
fn without_an_answer_the_hosts_log_decides() {
    let mut alone = records();
    sent(&mut alone, "pc1", 1, 10, 0);
    assert_eq!(codes(&mut alone), [("client.no_answer", Severity::Critical)]);

    let mut lost = records();
    sent(&mut lost, "pc1", 1, 10, 0);
    at_host(&mut lost, "pc1", 1, 10, 0);
    let found = codes(&mut lost);
    // The host accepted it: the client's count is up to date, but it does not know.
    assert_eq!(found.first().unwrap().0, "client.reply_lost");

    let mut never = records();
    at_host(&mut never, "pc2", 2, 0, 0);
    sent(&mut never, "pc1", 1, 10, 0);
    at_host(&mut never, "pc2", 2, 20, 0);
    assert_eq!(codes(&mut never), [("client.never_arrived", Severity::Critical)]);
}

#[test]
fn what_a_later_success_ended_is_information_only() {
    let mut records = records();
    sent(&mut records, "pc1", 1, 10, 0xC004_F06C);
    sent(&mut records, "pc1", 1, 200, 0);
    processed(&mut records, "pc1", 200, 0);
    assert_eq!(codes(&mut records), [("client.skew", Severity::Info)]);
}

#[test]
fn a_count_that_is_too_low_is_said_by_the_flag() {
    let mut records = records();
    sent(&mut records, "pc1", 1, 10, 0);
    processed(&mut records, "pc1", 10, 0x0400_0008);
    assert_eq!(codes(&mut records), [("client.count_low", Severity::Critical)]);
}

#[test]
fn identities_that_are_shared_or_change_are_found() {
    let mut records = records();
    at_host(&mut records, "pc1", 1, 10, 0);
    at_host(&mut records, "PC1.corp.test", 1, 11, 0);
    assert_eq!(codes(&mut records), []);
    // A name that does not come back may be a new name of the same machine.
    at_host(&mut records, "pc2", 1, 12, 0);
    assert_eq!(codes(&mut records), [("identity.name_changes", Severity::Info)]);
    at_host(&mut records, "pc1", 1, 12, 0);
    assert_eq!(codes(&mut records), [("identity.duplicate_cmid", Severity::Warning)]);
    at_host(&mut records, "pc9", 7, 13, 0);
    at_host(&mut records, "pc9", 8, 14, 0);
    let found = codes(&mut records);
    assert!(found.contains(&("identity.cmid_changes", Severity::Warning)), "{found:?}");
}

#[test]
fn a_machine_with_a_new_id_neither_stopped_asking_nor_fails_any_longer() {
    let day = 24 * 60;
    let mut records = records();
    at_host(&mut records, "pc1", 1, 0, 0xC004_F06C);
    at_host(&mut records, "pc1", 2, 20 * day, 0);
    let found = codes(&mut records);
    assert!(found.contains(&("client.skew", Severity::Info)), "{found:?}");
    assert!(found.iter().all(|(code, _)| *code != "client.stopped_asking"), "{found:?}");
}

#[test]
fn a_client_that_stopped_asking_is_found_by_the_end_of_the_log() {
    let day = 24 * 60;
    let mut records = records();
    at_host(&mut records, "pc1", 1, 0, 0);
    at_host(&mut records, "pc2", 2, 14 * day, 0);
    assert_eq!(codes(&mut records), []);
    at_host(&mut records, "pc2", 2, 15 * day, 0);
    assert_eq!(codes(&mut records), [("client.stopped_asking", Severity::Warning)]);
}

#[test]
fn a_wrong_channel_and_a_key_of_another_edition_are_found() {
    let mut license = License {
        place: Place::default(),
        tool: Tool::Slmgr,
        language: Some("en"),
        product: "Windows(R), Professional edition".to_owned(),
        channel: Some(Channel::Mak),
        partial_key: None,
        status: Some(1),
        code: None,
        minutes: None,
        cmid: Id::NONE,
        registered_host: Name::NONE,
        found_host: Name::NONE,
        dns_found_none: false,
        activation_interval: None,
        renewal_interval: None,
        host: None,
    };
    let mut records = records();
    records.licenses.push(license.clone());
    assert_eq!(codes(&mut records), [("license.not_kms_channel", Severity::Warning)]);
    license.channel = Some(Channel::KmsClient);
    // The last five characters of the key for Enterprise.
    license.partial_key = Some("2YT43".to_owned());
    records.licenses = vec![license];
    assert_eq!(codes(&mut records), [("license.gvlk_of_another_edition", Severity::Warning)]);
}
