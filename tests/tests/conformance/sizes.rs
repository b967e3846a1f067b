//! Cases 29 to 31: fragment sizes and allocation hints.

use kms_tests::harness::pdu::{WHOLE, alter, bind, kms32, request};
use kms_tests::harness::reply::status;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{
    INVALID_DATA, Ndr, assert_accepted32, assert_refused32, filler32, v4,
};

/// Offered sizes, and the one size that both fields of the answer must have.
const NEGOTIATED: [(u16, u16, u16); 9] = [
    (0xFFFF, 0xFFFF, 5840),
    (0, 0xFFFF, 2048),
    (0xFFFF, 0, 2048),
    (0, 0, 2048),
    (3199, 0, 2048),
    (0, 3199, 2048),
    (3199, 0xFFFF, 3192),
    (0xFFFF, 3199, 3192),
    (3199, 3199, 3192),
];

#[test]
fn case_29_neg_xmit() {
    let server = LabServer::start();
    for (xmit, recv, both) in NEGOTIATED {
        let mut client = server.connect();
        let ack = client.ask(&bind(0, &[kms32(1)]).sizes(xmit, recv)).bind_ack(0, WHOLE);
        assert_eq!((ack.max_xmit, ack.max_recv), (both, both), "offered {xmit}, {recv}");
        for other in [both - 8, 0xFFFF] {
            let offer = alter(1, &[kms32(1)]).sizes(other, other).group(!ack.group);
            let altered = client.ask(&offer).alter_resp(1, WHOLE);
            assert_eq!((altered.max_xmit, altered.max_recv), (both, both));
            assert_eq!(altered.group, ack.group);
        }
        for fragment in [usize::from(both), 5840] {
            let stub = filler32(fragment - 24);
            let reply = client.ask(&request(2, 1, &stub).alloc_hint(u32::MAX));
            assert_refused32(reply.response(2, 1), INVALID_DATA);
        }
        client.call32(3, 1);
    }
}

#[test]
fn case_30_neg_xmit_oversize() {
    let server = LabServer::start();
    for (xmit, recv, _) in NEGOTIATED {
        let mut client = server.connect();
        let _ack = client.ask(&bind(0, &[kms32(1)]).sizes(xmit, recv)).bind_ack(0, WHOLE);
        client.send(&request(3, 1, &filler32(5841 - 24)));
        client.expect_fault_and_eof(WHOLE, 3, 0, status::PROTO_ERROR);
    }
}

#[test]
fn case_31_alloc_hint() {
    let server = LabServer::start();
    let mut client = server.connect();
    client.bind32_with(0, WHOLE);
    for hint in [u32::MAX, 1, 0, 0x40_0001] {
        let reply = client.ask(&request(2, 0, &v4(Ndr::Ndr32)).alloc_hint(hint));
        assert_accepted32(reply.response(2, 0));
    }
}
