//! Virtual time: from event to event, in the order of (time, sequence).
//!
//! Sites whose clients may ask the same hosts form a component with a loop of its own (`world`).
//! Components have nothing to do with one another, so they run in parallel and as shards with the
//! result that they have one after the other. At one instant come first the changes that end, then
//! those that begin, each in the order of the scenario; then clients, in the order in which they were
//! scheduled (one that is put off and comes back to a time keeps the place that it had there); then
//! samples and snapshots.

mod books;
mod queue;
mod turn;
mod world;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::arm::Arm;
use super::outcome::{Outcome, SiteOutcome};
use super::population::Plan;
use super::scenario::{Scenario, Seconds};
use super::virtual_arm::VirtualArm;
use world::World;

/// How a scenario is run.
#[derive(Clone, Default)]
pub struct Options {
    /// Instead of the scenario's own.
    pub seed: Option<u64>,
    /// Only part I, from 0, of N: components are dealt out in turn.
    pub shard: Option<(u32, u32)>,
    /// Threads; 0: as many as there are processors.
    pub threads: usize,
    /// Clients whose every event is kept: GROUP-NUMBER, or `*` for all.
    pub trace: Vec<String>,
    /// Clients to be looked at, and when.
    pub snapshots: Vec<(String, Seconds)>,
    /// Told at every sample of every component.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// How far one component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which, of those that are run.
    pub component: usize,
    /// How many are run.
    pub components: usize,
    /// Its time.
    pub at: Seconds,
    /// Its events so far.
    pub events: u64,
}

/// Runs `scenario`, which has been checked, in virtual time.
///
/// # Errors
/// A name in the scenario or in `options` that does not exist.
pub fn run(scenario: &Scenario, options: &Options) -> anyhow::Result<Outcome> {
    run_with(scenario, options, &VirtualArm::new)
}

/// Runs `scenario` over the arms that `arm_for` makes: one for each component, given its sites.
///
/// # Errors
/// As [`run`], and what the arms report.
pub fn run_with<A: Arm>(
    scenario: &Scenario,
    options: &Options,
    arm_for: &(dyn Fn(&Scenario, &[usize]) -> anyhow::Result<A> + Sync),
) -> anyhow::Result<Outcome> {
    let seed = options.seed.unwrap_or(scenario.seed);
    let plan = Plan::new(scenario, seed)?;
    check_names(&plan, options)?;
    let mine: Vec<usize> = (0..plan.components.len())
        .filter(|component| match options.shard {
            Some((part, parts)) => component % parts.max(1) as usize == part as usize,
            None => true,
        })
        .collect();
    let sites = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(&component) = mine.get(number) else { return Ok(()) };
            let arm = arm_for(scenario, &plan.components[component].sites)?;
            let place = (number, mine.len());
            let done = World::new(&plan, component, arm, options)?.run(options, place);
            let done = done.inspect_err(|_| next.store(mine.len(), Ordering::Relaxed))?;
            lock(&sites).extend(done);
        }
    };
    let threads = threads(options.threads).min(mine.len());
    if threads <= 1 {
        work()?;
    } else {
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| anyhow::anyhow!("a thread of the engine panicked"))?
            })
        })?;
    }
    let mut sites: Vec<SiteOutcome> = std::mem::take(&mut *lock(&sites));
    sites.sort_by_key(|site| site.site);
    Ok(Outcome { scenario: toml::to_string(scenario)?, seed, shard: options.shard, sites })
}

fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        asked => asked,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn check_names(plan: &Plan<'_>, options: &Options) -> anyhow::Result<()> {
    let names = options.snapshots.iter().map(|(name, _)| name).chain(&options.trace);
    for name in names.filter(|name| *name != ALL) {
        let known = plan.groups.iter().any(|group| group.index_of(name).is_some());
        anyhow::ensure!(known, "no client is called `{name}`: they are GROUP-1 to GROUP-COUNT");
    }
    for (name, at) in &options.snapshots {
        anyhow::ensure!(
            *at <= plan.scenario.duration,
            "`{at}` for a look at `{name}` is after the end, `{}`",
            plan.scenario.duration
        );
    }
    Ok(())
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("seed", &self.seed)
            .field("shard", &self.shard)
            .field("threads", &self.threads)
            .field("trace", &self.trace)
            .field("snapshots", &self.snapshots)
            .finish_non_exhaustive()
    }
}

/// Every client, in [`Options::trace`].
const ALL: &str = "*";
