//! One run or a search, while it is shown, and what is written of it.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::{Arguments, Format};
use crate::cli::output;
use crate::load::capacity::{REACHED, Search, Trial};
use crate::load::compare::{Base, compare};
use crate::load::report::csv::Rows;
use crate::load::report::hlog::Log;
use crate::load::report::live::Live;
use crate::load::report::{self, Report};
use crate::load::slo::Outcome;
use crate::load::{
    Control, Demand, Plan, Profile, Record, Room, Run, Spacing, cpu, judge, percentile,
};

/// What is written beside the report. Created before the run, so that nothing is lost at its end.
pub(super) struct Files {
    csv: Option<Rows<BufWriter<File>>>,
    hlog: Option<Log<BufWriter<File>>>,
    html: Option<File>,
    base: Option<Base>,
}

impl Files {
    pub(super) fn create(arguments: &Arguments) -> anyhow::Result<Self> {
        let create = |flag: &str, path: &Path| {
            File::create(path).with_context(|| format!("{flag}: cannot write `{}`", path.display()))
        };
        let base = arguments.compare.as_deref().map(|path| {
            let shown = || format!("--compare `{}`", path.display());
            let length = std::fs::metadata(path).with_context(shown)?.len();
            anyhow::ensure!(length <= BASE_BYTES_MAX, "{}: no report is so long", shown());
            let text = std::fs::read_to_string(path).with_context(shown)?;
            serde_json::from_str(&text).with_context(|| {
                format!("{}: not a report of `kms-sim load --format json`", shown())
            })
        });
        let base = base.transpose()?;
        let csv = arguments.csv.as_deref().map(|path| {
            let file = create("--csv", path)?;
            Ok::<_, anyhow::Error>(Rows::new(BufWriter::new(file))?)
        });
        let hlog = arguments.hlog.as_deref().map(|path| {
            let file = create("--hlog", path)?;
            Ok::<_, anyhow::Error>(Log::new(BufWriter::new(file), SystemTime::now())?)
        });
        let html = arguments.html.as_deref().map(|path| create("--html", path));
        Ok(Self { csv: csv.transpose()?, hlog: hlog.transpose()?, html: html.transpose()?, base })
    }
}

pub(super) fn execute(
    arguments: &Arguments,
    plan: Plan,
    room: &Room,
    mut files: Files,
) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::watch()?;
    let (plan, record, search) = if arguments.find_capacity {
        search(arguments, plan, room, &interrupt)?
    } else {
        let record = measure(arguments, &plan, room, &interrupt, &mut files)?;
        (plan, record, None)
    };
    let invalid = judge::invalid(&plan, &record, room, arguments.max_late.0);
    let outcomes = arguments.slo.as_ref().map_or(Vec::new(), |slo| slo.judge(&record));
    let report = Report {
        plan: &plan,
        record: &record,
        notes: judge::notes(&plan, &record),
        invalid,
        outcomes,
        differences: files.base.as_ref().map_or(Vec::new(), |base| compare(base, &record)),
        search: search.as_ref(),
    };
    if let Some(mut file) = files.html {
        file.write_all(report::page(&report).as_bytes()).context("--html: cannot write")?;
    }
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
    let mut written: anyhow::Result<()> = Ok(());
    let control = run.control();
    let record = run.collect(|second, tally, _| {
        if !arguments.quiet {
            show(&live.line(second, asked, terminal), terminal);
        }
        let csv = files.csv.as_mut().map_or(Ok(()), |rows| rows.row(second));
        let hlog = files.hlog.as_mut().map_or(Ok(()), |log| log.line(second.second, tally));
        if let Err(error) = csv.context("--csv").and(hlog.context("--hlog"))
            && written.is_ok()
        {
            written = Err(error);
            control.cut();
        }
    })?;
    if terminal && !arguments.quiet {
        show("", true);
    }
    written.context("cannot write")?;
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

type Found = (Plan, Record, Option<Search>);

/// Trials until the search is over; the record is that of the last one that held.
fn search(
    arguments: &Arguments,
    plan: Plan,
    room: &Room,
    interrupt: &Interrupt,
) -> anyhow::Result<Found> {
    let start = arguments.rate.map_or(super::RATE_DEFAULT, |rate| rate.0);
    let spacing = match &plan.demand {
        Demand::Open(_, spacing) => *spacing,
        Demand::Closed { .. } => Spacing::Constant,
    };
    let mut search = Search::new(start, arguments.max_rate.0);
    let mut kept: Option<(Plan, Record)> = None;
    while let Some(rate) = search.next_rate() {
        if interrupt.is_set() {
            break;
        }
        let demand = Demand::Open(Profile::Constant(rate), spacing);
        let one = Plan { demand, duration: arguments.trial.0, ..plan.clone() };
        let (mut trial, mut record) = try_rate(arguments, &one, room, interrupt, rate)?;
        for _ in 1..TRIES {
            // The generator may only have been disturbed: that says nothing about the rate.
            if !trial.invalid || interrupt.is_set() {
                break;
            }
            (trial, record) = try_rate(arguments, &one, room, interrupt, rate)?;
        }
        if !arguments.quiet {
            show(&trial.sentence(), false);
        }
        if trial.holds || kept.is_none() {
            kept = Some((one, record));
        }
        search.take(trial);
    }
    let (plan, record) = kept.context("interrupted before the first trial")?;
    Ok((plan, record, Some(search)))
}

fn try_rate(
    arguments: &Arguments,
    plan: &Plan,
    room: &Room,
    interrupt: &Interrupt,
    rate: f64,
) -> anyhow::Result<(Trial, Record)> {
    let begun = Instant::now();
    let target_cpu = || arguments.target_pid.and_then(cpu::of_process);
    let before = target_cpu();
    let run = match Run::start_in(plan.clone(), room) {
        Ok(run) => run,
        // More connections than there are ports: the search has met the generator's own limit.
        Err(error) => return Ok((refused(rate, &error.to_string()), Record::default())),
    };
    interrupt.cuts(run.control());
    let record = run.collect(|_, _, _| {})?;
    let ran = begun.elapsed();
    let used = before.zip(target_cpu()).map(|(before, after)| after.saturating_sub(before));
    let target_share = used.zip(arguments.target_pid).map(|(used, pid)| {
        used.as_secs_f64() / ran.as_secs_f64().max(1e-3) / cpu::processors_of(pid)
    });
    let intended = &record.total.latencies.intended;
    let achieved = record.achieved_rate().unwrap_or(0.0);
    let invalid = judge::invalid(plan, &record, room, arguments.max_late.0);
    let met =
        arguments.slo.as_ref().is_none_or(|slo| slo.judge(&record).iter().all(Outcome::is_met));
    let reached = record.unsent == 0 && achieved >= rate * REACHED;
    let is_invalid = !invalid.is_empty();
    let because = match (invalid.into_iter().next(), met, reached) {
        (Some(reason), ..) => Some(reason),
        (None, false, _) => Some("an objective was missed".to_owned()),
        (None, true, false) => Some(format!("only {achieved:.1}/s were made")),
        (None, true, true) => None,
    };
    let trial = Trial {
        rate,
        achieved,
        p50_us: percentile(intended, 50.0),
        p99_us: percentile(intended, 99.0),
        error_share: record.error_share(),
        holds: because.is_none(),
        because,
        invalid: is_invalid,
        generator_cpu: cpu::busiest_worker(&record, ran),
        target_cpu: target_share,
    };
    Ok((trial, record))
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
const BASE_BYTES_MAX: u64 = 16 << 20;
