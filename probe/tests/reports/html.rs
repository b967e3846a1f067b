//! The HTML report in a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use kms_probe::report::html;

use super::fixture::{hostile_report, report};
use super::skip::{self, Need};

/// Chromium on a file; ends by itself or is ended.
fn chromium(page: &Path, arguments: &[&str]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["--kill-after=5", "180"])
        .arg(skip::tool("chromium").unwrap())
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--disable-dev-shm-usage", "--no-first-run", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The folder where a person finds what the browser drew.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html-reports");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_browser_shows_the_report_and_runs_nothing_in_it() {
    if !skip::require("a_browser_shows_the_report", &[Need::Tool("chromium")]) {
        return;
    }
    let page = folder().join("check.html");
    std::fs::write(&page, html::page(&report())).unwrap();
    let dom = chromium(&page, &["--dump-dom"]);
    for text in [
        "CRITICAL tcp.refused",
        "corp.test -&gt; dead.corp.test:1 (127.0.0.1)",
        "dns.nxdomain",
        "0x8007232B (slmgr /ato)",
        "nothing listens on TCP 1 there",
        "_vlmcs._tcp.corp.test",
        "nca_s_op_rng_error",
        "kms-probe 0.1.0",
    ] {
        assert!(dom.contains(text), "no {text:?} in the page");
    }
    for (width, name) in [(1100, "check.png"), (400, "check-narrow.png")] {
        let picture = folder().join(name);
        let shot = format!("--screenshot={}", picture.display());
        chromium(&page, &[&shot, &format!("--window-size={width},3000")]);
        let header = std::fs::read(&picture).unwrap();
        assert!(header.starts_with(b"\x89PNG") && header.len() > 20_000, "{}", header.len());
    }
}

#[test]
fn hostile_names_are_inert_in_a_browser() {
    if !skip::require("hostile_names_are_inert", &[Need::Tool("chromium")]) {
        return;
    }
    let page = folder().join("hostile.html");
    std::fs::write(&page, html::page(&hostile_report())).unwrap();
    let dom = chromium(&page, &["--dump-dom"]);
    assert!(!dom.contains("<script"), "no element came of the name");
    assert!(dom.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}=cmd"), "it is shown");
    assert!(!dom.contains('\u{202e}') && !dom.contains('\u{1b}'));
    assert_eq!(dom.matches("<section").count(), 5, "the page has its own structure");
}
