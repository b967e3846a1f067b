//! The rules of a running server: asked on every event, changed while it runs.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kms_protocol::filetime::FileTime;
use tokio::sync::watch;

use super::action::Action;
use super::draw::Draw;
use super::kind::Kind;
use super::place::{Facts, Stage};
use super::rule::{Rule, RuleId};

/// The rules of a server, in the order in which they are asked, with their counts.
///
/// While there is no rule for a stage, asking costs one load of an atomic byte.
#[derive(Debug)]
pub struct FaultSet {
    seed: u64,
    /// The bits of the stages that have a rule which is on.
    stages: AtomicU8,
    entries: RwLock<Vec<Arc<Entry>>>,
    /// Whether a rule says that nothing listens.
    refusing: watch::Sender<bool>,
    /// Numbers for rules that do not name themselves.
    added: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    rule: Rule,
    source: Source,
    set_at: FileTime,
    counts: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    matched: AtomicU64,
    applied: AtomicU64,
}

/// Where a rule came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A flag of the command line.
    Flag,
    /// The file of rules, which can be read again.
    File,
    /// The running server was told.
    Api,
}

/// A rule with what it has done.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The rule.
    pub rule: Rule,
    /// Where it came from.
    pub source: Source,
    /// Events that met its conditions on the client, before number, chance, time and limit.
    pub matched: u64,
    /// Events that it struck.
    pub applied: u64,
}

/// The rule that struck, for logs, journals and counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Applied {
    /// The rule.
    pub rule: RuleId,
    /// What it did.
    pub kind: Kind,
}

/// A rule that strikes.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The rule and its kind.
    pub applied: Applied,
    /// What goes wrong.
    pub action: Action,
    /// The running number of the event among those that the rule matched, from 1.
    pub number: u64,
    /// Randomness of this number.
    pub draw: Draw,
}

/// Why the rules were not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No rule has this name.
    Unknown(RuleId),
    /// Another rule has this name.
    Taken(RuleId),
    /// There are [`RULES_MAX`] already.
    Full,
}

/// What reading the rules of a source again has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Rules that stayed, with their counts.
    pub kept: usize,
    /// Rules that are new or different.
    pub set: usize,
    /// Rules that are gone.
    pub removed: usize,
}

impl FaultSet {
    /// No rules. Draws follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            stages: AtomicU8::new(0),
            entries: RwLock::default(),
            refusing: watch::Sender::new(false),
            added: AtomicU64::new(0),
        }
    }

    /// Whether a rule that is on can strike at `stage`.
    #[must_use]
    pub fn strikes_at(&self, stage: Stage) -> bool {
        self.stages.load(Ordering::Relaxed) & stage.bit() != 0
    }

    /// The first rule that strikes an event at `stage`, at `now` by the host's clock.
    pub fn decide(&self, stage: Stage, facts: &Facts<'_>, now: FileTime) -> Option<Hit> {
        if !self.strikes_at(stage) {
            return None;
        }
        self.read().iter().find_map(|entry| entry.ask(self.seed, stage, facts, now))
    }

    /// Tells whether nothing should listen, now and whenever that changes.
    #[must_use]
    pub fn refusing(&self) -> watch::Receiver<bool> {
        self.refusing.subscribe()
    }

    /// All rules with their counts, in the order in which they are asked.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.read().iter().map(|entry| entry.listed()).collect()
    }

    /// One rule with its counts.
    #[must_use]
    pub fn get(&self, id: &RuleId) -> Option<Listed> {
        self.read().iter().find(|entry| entry.rule.id == *id).map(|entry| entry.listed())
    }

    /// A name for a rule that does not name itself.
    #[must_use]
    pub fn next_id(&self, source: Source) -> RuleId {
        let number = self.added.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        RuleId::made_up(source.name(), usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// Adds a rule behind those of its source.
    ///
    /// # Errors
    /// Its name is taken, or there are too many rules.
    pub fn add(&self, rule: Rule, source: Source, now: FileTime) -> Result<(), SetError> {
        let mut entries = self.write();
        if entries.iter().any(|entry| entry.rule.id == rule.id) {
            return Err(SetError::Taken(rule.id));
        }
        if entries.len() >= RULES_MAX {
            return Err(SetError::Full);
        }
        entries.push(Arc::new(Entry::new(rule, source, now)));
        entries.sort_by_key(|entry| entry.source);
        self.publish(&entries);
        Ok(())
    }

    /// Puts `rule` in the place of the rule `id`; its counts begin anew.
    ///
    /// # Errors
    /// There is no such rule, or the new name is taken.
    pub fn change(&self, id: &RuleId, rule: Rule, now: FileTime) -> Result<(), SetError> {
        let mut entries = self.write();
        if rule.id != *id && entries.iter().any(|entry| entry.rule.id == rule.id) {
            return Err(SetError::Taken(rule.id));
        }
        let entry = find(&mut entries, id)?;
        *entry = Arc::new(Entry::new(rule, entry.source, now));
        self.publish(&entries);
        Ok(())
    }

    /// Switches the rule `id` on or off; its counts stay.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn set_enabled(&self, id: &RuleId, enabled: bool) -> Result<(), SetError> {
        let mut entries = self.write();
        let entry = find(&mut entries, id)?;
        let rule = Rule { enabled, ..entry.rule.clone() };
        *entry = Arc::new(Entry { rule, counts: Arc::clone(&entry.counts), ..**entry });
        self.publish(&entries);
        Ok(())
    }

    /// Takes the rule `id` out.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn remove(&self, id: &RuleId) -> Result<(), SetError> {
        let mut entries = self.write();
        find(&mut entries, id)?;
        entries.retain(|entry| entry.rule.id != *id);
        self.publish(&entries);
        Ok(())
    }

    /// Begins the counts of the rule `id` anew: running numbers, limit and draws start over.
    ///
    /// # Errors
    /// There is no such rule.
    pub fn reset(&self, id: &RuleId, now: FileTime) -> Result<(), SetError> {
        let mut entries = self.write();
        let entry = find(&mut entries, id)?;
        *entry = Arc::new(Entry::new(entry.rule.clone(), entry.source, now));
        Ok(())
    }

    /// Begins the counts of every rule anew.
    pub fn reset_all(&self, now: FileTime) {
        for entry in self.write().iter_mut() {
            *entry = Arc::new(Entry::new(entry.rule.clone(), entry.source, now));
        }
    }

    /// Puts `rules` in the place of all rules of `source`, or changes nothing. A rule that is the
    /// same as before keeps its counts.
    ///
    /// # Errors
    /// A name is taken by a rule of another source, or there would be too many.
    pub fn replace(
        &self,
        source: Source,
        rules: Vec<Rule>,
        now: FileTime,
    ) -> Result<Replaced, SetError> {
        Self::replace_in_all(vec![(self, rules)], source, now)
    }

    /// [`FaultSet::replace`] in several sets, which are different ones: in all of them or in none.
    ///
    /// # Errors
    /// As for one set.
    pub fn replace_in_all(
        changes: Vec<(&Self, Vec<Rule>)>,
        source: Source,
        now: FileTime,
    ) -> Result<Replaced, SetError> {
        let mut sum = Replaced::default();
        let mut planned = Vec::with_capacity(changes.len());
        for (set, rules) in changes {
            // Held until everything is planned, so that nobody takes a name meanwhile.
            let entries = set.write();
            let (next, replaced) = planned_change(&entries, rules, source, now)?;
            sum.kept += replaced.kept;
            sum.set += replaced.set;
            sum.removed += replaced.removed;
            planned.push((set, entries, next));
        }
        for (set, mut entries, next) in planned {
            *entries = next;
            set.publish(&entries);
        }
        Ok(sum)
    }

    /// Tells those who ask without the lock. Called with it, so that the last change wins.
    fn publish(&self, entries: &[Arc<Entry>]) {
        let on = entries.iter().filter(|entry| entry.rule.enabled);
        let stages = on.fold(0, |stages, entry| stages | entry.rule.stage.bit());
        self.stages.store(stages, Ordering::Relaxed);
        let refuses = |entry: &Arc<Entry>| {
            entry.rule.action == Action::Refuse && entry.rule.is_unconditional()
        };
        let refusing = entries.iter().any(refuses);
        self.refusing.send_if_modified(|known| std::mem::replace(known, refusing) != refusing);
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Entry>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<Entry>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `entries` with `rules` in the place of all rules of `source`.
fn planned_change(
    entries: &[Arc<Entry>],
    rules: Vec<Rule>,
    source: Source,
    now: FileTime,
) -> Result<(Vec<Arc<Entry>>, Replaced), SetError> {
    let mut next: Vec<Arc<Entry>> =
        entries.iter().filter(|entry| entry.source != source).cloned().collect();
    let mut replaced = Replaced::default();
    for rule in rules {
        if next.iter().any(|entry| entry.rule.id == rule.id) {
            return Err(SetError::Taken(rule.id));
        }
        if next.len() >= RULES_MAX {
            return Err(SetError::Full);
        }
        let same = |entry: &&Arc<Entry>| entry.source == source && entry.rule == rule;
        next.push(match entries.iter().find(same) {
            Some(entry) => {
                replaced.kept += 1;
                Arc::clone(entry)
            }
            None => {
                replaced.set += 1;
                Arc::new(Entry::new(rule, source, now))
            }
        });
    }
    let before = entries.iter().filter(|entry| entry.source == source);
    let gone = |entry: &&Arc<Entry>| !next.iter().any(|new| new.rule.id == entry.rule.id);
    replaced.removed = before.filter(gone).count();
    next.sort_by_key(|entry| entry.source);
    Ok((next, replaced))
}

fn find<'a>(entries: &'a mut [Arc<Entry>], id: &RuleId) -> Result<&'a mut Arc<Entry>, SetError> {
    let entry = entries.iter_mut().find(|entry| entry.rule.id == *id);
    entry.ok_or_else(|| SetError::Unknown(id.clone()))
}

impl Entry {
    fn new(rule: Rule, source: Source, now: FileTime) -> Self {
        Self { rule, source, set_at: now, counts: Arc::default() }
    }

    fn ask(&self, seed: u64, stage: Stage, facts: &Facts<'_>, now: FileTime) -> Option<Hit> {
        if self.rule.stage != stage || !self.rule.concerns(facts) {
            return None;
        }
        let number = self.counts.matched.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut draw = Draw::new(seed, self.rule.id.as_str(), number);
        if !self.rule.when.strikes(number, now, self.set_at, &mut draw) || !self.count_applied() {
            return None;
        }
        Some(Hit {
            applied: Applied { rule: self.rule.id.clone(), kind: self.rule.kind() },
            action: self.rule.action.clone(),
            number,
            draw,
        })
    }

    /// False when the limit has been reached.
    fn count_applied(&self) -> bool {
        let limit = self.rule.when.limit.unwrap_or(u64::MAX);
        let below = |applied: u64| (applied < limit).then(|| applied.saturating_add(1));
        self.counts.applied.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below).is_ok()
    }

    fn listed(&self) -> Listed {
        Listed {
            rule: self.rule.clone(),
            source: self.source,
            matched: self.counts.matched.load(Ordering::Relaxed),
            applied: self.counts.applied.load(Ordering::Relaxed),
        }
    }
}

impl Source {
    /// The name of this source.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

impl Default for FaultSet {
    fn default() -> Self {
        Self::new(0)
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.rule, self.kind)
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "no fault rule is called `{id}`"),
            Self::Taken(id) => write!(f, "another fault rule is called `{id}`"),
            Self::Full => write!(f, "there are {RULES_MAX} fault rules already"),
        }
    }
}

impl std::error::Error for SetError {}

/// Most rules of a server.
pub const RULES_MAX: usize = 1_000;
