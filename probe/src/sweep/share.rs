//! How many conversations and look-ups fit into the descriptors of this process.

use anyhow::bail;

use super::{AT_ONCE_DEFAULT, AT_ONCE_MAX};
use crate::platform::{self, SocketFacts};

/// What may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Conversations, each with one descriptor.
    pub(super) conversations: usize,
    /// Look-ups of a row, each with a descriptor per resolver and more where many hosts are found.
    pub(super) look_ups: usize,
}

/// Shares the descriptors out, after asking for as many as are needed.
pub(super) fn of_descriptors(wanted: Option<usize>, rows: usize) -> anyhow::Result<Share> {
    let conversations = wanted.unwrap_or(AT_ONCE_DEFAULT).min(AT_ONCE_MAX).min(rows.max(1));
    let need = conversations + LOOK_UPS * PER_LOOK_UP + RESERVED;
    let have = platform::current().descriptors(need).unwrap_or(need);
    let share = share(conversations, have);
    if wanted.is_some() && share.conversations < conversations {
        bail!(
            "--concurrency: this process may open {have} descriptors, enough for {} conversations at \
             a time: raise the limit (`ulimit -n`) or ask for fewer",
            share.conversations
        );
    }
    Ok(share)
}

/// What fits into `have` descriptors: conversations first, for look-ups can wait.
fn share(conversations: usize, have: usize) -> Share {
    let room = have.saturating_sub(RESERVED);
    let conversations = conversations.min(room.saturating_sub(PER_LOOK_UP)).max(1);
    let look_ups = (room.saturating_sub(conversations) / PER_LOOK_UP).clamp(1, LOOK_UPS);
    Share { conversations, look_ups }
}

/// Look-ups of rows at the same time.
const LOOK_UPS: usize = 32;
/// A few resolvers, and 32 hosts with both address families at once.
const PER_LOOK_UP: usize = 72;
/// Standard streams, journal, report, runtimes, hosts files.
const RESERVED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_depends_on_the_descriptors() {
        for (have, conversations, look_ups) in
            [(4096, 512, 32), (1024, 512, 6), (256, 120, 1), (64, 1, 1), (0, 1, 1)]
        {
            assert_eq!(share(512, have), Share { conversations, look_ups }, "{have}");
        }
    }
}
