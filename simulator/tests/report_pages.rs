//! Pages of fleet and load in headless Chromium: no error, plots that show something, light and dark,
//! a phone's width, and names from elsewhere that stay text.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use common::sim::Sim;
use skip::Need;

#[test]
fn pages_of_fleet_and_load_read_in_light_dark_and_narrow() {
    let test = "pages_of_fleet_and_load_read_in_light_dark_and_narrow";
    if !skip::require(test, &[Need::Python("playwright"), Need::Tool("chromium")]) {
        return;
    }
    // Screenshots are for people to look at.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-pages");
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name);
    fleet(&file("plain.json"), &file("fleet.html"), "host-outage-200d");
    let hostile = file("hostile.toml");
    fs::write(&hostile, HOSTILE).unwrap();
    fleet(&file("hostile.json"), &file("hostile.html"), hostile.to_str().unwrap());
    kms_sim(&[
        "fleet",
        "compare",
        file("plain.json").to_str().unwrap(),
        file("hostile.json").to_str().unwrap(),
        "--html",
        file("compare.html").to_str().unwrap(),
    ]);
    load(&file("load.html"));
    let pages = ["fleet.html", "hostile.html", "compare.html", "load.html"].map(file);
    let said = look_at(&folder, &pages);
    let plots: Vec<(&str, usize)> = said
        .lines()
        .filter_map(|line| line.split_once(" plots "))
        .map(|(page, plots)| (page, plots.parse().unwrap()))
        .collect();
    assert_eq!(plots.len(), pages.len(), "{said}");
    assert!(plots.iter().all(|(_, plots)| *plots >= 2), "{said}");
    for page in ["hostile.html", "compare.html"] {
        let page = fs::read_to_string(file(page)).unwrap();
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>"));
    }
}

fn fleet(json: &Path, html: &Path, scenario: &str) {
    let (json, html) = (json.to_str().unwrap(), html.to_str().unwrap());
    kms_sim(&["fleet", "run", scenario, "--format", "json", "-o", json, "--html", html]);
}

fn load(html: &Path) {
    let sim = Sim::start(&["--log-level", "error"]);
    let target = sim.address.to_string();
    let html = html.to_str().unwrap();
    kms_sim(&[
        "load",
        &target,
        "--rate",
        "200",
        "--duration",
        "3s",
        "--warm-up",
        "0s",
        "--html",
        html,
    ]);
}

fn kms_sim(arguments: &[&str]) {
    let output = Command::new(cargo_bin("kms-sim")).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // Code 1: an expectation or an objective was missed, and the page is written all the same.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {errors}");
}

fn look_at(folder: &Path, pages: &[PathBuf]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/report_pages.py");
    let output = Command::new(skip::python("playwright").unwrap())
        .arg(script)
        .arg(skip::tool("chromium").unwrap())
        .arg(folder)
        .args(pages)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Titles are the only free text of a scenario.
const HOSTILE: &str = r#"
name = "hostile"
title = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u202Eevil"
teaches = "</style><script>alert(1)</script>"
duration = "10d"

[[site]]
name = "a-site-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file-1"

[[host]]
name = "a-host-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file-1"
site = "a-site-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file-1"

[[group]]
name = "a-group-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file1"
site = "a-site-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file-1"
count = 40
product = "Windows 10/11 Enterprise"
first_start_within = "2h"

[[change]]
at = "1d"
until = "2d"
what = "host-down"
host = "a-host-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file-1"

[[change]]
at = "2d"
until = "3d"
what = "power-off"
group = "a-group-with-a-name-that-is-as-long-as-a-name-may-be-in-a-file1"

[[expect]]
title = "<script>alert(1)</script> \" onload=alert(1)"
metric = "clients"
at = "5d"
states = ["licensed"]
at_most = 0
"#;
