//! One run or a search, while it is shown, and what is written of it.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::{Arguments, Format};
use super::files::Files;
use super::target::Processes;
use crate::cli::output;
use crate::load::capacity::{REACHED, Search, TRIALS_MAX, Trial};
use crate::load::compare::compare;
use crate::load::report::live::Live;
use crate::load::report::{self, Report};
use crate::load::slo::Outcome;
use crate::load::{
    Control, Demand, Plan, Profile, Record, Room, Run, Spacing, cpu, judge, percentile,
};

pub(super) fn execute(
    arguments: &Arguments,
    plan: Plan,
    room: &Room,
    mut files: Files,
    mut notes: Vec<String>,
) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::watch()?;
    let (plan, record, search) = if arguments.find_capacity {
        let target = Processes::find(arguments, plan.target)?;
        say(arguments, &target.notes);
        notes.extend_from_slice(&target.notes);
        search(&Trials { arguments, room, interrupt: &interrupt, target: &target }, plan)?
    } else {
        let record = measure(arguments, &plan, room, &interrupt, &mut files)?;
        (plan, record, None)
    };
    let invalid = judge::invalid(&plan, &record, room, arguments.max_late.0);
    let outcomes = arguments.slo.as_ref().map_or(Vec::new(), |slo| slo.judge(&record));
    notes.extend(judge::notes(&plan, &record));
    let report = Report {
        plan: &plan,
        record: &record,
        notes,
        invalid,
        outcomes,
        differences: files.base.as_ref().map_or(Vec::new(), |base| compare(base, &record)),
        search: search.as_ref(),
    };
    files.write_page(|| report::page(&report))?;
    match arguments.format {
        Format::Text => output::print(report::text(&report).as_bytes())?,
        Format::Json => output::print(format!("{}\n", report::json(&report)).as_bytes())?,
    }
    let good = match &search {
        Some(search) => search.capacity().is_some(),
        None => report.invalid.is_empty() && report.outcomes.iter().all(Outcome::is_met),
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(MISSED) })
}

fn measure(
    arguments: &Arguments,
    plan: &Plan,
    room: &Room,
    interrupt: &Interrupt,
    files: &mut Files,
) -> anyhow::Result<Record> {
    let run = Run::start_in(plan.clone(), room)?;
    interrupt.cuts(run.control());
    let (asked, terminal) = (plan.asked_rate(), io::stderr().is_terminal());
    let mut live = Live::default();
    let mut growing = files.begin()?;
    let mut written: anyhow::Result<()> = Ok(());
    let control = run.control();
    let record = run.collect(|second, tally, _| {
        if !arguments.quiet {
            show(&live.line(second, asked, terminal), terminal);
        }
        if written.is_ok() {
            written = growing.second(second, tally);
            if written.is_err() {
                control.cut();
            }
        }
    })?;
    if terminal && !arguments.quiet {
        show("", true);
    }
    written?;
    Ok(record)
}

fn show(line: &str, terminal: bool) {
    let mut stderr = io::stderr().lock();
    // There is nobody left to tell when standard error is closed.
    let written = match terminal {
        true => write!(stderr, "\r\u{1b}[K{line}"),
        false => writeln!(stderr, "{line}"),
    };
    written.and_then(|()| stderr.flush()).unwrap_or_default();
}

/// What to know before it begins, on standard error.
pub(super) fn say(arguments: &Arguments, notes: &[String]) {
    if !arguments.quiet {
        notes.iter().for_each(|note| show(note, false));
    }
}

/// What all trials of a search have in common.
struct Trials<'a> {
    arguments: &'a Arguments,
    room: &'a Room,
    interrupt: &'a Interrupt,
    target: &'a Processes,
}

type Found = (Plan, Record, Option<Search>);

/// Trials until the search is over; the record is that of the rate which it reports.
fn search(trials: &Trials<'_>, plan: Plan) -> anyhow::Result<Found> {
    let arguments = trials.arguments;
    let start = arguments.rate.map_or(super::RATE_DEFAULT, |rate| rate.0);
    let spacing = match &plan.demand {
        Demand::Open(_, spacing) => *spacing,
        Demand::Closed { .. } => Spacing::Constant,
    };
    let at = |rate: f64| {
        let demand = Demand::Open(Profile::Constant(rate), spacing);
        Plan { demand, duration: arguments.trial.0, ..plan.clone() }
    };
    let mut search = Search::new(start, arguments.max_rate.0);
    // What is wrong with the first trial is wrong with the search.
    at(start).check(trials.room)?;
    say(arguments, &[announcement(arguments, &search)]);
    let (mut last, mut highest): (Option<(Plan, Record)>, _) = (None, 0.0);
    let mut best: Option<(Plan, Record)> = None;
    let mut tries = 0;
    while let Some(rate) = search.next_rate() {
        if trials.interrupt.is_set() {
            break;
        }
        let one = at(rate);
        let (trial, record) = trials.make(&one, rate)?;
        if !arguments.quiet {
            show(&trial.sentence(), false);
        }
        if trials.interrupt.is_set() {
            // Cut short, it says nothing of the rate.
            break;
        }
        if best.is_none() || (trial.holds && trial.rate >= highest) {
            highest = if trial.holds { trial.rate } else { 0.0 };
            best = Some((one.clone(), record.clone()));
        }
        if trial.holds {
            last = Some((one, record));
        }
        tries += 1;
        // The generator may only have been disturbed: that says nothing about the rate.
        if trial.invalid && tries < TRIES {
            search.set_aside(trial);
        } else {
            tries = 0;
            search.take(trial);
        }
    }
    // A capacity that was confirmed is the rate of the last trial that held.
    let kept = search.capacity().and(last).or(best);
    let (plan, record) = kept.context("interrupted before the first trial was over")?;
    Ok((plan, record, Some(search)))
}

/// How long it will take.
fn announcement(arguments: &Arguments, search: &Search) -> String {
    let each = arguments.trial.0 + arguments.warm_up.0;
    let times = |trials: usize| {
        let all = each.saturating_mul(u32::try_from(trials).unwrap_or(u32::MAX));
        format!("{} min {:02} s", all.as_secs() / 60, all.as_secs() % 60)
    };
    let usual = search.usual_trials();
    format!(
        "search up to --max-rate {}: trials of {} after {:?} of warm-up, about {usual} of them \
         ({}), at most {TRIALS_MAX} ({})",
        arguments.max_rate.0,
        arguments.trial,
        arguments.warm_up.0,
        times(usual),
        times(TRIALS_MAX)
    )
}

impl Trials<'_> {
    fn make(&self, plan: &Plan, rate: f64) -> anyhow::Result<(Trial, Record)> {
        let begun = Instant::now();
        let before = self.target.cpu_time();
        let run = match Run::start_in(plan.clone(), self.room) {
            Ok(run) => run,
            // More connections than there are ports: the search has met the generator's own limit.
            Err(error) => return Ok((refused(rate, &error.to_string()), Record::default())),
        };
        self.interrupt.cuts(run.control());
        let record = run.collect(|_, _, _| {})?;
        let ran = begun.elapsed();
        let used = before.zip(self.target.cpu_time());
        let target_cpu = used.map(|(before, after)| {
            let used = after.saturating_sub(before).as_secs_f64();
            used / ran.as_secs_f64().max(1e-3) / self.target.processors()
        });
        Ok((self.judge(plan, &record, rate, ran, target_cpu), record))
    }

    fn judge(
        &self,
        plan: &Plan,
        record: &Record,
        rate: f64,
        ran: Duration,
        target_cpu: Option<f64>,
    ) -> Trial {
        let arguments = self.arguments;
        let intended = &record.total.latencies.intended;
        let achieved = record.achieved_rate().unwrap_or(0.0);
        let invalid = judge::invalid(plan, record, self.room, arguments.max_late.0);
        let met =
            arguments.slo.as_ref().is_none_or(|slo| slo.judge(record).iter().all(Outcome::is_met));
        let reached = record.unsent == 0 && achieved >= rate * REACHED;
        let is_invalid = !invalid.is_empty();
        let because = match (invalid.into_iter().next(), met, reached) {
            (Some(reason), ..) => Some(reason),
            (None, false, _) => Some("an objective was missed".to_owned()),
            (None, true, false) => Some(format!("only {achieved:.1}/s were made")),
            (None, true, true) => None,
        };
        Trial {
            rate,
            achieved,
            p50_us: percentile(intended, 50.0),
            p99_us: percentile(intended, 99.0),
            error_share: record.error_share(),
            holds: because.is_none(),
            because,
            invalid: is_invalid,
            generator_cpu: cpu::busiest_worker(record, ran),
            target_cpu,
        }
    }
}

fn refused(rate: f64, reason: &str) -> Trial {
    Trial {
        rate,
        achieved: 0.0,
        p50_us: None,
        p99_us: None,
        error_share: None,
        holds: false,
        because: Some(reason.to_owned()),
        invalid: true,
        generator_cpu: 1.0,
        target_cpu: None,
    }
}

/// SIGINT and SIGTERM cut the run that is going on.
struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    set: AtomicBool,
    control: Mutex<Option<Arc<Control>>>,
}

impl Interrupt {
    fn watch() -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _guard = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            theirs.set.store(true, Ordering::Relaxed);
            theirs.cut();
        })?;
        Ok(Self(shared))
    }

    fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Relaxed)
    }

    fn cuts(&self, control: Arc<Control>) {
        *self.0.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(control);
        if self.is_set() {
            self.0.cut();
        }
    }
}

impl Shared {
    fn cut(&self) {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = control.as_ref() {
            control.cut();
        }
    }
}

/// Exit code of a missed objective, and of a run that is not valid.
const MISSED: u8 = 1;
/// Trials of one rate until the generator keeps its schedule.
const TRIES: usize = 3;
