//! Files as Windows and our own programs write them.

use std::fs;
use std::path::Path;

use crate::harness::{CMID, Folder, SKU, code, event, findings, json, run, text};
use crate::skip;

fn request(hresult: &str, time: &str) -> String {
    format!("{hresult}, 0x00000000, kms1.corp.test:1688, {CMID}, {time}, 0, 1, 200000, {SKU}, 25")
}

/// A client whose clock is wrong, then right; and the host's side of it.
fn client_and_host(folder: &Folder) -> (std::path::PathBuf, std::path::PathBuf) {
    let client = [
        event(
            12288,
            11,
            "2026-11-20T10:00:00Z",
            "pc1.corp.test",
            &request("0xC004F06C", "2026/11/20 16:00"),
        ),
        event(
            12288,
            12,
            "2026-11-21T10:00:00Z",
            "pc1.corp.test",
            &request("0x00000000", "2026/11/21 10:00"),
        ),
    ]
    .concat();
    let host = format!(
        "<Events>{}{}</Events>",
        event(
            12290,
            5,
            "2026-11-20T10:00:00Z",
            "kms1.corp.test",
            &format!("0xC004F06C,25,pc1.corp.test,{CMID},2026/11/20 16:00,0,1,200000,{SKU}")
        ),
        event(
            12290,
            6,
            "2026-11-21T10:00:00Z",
            "kms1.corp.test",
            &format!("0x0,25,pc1.corp.test,{CMID},2026/11/21 10:00,0,1,200000,{SKU}")
        ),
    );
    (folder.file("client.xml", client), folder.file("host", host))
}

#[test]
fn a_lost_reply_and_a_skewed_clock_are_told_from_both_logs_together() {
    let folder = Folder::new();
    let (client, host) = client_and_host(&folder);
    let report = json(&[&client, &host], &[]);
    let found = findings(&report);
    assert!(found.contains(&("client.reply_lost", "critical")), "{found:?}");
    // A later request was accepted, so the clock is right again.
    assert!(found.contains(&("client.skew", "info")), "{found:?}");
    assert!(found.contains(&("host.count_too_low", "warning")), "{found:?}");
    let skew = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == "client.skew");
    let case = &skew.unwrap()["cases"][0];
    assert_eq!(case["codes"][0]["symbol"], "SL_E_VL_INVALID_TIMESTAMP");
    assert_eq!(case["evidence"][0]["unit"], "record");

    let output = run(&[&client, &host], &[]);
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 1);
    assert!(shown.contains("CRITICAL client.reply_lost"), "{shown}");
    assert!(shown.contains("client.xml record 12]"), "{shown}");
}

#[test]
fn the_client_alone_does_not_say_more_than_it_shows() {
    let folder = Folder::new();
    let (client, _) = client_and_host(&folder);
    let found = json(&[&client], &[]);
    let found = findings(&found);
    assert!(found.contains(&("client.no_answer", "critical")), "{found:?}");
}

#[test]
fn redacted_reports_hold_no_name() {
    let folder = Folder::new();
    let (client, host) = client_and_host(&folder);
    for format in ["text", "json", "csv"] {
        let output = run(&[&client, &host], &["--redact", "--format", format]);
        let shown = text(&output.stdout);
        assert!(!shown.contains("pc1") && !shown.contains("corp"), "{format}: {shown}");
        assert!(shown.contains("name-") && shown.contains("id-"), "{format}: {shown}");
        assert!(!shown.contains(CMID), "{format}: {shown}");
    }
}

#[test]
fn utf16_is_read_as_powershell_writes_it() {
    let folder = Folder::new();
    let text = "Name: Windows(R), Enterprise edition\r\nDescription: Windows(R) Operating System, \
                VOLUME_MAK channel\r\nLicense Status: Licensed\r\n";
    let bytes: Vec<u8> =
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let report = json(&[&folder.file("slmgr.txt", bytes)], &[]);
    assert_eq!(report["files"][0]["encoding"], "UTF-16LE");
    assert_eq!(findings(&report), [("license.not_kms_channel", "warning")]);
}

#[test]
fn the_table_of_all_events_holds_no_formula() {
    let folder = Folder::new();
    let line = format!("0x0,25,=cmd|x,{CMID},2026/11/20 16:00,0,1,200000,{SKU}\n");
    let output = run(&[&folder.file("lines", line)], &["--format", "csv"]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!(row.get(3), Some("'=cmd|x"));
}

#[test]
fn a_real_windows_log_is_read_and_nothing_is_claimed_that_it_does_not_show() {
    // From the samples of the evtx project; it is not part of this repository.
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/evtx/");
    let path = Path::new(beside).join("Application_no_crc32.evtx");
    let path = std::env::var_os("KMS_EVTX_SAMPLE").map_or(path, Into::into);
    if !path.is_file() {
        let reason = "KMS_EVTX_SAMPLE names no Windows event log";
        return skip::skip("a_real_windows_log_is_read", reason);
    }
    let report = json(&[&path], &[]);
    assert_eq!(report["files"][0]["kind"], "Windows event log");
    assert_eq!(report["files"][0]["read"], 17);
    assert_eq!(findings(&report), []);
}

#[test]
fn what_the_collector_prints_is_read() {
    let folder = Folder::new();
    let script = std::process::Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(["collect", "--script"])
        .output()
        .unwrap();
    let script = text(&script.stdout);
    let sections: Vec<&str> =
        script.lines().filter_map(|l| l.strip_prefix("Section '")?.strip_suffix('\'')).collect();
    // Every section of the script, with what a machine prints there.
    let mut output = String::from("# kms-probe collect 1\r\n");
    for section in &sections {
        let content = match *section {
            "srv" => "_vlmcs._tcp.corp.test\tkms2.corp.test:1688".to_owned(),
            "events" => event(
                12288,
                1,
                "2026-11-21T10:00:00Z",
                "pc1",
                &request("0x800706BA", "2026/11/21 10:00"),
            ),
            _ => "anything".to_owned(),
        };
        output.push_str(&format!("## kms-probe section: {section}\r\n{content}\r\n"));
    }
    let report = json(&[&folder.file("collected.txt", output)], &[]);
    let found = findings(&report);
    assert!(found.contains(&("client.host_unreachable", "critical")), "{found:?}");
    assert!(found.contains(&("discovery.host_not_published", "warning")), "{found:?}");
    assert!(found.contains(&("discovery.host_not_used", "info")), "{found:?}");
}

#[test]
fn a_report_is_written_whole_and_its_exit_code_follows_the_severity() {
    let folder = Folder::new();
    let line = format!("0xC004F06C,25,pc1,{CMID},2026/11/20 16:00,0,1,200000,{SKU}\n");
    let lines = folder.file("lines", line);
    let place = folder.file("report.json", "old");
    let written = place.to_str().unwrap();
    let output = run(&[&lines], &["--format", "json", "--output", written]);
    assert_eq!((code(&output), text(&output.stdout)), (1, ""));
    assert!(fs::read_to_string(&place).unwrap().contains("client.skew"));
}

#[test]
fn a_page_and_its_plots_hold_no_markup_of_a_file() {
    let folder = Folder::new();
    let line =
        format!("0xC004F06C,25,<script>alert(1)</script>,{CMID},2026/11/20 16:00,0,1,2,{SKU}\n");
    let output = run(&[&folder.file("lines", line)], &["--format", "html"]);
    let page = text(&output.stdout);
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(page.contains("client.skew") && page.contains("<svg"));
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"));
}
