//! Cases 59 to 61: PDUs that a server refuses as such.

use kms_tests::harness::pdu::{
    Draft, F23, FIRST, LAST, alter, bind, co_cancel, kms32, orphaned, ptype, request,
};
use kms_tests::harness::reply::status;
use kms_tests::harness::server::LabServer;

#[test]
fn case_59_first_pdu_is_not_bind() {
    let server = LabServer::start();
    let auth3 = Draft::new(ptype::AUTH3, 9, vec![0; 4]).auth(10, 2, b"none");
    let known = [alter(9, &[kms32(1)]), request(9, 1, b""), auth3, co_cancel(9), orphaned(9)];
    let others =
        (0..=255).filter(|&number| number != ptype::BIND).map(|n| Draft::new(n, 9, vec![0; 8]));
    for draft in known.into_iter().chain(others) {
        let mut client = server.connect();
        client.send(&draft);
        client.expect_nak_and_eof(9, 4);
    }
}

#[test]
fn case_60_server_only_and_unknown_ptypes() {
    let server = LabServer::start();
    let clients: [u8; 6] = [
        ptype::REQUEST,
        ptype::BIND,
        ptype::ALTER,
        ptype::AUTH3,
        ptype::CO_CANCEL,
        ptype::ORPHANED,
    ];
    let unknown =
        (0..=255).filter(|number| !clients.contains(number)).map(|n| Draft::new(n, 9, vec![]));
    let ack_body = {
        let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        body.extend([0; 24]);
        body
    };
    let well_formed = [
        Draft::new(ptype::RESPONSE, 9, vec![0; 8]),
        Draft::new(ptype::FAULT, 9, vec![0; 16]),
        Draft::new(ptype::BIND_ACK, 9, ack_body.clone()),
        Draft::new(ptype::BIND_NAK, 9, vec![0, 0, 1, 5, 0, 0, 0, 0]),
        Draft::new(ptype::ALTER_RESP, 9, ack_body),
        Draft::new(ptype::SHUTDOWN, 9, vec![]),
    ];
    for draft in well_formed.into_iter().chain(unknown) {
        let mut client = server.connect();
        client.bind32();
        client.send(&draft);
        client.expect_pdu_refused(9);
    }
}

#[test]
fn case_61_drep_differs_between_fragments() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32();
    client.send_unanswered(&request(2, 1, &[0; 16]).flags(FIRST));
    // The same PDU, big-endian: 24 bytes of header and body, 16 of stub, call 2, context 1.
    let mut big = vec![5, 0, 0, LAST, 0, 0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 2];
    big.extend([0, 0, 0, 16, 0, 1, 0, 0]);
    big.extend([0; 16]);
    client.send_bytes(&big);
    client.expect_fault_and_eof(F23, 2, 1, status::PROTO_ERROR);
}

#[test]
fn case_61_version_drep_and_auth_length() {
    let server = LabServer::start();
    let broken = |draft: Draft| -> Vec<Draft> {
        let little = |b, c, d| [0x10, b, c, d];
        vec![
            draft.clone().version(4, 0),
            draft.clone().version(5, 1),
            draft.clone().version(6, 0),
            draft.clone().drep(little(1, 0, 0)),
            draft.clone().drep(little(0, 1, 0)),
            draft.clone().drep(little(0, 0, 1)),
            // EBCDIC.
            draft.clone().drep([0x11, 0, 0, 0]),
            draft.clone().auth_length(4096),
            draft.auth_length(0xFFFF),
        ]
    };
    for draft in broken(bind(7, &[kms32(1)])) {
        let mut client = server.connect();
        client.send(&draft);
        client.expect_nak_and_eof(7, 4);
    }
    for draft in broken(request(7, 1, &[0; 8])).into_iter().chain(broken(alter(7, &[kms32(1)]))) {
        let mut client = server.connect();
        client.bind32();
        client.send(&draft);
        client.expect_pdu_refused(7);
    }
}
