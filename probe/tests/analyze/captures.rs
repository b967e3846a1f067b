//! One run on a network interface that some packets did not pass, as dumpcap wrote it, and the same in
//! every link type and form of file.
//!
//! Checks of a host on 127.0.0.1 and ::1 found by DNS, of ports that are closed (127.0.0.7), dropped
//! (127.0.0.8) and rejected by a firewall (127.0.0.9, and port 1689 of ::1).

use serde_json::Value;

use crate::harness::{Folder, json};

/// Nanoseconds, Ethernet.
const LOOPBACK: &[u8] = include_bytes!("captures/loopback.pcap");
/// pcapng, `LINUX_SLL2`.
const ANY: &[u8] = include_bytes!("captures/any.pcapng");

const HEADER: usize = 24;
const ETHERNET: usize = 14;

/// A packet: seconds, nanoseconds, and its bytes from the Ethernet header on.
struct Packet {
    seconds: u32,
    nanos: u32,
    bytes: Vec<u8>,
}

fn packets() -> Vec<Packet> {
    let mut rest = &LOOPBACK[HEADER..];
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let length = number(8) as usize;
        let (seconds, nanos) = (number(0), number(4));
        packets.push(Packet { seconds, nanos, bytes: rest[16..16 + length].to_vec() });
        rest = &rest[16 + length..];
    }
    packets
}

/// What is found, apart from names of files.
fn found(content: &[u8]) -> (Vec<Value>, Vec<String>, Value) {
    let folder = Folder::new();
    let report = json(&[&folder.file("x", content)], &["--kms-port", "1689"]);
    let findings = report["findings"].as_array().unwrap().iter();
    let codes =
        findings.map(|one| format!("{} {}", one["code"], one["cases"].as_array().unwrap().len()));
    let mut conversations = report["conversations"].as_array().unwrap().clone();
    for one in &mut conversations {
        let one = one.as_object_mut().unwrap();
        // The clocks of two captures differ, and a packet may have another number.
        one.remove("time");
        one.remove("evidence");
    }
    (conversations, codes.collect(), report["files"][0]["skipped"].clone())
}

type Number = fn(u32) -> [u8; 4];

fn pcap(
    magic: u32,
    number: Number,
    units: u32,
    link: u32,
    wrap: impl Fn(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let half =
        |value: u16| if number(1)[0] == 1 { value.to_le_bytes() } else { value.to_be_bytes() };
    let mut file = number(magic).to_vec();
    file.extend([half(2), half(4)].concat());
    file.extend([number(0), number(0), number(262_144), number(link)].concat());
    for packet in packets() {
        let bytes = wrap(&packet.bytes);
        let length = number(u32::try_from(bytes.len()).unwrap());
        file.extend(
            [number(packet.seconds), number(packet.nanos / units), length, length].concat(),
        );
        file.extend(bytes);
    }
    file
}

fn pcapng(number: Number, link: u16) -> Vec<u8> {
    let is_little = number(1)[0] == 1;
    let half = |value: u16| if is_little { value.to_le_bytes() } else { value.to_be_bytes() };
    let block = |kind: u32, mut body: Vec<u8>| {
        body.resize(body.len().next_multiple_of(4), 0);
        let length = number(u32::try_from(body.len() + 12).unwrap());
        [number(kind).as_slice(), &length, &body, &length].concat()
    };
    let section = [&number(0x1A2B_3C4D)[..], &half(1), &half(0), &[0xFF; 8]].concat();
    // Option 9, resolution: ten to the minus ninth.
    let resolution = [&half(9)[..], &half(1), &[9, 0, 0, 0], &half(0), &half(0)].concat();
    let interface = [&half(link)[..], &half(0), &number(0), &resolution].concat();
    let mut file = [block(0x0A0D_0D0A, section), block(1, interface)].concat();
    for packet in packets() {
        let ticks = u64::from(packet.seconds) * 1_000_000_000 + u64::from(packet.nanos);
        let (high, low) = ((ticks >> 32) as u32, (ticks & 0xFFFF_FFFF) as u32);
        let length = number(u32::try_from(packet.bytes.len()).unwrap());
        let head = [number(0), number(high), number(low), length, length].concat();
        file.extend(block(6, [head, packet.bytes].concat()));
    }
    file
}

fn ip(frame: &[u8]) -> &[u8] {
    &frame[ETHERNET..]
}

fn ether_type(frame: &[u8]) -> [u8; 2] {
    [frame[12], frame[13]]
}

#[test]
fn every_ending_and_answer_of_a_real_run_is_found() {
    let (conversations, codes, skipped) = found(LOOPBACK);
    assert_eq!(skipped, 0);
    assert_eq!(
        codes,
        [
            "\"client.count_low\" 1",
            "\"network.syn_unanswered\" 1",
            "\"network.refused\" 1",
            "\"network.icmp\" 2",
            "\"host.count_too_low\" 1"
        ]
    );
    assert_eq!(conversations.len(), 8);
    let versions = |at: usize| conversations[at]["versions"].to_string();
    assert!(versions(2).contains("4.0") && versions(3).contains("6.0"), "{conversations:#?}");
}

#[test]
fn a_capture_on_all_interfaces_tells_the_same() {
    assert_eq!(found(ANY), found(LOOPBACK));
}

#[test]
fn every_form_of_file_tells_the_same() {
    let expected = found(LOOPBACK);
    let same = |frame: &[u8]| frame.to_vec();
    for (name, file) in [
        ("little, microseconds", pcap(0xA1B2_C3D4, u32::to_le_bytes, 1000, 1, same)),
        ("big, microseconds", pcap(0xA1B2_C3D4, u32::to_be_bytes, 1000, 1, same)),
        ("big, nanoseconds", pcap(0xA1B2_3C4D, u32::to_be_bytes, 1, 1, same)),
        ("pcapng, little", pcapng(u32::to_le_bytes, 1)),
        ("pcapng, big", pcapng(u32::to_be_bytes, 1)),
    ] {
        assert_eq!(found(&file), expected, "{name}");
    }
}

#[test]
fn every_link_type_tells_the_same() {
    let expected = found(LOOPBACK);
    let vlan =
        |frame: &[u8]| [&frame[..12], &[0x81, 0, 0, 7], &ether_type(frame), ip(frame)].concat();
    let two_vlans = |frame: &[u8]| {
        [&frame[..12], &[0x88, 0xA8, 0, 9, 0x81, 0, 0, 7], &ether_type(frame), ip(frame)].concat()
    };
    let cooked = |frame: &[u8]| [&[0; 14], &ether_type(frame)[..], ip(frame)].concat();
    let cooked_2 = |frame: &[u8]| [&ether_type(frame)[..], &[0; 18], ip(frame)].concat();
    let raw = |frame: &[u8]| ip(frame).to_vec();
    let family = |frame: &[u8]| if ether_type(frame) == [8, 0] { 2_u32 } else { 30 };
    let null = |frame: &[u8]| [&family(frame).to_le_bytes()[..], ip(frame)].concat();
    let open_bsd = |frame: &[u8]| [&family(frame).to_be_bytes()[..], ip(frame)].concat();
    let pcap = |link, wrap: &dyn Fn(&[u8]) -> Vec<u8>| {
        pcap(0xA1B2_C3D4, u32::to_le_bytes, 1000, link, wrap)
    };
    for (name, file) in [
        ("VLAN", pcap(1, &vlan)),
        ("two VLANs", pcap(1, &two_vlans)),
        ("LINUX_SLL", pcap(113, &cooked)),
        ("LINUX_SLL2", pcap(276, &cooked_2)),
        ("RAW", pcap(101, &raw)),
        ("RAW of OpenBSD", pcap(14, &raw)),
        ("NULL", pcap(0, &null)),
        ("LOOP", pcap(108, &open_bsd)),
    ] {
        assert_eq!(found(&file), expected, "{name}");
    }
}

#[test]
fn an_unknown_link_type_is_said_and_nothing_is_guessed() {
    let folder = Folder::new();
    let file = pcap(0xA1B2_C3D4, u32::to_le_bytes, 1000, 105, |frame| frame.to_vec());
    let report = json(&[&folder.file("wifi", file)], &[]);
    assert_eq!(report["files"][0]["used"], 0);
    assert!(report["files"][0]["notes"].to_string().contains("link type 105"), "{report}");
}
