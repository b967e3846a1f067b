//! Time servers.

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kms_probe::stage::Stage;
use kms_probe::target::{Asked, Target};
use serde_json::Value;

use crate::daemon::{self, CHRONY, SHIFTED_CHRONY};
use crate::skip::{Need, require, tool};
use crate::support::{IMPATIENCE, assert_valid, options, verdict};
use crate::{by_time_server, check, clock, finding};

/// A check of a closed port, which leaves the time server's word.
fn time_server(address: std::net::SocketAddr, timeout: Option<Duration>) -> Value {
    let mut options = by_time_server(options(Stage::Tcp), address);
    options.timeouts.clock = timeout.unwrap_or(options.timeouts.clock);
    // Another address than the time server's, which would make it the host's own.
    let host = std::net::SocketAddr::from(([127, 0, 0, 2], daemon::free_port().port()));
    let report = check(host, &options);
    assert_eq!(verdict(&report), "tcp.refused");
    report
}

#[test]
fn chronyd_agrees_with_this_machine() {
    if !require("chronyd_agrees_with_this_machine", CHRONY) {
        return;
    }
    let server = daemon::chrony(None, true);
    let report = time_server(server.address, None);
    let clock = clock(&report);
    assert_eq!(clock["verdict"], "clock.ok", "{report:#}");
    assert_eq!(clock["facts"]["source"], "sntp");
    assert_eq!(clock["facts"]["sntp"]["stratum"], 3);
    assert_eq!(clock["facts"]["sntp"]["leap"], "none");
}

#[test]
fn chronyd_that_lives_at_another_time_is_skewed_or_drifting() {
    if !require("chronyd_that_lives_at_another_time_is_skewed_or_drifting", SHIFTED_CHRONY) {
        return;
    }
    for (shift, code, words) in
        [("-5h", "clock.skewed", "h "), ("+30m", "clock.drifting", "ahead of this machine's")]
    {
        let server = daemon::chrony(Some(shift), true);
        let report = time_server(server.address, None);
        let (found, cause) = finding(&report);
        assert_eq!(found, code, "{report:#}");
        assert!(cause.starts_with("The clock of time server 127.0.0.1:"), "{cause}");
        assert!(cause.contains(words), "{cause}");
        let remedy = report["targets"][0]["findings"][0]["remedy"].as_str().unwrap();
        assert!(remedy.contains("this machine's clock"), "{remedy}");
    }
}

#[test]
fn chronyd_without_a_source_has_no_time_to_give() {
    if !require("chronyd_without_a_source_has_no_time_to_give", CHRONY) {
        return;
    }
    let server = daemon::chrony(None, false);
    let report = time_server(server.address, None);
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "not_synchronised", "{report:#}");
    assert!(finding(&report).1.contains("not synchronised"));
}

#[test]
fn a_closed_port_a_silent_one_and_one_that_speaks_something_else_say_so() {
    let report = time_server(daemon::free_port(), None);
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "not_listening");
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let report = time_server(silent.local_addr().unwrap(), Some(IMPATIENCE));
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "silent");
    silent.set_nonblocking(true).unwrap();
    let queries = std::iter::from_fn(|| silent.recv(&mut [0; 64]).ok()).count();
    assert_eq!(queries, 3, "a lost packet is no silence");
    let (chatty, address) = udp_answering(|_| b"hello".to_vec());
    let report = time_server(address, None);
    chatty.join().unwrap();
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "malformed");
}

#[test]
fn a_server_whose_times_contradict_each_other_and_one_that_refuses_are_unknown() {
    let (server, address) = udp_answering(|query| {
        let mut answer = served(query);
        // It received the query an hour after it answered.
        let later = (u64::from_be_bytes(*answer[40..48].first_chunk().unwrap()) >> 32) + 3600;
        answer[32..40].copy_from_slice(&(later << 32).to_be_bytes());
        answer
    });
    let report = time_server(address, None);
    server.join().unwrap();
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "contradiction", "{report:#}");
    let (server, address) = udp_answering(|query| {
        let mut answer = served(query);
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"RATE");
        answer
    });
    let report = time_server(address, None);
    server.join().unwrap();
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "kiss_of_death");
}

/// Answers one query.
fn udp_answering(
    answer: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static,
) -> (std::thread::JoinHandle<()>, std::net::SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut query = [0; 128];
        let (count, from) = socket.recv_from(&mut query).unwrap();
        socket.send_to(&answer(&query[..count]), from).unwrap();
    });
    (thread, address)
}

/// A server's answer that gives the query's own time back.
fn served(query: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; 48];
    answer[0] = 0x24;
    answer[1] = 2;
    for at in [16, 24, 32, 40] {
        answer[at..at + 8].copy_from_slice(&query[40..48]);
    }
    answer
}

#[test]
fn a_time_server_whose_name_has_no_address_is_unknown_with_the_verdict_of_dns() {
    let mut options = options(Stage::Tcp);
    options.resolvers = vec![daemon::free_port()];
    options.timeouts.dns = IMPATIENCE;
    let target = Target::host("ntp.corp.test", 123).unwrap();
    options.clock.time_servers = vec![Asked { text: "ntp.corp.test".to_owned(), target }];
    let report = check(daemon::free_port(), &options);
    let clock = clock(&report);
    assert_eq!(clock["facts"]["server"], Value::Null);
    assert_eq!(clock["facts"]["unknown"]["detail"], "dns.unreachable");
}

#[test]
fn the_hosts_own_time_server_on_port_123_is_asked_with_sntp_alone() {
    let test = "the_hosts_own_time_server_on_port_123_is_asked_with_sntp_alone";
    let needs = [
        Need::Root,
        Need::NetworkNamespace,
        Need::Tool("ip"),
        Need::Tool("nsenter"),
        Need::Tool("chronyd"),
    ];
    if !require(test, &needs) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("chrony.conf");
    let pid = folder.path().join("pid");
    let lines = format!("allow\ncmdport 0\nlocal stratum 2\npidfile {}\n", pid.display());
    std::fs::write(&config, lines).unwrap();
    let chronyd = format!(
        "ip link set lo up && exec {} -d -x -U -u root -f {}",
        tool("chronyd").unwrap().display(),
        config.display()
    );
    let namespace = Ended(
        Command::new("unshare")
            .args(["--net", "sh", "-c", &chronyd])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let process = namespace.0.id().to_string();
    let mut report = Value::Null;
    for _ in 0..400 {
        let output = Command::new("nsenter")
            .args(["--net", "--target", &process, env!("CARGO_BIN_EXE_kms-probe")])
            .args(["check", "127.0.0.1", "--clock", "sntp", "--format", "json"])
            .output()
            .unwrap();
        report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let is_there = report["targets"][0]["stages"][1]["verdict"] == "clock.ok";
        if is_there {
            break;
        }
        // The daemon needs time to open its socket, and says so nowhere.
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert_valid(&report);
    let clock = clock(&report);
    assert_eq!(clock["verdict"], "clock.ok", "{report:#}");
    assert_eq!(clock["facts"]["server"], "127.0.0.1:123");
    assert_eq!(report["targets"][0]["verdict"], "tcp.refused", "it needs no open KMS port");
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}
