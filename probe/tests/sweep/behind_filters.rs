//! A network of its own in which whole prefixes are open, dropped, or rejected: every address of it is
//! this machine's, so that one simulated host answers for thousands.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use kms_simulator::serve::{ServeConfig, Server};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::harness::{Folder, code, each, json, lines, sweep, text};
use crate::skip::{Need, require, tool};

/// A network namespace; gone when dropped.
struct World(String);

impl World {
    /// A network, or `None` where none can be made; that has been reported then.
    fn new(test: &str) -> Option<Self> {
        let tools = ["ip", "nft"].map(Need::Tool);
        if !require(test, &[&[Need::Root, Need::NetworkNamespace][..], &tools].concat()) {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let world = Self(format!("kmssweep-{}-{number}", std::process::id()));
        world.run(&["netns", "add", &world.0]);
        world.run(&["-n", &world.0, "link", "set", "lo", "up"]);
        let local = "route add local 10.64.0.0/10 dev lo";
        world.run(&[&["-n", &world.0][..], &local.split(' ').collect::<Vec<_>>()].concat());
        // The kernel rations its ICMP errors otherwise.
        world.inside(|| std::fs::write("/proc/sys/net/ipv4/icmp_ratemask", "0")).unwrap();
        Some(world)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let output = Command::new(tool("ip").unwrap()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }

    /// Rules for what arrives.
    fn filter(&self, rules: &str) {
        let script = format!(
            "table ip test {{\nchain test {{\ntype filter hook input priority 0\n{rules}\n}}\n}}\n"
        );
        let mut child = Command::new(tool("ip").unwrap())
            .args(["netns", "exec", &self.0])
            .arg(tool("nft").unwrap())
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{script}");
    }

    /// Runs `work` in this network.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let handle = File::open(Path::new("/var/run/netns").join(&self.0)).unwrap();
        thread::scope(|scope| {
            let working = scope.spawn(move || {
                setns(handle, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            working.join().unwrap()
        })
    }

    /// A simulated KMS host on every address.
    fn serve(&self) -> Server {
        let config = ServeConfig {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 1688))],
            workers: NonZeroUsize::MIN,
            ..ServeConfig::default()
        };
        self.inside(move || Server::start(config).unwrap())
    }

    fn probe(&self, command: &Command) -> Output {
        Command::new(tool("ip").unwrap())
            .args(["netns", "exec", &self.0])
            .arg(command.get_program())
            .args(command.get_args())
            .output()
            .unwrap()
    }

    fn sweep(&self, list: &Path, arguments: &[&str]) -> Output {
        self.probe(&sweep(list, arguments))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _may_not_have_been_made = Command::new(tool("ip").unwrap_or_default())
            .args(["netns", "delete", &self.0])
            .stderr(Stdio::null())
            .status();
    }
}

/// What becomes of a SYN to each prefix.
const FILTER: &str = "\
    ip daddr 10.65.0.0/16 tcp dport 1688 drop\n\
    ip daddr 10.66.0.0/16 tcp dport 1688 reject with tcp reset\n\
    ip daddr 10.67.0.0/16 tcp dport 1688 reject with icmp type admin-prohibited\n\
    ip daddr 10.68.0.0/16 tcp dport 1688 ip length > 120 drop";

/// The prefixes with their verdicts.
const VERDICTS: [(u8, &str); 5] = [
    (64, "rpc.ok"),
    (65, "tcp.timeout"),
    (66, "tcp.refused"),
    (67, "tcp.prohibited"),
    (68, "bind.timeout"),
];

#[test]
fn every_row_of_a_mixed_list_has_its_verdict_and_silence_is_tried_twice() {
    let test = "every_row_of_a_mixed_list_has_its_verdict_and_silence_is_tried_twice";
    let Some(world) = World::new(test) else { return };
    let _server = world.serve();
    world.filter(FILTER);
    let folder = Folder::new();
    let of = |number: usize| VERDICTS[number % VERDICTS.len()];
    let mut table = "site,host\n".to_owned();
    for number in 0..ROWS {
        table += &format!("site {},10.{}.1.{}\n", number % 7, of(number).0, number / 5 + 1);
    }
    let list = folder.file("list.csv", table);
    // Silence must be that of the filter, and an answer must never be late, however slow the machine.
    let output = world.sweep(&list, &["--format", "json", "--timeout", "5s"]);
    let report = json(&output);
    assert_eq!(code(&output), 1);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(each(rows, "row"), (1..=ROWS).collect::<Vec<_>>());
    for (number, row) in rows.iter().enumerate() {
        let expected = of(number).1;
        assert_eq!(row["verdict"], expected, "row {number}");
        assert_eq!(row["attempts"], if expected == "tcp.timeout" { 2 } else { 1 }, "row {number}");
    }
    let counts: BTreeMap<&str, u64> = report["summary"]["by_verdict"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (of["verdict"].as_str().unwrap(), of["rows"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, VERDICTS.map(|(_, verdict)| (verdict, 60)).into());
    let sites = report["summary"]["by_site"].as_array().unwrap();
    let rows_of_sites: u64 = sites.iter().map(|site| site["rows"].as_u64().unwrap()).sum();
    assert_eq!((sites.len(), rows_of_sites), (7, 300));
}

#[test]
fn a_row_says_what_check_says_of_the_same_target() {
    let Some(world) = World::new("a_row_says_what_check_says_of_the_same_target") else { return };
    let _server = world.serve();
    world.filter(FILTER);
    let folder = Folder::new();
    let targets = VERDICTS.map(|(net, _)| format!("10.{net}.1.1"));
    let list = folder.file("list.txt", targets.join("\n"));
    let timeout = ["--timeout", "700ms"];
    let rows = lines(&world.sweep(&list, &[&timeout[..], &["--format", "ndjson"]].concat()));
    let mut check = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
    check.arg("check").args(&targets).args(timeout).args(["--format", "json"]);
    let report: Value = serde_json::from_slice(&world.probe(&check).stdout).unwrap();
    let entries = report["targets"].as_array().unwrap();
    assert_eq!((rows.len(), entries.len()), (5, 5));
    for (row, entry) in rows.iter().zip(entries) {
        let swept = &row["targets"][0];
        for field in [
            "target",
            "host",
            "port",
            "address",
            "verdict",
            "severity",
            "client_sees",
            "cause",
            "remedy",
        ] {
            assert_eq!(swept[field], entry[field], "{field}");
        }
        let stages = |entry: &Value| each(entry["stages"].as_array().unwrap(), "verdict");
        assert_eq!(stages(swept), stages(entry));
    }
}

#[test]
fn one_lost_syn_is_no_verdict() {
    let Some(world) = World::new("one_lost_syn_is_no_verdict") else { return };
    let _server = world.serve();
    // The first SYN is 60 bytes long, and the kernel sends a second one after a second only.
    world.filter("ip daddr 10.65.0.1 tcp dport 1688 quota until 100 bytes drop");
    let folder = Folder::new();
    let list = folder.file("list.txt", "10.65.0.1\n10.64.0.1\n");
    let timeouts = ["--timeout", "900ms"];
    let output = world.sweep(&list, &[&timeouts[..], &["--format", "json"]].concat());
    let report = json(&output);
    assert_eq!(code(&output), 0, "{report:#}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(each(rows, "verdict"), ["rpc.ok", "rpc.ok"]);
    assert_eq!(each(rows, "attempts"), [2, 1]);
    let summary = &report["summary"];
    assert_eq!((&summary["tried_again"], &summary["answered_again"]), (&1.into(), &1.into()));
}

const ROWS: usize = 300;
static NEXT: AtomicU32 = AtomicU32::new(0);
