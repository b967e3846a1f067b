//! `kms-sim client` and `client-setup` against a real `kms-sim serve`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Output, Stdio};
use std::time::Duration;

use common::sim::{Sim, assert_refused, kms_sim};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

#[test]
fn the_count_grows_with_each_new_client_and_the_25th_is_activated() {
    let sim = Sim::start(&["--log-level", "error"]);
    for number in 1..=25 {
        let output = once(&sim, &["--machine-name", &format!("PC-{number}")]);
        let text = stdout(&output);
        let activated = number == 25;
        assert_eq!(output.status.code(), Some(i32::from(!activated)), "{number}: {text}");
        let bound = if activated { "0x00000000, 1, 0" } else { "0x04000000, 0, 0" };
        assert!(
            text.contains(&format!("12289  0x00000000, {bound}, {number}, 120, 10080, ")),
            "{text}"
        );
        assert_eq!(text.contains("ato    0xC004F038"), !activated, "{text}");
        assert_eq!(text.contains("License Status: Licensed"), activated, "{text}");
    }
    let again = once(&sim, &["--machine-name", "PC-7"]);
    assert!(stdout(&again).contains(" 1, 0, 25, 120, 10080, "), "the same name is counted once");
    let clone = once(&sim, &["--cmid", "36f27b39-2fd5-440b-be67-a09996d27a38"]);
    assert!(stdout(&clone).contains(" 1, 0, 26, 120, 10080, "), "{}", stdout(&clone));
}

#[test]
fn every_version_and_kind_of_product_is_activated() {
    let sim = Sim::start(&["--initial-count", "windows=25", "--initial-count", "office=5"]);
    for version in ["4", "5", "6"] {
        for (product, channel) in [
            ("Windows 7 Enterprise", "Windows(R) Operating System, VOLUME_KMSCLIENT channel"),
            (
                "windows server 2022 standard",
                "Windows(R) Operating System, VOLUME_KMSCLIENT channel",
            ),
            ("Office 2016 Standard", "Office 2016, VOLUME_KMSCLIENT channel"),
        ] {
            let output = once(&sim, &["--version", version, "--product", product]);
            let text = stdout(&output);
            assert_eq!(output.status.code(), Some(0), "{version} {product}: {text}");
            assert!(text.contains(channel), "{text}");
        }
    }
}

#[test]
fn a_host_is_found_by_srv_records_and_what_fails_is_what_windows_shows() {
    let mut sim = Sim::start(&[
        "--dns",
        "127.0.0.1:0",
        "--domain",
        "lab.test",
        "--initial-count",
        "windows=24",
    ]);
    let dns = sim.ready_line("dns listening on ").to_string();
    let found = client(&["--domain", "lab.test", "--dns", &dns, "--once"]);
    let text = stdout(&found);
    assert_eq!(found.status.code(), Some(0), "{text}");
    let name = format!("kms1.lab.test:{}", sim.address.port());
    assert!(text.contains(&format!("12288  0x00000000, 0x00000000, {name}, ")), "{text}");
    assert!(text.contains(&format!("KMS machine name from DNS: {name}")), "{text}");
    let named = client(&["--server", &name, "--dns", &dns, "--once"]);
    assert!(stdout(&named).contains(&format!("Registered KMS machine name: {name}")));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let host = sim.address.to_string();
    for (arguments, shown) in [
        (&["--domain", "no.lab.test", "--dns", &dns][..], &["ato    0x8007232B"][..]),
        (&["--domain", "kms1.lab.test", "--dns", &dns], &["ato    0x8007232B"]),
        (&["--server", &closed], &["12288  0x800706BA, ", "ato    0xC004F074"]),
        (
            &["--server", &host, "--clock-offset", "5h"],
            &["12288  0xC004F06C, ", "ato    0xC004F074"],
        ),
        (
            &["--server", &host, "--lab-key", "00000000000000000000000000000001"],
            &["12288  0x8007000D, ", "ato    0xC004F074"],
        ),
    ] {
        let output = client(&[arguments, &["--once"]].concat());
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        for shown in shown {
            assert!(text.contains(shown), "{arguments:?}: {shown}: {text}");
        }
        assert!(text.ends_with("in order to update values.\n"), "{text}");
    }
}

/// The host's clock stands, and is moved by a week 26 times. Five servers need a count of five.
#[test]
fn half_a_year_of_renewals_passes_by_the_clock_of_the_host() {
    let lab = Lab::start();
    let mut clients: Vec<Follower> = (1..=5).map(|number| lab.follower(number)).collect();
    lab.wait_for_requests(5);
    // Whoever came before the fifth was told a count that was too low, and asks again in two hours.
    lab.step(2 * 3600);
    lab.wait_for_requests(5 + 4);
    for week in 1..=26 {
        lab.step(7 * 86_400);
        lab.wait_for_requests(9 + 5 * week);
    }
    for client in &mut clients {
        let done = "  12289  0x00000000, 0x00000000, 1, ";
        let mut text = client.read_until(done, 27);
        text.push_str(&client.stop());
        assert_eq!(client.child.wait().unwrap().code(), Some(0), "{text}");
        assert_eq!(text.matches(done).count(), 27, "{text}");
        assert!(
            text.contains("\nVolume activation expiration: 259200 minute(s) (180 day(s))\n"),
            "{text}"
        );
        assert_eq!(
            text.matches("  state  ").count(),
            2,
            "once notification, then licensed: {text}"
        );
    }
}

/// The client follows the clock of one simulator and asks another, which goes away.
#[test]
fn an_activation_runs_out_where_its_host_stays_away() {
    let host = Sim::start(&["--initial-count", "windows=24", "--clock-frozen"]);
    let lab = Lab::start();
    let mut client = lab.follower_of(host.address, &["--machine-name", "PC-1"]);
    client.read_until("  state  1 Licensed until ", 1);
    drop(host);
    lab.step(179 * 86_400);
    client.read_until("  12288  0x800706BA, ", 1);
    lab.step(2 * 86_400);
    client.read_until("  state  5 Notification", 1);
    let text = client.stop();
    assert!(text.contains("\nNotification Reason: 0xC004F009 (grace time expired).\n"), "{text}");
    assert_eq!(client.child.wait().unwrap().code(), Some(1));
}

#[test]
fn unusable_arguments_are_named_and_nothing_beyond_loopback_is_asked() {
    for (arguments, named) in [
        (&["--once"][..], "--server"),
        (&["--server", "127.0.0.1", "--domain", "lab.test", "--dns", "127.0.0.1:1"], "--domain"),
        (&["--domain", "lab.test"], "--dns"),
        (&["--server", "kms1.lab.test"], "--dns says whom to ask"),
        (&["--server", "192.0.2.1"], "--server: 192.0.2.1:1688 is not on loopback"),
        (
            &["--domain", "lab.test", "--dns", "192.0.2.1:53"],
            "--dns: 192.0.2.1:53 is not on loopback",
        ),
        (&["--server", "127.0.0.1", "--clock-from", "http://192.0.2.1:80"], "--clock-from: "),
        (&["--server", "127.0.0.1", "--clock-from", "https://127.0.0.1:80"], "plain `http://`"),
        (&["--server", "127.0.0.1", "--product", "MS-DOS"], "kms-sim catalog"),
        (&["--server", "127.0.0.1", "--cmid", "x"], "--cmid"),
        (&["--server", "127.0.0.1", "--version", "7"], "--version"),
        (&["--server", "127.0.0.1", "--time-scale", "0"], "--time-scale"),
        (&["--server", "127.0.0.1", "--lab-key", "0"], "--lab-key"),
        (&["--server", "127.0.0.1", "--machine-name", ""], "--machine-name"),
        (&["--server", "127.0.0.1", "--once", "--for", "1d"], "--for"),
        (&["--server", "127.0.0.1:0"], "port 0"),
    ] {
        assert_refused(&client(arguments), named);
    }
    assert_refused(
        &client(&["--server", "127.0.0.1", "--clock-token-file", "x", "--once"]),
        "--clock-from",
    );
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    assert_refused(
        &client(&["--server", "127.0.0.1", "--clock-from", &url]),
        "cannot read the clock",
    );
}

#[test]
fn a_clock_behind_a_token_is_read_with_it_and_refused_without() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "sesame-sesame-sesame-sesame\n").unwrap();
    let file = file.to_str().unwrap();
    let mut sim = Sim::start(&["--admin", "127.0.0.1:0", "--admin-token-file", file]);
    let url = format!("http://{}", sim.ready_url("admin listening on http://"));
    let server = sim.address.to_string();
    let asked = ["--server", &server, "--once", "--clock-from", &url];
    assert_refused(&client(&asked), "--clock-token-file");
    let told = client(&[&asked[..], &["--clock-token-file", file]].concat());
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("12289"), "{told:?}");
}

/// DNS may list anything.
#[test]
fn a_host_that_dns_lists_beyond_loopback_is_not_asked() {
    let dns = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = dns.local_addr().unwrap().to_string();
    // It ends with the test's process.
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        loop {
            let (count, peer) = dns.recv_from(&mut buffer).unwrap();
            let mut message = Message::from_vec(buffer.get(..count).unwrap()).unwrap();
            message.metadata.message_type = MessageType::Response;
            let name = message.queries.first().unwrap().name().clone();
            let host = Name::from_ascii("far.lab.test.").unwrap();
            let data = match message.queries.first().unwrap().query_type() {
                RecordType::SRV => Some(RData::SRV(SRV::new(0, 0, 1688, host))),
                RecordType::A => Some(RData::A(A::new(192, 0, 2, 1))),
                _ => None,
            };
            message.answers.extend(data.map(|data| Record::from_rdata(name, 60, data)));
            dns.send_to(&message.to_vec().unwrap(), peer).unwrap();
        }
    });
    let output = client(&["--domain", "lab.test", "--dns", &address, "--once"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("192.0.2.1:1688 is not on loopback"), "{text}");
}

#[test]
fn client_setup_prints_each_piece_and_no_name_can_add_a_command() {
    let setup =
        |arguments: &[&str]| kms_sim().arg("client-setup").args(arguments).output().unwrap();
    let text = stdout(&setup(&["--server", "kms1.lab.test"]));
    for piece in [
        "slmgr.vbs /skms kms1.lab.test:1688",
        "ospp.vbs /sethst:",
        "[HKEY_LOCAL_MACHINE",
        "wpeinit",
        "<settings pass",
        "Restart-Service",
        "/ckms",
        "/remhst",
        "will refuse the lab's answers",
    ] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    let undo = stdout(&setup(&["--server", "kms1.lab.test", "--format", "reg", "--undo"]));
    assert!(undo.contains("\"KeyManagementServiceName\"=-\r\n"), "{undo}");
    for (arguments, named) in [
        (&[][..], "--server"),
        (&["--server", "a\"b"], "--server"),
        (&["--server", "a;Remove-Item"], "--server"),
        (&["--server", "a&calc"], "--server"),
        (&["--server", "a`b"], "--server"),
        (&["--server", "$env:x"], "--server"),
        (&["--domain", "a<b>.test"], "--domain"),
        (&["--domain", "a%PATH%.test"], "--domain"),
        (&["--server", "::1"], "IPv6"),
        (&["--domain", "lab.test", "--format", "reg"], "--format reg"),
        (&["--domain", "lab.test", "--format", "cmd"], "--format cmd"),
    ] {
        assert_refused(&setup(arguments), named);
    }
}

fn client(arguments: &[&str]) -> Output {
    kms_sim().arg("client").args(arguments).output().unwrap()
}

fn once(sim: &Sim, arguments: &[&str]) -> Output {
    client(&[&["--server", &sim.address.to_string(), "--once"], arguments].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A host whose clock stands until it is stepped through the API.
struct Lab {
    sim: Sim,
    admin: SocketAddr,
}

impl Lab {
    fn start() -> Self {
        let mut sim =
            Sim::start(&["--admin", "127.0.0.1:0", "--clock-frozen", "--log-level", "error"]);
        let admin = sim.ready_url("admin listening on http://");
        Self { sim, admin }
    }

    fn follower(&self, number: u32) -> Follower {
        let name = format!("SERVER-{number}");
        let product = "Windows Server 2022 Standard";
        self.follower_of(self.sim.address, &["--product", product, "--machine-name", &name])
    }

    /// A client of `host` that lives by this host's clock.
    fn follower_of(&self, host: SocketAddr, arguments: &[&str]) -> Follower {
        let mut child = kms_sim()
            .args(["client", "--server", &host.to_string()])
            .args(["--clock-from", &format!("http://{}", self.admin)])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Follower { child, stdout }
    }

    fn step(&self, seconds: u32) {
        self.http("PATCH", "/api/v1/clock", &format!("{{\"step_s\": {seconds}}}"));
    }

    /// The host has accepted so many requests, and not one more.
    fn wait_for_requests(&self, expected: u64) {
        for _ in 0..POLLS {
            let state = self.http("GET", "/api/v1/state", "");
            let accepted = state.get("requests").and_then(|r| r.get("accepted")).unwrap().as_u64();
            assert!(accepted.unwrap() <= expected, "more than {expected}: {state}");
            if accepted.unwrap() == expected {
                return;
            }
            // Nothing tells that a request has come but asking; the read waits instead of sleeping.
            let (mut quiet, _other_end) = std::os::unix::net::UnixStream::pair().unwrap();
            quiet.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            quiet.read_exact(&mut [0]).unwrap_err();
        }
        panic!("not {expected} requests");
    }

    fn http(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.admin,
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

/// A client that follows the clock of a [`Lab`].
struct Follower {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Follower {
    /// Everything up to the line that contains `wanted` for the `times`th time.
    fn read_until(&mut self, wanted: &str, times: usize) -> String {
        let mut text = String::new();
        while text.matches(wanted).count() < times {
            let read = self.stdout.read_line(&mut text).unwrap();
            assert_ne!(read, 0, "it ended without `{wanted}`: {text}");
        }
        text
    }

    /// Ctrl-C, and everything else that it prints.
    fn stop(&mut self) -> String {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A minute of polling, if each took no time of its own.
const POLLS: u32 = 3_000;
