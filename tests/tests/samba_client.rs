//! Samba's RPC client binds with feature negotiation and calls, in both transfer syntaxes and both
//! byte orders.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use kms_protocol::kms::Version;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::open_response;
use kms_tests::harness::child::{run_ok, script};
use kms_tests::harness::pdu::features;
use kms_tests::harness::relay::Relay;
use kms_tests::harness::reply::Reply;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub;
use kms_tests::skip::{self, Need};
use serde_json::{Value, from_str};

#[test]
fn samba_binds_with_feature_negotiation_and_calls() {
    let test = "samba_binds_with_feature_negotiation_and_calls";
    if !skip::require(test, &[Need::Python("samba")]) {
        return;
    }
    let server = LabServer::start();
    let relay = Relay::to(server.address());
    let folder = tempfile::tempdir().unwrap();
    let request = stub::request(Version::V6);
    let payload_file = folder.path().join("payload");
    fs::write(&payload_file, stub::payload(&request)).unwrap();
    let configuration = folder.path().join("smb.conf");
    fs::write(&configuration, "[global]\nworkgroup = LAB\n").unwrap();

    let mut command = Command::new(skip::python("samba").unwrap());
    command
        .env("SMB_CONF_PATH", &configuration)
        .arg(script("samba_client.py"))
        .arg(relay.address().ip().to_string())
        .arg(relay.address().port().to_string())
        .arg(&payload_file);
    let answers: Value = from_str(&run_ok(&mut command)).unwrap();

    let keys = LabKeys::new(&LabKey::DEFAULT);
    for (way, syntax) in WAYS {
        let talk = &answers["talks"][way];
        assert_eq!(talk["syntax"], syntax, "{way}");
        let payloads = talk["answers"].as_array().unwrap();
        assert_eq!(payloads.len(), 2, "{way}");
        for payload in payloads {
            let sealed = bytes_of(payload.as_str().unwrap());
            let opened = open_response(&keys, &sealed, &request, &stub::REQUEST_IV).unwrap();
            assert_eq!(opened.response.count, 1, "{way}");
        }
        assert_eq!(
            talk["refusals"],
            Value::from(vec![
                "The procedure number is out of range.",
                "The stub received bad data."
            ]),
            "{way}"
        );
    }
    assert_eq!(answers["unknown interface"], "The name syntax is not supported.");
    for talk in relay.talks().iter().take(WAYS.len()) {
        assert_features_were_negotiated(&talk.sent, &talk.received);
    }
}

/// The bind asked for features, and the bind_ack granted some: result 3 with a bit mask.
fn assert_features_were_negotiated(sent: &[u8], received: &[u8]) {
    let wanted = features(0);
    // The first eight bytes are the same in every feature element, little-endian or not.
    let prefix = if sent[4] == 0x10 { wanted[..8].to_vec() } else { BIG_ENDIAN_PREFIX.to_vec() };
    let bind_len = match sent[4] {
        0x10 => u16::from_le_bytes([sent[8], sent[9]]),
        _ => u16::from_be_bytes([sent[8], sent[9]]),
    };
    let bind = &sent[..usize::from(bind_len)];
    assert!(bind.windows(8).any(|window| window == prefix), "no feature element: {bind:02x?}");
    let ack_len = usize::from(u16::from_le_bytes([received[8], received[9]]));
    let reply = Reply(received[..ack_len].to_vec());
    let ack = reply.bind_ack(reply.call_id(), reply.flags());
    let (result, granted, _) = *ack.results.last().unwrap();
    assert_eq!(result, 3, "negotiate_ack");
    assert!(granted & !3 == 0 && granted != 0, "granted: {granted:#x}");
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

const NDR32: &str = "8a885d04-1ceb-11c9-9fe8-08002b104860";
const NDR64: &str = "71710533-beba-4937-8319-b5dbef9ccc36";
const WAYS: [(&str, &str); 4] =
    [("ndr32", NDR32), ("ndr32 big-endian", NDR32), ("ndr64", NDR64), ("ndr64 big-endian", NDR64)];
const BIG_ENDIAN_PREFIX: [u8; 8] = [0x6c, 0xb7, 0x1c, 0x2c, 0x98, 0x12, 0x45, 0x40];
