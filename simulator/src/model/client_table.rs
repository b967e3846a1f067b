//! The clients that one host remembers, application by application.

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;

use super::client_cache::ClientCache;

/// One cache per application that has asked. It is a value: whoever applies the same records in the
/// same order to the same table has the same table, which is how a journal restores a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTable {
    applications: Vec<(Guid, ClientCache)>,
}

impl ClientTable {
    /// A table of caches by application id; of two for the same application the later one holds.
    #[must_use]
    pub fn from_caches(caches: impl IntoIterator<Item = (Guid, ClientCache)>) -> Self {
        let mut table = Self::default();
        for (app_id, cache) in caches {
            *table.cache_mut(app_id) = cache;
        }
        table
    }

    /// Records a client and returns the count of its application: see [`ClientCache::record`].
    pub fn record(&mut self, app_id: Guid, cmid: Guid, n_policy: u32, now: FileTime) -> u32 {
        self.cache_mut(app_id).record(cmid, n_policy, now)
    }

    /// The count of `app_id` at `now`, without recording anything.
    #[must_use]
    pub fn count(&self, app_id: Guid, now: FileTime) -> u32 {
        self.cache(app_id).map_or(0, |cache| cache.count(now))
    }

    /// The cache of `app_id`; `None` when no client of it has asked.
    #[must_use]
    pub fn cache(&self, app_id: Guid) -> Option<&ClientCache> {
        self.applications.iter().find(|(known, _)| *known == app_id).map(|(_, cache)| cache)
    }

    /// Every application with its cache, in the order in which they first asked.
    pub fn applications(&self) -> impl Iterator<Item = (Guid, &ClientCache)> {
        self.applications.iter().map(|(app_id, cache)| (*app_id, cache))
    }

    fn cache_mut(&mut self, app_id: Guid) -> &mut ClientCache {
        let at = match self.applications.iter().position(|(known, _)| *known == app_id) {
            Some(at) => at,
            None => {
                self.applications.push((app_id, ClientCache::new()));
                self.applications.len() - 1
            }
        };
        #[allow(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.applications[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a cache shows is all that it is: taken apart and put together it goes on alike.
        #[test]
        fn a_table_put_together_again_answers_as_before(
            before in visits(),
            after in visits(),
        ) {
            let mut table = ClientTable::default();
            for (app, client, n_policy, hours) in before {
                table.record(guid(app), guid(client), n_policy, hour(hours));
            }
            let mut restored = ClientTable::from_caches(table.applications().map(|(app_id, cache)| {
                (app_id, ClientCache::restored(cache.capacity(), cache.entries()))
            }));
            prop_assert_eq!(&restored, &table);
            for (app, client, n_policy, hours) in after {
                let (app_id, cmid, now) = (guid(app), guid(client), hour(hours));
                let count = table.record(app_id, cmid, n_policy, now);
                prop_assert_eq!(restored.record(app_id, cmid, n_policy, now), count);
            }
            prop_assert_eq!(&restored, &table);
        }
    }

    fn visits() -> impl Strategy<Value = Vec<(u8, u8, u32, u64)>> {
        prop::collection::vec((0u8..3, 0u8..80, 0u32..30, 0u64..2000), 0..200)
    }

    fn guid(number: u8) -> Guid {
        Guid::from_bytes([number; 16])
    }

    fn hour(hours: u64) -> FileTime {
        FileTime::from_ticks((2_000_000 + hours) * 3600 * 10_000_000)
    }
}
