//! Cases 25 to 28, 62 and 63: auth trailers before a server that has no security provider.

use kms_tests::harness::pdu::{Draft, F23, NDR32, WHOLE, alter, bind, kms32, ptype, request};
use kms_tests::harness::reply::{accepted, status};
use kms_tests::harness::server::LabServer;

/// Binds with a trailer, and expects this bind_nak and the end.
#[track_caller]
fn bind_with_trailer(server: &LabServer, auth_type: u8, level: u8, reason: u8) {
    let mut client = server.connect();
    client.send(&bind(0, &[kms32(1)]).auth(auth_type, level, b"none"));
    client.expect_nak_and_eof(0, reason);
}

#[test]
fn case_25_auth_none_connect_to_privacy_bind() {
    let server = LabServer::start();
    for level in 2..=6 {
        bind_with_trailer(&server, UNKNOWN_TYPE, level, 8);
    }
}

#[test]
fn case_26_auth_none_none_0_7_255_bind() {
    let server = LabServer::start();
    for level in [1, 0, 7, 255] {
        bind_with_trailer(&server, UNKNOWN_TYPE, level, 0);
    }
}

#[test]
fn case_27_auth_none_request() {
    let server = LabServer::start();
    for level in 1..=6 {
        let mut client = server.connect();
        client.bind32();
        client.call32(2, 1);
        client.send(&request(3, 1, b"").auth(0, level, b"none"));
        client.expect_fault_and_eof(WHOLE, 3, 1, status::ACCESS_DENIED);
    }
}

#[test]
fn case_28_spnego_none_0_7_255_bind() {
    let server = LabServer::start();
    for level in [1, 0, 7, 255] {
        bind_with_trailer(&server, SPNEGO, level, 0);
    }
}

#[test]
fn a_provider_that_is_not_here_is_refused_by_its_reason() {
    let server = LabServer::start();
    for auth_type in [SPNEGO, NTLMSSP, KERBEROS, 68, 200] {
        for level in 2..=6 {
            bind_with_trailer(&server, auth_type, level, 8);
        }
    }
}

#[test]
fn padding_before_the_trailer_of_a_bind_is_refused() {
    let server = LabServer::start();
    for auth_type in [UNKNOWN_TYPE, SPNEGO] {
        let mut client = server.connect();
        client.send(&bind(0, &[kms32(1)]).auth_unaligned([auth_type, 2, 4, 0], b"none"));
        client.expect_nak_and_eof(0, 4);
    }
}

#[test]
fn an_alter_context_cannot_bring_authentication_to_a_plain_connection() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send(&alter(1, &[kms32(1)]).auth(SPNEGO, 2, b"none"));
    client.expect_fault_and_eof(F23, 1, 0, status::SEC_PKG_ERROR);
}

#[test]
fn case_62_auth3_without_auth_context() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send(&Draft::new(ptype::AUTH3, 5, vec![0; 4]).auth(NTLMSSP, 2, b"none"));
    client.expect_pdu_refused(5);
}

#[test]
fn case_63_unaligned_trailer() {
    let server = LabServer::start();
    for stub in [&[0; 1][..], &[0; 2], &[0; 3]] {
        let mut client = server.connect();
        let ack = client.bind32();
        assert_eq!(ack.results, [accepted(NDR32)]);
        client.send(&request(3, 1, stub).auth_unaligned([0, 2, 0, 0], b"none"));
        client.expect_fault_and_eof(WHOLE, 3, 1, status::PROTO_ERROR);
    }
}

/// What Samba's tests of "no authentication" really send: a provider number that nobody has.
const UNKNOWN_TYPE: u8 = 1;
const SPNEGO: u8 = 9;
const NTLMSSP: u8 = 10;
const KERBEROS: u8 = 16;
