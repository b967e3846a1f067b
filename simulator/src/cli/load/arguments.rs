//! The command line of `kms-sim load`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kms_protocol::kms::Version;
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::kms::product::{DEFAULT, Product};
use kms_protocol::ndr::Ndr;

use super::value::{
    Pause, PerSecond, Percent, Ramp, Share, Sources, Speed, Steps, ndr, products, versions,
};
use crate::cli::value::Time;
use crate::client::HostName;
use crate::load::Weighted;
use crate::load::slo::Objectives;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Whom to load: an address or a name, which is looked up once; port 1688 unless given.
    #[arg(value_name = "TARGET")]
    pub(super) target: HostName,
    /// Exchanges a second, whatever the target does (open loop); 100 unless another schedule is given.
    #[arg(long, value_name = "R", group = "schedule")]
    pub(super) rate: Option<PerSecond>,
    /// So many users, each waiting for its answer (closed loop).
    #[arg(long, value_name = "C", groups = ["schedule", "loop"])]
    pub(super) closed: Option<u32>,
    /// Rates one after the other, such as `100:10s,200:10s`; the last one stays.
    #[arg(long, value_name = "R:TIME,..", group = "schedule")]
    pub(super) steps: Option<Steps>,
    /// A rate that changes in a straight line, such as `10..500:30s`, and then stays.
    #[arg(long, value_name = "R..R:TIME", group = "schedule")]
    pub(super) ramp: Option<Ramp>,
    /// Exchanges at the times of a file: seconds from the start, one a line or first in a CSV row.
    #[arg(long, value_name = "FILE", group = "schedule")]
    pub(super) replay: Option<PathBuf>,
    /// Play --replay so many times as fast.
    #[arg(long, value_name = "X", default_value = "1", requires = "replay")]
    pub(super) replay_speed: Speed,
    /// How arrivals of an open loop are spaced.
    #[arg(long, value_enum, default_value_t = Arrivals::Constant)]
    pub(super) arrivals: Arrivals,
    /// Pause of a user of the closed loop after each answer.
    #[arg(long, value_name = "TIME", default_value = "0s", requires = "loop")]
    pub(super) think: Pause,
    /// Connections at once; 64, or as many as there are users.
    #[arg(long, value_name = "N")]
    pub(super) connections: Option<u32>,
    /// A new connection for every exchange.
    #[arg(long, conflicts_with = "calls_per_connection")]
    pub(super) reconnect: bool,
    /// A new connection for this share of the exchanges, such as `0.2`; the others keep theirs.
    #[arg(long, value_name = "SHARE", conflicts_with = "reconnect")]
    pub(super) reconnect_share: Option<Share>,
    /// Close a connection after so many exchanges.
    #[arg(long, value_name = "N")]
    pub(super) calls_per_connection: Option<u32>,
    /// Calls under way on one connection at once, up to 16, where the server grants it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) pipeline: u32,
    /// Connect from these addresses in turn.
    #[arg(long, value_name = "A,B,..")]
    pub(super) source: Option<Sources>,
    /// How connections are closed: in order, which keeps the port for a while, or by a reset.
    #[arg(long, value_enum, default_value_t = CloseBy::Fin)]
    pub(super) close: CloseBy,
    /// How far each exchange goes.
    #[arg(long, value_enum, default_value_t = DepthName::Rpc)]
    pub(super) depth: DepthName,
    /// Protocol versions at depth kms: `4`, `5`, `6`, or weights such as `4=1,6=3`.
    #[arg(long, value_name = "V", default_value = "6", value_parser = versions)]
    pub(super) kms_version: Weighted<Version>,
    /// Transfer syntaxes: `32`, `64`, or weights such as `32=1,64=1`; drawn per connection.
    #[arg(long, value_name = "N", default_value = "32", value_parser = ndr)]
    pub(super) ndr: Weighted<Ndr>,
    /// Products at depth kms, with weights: `NAME=3,NAME=1`.
    #[arg(long, value_name = "NAME", default_value = DEFAULT.name, value_parser = products)]
    pub(super) product: Weighted<&'static Product>,
    /// How many client machines ask at depth kms.
    #[arg(long, value_name = "N", default_value_t = crate::load::IDENTITIES_DEFAULT)]
    pub(super) identities: u32,
    /// How long is measured.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub(super) duration: Time,
    /// How long before that nothing counts.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub(super) warm_up: Pause,
    /// Longest wait for each of connect, bind and call.
    #[arg(long, value_name = "TIME", default_value = "4s")]
    pub(super) timeout: Time,
    /// Stop after so many exchanges.
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
    /// Stop after so many failed exchanges.
    #[arg(long, value_name = "N")]
    pub(super) max_errors: Option<u64>,
    /// Stop once the p99 is known to this share of itself, such as `5%`, with 95% confidence.
    #[arg(long, value_name = "P%")]
    pub(super) until_precise: Option<Percent>,
    /// Threads, each with its own connections; as many as there are processors.
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<u32>,
    /// Seed of arrivals and mix; drawn from the system and reported unless given.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// The lab's key, 32 hexadecimal digits, as the host has it.
    #[arg(long, value_name = "HEX32", default_value = super::LAB_KEY, hide_default_value = true)]
    pub(super) lab_key: LabKey,
    /// Form of the report on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Write a row for every second to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Write an HdrHistogram log to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) hlog: Option<PathBuf>,
    /// Write a page with plots to this file.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Objectives, such as `p99=20ms,errors=0.1%`; exit code 1 when one is missed.
    #[arg(long, value_name = "LIST")]
    pub(super) slo: Option<Objectives>,
    /// Compare with an earlier report in JSON.
    #[arg(long, value_name = "BASE.json", conflicts_with = "find_capacity")]
    pub(super) compare: Option<PathBuf>,
    /// Search for the highest rate that meets --slo, from --rate on.
    #[arg(
        long,
        requires = "slo",
        conflicts_with_all = ["closed", "steps", "ramp", "replay", "csv", "hlog", "count", "locust_master"]
    )]
    pub(super) find_capacity: bool,
    /// Length of one trial of the search.
    #[arg(long, value_name = "TIME", default_value = "3s")]
    pub(super) trial: Time,
    /// Process id of the target on this machine, whose processor time is then measured; on loopback
    /// it is found by the listening socket unless given.
    #[arg(long, value_name = "PID", requires = "find_capacity", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) target_pid: Option<i32>,
    /// Share of exchanges that the generator may begin late in a valid run.
    #[arg(long, value_name = "P%", default_value = "1%")]
    pub(super) max_late: Percent,
    /// Rates above this are refused, and a closed loop goes no faster.
    #[arg(long, value_name = "R", default_value = "50000")]
    pub(super) max_rate: PerSecond,
    /// Longer runs are refused.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(super) max_duration: Time,
    /// Show nothing while it runs.
    #[arg(long)]
    pub(super) quiet: bool,
    /// Load a target beyond loopback.
    #[arg(long)]
    pub(super) i_own_this_target: bool,
    #[command(flatten)]
    pub(super) locust: super::locust::Worker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Arrivals {
    /// Evenly
    Constant,
    /// As independent clients make them
    Poisson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CloseBy {
    /// In order
    Fin,
    /// By a reset
    Rst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DepthName {
    /// Connect
    Tcp,
    /// Connect and bind
    Bind,
    /// A call that every RPC runtime refuses
    Rpc,
    /// A lab-keyed request whose answer must verify
    Kms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// One object
    Json,
}

const EXAMPLES: &str = "\
Latency is counted from the intended start, when the schedule wanted the exchange to begin, and from
the actual start; a target that stands still shows in the first. When the generator itself could not
keep its schedule, or ran out of ports, the run is marked invalid.

Examples:
  kms-sim load 127.0.0.1:1688 --rate 2000 --duration 30s
  kms-sim load 127.0.0.1:1688 --closed 16 --depth kms --format json
  kms-sim load 127.0.0.1:1688 --rate 500 --reconnect --close rst --slo p99=20ms,errors=0.1%
  kms-sim load 127.0.0.1:1688 --rate 2000 --reconnect-share 0.2
  kms-sim load 127.0.0.1:1688 --find-capacity --slo p99=5ms
  kms-sim load 127.0.0.1:1688 --think 1s --locust-master 127.0.0.1:5557

With --locust-master, Locust says how many users run here and shows what they measure. A user is a
closed loop, or a fixed rate with --locust-user-rate. Target, depth and ceilings stay those given here.

Exit codes: 0 done, 1 an objective was missed or the run is invalid, 2 usage, or it could not be
started.";
