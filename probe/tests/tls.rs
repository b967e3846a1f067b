//! TLS endpoints: OpenSSL's server with certificates made here, and peers that speak no TLS.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/server.rs"]
mod server;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod support;

use std::net::SocketAddr;
use std::process::Command;

use kms_probe::check::{self, Options};
use kms_probe::report::{Style, text};
use kms_probe::stage::Stage;
use kms_probe::stage::tls::{ProblemKind, Trust};
use kms_probe::target::{Asked, Target};
use rustls::pki_types::ServerName;
use serde_json::Value;

use self::authority::{Authority, Wanted, days_from_now};
use self::server::{Server, openssl};
use self::skip::{Need, require};
use self::support::peer::Peer;
use self::support::{IMPATIENCE, facts, options, valid_json, verdict};

const OPENSSL: &[Need] = &[Need::Tool("openssl")];

/// Checks one endpoint, trusting `authority` where there is one.
fn check_with(address: SocketAddr, authority: Option<&Authority>, options: Options) -> Value {
    valid_json(&check::run(&[], &with(address, authority, options)).unwrap())
}

fn with(address: SocketAddr, authority: Option<&Authority>, mut options: Options) -> Options {
    let target = Target::Address(address);
    options.tls.endpoints = vec![Asked { text: address.to_string(), target }];
    options.tls.extra_roots = authority.iter().map(|authority| authority.root()).collect();
    options
}

fn check(address: SocketAddr, authority: Option<&Authority>) -> Value {
    check_with(address, authority, options(Stage::Rpc))
}

/// Starts OpenSSL's server with a certificate as `wanted`, and checks it.
fn checked(wanted: &Wanted, is_trusted: bool) -> Value {
    let authority = Authority::new("Lab Root");
    let server = openssl(&authority.issue(wanted), &[]);
    check(server.address, is_trusted.then_some(&authority))
}

fn first_cause(report: &Value) -> &str {
    report["targets"][0]["cause"].as_str().unwrap()
}

fn first_remedy(report: &Value) -> &str {
    report["targets"][0]["remedy"].as_str().unwrap()
}

fn finding_codes(report: &Value) -> Vec<&str> {
    let findings = report["targets"][0]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn a_certificate_under_a_trusted_root_is_healthy_and_shown() {
    if !require("a_certificate_under_a_trusted_root_is_healthy_and_shown", OPENSSL) {
        return;
    }
    let report = checked(&Wanted::good(), true);
    assert_eq!(verdict(&report), "tls.ok", "{report:#}");
    let stages = report["targets"][0]["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["tcp", "tls"], "no KMS stage goes to an endpoint");
    let tls = facts(&report, "tls");
    assert_eq!(tls["protocol"], "TLS 1.3");
    assert!(tls["cipher_suite"].as_str().unwrap().starts_with("TLS13_"));
    assert_eq!(tls["extra_roots"], 1);
    let own = &tls["chain"][0];
    assert_eq!(own["issuer_name"], "Lab Root");
    assert_eq!(own["names"], serde_json::json!(["activation.test", "127.0.0.1"]));
    assert_eq!(own["days_valid"], 180);
    assert_eq!(report["targets"][0]["findings"], Value::Array(Vec::new()));
}

#[test]
fn an_unknown_root_is_untrusted_and_the_remedy_speaks_of_inspection() {
    if !require("an_unknown_root_is_untrusted_and_the_remedy_speaks_of_inspection", OPENSSL) {
        return;
    }
    let report = checked(&Wanted::good(), false);
    assert_eq!(verdict(&report), "tls.untrusted");
    let tls = facts(&report, "tls");
    assert_eq!(tls["protocol"], "TLS 1.3", "shown although not trusted");
    assert_eq!(tls["chain"][0]["issuer_name"], "Lab Root");
    assert!(first_cause(&report).contains("leaves out the intermediate one or"), "{report:#}");
    assert!(first_remedy(&report).contains("exempt 127.0.0.1 from inspection"));
    assert_eq!(report["targets"][0]["client_sees"], Value::Array(Vec::new()), "not documented");
}

#[test]
fn a_chain_to_an_unknown_root_names_where_it_ends() {
    if !require("a_chain_to_an_unknown_root_names_where_it_ends", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab Root");
    let middle = authority.intermediate("Inspecting Proxy");
    let server = openssl(&middle.issue(&Wanted::good()), &[]);
    let report = check(server.address, None);
    assert_eq!(verdict(&report), "tls.untrusted");
    assert!(first_cause(&report).contains("`Inspecting Proxy`"), "{}", first_cause(&report));
    assert!(first_cause(&report).contains("ends at `CN=Lab Root`"), "{}", first_cause(&report));
    let report = check(server.address, Some(&authority));
    assert_eq!(verdict(&report), "tls.ok", "the same chain under a root that is known");
    assert_eq!(facts(&report, "tls")["chain"].as_array().unwrap().len(), 2);
}

#[test]
fn a_missing_intermediate_is_untrusted() {
    if !require("a_missing_intermediate_is_untrusted", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab Root");
    let middle = authority.intermediate("Lab Intermediate");
    let mut issued = middle.issue(&Wanted::good());
    issued.chain.truncate(1);
    let report = check(openssl(&issued, &[]).address, Some(&authority));
    assert_eq!(verdict(&report), "tls.untrusted");
    assert!(first_cause(&report).contains("the server sends no further certificate"));
}

#[test]
fn a_self_signed_certificate_is_untrusted_and_said_to_be_that() {
    if !require("a_self_signed_certificate_is_untrusted_and_said_to_be_that", OPENSSL) {
        return;
    }
    let report = check(openssl(&authority::self_signed(), &[]).address, None);
    assert_eq!(verdict(&report), "tls.untrusted");
    assert!(first_cause(&report).contains("signed by nobody but itself"), "{report:#}");
}

#[test]
fn expired_and_not_yet_valid_certificates_say_their_dates() {
    if !require("expired_and_not_yet_valid_certificates_say_their_dates", OPENSSL) {
        return;
    }
    let expired = checked(&Wanted { from: -60, until: -3, ..Wanted::good() }, true);
    assert_eq!(verdict(&expired), "tls.expired", "{expired:#}");
    assert!(facts(&expired, "tls")["chain"][0]["days_left"].as_i64().unwrap() < 0);
    assert!(first_cause(&expired).contains("is valid from 20"), "{}", first_cause(&expired));
    let future = checked(&Wanted { from: 3, until: 60, ..Wanted::good() }, true);
    assert_eq!(verdict(&future), "tls.not_yet_valid");
    assert!(first_remedy(&future).starts_with("Check this machine's clock"));
}

#[test]
fn another_hosts_certificate_is_a_mismatch_that_names_it() {
    if !require("another_hosts_certificate_is_a_mismatch_that_names_it", OPENSSL) {
        return;
    }
    let names = ["portal.corp.test", "192.0.2.9", "a.test", "b.test"].map(str::to_owned).to_vec();
    let report = checked(&Wanted { names, ..Wanted::good() }, true);
    assert_eq!(verdict(&report), "tls.name_mismatch");
    let expected = "it is for `portal.corp.test`, `192.0.2.9`, `a.test` and 1 more";
    assert!(first_cause(&report).contains(expected), "{}", first_cause(&report));
}

#[test]
fn everything_that_is_wrong_is_said_the_worst_first() {
    if !require("everything_that_is_wrong_is_said_the_worst_first", OPENSSL) {
        return;
    }
    let names = vec!["other.test".to_owned()];
    let report = checked(&Wanted { from: -60, until: -3, names }, false);
    assert_eq!(verdict(&report), "tls.untrusted");
    assert_eq!(finding_codes(&report), ["tls.name_mismatch", "tls.expired"]);
}

#[test]
fn a_certificate_near_its_end_is_a_word_and_very_near_it_a_warning() {
    if !require("a_certificate_near_its_end_is_a_word_and_very_near_it_a_warning", OPENSSL) {
        return;
    }
    for (from, until, severity) in
        [(-170, 20, Some("info")), (-170, 5, Some("warning")), (-3, 6, None), (-170, 22, None)]
    {
        let report = checked(&Wanted { from, until, ..Wanted::good() }, true);
        assert_eq!(verdict(&report), "tls.ok");
        let finding = &report["targets"][0]["findings"][0];
        assert_eq!(finding["severity"].as_str(), severity, "{from} {until}: {report:#}");
        if severity.is_some() {
            assert_eq!(finding["code"], "tls.expiring");
        }
    }
}

#[test]
fn the_time_of_judgement_is_a_parameter() {
    if !require("the_time_of_judgement_is_a_parameter", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab Root");
    let server = openssl(&authority.issue(&Wanted::good()), &[]);
    let trust = Trust::new(&[authority.root()]).unwrap();
    let name = ServerName::try_from("activation.test").unwrap();
    for (days, expected) in
        [(0, None), (400, Some(ProblemKind::Expired)), (-400, Some(ProblemKind::NotYetValid))]
    {
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        let now = days_from_now(days);
        let (facts, _) =
            kms_probe::stage::tls::handshake(stream, &name, &trust, now, support::PATIENCE)
                .unwrap();
        let kinds: Vec<_> = facts.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, expected.into_iter().collect::<Vec<_>>(), "{days}");
    }
}

#[test]
fn a_server_of_old_versions_is_named_and_shows_as_microsoft_documents_it() {
    if !require("a_server_of_old_versions_is_named_and_shows", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab Root");
    let issued = authority.issue(&Wanted::good());
    let server = openssl(&issued, &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let report = check(server.address, Some(&authority));
    assert_eq!(verdict(&report), "tls.handshake_failed", "{report:#}");
    assert_eq!(facts(&report, "tls")["failure"]["how"], "old_version");
    assert!(first_cause(&report).contains("neither TLS 1.2 nor TLS 1.3"));
    assert_eq!(report["targets"][0]["client_sees"], serde_json::json!(["0x80072F8F"]));
    let server = openssl(&issued, &["-tls1_2"]);
    let report = check(server.address, Some(&authority));
    assert_eq!(verdict(&report), "tls.ok");
    assert_eq!(facts(&report, "tls")["protocol"], "TLS 1.2");
}

#[test]
fn an_alert_is_named() {
    if !require("an_alert_is_named", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab Root");
    let issued = authority.issue(&Wanted::good());
    // It insists on a cipher that no modern client offers.
    let server = openssl(&issued, &["-tls1_2", "-cipher", "AES128-SHA"]);
    let report = check(server.address, Some(&authority));
    assert_eq!(verdict(&report), "tls.handshake_failed");
    assert_eq!(facts(&report, "tls")["failure"]["how"], "alert");
    assert!(first_cause(&report).contains("`handshake_failure`"), "{}", first_cause(&report));
    assert_eq!(report["targets"][0]["client_sees"], Value::Array(Vec::new()));
}

#[test]
fn what_is_not_tls_is_a_failed_handshake_that_shows_what_was_seen() {
    let page = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    for (answer, words) in [(&page[..], "plain HTTP"), (b"SSH-2.0-OpenSSH_9.2\r\n", "not TLS")] {
        let peer = Peer::new(move |mut end| {
            end.send(answer);
            end.close();
        });
        let report = check(peer.address, None);
        assert_eq!(verdict(&report), "tls.handshake_failed");
        assert_eq!(facts(&report, "tls")["failure"]["how"], "not_tls");
        assert!(first_cause(&report).contains(words), "{}", first_cause(&report));
    }
}

#[test]
fn a_peer_that_closes_or_resets_at_the_greeting_says_so() {
    let closing = Peer::new(|mut end| {
        std::io::Read::read_exact(&mut end.0, &mut [0; 5]).unwrap();
        end.close();
    });
    let report = check(closing.address, None);
    assert_eq!(verdict(&report), "tls.handshake_failed");
    assert_eq!(facts(&report, "tls")["failure"]["how"], "closed");
    let resetting = Peer::new(|mut end| {
        std::io::Read::read_exact(&mut end.0, &mut [0; 5]).unwrap();
        end.reset();
    });
    let report = check(resetting.address, None);
    assert_eq!(facts(&report, "tls")["failure"]["how"], "reset");
    assert!(first_remedy(&report).contains("server name in the client's greeting"));
}

#[test]
fn a_silent_peer_and_an_endless_drip_are_timeouts() {
    for drips in [false, true] {
        let peer = Peer::new(move |mut end| match drips {
            false => end.wait_for_the_probe_to_leave(),
            // A handshake record that never ends.
            true => end.drip([0x16, 3, 3, 0x3f, 0xff].into_iter().chain(std::iter::repeat(2))),
        });
        let mut options = options(Stage::Rpc);
        options.timeouts.tls = IMPATIENCE;
        let report = check_with(peer.address, None, options);
        assert_eq!(verdict(&report), "tls.timeout", "{report:#}");
        assert!(first_cause(&report).contains("within 250 ms"));
        assert_eq!(report["targets"][0]["client_sees"], serde_json::json!(["0x80072EE2"]));
    }
}

#[test]
fn a_closed_port_has_the_remedy_of_an_endpoint_and_not_of_a_kms_host() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = check(closed, None);
    assert_eq!(verdict(&report), "tcp.refused");
    assert!(first_remedy(&report).starts_with("Allow TCP"), "{}", first_remedy(&report));
    assert!(!first_remedy(&report).contains("sppsvc"));
    assert_eq!(report["targets"][0]["client_sees"], Value::Array(Vec::new()));
}

#[test]
fn a_name_without_address_shows_as_microsoft_documents_it_or_not_at_all() {
    let mut options = options(Stage::Rpc);
    options.resolvers =
        vec![std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()];
    options.timeouts.dns = IMPATIENCE;
    let target = Target::host("activation.corp.test", 443).unwrap();
    options.tls.endpoints = vec![Asked { text: "activation.corp.test".to_owned(), target }];
    let report = valid_json(&check::run(&[], &options).unwrap());
    assert!(verdict(&report).starts_with("dns."), "{report:#}");
    assert_eq!(report["targets"][0]["client_sees"], Value::Array(Vec::new()));
}

#[test]
fn the_program_trusts_a_file_of_roots_and_finds_a_host_by_its_name() {
    if !require("the_program_trusts_a_file_of_roots_and_finds_a_host_by_its_name", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab Root");
    let names = vec!["localhost".to_owned()];
    let server: Server = openssl(&authority.issue(&Wanted { names, ..Wanted::good() }), &[]);
    let roots = server.folder().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let endpoint = format!("localhost:{}", server.address.port());
    let run = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_kms-probe"))
            .args(["check", "-4", "--tls", &endpoint])
            .args(more)
            .output()
            .unwrap()
    };
    let output = run(&["--tls-ca", roots.to_str().unwrap()]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.starts_with("OK tls.ok  localhost:"), "{shown}");
    assert!(shown.contains("TLS 1.3"), "{shown}");
    let output = run(&[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.starts_with("CRITICAL tls.untrusted"), "{shown}");
}

#[test]
fn what_a_certificate_says_cannot_command_a_terminal() {
    if !require("what_a_certificate_says_cannot_command_a_terminal", OPENSSL) {
        return;
    }
    let authority = Authority::new("Lab\u{1b}[2J\u{202e}Root");
    let server = openssl(&authority.issue(&Wanted::good()), &[]);
    let options = with(server.address, None, options(Stage::Rpc));
    let report = check::run(&[], &options).unwrap();
    let shown = text::check(&report, Style::PLAIN);
    assert!(shown.contains("Lab\\u{1b}[2J\\u{202e}Root"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
}
