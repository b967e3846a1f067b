//! `kms-sim serve` beside a bare tokio ping-pong of the same sizes. Run by `scripts/bench`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use kms_benches::script::Sizes;
use kms_benches::suite::{self, Plan};
use kms_benches::{analyze, earlier, floor, hold, journal, load, report, soak, usage};
use nix::sys::resource::{Resource, getrlimit};

/// Measures `kms-sim serve` as a share of a bare tokio server, on two processors.
#[derive(Debug, Parser)]
struct Arguments {
    /// A short run that shows that the harness works; its figures mean nothing
    #[arg(long)]
    smoke: bool,
    /// Times that every case is run
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Form of the result on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The simulator; by default the one beside this program
    #[arg(long)]
    kms_sim: Option<PathBuf>,
    /// The probe; by default the one beside this program
    #[arg(long)]
    kms_probe: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A page for people
    Text,
    /// One object
    Json,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// `kms-probe analyze` on a log of a million requests; fails when that takes more than 10 s or
    /// 200 MiB, but not with --smoke
    Analyze,
    /// Only the journal that answers wait for, beside bare SQLite
    Journal,
    /// Only `kms-sim serve`, beside an earlier build of it
    Earlier {
        /// The earlier kms-sim
        program: PathBuf,
    },
    /// How far slow readers and writers, half-open connections and endless fragments delay others;
    /// fails when that is more than 10 ms at p99, but not with --smoke
    Hold {
        /// Length of one measurement, in seconds
        #[arg(long, default_value_t = 5)]
        seconds: u64,
    },
    /// Whether the server grows at half capacity, with faults on and clients that are killed; fails
    /// when memory, descriptors or tasks do
    Soak {
        /// Length of the load, in seconds
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// What the clients' fates follow from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The floor server: messages of fixed lengths, until it is killed
    #[command(hide = true)]
    FloorServer {
        address: SocketAddr,
        workers: usize,
        bind: usize,
        bind_ack: usize,
        request: usize,
        response: usize,
    },
    /// The floor server with answers that an RPC client accepts, until it is killed
    #[command(hide = true)]
    CannedServer { address: SocketAddr },
    /// Only `kms-sim load` beside the floor's client
    Load,
    /// One run of a command, and what it took
    #[command(hide = true)]
    MeasureCommand {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    let page = match arguments.role.take() {
        Some(Role::FloorServer { address, workers, bind, bind_ack, request, response }) => {
            return floor::serve(address, Sizes { bind, bind_ack, request, response }, workers);
        }
        Some(Role::CannedServer { address }) => {
            let (sizes, answers) = load::canned()?;
            return floor::serve_answers(address, sizes, 1, &answers);
        }
        Some(Role::Load) => load::page(&load::run_alone(&plan(&arguments)?, progress)?),
        Some(Role::MeasureCommand { command }) => return usage::measure_command(&command),
        Some(Role::Journal) => report::journal_text(&journal::run(&plan(&arguments)?, progress)?),
        Some(Role::Earlier { program }) => {
            earlier::page(&earlier::run(&plan(&arguments)?, &program, progress)?)
        }
        Some(Role::Soak { seconds, seed }) => return soak(&arguments, seconds, seed),
        Some(Role::Analyze) => return analyze(&arguments),
        Some(Role::Hold { seconds }) => return hold(&arguments, seconds),
        None => {
            let format = arguments.format;
            let figures = suite::run(plan(&arguments)?, progress)?;
            match format {
                Format::Text => report::text(&figures),
                Format::Json => format!("{:#}\n", report::json(&figures)),
            }
        }
    };
    io::stdout().write_all(page.as_bytes()).context("write the result")
}

fn hold(arguments: &Arguments, seconds: u64) -> Result<()> {
    let Plan { kms_sim, .. } = plan(arguments)?;
    let (rounds, measure, half_open) = match arguments.smoke {
        true => (1, Duration::from_millis(500), 100),
        false => (arguments.rounds, Duration::from_secs(seconds), 1000),
    };
    let figures = hold::run(hold::Plan { rounds, measure, half_open, kms_sim }, progress)?;
    io::stdout().write_all(figures.text().as_bytes()).context("write the result")?;
    ensure!(arguments.smoke || figures.holds(), "others are delayed for too long");
    Ok(())
}

fn analyze(arguments: &Arguments) -> Result<()> {
    let Plan { kms_probe, .. } = plan(arguments)?;
    let (events, rounds) =
        if arguments.smoke { (20_000, 1) } else { (1_000_000, arguments.rounds) };
    let figures = analyze::run(&analyze::Plan { events, rounds, kms_probe }, progress)?;
    io::stdout().write_all(figures.text().as_bytes()).context("write the result")?;
    ensure!(arguments.smoke || figures.holds(), "analyze takes too much time or memory");
    Ok(())
}

fn soak(arguments: &Arguments, seconds: u64, seed: u64) -> Result<()> {
    let Plan { kms_sim, .. } = plan(arguments)?;
    let length = Duration::from_secs(seconds);
    let figures = soak::run(soak::Plan { length, seed, kms_sim }, progress)?;
    io::stdout().write_all(figures.text().as_bytes()).context("write the result")?;
    ensure!(figures.growth.holds(), "the server grows");
    Ok(())
}

fn progress(step: &str) {
    writeln!(io::stderr(), "{step}").unwrap_or_default();
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    let beside = std::env::current_exe()?;
    let program = |given: &Option<PathBuf>, name: &str| {
        given.clone().unwrap_or_else(|| beside.with_file_name(name))
    };
    let (kms_sim, kms_probe) =
        (program(&arguments.kms_sim, "kms-sim"), program(&arguments.kms_probe, "kms-probe"));
    let (_, descriptors) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = usize::try_from(descriptors)?.saturating_sub(RESERVED_DESCRIPTORS).min(IDLE_MOST);
    Ok(if arguments.smoke {
        Plan {
            rounds: 1,
            measure: Duration::from_millis(50),
            warm_up: Duration::from_millis(20),
            idle_points: (10, 50),
            starts: 1,
            checks: 2,
            sweep: (60, 1),
            discoveries: 2,
            kms_sim,
            kms_probe,
        }
    } else {
        Plan {
            rounds: arguments.rounds,
            measure: Duration::from_secs(2),
            warm_up: Duration::from_millis(500),
            idle_points: (IDLE_FIRST.min(most / 2), most),
            starts: 100,
            checks: 200,
            sweep: (10_000, 3),
            discoveries: 100,
            kms_sim,
            kms_probe,
        }
    })
}

const IDLE_FIRST: usize = 5_000;
const IDLE_MOST: usize = 50_000;

/// What a server needs besides its connections, generously.
const RESERVED_DESCRIPTORS: usize = 200;
