//! Defaults from files and the environment, as the program takes them.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use super::{code, run, stderr, stdout};
use crate::support::assert_follows;

/// A folder with a configuration file.
struct World {
    folder: TempDir,
}

impl World {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("kms-probe")).unwrap();
        fs::write(folder.path().join("kms-probe/config.toml"), text).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("kms-probe/config.toml")
    }

    /// A run of a user whose own file this is.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kms-probe"))
            .args(arguments)
            .env_clear()
            .env("XDG_CONFIG_HOME", self.folder.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// What `config show check` says of a key, as its values and its origin.
    fn shown(&self, key: &str, variables: &[(&str, &str)], typed: &[&str]) -> (String, String) {
        let ask = ["config", "show", "check", "--format", "json", "--", "127.0.0.1:1"];
        let output = self.run(&[&ask, typed].concat(), variables);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_follows("config.schema.json", &shown);
        let rows = shown["commands"][0]["settings"].as_array().unwrap();
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        let values = row["values"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
        (values.collect::<Vec<_>>().join(","), row["origin"].as_str().unwrap().to_owned())
    }
}

/// As under `sudo -u` or a service manager that leaves `HOME` as it was.
#[test]
fn a_default_file_of_another_user_is_passed_over_and_a_named_one_is_an_error() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let world = World::new("[check]\ntimeout = \"1s\"\n");
    let (file, folder) = (world.file(), world.folder.path());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads everything, whatever the mode says, so it becomes somebody else, who may not be
    // allowed into the build's folder.
    let is_root = fs::read(&file).is_ok();
    let program = folder.join("kms-probe-of-all");
    fs::copy(env!("CARGO_BIN_EXE_kms-probe"), &program).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args(arguments).env_clear().env("XDG_CONFIG_HOME", folder);
        if is_root {
            command.uid(NOBODY);
        }
        command.output().unwrap()
    };
    let output = run(&["explain", "1722"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let warning = "warning: this user may not read the configuration file";
    assert!(stderr(&output).starts_with(warning), "{}", stderr(&output));
    assert!(stdout(&run(&["config", "path"])).contains(" denied "));
    let named = run(&["explain", "1722", "--config", file.to_str().unwrap()]);
    assert_eq!(code(&named), 2);
    assert!(stderr(&named).contains("(--config): Permission denied"), "{}", stderr(&named));
}

const NOBODY: u32 = 65_534;

#[test]
fn each_layer_goes_over_the_one_below_and_show_says_which_won() {
    let world = World::new("[all]\ntimeout = \"1s\"\n[check]\ndepth = \"tcp\"\n");
    let said = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    let variable = [("KMS_PROBE_CHECK_TIMEOUT", "2s")];
    assert_eq!(world.shown("fail_on", &[], &[]), said("warning", "default"));
    assert_eq!(world.shown("timeout", &[], &[]), said("1s", "file"));
    assert_eq!(world.shown("timeout", &variable, &[]), said("2s", "environment"));
    let typed = ["--timeout", "3s"];
    assert_eq!(world.shown("timeout", &variable, &typed), said("3s", "command_line"));
    let named = [("KMS_PROBE_CONFIG", "")];
    assert_eq!(world.shown("timeout", &named, &[]), said("4s", "default"));
}

#[test]
fn a_check_does_what_the_file_says() {
    let world =
        World::new("[all]\nformat = \"json\"\n[check]\ndepth = \"tcp\"\ntimeout = \"9s\"\n");
    let report: Value =
        serde_json::from_slice(&world.run(&["check", "127.0.0.1:1"], &[]).stdout).unwrap();
    assert_eq!(report["verdict"], "tcp.refused");
    let output = world.run(&["check", "127.0.0.1:1", "--format", "text"], &[]);
    assert!(stdout(&output).starts_with("CRITICAL tcp.refused"), "{}", stdout(&output));
}

#[test]
fn a_mistake_in_a_file_stops_every_command_that_has_flags_and_is_located() {
    for (text, place) in [
        ("[check]\ntimout = \"2s\"\n", "2:1: unknown key `timout` in `[check]`; the nearest is"),
        ("[check]\ntimeout = \"2\"\n", "2:1: key `timeout`: invalid value `2`: a time with its"),
        ("[chek]\n", "1:2: unknown table `chek`: no such command; the nearest is `check`"),
        ("[check]\nhost = maybe\n", "2:8: "),
    ] {
        let world = World::new(text);
        for arguments in [&["check", "127.0.0.1:1"][..], &["explain", "1722"], &["config", "show"]]
        {
            let output = world.run(arguments, &[]);
            let errors = stderr(&output);
            assert_eq!((code(&output), stdout(&output)), (2, ""), "{arguments:?}");
            let start = format!("error: {}:{place}", world.file().display());
            assert!(errors.starts_with(&start), "{errors}");
        }
        for arguments in [&["check", "--help"][..], &["--version"], &["config", "path"]] {
            assert_eq!(code(&world.run(arguments, &[])), 0, "{arguments:?} needs no file");
        }
    }
}

#[test]
fn a_bad_variable_is_named_and_stops_the_command_it_belongs_to() {
    let world = World::new("");
    let variable = [("KMS_PROBE_CHECK_TIMEOUT", "soon")];
    let output = world.run(&["check", "127.0.0.1:1"], &variable);
    assert_eq!(code(&output), 2);
    let expected = "error: variable `KMS_PROBE_CHECK_TIMEOUT`: invalid value `soon`: a time with";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    assert_eq!(code(&world.run(&["explain", "1722"], &variable)), 0);
}

#[test]
fn a_file_that_is_named_must_exist_wherever_the_flag_stands() {
    for arguments in [
        &["--config", "/no/such/file", "explain", "1722"][..],
        &["explain", "1722", "--config", "/no/such/file"],
        &["config", "--config", "/no/such/file", "show"],
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains("`/no/such/file` (--config)"), "{}", stderr(&output));
    }
    let world = World::new("");
    let output = world.run(&["explain", "1722"], &[("KMS_PROBE_CONFIG", "/no/such/file")]);
    assert!(stderr(&output).contains("(KMS_PROBE_CONFIG)"), "{}", stderr(&output));
}

#[test]
fn a_secret_is_shown_nowhere() {
    let key = "5ec2e75ec2e75ec2e75ec2e75ec2e75e";
    let world = World::new(&format!("[check]\nlab_key = \"{key}\"\n"));
    for variables in [&[][..], &[("KMS_PROBE_CHECK_LAB_KEY", "5ec2e75e")]] {
        for format in ["text", "json"] {
            let output = world.run(&["config", "show", "check", "--format", format], variables);
            assert!(!stdout(&output).contains("5ec2e7"), "{}", stdout(&output));
            assert!(!stderr(&output).contains("5ec2e7"), "{}", stderr(&output));
        }
    }
    let output = world.run(&["config", "show", "check"], &[]);
    assert!(stdout(&output).contains("lab_key            (set, not shown)"), "{}", stdout(&output));
}

#[test]
fn the_example_is_a_valid_file_and_sets_what_is_built_in() {
    let output = run(&["config", "example"]);
    let text = stdout(&output);
    assert!(text.contains("\n[check]\n") && text.contains("\n[config.show]\n"), "{text}");
    let live: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("# ") && !line.starts_with("#resolver"))
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .collect();
    let world = World::new(&live.join("\n"));
    let without = World::new("");
    let values = |world: &World| -> Vec<(String, String, String)> {
        let output = world.run(&["config", "show", "--format", "json"], &[]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let commands = shown["commands"].as_array().unwrap().clone();
        let rows = commands.iter().flat_map(|command| {
            let rows = command["settings"].as_array().unwrap().iter();
            rows.map(|row| {
                let name = command["command"].to_string();
                (name, row["key"].to_string(), row["values"].to_string())
            })
        });
        rows.collect()
    };
    assert_eq!(values(&world), values(&without));
}

#[test]
fn show_refuses_what_is_no_command_line_and_lists_variables_that_set_nothing() {
    let output = run(&["config", "show", "chek"]);
    assert_eq!((code(&output), stderr(&output)), (2, "error: no such command: `chek`\n"));
    let output = run(&["config", "show", "check", "--", "--fast"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--fast"), "{}", stderr(&output));
    let world = World::new("");
    let output = world.run(&["config", "show"], &[("KMS_PROBE_CHECK_TIMOUT", "1s")]);
    let line = "The variable KMS_PROBE_CHECK_TIMOUT sets nothing: no flag has this name.\n";
    assert!(stdout(&output).contains(line), "{}", stdout(&output));
}

#[test]
fn path_says_which_files_are_looked_for_and_which_are_read() {
    let world = World::new("");
    let output = world.run(&["config", "path"], &[]);
    let own = format!("user             read    {}\n", world.file().display());
    assert!(stdout(&output).starts_with(&own), "{}", stdout(&output));
    assert!(stdout(&output).contains("/etc/kms-probe.toml\n"), "{}", stdout(&output));
    let output = run(&["config", "path"]);
    assert_eq!(stdout(&output), "no file is read: KMS_PROBE_CONFIG is empty\n");
}
