//! The time in an NTLM challenge.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use kms_probe::check::Options;
use kms_probe::stage::Stage;
use kms_protocol::filetime::FileTime;
use kms_protocol::rpc::{AuthLevel, AuthTrailer, AuthType, BindNakReason, Body, Packet, PfcFlags};
use kms_simulator::serve::{ServeConfig, Server};
use serde_json::Value;

use crate::daemon::{self, SAMBA, SHIFTED_SAMBA};
use crate::skip::require;
use crate::support::peer::{self, End, NDR32_ACCEPTED};
use crate::support::{IMPATIENCE, facts, options, verdict};
use crate::{by_ntlm, check, clock, finding};

const HOUR: i64 = 3600;

/// A healthy KMS host that takes two conversations: the check's own, and then `script` for the one
/// that asks for the time.
fn host_with(script: impl FnOnce(End) + Send + 'static) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let host = thread::spawn(move || {
        let mut end = End(listener.accept().unwrap().0);
        end.accept_bind();
        end.refuse_call();
        end.wait_for_the_probe_to_leave();
        script(End(listener.accept().unwrap().0));
    });
    (address, host)
}

fn check_host(options: &Options, script: impl FnOnce(End) + Send + 'static) -> Value {
    let (address, host) = host_with(script);
    let report = check(address, options);
    host.join().unwrap();
    report
}

fn check_ntlm(script: impl FnOnce(End) + Send + 'static) -> Value {
    check_host(&by_ntlm(options(Stage::Rpc)), script)
}

/// A host whose clock is `ahead_s` seconds ahead of this machine's.
fn clock_ahead(ahead_s: i64) -> impl FnOnce(End) + Send + 'static {
    move |mut end: End| {
        let bind = end.pdu();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let time = FileTime::from_unix(i64::try_from(now).unwrap() + ahead_s, 0).unwrap();
        let pdu = ack_with_challenge(&bind, &challenge("KMS\u{1b}[2J1", Some(time)));
        end.send(&pdu);
        end.wait_for_the_probe_to_leave();
    }
}

/// A challenge as [MS-NLMP] 2.2.1.2 has it, with one name and, where there is one, the time.
fn challenge(computer: &str, time: Option<FileTime>) -> Vec<u8> {
    let name: Vec<u8> = computer.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut info = pair(1, &name);
    if let Some(time) = time {
        info.extend(pair(7, &time.ticks().to_le_bytes()));
    }
    info.extend(pair(0, b""));
    let len = u16::try_from(info.len()).unwrap().to_le_bytes();
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend([0, 0, 0, 0, 56, 0, 0, 0]);
    message.extend(0x0280_8215u32.to_le_bytes());
    message.extend([0; 16]);
    message.extend([len, len].concat());
    message.extend(56u32.to_le_bytes());
    message.extend([10, 0, 0x7c, 0x4f, 0, 0, 0, 15]);
    message.extend(info);
    message
}

fn pair(id: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    [&id.to_le_bytes()[..], &len.to_le_bytes(), value].concat()
}

fn ack_with_challenge(bind: &[u8], challenge: &[u8]) -> Vec<u8> {
    let auth = AuthTrailer {
        auth_type: AuthType::NTLMSSP,
        level: AuthLevel::CONNECT,
        pad_length: 0,
        reserved: 0,
        context_id: 0,
        credentials: challenge,
    };
    let results = [NDR32_ACCEPTED[0]];
    let body = Body::BindAck(peer::ack(&results));
    let packet =
        Packet { auth: Some(auth), ..Packet::new(PfcFlags::WHOLE, End::call_id(bind), body) };
    let mut bytes = vec![0; packet.encoded_len()];
    packet.encode(&mut bytes).unwrap();
    bytes
}

#[test]
fn samba_shows_its_clock_and_its_name_although_it_is_no_kms_host() {
    if !require("samba_shows_its_clock", SAMBA) {
        return;
    }
    let server = daemon::samba(None);
    let report = check(server.address, &by_ntlm(options(Stage::Rpc)));
    assert_eq!(verdict(&report), "bind.not_kms", "the port speaks RPC, and not for KMS");
    let clock = clock(&report);
    assert_eq!(clock["verdict"], "clock.ok", "{report:#}");
    assert_eq!(clock["facts"]["source"], "ntlm");
    assert_eq!(clock["facts"]["ntlm"]["computer"], "KMSHOST");
    assert_eq!(clock["facts"]["ntlm"]["os_version"], "6.1.0");
    assert!(clock["facts"]["reading"]["offset_us"].is_i64());
    assert_eq!(report["targets"][0]["findings"], Value::Array(Vec::new()));
}

#[test]
fn samba_that_lives_five_hours_later_is_skewed() {
    if !require("samba_that_lives_five_hours_later_is_skewed", SHIFTED_SAMBA) {
        return;
    }
    let server = daemon::samba(Some("+5h"));
    let report = check(server.address, &by_ntlm(options(Stage::Rpc)));
    assert_eq!(clock(&report)["verdict"], "clock.skewed", "{report:#}");
    let (code, cause) = finding(&report);
    assert_eq!(code, "clock.skewed", "beside the verdict, which says more");
    assert!(cause.contains("ahead of this machine's"), "{cause}");
}

#[test]
fn the_simulator_takes_no_ntlm_and_that_is_the_reason() {
    let server = Server::start(ServeConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    })
    .unwrap();
    let report = check(*server.addresses().first().unwrap(), &by_ntlm(options(Stage::Rpc)));
    assert_eq!(verdict(&report), "rpc.ok", "an unknown clock is no failure");
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "refused");
    assert_eq!(clock(&report)["facts"]["unknown"]["reason"], 8);
    let (code, cause) = finding(&report);
    assert_eq!(code, "clock.unknown");
    assert!(cause.contains("it takes no NTLM on this port"), "{cause}");
}

#[test]
fn a_clock_five_hours_ahead_is_the_verdict_of_a_host_that_is_otherwise_healthy() {
    let report = check_ntlm(clock_ahead(5 * HOUR));
    assert_eq!(verdict(&report), "clock.skewed");
    let entry = &report["targets"][0];
    assert_eq!(entry["severity"], "critical");
    assert_eq!(entry["client_sees"], serde_json::json!(["0xC004F074", "0xC004F06C"]));
    assert_eq!(facts(&report, "rpc")["fault"]["name"], "nca_s_op_rng_error", "it answered");
    assert_eq!(entry["findings"], Value::Array(Vec::new()), "said once");
    let name = clock(&report)["facts"]["ntlm"]["computer"].as_str().unwrap();
    assert_eq!(name, "KMS\\u{1b}[2J1", "no command for a terminal");
}

#[test]
fn a_clock_ten_minutes_behind_is_a_warning_beside_the_verdict() {
    let report = check_ntlm(clock_ahead(-600));
    assert_eq!(verdict(&report), "rpc.ok");
    assert_eq!(report["verdict"], "clock.drifting", "the worst of all");
    assert_eq!(finding(&report).0, "clock.drifting");
}

#[test]
fn the_program_fails_on_a_skewed_clock_and_shows_it() {
    let (address, host) = host_with(clock_ahead(-26 * HOUR));
    let output = Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(["check", &address.to_string(), "--clock", "ntlm"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    // A program that ended early left the host waiting: that is said above, and not waited for.
    host.join().unwrap();
    assert!(text.starts_with("CRITICAL clock.skewed"), "{text}");
    assert!(text.contains("1 d 2 h behind this machine's"), "{text}");
    assert!(text.contains("0xC004F06C (events 12288 and 12290)"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

/// The answer to the bind that offers NTLM leaves the clock unknown, for this reason.
fn unknown(why: &str, script: impl FnOnce(End) + Send + 'static) {
    let report = check_ntlm(script);
    assert_eq!(verdict(&report), "rpc.ok", "{why}");
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], why, "{report:#}");
    assert_eq!(finding(&report).0, "clock.unknown");
}

#[test]
fn every_other_answer_is_an_unknown_clock_with_its_reason() {
    unknown("closed", |mut end: End| {
        end.pdu();
        end.close();
    });
    unknown("reset", |mut end: End| {
        end.pdu();
        end.reset();
    });
    unknown("foreign", |mut end: End| {
        end.pdu();
        end.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        end.close();
    });
    unknown("refused", |mut end: End| {
        let bind = end.pdu();
        end.send(&peer::bind_nak(End::call_id(&bind), BindNakReason::LOCAL_LIMIT_EXCEEDED));
        end.close();
    });
    unknown("not_offered", |mut end: End| end.accept_bind());
    unknown("no_time", |mut end: End| {
        let bind = end.pdu();
        end.send(&ack_with_challenge(&bind, &challenge("KMS1", None)));
        end.wait_for_the_probe_to_leave();
    });
    unknown("no_time", |mut end: End| {
        let bind = end.pdu();
        let never = Some(FileTime::from_ticks(0));
        end.send(&ack_with_challenge(&bind, &challenge("KMS1", never)));
        end.wait_for_the_probe_to_leave();
    });
    // As emulators do: the length of the trailer is echoed, and there is no trailer.
    unknown("malformed", |mut end: End| {
        let bind = end.pdu();
        let mut ack = peer::bind_ack(End::call_id(&bind), &NDR32_ACCEPTED);
        ack[10..12].copy_from_slice(&bind[10..12]);
        end.send(&ack);
        end.wait_for_the_probe_to_leave();
    });
    unknown("malformed", |mut end: End| {
        let bind = end.pdu();
        end.send(&ack_with_challenge(&bind, &challenge("KMS1", None)[..60]));
        end.wait_for_the_probe_to_leave();
    });
    unknown("malformed", |mut end: End| {
        let call = end.pdu();
        end.reply(End::call_id(&call), Body::Shutdown);
        end.wait_for_the_probe_to_leave();
    });
}

#[test]
fn a_peer_that_drips_its_challenge_is_silent_when_the_time_is_over() {
    let mut options = by_ntlm(options(Stage::Rpc));
    options.timeouts.clock = IMPATIENCE;
    let report = check_host(&options, |mut end: End| {
        let bind = end.pdu();
        let mut pdu = ack_with_challenge(&bind, &challenge("KMS1", None));
        // Announced to be longer than it will ever be.
        pdu[8..10].copy_from_slice(&60_000u16.to_le_bytes());
        end.drip(pdu.into_iter().chain(std::iter::repeat(0)));
    });
    assert_eq!(clock(&report)["facts"]["unknown"]["why"], "silent");
    assert!(finding(&report).1.contains("no whole answer within 250 ms"));
}

#[test]
fn a_port_that_does_not_open_is_not_asked() {
    let report = check(daemon::free_port(), &by_ntlm(options(Stage::Rpc)));
    assert_eq!(verdict(&report), "tcp.refused");
    assert!(crate::clocks(&report).is_empty(), "no stage that did not run");
}
