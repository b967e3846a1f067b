//! Free-running: clients, hosts and DNS share a clock that goes many times as fast as the machine's.
//!
//! Every client is a task of its own, many are on sockets at once, and time passes while they are. A
//! run is therefore never the same twice; [`agree`] says in what it must be that of virtual time.
//! Whoever comes later than [`LATE_S_MAX`] ends the run as invalid.

mod agree;
mod client;
mod ledger;
mod pace;
mod world;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::stream::FuturesUnordered;
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio_stream::StreamExt as _;

pub use agree::{Agreement, agree};
pub use pace::{LATE_S_MAX, Late};

use self::client::{Client, Stop, Story};
use self::pace::Pace;
use self::world::World;
use super::servers::Servers;
use super::standing::Standing;
use super::start_of;
use crate::fleet::arm::Counts;
use crate::fleet::draw::{ClientId, Purpose};
use crate::fleet::engine;
use crate::fleet::outcome::Outcome;
use crate::fleet::population::{GroupPlan, Plan};
use crate::fleet::scenario::{Action, Hardware, Key, Life, Scenario, Seconds};
use crate::model::client::{Answer, Event, Lifecycle, order};
use crate::serve::{Clock, Rate, machine_time};

/// How a scenario is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Instead of the scenario's own.
    pub seed: Option<u64>,
    /// Simulated seconds in a second, from 1 to [`SCALE_MAX`].
    pub scale: u32,
    /// Clients whose every event is kept: by name, or `*` for all.
    pub trace: Vec<String>,
}

/// A valid run.
#[derive(Debug)]
pub struct Free {
    /// As of any other run; the trace hash is over what happened, without times.
    pub outcome: Outcome,
    /// The most that anything came late, in simulated seconds.
    pub latest_s: u32,
    stories: Vec<Story>,
}

/// Runs `scenario`, which has been checked, on a clock of its own.
///
/// # Errors
/// [`Late`] where this machine is too slow; what goes over a limit; sockets that cannot be had.
pub fn run(scenario: &Scenario, options: &Options) -> anyhow::Result<Free> {
    check(scenario, options)?;
    let seed = options.seed.unwrap_or(scenario.seed);
    let plan = Plan::new(scenario, seed)?;
    check_names(&plan, &options.trace)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime of the clients")?;
    let (stories, counts, latest_s) = runtime.block_on(live(&plan, options.scale))?;
    let mut sites = ledger::sites(&plan, &stories, &counts);
    ledger::trace(&plan, &stories, &options.trace, &mut sites);
    let outcome = Outcome { scenario: toml::to_string(scenario)?, seed, shard: None, sites };
    Ok(Free { outcome, latest_s, stories })
}

/// Runs `scenario` free and in virtual time, and compares the two.
///
/// # Errors
/// As [`run`].
pub fn rehearse(scenario: &Scenario, options: &Options) -> anyhow::Result<(Free, Agreement)> {
    check_names(&Plan::new(scenario, scenario.seed)?, &options.trace)?;
    let every = vec![ALL.to_owned()];
    let all = Options { trace: every.clone(), ..options.clone() };
    let mut free = run(scenario, &all)?;
    let trace = engine::Options { seed: options.seed, trace: every, ..engine::Options::default() };
    let agreement = agree(scenario, &engine::run(scenario, &trace)?, &free.outcome);
    if !options.trace.iter().any(|name| name == ALL) {
        let plan = Plan::new(scenario, free.outcome.seed)?;
        ledger::trace(&plan, &free.stories, &options.trace, &mut free.outcome.sites);
    }
    Ok((free, agreement))
}

fn check(scenario: &Scenario, options: &Options) -> anyhow::Result<()> {
    ensure!(
        (1..=SCALE_MAX).contains(&options.scale),
        "a time scale is from 1 to {SCALE_MAX}, not {}",
        options.scale
    );
    let clients: u64 = scenario.groups.iter().map(|group| u64::from(group.count)).sum();
    ensure!(
        clients <= u64::from(CLIENTS_MAX),
        "{clients} clients, and a free-running run has room for {CLIENTS_MAX}; run the scenario \
         without --time-scale, or a smaller one"
    );
    for group in &scenario.groups {
        ensure!(
            group.hardware == Hardware::Fixed,
            "group `{}` has drives that move between machines, which a free-running run does not \
             follow; run the scenario without --time-scale",
            group.name
        );
    }
    Ok(())
}

fn check_names(plan: &Plan<'_>, names: &[String]) -> anyhow::Result<()> {
    for name in names.iter().filter(|name| *name != ALL) {
        let known = plan.groups.iter().any(|group| group.index_of(name).is_some());
        ensure!(known, "no client is called `{name}`: they are GROUP-1 to GROUP-COUNT");
    }
    Ok(())
}

/// Everybody lives to the end of the scenario.
async fn live(plan: &Plan<'_>, scale: u32) -> anyhow::Result<(Vec<Story>, Vec<Vec<Counts>>, u32)> {
    let start = start_of(plan.scenario)?;
    let frozen = Clock::REAL.set(machine_time(), start).with_rate(machine_time(), Rate::FROZEN);
    let every: Vec<usize> = (0..plan.scenario.sites.len()).collect();
    let mut servers = Servers::start(plan.scenario, &every, frozen).await?;
    let (told, standing) = watch::channel(Arc::new(servers.standing.clone()));
    let pace = Pace::new(start, scale, LEAD)?;
    let groups = plan.groups.iter();
    let world = World {
        plan,
        pace,
        hosts: servers.addresses(),
        sites: servers.views(),
        standing,
        keys: LabKeys::new(&LabKey::DEFAULT),
        room: Semaphore::new(ATTEMPTS_AT_ONCE),
        random: RefCell::new(ChaCha8Rng::seed_from_u64(plan.scenario.seed)),
        exchanges: Cell::new(0),
        events_left: Cell::new(EVENTS_MAX),
        latest_s: Cell::new(0),
        mak_left: groups.map(|group| Cell::new(group.spec.mak_activations)).collect(),
    };
    let mut lives = FuturesUnordered::new();
    for group in &plan.groups {
        let agenda = agenda_of(plan.scenario, Some(&group.spec.name));
        for index in 0..group.spec.count {
            let life = first_life(&world, group, index, &servers.standing, start);
            lives.push(Client::new(&world, group, index, agenda.clone(), life).live());
        }
    }
    let all = async {
        let mut stories = Vec::with_capacity(lives.len());
        while let Some(story) = lives.next().await {
            stories.push(story?);
        }
        stories.sort_by_key(|story| (story.group, story.index));
        Ok::<_, Stop>(stories)
    };
    let all = async {
        all.await.map_err(|stop| match stop {
            Stop::Late(late) => anyhow::Error::from(late),
            Stop::Full => anyhow::Error::from(stop),
        })
    };
    let scheduled = schedule(&world, &mut servers, &told);
    let (stories, counts) = tokio::try_join!(all, scheduled)?;
    Ok((stories, counts, world.latest_s.get()))
}

/// Changes of hosts, DNS and ways at their times, and what hosts count at every instant.
async fn schedule(
    world: &World<'_>,
    servers: &mut Servers,
    told: &watch::Sender<Arc<Standing>>,
) -> anyhow::Result<Vec<Vec<Counts>>> {
    let scenario = world.plan.scenario;
    let mut changes = agenda_of(scenario, None);
    let mut counts = Vec::new();
    world.pace.until(world.pace.time(0), "the start").await?;
    servers.go(world.pace.clock());
    for Seconds(instant) in scenario.instants() {
        while let Some((at, index, begins)) = changes.pop_if(|(at, ..)| *at <= instant) {
            let late_s = world.pace.until(world.pace.time(at), "a change").await?;
            world.note_late(late_s);
            if let Some(change) = scenario.changes.get(index) {
                servers.change(Seconds(at), change, begins).await?;
                told.send_replace(Arc::new(servers.standing.clone()));
            }
        }
        let late_s = world.pace.until(world.pace.time(instant), "a sample").await?;
        world.note_late(late_s);
        let hosts = 0..scenario.hosts.len();
        let count = |host| servers.host(host).map_or_else(Counts::default, |host| host.counts());
        counts.push(hosts.map(count).collect());
    }
    Ok(counts)
}

/// The changes of one group, or those of none: when, which, and whether it begins. The last comes
/// first; of those at one time the ends come before the beginnings.
fn agenda_of(scenario: &Scenario, group: Option<&str>) -> Vec<(u32, usize, bool)> {
    let mut agenda = Vec::new();
    for (index, change) in scenario.changes.iter().enumerate() {
        if group_of(&change.action) == group {
            agenda.push((change.at.0, index, true));
            agenda.extend(change.until.map(|until| (until.0, index, false)));
        }
    }
    agenda.sort_by_key(|(at, index, begins)| std::cmp::Reverse((*at, *begins, *index)));
    agenda
}

/// The group whose clients a change concerns; `None` of hosts, DNS and ways.
fn group_of(action: &Action) -> Option<&str> {
    match action {
        Action::ClientClock { group, .. }
        | Action::InstallKey { group, .. }
        | Action::FixedHost { group, .. }
        | Action::Activate { group }
        | Action::Rearm { group }
        | Action::HardwareChange { group, .. }
        | Action::NetworkChange { group }
        | Action::PowerOff { group }
        | Action::Reboot { group } => Some(group),
        _ => None,
    }
}

/// What a client is before the scenario begins.
fn first_life(
    world: &World<'_>,
    plan: &GroupPlan<'_>,
    index: u32,
    standing: &Standing,
    start: FileTime,
) -> Lifecycle<u16> {
    let mut life = Lifecycle::new(&plan.rules, start);
    if plan.spec.life != Life::Activated || plan.spec.key == Key::None {
        life.handle(&plan.rules, start, 0, Event::RemoveKey);
        return life;
    }
    if plan.spec.key == Key::Mak {
        life.handle(&plan.rules, start, 0, Event::MakActivated);
        return life;
    }
    // Activated within one renewal interval before the start, by the host that it would choose.
    let (draws, id) = (world.plan.draws, ClientId::new(plan.index, index));
    let records = standing.records(plan.site);
    let candidates: Vec<_> = records.iter().map(|record| record.candidate).collect();
    let mut drawn = 0;
    let order = order(&candidates, |below| {
        drawn += 1;
        draws.below(id, Purpose::HostChoice, drawn, below)
    });
    let chosen = order.first().and_then(|place| records.get(*place)).map(|record| record.host);
    let chosen = plan.fixed_host.or(chosen.and_then(|host| u16::try_from(host).ok()));
    let host = chosen.and_then(|host| world.plan.scenario.hosts.get(usize::from(host)));
    let own = (0, u32::from(plan.rules.renewal_interval_minutes));
    let (activation, renewal) =
        host.map_or(own, |host| (host.activation_interval.0 / 60, host.renewal_interval.0 / 60));
    let ago = draws.below(id, Purpose::LastRenewal, 0, renewal.saturating_mul(60));
    let then = start.saturating_sub(Seconds(ago).duration());
    let jitter = match plan.spec.jitter.0 {
        0 => 0,
        _ => draws.below(id, Purpose::Jitter, u64::MAX, u32::MAX),
    };
    let answer = Answer {
        host: chosen.unwrap_or(0),
        count: plan.rules.n_policy,
        activation_interval_minutes: activation,
        renewal_interval_minutes: renewal,
    };
    life.handle(&plan.rules, then, jitter, Event::Answered(answer));
    if chosen.is_none() {
        life.handle(&plan.rules, then, 0, Event::CachedHostFailed);
    }
    life
}

/// Simulated seconds in a second, at most: a timer of the machine goes by milliseconds, which are 100
/// seconds then.
pub const SCALE_MAX: u32 = 100_000;
/// Clients of a free-running run.
pub const CLIENTS_MAX: u32 = 10_000;
/// Clients that are on sockets at once; the others wait for them.
pub const ATTEMPTS_AT_ONCE: usize = 256;
/// Events of all clients that are kept in memory.
pub const EVENTS_MAX: u64 = 20_000_000;
/// From the servers' start to that of the clock: time to make the clients.
const LEAD: Duration = Duration::from_millis(200);
/// Every client, in [`Options::trace`].
const ALL: &str = "*";
