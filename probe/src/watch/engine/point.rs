//! One watchpoint while the program runs: its memory, its schedule and its recent past.

use std::collections::VecDeque;

use crate::watch::alert::{self, Alert, Attempt, Elsewhere, Finding, Flapping, State, Tool};
use crate::watch::config::Watchpoint;
use crate::watch::moment::Moment;
use crate::watch::notice::{Notice, What};
use crate::watch::schedule::Schedule;
use crate::watch::state::{Condition, Decision, Level, Memory, Occasion};
use crate::watch::store::{Change, Past, RecoveryEvent, Step, Store};

use super::Mode;

/// One target from one address.
#[derive(Debug)]
pub struct Point {
    /// What is watched, and how.
    pub spec: Watchpoint,
    /// What lasts from check to check.
    pub memory: Memory,
    /// The latest checks, oldest first; at most [`PAST_MAX`].
    pub past: VecDeque<Past>,
    /// The latest changes, latest first; at most [`CHANGES_MAX`].
    pub changes: VecDeque<Change>,
    /// What was tried in the latest outage.
    pub attempts: Vec<Attempt>,
    /// What the latest check of this process saw.
    pub latest: Option<Finding>,
    /// Whether it is being checked.
    pub is_checking: bool,
    id: i64,
    schedule: Schedule,
    /// Whether a check of this process has come to its end.
    is_checked: bool,
}

impl Point {
    /// Goes on from what the history knows.
    pub(super) fn open(
        spec: Watchpoint,
        store: &mut Store,
        seed: u32,
        index: usize,
        now: Moment,
    ) -> anyhow::Result<Self> {
        let known = store.watchpoint(&spec.name, spec.source, &spec.asked.text)?;
        let mut point = Self {
            memory: known.memory,
            past: store.past(known.id, PAST_MAX)?.into(),
            changes: store.changes(known.id, CHANGES_MAX)?.into(),
            attempts: store.attempts(known.id)?,
            latest: None,
            is_checking: false,
            id: known.id,
            schedule: Schedule::new(seed, index, now, &spec.pace),
            is_checked: false,
            spec,
        };
        if point.memory.interrupted(now, &point.spec.rules).is_some() {
            let outcome = "interrupted: kms-probe ended while it ran".to_owned();
            let event = RecoveryEvent::Ended { outcome, output: String::new() };
            point.write_recovery(store, now, event)?;
        }
        Ok(point)
    }

    /// The level that is believed, or seen where nothing is believed yet.
    #[must_use]
    pub fn level(&self) -> Level {
        let seen = || self.latest.as_ref().map(|finding| finding.level);
        let believed = self.memory.confirmed().map(|condition| condition.seen.level);
        believed.or_else(seen).unwrap_or(Level::Up)
    }

    /// When the next check is due.
    #[must_use]
    pub const fn next_check(&self) -> Moment {
        self.schedule.due()
    }

    /// Where everything is done once: whether nothing is left to do here now. A recovery that waits
    /// for its back-off is left to the next time.
    pub(super) fn is_done(&self) -> bool {
        self.is_checked && !self.is_checking && self.memory.verification_due().is_none()
    }

    pub(super) fn check_due(&self, now: Moment, mode: Mode) -> Option<Moment> {
        if self.is_checking {
            return None;
        }
        let verification = self.memory.verification_due().filter(|due| *due <= now);
        let regular = match mode {
            Mode::Once => (!self.is_checked).then_some(now),
            Mode::ForGood => Some(self.schedule.due()).filter(|due| *due <= now),
        };
        verification.into_iter().chain(regular).min()
    }

    pub(super) fn next_wake(&self, mode: Mode, can_check: bool) -> Option<Moment> {
        let regular = (mode == Mode::ForGood && can_check && !self.is_checking)
            .then_some(self.schedule.due());
        let recovery = match self.memory.verification_due() {
            _ if self.is_checking => None,
            Some(due) => can_check.then_some(due),
            None => self.memory.next_wake().filter(|_| self.is_checked),
        };
        regular.into_iter().chain(recovery).min()
    }

    /// Whether the check that begins is the one after a recovery.
    pub(super) fn begin_check(&mut self, now: Moment) -> bool {
        self.is_checking = true;
        self.memory.verification_due().is_some_and(|due| due <= now)
    }

    pub(super) fn check_failed(&mut self, now: Moment) {
        (self.is_checking, self.is_checked) = (false, true);
        self.schedule.checked(now, false, &self.spec.pace);
    }

    pub(super) fn observe(
        &mut self,
        now: Moment,
        finding: &Finding,
        is_verification: bool,
    ) -> Vec<Decision> {
        (self.is_checking, self.is_checked) = (false, true);
        self.latest = Some(finding.clone());
        self.past.push_back(Past {
            at: now,
            elapsed_us: finding.elapsed_us,
            level: finding.level,
            verdict: finding.verdict.clone(),
            cause: finding.cause.clone(),
        });
        while self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
        let seen = finding.sighting();
        let decisions = self.memory.observe(now, &seen, is_verification, &self.spec.rules);
        self.schedule.checked(now, self.memory.is_uncertain(), &self.spec.pace);
        decisions
    }

    pub(super) fn poll(&mut self, now: Moment) -> Vec<Decision> {
        // What a check sees decides, and what an earlier process believed is not enough.
        if self.is_checking || !self.is_checked {
            return Vec::new();
        }
        self.memory.poll(now, &self.spec.rules)
    }

    pub(super) fn command_ended(&mut self, now: Moment) {
        self.memory.command_ended(now, &self.spec.rules);
    }

    pub(super) fn write_recovery(
        &mut self,
        store: &mut Store,
        now: Moment,
        event: RecoveryEvent,
    ) -> anyhow::Result<()> {
        let mut step = self.step(now);
        step.recovery.push(event);
        store.commit(&mut step)?;
        self.attempts = store.attempts(self.id)?;
        Ok(())
    }

    /// What the recovery command is told.
    pub(super) fn recovery_input(&self, instance: &str, attempt: u32) -> Alert {
        let occasion = match self.level() {
            Level::Degraded => Occasion::Degraded,
            _ => Occasion::Down,
        };
        let mut alert = self.alert(Moment::now(), occasion, None, Vec::new());
        alert.id = format!("{instance}-recovery-{}-{attempt}", self.id);
        alert
    }

    fn step(&self, now: Moment) -> Step<'_> {
        Step {
            watchpoint: self.id,
            at: now,
            memory: &self.memory,
            finding: None,
            is_verification: false,
            changes: Vec::new(),
            alerts: Vec::new(),
            channels: &self.spec.channels,
            recovery: Vec::new(),
        }
    }

    fn alert(
        &self,
        now: Moment,
        occasion: Occasion,
        before: Option<&Condition>,
        elsewhere: Vec<Elsewhere>,
    ) -> Alert {
        let mut alert = Alert {
            schema_version: alert::SCHEMA_VERSION,
            tool: Tool::this(),
            id: String::new(),
            at: now.text(),
            occasion,
            summary: String::new(),
            name: self.spec.name.clone(),
            target: self.spec.asked.text.clone(),
            source: self.spec.source,
            state: self.memory.confirmed().map(State::of),
            before: before.map(State::of),
            finding: self.latest.clone().unwrap_or_else(|| self.remembered(now)),
            flapping: Flapping {
                since: self.memory.flapping_since().map(Moment::text),
                held: self.memory.held(),
            },
            elsewhere,
            recovery: self.attempts.clone(),
        };
        alert.summary = alert.summarise();
        alert
    }

    /// The last check of an earlier process.
    fn remembered(&self, now: Moment) -> Finding {
        let past = self.past.back();
        let level = past.map_or(Level::Up, |past| past.level);
        Finding {
            at: past.map_or(now, |past| past.at).text(),
            verdict: past.map_or_else(String::new, |past| past.verdict.clone()),
            severity: level.severity(),
            level,
            cause: past.map_or_else(String::new, |past| past.cause.clone()),
            remedy: None,
            client_sees: Vec::new(),
            elapsed_us: past.map_or(0, |past| past.elapsed_us),
            entries: Vec::new(),
        }
    }
}

/// What came of decisions, once they are written.
pub(super) struct Followed {
    pub(super) notices: Vec<Notice>,
    pub(super) has_alerts: bool,
    /// The attempt whose command is to be started.
    pub(super) recovery: Option<u32>,
}

/// Writes what was decided about one of `points`, with the check that it follows from.
pub(super) fn follow(
    points: &mut [Point],
    index: usize,
    store: &mut Store,
    now: Moment,
    decisions: Vec<Decision>,
    finding: Option<Finding>,
    is_verification: bool,
) -> anyhow::Result<Followed> {
    let elsewhere = elsewhere(points, index);
    let nothing = Followed { notices: Vec::new(), has_alerts: false, recovery: None };
    let Some(point) = points.get_mut(index) else { return Ok(nothing) };
    let cause = finding.as_ref().map_or("", |finding| finding.cause.as_str());
    let verdict = finding.as_ref().map_or("", |finding| finding.verdict.as_str());
    let (mut followed, mut before) = (nothing, None);
    let (mut changes, mut occasions, mut recovery) = (Vec::new(), Vec::new(), Vec::new());
    for decision in decisions {
        let what = match decision {
            Decision::Changed { from, to, is_held } => {
                let change = Change::new(from.as_ref(), &to, is_held, cause);
                before = from;
                let what = What::changed(&change);
                changes.push(change);
                Some(what)
            }
            Decision::Alert(occasion) => {
                occasions.push(occasion);
                None
            }
            Decision::Recover { attempt } => {
                let name = point.spec.recovery.as_ref().map_or("", |it| it.name.as_str());
                followed.recovery = Some(attempt);
                recovery.push(RecoveryEvent::Started { attempt, recovery: name.to_owned() });
                None
            }
            Decision::Verified { attempt, helped } => {
                let verdict = verdict.to_owned();
                recovery.insert(0, RecoveryEvent::Verified { verdict: verdict.clone(), helped });
                Some(What::RecoveryVerified { attempt, verdict, helped })
            }
        };
        let about = |what| Notice::about(now, &point.spec.name, point.spec.source, what);
        followed.notices.extend(what.map(about));
    }
    // The alert tells of a verification that this very check made.
    if let Some(RecoveryEvent::Verified { verdict, helped }) = recovery.first()
        && let Some(last) = point.attempts.last_mut()
    {
        (last.verified_verdict, last.helped) = (Some(verdict.clone()), Some(*helped));
    }
    let alert = |occasion| point.alert(now, occasion, before.as_ref(), elsewhere.clone());
    let alerts: Vec<Alert> = occasions.into_iter().map(alert).collect();
    for alert in &alerts {
        let what = What::Alert { summary: alert.summary.clone(), occasion: alert.occasion.name() };
        followed.notices.push(Notice::about(now, &alert.name, alert.source, what));
    }
    followed.has_alerts = !alerts.is_empty();
    let (shown, has_recovery) = (changes.clone(), !recovery.is_empty());
    let mut step = Step {
        finding: finding.as_ref(),
        is_verification,
        changes,
        alerts,
        recovery,
        ..point.step(now)
    };
    store.commit(&mut step)?;
    if has_recovery {
        point.attempts = store.attempts(point.id)?;
    }
    for change in shown {
        point.changes.push_front(change);
    }
    point.changes.truncate(CHANGES_MAX);
    Ok(followed)
}

/// The other addresses that the target of `index` is watched from.
fn elsewhere(points: &[Point], index: usize) -> Vec<Elsewhere> {
    let Some(name) = points.get(index).map(|point| point.spec.name.as_str()) else {
        return Vec::new();
    };
    let others = points.iter().enumerate().filter(|(other, _)| *other != index);
    others
        .map(|(_, point)| point)
        .filter(|point| point.spec.name == name)
        .map(|point| Elsewhere {
            source: point.spec.source,
            state: point.memory.confirmed().map(State::of),
        })
        .collect()
}

/// Checks that are kept at hand.
pub const PAST_MAX: usize = 120;
/// Changes that are kept at hand.
pub const CHANGES_MAX: usize = 50;
