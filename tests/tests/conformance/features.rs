//! Cases 20 to 24: bind-time feature negotiation, [MS-RPCE] 3.3.1.5.3.

use kms_tests::harness::pdu::{
    EPMAPPER, F23, NDR64, Syntax, WHOLE, ZERO, alter, bind, element, features, kms32, request,
};
use kms_tests::harness::reply::{UNKNOWN_INTERFACE, granted, status};
use kms_tests::harness::server::LabServer;

/// Binds one element and returns its result; the connection is usable afterwards.
#[track_caller]
fn result_of(interface: Syntax, transfer: &[Syntax]) -> (u16, u16, Syntax) {
    let server = LabServer::start();
    let mut client = server.connect();
    let ack = client.ask(&bind(0, &[element(1, interface, transfer)])).bind_ack(0, WHOLE);
    assert_eq!(ack.results.len(), 1);
    client.ask(&request(1, 1, b"")).fault(F23, 1, 0, status::UNK_IF);
    let _altered = client.ask(&alter(2, &[kms32(9)])).alter_resp(2, WHOLE);
    client.call32(3, 9);
    ack.results[0]
}

#[test]
fn case_20_bind_time_none_simple() {
    assert_eq!(result_of(ZERO, &[features(0)]), granted(0));
}

#[test]
fn case_21_bind_time_keep_on_orphan_simple() {
    assert_eq!(result_of(ZERO, &[features(2)]), granted(2));
}

#[test]
fn case_22_bind_time_ignore_additional() {
    for (first, second) in [(0, 3), (2, 1), (1, 2)] {
        let transfer = [features(first), features(second), ZERO];
        assert_eq!(result_of(NDR64, &transfer), granted(u16::from(first)));
    }
}

#[test]
fn case_23_bind_time_only_first() {
    let transfer = [ZERO, features(2), features(1), ZERO];
    assert_eq!(result_of(ZERO, &transfer), UNKNOWN_INTERFACE);
}

#[test]
fn case_24_bind_time_twice() {
    let server = LabServer::start();
    let mut client = server.connect();
    let offer = [element(1, ZERO, &[features(2)]), element(2, ZERO, &[features(1)])];
    client.send(&bind(0, &offer));
    client.expect_nak_and_eof(0, 0);
}

#[test]
fn features_that_do_not_exist_are_not_granted() {
    assert_eq!(result_of(EPMAPPER, &[features(0xFF)]), granted(3));
}

#[test]
fn in_an_alter_context_the_feature_element_is_an_unknown_syntax() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    let ack = client.ask(&alter(1, &[element(2, ZERO, &[features(3)])])).alter_resp(1, WHOLE);
    assert_eq!(ack.results, [UNKNOWN_INTERFACE]);
    client.call32(2, 1);
}
