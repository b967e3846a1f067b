//! A big-endian client: the receiver makes it right, and answers in its own order.

use kms_protocol::kms::Version;
use kms_tests::harness::pdu::{NDR32, WHOLE};
use kms_tests::harness::reply::accepted;
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{assert_accepted32, payload, request};

#[test]
fn a_big_endian_client_binds_and_calls_and_is_answered_little_endian() {
    let server = LabServer::start();
    let mut client = server.connect();
    let mut bind = vec![5, 0, 11, 3, 0, 0, 0, 0, 0, 72, 0, 0, 0, 0, 0, 2];
    bind.extend([0x16, 0xd0, 0x16, 0xd0, 0, 0, 0, 0, 1, 0, 0, 0]);
    bind.extend([0, 5, 1, 0]);
    bind.extend([0x51, 0xc8, 0x21, 0x75, 0x84, 0x4e, 0x47, 0x50]);
    bind.extend([0xb0, 0xd8, 0xec, 0x25, 0x55, 0x55, 0xbc, 0x06, 0, 0, 0, 1]);
    bind.extend([0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9]);
    bind.extend([0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 0, 0, 0, 2]);
    client.send_bytes(&bind);
    let ack = client.receive().bind_ack(2, WHOLE);
    assert_eq!((ack.max_xmit, ack.results), (5840, vec![accepted(NDR32)]));

    let payload = payload(&request(Version::V6));
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut call = vec![5, 0, 0, 3, 0, 0, 0, 0];
    call.extend(u16::try_from(32 + payload.len()).unwrap().to_be_bytes());
    call.extend([0, 0, 0, 0, 0, 3]);
    call.extend([0, 0, 1, 12, 0, 5, 0, 0]);
    call.extend(size);
    call.extend(size);
    call.extend(payload);
    client.send_bytes(&call);
    assert_accepted32(client.receive().response(3, 5));
}
