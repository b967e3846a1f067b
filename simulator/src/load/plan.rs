//! What a run is to do, and whether it can: ports, descriptors and bounds are reckoned up before
//! anything is sent. Pure, but for what the machine allows, which is a parameter.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kms_protocol::kms::crypto::LabKeys;
use thiserror::Error;

use super::mix::{IDENTITIES_MAX, Mix};
use super::schedule::{Profile, ScheduleError, Spacing};

/// How far each exchange goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Connect and close.
    Tcp,
    /// Connect, bind, close.
    Bind,
    /// A call with an operation number that every RPC runtime refuses.
    Rpc,
    /// A lab-keyed KMS request whose answer must verify.
    Kms,
}

/// What decides when an exchange begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    /// Open loop: the schedule, whatever the target does.
    Open(Profile, Spacing),
    /// Closed loop: so many users, each with its next exchange `think` after the last one's end.
    Closed {
        /// How many at once.
        users: u32,
        /// Pause between a user's exchanges.
        think: Duration,
    },
}

/// How connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// In order; the port then waits out TIME_WAIT.
    Fin,
    /// By a reset, which leaves no TIME_WAIT.
    Rst,
}

/// How connections are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Transport {
    /// At most so many open at once.
    pub connections: u32,
    /// Exchanges per connection, after which it is closed; `None` keeps it.
    pub calls_per_connection: Option<u32>,
    /// Share of the exchanges, from 0 to 1, that get a new connection although theirs is open.
    pub reconnect_share: f64,
    /// Calls under way on one connection at once, where the server grants it; 1 waits for each.
    pub pipeline: u32,
    /// Addresses to connect from, in turn; the system's choice where there is none.
    pub sources: Vec<IpAddr>,
    /// How connections are closed.
    pub close: Close,
}

/// Seed and lab key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Of arrivals and of the mix.
    pub seed: u64,
    /// For depth kms.
    pub keys: LabKeys,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub target: SocketAddr,
    /// How far.
    pub depth: Depth,
    /// When.
    pub demand: Demand,
    /// Over which connections.
    pub transport: Transport,
    /// What.
    pub mix: Mix,
    /// Seed and key.
    pub identity: Identity,
    /// Exchanges a second that a closed loop does not go beyond.
    pub rate_max: f64,
    /// What counts, after the warm-up.
    pub duration: Duration,
    /// Before it; counted nowhere.
    pub warm_up: Duration,
    /// For connect, bind and call each.
    pub timeout: Duration,
    /// Threads.
    pub workers: u32,
    /// Stop after so many exchanges, warm-up included.
    pub count: Option<u64>,
    /// Stop after so many failures.
    pub errors_max: Option<u64>,
    /// Stop once the p99's confidence interval is within this share of it, either way.
    pub precision: Option<f64>,
}

/// What this machine allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Ports of one source address.
    pub ports: u32,
    /// How long a port that was closed in order stays taken.
    pub time_wait: Duration,
    /// Descriptors of this process.
    pub descriptors: u64,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum PlanError {
    /// The rate.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A number that is zero or too large.
    #[error("{what} of {value} is not possible: from {min} to {max}")]
    Number {
        /// The flag's subject.
        what: &'static str,
        /// What was given.
        value: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// No part of the exchanges.
    #[error("a share of {0} of the exchanges on new connections is not possible: from 0 to 1")]
    Share(f64),
    /// Depths at which every exchange has a connection of its own.
    #[error("--reconnect-share: at depth {0} every exchange has a new connection")]
    AlwaysNew(&'static str),
    /// Nothing has a weight.
    #[error("the weights of {0} sum to nothing")]
    NoWeight(&'static str),
    /// More ports than the sources have.
    #[error(
        "{rate:.0} new connections a second for {seconds:.0} s need {needed} source addresses, and \
         there are {given}: each has {ports} ports, and a closed one stays taken for {wait} s; name \
         more with --source A,B,.., or use --close rst"
    )]
    Ports {
        /// New connections per second at the peak.
        rate: f64,
        /// Of the run.
        seconds: f64,
        /// Source addresses.
        needed: u64,
        /// Source addresses.
        given: u64,
        /// Per address.
        ports: u32,
        /// Seconds.
        wait: u64,
    },
    /// More connections than descriptors.
    #[error("{connections} connections need as many descriptors, and this process may have {most}")]
    Descriptors {
        /// Asked.
        connections: u32,
        /// Limit, less what the process itself needs.
        most: u64,
    },
    /// A source of the other family.
    #[error("source address {0} is not of the target's family")]
    Family(IpAddr),
}

impl Plan {
    /// The profile's rate at its peak; `None` of a closed loop.
    #[must_use]
    pub fn asked_peak(&self) -> Option<f64> {
        match &self.demand {
            Demand::Open(profile, _) => Some(profile.peak()),
            Demand::Closed { .. } => None,
        }
    }

    /// Requests per second that the counted part of the run asks for; `None` of a closed loop.
    #[must_use]
    pub fn asked_rate(&self) -> Option<f64> {
        let Demand::Open(profile, _) = &self.demand else { return None };
        let end = self.warm_up + self.duration;
        let asked = profile.due_before(end) - profile.due_before(self.warm_up);
        Some(asked / self.duration.as_secs_f64())
    }

    /// Exchanges per connection, which depths without a call bound to one.
    #[must_use]
    pub fn calls_per_connection(&self) -> Option<u32> {
        if self.depth < Depth::Rpc { Some(1) } else { self.transport.calls_per_connection }
    }

    /// Whether it can be carried out with this room.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self, room: &Room) -> Result<(), PlanError> {
        let between = |what, value: u64, min: u64, max: u64| {
            let fits = (min..=max).contains(&value);
            if fits { Ok(()) } else { Err(PlanError::Number { what, value, min, max }) }
        };
        match &self.demand {
            Demand::Open(Profile::Replay(_), Spacing::Poisson) => {
                return Err(ScheduleError::ReplayIsExact.into());
            }
            Demand::Open(profile, _) => profile.check()?,
            Demand::Closed { users, .. } => {
                between("a number of users", (*users).into(), 1, CONNECTIONS_MAX.into())?;
            }
        }
        let transport = &self.transport;
        let connections = transport.connections;
        between("a number of connections", connections.into(), 1, CONNECTIONS_MAX.into())?;
        between("a pipeline", transport.pipeline.into(), 1, PIPELINE_MAX.into())?;
        between("a number of workers", self.workers.into(), 1, WORKERS_MAX.into())?;
        between("a number of machines", self.mix.identities.into(), 1, IDENTITIES_MAX.into())?;
        if let Some(calls) = transport.calls_per_connection {
            between("a number of calls per connection", calls.into(), 1, u32::MAX.into())?;
        }
        if !(0.0..=1.0).contains(&transport.reconnect_share) {
            return Err(PlanError::Share(transport.reconnect_share));
        }
        if transport.reconnect_share > 0.0 && self.depth < Depth::Rpc {
            return Err(PlanError::AlwaysNew(self.depth.name()));
        }
        between("a count", self.count.unwrap_or(1), 1, u64::MAX)?;
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        between("a timeout in milliseconds", timeout, 1, TIMEOUT_MAX_MS)?;
        between("a duration in nanoseconds", nanos(self.duration), 1, nanos(DURATION_MAX))?;
        for (what, total) in [
            ("--kms-version", self.mix.versions.total()),
            ("--ndr", self.mix.ndr.total()),
            ("--product", self.mix.products.total()),
        ] {
            if total == 0 {
                return Err(PlanError::NoWeight(what));
            }
        }
        let family = |source: &&IpAddr| source.is_ipv4() != self.target.is_ipv4();
        if let Some(other) = transport.sources.iter().find(family) {
            return Err(PlanError::Family(*other));
        }
        let most = room.descriptors.saturating_sub(DESCRIPTORS_OWN);
        if u64::from(connections) > most {
            return Err(PlanError::Descriptors { connections, most });
        }
        self.check_ports(room)
    }

    /// Each new connection takes a port until TIME_WAIT is over, or the run is.
    fn check_ports(&self, room: &Room) -> Result<(), PlanError> {
        let Some(peak) = self.asked_peak() else { return Ok(()) };
        let rate = peak * self.new_connection_share();
        if rate == 0.0 {
            return Ok(());
        }
        let length = (self.warm_up + self.duration).as_secs_f64();
        let needed = self.sources_needed(rate, room);
        let given = self.transport.sources.len().max(1) as u64;
        if needed <= given {
            return Ok(());
        }
        let wait = room.time_wait.as_secs();
        Err(PlanError::Ports { rate, seconds: length, needed, given, ports: room.ports, wait })
    }

    /// Exchanges that need a new connection, as a share of all.
    fn new_connection_share(&self) -> f64 {
        let spent = self.calls_per_connection().map_or(0.0, |calls| 1.0 / f64::from(calls.max(1)));
        let share = self.transport.reconnect_share;
        share + (1.0 - share) * spent
    }

    /// Source addresses that so many new connections a second need.
    #[must_use]
    pub fn sources_needed(&self, rate: f64, room: &Room) -> u64 {
        let length = (self.warm_up + self.duration).as_secs_f64();
        let held = match self.transport.close {
            Close::Fin => room.time_wait.as_secs_f64().min(length),
            Close::Rst => 0.0,
        };
        let ports = rate * held + f64::from(self.transport.connections);
        (ports / f64::from(room.ports.max(1))).ceil().max(1.0) as u64
    }
}

impl Room {
    /// What this machine allows towards `target`, as far as it says; the usual values otherwise.
    #[must_use]
    pub fn of_this_machine(target: SocketAddr) -> Self {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default()
        };
        let range = read("ip_local_port_range");
        let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u32>().ok());
        let ports = match (ends.next(), ends.next()) {
            (Some(low), Some(high)) if low <= high => high - low + 1,
            _ => 28_232,
        };
        // Where TIME_WAIT sockets may be used again, they may after a second.
        let reused = match read("tcp_tw_reuse").trim() {
            "1" => true,
            "2" => target.ip().is_loopback(),
            _ => false,
        };
        let time_wait = if reused { TIME_WAIT_REUSED } else { TIME_WAIT };
        let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
        Self { ports, time_wait, descriptors: limit.map_or(1024, |(soft, _)| soft) }
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Linux, `TCP_TIMEWAIT_LEN`.
const TIME_WAIT: Duration = Duration::from_secs(60);
const TIME_WAIT_REUSED: Duration = Duration::from_secs(1);
/// Connections of one run.
pub const CONNECTIONS_MAX: u32 = 100_000;
/// Calls of one connection at once: what the protocol's server takes.
pub const PIPELINE_MAX: u32 = kms_protocol::limits::OPEN_CALLS_MAX as u32;
/// Threads.
pub const WORKERS_MAX: u32 = 256;
/// A day: the rows of a second each are kept.
pub const DURATION_MAX: Duration = Duration::from_secs(86_400);
const TIMEOUT_MAX_MS: u64 = 60_000;
/// Of threads, files and standard streams.
const DESCRIPTORS_OWN: u64 = 64;

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use kms_protocol::kms::crypto::LabKey;

    use super::*;
    use crate::load::{RATE_MAX, Weighted};

    pub(in crate::load) fn plan(target: SocketAddr, demand: Demand) -> Plan {
        Plan {
            target,
            depth: Depth::Rpc,
            demand,
            transport: Transport {
                connections: 16,
                calls_per_connection: None,
                reconnect_share: 0.0,
                pipeline: 1,
                sources: Vec::new(),
                close: Close::Fin,
            },
            mix: Mix::default(),
            identity: Identity { seed: 1, keys: LabKeys::new(&LabKey::DEFAULT) },
            rate_max: RATE_MAX,
            duration: Duration::from_secs(100),
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(10),
            workers: 1,
            count: None,
            errors_max: None,
            precision: None,
        }
    }

    fn open(rate: f64) -> Plan {
        let demand = Demand::Open(Profile::Constant(rate), Spacing::Constant);
        plan("127.0.0.1:1688".parse().unwrap(), demand)
    }

    const ROOM: Room =
        Room { ports: 28_000, time_wait: Duration::from_secs(60), descriptors: 20_000 };

    #[test]
    fn new_connections_need_as_many_sources_as_the_arithmetic_says() {
        let mut plan = open(1000.0);
        assert_eq!(plan.check(&ROOM), Ok(()), "kept connections need no ports");
        plan.transport.calls_per_connection = Some(1);
        let error = plan.check(&ROOM).unwrap_err();
        // 1000/s held for 60 s are 60,000 ports, and 16 open: three times 28,000.
        assert!(matches!(error, PlanError::Ports { needed: 3, given: 1, .. }), "{error}");
        assert!(error.to_string().contains("need 3 source addresses"), "{error}");
        plan.transport.sources = (1..4).map(|n| IpAddr::from([127, 0, 0, n])).collect();
        assert_eq!(plan.check(&ROOM), Ok(()));
        plan.transport.sources.clear();
        plan.transport.calls_per_connection = Some(3);
        assert_eq!(plan.check(&ROOM), Ok(()), "a third of them are new");
        plan.transport.calls_per_connection = None;
        plan.transport.reconnect_share = 0.3;
        assert_eq!(plan.check(&ROOM), Ok(()), "so are 0.3 of them");
        plan.transport.reconnect_share = 0.8;
        assert!(matches!(plan.check(&ROOM), Err(PlanError::Ports { needed: 2, .. })));
        plan.transport.reconnect_share = 0.0;
        plan.transport.calls_per_connection = Some(1);
        plan.transport.close = Close::Rst;
        assert_eq!(plan.check(&ROOM), Ok(()), "no TIME_WAIT");
        plan.transport.close = Close::Fin;
        plan.duration = Duration::from_secs(20);
        assert_eq!(plan.check(&ROOM), Ok(()), "over before the ports run out");
    }

    #[test]
    fn impossible_plans_are_refused_by_name() {
        type Change = fn(&mut Plan);
        let cases: [(Change, &str); 11] = [
            (|plan| plan.transport.connections = 0, "connections"),
            (|plan| plan.transport.connections = 50_000, "descriptors"),
            (|plan| plan.transport.pipeline = 17, "pipeline"),
            (|plan| plan.duration = Duration::ZERO, "duration"),
            (|plan| plan.timeout = Duration::ZERO, "timeout"),
            (|plan| plan.workers = 0, "workers"),
            (|plan| plan.transport.reconnect_share = 1.5, "share"),
            (
                |plan| (plan.depth, plan.transport.reconnect_share) = (Depth::Bind, 0.5),
                "--reconnect-share",
            ),
            (|plan| plan.mix.ndr = Weighted(vec![(kms_protocol::ndr::Ndr::Ndr32, 0)]), "--ndr"),
            (|plan| plan.transport.sources = vec!["::1".parse().unwrap()], "family"),
            (|plan| plan.demand = Demand::Closed { users: 0, think: Duration::ZERO }, "users"),
        ];
        for (change, word) in cases {
            let mut plan = open(10.0);
            change(&mut plan);
            let error = plan.check(&ROOM).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(open(0.0).check(&ROOM).is_err());
    }

    #[test]
    fn the_asked_rate_leaves_the_warm_up_out() {
        let mut plan = open(10.0);
        let second = Duration::from_secs(1);
        (plan.warm_up, plan.duration) = (second, second);
        let profile = Profile::Steps(vec![(10.0, second), (50.0, second)]);
        plan.demand = Demand::Open(profile, Spacing::Constant);
        assert!((plan.asked_rate().unwrap() - 50.0).abs() < 1e-9);
    }
}
