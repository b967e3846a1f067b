//! The NTLM challenge: what a real server sent, and everything that could be wrong with one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;

use std::path::Path;

use golden::{names, vector};
use kms_protocol::filetime::FileTime;
use kms_protocol::rpc::ntlm::{AvId, Challenge, NEGOTIATE, OsVersion};
use kms_protocol::wire::{Expected, Malformed};

const FLAGS: usize = 20;
const INFO_LEN: usize = 40;
const INFO_OFFSET: usize = 44;
const PAIRS: usize = 70;

fn samba() -> Vec<u8> {
    vector("ntlm_challenge_samba")
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut message = samba();
    message[at..at + bytes.len()].copy_from_slice(bytes);
    message
}

fn name(challenge: &Challenge<'_>, id: AvId) -> Option<String> {
    challenge.name(id).map(Iterator::collect)
}

#[test]
fn a_real_challenge_gives_names_version_and_time() {
    let bytes = samba();
    let challenge = Challenge::decode(&bytes).unwrap();
    assert_eq!(challenge.timestamp(), Some(FileTime::from_ticks(134_399_906_150_556_260)));
    assert_eq!(challenge.timestamp().unwrap().to_string(), "2026-11-24 10:43:35");
    assert_eq!(challenge.version, Some(OsVersion { major: 6, minor: 1, build: 0 }));
    assert_eq!(name(&challenge, AvId::NETBIOS_COMPUTER).as_deref(), Some("KMSHOST"));
    assert_eq!(name(&challenge, AvId::NETBIOS_DOMAIN).as_deref(), Some("KMSHOST"));
    assert_eq!(name(&challenge, AvId::DNS_COMPUTER).as_deref(), Some("kms"));
    assert_eq!(name(&challenge, AvId::DNS_DOMAIN), None, "empty, so not given");
    assert_eq!(challenge.pairs().count(), 5);
}

#[test]
fn the_message_that_asks_carries_no_name() {
    assert_eq!(&NEGOTIATE[..8], b"NTLMSSP\0");
    assert_eq!(NEGOTIATE[8..12], [1, 0, 0, 0]);
    assert_eq!(NEGOTIATE[16..32], [0; 16], "neither a domain nor a workstation");
}

#[test]
fn a_challenge_cut_anywhere_is_malformed() {
    let bytes = samba();
    for len in 0..bytes.len() {
        assert!(Challenge::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn what_is_no_challenge_is_named() {
    let field = |message: &[u8]| Challenge::decode(message).unwrap_err().0.field;
    assert_eq!(field(&with(0, b"KERBEROS")), "Signature");
    assert_eq!(field(&with(8, &[1])), "MessageType");
    assert_eq!(field(&NEGOTIATE), "MessageType");
    assert_eq!(field(b""), "Signature");
}

#[test]
fn target_information_outside_the_message_is_refused() {
    for offset in [71, 0xFFFF_FFFFu32] {
        let message = with(INFO_OFFSET, &offset.to_le_bytes());
        let error = Malformed::new(
            INFO_OFFSET,
            "TargetInfoBufferOffset",
            offset.into(),
            Expected::AtMost(PAIRS as u64),
        );
        assert_eq!(Challenge::decode(&message), Err(error));
    }
    assert!(Challenge::decode(&with(INFO_LEN, &0xFFFFu16.to_le_bytes())).is_err());
}

#[test]
fn attributes_that_run_past_their_list_are_refused() {
    let too_long = with(PAIRS + 2, &0xFFFFu16.to_le_bytes());
    assert_eq!(Challenge::decode(&too_long).unwrap_err().0.field, "AvPair value");
    let without_end = with(INFO_LEN, &62u16.to_le_bytes());
    assert_eq!(Challenge::decode(&without_end).unwrap_err().0.field, "AvId");
}

#[test]
fn a_time_is_eight_bytes_and_a_name_is_whole_characters() {
    // The first attribute of 14 bytes becomes a time; then a name of 13 bytes.
    let no_time = with(PAIRS, &7u16.to_le_bytes());
    let error = Malformed::new(PAIRS + 2, "AvLen", 14, Expected::Exactly(8));
    assert_eq!(Challenge::decode(&no_time), Err(error));
    let half = with(PAIRS + 2, &13u16.to_le_bytes());
    assert_eq!(Challenge::decode(&half).unwrap_err().0.expected, Expected::MultipleOf(2));
}

#[test]
fn a_challenge_without_target_information_has_no_time() {
    let mut message = with(FLAGS, &0x0000_8215u32.to_le_bytes());
    message.truncate(32);
    let challenge = Challenge::decode(&message).unwrap();
    assert_eq!(challenge.timestamp(), None);
    assert_eq!(challenge.version, None);
    assert_eq!(challenge.pairs().count(), 0);
}

#[test]
fn unknown_attributes_survive_and_bytes_behind_the_list_do_not_matter() {
    let unknown = with(PAIRS, &0x7777u16.to_le_bytes());
    let challenge = Challenge::decode(&unknown).unwrap();
    assert_eq!(challenge.pairs().next().unwrap().id, AvId(0x7777));
    let mut longer = samba();
    longer.extend_from_slice(b"more");
    assert_eq!(Challenge::decode(&longer), Challenge::decode(&samba()));
}

#[test]
fn every_golden_challenge_is_a_seed_of_the_decoder() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/decode");
    let names = names("ntlm_");
    assert!(!names.is_empty());
    for name in names {
        assert_eq!(std::fs::read(corpus.join(&name)).ok(), Some(vector(&name)), "{name}");
    }
}
