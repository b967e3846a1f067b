//! `kms-probe config`, and how every command comes by its defaults.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::{ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Subcommand};

use super::args::{Cli, Format, FormatArgs};
use super::{Outcome, PROGRAM, write_json, write_text};
use crate::config::layers::Layers;
use crate::config::places::{self, Candidate};
use crate::config::{example, option, show};
use crate::report::{self, Style};

/// `config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every flag can have its default in a file or in the environment. The command line goes over the
environment, the environment over the file, the file over what is built in.

Examples:
  kms-probe config show check
  kms-probe config example > ~/.config/kms-probe/config.toml
  kms-probe config path")]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show every value in effect, and where each came from
    Show(ShowArgs),
    /// Show which files are looked for, and which of them are read
    #[command(after_help = "\
Examples:
  kms-probe config path
  kms-probe config path --config ./lab.toml")]
    Path,
    /// Print a file with every key as a comment, to begin with
    #[command(after_help = "\
Examples:
  kms-probe config example
  kms-probe config example > ~/.config/kms-probe/config.toml")]
    Example,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Values of keys and tokens are not shown.

Examples:
  kms-probe config show
  kms-probe config show check --format json
  kms-probe config show check -- corp.example.com --timeout 2s")]
struct ShowArgs {
    /// Command to show; without it, all
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Arguments of that command, to see what goes over what
    #[arg(value_name = "ARGUMENT", last = true, requires = "command")]
    arguments: Vec<String>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Understands a command line, with the defaults of files and environment in place.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Cli, Refused> {
    let program = Cli::command();
    // Help needs no file, and a bad one must not keep anybody from it. Other errors are found again
    // below, where defaults are known.
    let given = program.clone().ignore_errors(true).try_get_matches_from(&arguments)?;
    let matches = match invoked(&program, &given) {
        Some(command) if option::options(command).next().is_some() => {
            let layers = layers(&program, config_flag(&given), &mut warn)?;
            let program = layers.apply(program, &given).map_err(anyhow::Error::msg)?;
            program.try_get_matches_from(arguments)?
        }
        _ => program.try_get_matches_from(arguments)?,
    };
    Ok(Cli::from_arg_matches(&matches)?)
}

/// Why a command line is not understood.
pub(super) enum Refused {
    /// By clap, which prints it itself.
    Usage(clap::Error),
    /// By a file or a variable.
    Config(anyhow::Error),
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Self::Config(error)
    }
}

/// The command that a command line names.
fn invoked<'a>(command: &'a Command, given: &ArgMatches) -> Option<&'a Command> {
    let (name, below) = given.subcommand()?;
    let child = command.find_subcommand(name)?;
    if below.subcommand().is_some() { invoked(child, below) } else { Some(child) }
}

/// `--config`, wherever it stands.
fn config_flag(given: &ArgMatches) -> Option<&Path> {
    let here = given.try_get_one::<PathBuf>("config").ok().flatten().map(PathBuf::as_path);
    here.or_else(|| given.subcommand().and_then(|(_, below)| config_flag(below)))
}

fn candidates(flag: Option<&Path>) -> Vec<Candidate> {
    places::candidates(flag, &|name| std::env::var_os(name))
}

fn layers(
    program: &Command,
    flag: Option<&Path>,
    forbidden: &mut dyn FnMut(&str),
) -> anyhow::Result<Layers> {
    let files = places::load(&candidates(flag), program, forbidden)?;
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Ok(Layers::new(files, variables))
}

/// Says that a file is passed over.
fn warn(path: &str) {
    let path = report::escape(path);
    let _nowhere_to_complain = writeln!(
        io::stderr(),
        "warning: this user may not read the configuration file `{path}`, so it sets nothing"
    );
}

/// Runs `config`.
pub(super) fn run(
    args: &ConfigArgs,
    flag: Option<&Path>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    match &args.what {
        What::Show(args) => run_show(args, flag, out),
        What::Path => run_path(flag, out),
        What::Example => {
            write_text(out, &example::example(&Cli::command()))?;
            Ok(Outcome::Healthy)
        }
    }
}

fn run_show(args: &ShowArgs, flag: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let program = Cli::command();
    let wanted: Vec<String> = args.command.iter().cloned().collect();
    if let Some(name) = &args.command
        && program.find_subcommand(name).is_none()
    {
        bail!("no such command: `{name}`");
    }
    // Of a file that is passed over, `parse` has told.
    let layers = layers(&program, flag, &mut |_| {})?;
    let given = match args.arguments.as_slice() {
        [] => None,
        arguments => Some(given(&program, &layers, &wanted, arguments)?),
    };
    let shown =
        show::show(&layers, &program, &wanted, given.as_ref()).map_err(anyhow::Error::msg)?;
    match args.format.format {
        Format::Text => write_text(out, &shown.text(Style::of_stdout()))?,
        Format::Json => write_json(&shown, out)?,
    }
    Ok(Outcome::Healthy)
}

/// A command line that is asked about: it must be one that would run.
fn given(
    program: &Command,
    layers: &Layers,
    command: &[String],
    arguments: &[String],
) -> anyhow::Result<ArgMatches> {
    let line: Vec<&str> = std::iter::once(PROGRAM)
        .chain(command.iter().map(String::as_str))
        .chain(arguments.iter().map(String::as_str))
        .collect();
    let refused = |error: clap::Error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        anyhow!("{}", first.strip_prefix("error: ").unwrap_or(first))
    };
    let given = program.clone().ignore_errors(true).try_get_matches_from(&line).map_err(refused)?;
    let with_defaults = layers.apply(program.clone(), &given).map_err(anyhow::Error::msg)?;
    with_defaults.try_get_matches_from(&line).map_err(refused)?;
    Ok(given)
}

/// All settings in effect, as `config show` has them.
pub(super) fn in_effect(flag: Option<&Path>) -> anyhow::Result<String> {
    let program = Cli::command();
    let layers = layers(&program, flag, &mut |_| {})?;
    let shown = show::show(&layers, &program, &[], None).map_err(anyhow::Error::msg)?;
    Ok(shown.text(Style::PLAIN))
}

fn run_path(flag: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut text = String::new();
    for candidate in candidates(flag) {
        let state = candidate.state();
        let path = candidate.path.display().to_string();
        let path = report::escape(&path);
        text.push_str(&format!("{:<16} {state:<7} {path}\n", candidate.reason.words()));
    }
    if text.is_empty() {
        text.push_str("no file is read: KMS_PROBE_CONFIG is empty\n");
    }
    write_text(out, &text)?;
    Ok(Outcome::Healthy)
}
