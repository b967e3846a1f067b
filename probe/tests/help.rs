//! The help of every command: as it was last agreed on, with examples that the program accepts;
//! completion scripts and manual pages that shells and formatters accept.
//!
//! After a change that is meant: `UPDATE_HELP=1 cargo test -p kms-probe --test help`, and look at
//! the difference in `probe/tests/help/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use self::skip::{Need, require, tool};

/// The help of every command, by its name: `config show` is `config-show`.
fn helps() -> BTreeMap<String, String> {
    let mut program = kms_probe::cli::command().term_width(100);
    program.build();
    let mut helps = BTreeMap::new();
    collect("kms-probe", &mut program, &mut helps);
    helps
}

fn collect(name: &str, command: &mut clap::Command, helps: &mut BTreeMap<String, String>) {
    helps.insert(
        name.to_owned(),
        format!("{}\n", command.render_long_help().to_string().trim_end()),
    );
    for child in command.get_subcommands_mut() {
        if child.get_name() != "help" {
            let name = format!("{name}-{}", child.get_name());
            collect(&name, child, helps);
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help")
}

#[test]
fn the_help_of_every_command_is_as_agreed() {
    let helps = helps();
    if std::env::var_os("UPDATE_HELP").is_some_and(|value| value == "1") {
        fs::remove_dir_all(folder()).unwrap_or_default();
        fs::create_dir_all(folder()).unwrap();
        for (name, help) in &helps {
            fs::write(folder().join(format!("{name}.txt")), help).unwrap();
        }
    }
    let mut agreed = BTreeMap::new();
    for file in fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        agreed.insert(name, fs::read_to_string(path).unwrap());
    }
    let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&helps), names(&agreed), "{HINT}");
    for (name, help) in &helps {
        assert_eq!(Some(help), agreed.get(name), "{name}: {HINT}");
    }
}

#[test]
fn every_command_has_two_examples_and_the_program_accepts_each() {
    for (name, help) in helps() {
        let examples = examples(&help);
        let command = name.replacen("kms-probe-", "kms-probe ", 1);
        let words: Vec<&str> = command.split(['-', ' ']).collect();
        assert!(examples.len() >= 2, "`{name}` has {} examples:\n{help}", examples.len());
        let own = examples.iter().filter(|line| {
            let mut all = line.iter().map(String::as_str).filter(|word| !word.starts_with('-'));
            words.iter().skip(2).all(|word| all.any(|it| it == *word))
        });
        assert!(own.count() >= 2, "`{name}` shows other commands");
        for line in examples {
            if let Err(error) = kms_probe::cli::command().try_get_matches_from(&line) {
                panic!("example of `{name}`: {}: {error}", line.join(" "));
            }
        }
    }
}

/// The words of the examples in a help, without comments and what goes to other programs.
fn examples(help: &str) -> Vec<Vec<String>> {
    let Some((_, after)) = help.split_once("\nExamples:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| line.starts_with("  "));
    let mut examples = Vec::new();
    for line in lines {
        // The program may stand behind a pipe: `cat list | kms-probe sweep -`.
        let Some(start) = line.find("kms-probe ") else { continue };
        let mut words = Vec::new();
        let rest = line.get(start..).unwrap();
        let rest = rest.split("   ").next().unwrap();
        let mut quoted = false;
        let mut word = String::new();
        for character in rest.chars() {
            match character {
                '\'' | '"' => quoted = !quoted,
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                other => word.push(other),
            }
        }
        words.push(word);
        let ends = |word: &String| ["|", ">", "<", ">>", "&&", ";", "2>"].contains(&word.as_str());
        let end = words.iter().position(ends).unwrap_or(words.len());
        words.truncate(end);
        words.retain(|word| !word.is_empty());
        examples.push(words);
    }
    examples
}

#[test]
fn examples_are_read_as_a_shell_would() {
    let help = "x\n\nExamples:\n  kms-probe a 'b c' | man -l -\n  cat f | kms-probe sweep -\n  \
                kms-probe lab      see it work\n\nExit codes: 0\n";
    let expected =
        [vec!["kms-probe", "a", "b c"], vec!["kms-probe", "sweep", "-"], vec!["kms-probe", "lab"]];
    assert_eq!(examples(help), expected);
}

#[test]
fn completion_scripts_are_valid_and_name_every_command() {
    let program = kms_probe::cli::command();
    let commands: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
    for (shell, arguments) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])]
    {
        let script = run(&["completions", shell]);
        let text = String::from_utf8(script.stdout).unwrap();
        for command in &commands {
            assert!(text.contains(command), "{shell}: no `{command}`");
        }
        // bash is everywhere; the others where somebody uses them.
        let Some(program) = tool(shell) else {
            assert_ne!(shell, "bash");
            continue;
        };
        let checked = feed(Command::new(program).args(arguments), text.as_bytes());
        let errors = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && errors.is_empty(), "{shell}: {errors}");
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = String::from_utf8(run(&["completions", "bash"]).stdout).unwrap();
    for (words, expected) in [
        ("kms-probe fingerp", "fingerprint"),
        ("kms-probe check --resolv", "--resolver"),
        ("kms-probe check --depth k", "kms"),
    ] {
        let typed: Vec<&str> = words.split(' ').collect();
        let last = typed.len() - 1;
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={last}; COMPREPLY=();\n\
             _kms__probe kms-probe \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{before}]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            before = last - 1
        );
        let output = feed(Command::new(tool("bash").unwrap()).arg("-s"), ask.as_bytes());
        let replies = String::from_utf8(output.stdout).unwrap();
        assert!(replies.lines().any(|line| line == expected), "{words}: {replies}");
    }
}

#[test]
fn manual_pages_are_formatted_without_a_warning() {
    if !require("manual_pages_are_formatted_without_a_warning", &[Need::Tool("groff")]) {
        return;
    }
    let program = kms_probe::cli::command();
    let mut pages = vec![vec!["man"]];
    pages.extend(program.get_subcommands().map(|command| vec!["man", command.get_name()]));
    for arguments in pages {
        let page = run(&arguments);
        assert!(page.status.success(), "{arguments:?}");
        let mut groff = Command::new(tool("groff").unwrap());
        groff.args(["-man", "-Tutf8", "-ww", "-K", "utf8"]);
        let shown = feed(&mut groff, &page.stdout);
        let warnings = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success() && warnings.is_empty(), "{arguments:?}: {warnings}");
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(text.contains("Examples:"), "{arguments:?}: {text}");
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kms-probe"))
        .args(arguments)
        .env("KMS_PROBE_CONFIG", "")
        .output()
        .unwrap()
}

fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A program that reads while it writes must not wait for us.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    })
}

const HINT: &str = "if the change is meant, run `UPDATE_HELP=1 cargo test -p kms-probe --test help` \
                    and look at the difference";
