//! `kms-sim serve` beside an earlier build of it and the floor, in turns, with the same client.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::child::Server;
use crate::drive::Target;
use crate::exchange;
use crate::machine::Machine;
use crate::report::write_machine;
use crate::script::{Script, Sizes};
use crate::suite::{CASES, Case, Plan, QUIET, Sample, Simulator, median, sample};

/// What was measured of a case.
#[derive(Clone, Debug)]
pub struct Compared {
    case: Case,
    /// Of the floor, the earlier build and this one, by round.
    rounds: Vec<[Sample; 3]>,
}

/// Runs every case of a quiet server in every round, in an order that changes.
///
/// # Errors
/// When a server does not start or answers wrongly.
pub fn run(
    plan: &Plan,
    earlier: &Path,
    mut progress: impl FnMut(&str),
) -> Result<(Machine, Vec<Compared>)> {
    let machine = Machine::prepare()?;
    let script = Arc::new(Script::new(SystemTime::now())?);
    let now = Server::kms_sim(&plan.kms_sim, &QUIET, None)?;
    let before = Server::kms_sim(earlier, &QUIET, None).context("the earlier build")?;
    let sizes: Sizes = exchange::learn_sizes(now.address, &script).context("kms-sim serve")?;
    exchange::learn_sizes(before.address, &script).context("the earlier build")?;
    let floor = Server::floor(&sizes, machine.pinned_to.len())?;
    let servers = [&floor, &before, &now];
    let quiet = CASES.into_iter().filter(|case| case.simulator == Simulator::Quiet);
    let mut all: Vec<_> = quiet.map(|case| Compared { case, rounds: Vec::new() }).collect();
    for round in 0..plan.rounds {
        for compared in &mut all {
            progress(&format!("round {} of {}: {}", round + 1, plan.rounds, compared.case.name));
            let mut figures: [Option<Sample>; 3] = [None; 3];
            for turn in 0..servers.len() {
                let place = (round + turn) % servers.len();
                if let (Some(server), Some(figure)) = (servers.get(place), figures.get_mut(place)) {
                    let script = Arc::clone(&script);
                    let target = Target { server: server.address, script, sizes };
                    *figure = Some(sample(server, &target, &compared.case, plan)?);
                }
            }
            if let [Some(floor), Some(before), Some(now)] = figures {
                compared.rounds.push([floor, before, now]);
            }
        }
    }
    Ok((machine, all))
}

/// For people.
#[must_use]
pub fn page((machine, all): &(Machine, Vec<Compared>)) -> String {
    let mut text = String::new();
    write_machine(&mut text, machine).unwrap_or_default();
    writeln!(text, "{HEADING}").unwrap_or_default();
    for Compared { case, rounds } in all {
        let of = |place: usize, figure: fn(&Sample) -> f64| {
            median(rounds.iter().filter_map(|round| round.get(place)).map(figure))
        };
        let share = |figure: fn(&Sample) -> f64| {
            median(rounds.iter().map(|[_, before, now]| figure(now) / figure(before)))
        };
        let (rate, cpu) = (|s: &Sample| s.rate, |s: &Sample| s.cpu_us);
        writeln!(
            text,
            "{:<34}{:>9.0}{:>10.0}{:>9.0}{:>7.2}{:>9.2}{:>10.2}{:>8.2}{:>7.2}",
            case.name,
            of(0, rate),
            of(1, rate),
            of(2, rate),
            share(rate),
            of(0, cpu),
            of(1, cpu),
            of(2, cpu),
            share(cpu),
        )
        .unwrap_or_default();
    }
    text.push_str(
        "(us: processor time of the server process per exchange; ratio: now by before)\n",
    );
    text
}

const HEADING: &str = "exchanges                           floor/s  before/s    now/s  ratio floor us before us  now us  ratio";
