//! What becomes of the bytes of one answer: pure, and done by whoever owns the socket.

use std::time::Duration;

use super::action::Action;
use super::draw::Draw;

/// One thing to do with a connection, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Let so much time pass.
    Wait(Duration),
    /// Close this side in the ordinary way (FIN). Nothing follows.
    Close,
    /// Break the connection (RST). Nothing follows.
    Reset,
}

/// What `action` makes of `answer`, which is one PDU or the fragments of one answer, in the
/// simulator's own byte order (little-endian). Actions that do not concern bytes leave it as it is.
#[must_use]
pub fn steps(action: &Action, mut answer: Vec<u8>, draw: &mut Draw) -> Vec<Step> {
    match action {
        Action::NeverAnswer => Vec::new(),
        Action::Reset { after_bytes } => cut(answer, *after_bytes, Step::Reset),
        Action::Close { after_bytes } => cut(answer, *after_bytes, Step::Close),
        Action::Delay(delay) => vec![Step::Wait(delay.length(draw)), Step::Send(answer)],
        Action::Drip { bytes, interval } => drip(&answer, *bytes, *interval),
        Action::Truncate { bytes } => {
            let len = HEADER_LEN.saturating_add(*bytes).min(first_pdu_len(&answer));
            answer.truncate(len);
            set_frag_length(&mut answer, len);
            vec![Step::Send(answer)]
        }
        Action::Corrupt { offset, mask } => {
            let offset = offset.unwrap_or_else(|| draw.below(answer.len()));
            answer.get_mut(offset).into_iter().for_each(|byte| *byte ^= mask);
            vec![Step::Send(answer)]
        }
        Action::WrongCallId { add } => {
            for_each_pdu(&mut answer, |pdu| {
                if let Some(id) = pdu.get_mut(CALL_ID).and_then(|id| id.first_chunk_mut::<4>()) {
                    *id = u32::from_le_bytes(*id).wrapping_add(*add).to_le_bytes();
                }
            });
            vec![Step::Send(answer)]
        }
        Action::Oversize { bytes } => {
            answer.truncate(first_pdu_len(&answer));
            answer.resize(usize::from(*bytes).max(answer.len()), 0);
            let len = answer.len();
            set_frag_length(&mut answer, len);
            vec![Step::Send(answer)]
        }
        _ => vec![Step::Send(answer)],
    }
}

fn cut(mut answer: Vec<u8>, after: usize, end: Step) -> Vec<Step> {
    answer.truncate(after);
    let sent = (!answer.is_empty()).then_some(Step::Send(answer));
    sent.into_iter().chain([end]).collect()
}

fn drip(answer: &[u8], bytes: usize, interval: Duration) -> Vec<Step> {
    let mut steps = Vec::new();
    for drop in answer.chunks(bytes.max(1)) {
        if !steps.is_empty() {
            steps.push(Step::Wait(interval));
        }
        steps.push(Step::Send(drop.to_vec()));
    }
    steps
}

fn for_each_pdu(mut bytes: &mut [u8], mut change: impl FnMut(&mut [u8])) {
    while bytes.len() >= HEADER_LEN {
        let (pdu, rest) = bytes.split_at_mut(first_pdu_len(bytes));
        change(pdu);
        bytes = rest;
    }
}

/// Length of the PDU at the front, at least a header and at most what there is.
fn first_pdu_len(bytes: &[u8]) -> usize {
    let field = bytes.get(FRAG_LENGTH).and_then(|field| field.first_chunk::<2>());
    let len = field.map_or(0, |field| usize::from(u16::from_le_bytes(*field)));
    len.max(HEADER_LEN).min(bytes.len())
}

fn set_frag_length(pdu: &mut [u8], len: usize) {
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    if let Some(field) = pdu.get_mut(FRAG_LENGTH) {
        field.copy_from_slice(&len.to_le_bytes());
    }
}

/// The common header, C706 12.6.3.1.
const HEADER_LEN: usize = 16;
const FRAG_LENGTH: std::ops::Range<usize> = 8..10;
const CALL_ID: std::ops::Range<usize> = 12..16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Delay;
    use proptest::prelude::*;

    /// A PDU of `len` bytes whose body counts up.
    fn pdu(len: u8, call_id: u8) -> Vec<u8> {
        let header = [5, 0, 2, 3, 16, 0, 0, 0, len, 0, 0, 0, call_id, 0, 0, 0];
        header.into_iter().chain(16..len).collect()
    }

    fn done(action: &Action, answer: &[u8]) -> Vec<Step> {
        steps(action, answer.to_vec(), &mut Draw::new(1, "r", 1))
    }

    #[test]
    fn an_answer_is_cut_where_the_rule_says() {
        let answer = pdu(40, 1);
        assert_eq!(done(&Action::NeverAnswer, &answer), []);
        assert_eq!(done(&Action::Reset { after_bytes: 0 }, &answer), [Step::Reset]);
        assert_eq!(
            done(&Action::Close { after_bytes: 3 }, &answer),
            [Step::Send(vec![5, 0, 2]), Step::Close]
        );
    }

    #[test]
    fn a_truncated_pdu_says_that_it_is_shorter() {
        let [Step::Send(bytes)] = &done(&Action::Truncate { bytes: 8 }, &pdu(40, 1))[..] else {
            unreachable!("one step");
        };
        assert_eq!((bytes.len(), bytes[8]), (24, 24));
        assert_eq!(done(&Action::Truncate { bytes: 99 }, &pdu(40, 1)), [Step::Send(pdu(40, 1))]);
    }

    #[test]
    fn every_fragment_gets_the_wrong_call_id() {
        let answer = [pdu(40, 7), pdu(24, 7)].concat();
        let expected = [pdu(40, 8), pdu(24, 8)].concat();
        assert_eq!(done(&Action::WrongCallId { add: 1 }, &answer), [Step::Send(expected)]);
    }

    #[test]
    fn one_byte_is_corrupt_and_an_oversize_pdu_is_whole() {
        let corrupt = Action::Corrupt { offset: Some(20), mask: 0xFF };
        let mut expected = pdu(40, 1);
        expected[20] = !20;
        assert_eq!(done(&corrupt, &pdu(40, 1)), [Step::Send(expected)]);
        let [Step::Send(bytes)] = &done(&Action::Oversize { bytes: 6000 }, &pdu(40, 1))[..] else {
            unreachable!("one step");
        };
        assert_eq!((bytes.len(), u16::from_le_bytes([bytes[8], bytes[9]])), (6000, 6000));
    }

    #[test]
    fn a_drip_waits_between_and_a_delay_before() {
        let second = Duration::from_secs(1);
        let drip = Action::Drip { bytes: 16, interval: second };
        let steps = done(&drip, &pdu(40, 1));
        let sent = |step: &Step| match step {
            Step::Send(bytes) => bytes.len(),
            _ => 0,
        };
        assert_eq!(steps.iter().map(sent).collect::<Vec<_>>(), [16, 0, 16, 0, 8]);
        let delay = Action::Delay(Delay::Fixed(second));
        assert_eq!(done(&delay, &[1]), [Step::Wait(second), Step::Send(vec![1])]);
    }

    proptest! {
        #[test]
        fn no_answer_of_any_shape_makes_it_fail(answer in proptest::collection::vec(any::<u8>(), 0..300), bytes in 0usize..400, offset in proptest::option::of(0usize..400)) {
            for action in [
                Action::Truncate { bytes },
                Action::Corrupt { offset, mask: 1 },
                Action::WrongCallId { add: 1 },
                Action::Oversize { bytes: 6000 },
                Action::Drip { bytes: bytes.max(1), interval: Duration::ZERO },
                Action::Close { after_bytes: bytes },
            ] {
                let sent: usize = done(&action, &answer).iter().map(|step| match step {
                    Step::Send(bytes) => bytes.len(),
                    _ => 0,
                }).sum();
                prop_assert!(sent <= answer.len().max(6000));
            }
        }
    }
}
