//! What a scrape gets: samples, the reason why there are none, and pages for people.

use std::process::Stdio;

use crate::harness::{Exporter, assert_refused, command, kms_host, mute_host, raw, request};
use crate::skip::{self, Need};

const ANY_PORT: &str = "[targets]\nallow = [\"127.0.0.0/8:*\", \"corp.test\"]\n";

#[test]
fn a_host_that_works_and_one_that_does_not_have_the_samples_of_their_verdicts() {
    let (_server, port) = kms_host();
    let exporter =
        Exporter::new(&format!("{ANY_PORT}[module.rpc]\n[module.tcp]\ndepth = \"tcp\"\n"), &[]);
    let healthy = exporter.get(&format!("/probe?target=127.0.0.1:{port}"));
    assert_eq!(healthy.status, 200, "{healthy:?}");
    assert_eq!(healthy.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let identity = format!(
        "target=\"127.0.0.1:{port}\",host=\"127.0.0.1\",port=\"{port}\",address=\"127.0.0.1\""
    );
    for line in [
        "probe_success 1".to_owned(),
        "kms_probe_timed_out 0".to_owned(),
        "kms_probe_entries_omitted 0".to_owned(),
        format!("kms_probe_verdict{{{identity},verdict=\"rpc.ok\",severity=\"ok\"}} 1"),
        format!("kms_probe_severity{{{identity}}} 0"),
        format!("kms_probe_tcp_syn_packets{{{identity}}} 1"),
    ] {
        assert!(healthy.body.lines().any(|known| known == line), "{line}\n{}", healthy.body);
    }
    assert!(healthy.body.contains("\nprobe_duration_seconds 0."), "{}", healthy.body);

    let closed = exporter.get("/probe?target=127.0.0.1:1&module=tcp");
    assert_eq!(closed.status, 200);
    assert!(closed.body.contains("\nprobe_success 0\n"), "{}", closed.body);
    assert!(closed.body.contains("verdict=\"tcp.refused\",severity=\"critical\"} 1"));

    let debug = exporter.get("/probe?target=127.0.0.1:1&module=tcp&debug=true").body;
    assert!(debug.starts_with("CRITICAL tcp.refused  127.0.0.1:1\n"), "{debug}");

    assert_eq!(
        exporter.own("kms_probe_exporter_probes_total{module=\"rpc\",result=\"success\"}"),
        Some(1.0)
    );
    assert_eq!(
        exporter.own("kms_probe_exporter_probes_total{module=\"tcp\",result=\"failure\"}"),
        Some(2.0)
    );
    let page = exporter.get("/");
    assert!(page.headers["content-type"].starts_with("text/html"));
    assert!(page.body.contains("tcp.refused") && page.body.contains("127.0.0.0/8:*"));
}

#[test]
fn samples_pass_promtool() {
    if !skip::require("exporter::samples_pass_promtool", &[Need::Tool("promtool")]) {
        return;
    }
    let (_server, port) = kms_host();
    let exporter = Exporter::new(&format!("{ANY_PORT}[module.kms]\ndepth = \"kms\"\n"), &[]);
    let probe = exporter.get(&format!("/probe?target=127.0.0.1:{port}&module=kms"));
    assert!(probe.body.contains("kms_probe_kms_count_low{"), "{}", probe.body);
    exporter.get("/probe");
    let own = exporter.get("/metrics");
    assert!(own.body.contains("kms_probe_exporter_refused_total{reason=\"bad_request\"} 1"));
    for text in [probe.body, own.body] {
        let mut child = std::process::Command::new(skip::tool("promtool").unwrap())
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}\n{text}");
    }
    let open = ("Accept", "application/openmetrics-text;version=1.0.0");
    let open = request(exporter.address, "GET", "/metrics", &[open]);
    assert!(open.headers["content-type"].starts_with("application/openmetrics-text"));
    assert!(open.body.ends_with("# EOF\n"));
}

#[test]
fn who_asks_for_what_is_not_there_or_not_admitted_is_told_why_and_counted() {
    let exporter = Exporter::new(&format!("{ANY_PORT}[module.rpc]\n"), &[]);
    let long = format!("/probe?target={}.test", "a".repeat(2000));
    for (path, status, part) in [
        ("/probe", 400, "the parameter `target` is missing"),
        ("/probe?target=", 400, "the parameter `target` is missing"),
        ("/probe?target=127.0.0.1&module=http", 400, "no module `http`; there are: rpc"),
        ("/probe?target=a%20b", 400, "target `a b`"),
        ("/probe?target=127.0.0.1&target=127.0.0.2", 400, "each once"),
        ("/probe?target=%1b%5b2J", 400, "target `\\u{1b}[2J`"),
        (&long, 400, "target `"),
        ("/probe?target=192.0.2.1", 403, "target `192.0.2.1` is not admitted"),
        ("/probe?target=other.test", 403, "no line for it"),
        ("/probe?target=a.corp.test", 403, "no line for it"),
        ("/nothing", 404, ""),
        ("/-/reload", 405, ""),
    ] {
        let answer = exporter.get(path);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(answer.body.contains(part), "{path}: {answer:?}");
    }
    let refused = |reason: &str| {
        exporter.own(&format!("kms_probe_exporter_refused_total{{reason=\"{reason}\"}}"))
    };
    assert_eq!(refused("bad_request"), Some(7.0));
    assert_eq!(refused("not_allowed"), Some(3.0));
    assert_eq!(exporter.get("/-/healthy").body, "healthy\n");
    assert!(
        exporter.get("/config").body.contains("allow = [\"127.0.0.0/8:*\", \"corp.test:1688\"]")
    );
}

#[test]
fn the_head_of_a_request_is_bounded() {
    let exporter = Exporter::new(&format!("{ANY_PORT}[module.rpc]\n"), &[]);
    let many = "x: y\r\n".repeat(100);
    for head in [
        format!("GET /probe?target={} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(64 * 1024)),
        format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
    ] {
        let answer = raw(exporter.address, head.as_bytes());
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(is_refused, "{answer}");
    }
    assert_eq!(exporter.get("/-/healthy").status, 200);
}

#[test]
fn with_a_token_only_who_shows_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "0123456789abcdef\n").unwrap();
    let modules = format!("{ANY_PORT}[module.tcp]\ndepth = \"tcp\"\n");
    let exporter = Exporter::new(&modules, &["--token-file", path.to_str().unwrap()]);
    for path in ["/", "/probe?target=127.0.0.1:1", "/metrics", "/config"] {
        assert_eq!(exporter.get(path).status, 401, "{path}");
    }
    assert_eq!(exporter.post("/-/reload").status, 401);
    assert_eq!(exporter.get("/-/healthy").status, 200);
    let shown = [("Authorization", "Bearer 0123456789abcdef")];
    let path = "/probe?target=127.0.0.1:1&module=tcp";
    assert_eq!(request(exporter.address, "GET", path, &shown).status, 200);
}

#[test]
fn a_module_whose_stages_end_first_tells_the_verdict_and_a_scrape_that_ends_first_says_so() {
    let (_listener, port) = mute_host();
    let text = format!(
        "{ANY_PORT}[module.short]\nbind_timeout = \"100ms\"\n[module.long]\ntimeout = \"30s\"\n"
    );
    // The offset is how much time a stage has to end before its scrape is given up.
    let exporter = Exporter::new(&text, &["--timeout-offset", "20s"]);
    let target = format!("127.0.0.1:{port}");
    let ended = exporter.scrape(&target, "short", "60").body;
    assert!(ended.contains("verdict=\"bind.timeout\"") && ended.contains("\nprobe_success 0\n"));
    // Nothing but the least time is left: the stages are shortened to it, and have their verdict.
    let shortened = exporter.scrape(&target, "long", "1").body;
    assert!(shortened.contains("verdict=\"bind.timeout\""), "{shortened}");
    assert!(shortened.contains("\nkms_probe_timed_out 0\n"), "{shortened}");
}

#[test]
fn what_cannot_run_is_refused_before_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.toml");
    std::fs::write(&path, "[module.rpc]\ntimout = \"2s\"\n").unwrap();
    for check in [&["--check-config"][..], &[]] {
        let output = command().arg("--modules").arg(&path).args(check).output().unwrap();
        assert_refused(
            &output,
            &["m.toml:2:1: unknown key `timout` in `[module.rpc]`; the nearest is `timeout`"],
        );
    }
    let output = command().args(["--modules", "/nonexistent/m.toml"]).output().unwrap();
    assert_refused(&output, &["--modules: cannot read `/nonexistent/m.toml`"]);
    let output = command().args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_refused(&output, &["--listen: `0.0.0.0:0` can be reached", "--token-file"]);
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let output = command().args(["--listen", &taken]).output().unwrap();
    assert_refused(&output, &["--listen: cannot listen on", &taken]);
    let output = command().arg("--check-config").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("[module.rpc]\ndepth = \"rpc\"\n"));
}
