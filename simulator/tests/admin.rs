//! The admin API of a running `kms-sim serve`, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use common::{Client, Reply, request};
use kms_protocol::kms::MachineName;
use serde_json::{Value, json};
use skip::Need;
use tempfile::TempDir;

#[test]
fn every_path_of_the_document_is_served_and_the_document_is_the_one_checked_in() {
    let lab = Lab::start(&[]);
    let document = lab.get("/openapi.json");
    assert_eq!(document.status, 200);
    let checked_in = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/schema/admin.openapi.json"
    ));
    // To bring it up to date: `curl -s http://ADMIN/openapi.json > docs/schema/admin.openapi.json`.
    assert_eq!(document.body, checked_in.unwrap_or_default());
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "{paths:?}");
    for status in ["403", "408", "413", "415", "421", "429"] {
        assert!(paths["/api/v1/clock"]["patch"]["responses"][status].is_object(), "{status}");
    }
    let described = &paths["/api/v1/clients"]["get"]["responses"]["200"]["content"];
    let name = described["application/json"]["schema"]["$ref"].as_str().unwrap();
    let clients = document.pointer(name.trim_start_matches('#')).unwrap();
    assert!(clients["properties"]["total"].is_object(), "its own page, not the journal's");
    for (path, methods) in paths {
        let filled = path.replace("{id}", "no-such-rule");
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            if path == "/api/v1/events" {
                continue; // It has a test of its own.
            }
            let answer = lab.send(&method, &filled, "{}");
            assert!(answer.status < 500, "{method} {path}: {answer:?}");
            assert_ne!(answer.status, 405, "{method} {path}");
            assert!(!answer.body.contains("no such path"), "{method} {path}");
        }
    }
}

#[test]
fn every_answer_carries_the_headers_that_keep_a_page_safe() {
    let lab = Lab::start(&[]);
    for path in ["/", "/page.js", "/api/v1/state", "/metrics", "/nothing"] {
        let head = lab.get(path).head.to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
    }
}

#[test]
fn foreign_hosts_pages_methods_and_bodies_are_refused() {
    let lab = Lab::start(&[]);
    let with = |header: &str| lab.raw("POST", "/api/v1/faults/reset", &[header], "");
    assert_eq!(lab.raw_host("evil.test", "GET", "/api/v1/state", &[], "").status, 421);
    assert_eq!(with("Origin: http://evil.test").status, 403);
    assert_eq!(with("Origin: null").status, 403);
    assert_eq!(with("Sec-Fetch-Site: cross-site").status, 403);
    assert_eq!(with(&format!("Origin: http://{}", lab.admin)).status, 204);
    assert_eq!(lab.send("POST", "/api/v1/state", "{}").status, 405);
    assert_eq!(lab.get("/api/v1/nothing").status, 404);
    let text = lab.raw("POST", "/api/v1/faults", &["Content-Type: text/plain"], "{}");
    assert_eq!(text.status, 415, "a form of another page cannot send JSON");
    let large = format!("{{\"rule\": \"{}\"}}", "x".repeat(65 * 1024));
    assert_eq!(lab.send("POST", "/api/v1/faults", &large).status, 413);
    let problem = lab.send("POST", "/api/v1/faults", "{").json();
    assert_eq!(problem["status"], 400);
    assert!(problem["detail"].as_str().unwrap().starts_with("body: "), "{problem}");
}

#[test]
fn a_target_in_absolute_form_names_this_server_or_is_refused() {
    let lab = Lab::start(&[]);
    assert_eq!(lab.get("http://evil.test/api/v1/state").status, 421);
    assert_eq!(lab.get(&format!("http://{}/api/v1/state", lab.admin)).status, 200);
}

#[test]
fn a_parameter_that_is_unknown_is_refused_by_its_name() {
    let lab = Lab::start(&[]);
    for path in ["clients?limt=5", "history?sinc=5", "journal?outcom=refused", "journal/stats?x=1"]
    {
        let answer = lab.get(&format!("/api/v1/{path}"));
        let (_, wrong) = path.split_once('?').unwrap();
        let (wrong, _) = wrong.split_once('=').unwrap();
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.body.contains(&format!("`{wrong}`")), "{path}: {answer:?}");
    }
}

#[test]
fn streams_of_events_leave_room_for_others_and_give_their_places_back() {
    let lab = Lab::start(&[]);
    let open = || {
        let mut stream = lab.open("GET", "/api/v1/events", &[], "");
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, String::from_utf8_lossy(&status[9..]).into_owned())
    };
    let streams: Vec<_> = (0..32).map(|_| open()).collect();
    assert!(streams.iter().all(|(_, status)| status == "200"));
    assert_eq!(open().1, "503", "one more");
    assert_eq!(lab.get("/healthz").status, 200);
    drop(streams);
    // No request comes, so that nothing is written to the readers that are gone.
    let deadline = Instant::now() + Duration::from_secs(30);
    while open().1 != "200" {
        assert!(Instant::now() < deadline, "no place was given back");
    }
}

#[test]
fn with_a_token_everything_but_health_and_the_empty_page_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "lab-token-0123456789\n").unwrap();
    let lab = Lab::start(&["--admin-token-file", file.to_str().unwrap()]);
    for path in ["/api/v1/state", "/metrics", "/api/v1/events", "/api/v1/journal"] {
        let refused = lab.get(path);
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.head.contains("www-authenticate: Bearer"), "{}", refused.head);
        let wrong = lab.raw("GET", path, &["Authorization: Bearer lab-token-012345678X"], "");
        assert_eq!(wrong.status, 401, "{path}");
    }
    let right =
        lab.raw("GET", "/api/v1/state", &["Authorization: Bearer lab-token-0123456789"], "");
    assert_eq!(right.status, 200);
    for path in ["/healthz", "/readyz", "/openapi.json", "/"] {
        assert_eq!(lab.get(path).status, 200, "{path}");
    }
    let page = lab.get("/").body;
    assert!(!page.contains(&lab.host.port().to_string()), "the page says nothing of the lab");
    assert!(!right.body.contains("lab-token"), "{}", right.body);
}

#[test]
fn an_address_beyond_loopback_without_a_token_is_refused_before_anything_starts() {
    for (flags, named) in [
        (&["--admin", "0.0.0.0:0"][..], "--admin-token-file"),
        (&["--admin", "127.0.0.1"], "--admin"),
        (&["--admin", "127.0.0.1:0", "--admin-token-file", "/nonexistent"], "/nonexistent"),
        (&["--admin", "127.0.0.1:0", "--admin-name", "a b"], "--admin-name"),
    ] {
        let output = Command::new(cargo_bin("kms-sim"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{flags:?}: {text}");
        assert!(text.contains(named), "{flags:?}: {text}");
    }
}

#[test]
fn a_rule_set_here_strikes_the_next_request_and_a_bad_one_changes_nothing() {
    let lab = Lab::start(&[]);
    let added = lab.send("POST", "/api/v1/faults", r#"{"rule": "hresult code=0xC004F042"}"#);
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].as_str().unwrap().to_owned();
    assert!(matches!(lab.ask(1), Reply::Error(0xC004_F042)));
    let object = r#"{"id": "slow", "kind": "delay", "time": "1ms", "enabled": false}"#;
    assert_eq!(lab.send("POST", "/api/v1/faults", object).status, 201);
    assert_eq!(lab.send("POST", "/api/v1/faults", object).status, 409);

    let before = lab.get("/api/v1/faults").body;
    for (body, named) in [
        (r#"{"kind": "explode"}"#, "kind"),
        (r#"{"kind": "delay", "time": "soon"}"#, "time"),
        (r#"{"rule": "delay time=1ms colour=red"}"#, "colour"),
        (r#"{"kind": "delay", "time": "1ms", "probability": 2}"#, "probability"),
        (r#"{"time": "1ms"}"#, "kind"),
    ] {
        let refused = lab.send("POST", "/api/v1/faults", body);
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(named), "{body}: {refused:?}");
        let path = format!("/api/v1/faults/{id}");
        assert_eq!(lab.send("PUT", &path, body).status, 400, "{body}");
    }
    assert_eq!(lab.get("/api/v1/faults").body, before);

    let off = lab.send("PATCH", &format!("/api/v1/faults/{id}"), r#"{"enabled": false}"#).json();
    assert_eq!((&off["enabled"], &off["applied"]), (&json!(false), &json!(1)));
    assert!(matches!(lab.ask(1), Reply::Answer(_)));
    assert_eq!(lab.send("POST", &format!("/api/v1/faults/{id}/reset"), "").status, 204);
    assert_eq!(lab.get(&format!("/api/v1/faults/{id}")).json()["applied"], 0);
    assert_eq!(lab.send("DELETE", &format!("/api/v1/faults/{id}"), "").status, 204);
    assert_eq!(lab.get(&format!("/api/v1/faults/{id}")).status, 404);
    assert_eq!(lab.send("DELETE", "/api/v1/faults", "").status, 204);
    assert_eq!(lab.get("/api/v1/faults").json(), json!([]));
}

#[test]
fn a_client_expires_when_the_clock_is_moved_past_its_thirty_days() {
    let lab = Lab::start(&[]);
    assert_eq!(lab.ask(1).count(), 1);
    lab.has_seen("lab-pc");
    let counted = || lab.get("/api/v1/clients").json()["clients"][0]["counted"].clone();
    assert_eq!(counted(), true);
    let moved = lab.send("PATCH", "/api/v1/clock", r#"{"step_s": 2678400}"#);
    assert_eq!(moved.status, 200, "{moved:?}");
    let offset_s = moved.json()["offset_s"].as_f64().unwrap();
    assert!((2_678_399.0..2_678_401.0).contains(&offset_s), "{offset_s}");
    assert_eq!(counted(), false);
    assert_eq!(lab.get("/api/v1/state").json()["applications"][0]["count"], 0);
    assert_eq!(lab.send("PATCH", "/api/v1/clock", r#"{"scale": 0}"#).json()["scale"], 0.0);
    let frozen = lab.get("/api/v1/clock").json()["filetime"].clone();
    assert_eq!(lab.get("/api/v1/clock").json()["filetime"], frozen);
    for bad in ["{}", r#"{"scale": -1}"#, r#"{"time": "later"}"#, r#"{"step_s": 1, "scale": 1}"#] {
        assert_eq!(lab.send("PATCH", "/api/v1/clock", bad).status, 400, "{bad}");
    }
    assert_eq!(lab.send("PATCH", "/api/v1/clock", r#"{"stepp_s": 1}"#).status, 422);
    assert_eq!(lab.get("/api/v1/clock").json()["filetime"], frozen, "a bad change changes nothing");
    // No answer waits for the row of a change, so that it may follow a little later.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !lab.get("/api/v1/journal?limit=50").body.contains("clock-changed") {
        assert!(Instant::now() < deadline, "no row of the change");
    }
}

#[test]
fn a_request_is_an_event_a_client_a_journal_row_and_part_of_the_state() {
    let lab = Lab::start(&[]);
    let mut events = lab.open("GET", "/api/v1/events", &[], "");
    let mut lines = BufReader::new(&mut events).lines().map(Result::unwrap);
    lines.find(|line| line.is_empty()).unwrap(); // The head is here, so the stream has begun.
    assert_eq!(lab.ask(7).count(), 1);
    lines.find(|line| line == "event: request").unwrap();
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    let event: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&event["client"], &event["count"]), (&json!("LAB-PC"), &json!(1)));

    lab.has_seen("lab-pc");
    let page = lab.get("/api/v1/clients?search=lab-pc&limit=5").json();
    assert_eq!((&page["total"], &page["clients"][0]["name"]), (&json!(1), &json!("LAB-PC")));
    assert_eq!(lab.get("/api/v1/clients?search=nobody").json()["total"], 0);
    assert_eq!(lab.get("/api/v1/clients?limit=0").status, 400);
    let rows = lab.get("/api/v1/journal?outcome=accepted").json();
    assert_eq!(rows["rows"][0]["cmid"], event["cmid"]);
    assert_eq!(lab.get("/api/v1/journal?cmid=x").status, 400);
    assert_eq!(lab.get("/api/v1/journal/stats").json()["accepted"], 1);
    let state = lab.get("/api/v1/state").json();
    assert_eq!(state["requests"]["accepted"], 1);
    assert_eq!(state["licence_states"][2]["clients"], 1);
    assert!(lab.get("/").body.contains("LAB-PC"), "the page says so without a script, too");
}

#[test]
fn a_name_cannot_show_itself_as_another_on_the_page() {
    let lab = Lab::start(&[]);
    let mut hostile = request(9);
    hostile.machine_name = MachineName::new("<b>\u{202e}CP-BAL").unwrap();
    Client::bind(lab.host).unwrap().ask(&hostile);
    lab.has_seen("cp-bal");
    let page = lab.get("/").body;
    assert!(page.contains(r"&lt;b&gt;\u{202e}CP-BAL"), "{page}");
    assert!(!page.contains('\u{202e}'));
}

#[test]
fn a_request_names_the_host_that_it_means() {
    let lab = Lab::start(&["--initial-count", "windows=24"]);
    let alone = lab.get("/api/v1/hosts").json();
    assert_eq!((alone[0]["name"].as_str(), alone.as_array().unwrap().len()), (Some("kms1"), 1));
    let lab = Lab::of_hosts(&["--dns", "127.0.0.1:0"], &["kms1", "kms2"]);
    let ask = |host: usize, client: u8| {
        let address = lab.get("/api/v1/hosts").json()[host]["listen"][0].as_str().unwrap().parse();
        Client::bind(address.unwrap()).unwrap().ask(&request(client))
    };
    assert_eq!((ask(0, 1).count(), ask(1, 1).count(), ask(1, 2).count()), (1, 1, 2));
    let count = |query: &str| lab.get(query).json()["applications"][0]["count"].as_u64();
    assert_eq!(count("/api/v1/state"), Some(1));
    assert_eq!(count("/api/v1/state?host=kms2"), Some(2));
    let total = |query: &str| lab.get(query).json()["total"].as_u64();
    assert_eq!(total("/api/v1/clients"), Some(1));
    assert_eq!(total("/api/v1/clients?host=kms2"), Some(2));
    let page = lab.get("/api/v1/clients?host=kms2&limit=1&offset=1").json();
    assert_eq!((page["total"].as_u64(), page["clients"].as_array().unwrap().len()), (Some(2), 1));
    let rows = lab.get("/api/v1/journal?host=kms2").json();
    let rows = rows["rows"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["host"] == "kms2"), "{rows:?}");
    let rule = r#"{"rule":"hresult id=own code=0xC004F042"}"#;
    assert_eq!(lab.send("POST", "/api/v1/faults?host=kms2", rule).status, 201);
    assert!(matches!(ask(1, 3), Reply::Error(0xC004_F042)));
    assert_eq!(ask(0, 3).count(), 2);
    assert_eq!(lab.get("/api/v1/faults").json(), json!([]));
    assert_eq!(lab.get("/api/v1/faults/own?host=kms2").json()["applied"], 1);
    assert_eq!(lab.send("DELETE", "/api/v1/faults/own?host=kms2", "").status, 204);
    let refused = lab.send("POST", "/api/v1/faults?host=kms2", r#"{"rule":"dns-drop"}"#);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("one for all hosts"), "{refused:?}");
    for path in ["/api/v1/state", "/api/v1/clients", "/api/v1/faults", "/api/v1/history", "/"] {
        assert_eq!(lab.get(&format!("{path}?host=nobody")).status, 404, "{path}");
    }
    let metrics = lab.get("/metrics").body;
    assert!(metrics.contains("kms_sim_requests_total{host=\"kms2\"} 3"), "{metrics}");
    let page = lab.get("/?host=kms2").body;
    assert!(page.contains("href=\"/?host=kms1\"") && page.contains("kms2.lab.test"), "{page}");
}

#[test]
fn metrics_are_what_prometheus_reads_in_both_formats() {
    let test = "metrics_are_what_prometheus_reads_in_both_formats";
    if !skip::require(test, &[Need::Tool("promtool")]) {
        return;
    }
    let lab = Lab::start(&[]);
    assert_eq!(lab.ask(1).count(), 1);
    let classic = lab.get("/metrics");
    assert!(classic.head.contains("text/plain; version=0.0.4"), "{}", classic.head);
    assert!(
        classic.body.contains("kms_sim_requests_accepted_total{host=\"kms1\"} 1"),
        "{}",
        classic.body
    );
    assert!(
        classic.body.contains("kms_sim_clients_counted{application=\"windows\",host=\"kms1\"} 1")
    );
    let mut promtool = Command::new(skip::tool("promtool").unwrap())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(classic.body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let open = lab.raw("GET", "/metrics", &["Accept: application/openmetrics-text"], "");
    assert!(open.head.contains("application/openmetrics-text"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
}

#[test]
fn generated_requests_are_answered_as_described_and_cause_no_server_error() {
    let test = "generated_requests_are_answered_as_described_and_cause_no_server_error";
    if !skip::require(test, &[Need::Python("schemathesis")]) {
        return;
    }
    let lab = Lab::start(&[]);
    let python = skip::python("schemathesis").unwrap();
    let url = format!("http://{}", lab.admin);
    let output = Command::new(python)
        .args(["-m", "schemathesis.cli", "run", &format!("{url}/openapi.json"), "--url", &url])
        .args(["--checks", CHECKS, "--max-examples", "120", "--seed", "1"])
        .args(["--exclude-path", "/api/v1/events", "--no-color", "--request-timeout", "20"])
        .env("NO_COLOR", "1")
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let cases = text.lines().find_map(|line| line.trim().split_once(" generated, "));
    let cases: u32 = cases.and_then(|(cases, _)| cases.replace(',', "").parse().ok()).unwrap_or(0);
    assert!(cases >= 2_000, "{cases} cases: {text}");
    assert_eq!(lab.get("/healthz").status, 200);
}

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";

/// A running host with journal and admin API.
struct Lab {
    host: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl Lab {
    fn start(flags: &[&str]) -> Self {
        Self::serve(&["--listen", "127.0.0.1:0"], flags, "listening on ")
    }

    fn of_hosts(flags: &[&str], names: &[&str]) -> Self {
        let hosts: Vec<String> =
            names.iter().map(|name| format!("--host=name={name},listen=127.0.0.1:0")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        Self::serve(&hosts, flags, &format!("host {} listening on ", names[0]))
    }

    fn serve(hosts: &[&str], flags: &[&str], ready: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(cargo_bin("kms-sim"))
            .args(["serve", "--admin", "127.0.0.1:0"])
            .args(hosts)
            .args(["--durability", "full", "--journal"])
            .arg(folder.path().join("journal.db"))
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |before: &str, after: &str| {
            let line = lines.find(|line| line.starts_with(before)).unwrap();
            line[before.len()..line.len() - after.len()].parse().unwrap()
        };
        let host = address(ready, "");
        let admin = address("admin listening on http://", "/");
        Self { host, admin, folder, child }
    }

    /// One exchange of client number `client`.
    fn ask(&self, client: u8) -> Reply {
        Client::bind(self.host).unwrap().ask(&request(client))
    }

    /// Waits until the admin server has taken in a request of this client: it watches from its own
    /// thread.
    fn has_seen(&self, client: &str) {
        let path = format!("/api/v1/clients?search={client}");
        let seen = (0..400).any(|_| self.get(&path).json()["total"] == 1);
        assert!(seen, "no request of {client} was seen");
    }

    fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, &[], "")
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.raw(method, path, &["Content-Type: application/json"], body)
    }

    fn raw(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        self.raw_host(&self.admin.to_string(), method, path, headers, body)
    }

    fn raw_host(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Answer {
        let headers = [headers, &["Connection: close"]].concat();
        let mut stream = self.open_host(host, method, path, &headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn open(&self, method: &str, path: &str, headers: &[&str], body: &str) -> TcpStream {
        self.open_host(&self.admin.to_string(), method, path, headers, body)
    }

    fn open_host(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> TcpStream {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        // A server that refuses a body does not read it all.
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).ok();
        stream
    }
}
