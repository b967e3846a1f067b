//! Cases 52 and 53: association groups. A group of another transport, the third part of case 52,
//! cannot exist: there is only TCP here.

use kms_tests::harness::pdu::{F23, NDR32, WHOLE, bind, kms32, request};
use kms_tests::harness::reply::{accepted, status};
use kms_tests::harness::server::LabServer;

#[test]
fn case_52_assoc_group_fail1_fail2() {
    let server = LabServer::start();
    let mut bogus = server.connect();
    bogus.send(&bind(0, &[kms32(1)]).group(1));
    bogus.expect_nak_and_eof(0, 0);

    let mut first = server.connect();
    let group = first.bind32().group;
    drop((bogus, first));
    server.wait_for_connections(0);
    let mut late = server.connect();
    late.send(&bind(0, &[kms32(1)]).group(group));
    late.expect_nak_and_eof(0, 0);
}

#[test]
fn case_53_assoc_group_diff1_ok1() {
    let server = LabServer::start();
    let (mut first, mut other) = (server.connect(), server.connect());
    let group = first.bind32_with(1, WHOLE).group;
    assert_ne!(group, other.bind32_with(2, WHOLE).group);

    let mut second = server.connect();
    let ack = second.ask(&bind(0, &[kms32(2)]).group(group)).bind_ack(0, WHOLE);
    assert_eq!((ack.group, ack.results), (group, vec![accepted(NDR32)]));
    first.call32(1, 1);
    second.call32(1, 2);
    second.ask(&request(1, 1, b"")).fault(F23, 1, 0, status::UNK_IF);
    first.call32(1, 1);
    second.call32(1, 2);

    // The group outlives the connection that made it.
    drop((first, other));
    server.wait_for_connections(1);
    let mut third = server.connect();
    let ack = third.ask(&bind(0, &[kms32(3)]).group(group)).bind_ack(0, WHOLE);
    assert_eq!(ack.group, group);
    third.call32(1, 3);
}
