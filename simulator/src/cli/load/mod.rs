//! `kms-sim load`: from arguments to a plan, a run or a search, and its reports.

mod arguments;
mod files;
mod locust;
mod run;
mod target;
mod value;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::crypto::LabKeys;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub(super) use self::arguments::Arguments;
use self::arguments::{Arrivals, CloseBy, DepthName};
pub(super) use self::locust::{Stub, print_stub};
use crate::client::prove;
use crate::load::{
    Close, Demand, Depth, Identity, Mix, Plan, Profile, Room, Spacing, Transport, first_request,
};

/// # Errors
/// What keeps it from starting: a target beyond loopback, an impossible plan, a file that cannot be
/// written, a target that is no simulator with this key.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let target::Target { address: target, notes } = target::resolve(&arguments)?;
    raise_descriptor_limit();
    let plan = plan(&arguments, target)?;
    if let Some(master) = &arguments.locust.locust_master {
        plan.check(&Room::of_this_machine(target))?;
        run::say(&arguments, &notes);
        if plan.depth == Depth::Kms {
            prove_lab(&plan)?;
        }
        return locust::run(&arguments, master, plan);
    }
    let room = Room::of_this_machine(target);
    plan.check(&room)?;
    let files = files::Files::open(&arguments)?;
    run::say(&arguments, &notes);
    if plan.depth == Depth::Kms {
        prove_lab(&plan)?;
    }
    run::execute(&arguments, plan, &room, files, notes)
}

fn plan(arguments: &Arguments, target: SocketAddr) -> anyhow::Result<Plan> {
    let demand = demand(arguments)?;
    let users = match &demand {
        Demand::Closed { users, .. } => Some(*users),
        Demand::Open(..) => None,
    };
    let connections = arguments
        .connections
        .or(users)
        .or(arguments.locust.connections())
        .unwrap_or(CONNECTIONS_DEFAULT);
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = u32::try_from(processors).unwrap_or(1).min(connections.max(1));
    let workers = arguments.workers.unwrap_or(workers);
    ensure!(
        workers <= connections.max(1),
        "--workers: {workers} workers need a connection each, and there are {connections}"
    );
    let plan = Plan {
        target,
        depth: match arguments.depth {
            DepthName::Tcp => Depth::Tcp,
            DepthName::Bind => Depth::Bind,
            DepthName::Rpc => Depth::Rpc,
            DepthName::Kms => Depth::Kms,
        },
        demand,
        transport: Transport {
            connections,
            calls_per_connection: match arguments.reconnect {
                true => Some(1),
                false => arguments.calls_per_connection,
            },
            reconnect_share: arguments.reconnect_share.map_or(0.0, |share| share.0),
            pipeline: arguments.pipeline,
            sources: arguments.source.as_ref().map_or(Vec::new(), |sources| sources.0.clone()),
            close: match arguments.close {
                CloseBy::Fin => Close::Fin,
                CloseBy::Rst => Close::Rst,
            },
        },
        mix: Mix {
            versions: arguments.kms_version.clone(),
            ndr: arguments.ndr.clone(),
            products: arguments.product.clone(),
            identities: arguments.identities,
        },
        identity: Identity {
            seed: arguments.seed.unwrap_or_else(drawn_seed),
            keys: LabKeys::new(&arguments.lab_key),
        },
        rate_max: arguments.max_rate.0,
        duration: arguments.duration.0,
        warm_up: arguments.warm_up.0,
        timeout: arguments.timeout.0,
        workers,
        count: arguments.count,
        errors_max: arguments.max_errors,
        precision: arguments.until_precise.map(|share| share.0),
    };
    check_bounds(arguments, &plan)?;
    Ok(plan)
}

/// What keeps a slip of the finger from becoming an attack.
fn check_bounds(arguments: &Arguments, plan: &Plan) -> anyhow::Result<()> {
    let (most, peak) = (arguments.max_rate.0, plan.asked_peak().unwrap_or(0.0));
    ensure!(peak <= most, "a rate of {peak}/s is above --max-rate {most}; raise that as well");
    let longest = arguments.max_duration.0;
    ensure!(
        plan.duration + plan.warm_up <= longest,
        "{:?} of warm-up and measurement are longer than --max-duration {}; raise that as well",
        plan.duration + plan.warm_up,
        arguments.max_duration
    );
    ensure!(
        !arguments.find_capacity || arguments.trial.0 + plan.warm_up <= longest,
        "--trial: one is longer than --max-duration {}; raise that as well",
        arguments.max_duration
    );
    ensure!(
        plan.depth != Depth::Kms || plan.duration <= KMS_LONGEST,
        "--duration: at depth kms at most 3h, since requests are made before the run and a host \
         takes their time for wrong after 4h"
    );
    Ok(())
}

fn demand(arguments: &Arguments) -> anyhow::Result<Demand> {
    if let Some(users) = arguments.closed {
        ensure!(
            arguments.arrivals == Arrivals::Constant,
            "--arrivals poisson: a closed loop has no arrivals of its own"
        );
        return Ok(Demand::Closed { users, think: arguments.think.0 });
    }
    let profile = if let Some(steps) = &arguments.steps {
        steps.0.clone()
    } else if let Some(ramp) = &arguments.ramp {
        ramp.0.clone()
    } else if let Some(path) = &arguments.replay {
        value::replay(path, arguments.replay_speed.0)?
    } else {
        Profile::Constant(arguments.rate.map_or(RATE_DEFAULT, |rate| rate.0))
    };
    let spacing = match arguments.arrivals {
        Arrivals::Constant => Spacing::Constant,
        Arrivals::Poisson => Spacing::Poisson,
    };
    Ok(Demand::Open(profile, spacing))
}

/// One exchange must verify under the lab key: nobody else's host is loaded with KMS requests.
fn prove_lab(plan: &Plan) -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    let now = FileTime::from_unix(seconds, 0).context("the system clock is far off")?;
    let keys = &plan.identity.keys;
    let (request, iv) = first_request(&plan.mix, keys, now, plan.identity.seed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let proof = runtime.block_on(prove(plan.target, keys, &request, &iv, plan.timeout));
    proof.map_err(|reason| {
        anyhow::anyhow!(
            "--depth kms loads only a simulator that answers under this lab key: {reason}; a real \
             host can be loaded at tcp, bind and rpc"
        )
    })
}

/// As many descriptors as the system lets this process have.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, the plan is checked against the limit that there is.
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap_or_default();
    }
}

#[allow(clippy::disallowed_methods, reason = "the one seed, which is reported")]
fn drawn_seed() -> u64 {
    u64::from(rand::random::<u32>())
}

const RATE_DEFAULT: f64 = 100.0;
const CONNECTIONS_DEFAULT: u32 = 64;
const KMS_LONGEST: Duration = Duration::from_secs(3 * 3600);
/// `kms-lab-not-real`.
const LAB_KEY: &str = "6b6d732d6c61622d6e6f742d7265616c";
