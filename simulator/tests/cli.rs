//! The command line of kms-sim as a person or a script meets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use common::sim::{Sim, assert_refused, kms_sim};
use common::{Client, Reply, connect, request};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::kms::product::PRODUCTS;
use kms_protocol::kms::{MachineName, Request};
use nix::sys::signal::Signal;
use skip::Need;

#[test]
fn bad_flags_are_named_on_standard_error_and_nothing_is_started() {
    let long_label = format!("{}.test", "a".repeat(64));
    let long_name = vec!["a".repeat(49); 6].join(".");
    for (arguments, named) in [
        (&["--bogus"][..], "--bogus"),
        (&["extra"], "extra"),
        (&["--listen", "127.0.0.1"], "--listen"),
        (&["--listen", "127.0.0.1:65536"], "--listen"),
        (&["--listen", "localhost:1688"], "--listen"),
        (&["--listen", "::1:1688"], "--listen"),
        (&["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"], "given twice"),
        (&["--dns", "53"], "--dns"),
        (&["--dns", "127.0.0.1:0", "--domain", ""], "--domain"),
        (&["--dns", "127.0.0.1:0", "--domain", "lab..test"], "label 2 is empty"),
        (&["--dns", "127.0.0.1:0", "--domain", "la b.test"], "la b"),
        (&["--dns", "127.0.0.1:0", "--domain", &long_label], "64 characters"),
        (&["--dns", "127.0.0.1:0", "--domain", &long_name], "299 characters"),
        (&["--dns", "127.0.0.1:0", "--dns-host", "k!"], "--dns-host"),
        (&["--dns-weight", "65536"], "--dns-weight"),
        (&["--dns-ttl", "-1"], "--dns-ttl"),
        (&["--max-connections", "0"], "--max-connections"),
        (&["--max-connections-per-address", "many"], "--max-connections-per-address"),
        (&["--max-buffered", "1 parsec"], "--max-buffered"),
        (&["--idle-timeout", "0s"], "--idle-timeout"),
        (&["--idle-timeout", "-1s"], "--idle-timeout"),
        (&["--max-connections", "-1"], "--max-connections"),
        (&["--lab-key", "-1"], "--lab-key"),
        (&["--request-timeout", "30"], "--request-timeout"),
        (&["--workers", "257"], "--workers"),
        (&["--activation-interval", "14"], "--activation-interval"),
        (&["--renewal-interval", "43201"], "--renewal-interval"),
        (&["--initial-count", "windows"], "--initial-count"),
        (&["--initial-count", "55c92734-d682-4d71-983e-d6ec3f16059=5"], "not a GUID"),
        (&["--initial-count", "00000000-0000-0000-0000-000000000000=5"], "no product"),
        (&["--lab-key", "00"], "--lab-key"),
        (&["--lab-key", "g0000000000000000000000000000000"], "--lab-key"),
        (&["--clock-offset", "soon"], "--clock-offset"),
        (&["--log-format", "xml"], "--log-format"),
        (&["--log-level", "loud"], "--log-level"),
        (&["--config", "/nonexistent/kms.toml"], "/nonexistent/kms.toml"),
        (&["--listen", "192.0.2.1:1688"], "192.0.2.1:1688"),
    ] {
        let output = kms_sim().arg("serve").args(arguments).output().unwrap();
        assert_refused(&output, named);
    }
}

#[test]
fn bad_commands_are_refused_and_help_and_version_are_not() {
    for arguments in [&[][..], &["sever"], &["catalog", "--format", "xml"], &["completions", "cmd"]]
    {
        let output = kms_sim().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    assert_refused(&kms_sim().args(["man", "nope"]).output().unwrap(), "nope");
    let help = stdout_of(&["serve", "--help"]);
    for fixed in [
        "--listen",
        "--dns",
        "--domain",
        "--config",
        "--max-connections",
        "--max-connections-per-address",
        "--lab-key",
        "--log-format",
        "--log-level",
        "[default: 127.0.0.1:1688]",
        "[default: 256MiB]",
        "[default: 120]",
        "[default: 5m]",
    ] {
        assert!(help.contains(fixed), "{fixed}");
    }
    assert_eq!(stdout_of(&["--version"]), format!("kms-sim {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_files_are_refused_with_file_line_column_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kms.toml");
    for (text, place, named) in [
        ("listen = [\"127.0.0.1:0\"]\nmax_conections = 5\n", ":2:1:", "max_conections"),
        ("\n  max_connections = \"many\"\n", ":2:21:", "key `max_connections`"),
        (
            "listen = [\n  \"127.0.0.1:0\",\n  \"nope\",\n]\n",
            ":3:3:",
            "key `listen`: invalid value `nope`",
        ),
        ("listen = \"127.0.0.1:0\"\n", ":1:10:", "key `listen`"),
        ("domain = \"lab..test\"\n", ":1:10:", "label 2 is empty"),
        ("lab_key = 5\n", ":1:11:", "key `lab_key`"),
        ("not_activated = \"yes\"\n", ":1:17:", "key `not_activated`"),
        ("log_level = \"loud\"\n", ":1:13:", "key `log_level`"),
        ("initial_count = [\"dos=1\"]\n", ":1:18:", "key `initial_count`"),
        ("seed = 1\nseed = 2\n", ":2:1:", "seed"),
        ("[serve]\nseed = 1\n", ":1:2:", "serve"),
        ("listen = [\n", ":1:11:", "listen"),
        ("config = \"other.toml\"\n", ":1:1:", "config"),
    ] {
        std::fs::write(&path, text).unwrap();
        let output = kms_sim().args(["serve", "--config"]).arg(&path).output().unwrap();
        assert_refused(&output, &format!("{}{place}", path.display()));
        assert_refused(&output, named);
    }
    std::fs::write(&path, [0xFF, 0xFE]).unwrap();
    let output = kms_sim().args(["serve", "--config"]).arg(&path).output().unwrap();
    assert_refused(&output, "kms.toml");
}

#[test]
fn an_occupied_port_is_refused_for_host_and_dns() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    let output = kms_sim().args(["serve", "--listen", &address]).output().unwrap();
    assert_refused(&output, &format!("cannot listen on `{address}`: the port is occupied"));
    let output =
        kms_sim().args(["serve", "--listen", "127.0.0.1:0", "--dns", &address]).output().unwrap();
    assert_refused(&output, &address);
}

#[test]
fn a_running_kms_sim_occupies_its_port() {
    let sim = Sim::start(&[]);
    let output = kms_sim().args(["serve", "--listen", &sim.address.to_string()]).output().unwrap();
    assert_refused(&output, "the port is occupied");
}

#[test]
fn a_low_port_without_permission_is_refused() {
    let needs = [Need::Root];
    if !skip::require("cli::a_low_port_without_permission_is_refused", &needs) {
        return;
    }
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() <= 7 {
        return skip::skip("cli::a_low_port", "every port is open to every user here");
    }
    let copy = tempfile::Builder::new().permissions(world_readable()).tempdir().unwrap();
    let program = copy.path().join("kms-sim");
    std::fs::copy(cargo_bin("kms-sim"), &program).unwrap();
    let output = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:7"])
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    assert_refused(&output, "`127.0.0.1:7`: no permission");
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kms.toml");
    let text = "initial_count = [\"windows=9\"]\nclock_offset = \"5h\"\n\
                max_buffered = \"64MiB\"\nidle_timeout = \"1h\"\nseed = 7\n";
    std::fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let sim = Sim::start(&["--config", file]);
    assert!(matches!(sim.bind().ask(&request(1)), Reply::Error(0xC004_F06C)));
    let sim = Sim::start(&["--config", file, "--clock-offset", "-1h"]);
    assert_eq!(sim.bind().ask(&request(1)).count(), 10);
}

#[test]
fn a_request_is_one_line_with_product_client_cmid_count_and_result() {
    for format in ["text", "json"] {
        let sim = Sim::start(&["--log-format", format, "--initial-count", "windows=24"]);
        let hostile = MachineName::new("PC\u{1b}[31m\nFAKE \"line\"\u{202e}").unwrap();
        let asked = Request { machine_name: hostile, ..request(1) };
        let mut client = sim.bind();
        assert_eq!(client.ask(&asked).count(), 25);
        let skewed = Request { client_time: Default::default(), ..request(2) };
        assert!(matches!(client.ask(&skewed), Reply::Error(0xC004_F06C)));
        let log = sim.stop();
        assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "{log}");
        assert!(!log.contains('\u{202e}'), "{log}");
        let requests: Vec<&str> = log.lines().filter(|line| line.contains("cmid")).collect();
        let [answered, refused] = requests[..] else { panic!("not two lines: {log}") };
        let product = PRODUCTS.iter().find(|product| product.sku_id == asked.sku_id).unwrap();
        let cmid = Guid::from_bytes([1; 16]).to_string();
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(answered).unwrap();
            assert_eq!(line["product"], product.name);
            assert_eq!(line["client"], "PC\u{1b}[31m\nFAKE \"line\"\u{202e}");
            assert_eq!(line["cmid"], cmid);
            assert_eq!(line["count"], 25);
            assert_eq!(line["n_policy"], 25);
            assert_eq!(line["result"], "0x00000000");
            assert_eq!(line["version"], "6.0");
            assert_eq!(line["ndr"], "ndr64");
            assert!(line["elapsed_us"].is_u64() && line["peer"].is_string());
            let line: serde_json::Value = serde_json::from_str(refused).unwrap();
            assert_eq!(line["result"], "0xC004F06C");
            assert!(line["count"].is_null() && line["reason"].is_string());
        } else {
            assert!(answered.contains(&format!("product=\"{}\"", product.name)), "{answered}");
            let client = r#"client="PC\u{1b}[31m\nFAKE \"line\"\u{202e}""#;
            assert!(answered.contains(client), "{answered}");
            assert!(answered.contains(&format!("cmid=\"{cmid}\" count=25 n_policy=25")));
            assert!(refused.contains("result=\"0xC004F06C\" reason=\"clocks"), "{refused}");
        }
    }
}

#[test]
fn a_foreign_key_warns_and_requests_do_not_at_level_warn() {
    let sim = Sim::start(&["--log-level", "warn"]);
    let mut client = sim.bind();
    assert_eq!(client.ask(&request(1)).count(), 1);
    client.use_key(&LabKey::from_bytes([9; 16]));
    assert!(matches!(client.ask(&request(1)), Reply::Error(0x8007_000D)));
    let log = sim.stop();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN foreign key: a real client or another lab"), "{log}");
}

#[test]
fn sigterm_and_sigint_drain_with_exit_code_0_and_sighup_is_ignored() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut sim = Sim::start(&[]);
        let mut client = sim.bind();
        sim.signal(Signal::SIGHUP);
        assert_eq!(client.ask(&request(1)).count(), 1);
        sim.signal(signal);
        assert!(client.is_closed_by_server());
        assert_eq!(sim.child.wait().unwrap().code(), Some(0));
        let log = sim.log();
        assert!(log.contains("seed="), "the seed is logged: {log}");
        assert!(log.contains("stopped") && log.contains("requests=1 requests_accepted=1"), "{log}");
    }
}

#[test]
fn a_host_without_free_descriptors_leaves_clients_waiting_and_recovers() {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 24; exec \"$0\" \"$@\""]).arg(cargo_bin("kms-sim"));
    let flags = ["--workers", "1", "--max-connections", "1000", "--log-level", "warn"];
    let mut sim = Sim::spawn(&mut limited, &flags);
    let mut inside = sim.bind();
    let waiting: Vec<TcpStream> = (0..40).map(|_| connect(sim.address)).collect();
    let log = BufReader::new(sim.child.stderr.take().unwrap());
    let warned = log.lines().any(|line| line.unwrap().contains("cannot accept connections"));
    assert!(warned);
    assert_eq!(inside.ask(&request(1)).count(), 1, "those inside are served");
    drop(waiting);
    assert_eq!(sim.bind().ask(&request(2)).count(), 2);
}

#[test]
fn dns_leads_to_every_listener_by_its_own_port() {
    let mut sim = Sim::start(&[
        "--listen",
        "127.0.0.2:0",
        "--dns",
        "127.0.0.1:0",
        "--domain",
        "corp.test",
        "--dns-priority",
        "10",
        "--dns-weight",
        "75",
    ]);
    let second = sim.ready_line("listening on ");
    let dns = sim.ready_line("dns listening on ");
    let mut found: Vec<(u16, Name)> = ask_dns(dns, "_vlmcs._tcp.corp.test.", RecordType::SRV)
        .into_iter()
        .map(|data| match data {
            RData::SRV(srv) => {
                assert_eq!((srv.priority, srv.weight), (10, 75));
                (srv.port, srv.target)
            }
            other => panic!("not SRV: {other}"),
        })
        .collect();
    found.sort();
    let mut listeners = [sim.address, second];
    listeners.sort_by_key(SocketAddr::port);
    assert_eq!(found.len(), 2);
    for ((port, target), listener) in found.iter().zip(listeners) {
        assert_eq!(*port, listener.port());
        let addresses = ask_dns(dns, &target.to_ascii(), RecordType::A);
        assert_eq!(addresses.len(), 1);
        assert_eq!(addresses[0].ip_addr(), Some(listener.ip()));
        assert_eq!(Client::bind(listener).unwrap().ask(&request(1)).count(), 1);
    }
}

#[test]
fn the_catalogue_has_the_fixed_keys_and_every_product() {
    let json: serde_json::Value =
        serde_json::from_str(&stdout_of(&["catalog", "--format", "json"])).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), PRODUCTS.len());
    for (row, product) in rows.iter().zip(PRODUCTS) {
        let mut keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["app_id", "family", "gvlk", "kms_id", "n_policy", "product", "sku_id"]);
        assert_eq!(row["product"], product.name);
        assert_eq!(row["n_policy"], product.n_policy);
        for id in ["app_id", "kms_id", "sku_id"] {
            assert!(row[id].as_str().unwrap().parse::<Guid>().is_ok());
        }
        assert!(row["gvlk"].is_null() || row["gvlk"].as_str().unwrap().len() == 29);
    }
    let text = stdout_of(&["catalog"]);
    assert_eq!(text.lines().count(), PRODUCTS.len() + 1);
    assert!(PRODUCTS.iter().all(|product| text.contains(&product.sku_id.to_string())));
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout_of(&["completions", shell]);
        assert!(script.contains("max-connections-per-address"), "{shell}");
    }
    assert!(stdout_of(&["man"]).contains(".TH kms-sim 1"));
    assert!(stdout_of(&["man", "serve"]).contains("max\\-connections\\-per\\-address"));
}

fn stdout_of(arguments: &[&str]) -> String {
    let output = kms_sim().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn ask_dns(server: SocketAddr, name: &str, record: RecordType) -> Vec<RData> {
    let mut message = Message::query();
    message.add_query(Query::query(name.parse().unwrap(), record));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    socket.send_to(&message.to_vec().unwrap(), server).unwrap();
    let mut buffer = [0; 4096];
    let len = socket.recv(&mut buffer).unwrap();
    let answer = Message::from_vec(&buffer[..len]).unwrap();
    answer.answers.iter().map(|record| record.data.clone()).collect()
}

fn world_readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o755)
}

const NOBODY: u32 = 65_534;
