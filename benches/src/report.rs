//! The figures as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::suite::{Figures, Idle, Measured, median};

/// Bytes of process memory per idle connection that are aimed at, at most.
pub const IDLE_BAR: f64 = 3.0 * 1024.0;

/// Start-up time that is aimed at, at most, in milliseconds.
pub const START_BAR_MS: f64 = 5.0;

/// A page for people.
#[must_use]
pub fn text(figures: &Figures) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    write_page(&mut page, figures).unwrap_or_default();
    page
}

fn write_page(page: &mut String, figures: &Figures) -> std::fmt::Result {
    let (machine, plan, sizes) = (&figures.machine, &figures.plan, &figures.sizes);
    writeln!(
        page,
        "machine: {}, pinned to CPUs {:?}, Linux {}, {} UTC",
        machine.processor, machine.pinned_to, machine.kernel, machine.date
    )?;
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
    Ok(())
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

const fn verdict(reached: bool) -> &'static str {
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
