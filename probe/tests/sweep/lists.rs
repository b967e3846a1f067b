//! What may be a list, and what is said of one that may not.

use std::fs::File;
use std::process::Stdio;

use crate::harness::{Folder, assert_refused, code, each, json, kms_host, lines, run, sweep, text};

#[test]
fn lines_comments_and_standard_input_are_a_list() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let list = folder.file("list.txt", format!("# hosts\n{address} # Oslo\n\n127.0.0.1:1\n"));
    let arguments = ["--format", "ndjson"];
    let from_file = lines(&run(&list, &arguments));
    assert_eq!(each(&from_file, "line"), [2, 4]);
    assert_eq!(each(&from_file, "verdict"), ["rpc.ok", "tcp.refused"]);
    let mut command = sweep("-".as_ref(), &arguments);
    let output = command.stdin(Stdio::from(File::open(&list).unwrap())).output().unwrap();
    assert_eq!(each(&lines(&output), "target"), each(&from_file, "target"));
}

#[test]
fn a_table_gives_each_row_its_site_port_and_depth() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let port = address.port();
    let list = folder.file(
        "sites.csv",
        format!(
            "\u{feff}depth;port;host;site\r\ntcp;{port};127.0.0.1;Oslo\r\n;{port};localhost;\r\n"
        ),
    );
    let output = run(&list, &["--format", "json", "-4"]);
    let report = json(&output);
    assert_eq!(code(&output), 0, "{report:#}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(each(rows, "verdict"), ["tcp.ok", "rpc.ok"]);
    assert_eq!(each(rows, "site"), ["Oslo", ""]);
    assert_eq!(rows[1]["target"], format!("localhost:{port}"));
    assert_eq!(rows[1]["targets"][0]["stages"][0]["stage"], "dns", "a name is looked up");
}

#[test]
fn a_row_that_repeats_another_is_checked_and_named() {
    let folder = Folder::new();
    let list = folder.file("list.txt", "127.0.0.1:1\n127.0.0.1:2\n127.0.0.1:1\n");
    let rows = lines(&run(&list, &["--format", "ndjson"]));
    assert_eq!(rows.len(), 3);
    assert_eq!((&rows[2]["repeats_line"], &rows[2]["verdict"]), (&1.into(), &"tcp.refused".into()));
    let output = run(&list, &[]);
    assert!(text(&output.stdout).contains("1 row asks what an earlier row asks"));
}

#[test]
fn a_bad_row_stops_everything_before_anything_is_sent() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    for (content, parts) in [
        (format!("{address}\nkms1:0\n"), ["line 2, column 1", "port outside 1..65535: `0`"]),
        (format!("host,colour\n{address},red\n"), ["line 1, column `colour`", "unknown column"]),
        ("host,depth\n127.0.0.1,dns\n".to_owned(), ["line 2, column `host`", "needs no DNS"]),
        ("host\n\u{1b}[2J.test\n".to_owned(), ["line 2, column `host`", "\\u{1b}"]),
        ("\n#\n".to_owned(), ["list`", "no target in it"]),
    ] {
        let list = folder.file("list", content);
        let output = run(&list, &["--resume", folder.path("journal").to_str().unwrap()]);
        assert_refused(&output, &[&["list`"][..], &parts].concat());
        assert!(!folder.path("journal").exists(), "no journal for a list that is refused");
    }
}

#[test]
fn what_is_no_file_or_cannot_be_written_is_named() {
    let folder = Folder::new();
    let list = folder.file("list.txt", "127.0.0.1:1\n");
    assert_refused(&run(&folder.path("absent"), &[]), &["cannot open", "absent`"]);
    assert_refused(&run(folder.path("").as_path(), &[]), &["is a folder"]);
    let nowhere = folder.path("no/such/report.csv");
    let output = run(&list, &["--format", "csv", "--output", nowhere.to_str().unwrap()]);
    assert_refused(&output, &["--output: cannot write", "report.csv`"]);
    let folder_as_file = folder.path("");
    let output = run(&list, &["--output", folder_as_file.to_str().unwrap()]);
    assert_refused(&output, &["--output: cannot write", "is a directory"]);
}

#[test]
fn concurrency_keeps_to_the_limit_of_open_files() {
    let (_server, address) = kms_host();
    let folder = Folder::new();
    let list = folder.file("list.txt", format!("{address}\n").repeat(300));
    let limited = |arguments: &[&str]| {
        let command = sweep(&list, arguments);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -n 160; exec \"$@\"", "sh"]);
        shell.arg(command.get_program()).args(command.get_args()).output().unwrap()
    };
    let report = json(&limited(&["--format", "json"]));
    assert_eq!(report["summary"]["by_verdict"][0]["verdict"], "rpc.ok");
    assert_eq!(report["summary"]["finished"], 300);
    assert_eq!(report["concurrency"], 24, "160 descriptors, less what look-ups and files need");
    let output = limited(&["--concurrency", "200"]);
    assert_refused(&output, &["--concurrency", "160 descriptors", "24 conversations", "ulimit -n"]);
}
