//! The distinct clients that one application of a host remembers.

use std::collections::VecDeque;
use std::time::Duration;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;

/// Client machine ids (CMIDs) in the order in which they were last seen.
///
/// Holds at most twice the largest threshold recorded, between [`CAPACITY_MIN`] and
/// [`CAPACITY_MAX`]. An entry lives for [`ENTRY_LIFE`] after its last contact, that moment included:
/// a client that renews at the longest interval a host may ask for (30 days) is never forgotten.
#[derive(Clone, Debug)]
pub struct ClientCache {
    /// Least recently seen first.
    entries: VecDeque<Entry>,
    capacity: usize,
    /// How many entries have a CMID of each hash, made with the first: most CMIDs of a large fleet
    /// are not remembered, and this says so without a look at the entries.
    hashes: Vec<u8>,
    /// Whether the clock has always gone forward, so that the first entry expires first.
    is_in_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    cmid: Guid,
    seen: FileTime,
}

impl ClientCache {
    /// An empty cache of the smallest capacity.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            capacity: CAPACITY_MIN,
            hashes: Vec::new(),
            is_in_order: true,
        }
    }

    /// Records that `cmid`, a client that needs `n_policy` clients, was seen at `now`, then
    /// returns the count of clients remembered, this one included.
    ///
    /// The entries are scanned only for a client that may be among them, or where the clock was set
    /// back.
    pub fn record(&mut self, cmid: Guid, n_policy: u32, now: FileTime) -> u32 {
        self.make_room_for(n_policy);
        if self.hashes.is_empty() {
            self.hashes = vec![0; HASHES];
        }
        let oldest = oldest_alive(now);
        self.is_in_order &= self.entries.back().is_none_or(|entry| entry.seen <= now);
        if !self.is_in_order || self.hashes.get(hash(&cmid)) != Some(&0) {
            self.remove(|entry| entry.cmid == cmid || entry.seen < oldest);
        }
        while self.entries.front().is_some_and(|entry| entry.seen < oldest)
            || self.entries.len() >= self.capacity
        {
            self.forget_first();
        }
        self.entries.push_back(Entry { cmid, seen: now });
        if let Some(count) = self.hashes.get_mut(hash(&cmid)) {
            *count += 1;
        }
        count_of(self.entries.len())
    }

    /// The count of clients remembered at `now`.
    #[must_use]
    pub fn count(&self, now: FileTime) -> u32 {
        let oldest = oldest_alive(now);
        count_of(self.entries.iter().filter(|entry| entry.seen >= oldest).count())
    }

    /// Most clients that can be remembered at present. It grows and never shrinks.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Every client remembered with its last contact, least recently seen first; some may have
    /// expired since the last record.
    pub fn entries(&self) -> impl Iterator<Item = (Guid, FileTime)> {
        self.entries.iter().map(|entry| (entry.cmid, entry.seen))
    }

    /// The clients that count at `now`, least recently seen first.
    pub fn alive(&self, now: FileTime) -> impl Iterator<Item = (Guid, FileTime)> {
        let oldest = oldest_alive(now);
        self.entries().filter(move |(_, seen)| *seen >= oldest)
    }

    /// A cache as [`ClientCache::capacity`] and [`ClientCache::entries`] showed it. What would
    /// break its bounds is left out: the least recently seen first.
    #[must_use]
    pub fn restored(capacity: usize, entries: impl IntoIterator<Item = (Guid, FileTime)>) -> Self {
        let capacity = capacity.clamp(CAPACITY_MIN, CAPACITY_MAX);
        let mut entries: VecDeque<Entry> =
            entries.into_iter().map(|(cmid, seen)| Entry { cmid, seen }).collect();
        entries.drain(..entries.len().saturating_sub(capacity));
        let is_in_order = entries.iter().is_sorted_by_key(|entry| entry.seen);
        let mut hashes = vec![0; HASHES];
        for entry in &entries {
            if let Some(count) = hashes.get_mut(hash(&entry.cmid)) {
                *count += 1;
            }
        }
        Self { entries, capacity, hashes, is_in_order }
    }

    fn remove(&mut self, is_gone: impl Fn(&Entry) -> bool) {
        let hashes = &mut self.hashes;
        self.entries.retain(|entry| {
            let is_gone = is_gone(entry);
            if is_gone && let Some(count) = hashes.get_mut(hash(&entry.cmid)) {
                *count -= 1;
            }
            !is_gone
        });
    }

    fn forget_first(&mut self) {
        if let Some(entry) = self.entries.pop_front()
            && let Some(count) = self.hashes.get_mut(hash(&entry.cmid))
        {
            *count -= 1;
        }
    }

    fn make_room_for(&mut self, n_policy: u32) {
        let wanted = usize::try_from(n_policy).unwrap_or(CAPACITY_MAX).saturating_mul(2);
        self.capacity = self.capacity.max(wanted.min(CAPACITY_MAX));
    }
}

impl Default for ClientCache {
    fn default() -> Self {
        Self::new()
    }
}

/// Two caches are equal that remember the same.
impl PartialEq for ClientCache {
    fn eq(&self, other: &Self) -> bool {
        (self.capacity, &self.entries) == (other.capacity, &other.entries)
    }
}

impl Eq for ClientCache {}

/// Where a CMID is counted. Whoever makes up CMIDs that fall together only makes the scan necessary.
fn hash(cmid: &Guid) -> usize {
    let [.., a, b, c, d] = *cmid.as_bytes();
    let bits = u32::from_be_bytes([a, b, c, d]).wrapping_mul(0x9e37_79b1);
    (bits >> (u32::BITS - HASHES.trailing_zeros())) as usize
}

/// The earliest last contact that still counts. A clock that was set back makes an entry look as if
/// it came from the future: it counts.
fn oldest_alive(now: FileTime) -> FileTime {
    now.saturating_sub(ENTRY_LIFE)
}

fn count_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Capacity before any request with a threshold above five (Microsoft, KMS activation planning).
pub const CAPACITY_MIN: usize = 10;

/// Capacity from the first request with a threshold of 25 on (Microsoft, KMS activation planning).
pub const CAPACITY_MAX: usize = 50;

/// Room for hashes: with fifty entries, one foreign CMID in twenty makes a scan necessary.
const HASHES: usize = 1024;

/// How long a client counts after its last contact (Microsoft, KMS activation planning).
pub const ENTRY_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_repeated_client_counts_once() {
        let mut cache = ClientCache::new();
        assert_eq!(cache.record(cmid(1), 25, day(0)), 1);
        assert_eq!(cache.record(cmid(1), 25, day(1)), 1);
        assert_eq!(cache.record(cmid(2), 25, day(1)), 2);
    }

    #[test]
    fn capacity_is_ten_for_servers_fifty_from_the_first_windows_client_and_never_shrinks() {
        let mut cache = ClientCache::new();
        for client in 0..20 {
            cache.record(cmid(client), 5, day(0));
        }
        assert_eq!((cache.capacity(), cache.count(day(0))), (10, 10));
        assert_eq!(cache.record(cmid(100), 25, day(0)), 11);
        assert_eq!(cache.capacity(), 50);
        for client in 150..=255 {
            cache.record(cmid(client), 5, day(0));
        }
        assert_eq!((cache.capacity(), cache.count(day(0))), (50, 50));
    }

    #[test]
    fn capacity_stays_between_ten_and_fifty_whatever_threshold_is_asked() {
        for (n_policy, capacity) in
            [(0, 10), (1, 10), (5, 10), (6, 12), (24, 48), (25, 50), (26, 50), (u32::MAX, 50)]
        {
            let mut cache = ClientCache::new();
            cache.record(cmid(1), n_policy, day(0));
            assert_eq!(cache.capacity(), capacity, "N={n_policy}");
        }
    }

    #[test]
    fn the_least_recently_seen_client_falls_out_first() {
        let mut cache = ClientCache::new();
        for client in 0..10 {
            cache.record(cmid(client), 5, day(0));
        }
        cache.record(cmid(0), 5, day(1)); // renewed: client 1 is now the oldest
        cache.record(cmid(10), 5, day(1));
        let remembered: Vec<Guid> = cache.entries.iter().map(|entry| entry.cmid).collect();
        assert!(remembered.contains(&cmid(0)));
        assert!(!remembered.contains(&cmid(1)));
    }

    #[test]
    fn a_client_counts_for_thirty_days_to_the_tick_and_not_one_tick_more() {
        let mut cache = ClientCache::new();
        cache.record(cmid(1), 25, day(0));
        let last = day(0).saturating_add(ENTRY_LIFE);
        let next = FileTime::from_ticks(last.ticks() + 1);
        assert_eq!((cache.count(last), cache.count(next)), (1, 0));
        assert_eq!(cache.clone().record(cmid(2), 25, last), 2);
        assert_eq!(cache.record(cmid(2), 25, next), 1);
    }

    #[test]
    fn a_renewal_starts_the_thirty_days_again() {
        let mut cache = ClientCache::new();
        cache.record(cmid(1), 25, day(0));
        cache.record(cmid(1), 25, day(20));
        assert_eq!(cache.count(day(50)), 1);
        assert_eq!(cache.count(day(51)), 0);
    }

    #[test]
    fn a_clock_set_back_forgets_nobody() {
        let mut cache = ClientCache::new();
        cache.record(cmid(1), 25, day(300));
        assert_eq!(cache.record(cmid(2), 25, day(0)), 2);
    }

    proptest! {
        /// The cache against the plainest statement of its rule.
        #[test]
        fn the_count_is_that_of_the_last_distinct_living_clients(
            visits in prop::collection::vec((0u8..80, 0u32..30, 0u64..5), 1..300)
        ) {
            let mut cache = ClientCache::new();
            let mut last_seen: Vec<(Guid, FileTime)> = Vec::new();
            let mut capacity = CAPACITY_MIN;
            let mut now = day(0);
            for (client, n_policy, days_later) in visits {
                now = now.saturating_add(Duration::from_secs(days_later * 86_400));
                capacity = capacity.max((2 * n_policy as usize).min(CAPACITY_MAX));
                last_seen.retain(|(seen, _)| *seen != cmid(client));
                last_seen.retain(|(_, at)| at.abs_diff(now) <= ENTRY_LIFE);
                last_seen.push((cmid(client), now));
                let surplus = last_seen.len().saturating_sub(capacity);
                last_seen.drain(..surplus);
                let count = cache.record(cmid(client), n_policy, now);
                prop_assert_eq!(count as usize, last_seen.len());
                prop_assert_eq!(cache.count(now), count);
            }
        }
    }

    fn cmid(number: u8) -> Guid {
        Guid::from_bytes([number; 16])
    }

    fn day(days: u64) -> FileTime {
        FileTime::from_ticks((100_000 + days) * 86_400 * 10_000_000)
    }
}
