//! The forms of a report.

use std::fs;

use crate::harness::{Folder, code, json, kms_host, lines, run, text};

/// Two sites, one healthy host, two closed ports, and a site whose name is a formula.
fn list(folder: &Folder, port: u16) -> std::path::PathBuf {
    folder.file(
        "sites.csv",
        format!(
            "site,host,port\nOslo,127.0.0.1,{port}\nBergen,127.0.0.1,1\n\"=HYPERLINK(\"\"x\"\")\",\
             127.0.0.2,1\nOslo,127.0.0.1,{port}\n<b>x</b>,127.0.0.1,{port}\n"
        ),
    )
}

#[test]
fn the_summary_counts_by_verdict_and_by_site_and_explains_each_verdict_once() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let output = run(&list(&folder, address.port()), &[]);
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 1, "{shown}");
    assert!(shown.starts_with("5 rows, all finished in "), "{shown}");
    let line = |start: &str| {
        let found = shown.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {shown}")).split_whitespace().collect()
    };
    let refused: Vec<&str> = line("critical ");
    assert_eq!(refused[..4], ["critical", "tcp.refused", "2", "Bergen"]);
    let healthy: Vec<&str> = line("ok ");
    assert_eq!(healthy[..3], ["ok", "rpc.ok", "3"]);
    let site: Vec<&str> = line("Oslo ");
    assert_eq!(site, ["Oslo", "2", "2", "0", "0", "0", "0"]);
    let site: Vec<&str> = line("Bergen ");
    assert_eq!(site, ["Bergen", "1", "0", "0", "0", "1", "0"]);
    assert_eq!(shown.matches("  cause ").count(), 1, "{shown}");
    assert!(shown.contains("CRITICAL tcp.refused  Bergen 127.0.0.1:1 and 1 more"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn csv_has_a_line_for_each_address_and_no_formula() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let output = run(&list(&folder, address.port()), &["--format", "csv"]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 5);
    let cell = |row: usize, name: &str| {
        let column = headers.iter().position(|header| header == name).unwrap();
        rows[row].get(column).unwrap()
    };
    assert_eq!(cell(2, "site"), "'=HYPERLINK(\"x\")");
    assert_eq!((cell(1, "verdict"), cell(1, "severity")), ("tcp.refused", "critical"));
    assert_eq!(cell(1, "client_sees"), "0xC004F074 0x800706BA");
    assert_eq!((cell(1, "bind_us"), cell(1, "dns_us")), ("", ""), "not reached: no value");
    assert!(cell(0, "rpc_us").parse::<u64>().is_ok());
    assert!(cell(1, "cause").starts_with("127.0.0.1:1 answered the SYN with a reset"));
}

#[test]
fn json_and_ndjson_have_the_rows_in_the_order_of_the_list() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let list = list(&folder, address.port());
    let report = json(&run(&list, &["--format", "json"]));
    assert_eq!(report["verdict"], "tcp.refused");
    assert_eq!((&report["ended"], &report["resumed_rows"]), (&"complete".into(), &0.into()));
    let rows = lines(&run(&list, &["--format", "ndjson", "--concurrency", "3"]));
    let in_json = report["rows"].as_array().unwrap();
    for (number, (row, same)) in rows.iter().zip(in_json).enumerate() {
        assert_eq!(row["row"], number + 1);
        for field in ["row", "line", "site", "target", "verdict"] {
            assert_eq!(row[field], same[field]);
        }
    }
    assert_eq!((rows.len(), in_json.len()), (5, 5));
}

#[test]
fn a_page_is_self_contained_and_escapes_what_comes_from_the_list() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let (list, page) = (list(&folder, address.port()), folder.path("page.html"));
    fs::write(&page, "an earlier report").unwrap();
    let output = run(&list, &["--format", "html", "--output", page.to_str().unwrap()]);
    assert!(text(&output.stdout).starts_with("5 rows, all finished"), "the summary is shown too");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for part in ["tcp.refused", "rpc.ok", "Oslo", "Rows to act on", "&lt;b&gt;x&lt;/b&gt;"] {
        assert!(page.contains(part), "no {part:?}");
    }
    for part in ["<b>", "<script", "http://", "https://"] {
        assert!(!page.contains(part), "{part:?}");
    }
    let left = fs::read_dir(folder.path("")).unwrap().count();
    assert_eq!(left, 2, "no partial file is left");
}

#[test]
fn fail_on_critical_lets_warnings_pass_and_a_healthy_list_is_healthy() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let good = folder.file("good.txt", format!("{address}\n"));
    assert_eq!(code(&run(&good, &[])), 0);
    // Below the count that the product needs: a warning.
    let kms = ["--depth", "kms", "--expect-lab"];
    assert_eq!(code(&run(&good, &kms)), 1);
    assert_eq!(code(&run(&good, &[&kms[..], &["--fail-on", "critical"]].concat())), 0);
}
