//! Every bound of a connection, at its edge.

use super::*;
use crate::limits::{OPEN_CALLS_MAX, REASSEMBLED_MAX, TRANSMIT_BACKLOG_MAX};
use crate::server::Connection;

#[test]
fn sixteen_calls_may_be_open_and_the_next_waits_unread() {
    let mut lab = Lab::multiplexed().holding();
    let max = u32::try_from(OPEN_CALLS_MAX).unwrap();
    let pdus: Vec<_> = (1..=max + 2).map(|call_id| request(call_id).pdu()).collect();
    let (before, after) = pdus.split_at(OPEN_CALLS_MAX - 1);
    lab.feed_all(before);
    assert!(lab.server.wants_input(), "fifteen are open");
    lab.feed_all(after);
    assert_eq!(lab.server.open_calls(), OPEN_CALLS_MAX);
    assert_eq!(lab.call_ids(), (1..=max).collect::<Vec<_>>());
    assert!(!lab.server.wants_input());
    assert_eq!(lab.server.poll_timeout(), None, "the caller's answers are waited for");
    // One answer makes room for one call.
    assert_eq!(lab.respond(3, b""), [response(3, 0, b"")]);
    assert_eq!(lab.call_ids().last(), Some(&(max + 1)));
    assert_eq!(lab.server.open_calls(), OPEN_CALLS_MAX);
    assert_eq!(lab.respond(4, b""), [response(4, 0, b"")]);
    assert_eq!(lab.call_ids().last(), Some(&(max + 2)));
    assert_eq!(lab.respond(5, b""), [response(5, 0, b"")]);
    assert!(lab.server.wants_input());
}

#[test]
fn an_answer_of_four_mebibytes_is_sent_and_one_byte_more_is_the_callers_error() {
    let mut lab = Lab::bound().holding();
    lab.feed(&request(5).pdu());
    let stub = vec![7; REASSEMBLED_MAX + 1];
    assert!(lab.server.respond(5, &stub).is_err());
    assert_eq!(lab.server.open_calls(), 1, "the call is still open");
    lab.server.respond(5, &stub[1..]).unwrap();
    let sent = replies(lab.server.poll_transmit()).into_iter().map(|reply| match reply {
        Reply::Response { stub, .. } => stub.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(sent.sum::<usize>(), REASSEMBLED_MAX);
}

#[test]
fn a_bound_connection_over_its_bytes_is_told_that_the_server_is_busy() {
    let config = Config { buffer_max: 4096, ..Config::new(1688) };
    let first = request(5).with_flags(FIRST).with_stub(&[7; 3000]).pdu();
    let mut lab = Lab::bound_with(WHOLE, config);
    assert_eq!(lab.feed(&first), []);
    let held = lab.server.buffered_bytes();
    assert!((3000..4096).contains(&held), "holds {held} bytes");
    // Up to the limit and not beyond, in bytes of a PDU that is not complete.
    let next = request(5).with_flags(LAST).with_stub(&[7; 4000]).pdu();
    let (fits, more) = next.split_at(4096 - held);
    assert_eq!(lab.feed(fits), []);
    assert_eq!(lab.server.buffered_bytes(), 4096);
    assert_eq!(lab.feed(&more[..1]), [fault23(5, 0, Status::SERVER_TOO_BUSY)]);
    lab.assert_closed(is_fault(Status::SERVER_TOO_BUSY));
    assert_eq!(lab.server.buffered_bytes(), 0);
}

#[test]
fn a_connection_over_its_bytes_before_it_is_bound_gets_a_local_limit() {
    let config = Config { buffer_max: 1000, ..Config::new(1688) };
    let contexts = [NDR32; 30];
    let mut lab = Lab::new(config);
    assert_eq!(lab.feed(&bind(WHOLE, &contexts)[..1000]), []);
    let replies = lab.feed(&[0]);
    assert_eq!(replies, [nak(BindNakReason::LOCAL_LIMIT_EXCEEDED)]);
    lab.assert_closed(is_bind_refused);
}

#[test]
fn a_server_out_of_memory_elsewhere_refuses_in_the_same_way() {
    let mut lab = Lab::bound();
    lab.server.refuse_overload();
    assert_eq!(lab.pump(), [fault23(0, 0, Status::SERVER_TOO_BUSY)]);
    lab.server.refuse_overload();
    assert_eq!(lab.pump(), [], "once");
    lab.assert_closed(is_fault(Status::SERVER_TOO_BUSY));
}

#[test]
fn a_refusal_for_want_of_memory_names_the_call_that_is_arriving() {
    let mut lab = Lab::bound();
    assert_eq!(lab.feed(&request(9).with_stub(&[7; 100]).pdu()[..40]), []);
    lab.server.refuse_overload();
    assert_eq!(lab.pump(), [fault23(9, 0, Status::SERVER_TOO_BUSY)]);
}

#[test]
fn unsent_answers_stop_the_reading_until_they_are_sent() {
    let mut server = Connection::new(Config::new(1688), Instant::ZERO);
    server.handle_input(Instant::ZERO, &bind(WHOLE, &[NDR32]));
    assert!(server.poll_event().is_some());
    server.accept_bind(GROUP);
    assert!(server.poll_event().is_none());
    let call = request(5).with_stub(&[7; 5000]).pdu();
    let mut answered = 0;
    while server.wants_input() {
        server.handle_input(Instant::ZERO, &call);
        while let Some(event) = server.poll_event() {
            let Event::Call(Call { call_id, stub, .. }) = event else { panic!("{event:?}") };
            let stub = stub.to_vec();
            server.respond(call_id, &stub).unwrap();
            answered += 1;
        }
        assert!(answered < 20, "reads on with {} bytes unsent", server.poll_transmit().len());
    }
    let backlog = server.poll_transmit().len();
    assert!((TRANSMIT_BACKLOG_MAX..TRANSMIT_BACKLOG_MAX + 6000).contains(&backlog));
    server.transmitted(backlog - TRANSMIT_BACKLOG_MAX);
    assert!(!server.wants_input(), "exactly the limit is still unsent");
    server.transmitted(1);
    assert!(server.wants_input());
}

#[test]
fn memory_follows_what_arrived_and_not_what_was_announced() {
    let mut lab = Lab::bound();
    lab.feed(&request(5).with_flags(FIRST).with_hint(0x40_0000).with_stub(b"abcd").pdu());
    assert!(lab.server.buffered_bytes() < 64, "holds {} bytes", lab.server.buffered_bytes());
    // The length of a PDU is an announcement as well.
    lab.feed(&request(5).with_flags(LAST).with_stub(&[0; 5000]).pdu()[..16]);
    assert!(lab.server.buffered_bytes() < 64, "holds {} bytes", lab.server.buffered_bytes());
}

#[test]
fn the_stub_of_the_call_that_was_told_last_is_held_until_the_next_poll() {
    let mut lab = Lab::bound();
    lab.feed(&request(5).with_flags(FIRST).with_stub(&[7; 1000]).pdu());
    let last = request(5).with_flags(LAST).pdu();
    lab.server.handle_input(lab.now, &last);
    assert!(matches!(lab.server.poll_event(), Some(Event::Call(call)) if call.stub.len() == 1000));
    assert_eq!(lab.server.buffered_bytes(), 1000 + last.len());
    assert!(lab.server.poll_event().is_none());
    assert_eq!(lab.server.buffered_bytes(), 0);
    lab.server.respond(5, &[7; 100]).unwrap();
    assert_eq!(lab.server.buffered_bytes(), 124, "the answer is unsent");
}

#[test]
fn a_quiet_connection_holds_nothing() {
    let mut lab = Lab::bound();
    lab.feed(&request(5).with_stub(&[7; 5000]).pdu());
    assert_eq!(lab.server.buffered_bytes(), 0);
}
