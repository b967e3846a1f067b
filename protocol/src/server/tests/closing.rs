//! Ends: the peer's, the caller's, and what is still sent.

use super::*;

#[test]
fn a_client_that_only_stops_sending_still_gets_its_answers() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed_all(&[request(5).pdu(), request(6).pdu()]);
    assert_eq!(lab.eof(), []);
    assert!(!lab.server.is_closing());
    assert!(!lab.server.wants_input());
    assert_eq!(lab.server.poll_timeout(), None);
    assert_eq!(lab.respond(6, b"6"), [response(6, 0, b"6")]);
    assert!(!lab.server.is_closing(), "one answer is still due");
    assert_eq!(lab.respond(5, b"5"), [response(5, 0, b"5")]);
    lab.assert_closed(|reason| *reason == CloseReason::PeerFinished);
}

#[test]
fn the_last_answer_is_sent_before_the_transport_closes() {
    let mut lab = Lab::bound().holding();
    lab.feed(&request(5).pdu());
    lab.eof();
    lab.server.respond(5, b"ok").unwrap();
    lab.decide();
    assert!(lab.server.is_closing() && !lab.server.is_closed(), "the answer is unsent");
    let sent = lab.server.poll_transmit().len();
    lab.server.transmitted(sent - 1);
    assert!(!lab.server.is_closed());
    lab.server.transmitted(1);
    assert!(lab.server.is_closed());
}

#[test]
fn calls_that_came_before_the_end_of_the_stream_are_all_read() {
    let mut lab = Lab::bound();
    let pdus = [5, 6, 7].map(|call_id| request(call_id).pdu());
    lab.server.handle_input(lab.now, &pdus.concat());
    lab.server.handle_eof(lab.now);
    let replies = lab.pump();
    assert_eq!(replies, [5, 6, 7].map(|call_id| response(call_id, 0, b"")));
    lab.assert_closed(|reason| *reason == CloseReason::PeerFinished);
}

#[test]
fn an_end_in_the_middle_of_a_pdu_closes_without_a_word() {
    let stream = [bind(WHOLE, &[NDR32]), request(5).with_stub(b"abcd").pdu()].concat();
    for len in 0..stream.len() {
        let mut lab = Lab::new(Config::new(1688));
        lab.feed(&stream[..len]);
        assert_eq!(lab.eof(), [], "{len} bytes");
        let expected = match len {
            0 | 72 => CloseReason::PeerFinished,
            _ => CloseReason::PeerLeftMidway,
        };
        lab.assert_closed(|reason| *reason == expected);
    }
}

#[test]
fn an_end_between_two_fragments_is_in_the_middle_of_a_call() {
    let mut lab = Lab::bound();
    lab.feed(&request(5).with_flags(FIRST).pdu());
    assert_eq!(lab.eof(), []);
    lab.assert_closed(|reason| *reason == CloseReason::PeerLeftMidway);
}

#[test]
fn a_call_cut_off_by_the_end_does_not_cost_the_answers_before_it() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed_all(&[request(5).pdu(), request(6).pdu()[..20].to_vec()]);
    lab.eof();
    assert_eq!(lab.server.poll_timeout(), None, "nothing more will arrive, so nothing is late");
    assert_eq!(lab.respond(5, b"5"), [response(5, 0, b"5")]);
    lab.assert_closed(|reason| *reason == CloseReason::PeerLeftMidway);
}

#[test]
fn answers_that_were_queued_before_a_violation_are_sent_and_later_ones_dropped() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed_all(&[request(5).pdu(), request(6).pdu()]);
    lab.server.respond(5, b"5").unwrap();
    lab.server.handle_input(lab.now, &patched(co_cancel(9), 2, &[17]));
    let replies = lab.pump();
    assert_eq!(replies, [response(5, 0, b"5"), fault23(9, 0, Status::PROTO_ERROR)]);
    assert_eq!(lab.respond(6, b"6"), []);
    lab.server.fault(6, Status::BAD_STUB_DATA);
    assert_eq!(lab.pump(), []);
    lab.assert_closed(is_violation);
}

#[test]
fn what_follows_a_violation_in_the_same_segment_is_not_read() {
    let mut lab = Lab::bound();
    let violation = request(5).with_flags(LAST).pdu();
    let replies = lab.feed_all(&[violation, request(6).pdu(), co_cancel(6)]);
    assert_eq!(replies, [fault03(5, 0, Status::PROTO_ERROR)]);
    assert_eq!(lab.call_ids(), []);
    lab.assert_closed(is_violation);
}

#[test]
fn the_caller_may_close_and_the_first_reason_stays() {
    let mut lab = Lab::bound().holding();
    lab.feed(&request(5).pdu());
    lab.server.close_local();
    assert_eq!(lab.respond(5, b"late"), []);
    lab.eof();
    lab.server.refuse_overload();
    assert_eq!(lab.pump(), []);
    lab.assert_closed(|reason| *reason == CloseReason::Local);
}
