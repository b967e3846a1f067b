//! One client's turn: what it does when it is switched on or off, when something is due, and when
//! something is done to it.

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::LAB_NAMESPACE;
use kms_protocol::kms::{Hresult, MachineName, Request, Version};

use super::super::arm::{Answered, Arm, NoAnswer};
use super::super::draw::{ClientId, Draws, Purpose};
use super::super::hardware::{self, Parts};
use super::super::outcome::{Snapshot, TraceRecord};
use super::super::population::GroupPlan;
use super::super::scenario::{EventKind, Fingerprint, Hardware, Key, Life, Seconds};
use super::super::virtual_arm::{Overlay, shifted};
use super::books::Books;
use crate::model::client::packed::Packed;
use crate::model::client::{Answer, Event, Lifecycle, order};

/// A client.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Client {
    pub(super) life: Packed,
    /// When its turn in the queue is, for what is due by itself; [`NEVER`].
    pub(super) due: u32,
    pub(super) first_start: u32,
    pub(super) boots: u32,
    /// Index among the component's groups.
    pub(super) group: u16,
    pub(super) key: Key,
    /// What was installed while it was off.
    pub(super) new_key: Option<Key>,
    /// Whether it would be on, if it were not for [`Group::forced_off`].
    pub(super) is_present: bool,
    pub(super) is_on: bool,
    pub(super) is_started: bool,
    pub(super) was_activated: bool,
    pub(super) is_rearmed: bool,
    pub(super) is_traced: bool,
    /// Whether its hardware was changed while it was off.
    pub(super) is_changed: bool,
}

/// What the clients of a group have in common, as it stands.
#[derive(Debug)]
pub(super) struct Group {
    /// Index of the scenario.
    pub(super) plan: usize,
    /// Its first client.
    pub(super) first: usize,
    pub(super) fixed_host: Option<u16>,
    pub(super) clock_offset_s: Overlay<i64>,
    pub(super) forced_off: u32,
    pub(super) mak_left: u32,
    /// The hardware that each client is bound to; empty where it never changes.
    pub(super) bound: Vec<Option<Parts>>,
}

/// Everything that a client's turn touches.
pub(super) struct Turn<'w, A> {
    pub(super) now: u32,
    pub(super) start: FileTime,
    pub(super) draws: Draws,
    pub(super) plan: &'w GroupPlan<'w>,
    pub(super) group: &'w mut Group,
    pub(super) client: &'w mut Client,
    /// The client's life, which is packed again after the turn.
    pub(super) life: Lifecycle<u16>,
    /// The client's number in its group, from 0.
    pub(super) index: u32,
    pub(super) arm: &'w mut A,
    pub(super) books: &'w mut Books,
    /// Of a host of the scenario, its index among the component's.
    pub(super) host_slots: &'w [usize],
}

impl<A: Arm> Turn<'_, A> {
    /// What was due is done.
    pub(super) fn due(&mut self) {
        self.live(&[Event::Tick]);
        self.attempt_if_due();
    }

    /// It is switched on, or resumes.
    pub(super) fn turn_on(&mut self, is_resume: bool) {
        self.client.is_on = true;
        self.books.groups[usize::from(self.client.group)].on += 1;
        let is_resume = is_resume && self.client.is_started;
        if !is_resume {
            self.client.boots += 1;
        }
        self.emit(EventKind::Boot, None, 0, None);
        if !std::mem::replace(&mut self.client.is_started, true) {
            self.client.first_start = self.now;
            if self.plan.spec.life == Life::New && self.client.key != Key::None {
                self.live(&[Event::InstallKey]);
            }
        }
        self.live(&[Event::Tick]);
        if let Some(key) = self.client.new_key.take() {
            self.put_key(key);
        }
        if std::mem::take(&mut self.client.is_changed) {
            self.unbind();
        } else if !is_resume {
            self.compare_hardware();
        }
        self.live(&[if is_resume { Event::NetworkChange } else { Event::Start }]);
        self.attempt_if_due();
    }

    /// It is switched off, or leaves the network.
    pub(super) fn turn_off(&mut self) {
        self.client.is_on = false;
        self.books.groups[usize::from(self.client.group)].on -= 1;
        self.live(&[Event::Tick]);
        self.emit(EventKind::Shutdown, None, 0, None);
    }

    /// A restart, where it is on.
    pub(super) fn reboot(&mut self) {
        if self.client.is_on {
            self.turn_off();
            self.turn_on(false);
        }
    }

    /// Another key: at once, or at its next start.
    pub(super) fn install_key(&mut self, key: Key) {
        if self.client.is_on {
            self.put_key(key);
            self.attempt_if_due();
        } else if self.client.is_started {
            self.client.new_key = Some(key);
        } else {
            self.client.key = key;
        }
    }

    /// `slmgr /ato`, where it is on.
    pub(super) fn activate(&mut self) {
        if self.client.is_on {
            self.live(&[Event::Activate]);
            self.attempt_if_due();
        }
    }

    /// `slmgr /rearm` and the restart, where it is on and a rearm is left.
    pub(super) fn rearm(&mut self) {
        let can = self.life.rearms_left() > 0 && self.client.key != Key::None;
        if self.client.is_on && can {
            self.client.is_rearmed = true;
            self.emit(EventKind::Rearmed, None, 0, None);
            self.live(&[Event::Rearm]);
            self.reboot();
        }
    }

    /// Other hardware, of which it learns at once or at its next start.
    pub(super) fn change_hardware(&mut self) {
        if self.client.is_on {
            self.unbind();
            self.attempt_if_due();
        } else {
            self.client.is_changed = true;
        }
    }

    /// The network changed, where it is on.
    pub(super) fn change_network(&mut self) {
        if self.client.is_on {
            self.live(&[Event::NetworkChange]);
            self.attempt_if_due();
        }
    }

    /// The client as it stands.
    pub(super) fn snapshot(&self) -> Snapshot {
        let life = &self.life;
        Snapshot {
            at: Seconds(self.now),
            client: self.plan.name(self.draws, self.index, self.client.boots),
            cmid: self.cmid().to_string(),
            group: self.plan.index,
            on: self.client.is_on,
            state: life.state().status().0,
            minutes_left: life.state().minutes_left(self.time()),
            result: match life.state() {
                crate::model::client::State::Notification { reason }
                    if life.last_result() == Hresult::OK =>
                {
                    reason.0
                }
                _ => life.last_result().0,
            },
            cached_host: life.cached_host().map(|host| usize::from(*host)),
            activation_interval_minutes: life.activation_interval_minutes(),
            renewal_interval_minutes: life.renewal_interval_minutes(),
            rearms_left: life.rearms_left(),
        }
    }

    pub(super) const fn id(&self) -> ClientId {
        ClientId::new(self.plan.index, self.index)
    }

    fn attempt_if_due(&mut self) {
        if self.client.is_on && self.life.is_attempt_due(self.time()) {
            match self.client.key {
                Key::Mak => self.attempt_by_mak(),
                _ => self.attempt(),
            }
        }
    }

    /// One attempt, at every host in turn (TR-time: fixed host, remembered host, DNS; each is tried
    /// until an activated host with the right key answers).
    fn attempt(&mut self) {
        let mut last = None;
        if let Some(host) = self.group.fixed_host {
            match self.ask(host) {
                Ok(()) => return,
                Err(result) => last = Some(shown_result(result)),
            }
        } else {
            if let Some(host) = self.life.cached_host().copied() {
                match self.ask(host) {
                    Ok(()) => return,
                    Err(result) => last = Some(shown_result(result)),
                }
                self.live(&[Event::CachedHostFailed]);
                self.emit(EventKind::CachedHostLost, Some(host), 0, None);
            }
            match self.arm.discover(Seconds(self.now), self.plan.site) {
                Ok(listed) => {
                    let candidates: Vec<_> = listed.iter().map(|host| host.candidate).collect();
                    let (id, mut drawn) = (self.id(), u64::from(self.now) << 16);
                    let draws = self.draws;
                    let order = order(&candidates, |below| {
                        drawn += 1;
                        draws.below(id, Purpose::HostChoice, drawn, below)
                    });
                    for host in order.into_iter().filter_map(|place| listed.get(place)) {
                        match self.ask(u16::try_from(host.host).unwrap_or(u16::MAX)) {
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
        self.fail(last.unwrap_or(Hresult::NO_KMS_AVAILABLE));
    }

    /// Asks one host. An answer ends the attempt, whatever it leads to.
    fn ask(&mut self, host: u16) -> Result<(), Hresult> {
        let request = self.request();
        let answer = self.arm.ask(Seconds(self.now), self.plan.site, usize::from(host), &request);
        match answer {
            Ok(answer) => {
                self.answered(host, answer);
                Ok(())
            }
            Err(NoAnswer::Refused(result)) => {
                self.reached(host);
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

    /// A host has answered, and the client takes it.
    pub(super) fn answered(&mut self, host: u16, answered: Answered) {
        self.reached(host);
        self.emit(EventKind::Request, Some(host), 0, Some(answered.count));
        let was_licensed = self.life.state().is_licensed();
        let count = Some(answered.count);
        self.live(&[Event::Answered(Answer {
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

    fn fail(&mut self, result: Hresult) {
        let was_licensed = self.life.state().is_licensed();
        self.live(&[Event::Failed(result)]);
        self.emit(failed(was_licensed), None, result.0, None);
    }

    /// A MAK asks the internet, which is always there.
    fn attempt_by_mak(&mut self) {
        if self.life.state().is_licensed() {
            self.live(&[Event::MakActivated]);
        } else if let Some(left) = self.group.mak_left.checked_sub(1) {
            self.group.mak_left = left;
            self.live(&[Event::MakActivated]);
            self.activated();
            self.emit(EventKind::MakActivated, None, 0, None);
        } else {
            self.live(&[Event::MakExhausted]);
            let result = self.life.last_result();
            self.emit(EventKind::MakExhausted, None, result.0, None);
        }
    }

    /// Not activated before, activated now.
    fn activated(&mut self) {
        if !std::mem::replace(&mut self.client.was_activated, true) {
            let minutes = (self.now - self.client.first_start) / 60;
            let book = &mut self.books.groups[usize::from(self.client.group)];
            *book.minutes_to_first_activation.entry(minutes).or_default() += 1;
        }
        if let Some(seen) = self.parts()
            && let Some(bound) = self.group.bound.get_mut(self.index as usize)
        {
            *bound = Some(seen);
        }
    }

    fn put_key(&mut self, key: Key) {
        self.client.key = key;
        match key {
            Key::None => self.live(&[Event::RemoveKey]),
            _ => self.live(&[Event::RemoveKey, Event::InstallKey]),
        }
    }

    fn unbind(&mut self) {
        if let Some(bound) = self.group.bound.get_mut(self.index as usize) {
            *bound = None;
        }
        if self.life.state().is_licensed() {
            self.emit(EventKind::OutOfTolerance, None, OUT_OF_TOLERANCE, None);
            self.live(&[Event::HardwareChange]);
        }
    }

    /// Looks at the machine that the drive is in now.
    fn compare_hardware(&mut self) {
        let Hardware::Roaming { fingerprint, tolerance, .. } = self.plan.spec.hardware else {
            return;
        };
        let Some(seen) = self.parts() else { return };
        let Some(bound) = self.group.bound.get_mut(self.index as usize) else { return };
        if !self.life.state().is_licensed() {
            return;
        }
        match *bound {
            None => *bound = Some(seen),
            Some(known) if hardware::is_out_of_tolerance(fingerprint, tolerance, &known, &seen) => {
                self.unbind();
            }
            Some(known) if fingerprint == Fingerprint::Anchor => {
                *bound = Some(hardware::followed(&known, &seen));
            }
            Some(_) => {}
        }
    }

    /// What the machine is made of that it was started on last.
    fn parts(&self) -> Option<Parts> {
        let Hardware::Roaming { machines, .. } = self.plan.spec.hardware else { return None };
        let (id, boots) = (self.id(), u64::from(self.client.boots));
        let machine = self.draws.below(id, Purpose::Machine, boots, machines);
        Some(hardware::parts(self.draws, self.plan.index, id, machine))
    }

    /// Passes events on to the client's life, and notes what they lead to.
    fn live(&mut self, events: &[Event<u16>]) {
        let before = self.life.state().status().0;
        let time = self.time();
        let jitter = jitter_draw(self.draws, self.plan, self.id(), self.now);
        for event in events {
            self.life.handle(&self.plan.rules, time, jitter, event.clone());
        }
        let after = self.life.state().status().0;
        if before != after {
            let group = usize::from(self.client.group);
            self.books.state(group, before as usize, after as usize);
            match after {
                2 | 3 | 4 | 6 => self.emit(EventKind::GraceBegan, None, 0, None),
                5 => self.emit(EventKind::NotificationBegan, None, 0, None),
                _ => {}
            }
        }
    }

    fn reached(&mut self, host: u16) {
        let slot = self.host_slots.get(usize::from(host)).copied().unwrap_or(usize::MAX);
        self.books.request(self.now, slot);
    }

    fn emit(&mut self, event: EventKind, host: Option<u16>, result: u32, count: Option<u32>) {
        let group = usize::from(self.client.group);
        self.books.event(self.now, self.id().bits(), group, event, host, result);
        if self.client.is_traced {
            let state = self.life.state();
            let record = TraceRecord {
                at: Seconds(self.now),
                client: self.plan.name(self.draws, self.index, self.client.boots),
                cmid: self.cmid().to_string(),
                group: self.plan.index,
                event,
                host: host.map(usize::from),
                result,
                count,
                state: state.status().0,
                minutes_left: state.minutes_left(self.time()),
            };
            let site = self.books.groups[group].site;
            self.books.sites[site].traces.push(record);
        }
    }

    fn request(&self) -> Request {
        let (plan, client) = (self.plan, &*self.client);
        let state = self.life.state();
        let name = plan.name(self.draws, self.index, client.boots);
        Request {
            version: Version::V6,
            vm_info: 0,
            license_status: state.status(),
            binding_expiration_minutes: state.minutes_left(self.time()),
            app_id: plan.product.app_id,
            sku_id: plan.product.sku_id,
            kms_id: match client.key {
                Key::Wrong => Guid::v5(&LAB_NAMESPACE, COUNTED_BY_NOBODY),
                _ => plan.product.kms_id,
            },
            cmid: self.cmid(),
            n_policy: plan.product.n_policy,
            client_time: shifted(self.time(), *self.group.clock_offset_s.value()),
            cmid_previous: Guid::ZERO,
            machine_name: MachineName::new(&name).unwrap_or_default(),
        }
    }

    fn cmid(&self) -> Guid {
        let client = &self.client;
        self.plan.cmid(self.draws, self.index, client.boots, client.is_rearmed)
    }

    fn time(&self) -> FileTime {
        self.start.saturating_add(Seconds(self.now).duration())
    }
}

/// The random number for what is added to an interval that begins at `now`.
pub(super) fn jitter_draw(draws: Draws, plan: &GroupPlan<'_>, id: ClientId, now: u32) -> u32 {
    match plan.spec.jitter.0 {
        0 => 0,
        _ => draws.below(id, Purpose::Jitter, u64::from(now), u32::MAX),
    }
}

const fn failed(was_licensed: bool) -> EventKind {
    if was_licensed { EventKind::RenewalFailed } else { EventKind::ActivationFailed }
}

/// What `slmgr /ato` shows: one of the two codes that name the host's own fault, or that no host
/// could be used, with the rest in event 12288.
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
