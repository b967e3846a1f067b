//! What `packaging/monitoring/` ships: Prometheus and its tools read it, and a real Prometheus that
//! scrapes by it has every metric that rules and dashboard ask for.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use serde_json::Value;

use crate::authority::{Authority, Wanted};
use crate::daemon;
use crate::harness::{Exporter, command, kms_host, request, until};
use crate::server::openssl;
use crate::skip::{self, Need, require, tool};

fn folder() -> PathBuf {
    skip::workspace_root().join("packaging/monitoring")
}

fn shipped(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

#[test]
fn rules_do_what_their_tests_say_and_the_scrape_configuration_is_one() {
    if !require("monitoring::rules", &[Need::Tool("promtool")]) {
        return;
    }
    let promtool = |folder: &Path, arguments: &[&str]| {
        let mut command = Command::new(tool("promtool").unwrap());
        command.args(arguments).current_dir(folder).output().unwrap()
    };
    for arguments in [
        &["test", "rules", "kms.rules.test.yml"][..],
        &["check", "rules", "kms.rules.yml"],
        &["check", "config", "prometheus.yml"],
    ] {
        let output = promtool(&folder(), arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    let (rules, tests) = (shipped("kms.rules.yml"), shipped("kms.rules.test.yml"));
    let alerts: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(alerts.len(), 13);
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test");
    }
    // The tests of a rule that waits for less fail.
    let changed = tempfile::tempdir().unwrap();
    fs::write(changed.path().join("kms.rules.yml"), rules.replace("for: 5m", "for: 1m")).unwrap();
    fs::write(changed.path().join("kms.rules.test.yml"), tests).unwrap();
    let output = promtool(changed.path(), &["test", "rules", "kms.rules.test.yml"]);
    assert!(!output.status.success());
}

#[test]
fn the_file_of_modules_that_is_shipped_is_in_order() {
    let path = folder().join("modules.toml");
    let output = command().arg("--check-config").arg("--modules").arg(path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    let scraped = shipped("prometheus.yml");
    let modules = scraped.lines().filter_map(|line| line.trim().strip_prefix("module: ["));
    for module in modules.map(|module| module.trim_end_matches(']')) {
        assert!(shown.contains(&format!("[module.{module}]")), "no {module} in {shown}");
    }
}

#[test]
fn the_unit_is_sound_and_confined() {
    const TOOL: &str = "systemd-analyze";
    if !require("monitoring::unit", &[Need::Tool(TOOL)]) {
        return;
    }
    let name = "kms-probe-exporter.service";
    let unit = skip::workspace_root().join("packaging/systemd").join(name);
    let unit = fs::read_to_string(unit).unwrap();
    // The program is not installed here.
    let unit = unit.replace("/usr/local/bin/kms-probe", env!("CARGO_BIN_EXE_kms-probe"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, unit).unwrap();
    for arguments in [&["verify", "--man=no"][..], &["security", "--offline=yes", "--threshold=20"]]
    {
        let output = Command::new(tool(TOOL).unwrap()).args(arguments).arg(&path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_real_prometheus_scrapes_every_metric_that_rules_and_dashboard_ask_for() {
    let needs = [&[Need::Tool("prometheus"), Need::Tool("openssl")][..], daemon::CHRONY].concat();
    if !require("monitoring::a_real_prometheus", &needs) {
        return;
    }
    let (_server, port) = kms_host();
    let record = HostRecord { port, ..HostRecord::new("kms1", [Ipv4Addr::LOCALHOST.into()]) };
    let zone = Zone::new("lab.test").unwrap().host(record).unwrap();
    let dns = DnsServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), zone).unwrap();
    let clock = daemon::chrony(None, true);
    let authority = Authority::new("Lab Root");
    // A certificate that ends soon is a finding, and there is a series for those.
    let tls = openssl(&authority.issue(&Wanted { until: 5, ..Wanted::good() }), &[]);
    let root = tls.folder().join("root");
    fs::write(&root, authority.pem()).unwrap();
    let exporter = Exporter::new(
        &format!(
            "[all]\nresolver = [\"{}\"]\n[targets]\nallow = [\"lab.test\", \"127.0.0.0/8:*\"]\n\
             [module.rpc]\n[module.clock]\ndepth = \"kms\"\nclock = [\"sntp://{}\"]\n\
             tls = [\"{}\"]\ntls_ca = [{root:?}]\n",
            dns.address(),
            clock.address,
            tls.address,
        ),
        &[],
    );
    assert_eq!(exporter.get("/probe?target=192.0.2.1").status, 403);

    let prometheus = Prometheus::start(exporter.address);
    for (query, expected) in [
        ("probe_success{job=\"kms\",instance=\"lab.test\",module=\"rpc\"}", "1"),
        ("probe_success{job=\"kms\",instance=\"127.0.0.1:1\",module=\"rpc\"}", "0"),
        ("min(kms_probe_certificate_days_left{job=\"kms_clock\"})", "5"),
        ("min(kms_probe_exporter_probes_total{module=\"clock\"} > bool 0)", "1"),
        ("kms_probe_exporter_refused_total{reason=\"not_allowed\"}", "1"),
    ] {
        until(query, || prometheus.value(query).as_deref() == Some(expected));
    }
    let names = prometheus.get("/api/v1/label/__name__/values");
    let names: BTreeSet<&str> =
        names["data"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut asked = BTreeSet::new();
    for expression in expressions() {
        let found = metrics(&expression);
        assert!(!found.is_empty(), "no metric in {expression}");
        asked.extend(found);
    }
    assert!(asked.len() > 15, "{asked:?}");
    let missing: Vec<&String> =
        asked.iter().filter(|name| !names.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} of {names:?}");
    assert_documented(&names);
    let rules = prometheus.get("/api/v1/rules");
    assert_eq!(rules["data"]["groups"].as_array().unwrap().len(), 2, "{rules:#}");
    // What the dashboard asks is understood, with its variables as Grafana fills them in.
    for expression in expressions() {
        let filled = expression
            .replace("$job", ".*")
            .replace("$instance", ".*")
            .replace("$__rate_interval", "5m");
        let answer = prometheus.query(&filled);
        assert_eq!(answer["status"], "success", "{filled}: {answer}");
    }
}

/// The tables of the documentation name every metric that there is, and no other.
fn assert_documented(scraped: &BTreeSet<&str>) {
    let text = fs::read_to_string(skip::workspace_root().join("docs/exporter.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<&str> = rows
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("kms_probe_") || name.starts_with("probe_"))
        .collect();
    let ours =
        scraped.iter().filter(|name| name.contains("kms_probe_") || name.starts_with("probe_"));
    let ours: BTreeSet<&str> = ours.map(|name| family(name)).collect();
    assert_eq!(ours, documented);
}

/// The name of a histogram, for its parts.
fn family(name: &str) -> &str {
    let part = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    part.filter(|whole| whole.ends_with("_seconds")).unwrap_or(name)
}

/// What the panels of the dashboard and the rules ask.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&shipped("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut found: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let rules = shipped("kms.rules.yml");
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(expression) = line.trim().strip_prefix("expr: ") else { continue };
        let mut expression = expression.trim_start_matches(">-").to_owned();
        while let Some(more) = lines.next_if(|next| next.starts_with("          ")) {
            expression = format!("{expression} {}", more.trim());
        }
        found.push(expression);
    }
    found
}

/// The names in an expression that are metrics of ours, or `up`.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_ours =
        |word: &&str| word.starts_with("kms_probe_") || word.starts_with("probe_") || *word == "up";
    words.filter(is_ours).map(str::to_owned).collect()
}

/// A Prometheus that goes by what is shipped, with addresses of the test in place of the examples.
struct Prometheus {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(exporter: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let rules = self::folder().join("kms.rules.yml");
        let mut text = shipped("prometheus.yml");
        for (example, ours) in [
            ("127.0.0.1:9688", exporter.to_string().as_str()),
            ("kms2.corp.example.com:1688", "127.0.0.1:1"),
            ("corp.example.com", "lab.test"),
            ("kms.rules.yml", rules.to_str().unwrap()),
            ("scrape_timeout: 10s", "scrape_timeout: 5s"),
            ("_interval: 1m", "_interval: 5s"),
            ("_interval: 2m", "_interval: 5s"),
        ] {
            assert!(text.contains(example), "{example}");
            text = text.replace(example, ours);
        }
        fs::write(&config, text).unwrap();
        for _ in 0..START_ATTEMPTS {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let log = fs::File::create(folder.path().join("log")).unwrap();
            let mut child = Command::new(tool("prometheus").unwrap())
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
                .arg(format!("--web.listen-address={address}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut has_ended = false;
            until("Prometheus is ready or has ended", || {
                has_ended = child.try_wait().unwrap().is_some();
                has_ended
                    || std::net::TcpStream::connect(address).is_ok()
                        && request(address, "GET", "/-/ready", &[]).status == 200
            });
            if !has_ended {
                return Self { address, child, _folder: folder };
            }
        }
        let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("Prometheus does not start: {log}");
    }

    fn get(&self, path: &str) -> Value {
        // HTTP/1.0 has no chunks.
        let head = format!("GET {path} HTTP/1.0\r\n\r\n");
        let answer = crate::harness::raw(self.address, head.as_bytes());
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    fn query(&self, expression: &str) -> Value {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("/api/v1/query?query={encoded}"))
    }

    /// The value of the only series.
    fn value(&self, expression: &str) -> Option<String> {
        let answer = self.query(expression);
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

const START_ATTEMPTS: usize = 3;
