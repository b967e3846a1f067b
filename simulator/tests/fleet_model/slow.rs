//! The same fleet, minute by minute, from what Microsoft documents and nothing else.
//!
//! Slow, naive and written apart from the engine: every minute looks at every client. Of the engine it
//! knows only the order that its documentation states: changes that end, changes that begin, then clients
//! in the order in which their next turn (an attempt, or the end of a state) was set, where one that is
//! put off and comes back to a minute keeps the place that it had there. Only what is certain
//! is here: no random choice, whole minutes, hosts of distinct priorities.

use std::collections::BTreeMap;

use kms_simulator::fleet::scenario::{
    Action, Group, Identity, Key, LicenceState, Life, Presence, Rejection, Scenario, Seconds,
};

/// What both models must agree on, at one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) minute: u32,
    /// Per group: clients by licence state.
    pub(crate) states: Vec<[u64; 7]>,
    /// Per host: requests so far.
    pub(crate) requests: Vec<u64>,
    /// Per host: clients counted for Windows and for Office.
    pub(crate) counts: Vec<[u32; 2]>,
}

struct Client {
    group: usize,
    cmid: u32,
    state: LicenceState,
    until: Option<u32>,
    /// Minute of the next attempt.
    attempt: Option<u32>,
    /// Minute of the next turn.
    turn: Option<u32>,
    /// Minutes at which it was ever to have one, each with the number of the first time.
    places: Vec<(u32, u64)>,
    /// Minute of being switched on or off, and a number that says who was first to set it.
    switch: Option<(u32, u64)>,
    present: bool,
    cached: Option<usize>,
    activation_interval: u32,
    renewal_interval: u32,
    on: bool,
    started: bool,
}

struct Host {
    activated: bool,
    down: bool,
    clock: i64,
    activation_interval: u32,
    renewal_interval: u32,
    requests: u64,
    /// Per application: capacity, and (CMID, last contact) with the latest at the end.
    tables: [(usize, Vec<(u32, u32)>); 2],
}

/// The conditions of the minute.
struct World {
    hosts: Vec<Host>,
    dns_down: Vec<bool>,
    records: Vec<Vec<(u16, usize)>>,
    /// (clients' site, hosts' site)
    walls: Vec<(usize, usize)>,
    client_clock: Vec<i64>,
    fixed_host: Vec<Option<usize>>,
    wrong_key: Vec<bool>,
    switched_off: Vec<bool>,
    site_of_host: Vec<usize>,
    site_of_group: Vec<usize>,
    sequence: u64,
}

/// Runs `scenario`, whose random choices must all be certain, and samples it at `instants` (minutes).
pub(crate) fn run(scenario: &Scenario, instants: &[u32]) -> Vec<Sample> {
    let mut world = World::new(scenario);
    let mut clients = clients(scenario, &mut world);
    let mut samples = Vec::new();
    let mut next = 0;
    for minute in 0..=minutes(scenario.duration.0) {
        if world.change(scenario, &mut clients, minute) {
            next = minute;
        }
        // Where nobody has anything to do, the minute passes unseen.
        if next > minute && !instants.contains(&minute) {
            continue;
        }
        let mut turns: Vec<(u64, usize, bool)> = Vec::new();
        for (index, client) in clients.iter().enumerate() {
            let place = client.places.iter().find(|(at, _)| *at == minute);
            let place = place.map(|(_, sequence)| *sequence);
            turns.extend(place.map(|sequence| (sequence, index, false)));
            let switch = client.switch.filter(|(at, _)| *at == minute);
            turns.extend(switch.map(|(_, sequence)| (sequence, index, true)));
        }
        turns.sort_unstable();
        for (_, index, is_switch) in turns {
            let client = &mut clients[index];
            if is_switch {
                world.switch(scenario, client, minute);
            } else if client.turn == Some(minute) {
                client.turn = None;
                client.places.retain(|(at, _)| *at > minute);
                world.attempt_if_due(scenario, client, minute);
            }
            world.set_turn(client, minute);
        }
        if instants.contains(&minute) {
            samples.push(world.sample(scenario, &clients, minute));
        }
        let switch = |client: &Client| client.switch.map(|(at, _)| at);
        let entries = clients.iter().flat_map(|client| [client.turn, switch(client)]);
        next = entries.flatten().min().unwrap_or(u32::MAX);
    }
    samples
}

fn minutes(seconds: u32) -> u32 {
    assert_eq!(seconds % 60, 0, "whole minutes only");
    seconds / 60
}

/// kms.md section 1: initial and additional grace in days, and the count that is needed (section 2).
fn policy(group: &Group) -> (u32, u32, u32, usize) {
    match group.product.as_str() {
        "Windows 7 Professional" => (30, 30, 25, 0),
        product if product.starts_with("Windows 10") => (0, 0, 25, 0),
        product if product.starts_with("Windows Server") => (0, 0, 5, 0),
        product if product.starts_with("Office") => (30, 30, 5, 1),
        product => panic!("no policy for {product}"),
    }
}

fn clients(scenario: &Scenario, world: &mut World) -> Vec<Client> {
    let mut clients = Vec::new();
    let mut cmid = 0;
    for (group, definition) in scenario.groups.iter().enumerate() {
        assert_eq!(definition.life, Life::New);
        let base = cmid;
        for index in 0..definition.count {
            let shared = match (definition.identity, definition.clones) {
                (Identity::SharedCmid, 0) => 0,
                (Identity::SharedCmid, clones) => index / clones,
                _ => index,
            };
            cmid = cmid.max(base + shared + 1);
            let first_on = match definition.presence {
                Presence::PoweredOff { from: Seconds(0), until } => minutes(until.0),
                Presence::PoweredOff { .. } | Presence::Always => 0,
                other => panic!("{other:?} is not certain"),
            };
            world.sequence += 1;
            clients.push(Client {
                group,
                cmid: base + shared,
                state: LicenceState::Unlicensed,
                until: None,
                attempt: None,
                turn: None,
                places: Vec::new(),
                switch: Some((first_on, world.sequence)),
                present: false,
                cached: None,
                activation_interval: 120,
                renewal_interval: 10_080,
                on: false,
                started: false,
            });
        }
        assert!(matches!(definition.key, Key::Gvlk | Key::Wrong));
        world.wrong_key[group] = definition.key == Key::Wrong;
    }
    clients
}

/// A state ends at its minute (kms.md section 1: validity 180 days, then grace where there is one).
fn run_out(scenario: &Scenario, client: &mut Client, minute: u32) {
    while let Some(until) = client.until
        && until <= minute
    {
        let (_, additional, _, _) = policy(&scenario.groups[client.group]);
        if client.state == LicenceState::Licensed && additional > 0 {
            client.state = LicenceState::AdditionalGrace;
            client.until = Some(until + additional * 1440);
        } else {
            client.state = LicenceState::Notification;
            client.until = None;
        }
    }
}

impl World {
    fn new(scenario: &Scenario) -> Self {
        let site = |name: &str| scenario.sites.iter().position(|site| site.name == name).unwrap();
        let host = |name: &str| scenario.hosts.iter().position(|host| host.name == name).unwrap();
        let site_of_host: Vec<usize> = scenario.hosts.iter().map(|h| site(&h.site)).collect();
        let records = scenario.sites.iter().enumerate().map(|(index, site)| {
            if site.dns.is_empty() {
                let here = scenario.hosts.iter().enumerate();
                let here = here.filter(|(host, h)| site_of_host[*host] == index && h.published);
                here.map(|(host, h)| (h.priority, host)).collect()
            } else {
                site.dns.iter().map(|record| (record.priority, host(&record.host))).collect()
            }
        });
        let hosts = scenario.hosts.iter().map(|host| Host {
            activated: host.activated,
            down: false,
            clock: host.clock_offset_s,
            activation_interval: minutes(host.activation_interval.0),
            renewal_interval: minutes(host.renewal_interval.0),
            requests: 0,
            tables: [(10, Vec::new()), (10, Vec::new())],
        });
        Self {
            hosts: hosts.collect(),
            dns_down: vec![false; scenario.sites.len()],
            records: records.collect(),
            walls: Vec::new(),
            client_clock: scenario.groups.iter().map(|group| group.clock_offset_s).collect(),
            fixed_host: scenario.groups.iter().map(|g| g.fixed_host.as_deref().map(host)).collect(),
            wrong_key: vec![false; scenario.groups.len()],
            switched_off: vec![false; scenario.groups.len()],
            site_of_group: scenario.groups.iter().map(|group| site(&group.site)).collect(),
            site_of_host,
            sequence: 0,
        }
    }

    /// The next minute at which the client has something to do, where that is another one than before.
    fn set_turn(&mut self, client: &mut Client, minute: u32) {
        let attempt = client.attempt.filter(|_| client.on);
        let next = attempt.into_iter().chain(client.until).min().map(|next| next.max(minute));
        if next != client.turn {
            client.turn = next;
            let known = client.places.iter().any(|(at, _)| Some(*at) == next);
            if let Some(at) = next.filter(|_| !known) {
                self.sequence += 1;
                client.places.push((at, self.sequence));
            }
        }
    }

    /// The user comes or goes.
    fn switch(&mut self, scenario: &Scenario, client: &mut Client, minute: u32) {
        client.present = !client.present;
        client.switch = None;
        let next = match scenario.groups[client.group].presence {
            Presence::PoweredOff { from, .. } if client.present => Some(minutes(from.0)),
            Presence::PoweredOff { until, .. } => Some(minutes(until.0)),
            _ => None,
        };
        if client.present && !self.switched_off[client.group] {
            self.turn_on(scenario, client, minute);
        } else if !client.present {
            client.on = false;
        }
        if let Some(next) = next.filter(|next| *next > minute) {
            self.set_turn(client, minute);
            self.sequence += 1;
            client.switch = Some((next, self.sequence));
        }
    }

    /// A client that comes on starts, and tries unless it is activated.
    fn turn_on(&mut self, scenario: &Scenario, client: &mut Client, minute: u32) {
        client.on = true;
        run_out(scenario, client, minute);
        if !client.started {
            client.started = true;
            let (initial, _, _, _) = policy(&scenario.groups[client.group]);
            client.state = LicenceState::Notification;
            if initial > 0 {
                client.state = LicenceState::InitialGrace;
                client.until = Some(minute + initial * 1440);
            }
        }
        if client.state != LicenceState::Licensed {
            client.attempt = Some(minute);
        }
        self.attempt_if_due(scenario, client, minute);
    }

    fn attempt_if_due(&mut self, scenario: &Scenario, client: &mut Client, minute: u32) {
        run_out(scenario, client, minute);
        if client.on && client.attempt.is_some_and(|at| at <= minute) {
            self.attempt(scenario, client, minute);
        }
    }

    /// Whether anything changed.
    fn change(&mut self, scenario: &Scenario, clients: &mut [Client], minute: u32) -> bool {
        let mut any = false;
        for begins in [false, true] {
            for change in &scenario.changes {
                let at = if begins { Some(change.at) } else { change.until };
                if at.is_some_and(|at| minutes(at.0) == minute) {
                    self.apply(scenario, clients, minute, &change.action, begins);
                    any = true;
                }
            }
        }
        any
    }

    fn apply(
        &mut self,
        scenario: &Scenario,
        clients: &mut [Client],
        minute: u32,
        action: &Action,
        begins: bool,
    ) {
        let site = |name: &str| scenario.sites.iter().position(|site| site.name == name).unwrap();
        let host = |name: &str| scenario.hosts.iter().position(|host| host.name == name).unwrap();
        let group = |name: &str| scenario.groups.iter().position(|g| g.name == name).unwrap();
        match action {
            Action::HostDown { host: name, as_seen: Rejection::Silent | Rejection::Refused } => {
                self.hosts[host(name)].down = begins;
            }
            Action::HostForgets { host: name } => {
                for table in &mut self.hosts[host(name)].tables {
                    *table = (10, Vec::new());
                }
            }
            Action::HostNotActivated { host: name } => {
                let own = scenario.hosts[host(name)].activated;
                self.hosts[host(name)].activated = own && !begins;
            }
            Action::HostClock { host: name, offset_s } => {
                let own = scenario.hosts[host(name)].clock_offset_s;
                self.hosts[host(name)].clock = if begins { *offset_s } else { own };
            }
            Action::HostIntervals { host: name, activation_interval, renewal_interval } => {
                let (own, host) = (&scenario.hosts[host(name)], &mut self.hosts[host(name)]);
                let own = (own.activation_interval, own.renewal_interval);
                let (a, r) = if begins { (*activation_interval, *renewal_interval) } else { own };
                (host.activation_interval, host.renewal_interval) = (minutes(a.0), minutes(r.0));
            }
            Action::DnsDown { site: name, .. } => self.dns_down[site(name)] = begins,
            Action::Firewall { from, to, .. } => {
                let wall = (site(from), site(to));
                if begins {
                    self.walls.push(wall);
                } else {
                    self.walls.retain(|other| *other != wall);
                }
            }
            Action::ClientClock { group: name, offset_s } => {
                let own = scenario.groups[group(name)].clock_offset_s;
                self.client_clock[group(name)] = if begins { *offset_s } else { own };
            }
            Action::FixedHost { group: name, host: to } => {
                self.fixed_host[group(name)] = to.as_deref().map(host);
            }
            Action::PowerOff { group: name } => {
                let group = group(name);
                self.switched_off[group] = begins;
                for client in clients.iter_mut().filter(|client| client.group == group) {
                    if begins {
                        client.on = false;
                    } else if client.present && !client.on {
                        self.turn_on(scenario, client, minute);
                    }
                    self.set_turn(client, minute);
                }
            }
            Action::Activate { group: name } => {
                let group = group(name);
                for client in clients.iter_mut().filter(|client| client.group == group && client.on)
                {
                    client.attempt = Some(minute);
                    self.attempt_if_due(scenario, client, minute);
                    self.set_turn(client, minute);
                }
            }
            Action::Reboot { group: name } => {
                let group = group(name);
                for client in clients.iter_mut().filter(|client| client.group == group && client.on)
                {
                    self.turn_on(scenario, client, minute);
                    self.set_turn(client, minute);
                }
            }
            other => panic!("{other:?} is not in this model"),
        }
    }

    /// kms.md section 3: a host that is set; else the remembered one, then DNS, by priority.
    fn attempt(&mut self, scenario: &Scenario, client: &mut Client, minute: u32) {
        let site = self.site_of_group[client.group];
        let mut answer = None;
        if let Some(fixed) = self.fixed_host[client.group] {
            answer = self.ask(scenario, client, fixed, minute).map(|answer| (fixed, answer));
        } else {
            if let Some(cached) = client.cached {
                answer = self.ask(scenario, client, cached, minute).map(|answer| (cached, answer));
                if answer.is_none() {
                    client.cached = None;
                }
            }
            let mut listed = self.records[site].clone();
            listed.sort_unstable();
            let listed = if self.dns_down[site] { Vec::new() } else { listed };
            for (_, host) in listed {
                if answer.is_none() {
                    answer = self.ask(scenario, client, host, minute).map(|answer| (host, answer));
                }
            }
        }
        let (_, _, needed, _) = policy(&scenario.groups[client.group]);
        if let Some((host, count)) = answer {
            client.activation_interval = self.hosts[host].activation_interval;
            client.renewal_interval = self.hosts[host].renewal_interval;
            if count >= needed {
                client.state = LicenceState::Licensed;
                client.until = Some(minute + 180 * 1440);
                let caching = scenario.groups[client.group].host_caching;
                client.cached = caching.then_some(host);
                client.attempt = Some(minute + client.renewal_interval);
                return;
            }
        }
        client.attempt = Some(minute + client.activation_interval);
    }

    /// The count that `host` answers, or nothing where it cannot or will not.
    fn ask(
        &mut self,
        scenario: &Scenario,
        client: &Client,
        host: usize,
        minute: u32,
    ) -> Option<u32> {
        let way = (self.site_of_group[client.group], self.site_of_host[host]);
        let definition = &scenario.groups[client.group];
        let (_, _, needed, application) = policy(definition);
        let closed = self.walls.contains(&way);
        let skew = self.client_clock[client.group] - self.hosts[host].clock;
        let seen = i64::from(minute) + self.hosts[host].clock / 60;
        let host = &mut self.hosts[host];
        if host.down || closed {
            return None;
        }
        host.requests += 1;
        // kms.md sections 2 and 4; a refused request changes nothing.
        if !host.activated || skew.abs() > 4 * 3600 || self.wrong_key[client.group] {
            return None;
        }
        let (capacity, table) = &mut host.tables[application];
        *capacity = (*capacity).max((2 * needed as usize).min(50));
        let seen = u32::try_from(seen + CLOCK_BASE).unwrap();
        table.retain(|(cmid, last)| *cmid != client.cmid && last + LIFE >= seen);
        table.push((client.cmid, seen));
        if table.len() > *capacity {
            table.remove(0);
        }
        Some(u32::try_from(table.len()).unwrap())
    }

    fn sample(&self, scenario: &Scenario, clients: &[Client], minute: u32) -> Sample {
        let mut states = vec![[0; 7]; scenario.groups.len()];
        for client in clients {
            states[client.group][client.state as usize] += 1;
        }
        let count = |host: &Host, application: usize| {
            let now = u32::try_from(i64::from(minute) + host.clock / 60 + CLOCK_BASE).unwrap();
            let alive = host.tables[application].1.iter().filter(|(_, last)| last + LIFE >= now);
            u32::try_from(alive.count()).unwrap()
        };
        Sample {
            minute,
            states,
            requests: self.hosts.iter().map(|host| host.requests).collect(),
            counts: self.hosts.iter().map(|host| [count(host, 0), count(host, 1)]).collect(),
        }
    }
}

/// Keeps a host's clock positive where it is behind.
const CLOCK_BASE: i64 = 1_000_000;
/// kms.md section 2: a client counts for 30 days after its last contact.
const LIFE: u32 = 30 * 1440;

/// What the engine found, in the same words.
pub(crate) fn of_outcome(
    scenario: &Scenario,
    outcome: &kms_simulator::fleet::outcome::Outcome,
) -> Vec<Sample> {
    let instants = scenario.instants();
    let mut groups = BTreeMap::new();
    let mut hosts = BTreeMap::new();
    for site in &outcome.sites {
        groups.extend(site.groups.iter().map(|group| (group.group, group)));
        hosts.extend(site.hosts.iter().map(|host| (host.host, host)));
    }
    let sample = |(at, instant): (usize, &Seconds)| Sample {
        minute: minutes(instant.0),
        states: groups.values().map(|group| group.samples[at].states).collect(),
        requests: hosts.values().map(|host| host.samples[at].requests).collect(),
        counts: hosts
            .values()
            .map(|host| [host.samples[at].count_windows, host.samples[at].count_office])
            .collect(),
    };
    instants.iter().enumerate().map(sample).collect()
}
