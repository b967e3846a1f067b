//! `kms-probe check` against its parts: one processor, a healthy target, and a blocking round trip of
//! the same sizes as the unit.
//!
//! With both ends on one processor nothing waits for another processor to wake up, which is what a
//! single connection across two of them would measure.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::child::Server;
use crate::machine::on_one_processor;
use crate::script::Sizes;
use crate::suite::median;

/// What `check` took, and its unit.
#[derive(Clone, Debug)]
pub struct Check {
    /// Blocking round trips of one request and one response.
    pub round_trips: Vec<Duration>,
    /// One entry per run of the program.
    pub runs: Vec<Run>,
}

/// One run of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The sum of what the stages say they took: connect, bind and call.
    pub stages: Duration,
    /// From spawn to exit.
    pub process: Duration,
}

impl Check {
    /// Median blocking round trip, in microseconds.
    #[must_use]
    pub fn round_trip_us(&self) -> f64 {
        median(self.round_trips.iter().map(micros))
    }

    /// Median sum of the stages, in microseconds.
    #[must_use]
    pub fn stages_us(&self) -> f64 {
        median(self.runs.iter().map(|run| micros(&run.stages)))
    }

    /// The stages in round trips.
    #[must_use]
    pub fn stages_in_round_trips(&self) -> f64 {
        self.stages_us() / self.round_trip_us()
    }

    /// Median of what the process takes besides its stages, in milliseconds: loading, arguments,
    /// report, exit, and the spawning of it.
    #[must_use]
    pub fn rest_ms(&self) -> f64 {
        median(self.runs.iter().map(|run| micros(&run.process.saturating_sub(run.stages)) / 1e3))
    }
}

/// Runs `check` on a host of its own, `runs` times.
///
/// # Errors
/// When the host does not start, or a check of it is not healthy: its time would mean nothing.
pub fn measure(kms_sim: &Path, kms_probe: &Path, runs: usize, sizes: &Sizes) -> Result<Check> {
    on_one_processor(|| {
        let server = Server::kms_sim(kms_sim, &["--log-level", "warn", "--workers", "1"], None)?;
        let round_trips = round_trips(runs.saturating_mul(TRIPS_PER_RUN), sizes)?;
        let runs = (0..runs).map(|_| run(kms_probe, server.address)).collect::<Result<_>>()?;
        Ok(Check { round_trips, runs })
    })
}

fn run(kms_probe: &Path, target: SocketAddr) -> Result<Run> {
    let mut command = Command::new(kms_probe);
    command.args(["check", &target.to_string(), "--format", "json"]).stdin(Stdio::null());
    let begin = Instant::now();
    let output = command.output().with_context(|| format!("`{}`", kms_probe.display()))?;
    let process = begin.elapsed();
    ensure!(output.status.success(), "{command:?} ended: {}", output.status);
    Ok(Run { stages: stages_of(&output.stdout)?, process })
}

/// The sum of `elapsed_us` over the stages of the one healthy target in a report.
fn stages_of(report: &[u8]) -> Result<Duration> {
    let report: Value = serde_json::from_slice(report).context("the report is not JSON")?;
    ensure!(report["verdict"] == "rpc.ok", "the check says {}, not rpc.ok", report["verdict"]);
    let stages = report["targets"][0]["stages"].as_array().context("no stages in the report")?;
    let elapsed = |stage: &Value| {
        stage["elapsed_us"].as_u64().with_context(|| format!("no elapsed_us in {stage}"))
    };
    let micros = stages.iter().map(elapsed).sum::<Result<u64>>()?;
    ensure!(micros > 0, "the stages took no time");
    Ok(Duration::from_micros(micros))
}

/// Blocking round trips on loopback, by this thread and one other.
fn round_trips(count: usize, sizes: &Sizes) -> Result<Vec<Duration>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (question, answer) = (vec![1; sizes.request], vec![2; sizes.response]);
    let echo = thread::spawn({
        let (question, answer) = (question.clone(), answer.clone());
        move || answer_all(far, question, &answer, count)
    });
    let mut received = answer;
    let trips = (0..count)
        .map(|_| {
            let begin = Instant::now();
            near.write_all(&question)?;
            near.read_exact(&mut received)?;
            Ok(begin.elapsed())
        })
        .collect::<io::Result<_>>()?;
    echo.join().map_err(|_| anyhow!("the far end panicked"))??;
    Ok(trips)
}

fn answer_all(
    mut stream: TcpStream,
    mut question: Vec<u8>,
    answer: &[u8],
    count: usize,
) -> io::Result<()> {
    for _ in 0..count {
        stream.read_exact(&mut question)?;
        stream.write_all(answer)?;
    }
    Ok(())
}

fn micros(duration: &Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Round trips per run of the program: they are short, and their median should be steady.
const TRIPS_PER_RUN: usize = 10;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_stages_of_a_healthy_report_are_added_up() {
        let report = br#"{"verdict": "rpc.ok", "targets": [{"stages": [
            {"stage": "tcp", "elapsed_us": 30}, {"stage": "rpc", "elapsed_us": 12}]}]}"#;
        assert_eq!(stages_of(report).unwrap(), Duration::from_micros(42));
    }

    #[test]
    fn a_report_that_is_not_healthy_or_lacks_a_time_is_no_measurement() {
        for (report, part) in [
            (&br#"{"verdict": "tcp.refused", "targets": []}"#[..], "tcp.refused"),
            (br#"{"verdict": "rpc.ok", "targets": []}"#, "no stages"),
            (br#"{"verdict": "rpc.ok", "targets": [{"stages": [{}]}]}"#, "no elapsed_us"),
            (br#"{"verdict": "rpc.ok", "targets": [{"stages": []}]}"#, "no time"),
            (b"OK rpc.ok", "not JSON"),
        ] {
            let error = stages_of(report).unwrap_err();
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn the_rest_of_a_run_is_what_its_stages_do_not_account_for() {
        let run = |stages, process| Run {
            stages: Duration::from_micros(stages),
            process: Duration::from_micros(process),
        };
        let check = Check {
            round_trips: [10, 16, 90].map(Duration::from_micros).to_vec(),
            runs: vec![run(160, 1_160), run(320, 2_320), run(100, 5_100)],
        };
        assert!((check.round_trip_us() - 16.0).abs() < 1e-9);
        assert!((check.stages_in_round_trips() - 10.0).abs() < 1e-9);
        assert!((check.rest_ms() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn as_many_round_trips_are_made_as_are_asked_for() {
        let sizes = Sizes { bind: 1, bind_ack: 1, request: 292, response: 300 };
        assert_eq!(round_trips(25, &sizes).unwrap().len(), 25);
    }
}
