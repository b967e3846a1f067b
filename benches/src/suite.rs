//! The plan, its rounds, and the figures.
//!
//! In each round every case runs once against each server, and the order of the servers changes
//! from round to round, so that neither always runs on the warmer machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use crate::check::{self, Check};
use crate::child::{self, Server};
use crate::discover::{self, Discover};
use crate::drive::{Load, Mode, Target};
use crate::exchange;
use crate::journal::{self, JournalFigures};
use crate::load::{self, LoadFigures};
use crate::machine::{self, Machine};
use crate::script::{Script, Sizes};
use crate::sweep::{self, Sweep};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Times that every case is run.
    pub rounds: usize,
    /// Length of one measurement.
    pub measure: Duration,
    /// Time before it that does not count.
    pub warm_up: Duration,
    /// Idle connections at the first and at the second point.
    pub idle_points: (usize, usize),
    /// Times that each program is started.
    pub starts: usize,
    /// Times that `kms-probe check` is run.
    pub checks: usize,
    /// Targets of the sweep, and times that each tool goes through them.
    pub sweep: (usize, usize),
    /// Times that `kms-probe discover` and `dig` are run.
    pub discoveries: usize,
    /// The simulator's program.
    pub kms_sim: PathBuf,
    /// The probe's program.
    pub kms_probe: PathBuf,
}

/// One way of driving a server.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// As printed.
    pub name: &'static str,
    /// How connections are used.
    pub mode: Mode,
    /// How many at once.
    pub connections: usize,
    /// How the simulator is started.
    pub simulator: Simulator,
    /// The rate that is aimed at, as a share of the floor's.
    pub rate_bar: Option<f64>,
    /// The processor time that is aimed at, as a multiple of the floor's.
    pub cpu_bar: Option<f64>,
}

/// What the simulator does beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulator {
    /// Nothing.
    Quiet,
    /// It logs each request, to a file.
    Logged,
    /// It keeps a journal that lags behind the answers.
    JournalAsync,
}

/// What one run of a case gave.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Exchanges per second.
    pub rate: f64,
    /// Processor time of the server per exchange, in microseconds.
    pub cpu_us: f64,
}

/// A case with the samples of all rounds.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The case.
    pub case: Case,
    /// Of the floor, by round.
    pub floor: Vec<Sample>,
    /// Of the simulator, by round.
    pub serve: Vec<Sample>,
}

/// Memory of one server at the two points.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Connections at each point.
    pub connections: (usize, usize),
    /// Resident bytes at each point.
    pub resident: (u64, u64),
}

/// Everything that one run measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Where and when.
    pub machine: Machine,
    /// How.
    pub plan: Plan,
    /// Lengths of the messages.
    pub sizes: Sizes,
    /// Rates and processor time.
    pub cases: Vec<Measured>,
    /// A journal that answers wait for, beside bare SQLite.
    pub journal: JournalFigures,
    /// Idle connections to the floor.
    pub idle_floor: Idle,
    /// Idle connections to the simulator.
    pub idle_serve: Idle,
    /// Start-up times of `kms-sim --version` and `kms-probe --version`.
    pub starts: (Vec<Duration>, Vec<Duration>),
    /// `kms-probe check` on one processor.
    pub check: Check,
    /// `kms-sim load` beside the floor's client.
    pub load: LoadFigures,
    /// `kms-probe sweep` beside nmap, or why there is none.
    pub sweep: Result<Sweep, String>,
    /// `kms-probe discover` beside dig, or why there is none.
    pub discover: Result<Discover, String>,
}

impl Measured {
    /// The floor's and the simulator's medians, and the median of the rounds' ratios, of `figure`.
    #[must_use]
    pub fn compare(&self, figure: impl Fn(&Sample) -> f64) -> (f64, f64, f64) {
        let ratios = self.floor.iter().zip(&self.serve).map(|(f, s)| figure(s) / figure(f));
        (
            median(self.floor.iter().map(&figure)),
            median(self.serve.iter().map(&figure)),
            median(ratios),
        )
    }
}

impl Idle {
    /// Bytes of process memory that one more idle connection takes.
    #[must_use]
    pub fn bytes_each(&self) -> f64 {
        let (first, second) = self.connections;
        let more = self.resident.1.saturating_sub(self.resident.0);
        more as f64 / second.saturating_sub(first).max(1) as f64
    }
}

/// The middle value, or the mean of the two middle ones; not a number where there is none.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => at(n / 2),
        n => f64::midpoint(at(n / 2 - 1), at(n / 2)),
    }
}

/// Lets `duration` pass.
pub fn pause(duration: Duration) {
    #[allow(clippy::disallowed_methods, reason = "a measurement lasts a stated time")]
    std::thread::sleep(duration);
}

/// Runs the whole plan; `progress` is told what is about to be measured.
///
/// # Errors
/// When a server does not start, answers wrongly or stops answering: then no figure means anything.
pub fn run(plan: Plan, mut progress: impl FnMut(&str)) -> Result<Figures> {
    let machine = Machine::prepare()?;
    let script = Arc::new(Script::new(SystemTime::now())?);
    // Beside the programs: hundreds of megabytes do not belong in a /tmp that may be memory.
    let programs = plan.kms_sim.parent().unwrap_or(Path::new("."));
    let log = tempfile::NamedTempFile::new_in(programs)?;
    let serve = Server::kms_sim(&plan.kms_sim, &QUIET, None)?;
    let logged = Server::kms_sim(&plan.kms_sim, &LOGGED, Some(log.path()))?;
    let sizes = exchange::learn_sizes(serve.address, &script).context("kms-sim serve")?;
    let floor = Server::floor(&sizes, machine.pinned_to.len())?;
    exchange::learn_sizes(logged.address, &script).context("kms-sim serve, logging")?;
    let folder = tempfile::tempdir_in(programs)?;
    let journal = folder.path().join("async");
    let journaled = Server::kms_sim(&plan.kms_sim, &journal::flags(&journal, "async")?, None)?;

    let mut cases: Vec<_> =
        CASES.map(|case| Measured { case, floor: Vec::new(), serve: Vec::new() }).into();
    let target =
        |server: &Server| Target { server: server.address, script: Arc::clone(&script), sizes };
    for round in 0..plan.rounds {
        for measured in &mut cases {
            let case = measured.case;
            progress(&format!("round {} of {}: {}", round + 1, plan.rounds, case.name));
            let simulator = match case.simulator {
                Simulator::Quiet => &serve,
                Simulator::Logged => &logged,
                Simulator::JournalAsync => &journaled,
            };
            let sample = |server| sample(server, &target(server), &case, &plan);
            if round % 2 == 0 {
                measured.floor.push(sample(&floor)?);
                measured.serve.push(sample(simulator)?);
            } else {
                measured.serve.push(sample(simulator)?);
                measured.floor.push(sample(&floor)?);
            }
        }
    }
    drop((serve, logged, journaled, floor));
    let journal = journal::measure(&plan, folder.path(), &script, &sizes, &mut progress)?;

    progress("idle connections");
    let idle_floor =
        measure_idle(&Server::floor(&sizes, machine.pinned_to.len())?, &plan, &script, &sizes)?;
    let idle_serve =
        measure_idle(&Server::kms_sim(&plan.kms_sim, &IDLE, None)?, &plan, &script, &sizes)?;
    progress("start-up");
    let starts = (start_up(&plan, &plan.kms_sim)?, start_up(&plan, &plan.kms_probe)?);
    progress("check");
    let check = check::measure(&plan.kms_sim, &plan.kms_probe, plan.checks, &sizes)?;
    let load = load::measure(&plan, &mut progress)?;
    let sweep = sweep(&plan, &mut progress)?;
    progress("discover");
    let discover = discover(&plan)?;
    Ok(Figures {
        machine,
        plan,
        sizes,
        cases,
        journal,
        idle_floor,
        idle_serve,
        starts,
        check,
        load,
        sweep,
        discover,
    })
}

/// Left out, with the reason, where there is neither root nor a tool for the network.
fn sweep(plan: &Plan, progress: &mut dyn FnMut(&str)) -> Result<Result<Sweep, String>> {
    if let Some(reason) = machine::missing(&["ip", "nft"], true) {
        progress(&format!("SKIPPED: sweep: {reason}"));
        return Ok(Err(reason));
    }
    let (targets, rounds) = plan.sweep;
    sweep::measure(&plan.kms_sim, &plan.kms_probe, targets, rounds, progress).map(Ok)
}

fn discover(plan: &Plan) -> Result<Result<Discover, String>> {
    match machine::missing(&["dig"], false) {
        Some(reason) => Ok(Err(reason)),
        None => discover::measure(&plan.kms_sim, &plan.kms_probe, plan.discoveries).map(Ok),
    }
}

/// Drives `server` as `case` says and takes its figures.
///
/// # Errors
/// When the server answers wrongly or stops answering.
pub(crate) fn sample(server: &Server, target: &Target, case: &Case, plan: &Plan) -> Result<Sample> {
    let load = Load::start(target, case.mode, case.connections);
    pause(plan.warm_up);
    let (begin, cpu, done) = (Instant::now(), server.cpu_time()?, load.exchanges());
    pause(plan.measure);
    let (elapsed, cpu_end, done_end) = (begin.elapsed(), server.cpu_time()?, load.exchanges());
    load.finish().with_context(|| format!("{} against `{}`", case.name, target.server))?;
    let exchanges = done_end.saturating_sub(done) as f64;
    let cpu_used = cpu_end.saturating_sub(cpu);
    Ok(Sample {
        rate: exchanges / elapsed.as_secs_f64(),
        cpu_us: cpu_used.as_secs_f64() * 1e6 / exchanges.max(1.0),
    })
}

fn measure_idle(server: &Server, plan: &Plan, script: &Script, sizes: &Sizes) -> Result<Idle> {
    let (first, second) = plan.idle_points;
    let mut open = exchange::open_idle(server.address, script, 0..first, sizes)?;
    let at_first = server.resident_bytes()?;
    open.extend(exchange::open_idle(server.address, script, first..second, sizes)?);
    let at_second = server.resident_bytes()?;
    drop(open);
    Ok(Idle { connections: plan.idle_points, resident: (at_first, at_second) })
}

fn start_up(plan: &Plan, program: &Path) -> Result<Vec<Duration>> {
    (0..plan.starts).map(|_| child::run_time(program, "--version")).collect()
}

/// Idle connections stay: opening them all takes longer than an ordinary idle time on a slow machine.
const IDLE: [&str; 4] = ["--log-level", "warn", "--idle-timeout", "10m"];
pub(crate) const QUIET: [&str; 2] = ["--log-level", "warn"];
const LOGGED: [&str; 2] = ["--log-level", "info"];

pub(crate) const CASES: [Case; 6] = [
    Case { name: "keep-alive, 1 connection", connections: 1, ..KEEP_ALIVE },
    Case { name: "keep-alive, 16 connections", connections: 16, ..KEEP_ALIVE },
    Case {
        name: "keep-alive, 64 connections",
        rate_bar: Some(0.80),
        cpu_bar: Some(1.25),
        ..KEEP_ALIVE
    },
    Case { name: "keep-alive, 64, log to a file", simulator: Simulator::Logged, ..KEEP_ALIVE },
    Case {
        name: "keep-alive, 64, journal async",
        simulator: Simulator::JournalAsync,
        ..KEEP_ALIVE
    },
    Case {
        name: "new connection each, 16 at once",
        mode: Mode::NewConnection,
        connections: 16,
        rate_bar: Some(0.75),
        ..KEEP_ALIVE
    },
];

/// 64 connections that stay open.
pub(crate) const KEEP_ALIVE: Case = Case {
    name: "",
    mode: Mode::KeepAlive,
    connections: 64,
    simulator: Simulator::Quiet,
    rate_bar: None,
    cpu_bar: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        let is =
            |values: &[f64], wanted: f64| (median(values.iter().copied()) - wanted).abs() < 1e-9;
        assert!(is(&[9.0, 1.0, 5.0], 5.0));
        assert!(is(&[4.0, 1.0, 2.0, 100.0], 3.0));
        assert!(is(&[7.0], 7.0));
        assert!(median(std::iter::empty()).is_nan(), "nothing was measured");
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_own_and_not_of_the_medians() {
        let samples = |rates: [f64; 3]| rates.map(|rate| Sample { rate, cpu_us: 1.0 }).to_vec();
        let measured = Measured {
            case: KEEP_ALIVE,
            floor: samples([100.0, 200.0, 400.0]),
            serve: samples([90.0, 100.0, 360.0]),
        };
        let (floor, serve, ratio) = measured.compare(|sample| sample.rate);
        assert!((floor - 200.0).abs() < 1e-9 && (serve - 100.0).abs() < 1e-9);
        assert!((ratio - 0.9).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn memory_per_connection_is_the_slope_between_the_points() {
        let idle = Idle { connections: (1_000, 3_000), resident: (10_000_000, 14_000_000) };
        assert!((idle.bytes_each() - 2_000.0).abs() < 1e-9);
        let shrunk = Idle { connections: (10, 10), resident: (20, 10) };
        assert!(shrunk.bytes_each().abs() < 1e-9, "neither negative nor divided by nothing");
    }
}
