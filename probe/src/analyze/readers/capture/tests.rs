#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::super::super::record::{End, Reached};
use super::super::super::records::Records;
use super::*;

/// A capture of raw IP packets, as a classic pcap file.
fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend(101u32.to_le_bytes());
    for (second, packet) in (1_700_000_000u32..).zip(packets) {
        file.extend(second.to_le_bytes());
        file.extend(0u32.to_le_bytes());
        let length = u32::try_from(packet.len()).unwrap().to_le_bytes();
        file.extend(length);
        file.extend(length);
        file.extend(packet);
    }
    file
}

struct Flags(bool, bool, bool, bool);
const SYN: Flags = Flags(true, false, false, false);
const SYN_ACK: Flags = Flags(true, true, false, false);
const RST: Flags = Flags(false, true, true, false);
const DATA: Flags = Flags(false, true, false, false);
const FIN: Flags = Flags(false, true, false, true);

fn tcp(from_client: bool, sequence: u32, flags: &Flags, payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let (source, target, ports) = if from_client {
        (client, server, (50_000, 1688))
    } else {
        (server, client, (1688, 50_000))
    };
    let mut builder =
        etherparse::PacketBuilder::ipv4(source, target, 64).tcp(ports.0, ports.1, sequence, 1000);
    let Flags(syn, ack, rst, fin) = *flags;
    if syn {
        builder = builder.syn();
    }
    if ack {
        builder = builder.ack(1);
    }
    if rst {
        builder = builder.rst();
    }
    if fin {
        builder = builder.fin();
    }
    let mut packet = Vec::new();
    builder.write(&mut packet, payload).unwrap();
    packet
}

fn records(bytes: &[u8]) -> Records {
    let mut records = Records::default();
    read(bytes, &Options::default(), &mut records.begin("x".to_owned()));
    records
}

#[test]
fn a_syn_that_nobody_answers_is_counted_and_one_that_is_reset_is_refused() {
    let silent = records(&pcap(&[tcp(true, 5, &SYN, b""), tcp(true, 5, &SYN, b"")]));
    let [one] = silent.conversations.as_slice() else { panic!("{:?}", silent.conversations) };
    assert_eq!((one.syns, one.reached, one.end), (2, Reached::Nothing, End::Open));
    let refused = records(&pcap(&[tcp(true, 5, &SYN, b""), tcp(false, 0, &RST, b"")]));
    let one = refused.conversations.first().unwrap();
    assert_eq!((one.reached, one.end), (Reached::Nothing, End::ServerReset));
}

#[test]
fn bytes_out_of_order_and_sent_twice_are_put_together() {
    let mut bind = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    bind.extend([0xD0, 0x16, 0xD0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    bind.extend([0; 40]);
    let (first, rest) = bind.split_at(20);
    let records = records(&pcap(&[
        tcp(true, 99, &SYN, b""),
        tcp(false, 7, &SYN_ACK, b""),
        tcp(true, 120, &DATA, rest),
        tcp(true, 100, &DATA, first),
        tcp(true, 100, &DATA, first),
        tcp(false, 8, &FIN, b""),
    ]));
    let one = records.conversations.first().unwrap();
    assert_eq!((one.reached, one.end), (Reached::BindSent, End::ServerFin));
}

#[test]
fn a_file_that_is_cut_and_lengths_that_lie_are_bounded() {
    let whole = pcap(&[tcp(true, 5, &SYN, b""), tcp(true, 5, &SYN, b"")]);
    for length in 24..whole.len() {
        let cut = records(whole.get(..length).unwrap());
        assert!(cut.conversations.len() <= 1);
    }
    let mut lie = pcap(&[tcp(true, 5, &SYN, b"")]);
    lie.splice(32..36, 0x7FFF_FFFFu32.to_le_bytes());
    assert!(records(&lie).files.first().unwrap().problem.is_some());
}
