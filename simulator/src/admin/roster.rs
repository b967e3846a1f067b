//! The clients that have asked while somebody watched: what each said of itself last.

use std::collections::{BTreeMap, HashMap};

use kms_protocol::guid::Guid;

/// What is known of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Place of the host that it has asked.
    pub(super) host: usize,
    /// Application, whose count it may be part of.
    pub(super) app_id: Guid,
    /// Client machine id.
    pub(super) cmid: Guid,
    /// The name that it gave last.
    pub(super) name: String,
    /// The product that it asked for last.
    pub(super) product: Option<&'static str>,
    /// Its licence status before the request, 0 to 6.
    pub(super) licence_status: u32,
    /// Where it asked from last.
    pub(super) address: String,
    /// When it asked last, in microseconds since 1970-01-01 UTC.
    pub(super) seen_us: i64,
}

/// Host, application and client machine id.
type Key = (usize, Guid, Guid);

/// A bounded roster of all hosts: the client that has been silent for longest falls out.
#[derive(Debug, Default)]
pub(super) struct Roster {
    clients: HashMap<Key, (u64, Client)>,
    by_age: BTreeMap<u64, Key>,
    next_age: u64,
}

impl Roster {
    /// Takes in what a client says now.
    pub(super) fn see(&mut self, client: Client) {
        let key = (client.host, client.app_id, client.cmid);
        self.next_age += 1;
        if let Some((age, _)) = self.clients.insert(key, (self.next_age, client)) {
            self.by_age.remove(&age);
        }
        self.by_age.insert(self.next_age, key);
        if self.clients.len() > CLIENTS_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.clients.remove(&oldest);
        }
    }

    /// One client.
    pub(super) fn get(&self, host: usize, app_id: Guid, cmid: Guid) -> Option<&Client> {
        self.clients.get(&(host, app_id, cmid)).map(|(_, client)| client)
    }

    /// All clients of a host, in no order.
    pub(super) fn clients(&self, host: usize) -> impl Iterator<Item = &Client> {
        let clients = self.clients.values().map(|(_, client)| client);
        clients.filter(move |client| client.host == host)
    }

    /// All clients of a host, the latest first.
    pub(super) fn latest_first(&self, host: usize) -> impl Iterator<Item = &Client> {
        let keys = self.by_age.values().rev().filter(move |(of, ..)| *of == host);
        keys.filter_map(|key| self.clients.get(key).map(|(_, client)| client))
    }
}

/// Clients remembered, at most: about 3 MB.
pub(super) const CLIENTS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> Client {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Client {
            host: 0,
            app_id: Guid::ZERO,
            cmid: Guid::from_bytes(bytes),
            name: format!("PC-{number}"),
            product: None,
            licence_status: 2,
            address: "192.0.2.1:50000".to_owned(),
            seen_us: i64::from(number),
        }
    }

    #[test]
    fn the_latest_word_of_a_client_holds_and_comes_first() {
        let mut roster = Roster::default();
        roster.see(client(1));
        roster.see(client(2));
        roster.see(Client { name: "RENAMED".to_owned(), ..client(1) });
        let names: Vec<_> = roster.latest_first(0).map(|client| client.name.as_str()).collect();
        assert_eq!(names, ["RENAMED", "PC-2"]);
        assert_eq!(roster.by_age.len(), 2);
    }

    #[test]
    fn past_the_bound_the_longest_silent_falls_out() {
        let mut roster = Roster::default();
        let bound = u32::try_from(CLIENTS_MAX).unwrap_or(u32::MAX);
        (0..bound).for_each(|number| roster.see(client(number)));
        roster.see(client(0));
        roster.see(client(bound));
        assert_eq!((roster.clients.len(), roster.by_age.len()), (CLIENTS_MAX, CLIENTS_MAX));
        assert!(roster.get(0, Guid::ZERO, client(1).cmid).is_none());
        assert!(roster.get(0, Guid::ZERO, client(0).cmid).is_some());
    }
}
