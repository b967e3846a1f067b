//! What a server has seen, as plain numbers that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

use super::service_times::ServiceTimes;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters of one worker: each is written by one thread and read by any.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)+
            /// Filled while somebody watches.
            pub(super) service_times: ServiceTimes,
        }

        /// What a server has seen since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Totals {
            pub(super) fn add(&mut self, counters: &Counters) {
                $(self.$name += counters.$name.get();)+
            }
        }
    };
}

counters! {
    /// Connections accepted and admitted.
    connections,
    /// Connections closed at once because a limit was met.
    connections_refused,
    /// Connections that the system could not hand over, for want of descriptors or memory.
    accept_errors,
    /// Calls answered, whatever the answer.
    requests,
    /// Requests recorded and answered with a count.
    requests_accepted,
    /// Requests that did not verify under the lab's key.
    foreign_keys,
    /// Events that a fault rule struck.
    faults,
    /// Peers that broke the protocol or a bound of time or memory.
    peers_refused,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
