//! The figures as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check::Check;
use crate::discover::Discover;
use crate::journal::JournalFigures;
use crate::load;
use crate::machine::Machine;
use crate::suite::{Figures, Idle, Measured, median};
use crate::sweep::{
    NMAP_DEFAULT, NMAP_TUNED, PEAK_BAR_MIB, SWEEP_TCP, SWEEP_TUNED, Sweep, Way, peak_mib,
};
use crate::usage::Usage;

/// Bytes of process memory per idle connection that are aimed at, at most.
pub const IDLE_BAR: f64 = 3.0 * 1024.0;

/// Answers per second with a journal that they wait for, as a share of bare SQLite's rows.
pub const JOURNAL_BAR: f64 = 0.70;

/// Start-up time that is aimed at, at most, in milliseconds.
pub const START_BAR_MS: f64 = 5.0;

/// Connect, bind and call of one check: blocking round trips that are aimed at, at most.
pub const CHECK_BAR_ROUND_TRIPS: f64 = 12.0;

/// What the process of a check takes besides, in milliseconds, that is aimed at, at most.
pub const CHECK_REST_BAR_MS: f64 = 2.0;

/// A page for people.
#[must_use]
pub fn text(figures: &Figures) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    write_page(&mut page, figures).unwrap_or_default();
    page
}

/// The journal's part of the page alone.
#[must_use]
pub fn journal_text((machine, figures): &(Machine, JournalFigures)) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    write_machine(&mut page, machine).unwrap_or_default();
    write_journal(&mut page, figures).unwrap_or_default();
    page
}

/// Where and when.
pub(crate) fn write_machine(page: &mut String, machine: &Machine) -> std::fmt::Result {
    writeln!(
        page,
        "machine: {}, pinned to CPUs {:?}, Linux {}, {} UTC",
        machine.processor, machine.pinned_to, machine.kernel, machine.date
    )
}

fn write_page(page: &mut String, figures: &Figures) -> std::fmt::Result {
    let (machine, plan, sizes) = (&figures.machine, &figures.plan, &figures.sizes);
    write_machine(page, machine)?;
    writeln!(
        page,
        "bytes: bind {}, bind_ack {}, request {}, response {}; medians of {} rounds of {:?}",
        sizes.bind, sizes.bind_ack, sizes.request, sizes.response, plan.rounds, plan.measure
    )?;
    writeln!(
        page,
        "\n{:<32} {:>9} {:>9} {:>6}  {:>8} {:>8} {:>6}",
        "exchanges", "floor/s", "serve/s", "ratio", "floor us", "serve us", "ratio"
    )?;
    for measured in &figures.cases {
        write_case(page, measured)?;
    }
    writeln!(page, "(us: processor time of the server process per exchange)")?;
    writeln!(page)?;
    write_journal(page, &figures.journal)?;
    writeln!(page)?;
    write_idle(page, "idle connection, floor", &figures.idle_floor, None)?;
    write_idle(page, "idle connection, serve", &figures.idle_serve, Some(IDLE_BAR))?;
    writeln!(
        page,
        "(from resident memory at {} and {} connections, each after bind and one call; {} descriptors \
         allowed)",
        plan.idle_points.0, plan.idle_points.1, machine.descriptors
    )?;
    writeln!(page)?;
    for (name, runs) in [("kms-sim", &figures.starts.0), ("kms-probe", &figures.starts.1)] {
        let ms = median_ms(runs);
        let verdict = verdict(ms <= START_BAR_MS);
        writeln!(
            page,
            "start-up, {name} --version: {ms:.2} ms (bar: {START_BAR_MS} ms, {verdict})"
        )?;
    }
    writeln!(page)?;
    write_check(page, &figures.check)?;
    writeln!(page)?;
    writeln!(page, "{}", load::text(&figures.load))?;
    match &figures.sweep {
        Ok(sweep) => write_sweep(page, sweep)?,
        Err(reason) => writeln!(page, "SKIPPED: sweep beside nmap: {reason}")?,
    }
    writeln!(page)?;
    match &figures.discover {
        Ok(discover) => write_discover(page, discover),
        Err(reason) => writeln!(page, "SKIPPED: discover beside dig: {reason}"),
    }
}

fn write_sweep(page: &mut String, sweep: &Sweep) -> std::fmt::Result {
    let targets = sweep.targets;
    let heading = format!("{targets} targets, {} of them silent", targets - sweep.open);
    writeln!(page, "{heading:<36} {:>7}  {:>7}  {:>9}", "time", "CPU", "peak")?;
    for (way, runs) in &sweep.ways {
        let cpu = median(runs.iter().map(|run| run.processor.as_secs_f64()));
        let (seconds, peak) = (sweep.seconds(way.name), peak_mib(runs));
        write!(page, "{:<36} {seconds:>5.2} s  {cpu:>5.2} s  {peak:>5.1} MiB", way.name)?;
        if let Some(bar) = way.bar_s {
            write!(
                page,
                "  (bars: {bar} s, {}; {PEAK_BAR_MIB} MiB, {})",
                verdict(seconds <= bar),
                verdict(peak <= PEAK_BAR_MIB)
            )?;
        }
        writeln!(page)?;
    }
    for (ours, theirs) in SWEEP_PAIRS {
        let ratio = sweep.seconds(theirs) / sweep.seconds(ours);
        if ratio.is_finite() {
            writeln!(page, "{ours} is {ratio:.2} times as fast as {theirs}")?;
        }
    }
    Ok(())
}

fn write_discover(page: &mut String, discover: &Discover) -> std::fmt::Result {
    let queries = discover.queries.join(", ");
    writeln!(
        page,
        "discover beside dig, {} runs each; queries of a run: {queries}",
        discover.dig.len()
    )?;
    for (name, (ours, dig, ratio)) in discover_figures(discover) {
        writeln!(page, "{name:<10} discover {ours:.2} ms, dig {dig:.2} ms, ratio {ratio:.2}")?;
    }
    Ok(())
}

fn discover_figures(discover: &Discover) -> [(&'static str, (f64, f64, f64)); 2] {
    [
        ("process", discover.compare(|run| run.process)),
        ("queries", discover.compare(|run| run.queries)),
    ]
}

/// What is compared: `sweep` with nmap.
const SWEEP_PAIRS: [(&str, &str); 2] = [(SWEEP_TCP, NMAP_DEFAULT), (SWEEP_TUNED, NMAP_TUNED)];

fn write_journal(page: &mut String, journal: &JournalFigures) -> std::fmt::Result {
    let (bare, serve, ratio) = journal.compare();
    writeln!(
        page,
        "journal, durability full, 64 connections: {serve:.0} answers/s, bare SQLite {bare:.0} rows/s: \
         {:.0}% (bar: {:.0}%, {})",
        ratio * 100.0,
        JOURNAL_BAR * 100.0,
        verdict(ratio >= JOURNAL_BAR)
    )?;
    writeln!(
        page,
        "(the same rows in the same batches, {:.1} rows per commit; medians of {} rounds)",
        journal.batch(),
        journal.rounds.len()
    )
}

fn write_check(page: &mut String, check: &Check) -> std::fmt::Result {
    let (trips, rest_ms) = (check.stages_in_round_trips(), check.rest_ms());
    writeln!(
        page,
        "check, connect + bind + call: {:.0} us = {trips:.1} round trips of {:.1} us (bar: \
         {CHECK_BAR_ROUND_TRIPS}, {})",
        check.stages_us(),
        check.round_trip_us(),
        verdict(trips <= CHECK_BAR_ROUND_TRIPS)
    )?;
    writeln!(
        page,
        "check, rest of the process: {rest_ms:.2} ms (bar: {CHECK_REST_BAR_MS} ms, {})",
        verdict(rest_ms <= CHECK_REST_BAR_MS)
    )?;
    writeln!(page, "(medians of {} runs on one processor, with its target)", check.runs.len())
}

fn write_case(page: &mut String, measured: &Measured) -> std::fmt::Result {
    let (floor, serve, ratio) = measured.compare(|sample| sample.rate);
    let (floor_us, serve_us, cpu_ratio) = measured.compare(|sample| sample.cpu_us);
    let case = &measured.case;
    write!(
        page,
        "{:<32} {floor:>9.0} {serve:>9.0} {:>5.0}%  {floor_us:>8.2} {serve_us:>8.2} {cpu_ratio:>6.2}",
        case.name,
        ratio * 100.0
    )?;
    if let Some(bar) = case.rate_bar {
        write!(page, "  rate bar {:.0}%: {}", bar * 100.0, verdict(ratio >= bar))?;
    }
    if let Some(bar) = case.cpu_bar {
        write!(page, "; CPU bar {bar}: {}", verdict(cpu_ratio <= bar))?;
    }
    writeln!(page)
}

fn write_idle(page: &mut String, name: &str, idle: &Idle, bar: Option<f64>) -> std::fmt::Result {
    let each = idle.bytes_each();
    write!(page, "{name}: {each:.0} bytes")?;
    if let Some(bar) = bar {
        write!(page, " (bar: {bar:.0}, {})", verdict(each <= bar))?;
    }
    writeln!(page)
}

/// What is said of a bar.
pub(crate) const fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

/// The same for programs; times in the unit that a name ends with.
#[must_use]
pub fn json(figures: &Figures) -> Value {
    let (machine, plan, sizes) = (&figures.machine, &figures.plan, &figures.sizes);
    json!({
        "machine": {
            "processor": machine.processor,
            "pinned_to": machine.pinned_to,
            "kernel": machine.kernel,
            "date_utc": machine.date,
            "descriptors": machine.descriptors,
        },
        "method": {
            "rounds": plan.rounds,
            "round_s": plan.measure.as_secs_f64(),
            "bind_bytes": sizes.bind,
            "bind_ack_bytes": sizes.bind_ack,
            "request_bytes": sizes.request,
            "response_bytes": sizes.response,
        },
        "exchanges": figures.cases.iter().map(case_json).collect::<Vec<_>>(),
        "journal_full": {
            "connections": 64,
            "serve_per_s": figures.journal.compare().1,
            "bare_sqlite_per_s": figures.journal.compare().0,
            "ratio": figures.journal.compare().2,
            "bar": JOURNAL_BAR,
            "rows_per_commit": figures.journal.batch(),
        },
        "idle": {
            "connections": [plan.idle_points.0, plan.idle_points.1],
            "floor_bytes_each": figures.idle_floor.bytes_each(),
            "serve_bytes_each": figures.idle_serve.bytes_each(),
            "bar_bytes_each": IDLE_BAR,
        },
        "start_up": {
            "kms_sim_ms": median_ms(&figures.starts.0),
            "kms_probe_ms": median_ms(&figures.starts.1),
            "bar_ms": START_BAR_MS,
        },
        "check": {
            "runs": figures.check.runs.len(),
            "round_trip_us": figures.check.round_trip_us(),
            "stages_us": figures.check.stages_us(),
            "stages_in_round_trips": figures.check.stages_in_round_trips(),
            "bar_round_trips": CHECK_BAR_ROUND_TRIPS,
            "rest_ms": figures.check.rest_ms(),
            "bar_rest_ms": CHECK_REST_BAR_MS,
        },
        "load": load::object(&figures.load),
        "sweep": figures.sweep.as_ref().map_or_else(skipped_json, sweep_json),
        "discover": figures.discover.as_ref().map_or_else(skipped_json, discover_json),
    })
}

fn skipped_json(reason: &String) -> Value {
    json!({ "skipped": reason })
}

fn sweep_json(sweep: &Sweep) -> Value {
    let way = |(way, runs): &(Way, Vec<Usage>)| {
        json!({
            "way": way.name,
            "options": way.options,
            "time_s": sweep.seconds(way.name),
            "bar_s": way.bar_s,
            "processor_s": median(runs.iter().map(|run| run.processor.as_secs_f64())),
            "peak_mib": peak_mib(runs),
        })
    };
    json!({
        "targets": sweep.targets,
        "open": sweep.open,
        "bar_peak_mib": PEAK_BAR_MIB,
        "ways": sweep.ways.iter().map(way).collect::<Vec<_>>(),
    })
}

fn discover_json(discover: &Discover) -> Value {
    let [(_, process), (_, queries)] = discover_figures(discover);
    json!({
        "queries": discover.queries,
        "runs": discover.dig.len(),
        "process_ms": { "discover": process.0, "dig": process.1, "ratio": process.2 },
        "queries_ms": { "discover": queries.0, "dig": queries.1, "ratio": queries.2 },
    })
}

fn case_json(measured: &Measured) -> Value {
    let (floor, serve, ratio) = measured.compare(|sample| sample.rate);
    let (floor_us, serve_us, cpu_ratio) = measured.compare(|sample| sample.cpu_us);
    json!({
        "case": measured.case.name,
        "connections": measured.case.connections,
        "floor_per_s": floor,
        "serve_per_s": serve,
        "rate_ratio": ratio,
        "rate_bar": measured.case.rate_bar,
        "floor_cpu_us": floor_us,
        "serve_cpu_us": serve_us,
        "cpu_ratio": cpu_ratio,
        "cpu_bar": measured.case.cpu_bar,
    })
}

fn median_ms(runs: &[Duration]) -> f64 {
    median(runs.iter().map(|run| run.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::path::PathBuf;

    use super::*;
    use crate::check::Run;
    use crate::drive::Mode;
    use crate::journal::JournalRound;
    use crate::script::Sizes;
    use crate::suite::{Case, Plan, Sample, Simulator};
    use crate::sweep::Tool;

    #[test]
    fn figures_at_their_bars_reach_them() {
        let page = text(&figures(0.80, 1.25, 192, 2_192));
        assert!(page.contains("rate bar 80%: reached; CPU bar 1.25: reached"), "{page}");
        assert!(page.contains("= 12.0 round trips of 16.0 us (bar: 12, reached)"), "{page}");
        assert!(page.contains("rest of the process: 2.00 ms (bar: 2 ms, reached)"), "{page}");
        assert!(!page.contains("missed"), "{page}");
    }

    #[test]
    fn figures_past_their_bars_are_said_to_miss_them() {
        let page = text(&figures(0.79, 1.26, 200, 2_300));
        assert_eq!(page.matches("missed").count(), 4, "{page}");
    }

    #[test]
    fn the_json_holds_the_ratios_that_the_page_shows() {
        let object = json(&figures(0.9, 1.1, 160, 1_000));
        let case = &object["exchanges"][0];
        assert!((case["rate_ratio"].as_f64().unwrap() - 0.9).abs() < 1e-9);
        assert!((case["cpu_ratio"].as_f64().unwrap() - 1.1).abs() < 1e-9);
        let trips = object["check"]["stages_in_round_trips"].as_f64().unwrap();
        assert!((trips - 10.0).abs() < 1e-9);
        assert_eq!(object["machine"]["pinned_to"], json!([0, 1]));
    }

    #[test]
    fn a_figure_without_a_sample_is_null_and_reaches_no_bar() {
        let mut figures = figures(0.9, 1.1, 160, 1_000);
        figures.check.runs.clear();
        figures.cases[0].serve.clear();
        assert!(json(&figures)["check"]["stages_us"].is_null());
        assert!(json(&figures)["exchanges"][0]["rate_ratio"].is_null());
        assert_eq!(text(&figures).matches("missed").count(), 4);
    }

    /// `sweep` with the given time and peak, and nmap with 45 s.
    fn sweep(elapsed: Duration, peak_mib: u64) -> Sweep {
        let way = |name, tool, bar_s| Way { name, tool, options: &[], bar_s };
        let usage = |elapsed| Usage {
            elapsed,
            processor: Duration::from_secs(1),
            peak_bytes: peak_mib * 1024 * 1024,
            code: 1,
        };
        let nmap = usage(Duration::from_secs(45));
        Sweep {
            targets: 3,
            open: 2,
            ways: vec![
                (way("sweep", Tool::Sweep, Some(30.0)), vec![usage(elapsed)]),
                (way(SWEEP_TCP, Tool::Sweep, None), vec![usage(elapsed)]),
                (way(NMAP_DEFAULT, Tool::Nmap, None), vec![nmap]),
            ],
        }
    }

    #[test]
    fn a_sweep_is_held_to_its_bars_and_compared_with_what_was_run() {
        let mut figures = figures(0.9, 1.1, 160, 1_000);
        let page = text(&figures);
        assert!(page.contains("(bars: 30 s, reached; 100 MiB, reached)"), "{page}");
        assert!(page.contains("sweep --depth tcp is 1.50 times as fast as nmap -sT\n"), "{page}");
        assert!(!page.contains("tuned"), "what was not run is not compared: {page}");
        figures.sweep = Ok(sweep(Duration::from_secs(31), 101));
        assert!(text(&figures).contains("(bars: 30 s, missed; 100 MiB, missed)"));
        figures.sweep = Err("root is needed".to_owned());
        assert!(text(&figures).contains("SKIPPED: sweep beside nmap: root is needed"));
        assert_eq!(json(&figures)["sweep"]["skipped"], "root is needed");
    }

    #[test]
    fn discover_and_dig_are_compared_by_their_medians() {
        let run = |process, queries| crate::discover::Run {
            process: Duration::from_millis(process),
            queries: Duration::from_micros(queries),
        };
        let mut figures = figures(0.9, 1.1, 160, 1_000);
        figures.discover = Ok(Discover {
            queries: vec!["a.test SRV".to_owned()],
            discover: vec![run(5, 100)],
            dig: vec![run(20, 200)],
        });
        let page = text(&figures);
        assert!(page.contains("process    discover 5.00 ms, dig 20.00 ms, ratio 0.25"), "{page}");
        assert!(page.contains("queries    discover 0.10 ms, dig 0.20 ms, ratio 0.50"), "{page}");
    }

    /// One case with the given ratios, and one check of the given microseconds; the rest is well
    /// within its bars.
    fn figures(rate: f64, cpu: f64, stages_us: u64, process_us: u64) -> Figures {
        let case = Case {
            name: "a case",
            mode: Mode::KeepAlive,
            connections: 64,
            simulator: Simulator::Quiet,
            rate_bar: Some(0.80),
            cpu_bar: Some(1.25),
        };
        let idle = Idle { connections: (10, 20), resident: (0, 20_480) };
        let (stages, process) =
            (Duration::from_micros(stages_us), Duration::from_micros(process_us));
        Figures {
            machine: Machine {
                processor: "a processor".to_owned(),
                pinned_to: vec![0, 1],
                kernel: "6.1".to_owned(),
                date: "2026-01-01 00:00:00".to_owned(),
                descriptors: 20_000,
            },
            plan: Plan {
                rounds: 1,
                measure: Duration::from_secs(2),
                warm_up: Duration::ZERO,
                idle_points: idle.connections,
                starts: 1,
                checks: 1,
                sweep: (3, 1),
                discoveries: 1,
                kms_sim: PathBuf::new(),
                kms_probe: PathBuf::new(),
            },
            sizes: Sizes { bind: 1, bind_ack: 2, request: 3, response: 4 },
            cases: vec![Measured {
                case,
                floor: vec![Sample { rate: 1.0, cpu_us: 1.0 }],
                serve: vec![Sample { rate, cpu_us: cpu }],
            }],
            journal: JournalFigures {
                rounds: vec![JournalRound { serve: 800.0, bare: 1000.0, batch: 32.0 }],
            },
            idle_floor: idle,
            idle_serve: idle,
            starts: (vec![Duration::from_millis(1)], vec![Duration::from_millis(2)]),
            check: Check {
                round_trips: vec![Duration::from_micros(16)],
                runs: vec![Run { stages, process }],
            },
            load: load::LoadFigures {
                floor: vec![100.0],
                load: vec![90.0],
                late_p99_us: vec![100.0],
            },
            sweep: Ok(sweep(Duration::from_secs(30), 100)),
            discover: Err("program `dig` is absent".to_owned()),
        }
    }
}
