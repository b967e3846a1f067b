//! `kms-sim load` on one processor beside the floor's client, both against the floor's server with
//! answers that an RPC client accepts: depth rpc.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kms_protocol::rpc::{
    self, BindAck, Body, ContextElement, ContextList, Fault, Packet, PfcFlags, ResultElement,
    ResultList, Status, SyntaxId,
};
use serde_json::{Value, json};

use crate::child::Server;
use crate::drive::{Load, Mode, Target};
use crate::floor::Answers;
use crate::machine::Machine;
use crate::script::{Script, Sizes};
use crate::suite::{Plan, median, pause};

/// What was measured, by round.
#[derive(Clone, Debug, Default)]
pub struct LoadFigures {
    /// Exchanges per second of the floor's client on one thread.
    pub floor: Vec<f64>,
    /// Exchanges per second of `kms-sim load --workers 1`.
    pub load: Vec<f64>,
    /// Error of the schedule at half of the rate before: 99th percentile of the lateness, in
    /// microseconds.
    pub late_p99_us: Vec<f64>,
}

/// A run of its own.
///
/// # Errors
/// As [`measure`].
pub fn run_alone(plan: &Plan, progress: impl FnMut(&str)) -> Result<(Machine, LoadFigures)> {
    let machine = Machine::prepare()?;
    Ok((machine, measure(plan, progress)?))
}

/// Runs both in turns.
///
/// # Errors
/// When the server or `kms-sim load` fails.
pub fn measure(plan: &Plan, mut progress: impl FnMut(&str)) -> Result<LoadFigures> {
    let server = Server::canned()?;
    let (script, sizes) = script()?;
    let target = Target { server: server.address, script: Arc::new(script), sizes };
    let mut figures = LoadFigures::default();
    for round in 0..plan.rounds {
        progress(&format!("round {} of {}: load", round + 1, plan.rounds));
        if round % 2 == 0 {
            figures.floor.push(floor_rate(&target, plan)?);
        }
        let address = server.address.to_string();
        let closed = run(&plan.kms_sim, &address, &["--closed", CONNECTIONS_TEXT], plan)?;
        let rate = closed["achieved_rate"].as_f64().context("no achieved_rate")?;
        figures.load.push(rate);
        if round % 2 == 1 {
            figures.floor.push(floor_rate(&target, plan)?);
        }
        let half = format!("{:.0}", rate / 2.0);
        let flags = ["--rate", &half, "--connections", CONNECTIONS_TEXT];
        let open = run(&plan.kms_sim, &address, &flags, plan)?;
        let late = open["lateness_us"]["p99"].as_f64().context("no lateness_us")?;
        figures.late_p99_us.push(late);
    }
    Ok(figures)
}

fn floor_rate(target: &Target, plan: &Plan) -> Result<f64> {
    let load = Load::start_on(target, Mode::KeepAlive, CONNECTIONS, 1);
    pause(plan.warm_up);
    let (begin, done) = (Instant::now(), load.exchanges());
    pause(plan.measure);
    let (elapsed, done_end) = (begin.elapsed(), load.exchanges());
    load.finish().context("the floor's client against canned answers")?;
    Ok(done_end.saturating_sub(done) as f64 / elapsed.as_secs_f64())
}

fn run(kms_sim: &Path, target: &str, flags: &[&str], plan: &Plan) -> Result<Value> {
    let time = |time: Duration| format!("{}ms", time.as_millis().max(1));
    let mut command = Command::new(kms_sim);
    command.args(["load", target, "--workers", "1", "--quiet", "--format", "json"]);
    command.args(["--max-rate", "1000000", "--max-late", "100%"]).args(flags);
    command.args(["--duration", &time(plan.measure), "--warm-up", &time(plan.warm_up)]);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(report["answered"] == report["requests"], "failures: {}", report["errors"]);
    Ok(report)
}

/// What `kms-sim load` sends at depth rpc, for the floor's client.
fn script() -> Result<(Script, Sizes)> {
    let syntaxes = [SyntaxId::NDR32];
    let contexts = [ContextElement::new(0, SyntaxId::KMS, &syntaxes)];
    let bind = encode(&Packet::new(
        PfcFlags::WHOLE,
        2,
        Body::Bind(rpc::Bind {
            max_xmit_frag: 5840,
            max_recv_frag: 5840,
            assoc_group_id: 0,
            contexts: ContextList::new(&contexts),
        }),
    ))?;
    let call =
        rpc::Request { alloc_hint: 0, context_id: 0, opnum: 0xFFFF, object: None, stub: &[] };
    let request = encode(&Packet::new(PfcFlags::WHOLE, 3, Body::Request(call)))?;
    let answers = answers()?;
    let sizes = Sizes {
        bind: bind.len(),
        bind_ack: answers.bind_ack.len(),
        request: request.len(),
        response: answers.response.len(),
    };
    Ok((Script { bind, requests: vec![request] }, sizes))
}

/// Sizes and answers of the server for both.
///
/// # Errors
/// When the protocol crate refuses to encode them, which would be a bug.
pub fn canned() -> Result<(Sizes, Answers)> {
    Ok((script()?.1, answers()?))
}

fn answers() -> Result<Answers> {
    let results = [ResultElement::accepted(SyntaxId::NDR32)];
    let bind_ack = BindAck {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 1,
        sec_addr: b"1688\0",
        results: ResultList::new(&results),
    };
    let fault = Fault {
        alloc_hint: 32,
        context_id: 0,
        cancel_count: 0,
        flags: 0,
        status: Status::OP_RANGE_ERROR,
        rest: &[],
    };
    let [bind_ack, response] = [Body::BindAck(bind_ack), Body::Fault(fault)]
        .map(|body| encode(&Packet::new(PfcFlags::WHOLE, 0, body)));
    Ok(Answers { bind_ack: bind_ack?, response: response? })
}

fn encode(packet: &Packet<'_>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes)?;
    Ok(bytes)
}

impl LoadFigures {
    /// Median of the rounds' ratios of load's rate to the floor's.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        median(self.load.iter().zip(&self.floor).map(|(load, floor)| load / floor))
    }

    /// Median of the rounds' errors of the schedule.
    #[must_use]
    pub fn late_us(&self) -> f64 {
        median(self.late_p99_us.iter().copied())
    }
}

/// For people.
#[must_use]
pub fn text(figures: &LoadFigures) -> String {
    let mut page = String::new();
    let verdict = |reached: bool| if reached { "reached" } else { "missed" };
    let (floor, load) =
        (median(figures.floor.iter().copied()), median(figures.load.iter().copied()));
    let (ratio, late) = (figures.ratio(), figures.late_us());
    // Writing to a String cannot fail.
    writeln!(
        page,
        "load, {CONNECTIONS} connections, one thread: floor's client {floor:.0}/s, kms-sim load \
         {load:.0}/s, ratio {ratio:.2} (bar: {RATE_BAR}, {})\nload at half of that: error of the \
         schedule {late:.0} us at p99 (bar: {LATE_BAR_US} us, {})",
        verdict(ratio >= RATE_BAR),
        verdict(late < LATE_BAR_US)
    )
    .unwrap_or_default();
    page
}

/// With where and when, for a run of its own.
#[must_use]
pub fn page((machine, figures): &(Machine, LoadFigures)) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    crate::report::write_machine(&mut page, machine).unwrap_or_default();
    page + &text(figures)
}

/// For scripts.
#[must_use]
pub fn object(figures: &LoadFigures) -> Value {
    let figure = |value: f64| value.is_finite().then_some(value);
    json!({
        "floor_rate": figure(median(figures.floor.iter().copied())),
        "load_rate": figure(median(figures.load.iter().copied())),
        "rate_ratio": figure(figures.ratio()),
        "rate_bar": RATE_BAR,
        "late_p99_us": figure(figures.late_us()),
        "late_bar_us": LATE_BAR_US,
    })
}

/// Share of the floor's rate that is aimed at.
pub const RATE_BAR: f64 = 0.85;
/// Error of the schedule that is aimed at, below, in microseconds.
pub const LATE_BAR_US: f64 = 1000.0;

const CONNECTIONS: usize = 64;
const CONNECTIONS_TEXT: &str = "64";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_held_to_their_bars_and_nothing_reaches_none() {
        let figures =
            LoadFigures { floor: vec![100.0], load: vec![85.0], late_p99_us: vec![999.0] };
        assert_eq!(text(&figures).matches("reached").count(), 2, "{}", text(&figures));
        let figures =
            LoadFigures { floor: vec![100.0], load: vec![84.0], late_p99_us: vec![1000.0] };
        assert_eq!(text(&figures).matches("missed").count(), 2);
        assert_eq!(text(&LoadFigures::default()).matches("missed").count(), 2);
        assert!(object(&LoadFigures::default())["rate_ratio"].is_null());
    }
}
