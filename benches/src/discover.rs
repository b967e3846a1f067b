//! `kms-probe discover` beside `dig` for the same queries to the same server: the simulator's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::child::{self, Server};
use crate::suite::median;

/// What both took, by run.
#[derive(Clone, Debug)]
pub struct Discover {
    /// The queries that one run makes, `NAME TYPE`.
    pub queries: Vec<String>,
    /// `kms-probe discover`.
    pub discover: Vec<Run>,
    /// `dig` with the same queries.
    pub dig: Vec<Run>,
}

/// One run of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// From spawn to exit.
    pub process: Duration,
    /// The sum of what the program says its queries took.
    pub queries: Duration,
}

impl Discover {
    /// Medians of both in milliseconds, and their ratio: `figure` of a run.
    #[must_use]
    pub fn compare(&self, figure: impl Fn(&Run) -> Duration) -> (f64, f64, f64) {
        let ms = |runs: &[Run]| median(runs.iter().map(|run| figure(run).as_secs_f64() * 1e3));
        let (discover, dig) = (ms(&self.discover), ms(&self.dig));
        (discover, dig, discover / dig)
    }
}

/// Runs both in turns, `runs` times each.
///
/// # Errors
/// When the server does not start, `dig` is missing, or an answer is not the expected one.
pub fn measure(kms_sim: &Path, kms_probe: &Path, runs: usize) -> Result<Discover> {
    let dns = child::free_udp_address()?;
    let dns_option = dns.to_string();
    let options = ["--log-level", "warn", "--dns", &dns_option, "--domain", DOMAIN];
    let _server = Server::kms_sim(kms_sim, &options, None)?;
    // Once beforehand: it says which queries a run makes, and warms everything up.
    let (queries, _) = of_discover(&run_discover(kms_probe, dns)?.1)?;
    let mut measured = Discover { queries, discover: Vec::new(), dig: Vec::new() };
    for _ in 0..runs {
        let (process, output) = run_discover(kms_probe, dns)?;
        let queries = of_discover(&output)?.1;
        measured.discover.push(Run { process, queries });
        let (process, output) = run_dig(dns, &measured.queries)?;
        let queries = of_dig(&output, measured.queries.len())?;
        measured.dig.push(Run { process, queries });
    }
    Ok(measured)
}

fn run_discover(kms_probe: &Path, dns: SocketAddr) -> Result<(Duration, Vec<u8>)> {
    let mut command = Command::new(kms_probe);
    command.args(["discover", DOMAIN, "--resolver", &dns.to_string(), "--format", "json"]);
    timed(command)
}

fn run_dig(dns: SocketAddr, queries: &[String]) -> Result<(Duration, Vec<u8>)> {
    let mut command = Command::new("dig");
    let (address, port) = (dns.ip(), dns.port());
    command.args(["-r", "-u", &format!("@{address}"), "-p", &port.to_string()]);
    command.args(queries.iter().flat_map(|query| query.split(' ')));
    timed(command)
}

fn timed(mut command: Command) -> Result<(Duration, Vec<u8>)> {
    let begin = Instant::now();
    let output: Result<Output, _> = command.stdin(Stdio::null()).output();
    let elapsed = begin.elapsed();
    let output = output.with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended: {}", output.status);
    Ok((elapsed, output.stdout))
}

/// The queries in a report of `discover`, and the sum of their times.
fn of_discover(report: &[u8]) -> Result<(Vec<String>, Duration)> {
    let report: Value = serde_json::from_slice(report).context("the report is not JSON")?;
    let views = report["domains"][0]["facts"]["views"].as_array().context("no views")?;
    let view = views.first().context("no view")?;
    let hosts = view["hosts"].as_array().into_iter().flatten();
    let of_hosts = hosts.flat_map(|host| host["lookups"].as_array().into_iter().flatten());
    let exchanges = std::iter::once(&view["service"])
        .chain(of_hosts)
        .flat_map(|lookup| lookup["exchanges"].as_array().into_iter().flatten());
    let (mut queries, mut micros) = (Vec::new(), 0);
    for exchange in exchanges {
        let question = &exchange["question"];
        let part = |name: &str| question[name].as_str().with_context(|| format!("no {name}"));
        queries.push(format!("{} {}", part("name")?, part("record_type")?));
        micros += exchange["elapsed_us"].as_u64().context("no elapsed_us")?;
    }
    ensure!(!queries.is_empty(), "the report has no query");
    Ok((queries, Duration::from_micros(micros)))
}

/// The sum of the query times that dig prints with `-u`.
fn of_dig(output: &[u8], queries: usize) -> Result<Duration> {
    let text = String::from_utf8_lossy(output);
    let times = text.lines().filter_map(|line| {
        line.strip_prefix(";; Query time: ")?.strip_suffix(" usec")?.parse::<u64>().ok()
    });
    let times: Vec<u64> = times.collect();
    ensure!(times.len() == queries, "dig answered {} of {queries} queries: {text}", times.len());
    Ok(Duration::from_micros(times.iter().sum()))
}

const DOMAIN: &str = "lab.test";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_queries_of_a_discovery_are_found_with_their_times() {
        let report = br#"{"domains": [{"facts": {"views": [{
            "service": {"exchanges": [{"question": {"name": "a.test", "record_type": "SRV"}, "elapsed_us": 70}]},
            "hosts": [{"lookups": [{"exchanges": [
                {"question": {"name": "k.a.test", "record_type": "AAAA"}, "elapsed_us": 30}]}]}]}]}}]}"#;
        let (queries, time) = of_discover(report).unwrap();
        assert_eq!(queries, ["a.test SRV", "k.a.test AAAA"]);
        assert_eq!(time, Duration::from_micros(100));
        assert!(of_discover(b"{}").is_err());
    }

    #[test]
    fn the_times_of_dig_are_added_up_and_none_may_be_missing() {
        let output = b";; Query time: 127 usec\n;; SERVER: x\n;; Query time: 44 usec\n";
        assert_eq!(of_dig(output, 2).unwrap(), Duration::from_micros(171));
        assert!(of_dig(output, 3).is_err());
    }
}
