//! Events in their order, requests paired with answers, and what became of each client.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::moment::{DAY, MINUTE, Moment};
use super::names::{Id, Name, Names};
use super::record::{CLIENT_PROCESSED, CLIENT_SENT, Event, HOST_PROCESSED};
use super::records::Records;

/// What the events say together.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Clients by their machine id, in the order in which they first appear.
    pub clients: Vec<Client>,
    /// Clients beyond the limit.
    pub clients_left_out: u64,
    /// Requests of 12288 with no 12289 behind them, as indices of events.
    pub unanswered: Vec<(usize, Missing)>,
    /// When the hosts' logs begin and end, if there are any.
    pub host_log: Option<(Moment, Moment)>,
    /// When all events begin and end.
    pub span: Option<(Moment, Moment)>,
}

/// What is known about an answer that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A host logged the request: its answer was lost, or the client did not log it.
    HostSawIt,
    /// The hosts' logs cover the time and have no such request.
    NeverArrived,
    /// There is no log of a host for that time.
    NotKnown,
}

/// One client machine id.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id; none for machines that logged no request.
    pub cmid: Id,
    /// Names it used.
    pub names: BTreeSet<Name>,
    /// Whether a name came back after another one: then several machines share the id, for a machine
    /// that is renamed does not return to its old name.
    pub is_shared: bool,
    /// The name it used last.
    pub last_name: Name,
    /// Addresses it came from.
    pub addresses: BTreeSet<Name>,
    /// Hosts it asked.
    pub hosts: BTreeSet<Name>,
    /// Requests that it logged, and answers.
    pub sent: u64,
    /// Answers that it logged.
    pub answers: u64,
    /// Requests that a host logged.
    pub host_saw: u64,
    /// Requests with a result that is no success.
    pub failures: u64,
    /// Its first event.
    pub first: Moment,
    /// Its last event.
    pub last: Moment,
    /// Its last success.
    pub last_success: Moment,
    /// The result of its last event that has one.
    pub last_result: Option<u32>,
    /// Count that it needs.
    pub n_policy: Option<u32>,
    /// Index of its last event.
    pub last_event: usize,
}

impl Timeline {
    /// Clients that are followed; others are counted.
    pub const CLIENTS_MAX: usize = 200_000;
    /// Names, addresses and hosts that are kept of one client, of each kind.
    pub const NAMES_MAX: usize = 16;

    /// Puts the events in order and follows each client.
    #[must_use]
    pub fn of(records: &mut Records) -> Self {
        // Events of one moment stay in the order of their logs.
        records.events.sort_by_key(|event| event.time);
        let mut timeline = Self::default();
        timeline.measure(&records.events);
        let pending = timeline.pair(&records.events);
        timeline.explain_missing(&records.events, &pending);
        timeline.follow(&records.events, &records.names);
        timeline
    }

    /// The client with this machine id.
    #[must_use]
    pub fn client(&self, cmid: Id) -> Option<&Client> {
        self.clients.iter().find(|client| client.cmid == cmid)
    }

    fn measure(&mut self, events: &[Event]) {
        let span = |events: &mut dyn Iterator<Item = &Event>| {
            let mut times = events.map(|event| event.time).filter(|time| time.is_known());
            let first = times.next()?;
            Some((first, times.last().unwrap_or(first)))
        };
        self.span = span(&mut events.iter());
        self.host_log = span(&mut events.iter().filter(|event| event.is_of_host()));
    }

    /// Requests without an answer: a machine's 12289 belongs to its last 12288 before it.
    fn pair(&mut self, events: &[Event]) -> Vec<usize> {
        let mut open: HashMap<(Name, u16), usize> = HashMap::new();
        let mut unanswered = Vec::new();
        for (index, event) in events.iter().enumerate() {
            // Without a machine's name, events of one file are of one machine.
            let machine = match event.computer.is_some() {
                true => (event.computer, 0),
                false => (Name::NONE, event.place.file),
            };
            match event.id {
                CLIENT_SENT => {
                    let before = open.remove(&machine);
                    unanswered.extend(before.filter(|_| unanswered.len() < UNANSWERED_MAX));
                    // A result that is a failure says itself what happened.
                    if event.hresult == Some(0) && open.len() < Self::CLIENTS_MAX {
                        open.insert(machine, index);
                    }
                }
                CLIENT_PROCESSED => {
                    let sent = open.remove(&machine);
                    let is_its_own = sent.and_then(|sent| events.get(sent)).is_some_and(|sent| {
                        let same_clock = sent.client_time.is_known()
                            && sent.client_time.minute() == event.client_time.minute();
                        same_clock
                            || event.time.since(sent.time).is_some_and(|gap| gap <= ANSWER_WITHIN)
                    });
                    let lost = sent.filter(|_| !is_its_own && unanswered.len() < UNANSWERED_MAX);
                    unanswered.extend(lost);
                }
                _ => {}
            }
        }
        let mut rest: Vec<usize> = open.into_values().collect();
        rest.truncate(UNANSWERED_MAX.saturating_sub(unanswered.len()));
        unanswered.extend(rest);
        unanswered.sort_unstable();
        unanswered
    }

    fn explain_missing(&mut self, events: &[Event], pending: &[usize]) {
        if pending.is_empty() {
            return;
        }
        let wanted: HashSet<Id> =
            pending.iter().filter_map(|at| events.get(*at)).map(|event| event.cmid).collect();
        let at_hosts: HashSet<(Id, Option<i64>)> = events
            .iter()
            .filter(|event| event.is_of_host() && wanted.contains(&event.cmid))
            .map(|event| (event.cmid, event.client_time.minute()))
            .collect();
        for at in pending {
            let Some(event) = events.get(*at) else { continue };
            let is_covered =
                self.host_log.is_some_and(|(first, last)| (first..=last).contains(&event.time));
            let is_seen = event.cmid.is_some()
                && at_hosts.contains(&(event.cmid, event.client_time.minute()));
            let missing = match (is_seen, is_covered) {
                (true, _) => Missing::HostSawIt,
                (false, true) => Missing::NeverArrived,
                (false, false) => Missing::NotKnown,
            };
            self.unanswered.push((*at, missing));
        }
    }

    fn follow(&mut self, events: &[Event], names: &Names) {
        let mut by_id: HashMap<Id, usize> = HashMap::new();
        let mut id_of_machine: HashMap<Name, Id> = HashMap::new();
        for (index, event) in events.iter().enumerate() {
            let cmid = match event.id {
                CLIENT_SENT | HOST_PROCESSED => event.cmid,
                CLIENT_PROCESSED => id_of_machine.get(&event.computer).copied().unwrap_or(Id::NONE),
                _ => continue,
            };
            if !cmid.is_some() {
                continue;
            }
            if event.id == CLIENT_SENT && id_of_machine.len() < Self::CLIENTS_MAX {
                id_of_machine.insert(event.computer, cmid);
            }
            let at = match by_id.get(&cmid) {
                Some(at) => *at,
                None if self.clients.len() >= Self::CLIENTS_MAX => {
                    self.clients_left_out += 1;
                    continue;
                }
                None => {
                    self.clients.push(Client::new(cmid, event.time));
                    by_id.insert(cmid, self.clients.len() - 1);
                    self.clients.len() - 1
                }
            };
            if let Some(client) = self.clients.get_mut(at) {
                client.take(index, event, names);
            }
        }
    }
}

impl Client {
    const fn new(cmid: Id, first: Moment) -> Self {
        Self {
            cmid,
            names: BTreeSet::new(),
            is_shared: false,
            last_name: Name::NONE,
            addresses: BTreeSet::new(),
            hosts: BTreeSet::new(),
            sent: 0,
            answers: 0,
            host_saw: 0,
            failures: 0,
            first,
            last: first,
            last_success: Moment::UNKNOWN,
            last_result: None,
            n_policy: None,
            last_event: 0,
        }
    }

    fn take(&mut self, index: usize, event: &Event, names: &Names) {
        match event.id {
            CLIENT_SENT => self.sent += 1,
            CLIENT_PROCESSED => self.answers += 1,
            _ => self.host_saw += 1,
        }
        self.last = event.time;
        self.last_event = index;
        self.n_policy = event.n_policy.or(self.n_policy);
        // The machine's own name is what hosts see; what a host calls itself is not the client's.
        let own = if event.is_of_host() { event.name } else { event.computer };
        self.take_name(own, names);
        for (set, name) in [
            (&mut self.names, own),
            (&mut self.addresses, event.address),
            (&mut self.hosts, event.host),
        ] {
            if name.is_some() && set.len() < Timeline::NAMES_MAX {
                set.insert(name);
            }
        }
        if event.hresult.is_some() {
            self.last_result = event.hresult;
        }
        if is_success(event) {
            self.last_success = event.time;
        } else if is_failure(event) {
            self.failures += 1;
        }
    }

    fn take_name(&mut self, own: Name, names: &Names) {
        if !own.is_some() || own == self.last_name {
            return;
        }
        let is_same = |known: Name| is_same_machine(names.text(known), names.text(own));
        if self.last_name.is_some() && !is_same(self.last_name) {
            self.is_shared |= self.names.iter().any(|known| is_same(*known));
        }
        self.last_name = own;
    }

    /// Whether it succeeded after a moment.
    #[must_use]
    pub fn succeeded_after(&self, time: Moment) -> bool {
        self.last_success.is_known() && self.last_success > time
    }
}

/// Whether two names are of one machine: with and without a domain, in large and small letters.
fn is_same_machine(one: &str, other: &str) -> bool {
    let label = |text: &str| text.find('.').unwrap_or(text.len());
    match (one.get(..label(one)), other.get(..label(other))) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

/// Whether an event shows that a client was served: activated by its own account, or accepted by a
/// host that told a sufficient count, or none.
#[must_use]
pub fn is_success(event: &Event) -> bool {
    match event.id {
        CLIENT_PROCESSED => event.hresult == Some(0) && event.is_bound != Some(false),
        HOST_PROCESSED => {
            let is_enough = event.count.zip(event.n_policy).is_none_or(|(count, n)| count >= n);
            event.hresult == Some(0) && is_enough
        }
        _ => false,
    }
}

fn is_failure(event: &Event) -> bool {
    event.hresult.is_some_and(|code| code != 0) || (event.is_bound == Some(false))
}

/// How long after a request its answer is processed, at most.
const ANSWER_WITHIN: i64 = 5 * MINUTE;

/// Unanswered requests that are told apart.
const UNANSWERED_MAX: usize = 100_000;

/// Silence after which a client counts as having stopped asking: two renewal intervals.
pub const SILENCE: i64 = 14 * DAY;
