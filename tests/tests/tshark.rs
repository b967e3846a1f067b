//! Wireshark's dissector reads what goes over the wire: every byte is DCERPC, nothing is
//! malformed, and interface, contexts, results, operations and statuses are named as they were
//! meant.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use kms_probe::check::{self, Options};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use kms_protocol::rpc::{BindTimeFeatures, ContextElement, SyntaxId};
use kms_tests::harness::capture::Capture;
use kms_tests::harness::machine_client::MachineClient;
use kms_tests::harness::pdu::{FIRST, LAST, bind, kms32, request};
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{
    INVALID_DATA, Ndr, assert_accepted32, assert_accepted64, assert_refused32, filler32, v4,
};
use kms_tests::skip::{self, Need};

const NEEDS: &[Need] = &[Need::Tool("tshark"), Need::Root];

#[test]
fn a_check_is_dissected_as_it_was_meant() {
    if !skip::require("a_check_is_dissected_as_it_was_meant", NEEDS) {
        return;
    }
    let server = LabServer::start();
    let capture = Capture::of(server.address());
    let asked = Asked::parse(&server.address().to_string(), false).unwrap();
    let options = Options { depth: Stage::Kms, ..Options::default() };
    let report = check::run(&[asked], &options).unwrap();
    assert_eq!(report.entries[0].stages.last().unwrap().verdict, "kms.count_low");

    let seen = capture.finish(8);
    let types = seen.values("dcerpc.pkt_type");
    assert_eq!(types, [BIND, BIND_ACK, REQUEST, FAULT, ALTER, ALTER_RESP, REQUEST, RESPONSE]);
    assert_eq!(seen.values("dcerpc.cn_bind_to_uuid"), [KMS; 4]);
    let offered = seen.values("dcerpc.cn_bind_trans_id");
    assert_eq!(offered.first(), Some(&NDR32));
    assert_eq!(offered.get(1), Some(&NDR64));
    assert_eq!(offered.last(), Some(&NDR32));
    // Asked for, and granted.
    assert_eq!(seen.values("dcerpc.cn_bind_trans_btfn"), ["0x0003", "0x0003"]);
    let port = server.address().port().to_string();
    assert_eq!(seen.values("dcerpc.cn_sec_addr"), [port.as_str()]);
    assert_eq!(seen.values("dcerpc.cn_ack_result"), ["2", "0", "3", "0"]);
    assert_eq!(seen.values("dcerpc.cn_ack_reason"), ["2"]);
    assert_eq!(seen.values("dcerpc.cn_ack_trans_id"), [NIL, NDR64, NIL, NDR32]);
    assert_eq!(seen.values("dcerpc.opnum"), ["65535", "65535", "0", "0"]);
    assert_eq!(seen.values("dcerpc.cn_status"), [OP_RNG_ERROR]);
}

#[test]
fn an_alter_context_run_is_dissected_as_it_was_meant() {
    if !skip::require("an_alter_context_run_is_dissected_as_it_was_meant", NEEDS) {
        return;
    }
    let server = LabServer::start();
    let capture = Capture::of(server.address());
    let mut client = MachineClient::connect(server.address());
    let features = [SyntaxId::bind_time_features(BindTimeFeatures(3))];
    let offer = [
        ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32]),
        ContextElement::new(1, SyntaxId::KMS, &[SyntaxId::NDR64]),
        ContextElement::new(2, SyntaxId::KMS, &features),
    ];
    assert_eq!(client.bind(&offer), [(2, 2), (0, 0), (3, 3)]);
    assert_eq!(client.alter(&offer[..1]), [(0, 0)]);
    assert_accepted32(&client.call(0, 0, &v4(Ndr::Ndr32)).unwrap());
    assert_accepted64(&client.call(1, 0, &v4(Ndr::Ndr64)).unwrap());
    assert_eq!(client.call(1, 7, b""), Err(0x1C01_0002));
    drop(client);

    let seen = capture.finish(10);
    let types = seen.values("dcerpc.pkt_type");
    let calls = [REQUEST, RESPONSE, REQUEST, RESPONSE, REQUEST, FAULT];
    assert_eq!(types[..4], [BIND, BIND_ACK, ALTER, ALTER_RESP]);
    assert_eq!(types[4..], calls);
    assert_eq!(seen.values("dcerpc.cn_bind_to_uuid"), [KMS; 4]);
    assert_eq!(seen.values("dcerpc.cn_ack_result"), ["2", "0", "3", "0"]);
    assert_eq!(seen.values("dcerpc.cn_ack_trans_id"), [NIL, NDR64, NIL, NDR32]);
    // Contexts of the bind, of the alter_context, and of calls with their answers.
    let contexts = seen.values("dcerpc.cn_ctx_id");
    assert_eq!(contexts, ["0", "1", "2", "0", "0", "0", "1", "1", "1", "1"]);
    assert_eq!(seen.values("dcerpc.opnum"), ["0", "0", "0", "0", "7", "7"]);
    assert_eq!(seen.values("dcerpc.cn_status"), [OP_RNG_ERROR]);
}

#[test]
fn a_fragmented_run_is_dissected_as_it_was_meant() {
    if !skip::require("a_fragmented_run_is_dissected_as_it_was_meant", NEEDS) {
        return;
    }
    let server = LabServer::start();
    let capture = Capture::of(server.address());
    let mut machine = MachineClient::connect(server.address());
    let offer = [ContextElement::new(0, SyntaxId::KMS, &[SyntaxId::NDR32])];
    assert_eq!(machine.bind(&offer), [(0, 0)]);
    // Four fragments: at most 5840 bytes each, with stubs in steps of 16.
    assert_refused32(&machine.call(0, 0, &filler32(20_000)).unwrap(), INVALID_DATA);
    drop(machine);
    // And one that the host accepts, in fragments smaller than anybody would choose.
    let mut client = server.connect();
    let _ack = client.ask(&bind(1, &[kms32(0)])).bind_ack(1, 3);
    let stub = v4(Ndr::Ndr32);
    client.send(&request(2, 0, &stub[..64]).flags(FIRST));
    client.send(&request(2, 0, &stub[64..128]).flags(0));
    let reply = client.ask(&request(2, 0, &stub[128..]).flags(LAST));
    assert_accepted32(reply.response(2, 0));
    // Refused as a PDU, with a bind_nak.
    client.send(&bind(3, &[kms32(0)]));
    client.expect_nak_and_eof(3, 0);

    let seen = capture.finish(2 + 4 + 1 + 2 + 3 + 1 + 2);
    let types = seen.values("dcerpc.pkt_type");
    let first = [BIND, BIND_ACK, REQUEST, REQUEST, REQUEST, REQUEST, RESPONSE];
    assert_eq!(types[..7], first);
    let second = [BIND, BIND_ACK, REQUEST, REQUEST, REQUEST, RESPONSE, BIND, BIND_NAK];
    assert_eq!(types[7..], second);
    let flags = seen.values("dcerpc.cn_flags");
    assert_eq!(flags[2..7], ["0x01", "0x00", "0x00", "0x02", "0x03"]);
    assert_eq!(flags[9..13], ["0x01", "0x00", "0x02", "0x03"]);
    let lengths = seen.values("dcerpc.cn_frag_len");
    assert_eq!(lengths[2..7], ["5832", "5832", "5832", "2600", "36"]);
    assert_eq!(seen.values("dcerpc.cn_reject_reason"), ["0"]);
}

#[test]
fn a_pdu_that_is_malformed_does_not_escape_the_dissector() {
    if !skip::require("a_pdu_that_is_malformed_does_not_escape_the_dissector", NEEDS) {
        return;
    }
    let server = LabServer::start();
    let capture = Capture::of(server.address());
    let mut client = server.connect();
    // One context is announced, and the PDU ends in the middle of it.
    client.send(&bind(1, &[kms32(0)[..30].to_vec()]));
    client.expect_nak_and_eof(1, 4);
    let (seen, malformed) = capture.stop(2);
    assert_eq!(seen.values("dcerpc.pkt_type"), [BIND, BIND_NAK]);
    assert_eq!(malformed, 1);
}

const REQUEST: &str = "0";
const RESPONSE: &str = "2";
const FAULT: &str = "3";
const BIND: &str = "11";
const BIND_ACK: &str = "12";
const BIND_NAK: &str = "13";
const ALTER: &str = "14";
const ALTER_RESP: &str = "15";

const KMS: &str = "51c82175-844e-4750-b0d8-ec255555bc06";
const NDR32: &str = "8a885d04-1ceb-11c9-9fe8-08002b104860";
const NDR64: &str = "71710533-beba-4937-8319-b5dbef9ccc36";
const NIL: &str = "00000000-0000-0000-0000-000000000000";
const OP_RNG_ERROR: &str = "0x1c010002";
