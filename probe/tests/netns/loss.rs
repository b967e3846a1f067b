//! A path that loses every fifth packet, in each direction: checks are healthy all the same, and say
//! what had to be sent again.

use std::thread;

use serde_json::Value;

use crate::run::{Run, check};
use crate::support::facts;
use crate::world::{Link, SERVER, World};

const RUNS: usize = 100;
const HEALTHY_MIN: usize = 95;

/// The same fates in every run of this test, flow by flow and packet by packet.
const LOSSY: Link = Link { delay_ms: 2, loss_permille: 200, seed: 1688 };

/// One result per run, all at once, each a flow of its own; every second one over IPv6.
fn at_once<T: Send>(runs: usize, run: impl Fn(&str) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> =
            (0..runs).map(|index| scope.spawn(move || run(SERVER[index % 2]))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// SYNs, and segments of the stages after, that the client sent again.
fn sent_again(run: &Run) -> (u64, u64) {
    let syns = facts(&run.report, "tcp")["syns_sent"].as_u64().unwrap() - 1;
    let stages = run.report["targets"][0]["stages"].as_array().unwrap();
    let of = |stage: &Value| stage["facts"]["retransmissions"].as_u64().unwrap_or(0);
    (syns, stages.iter().map(of).sum())
}

#[test]
#[allow(clippy::print_stdout, reason = "a seed is printed")]
fn at_a_loss_of_20_percent_95_of_100_checks_are_healthy_and_say_what_was_sent_again() {
    let test = "at_a_loss_of_20_percent_95_of_100_checks_are_healthy";
    let Some(mut world) = World::new(test) else { return };
    if !world.impair(LOSSY) {
        return;
    }
    let runs = at_once(RUNS, |address| check(&world, &[address]));
    let counts = world.link_counts();
    let codes: Vec<_> =
        runs.iter().map(|run| run.report["targets"][0]["verdict"].as_str().unwrap()).collect();
    let unhealthy: Vec<_> = codes.iter().filter(|code| **code != "rpc.ok").collect();
    let healthy = RUNS - unhealthy.len();
    let all: Vec<_> = runs.iter().map(sent_again).collect();
    let (syns, segments) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let lost = counts.dropped as f64 / (counts.dropped + counts.passed) as f64;
    println!(
        "seed {}: {healthy} of {RUNS} healthy, else {unhealthy:?}; {} of {} packets lost; {syns} SYNs and {segments} \
         segments sent again",
        LOSSY.seed,
        counts.dropped,
        counts.dropped + counts.passed
    );
    assert!((0.15..0.25).contains(&lost), "the link loses a fifth: {counts:?}");
    assert!(healthy >= HEALTHY_MIN, "{unhealthy:?}");
    assert!(syns > 0 && segments > 0, "{all:?}");

    assert!(world.impair(LOSSY));
    let texts = at_once(RUNS / 4, |address| {
        String::from_utf8(world.probe(&["check", address]).stdout).unwrap()
    });
    for shown in [" SYN", " segment"] {
        let sent_again = |line: &str| line.contains(shown) && line.contains("sent again");
        assert!(texts.iter().flat_map(|text| text.lines()).any(sent_again), "{texts:#?}");
    }
}
