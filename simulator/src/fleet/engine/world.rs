//! One component: its clients, its queue, and the loop.

use kms_protocol::kms::INTERVAL_MINUTES_MIN;
use kms_protocol::kms::product::VALIDITY_DAYS;

use super::super::arm::{Arm, Listed};
use super::super::draw::{ClientId, Purpose};
use super::super::outcome::{OFFENDERS_MAX, Offenders, SiteOutcome};
use super::super::population::{Component, Plan, group_index};
use super::super::scenario::{
    Action, Change, EventKind, Expectation, Hardware, Key, Life, Metric, Seconds, When,
};
use super::super::virtual_arm::{Overlay, first_view, shifted};
use super::books::{Books, GroupBook, HostBook, SiteBook};
use super::queue::{Entry, Queue};
use super::turn::{Client, Group, Turn, jitter_draw};
use super::{ALL, Options, Progress};
use crate::model::Query;
use crate::model::client::packed::{NEVER, Packed, jitter_s};
use crate::model::client::{Answer, Event, Lifecycle, order};

pub(super) struct World<'a, A> {
    plan: &'a Plan<'a>,
    component: &'a Component,
    arm: A,
    now: u32,
    groups: Vec<Group>,
    clients: Vec<Client>,
    queue: Queue,
    books: Books,
    host_slots: Vec<usize>,
    agenda: Vec<Item>,
}

/// Something at a set time.
#[derive(Clone, Debug)]
struct Item {
    at: u32,
    what: What,
}

/// In the order in which they come at one time. Clients come before what only looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    End(usize),
    Begin(usize),
    Sample,
    /// A client, as a group's place and its number.
    Snapshot(usize, u32),
}

impl<'a, A: Arm> World<'a, A> {
    pub(super) fn new(
        plan: &'a Plan<'a>,
        component: usize,
        arm: A,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let component = &plan.components[component];
        let site_slot = |site: usize| component.sites.binary_search(&site).unwrap_or(0);
        let sites = component.sites.iter();
        let mut books = Books {
            minute_offset: u32::try_from(plan.scenario.start.as_second().rem_euclid(60))?,
            sites: sites.map(|site| SiteBook { site: *site, ..SiteBook::default() }).collect(),
            groups: Vec::new(),
            hosts: Vec::new(),
        };
        let mut host_slots = vec![usize::MAX; plan.host_sites.len()];
        for (slot, &host) in component.hosts.iter().enumerate() {
            host_slots[host] = slot;
            books.hosts.push(HostBook::new(host, site_slot(plan.host_sites[host])));
        }
        let groups = component.groups.iter();
        let total: usize = groups.map(|group| plan.groups[*group].spec.count as usize).sum();
        anyhow::ensure!(
            total <= CLIENTS_MAX,
            "sites that share hosts have {total} clients together: at most {CLIENTS_MAX}"
        );
        let mut world = Self {
            plan,
            component,
            arm,
            now: 0,
            groups: Vec::new(),
            clients: Vec::with_capacity(total),
            queue: Queue::new(),
            books,
            host_slots,
            agenda: agenda(plan, component, options),
        };
        for &group in &component.groups {
            world.settle_group(group, site_slot(plan.groups[group].site), options)?;
        }
        Ok(world)
    }

    /// Runs to the end of the scenario.
    pub(super) fn run(
        mut self,
        options: &Options,
        (number, components): (usize, usize),
    ) -> anyhow::Result<Vec<SiteOutcome>> {
        for item in std::mem::take(&mut self.agenda) {
            let changes = matches!(item.what, What::End(_) | What::Begin(_));
            // Changes come before clients, looks after them.
            self.run_clients(item.at, !changes);
            self.now = item.at;
            match item.what {
                What::End(change) => self.change(change, false)?,
                What::Begin(change) => self.change(change, true)?,
                What::Snapshot(group, index) => self.snapshot(group, index),
                What::Sample => {
                    self.sample()?;
                    if let Some(progress) = &options.progress {
                        progress(Progress {
                            component: number,
                            components,
                            at: Seconds(item.at),
                            events: self.books.events(),
                        });
                    }
                }
            }
        }
        Ok(self.books.close())
    }

    /// Gives every client its turn whose time is before `until`, or at it where it is `included`.
    fn run_clients(&mut self, until: u32, included: bool) {
        let Some(limit) = until.checked_sub(u32::from(!included)) else { return };
        loop {
            let clients = &self.clients;
            // Looked at together, the clients of a block are in the processor's cache by their turn.
            let entry = self.queue.pop(limit, |entries| {
                let due = entries.iter().map(|entry| clients[(entry.turn >> 1) as usize].due);
                std::hint::black_box(due.fold(0, |all, due| all ^ due));
            });
            let Some(entry) = entry else { return };
            self.now = entry.time;
            let client = (entry.turn >> 1) as usize;
            if entry.turn & 1 == 1 {
                self.switch(client);
            } else if self.clients[client].due == entry.time {
                self.clients[client].due = NEVER;
                if !self.renew_shortly(client) {
                    self.turn(client, |turn| turn.due());
                }
            }
        }
    }

    /// What most turns of a large fleet come to: the remembered host renews an activation that holds.
    /// Leads where [`Turn::due`] leads, without a whole request and life. Whether that was all.
    fn renew_shortly(&mut self, number: usize) -> bool {
        let client = &mut self.clients[number];
        let Some(host) = client.life.renews_at(self.now) else { return false };
        let group = &self.groups[usize::from(client.group)];
        let is_plain = client.is_on
            && client.key == Key::Gvlk
            && !client.is_traced
            && group.fixed_host.is_none();
        if !is_plain {
            return false;
        }
        let plan = &self.plan.groups[group.plan];
        #[allow(clippy::cast_possible_truncation, reason = "a group's count is 32 bits")]
        let index = (number - group.first) as u32;
        let (now, draws) = (Seconds(self.now), self.plan.draws);
        let time = self.plan.start.saturating_add(now.duration());
        let query = Query {
            app_id: plan.product.app_id,
            kms_id: plan.product.kms_id,
            cmid: plan.cmid(draws, index, client.boots, client.is_rearmed),
            n_policy: plan.product.n_policy,
            client_time: shifted(time, *group.clock_offset_s.value()),
        };
        let Some(answered) = self.arm.ask_shortly(now, plan.site, usize::from(host), &query) else {
            return false;
        };
        let intervals = (
            u16::try_from(answered.activation_interval_minutes),
            u16::try_from(answered.renewal_interval_minutes),
        );
        let (Ok(activation), Ok(renewal)) = intervals else {
            self.turn(number, |turn| turn.answered(host, answered));
            return true;
        };
        if answered.count < plan.rules.n_policy || activation < MINUTES_MIN || renewal < MINUTES_MIN
        {
            self.turn(number, |turn| turn.answered(host, answered));
            return true;
        }
        let id = ClientId::new(plan.index, index);
        let jitter_s = jitter_s(&plan.rules, jitter_draw(draws, plan, id, self.now));
        client.life.renewed(self.now, VALIDITY_S, jitter_s, (activation, renewal));
        let place = usize::from(client.group);
        self.books.request(self.now, self.host_slots[usize::from(host)]);
        for kind in [EventKind::Request, EventKind::Renewed] {
            self.books.event(self.now, id.bits(), place, kind, Some(host), 0);
        }
        let due = client.life.next_due(true);
        client.due = due;
        self.put(due, number, false);
        true
    }

    fn turn<R>(&mut self, client: usize, act: impl FnOnce(&mut Turn<'_, A>) -> R) -> R {
        let record = &mut self.clients[client];
        let group = &mut self.groups[usize::from(record.group)];
        #[allow(clippy::cast_possible_truncation, reason = "a group's count is 32 bits")]
        let index = (client - group.first) as u32;
        let mut turn = Turn {
            now: self.now,
            start: self.plan.start,
            draws: self.plan.draws,
            plan: &self.plan.groups[group.plan],
            group,
            life: record.life.unpack(self.plan.start),
            index,
            client: record,
            arm: &mut self.arm,
            books: &mut self.books,
            host_slots: &self.host_slots,
        };
        let done = act(&mut turn);
        turn.client.life = Packed::pack(&turn.life, self.plan.start);
        self.schedule(client);
        done
    }

    /// Puts the client's next turn into the queue, where it is not there yet.
    fn schedule(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let due = match client.life.next_due(client.is_on) {
            NEVER => NEVER,
            due => due.max(self.now),
        };
        if due != client.due {
            client.due = due;
            self.put(due, number, false);
        }
    }

    fn put(&mut self, time: u32, client: usize, is_switch: bool) {
        if time <= self.plan.scenario.duration.0 {
            #[allow(clippy::cast_possible_truncation, reason = "at most CLIENTS_MAX")]
            let turn = ((client as u32) << 1) | u32::from(is_switch);
            self.queue.push(Entry { time, turn });
        }
    }

    fn id(&self, number: usize) -> ClientId {
        let group = &self.groups[usize::from(self.clients[number].group)];
        #[allow(clippy::cast_possible_truncation, reason = "a group's count is 32 bits")]
        ClientId::new(self.plan.groups[group.plan].index, (number - group.first) as u32)
    }

    /// The client's user comes or goes.
    fn switch(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.is_present = !client.is_present;
        let (is_present, is_on) = (client.is_present, client.is_on);
        let (draws, id) = (self.plan.draws, self.id(number));
        let group = &self.groups[usize::from(self.clients[number].group)];
        let (plan, is_forced) = (&self.plan.groups[group.plan], group.forced_off > 0);
        let next = match is_present {
            true => plan.pattern.next_off(draws, id, self.now),
            false => plan.pattern.next_on(draws, id, self.now),
        };
        if is_present && !is_forced {
            self.turn(number, |turn| turn.turn_on(turn.plan.pattern.resumes()));
        } else if !is_present && is_on {
            self.turn(number, |turn| turn.turn_off());
        }
        if let Some(next) = next {
            self.put(next, number, true);
        }
    }

    fn change(&mut self, index: usize, begins: bool) -> anyhow::Result<()> {
        let plan = self.plan;
        let Some(change) = plan.scenario.changes.get(index) else { return Ok(()) };
        match &change.action {
            Action::ClientClock { group, offset_s } => {
                self.group_mut(group)?.clock_offset_s.turn(*offset_s, begins);
            }
            Action::FixedHost { group, host } => {
                let host = host
                    .as_ref()
                    .map(|name| super::super::population::short_index(plan.scenario, name));
                self.group_mut(group)?.fixed_host = host.transpose()?;
            }
            Action::InstallKey { group, key } => {
                self.everyone(group, |turn| turn.install_key(*key))?;
            }
            Action::Activate { group } => self.everyone(group, |turn| turn.activate())?,
            Action::Rearm { group } => self.everyone(group, |turn| turn.rearm())?,
            Action::HardwareChange { group, share } => self.everyone(group, |turn| {
                let draw = turn.draws.bits(turn.id(), Purpose::Share, index as u64) >> 11;
                #[allow(clippy::cast_precision_loss, reason = "53 bits")]
                if (draw as f64) < share * (1_u64 << 53) as f64 {
                    turn.change_hardware();
                }
            })?,
            Action::NetworkChange { group } => {
                self.everyone(group, |turn| turn.change_network())?
            }
            Action::Reboot { group } => self.everyone(group, |turn| turn.reboot())?,
            Action::PowerOff { group } if begins => {
                self.group_mut(group)?.forced_off += 1;
                self.everyone(group, |turn| {
                    if turn.client.is_on {
                        turn.turn_off();
                    }
                })?;
            }
            Action::PowerOff { group } => {
                let state = self.group_mut(group)?;
                state.forced_off = state.forced_off.saturating_sub(1);
                if state.forced_off == 0 {
                    self.everyone(group, |turn| {
                        if turn.client.is_present && !turn.client.is_on {
                            turn.turn_on(false);
                        }
                    })?;
                }
            }
            _ => self.arm.change(Seconds(self.now), change, begins)?,
        }
        Ok(())
    }

    fn everyone(
        &mut self,
        group: &str,
        mut act: impl FnMut(&mut Turn<'_, A>),
    ) -> anyhow::Result<()> {
        let group = self.group_mut(group)?;
        let (first, plan) = (group.first, group.plan);
        for number in first..first + self.plan.groups[plan].spec.count as usize {
            self.turn(number, &mut act);
        }
        Ok(())
    }

    fn group_mut(&mut self, name: &str) -> anyhow::Result<&mut Group> {
        let group = group_index(self.plan.scenario, name)?;
        let place = self.component.groups.binary_search(&group);
        let place = place.map_err(|_| anyhow::anyhow!("group `{name}` is in another component"))?;
        Ok(&mut self.groups[place])
    }

    fn sample(&mut self) -> anyhow::Result<()> {
        let mut counts = Vec::with_capacity(self.component.hosts.len());
        for &host in &self.component.hosts {
            counts.push(self.arm.counts(Seconds(self.now), host)?);
        }
        self.books.sample(&counts);
        let plan = self.plan;
        for (index, expectation) in plan.scenario.expectations.iter().enumerate() {
            if end_of(expectation) == self.now {
                self.note_offenders(index, expectation);
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, group: usize, index: u32) {
        let client = self.groups[group].first + index as usize;
        let snapshot = self.turn(client, |turn| turn.snapshot());
        let site = self.books.groups[group].site;
        self.books.sites[site].snapshots.push(snapshot);
    }

    /// Clients that are not as `expectation` wants them.
    fn note_offenders(&mut self, index: usize, expectation: &Expectation) {
        for (place, group) in self.groups.iter().enumerate() {
            let plan = &self.plan.groups[group.plan];
            let site = &self.plan.scenario.sites[plan.site].name;
            let named =
                expectation.groups.is_empty() || expectation.groups.contains(&plan.spec.name);
            if !named || !(expectation.sites.is_empty() || expectation.sites.contains(site)) {
                continue;
            }
            let mut offenders = Offenders::default();
            let count = plan.spec.count as usize;
            for (index, client) in (0..).zip(self.clients.iter().skip(group.first).take(count)) {
                if offends(expectation, client) {
                    offenders.total += 1;
                    if offenders.names.len() < OFFENDERS_MAX {
                        offenders.names.push(plan.steady_name(index));
                    }
                }
            }
            if offenders.total > 0 {
                self.books.groups[place].offenders.insert(index, offenders);
            }
        }
    }

    /// Makes the clients of a group, and puts their first starts into the queue.
    fn settle_group(&mut self, index: usize, site: usize, options: &Options) -> anyhow::Result<()> {
        let plan = &self.plan.groups[index];
        let spec = plan.spec;
        let place = u16::try_from(self.groups.len())?;
        let roams = matches!(spec.hardware, Hardware::Roaming { .. });
        let first = self.clients.len();
        self.groups.push(Group {
            plan: index,
            first,
            fixed_host: plan.fixed_host,
            clock_offset_s: Overlay::new(spec.clock_offset_s),
            forced_off: 0,
            mak_left: spec.mak_activations,
            bound: if roams { vec![None; spec.count as usize] } else { Vec::new() },
        });
        let mut book =
            GroupBook { group: index, site, clients: spec.count.into(), ..GroupBook::default() };
        let listed = first_view(self.plan.scenario, plan.site)?;
        for number in 0..spec.count {
            let client = self.new_client(index, place, number, &listed, options);
            book.states[client.life.status()] += 1;
            if client.was_activated {
                *book.minutes_to_first_activation.entry(0).or_default() += 1;
            }
            let (draws, id) = (self.plan.draws, ClientId::new(index, number));
            let within = spec.first_start_within.0.saturating_add(1);
            let earliest = draws.below(id, Purpose::FirstStart, 0, within);
            self.clients.push(client);
            if let Some(on) = plan.pattern.first_on(draws, id, earliest) {
                self.put(on, first + number as usize, true);
            }
            self.schedule(first + number as usize);
        }
        self.books.groups.push(book);
        Ok(())
    }

    fn new_client(
        &self,
        group: usize,
        place: u16,
        index: u32,
        listed: &[Listed],
        options: &Options,
    ) -> Client {
        let plan = &self.plan.groups[group];
        let start = self.plan.start;
        let mut life = Lifecycle::new(&plan.rules, start);
        let was_activated = plan.spec.life == Life::Activated && plan.spec.key != Key::None;
        match (was_activated, plan.spec.key) {
            (false, _) => life.handle(&plan.rules, start, 0, Event::RemoveKey),
            (true, Key::Mak) => life.handle(&plan.rules, start, 0, Event::MakActivated),
            (true, _) => self.activate_before(group, index, listed, &mut life),
        }
        let is_traced = !options.trace.is_empty() && {
            let name = plan.steady_name(index);
            options.trace.iter().any(|traced| traced == ALL || *traced == name)
        };
        Client {
            life: Packed::pack(&life, start),
            due: NEVER,
            first_start: 0,
            boots: 0,
            group: place,
            key: plan.spec.key,
            new_key: None,
            is_present: false,
            is_on: false,
            is_started: false,
            was_activated,
            is_rearmed: false,
            is_traced,
            is_changed: false,
        }
    }

    /// Lets the client have been activated within one renewal interval before the start, by the host
    /// that it would choose.
    fn activate_before(
        &self,
        group: usize,
        index: u32,
        listed: &[Listed],
        life: &mut Lifecycle<u16>,
    ) {
        let plan = &self.plan.groups[group];
        let (draws, id) = (self.plan.draws, ClientId::new(group, index));
        let candidates: Vec<_> = listed.iter().map(|host| host.candidate).collect();
        let mut drawn = 0;
        let order = order(&candidates, |below| {
            drawn += 1;
            draws.below(id, Purpose::HostChoice, drawn, below)
        });
        let chosen = order.first().and_then(|place| listed.get(*place)).map(|host| host.host);
        let chosen = plan.fixed_host.or(chosen.and_then(|host| u16::try_from(host).ok()));
        let host = chosen.and_then(|host| self.plan.scenario.hosts.get(usize::from(host)));
        let (activation, renewal) = host
            .map_or((0, u32::from(plan.rules.renewal_interval_minutes)), |host| {
                (host.activation_interval.0 / 60, host.renewal_interval.0 / 60)
            });
        let ago = draws.below(id, Purpose::LastRenewal, 0, renewal.saturating_mul(60));
        let then = self.plan.start.saturating_sub(Seconds(ago).duration());
        let answer = Answer {
            host: chosen.unwrap_or(0),
            count: plan.rules.n_policy,
            activation_interval_minutes: activation,
            renewal_interval_minutes: renewal,
        };
        let jitter = match plan.spec.jitter.0 {
            0 => 0,
            _ => draws.below(id, Purpose::Jitter, u64::MAX, u32::MAX),
        };
        life.handle(&plan.rules, then, jitter, Event::Answered(answer));
        if chosen.is_none() {
            life.handle(&plan.rules, then, 0, Event::CachedHostFailed);
        }
    }
}

/// Whether a client is one of those that keep `expectation` from being met.
fn offends(expectation: &Expectation, client: &Client) -> bool {
    let state = client.life.status();
    let is_named = expectation.states.iter().any(|named| *named as usize == state);
    match expectation.metric {
        Metric::Clients | Metric::Share if expectation.at_least.is_some() => !is_named,
        Metric::Clients | Metric::Share => is_named,
        Metric::TimeToFirstActivation => !client.was_activated,
        _ => false,
    }
}

const fn end_of(expectation: &Expectation) -> u32 {
    match expectation.when {
        When::At { at } => at.0,
        When::Window { until, .. } => until.0,
    }
}

/// What happens at set times, in order.
fn agenda(plan: &Plan<'_>, component: &Component, options: &Options) -> Vec<Item> {
    let mut agenda: Vec<Item> = Vec::new();
    let end = plan.scenario.duration.0;
    let mut put = |at: u32, what| {
        if at <= end {
            agenda.push(Item { at, what });
        }
    };
    for &index in &component.changes {
        let Some(change) = plan.scenario.changes.get(index) else { continue };
        put(change.at.0, What::Begin(index));
        if let Some(until) = change.until.filter(|_| lasts(change)) {
            put(until.0, What::End(index));
        }
    }
    for instant in plan.scenario.instants() {
        put(instant.0, What::Sample);
    }
    for (name, at) in &options.snapshots {
        for (place, group) in component.groups.iter().enumerate() {
            if let Some(index) = plan.groups[*group].index_of(name) {
                put(at.0, What::Snapshot(place, index));
            }
        }
    }
    agenda.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
    agenda
}

/// Whether it is a state, with an end, and not done in an instant.
const fn lasts(change: &Change) -> bool {
    !matches!(
        change.action,
        Action::HostForgets { .. }
            | Action::InstallKey { .. }
            | Action::FixedHost { .. }
            | Action::Activate { .. }
            | Action::Rearm { .. }
            | Action::HardwareChange { .. }
            | Action::NetworkChange { .. }
            | Action::Reboot { .. }
    )
}

#[allow(clippy::cast_possible_truncation, reason = "15")]
const MINUTES_MIN: u16 = INTERVAL_MINUTES_MIN as u16;
const VALIDITY_S: u32 = VALIDITY_DAYS as u32 * 86_400;
/// Clients of one component: what fits a turn in the queue.
const CLIENTS_MAX: usize = (u32::MAX >> 1) as usize;
