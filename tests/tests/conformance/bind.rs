//! Cases 1 to 12: flags of bind and alter_context, and binds that are refused.

use kms_tests::harness::pdu::{
    CONC_MPX, DID_NOT_EXECUTE, FIRST, HDR_SIGN, LAST, MAYBE, NDR32, OBJECT_UUID, WHOLE, alter,
    bind, kms32,
};
use kms_tests::harness::reply::accepted;
use kms_tests::harness::server::LabServer;

/// Binds with some flags, checks those of the answer, and calls.
#[track_caller]
fn bind_flags(variants: &[(u8, u8)]) {
    let server = LabServer::start();
    for &(asked, answered) in variants {
        let mut client = server.connect();
        let reply = client.ask(&bind(0, &[kms32(1)]).flags(asked));
        let ack = reply.bind_ack(0, answered);
        assert_eq!((ack.max_xmit, ack.max_recv), (5840, 5840));
        assert_eq!(ack.sec_addr, server.secondary_address());
        assert_eq!(ack.results, [accepted(NDR32)]);
        client.call32(1, 1);
    }
}

/// Binds, alters with some flags, checks those of the answer, and calls.
#[track_caller]
fn alter_flags(variants: &[(u8, u8)]) {
    let server = LabServer::start();
    for &(asked, answered) in variants {
        let mut client = server.connect();
        let bound = client.bind32();
        let reply = client.ask(&alter(0, &[kms32(1)]).flags(asked));
        let ack = reply.alter_resp(0, answered);
        assert_eq!((ack.max_xmit, ack.max_recv), (5840, 5840));
        assert_eq!(ack.group, bound.group);
        assert_eq!(ack.results, [accepted(NDR32)]);
        client.call32(1, 1);
    }
}

#[test]
fn case_01_no_auth_request() {
    let server = LabServer::start();
    let mut client = server.connect();
    let ack = client.ask(&bind(0, &[kms32(1)])).bind_ack(0, WHOLE);
    assert_eq!((ack.max_xmit, ack.max_recv), (5840, 5840));
    assert_eq!(ack.sec_addr, server.secondary_address());
    assert_eq!(ack.results, [accepted(NDR32)]);
    assert_eq!(ack.group >> 20, 0x1AB, "every group id carries the simulator's mark");
    assert_ne!(ack.group & 0xF_FFFF, 0);
    client.call32(1, 1);
    client.call32(1, 1);
}

#[test]
fn case_02_bind_pfc_00_first_last() {
    bind_flags(&[(0, WHOLE), (FIRST, WHOLE), (LAST, WHOLE)]);
}

#[test]
fn case_03_bind_pfc_hdr_signing() {
    bind_flags(&[(HDR_SIGN, WHOLE | HDR_SIGN), (WHOLE | HDR_SIGN, WHOLE | HDR_SIGN)]);
}

#[test]
fn case_04_bind_pfc_08_did_not_execute_maybe_object_uuid() {
    for flag in [0x08, DID_NOT_EXECUTE, MAYBE, OBJECT_UUID] {
        bind_flags(&[(flag, WHOLE), (WHOLE | flag, WHOLE)]);
    }
}

#[test]
fn case_05_bind_pfc_conc_mpx() {
    let granted = WHOLE | CONC_MPX;
    bind_flags(&[(CONC_MPX, granted), (granted, granted), (0xFF, granted | HDR_SIGN)]);
}

#[test]
fn case_06_alter_pfc_00_first_last_08_did_not_execute_maybe_object_uuid() {
    for flag in [0, FIRST, LAST, 0x08, DID_NOT_EXECUTE, MAYBE, OBJECT_UUID] {
        alter_flags(&[(flag, WHOLE), (WHOLE | flag, WHOLE)]);
    }
}

#[test]
fn case_07_alter_pfc_hdr_signing_ff() {
    for flags in [HDR_SIGN, WHOLE | HDR_SIGN, 0xFF] {
        alter_flags(&[(flags, WHOLE | HDR_SIGN)]);
    }
}

#[test]
fn case_08_alter_pfc_conc_mpx() {
    alter_flags(&[(CONC_MPX, WHOLE), (WHOLE | CONC_MPX, WHOLE)]);
}

#[test]
fn case_09_no_auth_no_ctx() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.send(&bind(0, &[]));
    client.expect_nak_and_eof(0, 4);
}

#[test]
fn case_10_invalid_auth_noctx() {
    let server = LabServer::start();
    for elements in [vec![], vec![kms32(1)]] {
        let mut client = server.connect();
        client.send(&bind(0, &elements).auth_length(8));
        client.expect_nak_and_eof(0, 4);
    }
}

#[test]
fn case_11_no_auth_valid_valid_request() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send(&bind(1, &[kms32(2)]));
    client.expect_nak_and_eof(1, 0);
}

#[test]
fn case_12_alter_no_auth_no_ctx() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send(&alter(1, &[]));
    client.expect_pdu_refused(1);
}
