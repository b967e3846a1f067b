//! Reports of real checks, some with names that a hostile network could send.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::process::{Command, Output, Stdio};

use kms_probe::check::{self, Options, Report};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;
use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use kms_simulator::serve::{ServeConfig, Server};

use crate::support::options;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANY_PORT: SocketAddr = SocketAddr::new(LOOPBACK, 0);

/// What no report may pass on as it is: an element, a formula, an escape sequence, a direction
/// mark, the end of a label, of a quoted value and of a line.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\u{202e}=cmd|'x\u{1b}[2J\"} 1\n|q=1";

/// A healthy host with an alias beside it, a dead one, a missing one.
pub(crate) fn report() -> Report {
    let config = ServeConfig {
        listen: vec![ANY_PORT],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    };
    let server = Server::start(config).unwrap();
    let port = server.addresses().first().unwrap().port();
    let host =
        |name: &str, port, weight| HostRecord { port, weight, ..HostRecord::new(name, [LOOPBACK]) };
    let zone = Zone::new("corp.test")
        .unwrap()
        .host(host("kms1", port, 75))
        .unwrap()
        .host(host("dead", 1, 25))
        .unwrap()
        .service(9, 0, 1688, "gone.corp.test")
        .unwrap();
    let dns = DnsServer::start(ANY_PORT, zone).unwrap();
    let options = Options { resolvers: vec![dns.address()], ..options(Stage::Kms) };
    let targets = ["corp.test", "none.corp.test"].map(|t| Asked::parse(t, false).unwrap());
    check::run(&targets, &options).unwrap()
}

/// The same with hostile text wherever the network has a say.
pub(crate) fn hostile_report() -> Report {
    let mut report = report();
    for entry in &mut report.entries {
        entry.target = format!("{HOSTILE}{}", entry.target);
        entry.host = entry.host.as_ref().map(|host| format!("{HOSTILE}{host}"));
        entry.verdict.cause.push_str(HOSTILE);
        entry.verdict.remedy = Some(HOSTILE.to_owned());
        for finding in &mut entry.findings {
            finding.verdict.cause.push_str(HOSTILE);
        }
    }
    report
}

/// What a program says of `input`.
pub(crate) fn fed(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(crate::skip::tool(program).unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Fails unless the program was content.
#[track_caller]
pub(crate) fn assert_accepted(output: &Output, input: &str) {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}\n{input}");
}
