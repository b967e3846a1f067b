//! Ends and waits: shutdown, timeouts, and a server that leaves.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

fn shutdown() -> Vec<u8> {
    pdu(WHOLE, 0, Body::Shutdown)
}

#[test]
fn shutdown_is_told_when_nothing_is_outstanding_and_ignored_otherwise() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    assert_eq!(lab.feed(&shutdown()), []);
    assert_eq!(lab.feed(&response(call_id, b"ok")), [answered(call_id, b"ok")]);
    assert_eq!(lab.feed(&shutdown()), [Seen::Shutdown]);
    lab.assert_usable();
}

#[test]
fn shutdown_is_ignored_while_a_bind_or_alter_is_answered() {
    let mut lab = Lab::new(Config::default());
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    assert_eq!(lab.feed(&shutdown()), []);
    lab.feed(&ack(WHOLE, 2, &[ACCEPTED32]));
    let call_id = lab.client.alter_context(WHOLE, &[NDR64]).unwrap();
    assert_eq!(lab.feed(&shutdown()), []);
    assert_eq!(lab.feed(&altered(call_id, &[ACCEPTED64])), [Seen::Altered(vec![ACCEPTED64])]);
}

#[test]
fn without_a_configured_timeout_time_is_the_callers() {
    let mut lab = Lab::bound();
    lab.call(b"");
    assert_eq!(lab.client.poll_timeout(), None);
    lab.client.handle_timeout(Instant::from_nanos(u64::MAX));
    assert_eq!(lab.client.close_reason(), None);
}

#[test]
fn each_kind_of_answer_has_its_time() {
    let config = Config { answer_timeout: Some(TIMEOUT), ..Config::default() };
    let asks: [fn(&mut Connection); 2] = [
        |client| {
            client.alter_context(WHOLE, &[NDR64]).unwrap();
        },
        |client| {
            client.call(0, 0, b"").unwrap();
        },
    ];
    for ask in asks {
        let mut lab = Lab::bound_with(WHOLE, config);
        assert_eq!(lab.client.poll_timeout(), None, "nothing is awaited");
        ask(&mut lab.client);
        assert_eq!(lab.client.poll_timeout(), Some(lab.now.saturating_add(TIMEOUT)));
        lab.pass(TIMEOUT - Duration::from_nanos(1));
        assert_eq!(lab.client.close_reason(), None);
        lab.pass(Duration::from_nanos(1));
        lab.assert_closed(CloseReason::Timeout);
    }
    let mut lab = Lab::new(config);
    assert_eq!(lab.client.poll_timeout(), None, "nothing is awaited");
    lab.client.bind(WHOLE, 0, &[NDR32]).unwrap();
    lab.pass(TIMEOUT);
    lab.assert_closed(CloseReason::Timeout);
}

#[test]
fn an_answer_that_drips_does_not_get_more_time() {
    let config = Config { answer_timeout: Some(TIMEOUT), ..Config::default() };
    let mut lab = Lab::bound_with(WHOLE, config);
    let call_id = lab.call(b"");
    let answer = response(call_id, &[7; 100]);
    for byte in &answer[..5] {
        assert_eq!(lab.client.close_reason(), None);
        assert_eq!(lab.feed(&[*byte]), []);
        lab.pass(TIMEOUT / 5);
    }
    lab.assert_closed(CloseReason::Timeout);
}

#[test]
fn the_oldest_outstanding_call_sets_the_time() {
    let config = Config { answer_timeout: Some(TIMEOUT), ..Config::default() };
    let mut lab = Lab::bound_with(MULTIPLEXED, config);
    let old = lab.call(b"");
    lab.pass(TIMEOUT / 2);
    // The client learns the time from its input.
    lab.feed(&[]);
    lab.call(b"");
    assert_eq!(lab.client.poll_timeout(), Some(Instant::ZERO.saturating_add(TIMEOUT)));
    lab.feed(&response(old, b""));
    let later = Instant::ZERO.saturating_add(TIMEOUT / 2 + TIMEOUT);
    assert_eq!(lab.client.poll_timeout(), Some(later));
}

#[test]
fn a_server_that_leaves_between_pdus_has_finished() {
    let mut lab = Lab::bound();
    assert_eq!(lab.eof(), []);
    lab.assert_closed(CloseReason::PeerFinished);

    let mut lab = Lab::bound();
    lab.call(b"");
    assert_eq!(lab.eof(), []);
    lab.assert_closed(CloseReason::PeerFinished);
}

#[test]
fn a_server_that_leaves_in_the_middle_of_a_pdu_left_midway() {
    let answer = response(3, b"abcd");
    for len in 1..answer.len() {
        let mut lab = Lab::bound();
        assert_eq!(lab.call(b""), 3);
        lab.feed(&answer[..len]);
        assert_eq!(lab.eof(), [], "{len} bytes");
        assert_eq!(lab.client.unread(), &answer[..len]);
        lab.assert_closed(CloseReason::PeerLeftMidway);
    }
}

#[test]
fn a_server_that_leaves_in_the_middle_of_an_answer_left_midway() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    lab.feed(&fragment(FIRST, call_id, b"ab"));
    assert_eq!(lab.eof(), []);
    lab.assert_closed(CloseReason::PeerLeftMidway);
}

#[test]
fn an_answer_that_came_with_the_end_of_the_stream_is_told_first() {
    let mut lab = Lab::bound();
    let call_id = lab.call(b"");
    lab.client.handle_input(lab.now, &response(call_id, b"ok"));
    lab.client.handle_eof(lab.now);
    assert_eq!(lab.events(), [answered(call_id, b"ok")]);
    lab.assert_closed(CloseReason::PeerFinished);
}

#[test]
fn the_caller_may_close_and_the_first_reason_stays() {
    let mut lab = Lab::bound();
    lab.call(b"");
    lab.client.close_local();
    lab.eof();
    lab.assert_closed(CloseReason::Local);
}
