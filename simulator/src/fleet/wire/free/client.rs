//! One client that lives by a clock that goes: it waits, asks on sockets, and writes down what happens.
//!
//! What it does when is what `fleet::engine` does, written again for time that passes meanwhile; that
//! both come to the same is what [`agree`](super::agree) compares.

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::LAB_NAMESPACE;
use kms_protocol::kms::{Hresult, MachineName, Request, Version};

use super::pace::Late;
use super::world::World;
use crate::fleet::arm::{Answered, NoAnswer};
use crate::fleet::draw::{ClientId, Purpose};
use crate::fleet::population::GroupPlan;
use crate::fleet::scenario::{Action, EventKind, Key, Life};
use crate::model::client::{Answer, Event, Lifecycle, State, order};

/// Everything that happened to a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) group: usize,
    pub(super) index: u32,
    pub(super) steps: Vec<Step>,
    /// Licence states, each from its time on; the first from the start.
    pub(super) states: Vec<(u32, u32)>,
    pub(super) first_start: u32,
    /// When it was activated first; 0 minutes after its start where it began so.
    pub(super) activated: Option<u32>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) at: u32,
    pub(super) event: EventKind,
    pub(super) host: Option<u16>,
    pub(super) result: u32,
    pub(super) count: Option<u32>,
    pub(super) state: u32,
    pub(super) minutes_left: u32,
    pub(super) boots: u32,
    pub(super) is_rearmed: bool,
}

/// Why a client's life ended before the scenario did.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error(transparent)]
    Late(#[from] Late),
    #[error("more than {} events: run fewer clients, or a shorter scenario", super::EVENTS_MAX)]
    Full,
}

/// A client.
pub(super) struct Client<'w> {
    world: &'w World<'w>,
    plan: &'w GroupPlan<'w>,
    life: Lifecycle<u16>,
    story: Story,
    key: Key,
    new_key: Option<Key>,
    fixed_host: Option<u16>,
    clock_offsets_s: Vec<i64>,
    /// Changes of its group: when, of what index, and whether it begins. The last comes first.
    agenda: Vec<(u32, usize, bool)>,
    switch: Option<u32>,
    boots: u32,
    forced_off: u32,
    is_present: bool,
    is_on: bool,
    is_started: bool,
    is_rearmed: bool,
    is_changed: bool,
    is_full: bool,
}

/// What a client waits for; at one time in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    End(usize),
    Begin(usize),
    Switch,
    Due,
}

impl<'w> Client<'w> {
    /// Number `index` of a group, as it stands at the start.
    pub(super) fn new(
        world: &'w World<'w>,
        plan: &'w GroupPlan<'w>,
        index: u32,
        agenda: Vec<(u32, usize, bool)>,
        life: Lifecycle<u16>,
    ) -> Self {
        let (spec, id) = (plan.spec, ClientId::new(plan.index, index));
        let within = spec.first_start_within.0.saturating_add(1);
        let earliest = world.plan.draws.below(id, Purpose::FirstStart, 0, within);
        let state = life.state().status().0;
        let is_activated = spec.life == Life::Activated && spec.key != Key::None;
        Self {
            world,
            plan,
            life,
            story: Story {
                group: plan.index,
                index,
                states: vec![(0, state)],
                activated: is_activated.then_some(0),
                ..Story::default()
            },
            key: spec.key,
            new_key: None,
            fixed_host: plan.fixed_host,
            clock_offsets_s: vec![spec.clock_offset_s],
            agenda,
            switch: plan.pattern.first_on(world.plan.draws, id, earliest),
            boots: 0,
            forced_off: 0,
            is_present: false,
            is_on: false,
            is_started: false,
            is_rearmed: false,
            is_changed: false,
            is_full: false,
        }
    }

    /// Lives to the end of the scenario.
    pub(super) async fn live(mut self) -> Result<Story, Stop> {
        let end = self.world.pace.time(self.world.plan.scenario.duration.0);
        while let Some((due, next)) = self.next().filter(|(due, _)| *due <= end) {
            let late_s = self.world.pace.until(due, "a client").await?;
            self.world.note_late(late_s);
            match next {
                Next::End(change) => self.change(change, false).await?,
                Next::Begin(change) => self.change(change, true).await?,
                Next::Switch => self.switch().await?,
                Next::Due => {
                    self.handle(&[Event::Tick]);
                    self.attempt_if_due().await?;
                }
            }
            if self.is_full {
                return Err(Stop::Full);
            }
        }
        Ok(self.story)
    }

    fn next(&self) -> Option<(FileTime, Next)> {
        let pace = self.world.pace;
        let change = self.agenda.last().map(|(at, change, begins)| {
            let next = if *begins { Next::Begin(*change) } else { Next::End(*change) };
            (pace.time(*at), next)
        });
        let switch = self.switch.map(|at| (pace.time(at), Next::Switch));
        let due = if self.is_on { self.life.next_due() } else { self.life.state().until() };
        let due = due.map(|due| (due, Next::Due));
        change.into_iter().chain(switch).chain(due).min()
    }

    /// The client's user comes or goes.
    async fn switch(&mut self) -> Result<(), Stop> {
        let Some(now) = self.switch else { return Ok(()) };
        let (draws, id) = (self.world.plan.draws, self.id());
        self.is_present = !self.is_present;
        self.switch = match self.is_present {
            true => self.plan.pattern.next_off(draws, id, now),
            false => self.plan.pattern.next_on(draws, id, now),
        };
        if self.is_present && self.forced_off == 0 {
            self.turn_on(self.plan.pattern.resumes()).await?;
        } else if !self.is_present && self.is_on {
            self.turn_off();
        }
        Ok(())
    }

    async fn change(&mut self, index: usize, begins: bool) -> Result<(), Stop> {
        self.agenda.pop();
        let Some(change) = self.world.plan.scenario.changes.get(index) else { return Ok(()) };
        match &change.action {
            Action::ClientClock { offset_s, .. } if begins => self.clock_offsets_s.push(*offset_s),
            Action::ClientClock { offset_s, .. } => {
                let over = self.clock_offsets_s.iter().skip(1).position(|known| known == offset_s);
                over.map(|at| self.clock_offsets_s.remove(at + 1));
            }
            Action::FixedHost { host, .. } => {
                let hosts = &self.world.plan.scenario.hosts;
                let named = |name: &String| hosts.iter().position(|host| host.name == *name);
                let host = host.as_ref().and_then(named);
                self.fixed_host = host.and_then(|host| u16::try_from(host).ok());
            }
            Action::InstallKey { key, .. } => self.install_key(*key).await?,
            Action::Activate { .. } if self.is_on => self.then(Event::Activate).await?,
            Action::NetworkChange { .. } if self.is_on => self.then(Event::NetworkChange).await?,
            Action::Rearm { .. } => self.rearm().await?,
            Action::HardwareChange { share, .. } => {
                let bits = self.world.plan.draws.bits(self.id(), Purpose::Share, index as u64);
                #[allow(clippy::cast_precision_loss, reason = "53 bits")]
                if ((bits >> 11) as f64) < share * (1_u64 << 53) as f64 {
                    self.change_hardware().await?;
                }
            }
            Action::Reboot { .. } => self.reboot().await?,
            Action::PowerOff { .. } if begins => {
                self.forced_off += 1;
                if self.is_on {
                    self.turn_off();
                }
            }
            Action::PowerOff { .. } => {
                self.forced_off = self.forced_off.saturating_sub(1);
                if self.forced_off == 0 && self.is_present && !self.is_on {
                    self.turn_on(false).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn turn_on(&mut self, is_resume: bool) -> Result<(), Stop> {
        self.is_on = true;
        let is_resume = is_resume && self.is_started;
        if !is_resume {
            self.boots += 1;
        }
        self.emit(EventKind::Boot, None, 0, None);
        if !std::mem::replace(&mut self.is_started, true) {
            self.story.first_start = self.now();
            if self.plan.spec.life == Life::New && self.key != Key::None {
                self.handle(&[Event::InstallKey]);
            }
        }
        self.handle(&[Event::Tick]);
        if let Some(key) = self.new_key.take() {
            self.put_key(key);
        }
        if std::mem::take(&mut self.is_changed) {
            self.unbind();
        }
        self.then(if is_resume { Event::NetworkChange } else { Event::Start }).await
    }

    fn turn_off(&mut self) {
        self.is_on = false;
        self.handle(&[Event::Tick]);
        self.emit(EventKind::Shutdown, None, 0, None);
    }

    async fn reboot(&mut self) -> Result<(), Stop> {
        if self.is_on {
            self.turn_off();
            self.turn_on(false).await?;
        }
        Ok(())
    }

    async fn install_key(&mut self, key: Key) -> Result<(), Stop> {
        if self.is_on {
            self.put_key(key);
            self.attempt_if_due().await?;
        } else if self.is_started {
            self.new_key = Some(key);
        } else {
            self.key = key;
        }
        Ok(())
    }

    async fn rearm(&mut self) -> Result<(), Stop> {
        if self.is_on && self.life.rearms_left() > 0 && self.key != Key::None {
            self.is_rearmed = true;
            self.emit(EventKind::Rearmed, None, 0, None);
            self.handle(&[Event::Rearm]);
            self.reboot().await?;
        }
        Ok(())
    }

    async fn change_hardware(&mut self) -> Result<(), Stop> {
        if self.is_on {
            self.unbind();
            return self.attempt_if_due().await;
        }
        self.is_changed = true;
        Ok(())
    }

    async fn then(&mut self, event: Event<u16>) -> Result<(), Stop> {
        self.handle(&[event]);
        self.attempt_if_due().await
    }

    async fn attempt_if_due(&mut self) -> Result<(), Stop> {
        let began = self.world.pace.now();
        if !self.is_on || !self.life.is_attempt_due(began) {
            return Ok(());
        }
        if self.key == Key::Mak {
            self.attempt_by_mak();
            return Ok(());
        }
        // The semaphore is never closed.
        let room = self.world.room.acquire().await;
        self.attempt().await;
        drop(room);
        let pace = self.world.pace;
        self.world.note_late(pace.check(began, pace.now(), "an attempt")?);
        Ok(())
    }

    /// TR-time: fixed host, remembered host, DNS; each is tried until one answers.
    async fn attempt(&mut self) {
        let mut last = None;
        if let Some(host) = self.fixed_host {
            match self.ask(host).await {
                Ok(()) => return,
                Err(result) => last = Some(shown_result(result)),
            }
        } else {
            if let Some(host) = self.life.cached_host().copied() {
                match self.ask(host).await {
                    Ok(()) => return,
                    Err(result) => last = Some(shown_result(result)),
                }
                self.handle(&[Event::CachedHostFailed]);
                self.emit(EventKind::CachedHostLost, Some(host), 0, None);
            }
            match self.discovered().await {
                Ok(hosts) => {
                    for host in hosts {
                        match self.ask(host).await {
                            Ok(()) => return,
                            Err(result) => last = Some(shown_result(result)),
                        }
                    }
                }
                Err(result) => {
                    self.emit(EventKind::NoHostFound, None, result.0, None);
                    last = last.or(Some(result));
                }
            }
        }
        let was_licensed = self.life.state().is_licensed();
        let result = last.unwrap_or(Hresult::NO_KMS_AVAILABLE);
        self.handle(&[Event::Failed(result)]);
        self.emit(failed(was_licensed), None, result.0, None);
    }

    /// The hosts that DNS lists, in the order in which they are tried.
    async fn discovered(&self) -> Result<Vec<u16>, Hresult> {
        let listed = self.world.discover(self.plan.site).await?;
        let candidates: Vec<_> = listed.iter().map(|host| host.candidate).collect();
        let (draws, id) = (self.world.plan.draws, self.id());
        let mut drawn = u64::from(self.now()) << 16;
        let order = order(&candidates, |below| {
            drawn += 1;
            draws.below(id, Purpose::HostChoice, drawn, below)
        });
        let hosts = order.into_iter().filter_map(|place| listed.get(place));
        Ok(hosts.filter_map(|listed| u16::try_from(listed.host).ok()).collect())
    }

    async fn ask(&mut self, host: u16) -> Result<(), Hresult> {
        let request = self.request();
        let asked = self.world.ask(self.plan.site, usize::from(host), &request).await;
        match asked {
            Ok(answer) => {
                self.emit(EventKind::Request, Some(host), 0, Some(answer.count));
                self.take(host, answer);
                Ok(())
            }
            Err(NoAnswer::Refused(result)) => {
                self.emit(EventKind::Request, Some(host), result.0, None);
                self.emit(EventKind::HostRefused, Some(host), result.0, None);
                Err(result)
            }
            Err(NoAnswer::Unreachable(result)) => {
                self.emit(EventKind::HostUnreachable, Some(host), result.0, None);
                Err(result)
            }
        }
    }

    fn take(&mut self, host: u16, answered: Answered) {
        let was_licensed = self.life.state().is_licensed();
        let count = Some(answered.count);
        self.handle(&[Event::Answered(Answer {
            host,
            count: answered.count,
            activation_interval_minutes: answered.activation_interval_minutes,
            renewal_interval_minutes: answered.renewal_interval_minutes,
        })]);
        let result = self.life.last_result();
        if result != Hresult::OK {
            self.emit(EventKind::CountTooLow, Some(host), result.0, count);
            self.emit(failed(was_licensed), Some(host), result.0, count);
        } else if was_licensed {
            self.emit(EventKind::Renewed, Some(host), 0, count);
        } else {
            self.activated();
            self.emit(EventKind::Activated, Some(host), 0, count);
        }
    }

    fn attempt_by_mak(&mut self) {
        let Some(left) = self.world.mak_left.get(self.plan.index) else { return };
        if self.life.state().is_licensed() {
            self.handle(&[Event::MakActivated]);
        } else if let Some(fewer) = left.get().checked_sub(1) {
            left.set(fewer);
            self.handle(&[Event::MakActivated]);
            self.activated();
            self.emit(EventKind::MakActivated, None, 0, None);
        } else {
            self.handle(&[Event::MakExhausted]);
            let result = self.life.last_result();
            self.emit(EventKind::MakExhausted, None, result.0, None);
        }
    }

    fn activated(&mut self) {
        let now = self.now();
        self.story.activated.get_or_insert(now);
    }

    fn put_key(&mut self, key: Key) {
        self.key = key;
        match key {
            Key::None => self.handle(&[Event::RemoveKey]),
            _ => self.handle(&[Event::RemoveKey, Event::InstallKey]),
        }
    }

    fn unbind(&mut self) {
        if self.life.state().is_licensed() {
            self.emit(EventKind::OutOfTolerance, None, OUT_OF_TOLERANCE, None);
            self.handle(&[Event::HardwareChange]);
        }
    }

    /// Passes events on to the client's life, and notes what they lead to.
    fn handle(&mut self, events: &[Event<u16>]) {
        let before = self.life.state().status().0;
        let now = self.world.pace.now();
        let seconds = self.world.pace.seconds(now);
        let jitter = match self.plan.spec.jitter.0 {
            0 => 0,
            _ => {
                let draws = self.world.plan.draws;
                draws.below(self.id(), Purpose::Jitter, u64::from(seconds), u32::MAX)
            }
        };
        for event in events {
            self.life.handle(&self.plan.rules, now, jitter, event.clone());
        }
        let after = self.life.state().status().0;
        if before != after {
            self.story.states.push((seconds, after));
            match self.life.state() {
                State::Notification { .. } => {
                    self.emit(EventKind::NotificationBegan, None, 0, None);
                }
                _ if matches!(after, 2 | 3 | 4 | 6) => {
                    self.emit(EventKind::GraceBegan, None, 0, None)
                }
                _ => {}
            }
        }
    }

    fn emit(&mut self, event: EventKind, host: Option<u16>, result: u32, count: Option<u32>) {
        let Some(left) = self.world.events_left.get().checked_sub(1) else {
            self.is_full = true;
            return;
        };
        self.world.events_left.set(left);
        let now = self.world.pace.now();
        self.story.steps.push(Step {
            at: self.world.pace.seconds(now),
            event,
            host,
            result,
            count,
            state: self.life.state().status().0,
            minutes_left: self.life.state().minutes_left(now),
            boots: self.boots,
            is_rearmed: self.is_rearmed,
        });
    }

    fn request(&self) -> Request {
        let (plan, draws) = (self.plan, self.world.plan.draws);
        let (state, now) = (self.life.state(), self.world.pace.now());
        let name = plan.name(draws, self.story.index, self.boots);
        let offset_s = self.clock_offsets_s.last().copied().unwrap_or_default();
        Request {
            version: Version::V6,
            vm_info: 0,
            license_status: state.status(),
            binding_expiration_minutes: state.minutes_left(now),
            app_id: plan.product.app_id,
            sku_id: plan.product.sku_id,
            kms_id: match self.key {
                Key::Wrong => Guid::v5(&LAB_NAMESPACE, COUNTED_BY_NOBODY),
                _ => plan.product.kms_id,
            },
            cmid: plan.cmid(draws, self.story.index, self.boots, self.is_rearmed),
            n_policy: plan.product.n_policy,
            client_time: super::super::lab::shifted(now, offset_s),
            cmid_previous: Guid::ZERO,
            machine_name: MachineName::new(&name).unwrap_or_default(),
        }
    }

    const fn id(&self) -> ClientId {
        ClientId::new(self.plan.index, self.story.index)
    }

    fn now(&self) -> u32 {
        self.world.pace.seconds(self.world.pace.now())
    }
}

const fn failed(was_licensed: bool) -> EventKind {
    if was_licensed { EventKind::RenewalFailed } else { EventKind::ActivationFailed }
}

/// What `slmgr /ato` shows: one of the two codes that name the host's own fault, or that no host
/// could be used.
const fn shown_result(result: Hresult) -> Hresult {
    match result {
        Hresult::PRODUCT_NOT_COVERED | Hresult::HOST_NOT_ACTIVATED => result,
        _ => Hresult::NO_KMS_AVAILABLE,
    }
}

/// Makes a counted id that is not in the catalogue.
const COUNTED_BY_NOBODY: &[u8] = b"counted:by nobody";
/// SL_E_OUT_OF_TOLERANCE.
const OUT_OF_TOLERANCE: u32 = 0xC004_F00F;
