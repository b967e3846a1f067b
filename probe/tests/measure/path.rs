//! What is measured, against what the path does.

use std::process::Command;

use serde_json::Value;

use crate::skip::tool;
use crate::world::{Link, Node, SERVER, V4, V6, World};

/// A measurement from the client: the exit code and the only measurement.
fn measure(world: &World, arguments: &[&str]) -> (i32, Value) {
    let output = world.probe(&[&["measure", "--format", "json"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let entries = report["targets"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{report:#}");
    (output.status.code().unwrap(), entries[0]["measurement"].clone())
}

fn figure(measurement: &Value, stage: &str, name: &str) -> f64 {
    let stages = measurement["stages"].as_array().unwrap();
    let stage = stages.iter().find(|found| found["stage"] == stage).unwrap();
    stage[name].as_f64().unwrap_or_else(|| panic!("no {name}: {stage:#}"))
}

/// Packets that the only rule with a counter on a node has seen.
fn counted(world: &World, node: Node) -> u64 {
    let output = Command::new(tool("ip").unwrap())
        .args(["netns", "exec", &world.namespace(node)])
        .arg(tool("nft").unwrap())
        .args(["list", "ruleset"])
        .output()
        .unwrap();
    let rules = String::from_utf8(output.stdout).unwrap();
    let (_, after) = rules.split_once("counter packets ").unwrap();
    after.split_whitespace().next().unwrap().parse().unwrap()
}

/// The range in which the loss lies, in percent.
fn interval(loss: &Value) -> std::ops::RangeInclusive<f64> {
    loss["low_percent"].as_f64().unwrap()..=loss["high_percent"].as_f64().unwrap()
}

#[test]
fn the_delay_of_the_path_is_the_latency_of_each_stage_within_5_percent() {
    let Some(mut world) = World::new("the_delay_of_the_path_is_the_latency") else { return };
    // The least of many is what the path itself takes; a busy machine only adds. The median of a
    // path that is longer leaves room for that too.
    for (delay_ms, name, family) in
        [(50, "min_us", V4), (200, "median_us", V4), (200, "median_us", V6)]
    {
        if !world.impair(Link { delay_ms, ..Link::default() }) {
            return;
        }
        let arguments = [SERVER[family], "--count", "40", "--rate", "20/s"];
        let (code, measurement) = measure(&world, &arguments);
        assert_eq!(code, 0, "{measurement:#}");
        let round_trip = f64::from(delay_ms) * 2000.0;
        for stage in ["tcp", "bind", "rpc"] {
            let measured = figure(&measurement, stage, name);
            assert!(
                (round_trip..=round_trip * 1.05).contains(&measured),
                "{stage} {name} over {delay_ms} ms each way: {measured} us"
            );
        }
        let total = figure(&measurement, "total", name);
        assert!((round_trip * 3.0..=round_trip * 3.15).contains(&total), "{total}");
    }
}

#[test]
fn the_loss_of_the_path_lies_within_the_interval_that_is_shown() {
    let Some(mut world) = World::new("the_loss_of_the_path_lies_within") else { return };
    let link = Link { loss_permille: 200, seed: 7, ..Link::default() };
    if !world.impair(link) {
        return;
    }
    let syns = "tcp flags & (syn | ack) == syn counter";
    let answers = "tcp flags & (syn | ack) == (syn | ack) counter";
    world.rule(Node::Client, "output", syns);
    world.rule(Node::Server, "output", answers);
    world.rule(Node::Router2, "prerouting", syns);
    world.rule(Node::Router1, "prerouting", answers);
    // Patient enough that every exchange comes through in the end.
    let patient = ["--timeout", "60s", "--depth", "tcp", "--count", "200", "--rate", "40/s"];
    let (code, measurement) = measure(&world, &[&[SERVER[V4]], &patient[..]].concat());
    assert_eq!(code, 0, "{measurement:#}");
    assert_eq!(measurement["loss"]["lost"], 0, "TCP repairs what the path loses");

    let sent = measurement["packets"]["syns_sent"].as_u64().unwrap();
    assert_eq!(sent, counted(&world, Node::Client), "every SYN is counted");
    let shown = &measurement["packets"]["first_syns_unanswered"];
    assert_eq!(shown["of"], 200);

    // Of a SYN and its answer, either is lost with the same probability.
    let one_way = world.link_counts();
    let one_way = one_way.dropped as f64 / (one_way.passed + one_way.dropped) as f64;
    let round_trip = |there: f64, back: f64| 100.0 * (1.0 - (1.0 - there) * (1.0 - back));
    let by_bridge = round_trip(one_way, one_way);
    assert!(interval(shown).contains(&by_bridge), "{by_bridge}: {shown}");
    let passed = |sent: u64, arrived: u64| 1.0 - arrived as f64 / sent as f64;
    let there = passed(sent, counted(&world, Node::Router2));
    let back = passed(counted(&world, Node::Server), counted(&world, Node::Router1));
    let by_counters = round_trip(there, back);
    assert!(interval(shown).contains(&by_counters), "{there} {back} {by_counters}: {shown}");

    let outliers = measurement["outliers"]["found"].as_array().unwrap();
    let repeated = outliers.iter().filter(|outlier| outlier["stage"] == "tcp");
    assert!(repeated.clone().count() > 0);
    for outlier in repeated {
        assert!(
            outlier["packets_resent"].as_u64().unwrap() > 0,
            "the reason stands beside: {outlier}"
        );
    }
    let notes = measurement["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["code"] == "syn_loss"));
}

#[test]
fn exchanges_that_a_filter_drops_are_lost_within_the_interval_that_is_shown() {
    let Some(world) = World::new("exchanges_that_a_filter_drops_are_lost") else { return };
    // Every fifth connection meets a silent filter, which TCP cannot repair.
    let every_fifth = "tcp dport 1688 tcp flags & (syn | ack) == syn numgen inc mod 5 == 4 drop";
    world.rule(Node::Router2, "forward", every_fifth);
    let arguments = [SERVER[V4], "--timeout", "900ms", "--count", "50", "--rate", "50/s"];
    let (code, measurement) = measure(&world, &arguments);
    assert_eq!(code, 1);
    assert_eq!(measurement["loss"]["lost"], 10, "{measurement:#}");
    assert!(interval(&measurement["loss"]).contains(&20.0), "{}", measurement["loss"]);
    let verdicts = measurement["verdicts"].as_array().unwrap();
    let timeout = verdicts.iter().find(|ended| ended["verdict"] == "tcp.timeout").unwrap();
    assert_eq!((&timeout["lost"], &timeout["severity"]), (&10.into(), &"critical".into()));
    // One SYN each: the timeout ends before it is repeated.
    assert_eq!(measurement["packets"]["first_syns_unanswered"]["lost"], 10);
    let (code, _) = measure(&world, &[&arguments[..], &["--max-loss", "20"]].concat());
    assert_eq!(code, 0, "what may be lost was lost");
}
