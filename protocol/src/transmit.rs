//! Bytes on their way to the peer, for both ends of a connection.

use alloc::vec::Vec;

use crate::limits::{KEPT_BUFFER_MAX, REASSEMBLED_MAX};
use crate::rpc::{Packet, PfcFlags};
use crate::wire::{Expected, Misuse};

/// Encoded PDUs that have not been sent.
#[derive(Debug, Default)]
pub(crate) struct Transmit {
    bytes: Vec<u8>,
    sent: usize,
}

impl Transmit {
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or(&[])
    }

    pub(crate) fn backlog(&self) -> usize {
        self.pending().len()
    }

    /// Bytes held: those unsent, and those sent that have not been dropped yet.
    pub(crate) const fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Marks `count` bytes as sent; once all are, only a small buffer is kept. A peer that never
    /// lets the queue run empty costs no more: sent bytes are dropped once they are the larger
    /// part, so that each byte moves at most once on average.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            empty(&mut self.bytes);
            self.sent = 0;
        } else if self.sent > self.backlog() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Adds one PDU.
    pub(crate) fn push(&mut self, packet: &Packet<'_>) -> Result<(), Misuse> {
        let start = self.bytes.len();
        self.bytes.resize(start.saturating_add(packet.encoded_len()), 0);
        let written = packet.encode(self.bytes.get_mut(start..).unwrap_or(&mut []));
        // A PDU that could not be encoded leaves nothing behind.
        self.bytes.truncate(start.saturating_add(written.unwrap_or(0)));
        written.map(drop)
    }
}

/// Empties a buffer, and gives its memory back unless it is no more than one exchange needs.
pub(crate) fn empty(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BUFFER_MAX {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

/// One fragment of a call or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// First and last bits.
    pub(crate) flags: PfcFlags,
    /// Stub bytes still to come, this fragment included.
    pub(crate) left: u32,
    /// Stub bytes of this fragment.
    pub(crate) stub: &'a [u8],
}

/// Cuts a stub into fragments that each fit a PDU of `fragment_max` bytes behind `header_len`
/// bytes. All but the last carry a multiple of 16 stub bytes, as Windows does; an empty stub is
/// one empty fragment.
///
/// # Errors
/// [`Misuse`] when the stub is larger than any peer takes.
pub(crate) fn fragments(
    stub: &[u8],
    fragment_max: usize,
    header_len: usize,
) -> Result<impl Iterator<Item = Fragment<'_>>, Misuse> {
    if stub.len() > REASSEMBLED_MAX {
        let expected = Expected::AtMost(REASSEMBLED_MAX as u64);
        return Err(Misuse::new(0, "stub", stub.len() as u64, expected));
    }
    let chunk = (fragment_max.saturating_sub(header_len) & !15).max(16);
    let mut rest = Some(stub);
    let mut first = PfcFlags::FIRST_FRAG;
    Ok(core::iter::from_fn(move || {
        let whole = rest.take()?;
        let (stub, after) = whole.split_at_checked(chunk).unwrap_or((whole, &[]));
        let last = if after.is_empty() { PfcFlags::LAST_FRAG } else { PfcFlags::default() };
        let flags = core::mem::take(&mut first) | last;
        rest = (!after.is_empty()).then_some(after);
        Some(Fragment { flags, left: u32::try_from(whole.len()).unwrap_or(u32::MAX), stub })
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::rpc::Body;

    #[test]
    fn a_queue_that_never_runs_empty_does_not_grow() {
        let packet = Packet::new(PfcFlags::WHOLE, 1, Body::Shutdown);
        let mut transmit = Transmit::default();
        transmit.push(&packet).unwrap();
        for _ in 0..10_000 {
            transmit.push(&packet).unwrap();
            transmit.sent(16);
            assert_eq!(transmit.backlog(), 16);
            assert!(transmit.pending().starts_with(&[5, 0, 17, 3]), "whole PDUs, in order");
        }
        assert!(transmit.bytes.capacity() <= 128, "holds {} bytes", transmit.bytes.capacity());
        assert!(transmit.held() < 48, "holds {} bytes", transmit.held());
    }

    #[test]
    fn sent_bytes_are_dropped_as_soon_as_they_are_the_larger_part() {
        let packet = Packet::new(PfcFlags::WHOLE, 1, Body::Shutdown);
        for (sent, held) in [(0, 80), (32, 80), (48, 32), (64, 16), (80, 0), (99, 0)] {
            let mut transmit = Transmit::default();
            (0..5).for_each(|_| transmit.push(&packet).unwrap());
            transmit.sent(sent);
            assert_eq!((transmit.held(), transmit.backlog()), (held, 80 - sent.min(80)), "{sent}");
        }
    }

    #[test]
    fn fragments_carry_multiples_of_sixteen_and_count_down_what_is_left() {
        let stub = [7u8; 100];
        let cut: Vec<_> = fragments(&stub, 24 + 47, 24).unwrap().collect();
        let lens: Vec<_> = cut.iter().map(|f| (f.flags.0, f.left, f.stub.len())).collect();
        assert_eq!(lens, [(1, 100, 32), (0, 68, 32), (0, 36, 32), (2, 4, 4)]);
    }

    #[test]
    fn an_empty_stub_is_one_whole_fragment_and_an_exact_fit_has_no_empty_tail() {
        let cut: Vec<_> = fragments(&[], 2048, 24).unwrap().collect();
        assert_eq!(cut, [Fragment { flags: PfcFlags::WHOLE, left: 0, stub: &[] }]);
        let stub = [0u8; 64];
        assert_eq!(fragments(&stub, 24 + 32, 24).unwrap().count(), 2);
    }

    #[test]
    fn a_stub_beyond_the_cap_is_the_callers_error() {
        let stub = alloc::vec![0u8; REASSEMBLED_MAX + 1];
        assert!(fragments(&stub, 5840, 24).is_err());
        assert!(fragments(stub.get(1..).unwrap(), 5840, 24).is_ok());
    }

    #[test]
    fn an_emptied_buffer_is_kept_only_while_it_is_small() {
        let mut small = Vec::with_capacity(KEPT_BUFFER_MAX);
        let mut large = Vec::with_capacity(KEPT_BUFFER_MAX + 1);
        for buffer in [&mut small, &mut large] {
            buffer.push(1);
            empty(buffer);
            assert!(buffer.is_empty());
        }
        assert_eq!((small.capacity(), large.capacity()), (KEPT_BUFFER_MAX, 0));
    }
}
