//! `kms-probe watch` as a process, against a simulated host that the test breaks and mends through its
//! admin API, with a webhook receiver of somebody else's making.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "watch/harness.rs"]
mod harness;
#[path = "watch/killed.rs"]
mod killed;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod support;

use self::harness::{Lab, Receiver, Watch};
use self::skip::{Need, require};

const PYTHON: Need = Need::Tool("python3");
const SECRET: &str = "s3cret-of-the-test";

fn occasions(alerts: &[serde_json::Value]) -> Vec<&str> {
    alerts.iter().map(|alert| alert["body"]["occasion"].as_str().unwrap()).collect()
}

#[test]
fn a_host_that_is_broken_and_mended_is_told_once_each_and_signed() {
    let name = "a_host_that_is_broken_and_mended_is_told_once_each_and_signed";
    if !require(name, &[PYTHON]) {
        return;
    }
    let (lab, watch) = (Lab::start(), Watch::new());
    let receiver = Receiver::start(&watch, 0, SECRET);
    watch.write("secret", SECRET);
    let hook = format!("[webhook.ops]\nurl = \"{}\"\nsecret_file = \"secret\"", receiver.url());
    watch.configure(&lab, "sources = [\"127.0.0.1\", \"127.0.0.2\"]", &hook);
    assert_eq!(watch.once().0, 0);
    assert_eq!(receiver.alerts(&watch).len(), 0, "well from the beginning is no news");
    lab.break_it();
    let (code, output) = watch.once();
    assert_eq!(code, 1, "{output}");
    assert!(!output.contains(SECRET), "{output}");
    assert_eq!(watch.once().0, 1);
    lab.mend();
    assert_eq!(watch.once().0, 0);
    assert_eq!(watch.once().0, 0);
    let alerts = receiver.alerts(&watch);
    assert_eq!(occasions(&alerts), ["down", "down", "up", "up"], "one for each source");
    for alert in &alerts {
        support::assert_follows("watch-alert.schema.json", &alert["body"]);
        assert_eq!(alert["genuine"], true, "{alert:#}");
        assert_eq!(alert["headers"]["x-kms-probe-id"], alert["body"]["id"]);
    }
    let mut ids: Vec<&str> = alerts.iter().map(|it| it["body"]["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let last = &alerts[3]["body"];
    assert_eq!(last["before"]["verdict"], "tcp.refused");
    assert_eq!(last["elsewhere"][0]["state"]["level"], "up");
}

#[test]
fn a_receiver_that_was_down_catches_up_in_order() {
    if !require("a_receiver_that_was_down_catches_up_in_order", &[PYTHON]) {
        return;
    }
    let (lab, watch) = (Lab::start(), Watch::new());
    let port = harness::free_port();
    let hook = format!(
        "[webhook.ops]\nurl = \"http://127.0.0.1:{port}/hook\"\nretry = \"1s\"\nretry_max = \"1s\"
template = '{{\"occasion\":\"{{{{occasion}}}}\",\"text\":\"{{{{summary}}}}\"}}'"
    );
    watch.configure(&lab, "", &hook);
    lab.break_it();
    let (_, output) = watch.once();
    assert!(output.contains("not delivered to ops"), "{output}");
    lab.mend();
    watch.once();
    let receiver = Receiver::start(&watch, port, SECRET);
    watch.once_until(|| receiver.alerts(&watch).len() == 2);
    watch.once();
    let alerts = receiver.alerts(&watch);
    assert_eq!(occasions(&alerts), ["down", "up"]);
    assert!(alerts[0]["body"]["text"].as_str().unwrap().contains("tcp.refused"));
}

#[test]
fn a_recovery_is_run_verified_and_recorded() {
    if !require("a_recovery_is_run_verified_and_recorded", &[PYTHON]) {
        return;
    }
    let (lab, watch) = (Lab::start(), Watch::new());
    let script = format!(
        "import json, os, sys, urllib.request\n\
         alert = json.load(sys.stdin)\n\
         assert alert['finding']['verdict'] == os.environ['KMS_PROBE_VERDICT'] == 'tcp.refused'\n\
         url = '{}/api/v1/faults/' + open('{}').read()\n\
         urllib.request.urlopen(urllib.request.Request(url, method='DELETE'))\n\
         print('mended', os.environ['KMS_PROBE_ATTEMPT'])\n",
        lab.admin(),
        watch.path("rule").display()
    );
    watch.write("mend.py", &script);
    let more = format!(
        "[recovery.mend]\ncommand = [\"python3\", \"{}\"]\nverify_after = \"10ms\"",
        watch.path("mend.py").display()
    );
    watch.configure(&lab, "recovery = \"mend\"", &more);
    watch.write("rule", &lab.break_it());
    let (_, output) = watch.once();
    assert!(output.contains("recovery attempt 1 helped: rpc.ok"), "{output}");
    let rows = watch.rows("SELECT outcome, output, verified_verdict, helped FROM attempt");
    assert_eq!(rows, ["exit 0|mended 1|rpc.ok|1"]);
    assert_eq!(watch.once().0, 0);
    assert_eq!(watch.rows("SELECT count(*) FROM attempt"), ["1"]);
}

#[test]
fn a_recovery_that_does_not_help_is_recorded_too_and_waits() {
    let (lab, watch) = (Lab::start(), Watch::new());
    let more = "[recovery.try]\ncommand = [\"sh\", \"-c\", \"echo in vain; exit 7\"]\n\
                verify_after = \"10ms\"";
    watch.configure(&lab, "recovery = \"try\"", more);
    lab.break_it();
    watch.once();
    watch.once();
    let rows = watch.rows("SELECT outcome, output, verified_verdict, helped FROM attempt");
    assert_eq!(rows, ["exit 7|in vain|tcp.refused|0"], "the second waits for its back-off");
}

#[test]
fn flapping_is_told_once_and_held_back() {
    let (lab, watch) = (Lab::start(), Watch::new());
    let got = watch.path("got");
    let more = format!(
        "[command.page]\ncommand = [\"sh\", \"-c\", \"echo $KMS_PROBE_OCCASION >> {}; cat > /dev/null\"]",
        got.display()
    );
    watch.configure(&lab, "flap_changes = 4", &more);
    watch.once();
    for _ in 0..4 {
        lab.break_it();
        watch.once();
        lab.mend();
        watch.once();
    }
    let told = std::fs::read_to_string(got).unwrap();
    assert_eq!(told.lines().collect::<Vec<_>>(), ["down", "up", "down", "flapping_began"]);
    assert_eq!(watch.rows("SELECT count(*) FROM change WHERE is_held"), ["5"]);
}

#[test]
fn a_configuration_is_checked_and_a_wrong_one_is_refused() {
    let (lab, watch) = (Lab::start(), Watch::new());
    watch.configure(&lab, "", "[command.page]\ncommand = [\"true\"]");
    let (code, output) = watch.run(&["--check-config"]);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("tells page"), "{output}");
    assert!(!watch.path("watch.db").exists());
    watch.configure(&lab, "intervall = \"1m\"", "");
    let (code, output) = watch.run(&["--check-config"]);
    assert_eq!(code, 2);
    assert!(
        output.contains("watch.toml:6:1: unknown key `intervall`; the nearest is `interval`"),
        "{output}"
    );
}
