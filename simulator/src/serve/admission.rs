//! How many connections a server has, in all and per address, and how many bytes they hold.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The door: counts connections and refuses those over a limit.
#[derive(Debug)]
pub(super) struct Admission {
    limit: usize,
    open: AtomicUsize,
    /// `None` when the limit per address is no tighter than the limit of all.
    per_address: Option<PerAddress>,
}

#[derive(Debug)]
struct PerAddress {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one admitted connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

/// Which limit a connection met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The server has as many connections as it may.
    Server,
    /// The client's address has as many connections as it may.
    Address,
}

impl Admission {
    /// Admits `limit` connections in all and `limit_per_address` from one address.
    #[must_use]
    pub(super) fn new(limit: usize, limit_per_address: usize) -> Self {
        let per_address = (limit_per_address < limit)
            .then(|| PerAddress { limit: limit_per_address, open: Mutex::default() });
        Self { limit, open: AtomicUsize::new(0), per_address }
    }

    /// A place for a connection from `address`; an IPv4 address counts the same on a dual-stack
    /// listener.
    ///
    /// # Errors
    /// [`Full`] with the limit that was met.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = address.to_canonical();
        if !add_below(&self.open, 1, self.limit) {
            return Err(Full::Server);
        }
        if self.per_address.as_ref().is_some_and(|per_address| !per_address.add(address)) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Address);
        }
        Ok(Place { admission: Arc::clone(self), address })
    }

    /// Connections admitted and not yet gone.
    #[must_use]
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(per_address) = &self.admission.per_address {
            per_address.remove(self.address);
        }
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PerAddress {
    fn add(&self, address: IpAddr) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        let admitted = *count < self.limit;
        if admitted {
            *count += 1;
        }
        admitted
    }

    fn remove(&self, address: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "as many connections as allowed are open",
            Self::Address => "as many connections as allowed are open from this address",
        })
    }
}

/// The bytes that all connections of a server hold, against their limit.
#[derive(Debug)]
pub(super) struct ByteBudget {
    limit: usize,
    used: AtomicUsize,
}

impl ByteBudget {
    /// A budget of `limit` bytes, all free.
    #[must_use]
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Changes one holder's share from `held` to `wanted` bytes; false, and no change, when the
    /// limit would be passed. Giving bytes back always succeeds.
    pub(super) fn resize(&self, held: usize, wanted: usize) -> bool {
        if wanted <= held {
            self.used.fetch_sub(held - wanted, Ordering::Relaxed);
            return true;
        }
        add_below(&self.used, wanted - held, self.limit)
    }
}

/// Adds `amount` to `counter` unless that would pass `limit`.
fn add_below(counter: &AtomicUsize, amount: usize, limit: usize) -> bool {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| {
            value.checked_add(amount).filter(|sum| *sum <= limit)
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_connection_over_the_limit_is_refused_and_the_next_admitted_when_one_leaves() {
        let admission = Arc::new(Admission::new(2, 2));
        let first = admission.admit(address(1)).unwrap();
        let _second = admission.admit(address(1)).unwrap();
        assert_eq!(admission.admit(address(2)).unwrap_err(), Full::Server);
        drop(first);
        assert!(admission.admit(address(2)).is_ok());
    }

    #[test]
    fn an_address_at_its_limit_does_not_keep_others_out() {
        let admission = Arc::new(Admission::new(10, 1));
        let first = admission.admit(address(1)).unwrap();
        assert_eq!(admission.admit(address(1)).unwrap_err(), Full::Address);
        let _other = admission.admit(address(2)).unwrap();
        assert_eq!(admission.open(), 2);
        drop(first);
        assert!(admission.admit(address(1)).is_ok());
    }

    #[test]
    fn an_ipv4_address_is_the_same_client_on_a_dual_stack_listener() {
        let admission = Arc::new(Admission::new(10, 1));
        let _first = admission.admit("127.0.0.1".parse().unwrap()).unwrap();
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(admission.admit(mapped).unwrap_err(), Full::Address);
    }

    #[test]
    fn addresses_that_left_are_forgotten() {
        let admission = Arc::new(Admission::new(10, 1));
        drop(admission.admit(address(1)).unwrap());
        let per_address = admission.per_address.as_ref().unwrap();
        assert!(per_address.open.lock().unwrap().is_empty());
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn bytes_are_granted_up_to_the_limit_and_given_back() {
        let budget = ByteBudget::new(100);
        assert!(budget.resize(0, 100));
        assert!(!budget.resize(0, 1));
        assert!(budget.resize(100, 40));
        assert!(budget.resize(0, 60));
        assert!(!budget.resize(40, usize::MAX));
        assert_eq!(budget.used.load(Ordering::Relaxed), 100);
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }
}
