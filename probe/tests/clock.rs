//! Clocks: a real RPC server that takes NTLM (Samba), a real time server (chronyd), both also
//! living at another time, and peers that answer in every way but the right one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "clock/daemon.rs"]
mod daemon;
#[path = "clock/ntlm.rs"]
mod ntlm;
#[path = "../../tests/src/skip.rs"]
mod skip;
#[path = "clock/sntp.rs"]
mod sntp;
mod support;

use std::net::SocketAddr;

use kms_probe::check::{self, Options};
use kms_probe::target::{Asked, Target};
use serde_json::Value;

/// The clock stages of the only entry.
fn clocks(report: &Value) -> Vec<&Value> {
    let stages = report["targets"][0]["stages"].as_array().unwrap();
    stages.iter().filter(|stage| stage["stage"] == "clock").collect()
}

/// The only clock stage.
#[track_caller]
fn clock(report: &Value) -> &Value {
    let clocks = clocks(report);
    assert_eq!(clocks.len(), 1, "{report:#}");
    clocks.first().unwrap()
}

/// The only finding's code and cause.
#[track_caller]
fn finding(report: &Value) -> (&str, &str) {
    let findings = report["targets"][0]["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report:#}");
    let finding = findings.first().unwrap();
    (finding["code"].as_str().unwrap(), finding["cause"].as_str().unwrap())
}

fn by_ntlm(mut options: Options) -> Options {
    options.clock.ntlm = true;
    options
}

fn by_time_server(mut options: Options, server: SocketAddr) -> Options {
    let target = Target::Address(server);
    options.clock.time_servers.push(Asked { text: server.to_string(), target });
    options
}

fn check(address: SocketAddr, options: &Options) -> Value {
    let asked = Asked { text: address.to_string(), target: Target::Address(address) };
    support::valid_json(&check::run(&[asked], options).unwrap())
}
