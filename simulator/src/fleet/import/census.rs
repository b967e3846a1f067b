//! Who is who: requests and rows of an inventory as clients.
//!
//! A pair of CMID and name is kept apart while reading. Names that follow one another under one CMID
//! are one machine whose name changes; names that take turns, or come within minutes, are clones that
//! share it. The same the other way round: CMIDs that follow one another under one name are one machine.

use std::collections::HashMap;

use jiff::Timestamp;
use kms_protocol::guid::Guid;
use kms_protocol::kms::Hresult;
use kms_protocol::kms::product::Product;

use super::request::Sighting;
use crate::fleet::scenario::Identity;

/// Everybody who was seen.
#[derive(Debug)]
pub(super) struct Census {
    pairs: Vec<Person>,
    by_pair: HashMap<(Option<Guid>, Option<String>), usize>,
    by_cmid: HashMap<Guid, Uses>,
    by_name: HashMap<String, Uses>,
    most: usize,
    seen: u64,
    end: Option<Timestamp>,
}

/// A client.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) cmid: Option<Guid>,
    pub(super) name: Option<String>,
    pub(super) identity: Identity,
    pub(super) product: &'static Product,
    first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) host: Option<String>,
    pub(super) site: Option<String>,
    pub(super) result: Option<Hresult>,
    pub(super) status: Option<u32>,
    /// The number of its last sighting.
    order: u64,
    /// Whether it is among the pairs of its CMID, and of its name.
    is_under: (bool, bool),
}

/// The pairs that one CMID, or one name, is part of.
#[derive(Debug, Default)]
struct Uses {
    pairs: Vec<usize>,
    current: usize,
    /// Whether one of them came back after another.
    returns: bool,
}

impl Census {
    pub(super) fn new(most: usize) -> Self {
        Self {
            pairs: Vec::new(),
            by_pair: HashMap::new(),
            by_cmid: HashMap::new(),
            by_name: HashMap::new(),
            most,
            seen: 0,
            end: None,
        }
    }

    /// The time of the last sighting.
    pub(super) const fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Takes in what was seen once.
    pub(super) fn take(&mut self, seen: Sighting, product: &'static Product) -> Result<(), String> {
        self.seen += 1;
        self.end = self.end.max(seen.time);
        // A CMID of zeros is none.
        let cmid = seen.cmid.filter(|cmid| !cmid.is_zero());
        let folded = seen.name.as_ref().map(|name| name.to_lowercase());
        let at = match self.find(cmid, folded.as_ref()) {
            Some(at) => at,
            None if self.pairs.len() < self.most => self.add(cmid, seen.name.clone(), product),
            None => return Err(format!("more than {} pairs of CMID and name", self.most)),
        };
        self.use_pair(at, cmid, folded);
        let order = self.seen;
        if let Some(person) = self.pairs.get_mut(at) {
            person.learn(seen, product, order);
        }
        Ok(())
    }

    /// The pair that is meant; what has one half only gets the other.
    fn find(&self, cmid: Option<Guid>, name: Option<&String>) -> Option<usize> {
        let exact = self.by_pair.get(&(cmid, name.cloned()));
        let half = || match (cmid, name) {
            (Some(cmid), Some(name)) => {
                let named = self.by_pair.get(&(None, Some(name.clone())));
                named.or_else(|| self.by_pair.get(&(Some(cmid), None)))
            }
            (Some(cmid), None) => Some(&self.by_cmid.get(&cmid)?.current),
            (None, Some(name)) => Some(&self.by_name.get(name)?.current),
            (None, None) => None,
        };
        exact.or_else(half).copied()
    }

    fn add(
        &mut self,
        cmid: Option<Guid>,
        name: Option<String>,
        product: &'static Product,
    ) -> usize {
        self.pairs.push(Person {
            cmid,
            name,
            identity: Identity::Stable,
            product,
            first: None,
            last: None,
            host: None,
            site: None,
            result: None,
            status: None,
            order: 0,
            is_under: (false, false),
        });
        self.pairs.len() - 1
    }

    fn use_pair(&mut self, at: usize, cmid: Option<Guid>, name: Option<String>) {
        let Some(person) = self.pairs.get_mut(at) else { return };
        let before = (person.cmid, person.name.as_ref().map(|name| name.to_lowercase()));
        person.cmid = person.cmid.or(cmid);
        let after = (person.cmid, before.1.clone().or(name));
        if before != after {
            self.by_pair.remove(&before);
        }
        if let Some(cmid) = after.0 {
            self.by_cmid.entry(cmid).or_default().use_pair(at, &mut person.is_under.0);
        }
        if let Some(name) = &after.1 {
            self.by_name.entry(name.clone()).or_default().use_pair(at, &mut person.is_under.1);
        }
        self.by_pair.insert(after, at);
    }

    /// Every client, in the order in which they were first seen.
    pub(super) fn people(&self) -> Vec<Person> {
        let mut people: Vec<Option<Person>> = self.pairs.iter().cloned().map(Some).collect();
        // Several CMIDs may be one reinstallation; more are a CMID that does not stay.
        for uses in self.by_name.values() {
            merge(&mut people, uses, |count| {
                if count > 2 { Identity::CmidPerBoot } else { Identity::Stable }
            });
        }
        for uses in self.by_cmid.values() {
            merge(&mut people, uses, |_| Identity::NamePerBoot);
        }
        people.into_iter().flatten().collect()
    }
}

/// Leaves the latest of pairs that follow one another.
fn merge(people: &mut [Option<Person>], uses: &Uses, identity: impl Fn(usize) -> Identity) {
    let there = |at: &&usize| people.get(**at).is_some_and(Option::is_some);
    let alive: Vec<usize> = uses.pairs.iter().filter(there).copied().collect();
    if uses.returns || alive.len() < 2 {
        return;
    }
    let firsts: Option<Vec<Timestamp>> =
        alive.iter().map(|at| people.get(*at)?.as_ref()?.first).collect();
    if !firsts.is_some_and(|firsts| follow_slowly(&firsts)) {
        return;
    }
    let age = |at: &usize| {
        let person = people.get(*at)?.as_ref()?;
        Some((person.last, person.order))
    };
    let Some(latest) = alive.iter().copied().max_by_key(age) else { return };
    let identity = identity(alive.len());
    for at in alive {
        match people.get_mut(at) {
            Some(person) if at != latest => *person = None,
            Some(Some(person)) if person.identity == Identity::Stable => person.identity = identity,
            _ => {}
        }
    }
}

/// Whether a machine may have been started anew between each two of these times.
fn follow_slowly(firsts: &[Timestamp]) -> bool {
    let span_s = firsts.iter().max().zip(firsts.iter().min());
    let span_s = span_s.map_or(0, |(last, first)| last.as_second() - first.as_second());
    let changes = i64::try_from(firsts.len().saturating_sub(1)).unwrap_or(i64::MAX);
    span_s >= changes.saturating_mul(CHANGE_S_MIN)
}

impl Person {
    fn learn(&mut self, seen: Sighting, product: &'static Product, order: u64) {
        self.name = self.name.take().or(seen.name);
        self.site = seen.site.or(self.site.take());
        // An inventory says nothing of requests, and a log nothing of sites.
        let is_later = seen.time >= self.last || seen.time.is_none();
        if is_later || self.host.is_none() {
            self.host = seen.host.or(self.host.take());
        }
        if is_later || self.result.is_none() {
            self.result = seen.result.or(self.result);
            self.status = seen.status.or(self.status);
        }
        // What a request says of its product is sure.
        if seen.sku.is_some() || self.order == 0 {
            self.product = product;
        }
        self.first = self.first.into_iter().chain(seen.time).min();
        self.last = self.last.max(seen.time);
        self.order = order;
    }
}

impl Uses {
    fn use_pair(&mut self, at: usize, is_under: &mut bool) {
        if !std::mem::replace(is_under, true) {
            self.pairs.push(at);
        } else if self.current != at {
            self.returns = true;
        }
        self.current = at;
    }
}

/// Seconds between two changes of a name or CMID, on average, of what is one machine.
const CHANGE_S_MIN: i64 = 3600;
