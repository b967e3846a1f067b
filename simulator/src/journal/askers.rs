//! Who has asked: requests by address and hour, readable or not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use rusqlite::params_from_iter;
use serde::Serialize;

use super::error::JournalError;
use super::filter::{Condition, Filter};
use super::reader::Reader;

/// Who has asked. Names are fixed for scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Askers {
    /// Requests, of all addresses below.
    pub requests: u64,
    /// Whether there are more pairs of address and hour than [`ASKED_HOURS_MAX`]: these are the latest.
    pub truncated: bool,
    /// One entry for each address, in order of address.
    pub addresses: Vec<Asker>,
}

/// One address that has asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asker {
    /// The address; IPv4 as such, also where it came in on an IPv6 socket.
    pub address: IpAddr,
    /// Its requests.
    pub requests: u64,
    /// Those sealed with another key: what a real client sends.
    pub foreign_key: u64,
    /// Its first and its last request, RFC 3339 in UTC.
    pub first: String,
    /// The last request.
    pub last: String,
    /// Names in the requests that could be read, at most [`NAMES_MAX`].
    pub names: Vec<String>,
    /// Whether there were more names.
    pub more_names: bool,
    /// Its hours, for those that have a request.
    pub hours: Vec<AskedHour>,
}

/// One hour of real time of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedHour {
    /// Its beginning, RFC 3339 in UTC.
    pub hour: String,
    /// Requests in it.
    pub requests: u64,
    /// Those sealed with another key.
    pub foreign_key: u64,
}

impl Reader {
    /// Who sent the requests that `filter` wants, by address and hour of real time.
    ///
    /// # Errors
    /// A file that is damaged or cannot be read.
    pub fn askers(&self, filter: &Filter) -> Result<Askers, JournalError> {
        let wanted = filter.of_requests();
        let mut asked = self.asked_hours(&wanted)?;
        let truncated = asked.len() > ASKED_HOURS_MAX;
        asked.truncate(ASKED_HOURS_MAX);
        let mut askers: BTreeMap<IpAddr, Asker> = BTreeMap::new();
        // From the latest hour back: the first that is seen of an address is its last.
        for (address, first, last, hour) in asked {
            let asker = askers.entry(address).or_insert_with(|| Asker::new(address, last));
            asker.add(first, hour);
        }
        for (address, name) in self.names(&wanted)? {
            askers.entry(address).and_modify(|asker| asker.add_name(name));
        }
        let mut addresses: Vec<Asker> = askers.into_values().collect();
        addresses.iter_mut().for_each(|asker| asker.hours.reverse());
        let requests = addresses.iter().map(|asker| asker.requests).sum();
        Ok(Askers { requests, truncated, addresses })
    }

    /// Address, first and last time, and hour; the latest hour first.
    fn asked_hours(
        &self,
        wanted: &Condition,
    ) -> Result<Vec<(IpAddr, String, String, AskedHour)>, JournalError> {
        let sql = format!(
            "SELECT {ADDRESS} AS address,
                strftime('%Y-%m-%dT%H:00:00Z', real_time_us / 1000000, 'unixepoch') AS hour,
                count(*), count(*) FILTER (WHERE outcome = 'foreign-key'),
                strftime('%Y-%m-%dT%H:%M:%SZ', min(real_time_us) / 1000000, 'unixepoch'),
                strftime('%Y-%m-%dT%H:%M:%SZ', max(real_time_us) / 1000000, 'unixepoch')
             FROM request WHERE {} GROUP BY address, hour
             ORDER BY hour DESC, max(real_time_us) DESC LIMIT {}",
            wanted.sql,
            ASKED_HOURS_MAX + 1
        );
        let rows: Vec<(String, String, String, AskedHour)> = self.sql(|connection| {
            connection
                .prepare(&sql)?
                .query_map(params_from_iter(&wanted.values), |row| {
                    let hour = AskedHour {
                        hour: row.get(1)?,
                        requests: row.get::<_, i64>(2)?.cast_unsigned(),
                        foreign_key: row.get::<_, i64>(3)?.cast_unsigned(),
                    };
                    Ok((row.get(0)?, row.get(4)?, row.get(5)?, hour))
                })?
                .collect()
        })?;
        let parsed = rows.into_iter().map(|(address, first, last, hour)| {
            address_of(&address).map(|address| (address, first, last, hour))
        });
        let parsed: Option<Vec<_>> = parsed.collect();
        parsed.ok_or_else(|| self.damaged_peer())
    }

    /// The names that each address gave, bounded like the hours.
    fn names(&self, wanted: &Condition) -> Result<BTreeSet<(IpAddr, String)>, JournalError> {
        let sql = format!(
            "SELECT DISTINCT {ADDRESS}, machine_name FROM request
             WHERE {} AND machine_name IS NOT NULL LIMIT {ASKED_HOURS_MAX}",
            wanted.sql
        );
        let rows: Vec<(String, String)> = self.sql(|connection| {
            connection
                .prepare(&sql)?
                .query_map(params_from_iter(&wanted.values), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        let parsed = rows.into_iter().map(|(address, name)| Some((address_of(&address)?, name)));
        parsed.collect::<Option<_>>().ok_or_else(|| self.damaged_peer())
    }
}

impl Asker {
    const fn new(address: IpAddr, last: String) -> Self {
        Self {
            address,
            requests: 0,
            foreign_key: 0,
            first: String::new(),
            last,
            names: Vec::new(),
            more_names: false,
            hours: Vec::new(),
        }
    }

    /// Adds an hour that is not later than those before. An IPv4 address that came in on two kinds
    /// of socket has two rows for one hour.
    fn add(&mut self, first: String, asked: AskedHour) {
        self.requests += asked.requests;
        self.foreign_key += asked.foreign_key;
        if self.first.is_empty() || first < self.first {
            self.first = first;
        }
        match self.hours.last_mut() {
            Some(hour) if hour.hour == asked.hour => {
                hour.requests += asked.requests;
                hour.foreign_key += asked.foreign_key;
            }
            _ => self.hours.push(asked),
        }
    }

    fn add_name(&mut self, name: String) {
        if self.names.len() < NAMES_MAX {
            self.names.push(name);
        } else {
            self.more_names = true;
        }
    }
}

/// The address of a peer without its port, as [`ADDRESS`] gives it.
fn address_of(text: &str) -> Option<IpAddr> {
    format!("{text}0").parse::<SocketAddr>().ok().map(|peer| peer.ip().to_canonical())
}

/// A peer, `192.0.2.1:50000` or `[2001:db8::1]:50000`, up to and with the last colon.
const ADDRESS: &str = "rtrim(peer, '0123456789')";

/// Pairs of address and hour that are told, at most; the latest.
pub const ASKED_HOURS_MAX: usize = 100_000;

/// Names that are told of one address, at most.
pub const NAMES_MAX: usize = 10;
