//! What is shipped for a service manager: the unit, and the configuration that it names.

use std::fs;
use std::process::Command;

use crate::skip::{Need, require, tool, workspace_root};

#[test]
fn the_unit_is_sound_and_confined() {
    const TOOL: &str = "systemd-analyze";
    if !require("the_unit_is_sound_and_confined", &[Need::Tool(TOOL)]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "kms-probe-watch.service";
    let unit = fs::read_to_string(workspace_root().join("packaging/systemd").join(name)).unwrap();
    // The program is not installed here.
    let unit = unit.replace("/usr/local/bin/kms-probe", env!("CARGO_BIN_EXE_kms-probe"));
    let path = folder.path().join(name);
    fs::write(&path, unit).unwrap();
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new(tool(TOOL).unwrap());
        command.args(arguments).arg(&path);
        command.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
        command.output().unwrap()
    };
    let verified = analyze(&["verify", "--man=no"]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    // Exposure from 0 to 100; an ordinary service has 96.
    let confined = analyze(&["security", "--offline=yes", "--threshold=20"]);
    assert!(confined.status.success(), "{confined:?}");
}

#[test]
fn the_sample_configuration_is_one_also_with_every_line_in_force() {
    let sample = workspace_root().join("packaging/kms-probe-watch.toml");
    let sample = fs::read_to_string(sample).unwrap();
    let all: Vec<&str> = sample
        .lines()
        .map(|line| line.strip_prefix('#').filter(|it| !it.starts_with(' ')).unwrap_or(line))
        .collect();
    assert_ne!(all.join("\n"), sample.trim_end());
    for text in [sample.clone(), all.join("\n")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.toml");
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("webhook.secret"), "secret").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
        let output = command.arg("watch").arg(&path).arg("--check-config").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
