//! The clock of a simulated host.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kms_protocol::filetime::FileTime;

/// The machine's clock, moved by a fixed offset, so that a host with a wrong clock can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    offset: Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offset {
    Ahead(Duration),
    Behind(Duration),
}

impl Clock {
    /// The machine's own clock.
    pub const REAL: Self = Self::ahead_by(Duration::ZERO);

    /// A clock that shows a later time than the machine's.
    #[must_use]
    pub const fn ahead_by(offset: Duration) -> Self {
        Self { offset: Offset::Ahead(offset) }
    }

    /// A clock that shows an earlier time than the machine's.
    #[must_use]
    pub const fn behind_by(offset: Duration) -> Self {
        Self { offset: Offset::Behind(offset) }
    }

    /// The time that this clock shows now.
    #[must_use]
    pub fn now(&self) -> FileTime {
        self.shown_at(SystemTime::now())
    }

    /// What this clock shows when the machine's shows `machine_time`.
    fn shown_at(&self, machine_time: SystemTime) -> FileTime {
        let since_1970 = machine_time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = UNIX_EPOCH_FILETIME.saturating_add(since_1970);
        match self.offset {
            Offset::Ahead(offset) => time.saturating_add(offset),
            Offset::Behind(offset) => time.saturating_sub(offset),
        }
    }
}

impl Default for Offset {
    fn default() -> Self {
        Self::Ahead(Duration::ZERO)
    }
}

/// 1970-01-01 UTC.
const UNIX_EPOCH_FILETIME: FileTime = FileTime::from_ticks(116_444_736_000_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_moves_the_time_either_way() {
        let machine_time = UNIX_EPOCH + Duration::from_secs(1_785_369_600);
        let hours = |count: u64| Duration::from_secs(count * 3600);
        for (clock, text) in [
            (Clock::REAL, "2026-07-30 00:00:00"),
            (Clock::default(), "2026-07-30 00:00:00"),
            (Clock::ahead_by(hours(5)), "2026-07-30 05:00:00"),
            (Clock::behind_by(hours(5)), "2026-07-29 19:00:00"),
            (Clock::behind_by(Duration::MAX), "1601-01-01 00:00:00"),
        ] {
            assert_eq!(clock.shown_at(machine_time).to_string(), text);
        }
    }
}
