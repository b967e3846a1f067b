//! Cases 13 to 19: presentation contexts.

use kms_tests::harness::client::RawClient;
use kms_tests::harness::pdu::{
    EPMAPPER, F23, KMS, NDR32, NDR64, WHOLE, ZERO, alter, bind, element, features, kms32, request,
};
use kms_tests::harness::reply::{NO_SYNTAX, UNKNOWN_INTERFACE, accepted, granted, status};
use kms_tests::harness::server::LabServer;

#[test]
fn case_13_presentation_ctx_valid1() {
    let server = LabServer::start();
    let mut client = server.connect();
    let offer = [element(1, KMS, &[ZERO, NDR32])];
    let ack = client.ask(&bind(0, &offer)).bind_ack(0, WHOLE);
    assert_eq!(ack.results, [accepted(NDR32)]);
    let ack = client.ask(&alter(1, &offer)).alter_resp(1, WHOLE);
    assert_eq!(ack.results, [accepted(NDR32)]);
    let reply = client.ask(&request(2, 1, b"").opnum(0xFFFF));
    reply.fault(F23, 2, 1, status::OP_RNG_ERROR);
    client.call32(3, 1);
}

#[test]
fn case_14_presentation_ctx_invalid1() {
    let server = LabServer::start();
    let mut client = server.connect();
    let offer = [element(1, NDR32, &[NDR32])];
    let ack = client.ask(&bind(0, &offer)).bind_ack(0, WHOLE);
    assert_eq!(ack.results, [UNKNOWN_INTERFACE]);
    let ack = client.ask(&alter(1, &offer)).alter_resp(1, WHOLE);
    assert_eq!(ack.results, [UNKNOWN_INTERFACE]);
    client.ask(&request(2, 12345, b"")).fault(F23, 2, 0, status::UNK_IF);
    let ack = client.ask(&alter(3, &offer)).alter_resp(3, WHOLE);
    assert_eq!(ack.results, [UNKNOWN_INTERFACE]);
    let ack = client.ask(&alter(4, &[kms32(7)])).alter_resp(4, WHOLE);
    assert_eq!(ack.results, [accepted(NDR32)]);
    client.call32(5, 7);
}

#[test]
fn case_15_presentation_ctx_invalid2() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.send(&bind(0, &[element(1, KMS, &[])]));
    client.expect_nak_and_eof(0, 0);
}

#[test]
fn case_16_presentation_ctx_invalid3() {
    let server = LabServer::start();
    let mut client = bound_in_many_ways(&server);
    client.send(&alter(1, &[element(1, KMS, &[])]));
    client.expect_pdu_refused(1);
}

#[test]
fn case_17_presentation_ctx_invalid4() {
    let server = LabServer::start();
    let mut client = bound_in_many_ways(&server);
    client.send(&alter(1, &[element(1, KMS, &[ZERO, EPMAPPER, NDR64])]));
    client.expect_pdu_refused(1);
}

#[test]
fn case_18_presentation_ctx_valid2() {
    let server = LabServer::start();
    let mut client = bound_in_many_ways(&server);
    let reply = client.ask(&alter(1, &[element(1, KMS, &[ZERO, EPMAPPER])]));
    assert_eq!(reply.alter_resp(1, WHOLE).results, [NO_SYNTAX]);
    let reply = client.ask(&request(2, 1, b"").opnum(0xFFFF));
    reply.fault(F23, 2, 1, status::OP_RNG_ERROR);
    client.call32(3, 1);
}

#[test]
fn case_19_presentation_ctx_no_ndr64() {
    let server = LabServer::start();
    let mut client = server.connect();
    let ack = client.ask(&bind(0, &[element(54321, ZERO, &[ZERO])])).bind_ack(0, WHOLE);
    assert_eq!(ack.results, [UNKNOWN_INTERFACE]);
    let (c3, c4, c5) = (kms32(3), kms32(4), kms32(5));
    let steps: [Step; 8] = [
        (0, vec![kms32(0)], &[0]),
        (1, vec![element(1, KMS, &[ZERO, NDR32])], &[0, 1]),
        (2, vec![element(2, KMS, &[NDR32, NDR32])], &[0, 1, 2]),
        (34, vec![c3.clone(), c4.clone()], &[3]),
        (43, vec![c4.clone(), c3], &[4, 3]),
        (44, vec![c4.clone(), c4], &[4, 3]),
        (55, vec![c5.clone(), c5.clone()], &[5]),
        (55, vec![c5.clone(), c5], &[0, 1, 2, 3, 4, 5]),
    ];
    for (call_id, offer, usable) in steps {
        let ack = client.ask(&alter(call_id, &offer)).alter_resp(call_id, WHOLE);
        let first_alone = [accepted(NDR32), NO_SYNTAX];
        assert_eq!(ack.results, first_alone[..offer.len()], "alter_context {call_id}");
        for &context_id in usable {
            client.call32(1, context_id);
        }
    }
}

#[test]
fn the_context_that_was_passed_over_is_not_usable() {
    let server = LabServer::start();
    let mut client = server.connect();
    let ack = client.ask(&bind(0, &[kms32(3), kms32(4)])).bind_ack(0, WHOLE);
    assert_eq!(ack.results, [accepted(NDR32), NO_SYNTAX]);
    client.ask(&request(1, 4, b"")).fault(F23, 1, 0, status::UNK_IF);
    client.call32(2, 3);
}

#[test]
fn ndr64_is_preferred_and_ndr32_can_still_be_had_by_alter_context() {
    let server = LabServer::start();
    let mut client = server.connect();
    let offer = [kms32(0), element(1, KMS, &[NDR64]), element(2, KMS, &[features(3)])];
    let ack = client.ask(&bind(2, &offer)).bind_ack(2, WHOLE);
    assert_eq!(ack.results, [NO_SYNTAX, accepted(NDR64), granted(3)]);
    let ack = client.ask(&alter(3, &[kms32(0)])).alter_resp(3, WHOLE);
    assert_eq!(ack.results, [accepted(NDR32)]);
    client.call(4, 0, NDR32);
    client.call(5, 1, NDR64);
    client.ask(&request(6, 2, b"")).fault(F23, 6, 0, status::UNK_IF);
}

/// Call id of an alter_context, its elements, and contexts that are usable after it.
type Step = (u32, Vec<Vec<u8>>, &'static [u16]);

/// Context 1 speaks NDR32, though the offer named other and repeated syntaxes.
fn bound_in_many_ways(server: &LabServer) -> RawClient {
    let mut client = server.connect();
    let reply = client.ask(&bind(0, &[element(1, KMS, &[ZERO, NDR32, NDR32, NDR32])]));
    assert_eq!(reply.bind_ack(0, WHOLE).results, [accepted(NDR32)]);
    client
}
