//! How far hostile clients delay the exchanges of others.
//!
//! Well-behaved clients begin their exchanges at times set beforehand, whatever became of the last
//! one, and an exchange takes from its set time to its answer: a server that stalls is charged
//! with everything that had to wait. They are measured alone, then beside each hostile kind, then
//! beside all of them, and that in several rounds.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow, ensure};

use crate::child::Server;
use crate::exchange::{bind, call, connect, learn_sizes, source_address};
use crate::hostile::{Hostile, Kind, Victim};
use crate::machine::Machine;
use crate::report;
use crate::script::Script;
use crate::suite::{median, pause};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Times that every case is run.
    pub rounds: usize,
    /// Length of one measurement.
    pub measure: Duration,
    /// Connections that are left half open.
    pub half_open: usize,
    /// The simulator's program.
    pub kms_sim: PathBuf,
}

/// What one measurement gave, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Exchanges that began and were all answered.
    pub exchanges: usize,
    /// The median.
    pub p50_ms: f64,
    /// What 99 of 100 stay below.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// Calls on open connections, and connect, bind and call on new ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latencies {
    /// On connections that stay open.
    pub calls: Latency,
    /// On a new connection each.
    pub conversations: Latency,
}

/// One company with all its rounds.
#[derive(Clone, Debug)]
pub struct Case {
    /// Who was there beside the well-behaved clients.
    pub company: Vec<Kind>,
    /// By round.
    pub rounds: Vec<Latencies>,
}

/// Everything that one run measured.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Where and when.
    pub machine: Machine,
    /// How.
    pub plan: Plan,
    /// The first is that without company.
    pub cases: Vec<Case>,
}

/// Runs the whole plan; `progress` is told what is about to be measured.
///
/// # Errors
/// When an exchange of a well-behaved client fails, or a hostile client cannot get to work.
pub fn run(plan: Plan, mut progress: impl FnMut(&str)) -> Result<Figures> {
    let machine = Machine::prepare()?;
    let script = Arc::new(Script::new(SystemTime::now())?);
    let server = Server::kms_sim(&plan.kms_sim, &["--log-level", "error"], None)?;
    let sizes = learn_sizes(server.address, &script).context("kms-sim serve")?;
    let victim = Victim { server: server.address, script, sizes, half_open: plan.half_open };
    let companies = std::iter::once(Vec::new())
        .chain(Kind::ALL.map(|kind| vec![kind]))
        .chain([Kind::ALL.to_vec()]);
    let mut cases: Vec<Case> =
        companies.map(|company| Case { company, rounds: Vec::new() }).collect();
    for round in 1..=plan.rounds {
        for case in &mut cases {
            progress(&format!("round {round} of {}: {}", plan.rounds, case.name()));
            let company = case.company.iter().map(|kind| Hostile::start(*kind, &victim));
            let company = company.collect::<Result<Vec<_>>>()?;
            let deeds: Vec<u64> = company.iter().map(Hostile::deeds).collect();
            let latencies = measure(&victim, plan.measure)
                .with_context(|| format!("a well-behaved client, {}", case.name()))?;
            case.rounds.push(latencies);
            for (hostile, before) in company.iter().zip(deeds) {
                // Connections that are half open do nothing once they are.
                ensure!(
                    hostile.kind() == Kind::HalfOpen || hostile.deeds() > before,
                    "{} were not at work during the measurement",
                    hostile.kind().name()
                );
            }
            company.into_iter().try_for_each(Hostile::finish)?;
        }
    }
    server.stop().context("kms-sim serve, after hostile clients")?;
    Ok(Figures { machine, plan, cases })
}

/// The well-behaved clients, each with a thread and an address of its own.
fn measure(victim: &Victim, length: Duration) -> Result<Latencies> {
    let begin = Instant::now() + Duration::from_millis(20);
    let clients: Vec<_> = (0..CLIENTS * 2)
        .map(|number| {
            let victim = victim.clone();
            thread::spawn(move || {
                let (per_second, calls) = match number % 2 {
                    0 => (CALLS_PER_SECOND, true),
                    _ => (CONVERSATIONS_PER_SECOND, false),
                };
                let interval = Duration::from_secs(1) * u32::try_from(CLIENTS)? / per_second;
                // Evenly spread over the interval.
                let share = f64::from(u32::try_from(number / 2)?) / CLIENTS as f64;
                let schedule = Schedule { begin: begin + interval.mul_f64(share), interval };
                client(&victim, number, calls, schedule, length)
            })
        })
        .collect();
    let (mut calls, mut conversations) = (Vec::new(), Vec::new());
    for (number, client) in clients.into_iter().enumerate() {
        let taken = client.join().map_err(|_| anyhow!("a client panicked"))??;
        if number % 2 == 0 { &mut calls } else { &mut conversations }.extend(taken);
    }
    Ok(Latencies { calls: Latency::of(calls), conversations: Latency::of(conversations) })
}

#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    interval: Duration,
}

fn client(
    victim: &Victim,
    number: usize,
    stays: bool,
    schedule: Schedule,
    length: Duration,
) -> Result<Vec<Duration>> {
    let open = || {
        let mut stream = connect(victim.server, source_address(number))?;
        bind(&mut stream, &victim.script, &victim.sizes)?;
        anyhow::Ok(stream)
    };
    let mut kept = if stays { Some(open()?) } else { None };
    let mut taken = Vec::new();
    let mut due = schedule.begin;
    while due < schedule.begin + length {
        pause(due.saturating_duration_since(Instant::now()));
        let request = victim.script.request(number + taken.len());
        match &mut kept {
            Some(stream) => call(stream, request, &victim.sizes)?,
            None => call(&mut open()?, request, &victim.sizes)?,
        }
        taken.push(due.elapsed());
        due += schedule.interval;
    }
    Ok(taken)
}

impl Latency {
    fn of(mut taken: Vec<Duration>) -> Self {
        taken.sort();
        let ms = |share: f64| {
            let rank = (taken.len() as f64 * share).ceil() as usize;
            taken.get(rank.max(1) - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self { exchanges: taken.len(), p50_ms: ms(0.50), p99_ms: ms(0.99), max_ms: ms(1.0) }
    }
}

impl Case {
    fn name(&self) -> &'static str {
        match self.company.as_slice() {
            [] => "alone",
            [kind] => kind.name(),
            _ => "all of them",
        }
    }

    /// The median of the rounds.
    fn median(&self, figure: impl Fn(&Latencies) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }
}

/// One of the two.
type Pick = fn(&Latencies) -> &Latency;

/// Calls, and conversations: as printed, and where they are.
const ROWS: [(&str, Pick); 2] =
    [("calls", |both| &both.calls), ("new connections", |both| &both.conversations)];

impl Figures {
    /// By how much company delays the exchanges at p99, at most: the median of the rounds' own
    /// differences, in milliseconds. Not a number where something was not measured.
    #[must_use]
    pub fn delay_ms(&self) -> f64 {
        let companies = self.cases.iter().skip(1);
        companies
            .flat_map(|case| ROWS.map(|(_, row)| self.delay_of(case, row)))
            .fold(f64::NEG_INFINITY, |most, delay| if delay > most { delay } else { most })
    }

    fn delay_of(&self, case: &Case, row: Pick) -> f64 {
        let alone = self.cases.first().map_or(&[][..], |alone| &alone.rounds);
        let rounds = alone.iter().zip(&case.rounds);
        median(rounds.map(|(alone, beside)| row(beside).p99_ms - row(alone).p99_ms))
    }

    /// Whether no company delays anybody by more than [`DELAY_BAR_MS`] at p99.
    #[must_use]
    pub fn holds(&self) -> bool {
        let delay = self.delay_ms();
        delay.is_finite() && delay <= DELAY_BAR_MS
    }

    /// A page for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        self.write(&mut page).unwrap_or_default();
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let Plan { rounds, measure, half_open, .. } = &self.plan;
        report::write_machine(page, &self.machine)?;
        writeln!(
            page,
            "{CLIENTS} open connections with {CALLS_PER_SECOND} calls/s in all, {CONVERSATIONS_PER_SECOND} new \
             connections/s (connect, bind, call), at set times"
        )?;
        writeln!(page, "{rounds} rounds of {measure:?}; {half_open} half-open connections")?;
        for (name, row) in ROWS {
            writeln!(
                page,
                "\n{name:<28} {:>9} {:>9} {:>9} {:>10}",
                "p50 ms", "p99 ms", "max ms", "p99 more"
            )?;
            for case in &self.cases {
                write!(
                    page,
                    "{:<28} {:>9.3} {:>9.3} {:>9.3}",
                    case.name(),
                    case.median(|both| row(both).p50_ms),
                    case.median(|both| row(both).p99_ms),
                    case.rounds.iter().map(|both| row(both).max_ms).fold(0.0, f64::max),
                )?;
                if case.company.is_empty() {
                    writeln!(page)?;
                } else {
                    writeln!(page, " {:>+10.3}", self.delay_of(case, row))?;
                }
            }
        }
        writeln!(
            page,
            "(medians of the rounds, the longest of all)\n\nmost that anybody is delayed at p99: {:.3} ms \
             (bar: {DELAY_BAR_MS} ms, {})",
            self.delay_ms(),
            report::verdict(self.holds())
        )
    }
}

/// Milliseconds by which company may delay the exchanges of others at p99.
pub const DELAY_BAR_MS: f64 = 10.0;

/// Well-behaved clients that keep their connection, and as many that do not.
const CLIENTS: usize = 16;

/// Of all that keep their connection: a moderate rate, one hundredth of what two processors can do.
const CALLS_PER_SECOND: u32 = 800;

/// Of all that do not.
const CONVERSATIONS_PER_SECOND: u32 = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the figures are exact")]
    use super::*;

    fn latencies(calls_p99_ms: f64, conversations_p99_ms: f64) -> Latencies {
        let latency = |p99_ms| Latency { exchanges: 100, p50_ms: 0.1, p99_ms, max_ms: 20.0 };
        Latencies { calls: latency(calls_p99_ms), conversations: latency(conversations_p99_ms) }
    }

    fn figures(alone: &[Latencies], beside: &[Latencies]) -> Figures {
        let case = |company, rounds: &[_]| Case { company, rounds: rounds.to_vec() };
        Figures {
            machine: Machine {
                processor: "a processor".to_owned(),
                pinned_to: vec![0],
                kernel: "6.1".to_owned(),
                date: "2026-01-01 00:00:00".to_owned(),
                descriptors: 20_000,
            },
            plan: Plan {
                rounds: alone.len(),
                measure: Duration::from_secs(1),
                half_open: 1000,
                kms_sim: PathBuf::new(),
            },
            cases: vec![case(Vec::new(), alone), case(vec![Kind::SlowReader], beside)],
        }
    }

    #[test]
    fn ten_milliseconds_more_at_p99_hold_and_anything_beyond_does_not() {
        let alone = [latencies(1.0, 2.0)];
        assert!(figures(&alone, &[latencies(11.0, 12.0)]).holds());
        assert!(!figures(&alone, &[latencies(11.1, 2.0)]).holds(), "calls");
        assert!(!figures(&alone, &[latencies(1.0, 12.1)]).holds(), "new connections");
        let page = figures(&alone, &[latencies(1.0, 12.5)]).text();
        assert!(page.contains("10.500 ms (bar: 10 ms, missed)"), "{page}");
    }

    #[test]
    fn a_round_is_compared_with_what_was_alone_in_that_round() {
        let alone = [latencies(1.0, 1.0), latencies(50.0, 50.0), latencies(1.0, 1.0)];
        let beside = [latencies(2.0, 2.0), latencies(51.0, 51.0), latencies(80.0, 80.0)];
        assert_eq!(figures(&alone, &beside).delay_ms(), 1.0);
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        assert!(!figures(&[], &[]).holds());
    }

    #[test]
    fn p99_is_the_least_that_ninety_nine_of_a_hundred_stay_at_or_below() {
        let latency = Latency::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!((latency.p50_ms, latency.p99_ms, latency.max_ms), (100.0, 198.0, 200.0));
        assert!(Latency::of(Vec::new()).p99_ms.is_nan());
    }
}
