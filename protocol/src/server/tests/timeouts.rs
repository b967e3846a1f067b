//! How long a connection waits, and for what. Time is a number here.

use super::*;
use crate::server::TimeoutReason;

const SECOND: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(30);
const REQUEST: Duration = Duration::from_secs(10);

fn deadline(lab: &Lab) -> Option<(Duration, TimeoutReason)> {
    let (deadline, reason) = lab.server.poll_timeout()?;
    Some((deadline.saturating_since(Instant::ZERO), reason))
}

#[test]
fn a_connection_that_says_nothing_is_closed_as_idle() {
    let mut lab = Lab::new(Config::new(1688));
    assert_eq!(deadline(&lab), Some((IDLE, TimeoutReason::Idle)));
    lab.pass(IDLE - Duration::from_nanos(1));
    assert_eq!(lab.server.close_reason(), None);
    lab.pass(Duration::from_nanos(1));
    assert_eq!(lab.pump(), [], "without a word");
    lab.assert_closed(|reason| *reason == CloseReason::Idle);
}

#[test]
fn every_pdu_and_every_answer_start_the_quiet_time_again() {
    let mut lab = Lab::bound().holding();
    lab.pass(SECOND * 20);
    lab.feed(&request(5).pdu());
    assert_eq!(deadline(&lab), None, "the caller's answer is waited for, however long");
    lab.pass(SECOND * 1000);
    lab.server.handle_timeout(lab.now);
    assert_eq!(lab.server.close_reason(), None);
    lab.server.handle_input(lab.now, &[]);
    assert_eq!(lab.respond(5, b""), [response(5, 0, b"")]);
    assert_eq!(deadline(&lab), Some((SECOND * 1020 + IDLE, TimeoutReason::Idle)));
}

#[test]
fn a_call_has_its_time_from_the_first_byte_however_it_drips() {
    let mut lab = Lab::bound();
    lab.pass(SECOND * 5);
    let pdu = request(5).with_stub(&[7; 100]).pdu();
    let mut bytes = pdu.iter();
    // One byte each second: never quiet, and still too slow.
    while lab.server.close_reason().is_none() {
        let byte = bytes.next().expect("closed before the call was complete");
        assert_eq!(lab.feed(&[*byte]), []);
        assert_eq!(deadline(&lab), Some((SECOND * 5 + REQUEST, TimeoutReason::Request)));
        lab.pass(SECOND);
    }
    assert_eq!(lab.now.saturating_since(Instant::ZERO), SECOND * 15);
    lab.assert_closed(|reason| *reason == CloseReason::RequestTimeout);
}

#[test]
fn a_bind_has_the_same_time() {
    let mut lab = Lab::new(Config::new(1688));
    lab.pass(SECOND);
    lab.feed(&bind(WHOLE, &[NDR32])[..71]);
    assert_eq!(deadline(&lab), Some((SECOND + REQUEST, TimeoutReason::Request)));
    lab.pass(REQUEST);
    lab.assert_closed(|reason| *reason == CloseReason::RequestTimeout);
}

#[test]
fn all_fragments_of_a_call_share_one_time() {
    let mut lab = Lab::bound();
    lab.feed(&request(5).with_flags(FIRST).pdu());
    for second in 0..9 {
        assert_eq!(deadline(&lab), Some((REQUEST, TimeoutReason::Request)), "second {second}");
        lab.pass(SECOND);
        lab.feed_all(&[request(5).with_flags(MIDDLE).pdu(), orphaned(5)]);
    }
    let last = request(5).with_flags(LAST).pdu();
    assert_eq!(lab.feed(&last), [response(5, 0, b"")]);
    assert_eq!(deadline(&lab), Some((SECOND * 9 + IDLE, TimeoutReason::Idle)));
}

#[test]
fn a_busy_pipelined_connection_is_never_timed_out() {
    let mut lab = Lab::bound();
    let call = request(5).with_stub(&[7; 100]).pdu();
    let mut answers = 0;
    // Each piece ends one call and begins the next, so that a PDU is always incomplete.
    let (head, tail) = call.split_at(60);
    let piece = [tail, head].concat();
    lab.feed(head);
    for _ in 0..100 {
        lab.pass(REQUEST - SECOND);
        answers += lab.feed(&piece).len();
        assert_eq!(lab.server.close_reason(), None);
        let expected = lab.now.saturating_since(Instant::ZERO) + REQUEST;
        assert_eq!(deadline(&lab), Some((expected, TimeoutReason::Request)));
    }
    assert_eq!(answers, 100);
}

#[test]
fn a_call_that_waits_for_room_is_not_timed_out() {
    let config = Config { open_calls_max: 1, ..Config::new(1688) };
    let mut lab = Lab::bound_with(MULTIPLEXED, config).holding();
    let second = request(6).pdu();
    lab.feed_all(&[request(5).pdu(), second[..20].to_vec()]);
    assert_eq!(deadline(&lab), None);
    lab.pass(SECOND * 100);
    lab.server.handle_timeout(lab.now);
    assert_eq!(lab.server.close_reason(), None);
    lab.server.handle_input(lab.now, &[]);
    lab.respond(5, b"");
    // There is room now, and the rest has to arrive in time.
    assert_eq!(deadline(&lab), Some((SECOND * 100 + REQUEST, TimeoutReason::Request)));
}

#[test]
fn an_open_call_does_not_excuse_the_next_from_arriving_in_time() {
    let mut lab = Lab::multiplexed().holding();
    lab.feed_all(&[request(5).pdu(), request(6).pdu()[..20].to_vec()]);
    assert_eq!(deadline(&lab), Some((REQUEST, TimeoutReason::Request)));
    lab.pass(REQUEST);
    assert_eq!(lab.server.close_reason(), Some(CloseReason::RequestTimeout));
}

#[test]
fn an_early_timeout_changes_nothing() {
    let mut lab = Lab::bound();
    lab.server.handle_timeout(Instant::ZERO.saturating_add(SECOND));
    lab.assert_usable();
}

#[test]
fn a_deadline_beyond_the_end_of_time_is_held_there() {
    let config = Config { idle_timeout: Duration::MAX, ..Config::new(1688) };
    let lab = Lab::new(config);
    let end = Instant::from_nanos(u64::MAX);
    assert_eq!(lab.server.poll_timeout(), Some((end, TimeoutReason::Idle)));
}
