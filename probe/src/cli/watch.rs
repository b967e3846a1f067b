//! `kms-probe watch`.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::args::{Format, FormatArgs};
use super::{Outcome, write_text};
use crate::platform::signals;
use crate::report::{self, Style, json};
use crate::watch::config::{self, Config};
use crate::watch::engine::{Engine, Mode, Stopper};
use crate::watch::moment::Moment;
use crate::watch::notice::Notice;
use crate::watch::state::Level;
use crate::watch::store::Store;
use crate::watch::view::View;

/// `watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
FILE says in TOML what to watch, how often, whom to tell and what to try:

  [[target]]
  target = \"kms1.corp.example.com:1688\"
  interval = \"1m\"
  confirm = \"2 of 3\"
  recovery = \"restart\"

  [webhook.ops]
  url = \"https://alerts.example.com/kms\"
  secret_file = \"webhook.secret\"

  [recovery.restart]
  command = [\"/usr/local/sbin/restart-kms\"]

A change is told once M of the last N checks have seen it. Every check, change, alert and recovery is
kept in the history, an SQLite file: a restart goes on from there and repeats nothing.

Examples:
  kms-probe watch watch.toml
  kms-probe watch watch.toml --check-config
  kms-probe watch /etc/kms-probe/watch.toml --once --history /var/lib/kms-probe/watch.db
  kms-probe watch watch.toml --format json >> changes.ndjson

Exit codes: 0 it was asked to end, or nothing is wrong after --once; 1 something is wrong after --once;
2 usage or this program's own failure.")]
pub(super) struct WatchArgs {
    /// What to watch, whom to tell and what to try
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check every target once, deliver what waits, and end: for cron
    #[arg(long, conflicts_with = "check_config")]
    once: bool,
    /// Only say whether FILE can be used, and what it comes to
    #[arg(long)]
    check_config: bool,
    /// The history, in place of the one that FILE names
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Seed of the jitter, in place of the one that FILE names; otherwise one is drawn and printed
    #[arg(long)]
    seed: Option<u32>,
    /// A line for each change also on a terminal, in place of the view
    #[arg(long)]
    lines: bool,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs `watch`.
pub(super) fn run(args: &WatchArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut config = read(&args.file)?;
    if let Some(history) = &args.history {
        config.history.clone_from(history);
    }
    if args.check_config {
        return check_config(&config, args.format.format, out);
    }
    let store = Store::open(&config.history)?;
    let seed = args.seed.or(config.seed).unwrap_or_else(drawn_seed);
    let mode = if args.once { Mode::Once } else { Mode::ForGood };
    if mode == Mode::ForGood {
        let count = config.watchpoints.len();
        let begins = format!(
            "watching {count} {}, seed {seed}, history `{}`",
            if count == 1 { "target" } else { "targets and sources" },
            config.history.display()
        );
        let _nowhere_to_complain = writeln!(io::stderr(), "{}", report::escape(&begins));
    }
    let mut engine = Engine::new(config, store, seed, mode)?;
    let stopper = engine.stopper();
    let view = match mode == Mode::ForGood && shows_view(args) {
        true => Some(start_view(stopper.clone()).context("cannot use the terminal")?),
        false => None,
    };
    signals::on_first(move || stopper.stop()).context("cannot wait for signals")?;
    let format = args.format.format;
    engine.run(
        &mut |notice| match &view {
            Some(view) => {
                view.change(|model| model.note(notice.text()));
                Ok(())
            }
            None => write_notice(out, format, notice),
        },
        &mut |engine| {
            if let Some(view) = &view {
                view.change(|model| model.follow(engine));
            }
        },
    )?;
    // The terminal is its owner's again before anything else is written to it.
    drop(view);
    Ok(Outcome::of(mode == Mode::ForGood || engine.worst() == Level::Up))
}

/// With a person in front, who did not ask for lines.
fn shows_view(args: &WatchArgs) -> bool {
    args.format.format == Format::Text && !args.lines && View::is_possible()
}

fn start_view(stopper: Stopper) -> io::Result<View> {
    View::start(Style::of_stdout().colour, move || stopper.stop())
}

/// A line for each thing that happens.
fn write_notice(out: &mut dyn Write, format: Format, notice: &Notice) -> anyhow::Result<()> {
    match format {
        Format::Text => write_text(out, &format!("{}\n", notice.text())),
        Format::Json => {
            json::write_compact(notice, out)?;
            write_text(out, "\n")
        }
    }
}

fn check_config(config: &Config, format: Format, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match format {
        Format::Json => json::write(&config.summary(), out)?,
        Format::Text => write_text(out, &config.text())?,
    }
    Ok(Outcome::Healthy)
}

/// Small enough to be typed again.
fn drawn_seed() -> u32 {
    u32::try_from(Moment::now().0.rem_euclid(1_000_000)).unwrap_or(0)
}

fn read(path: &Path) -> anyhow::Result<Config> {
    let name = report::escape(&path.display().to_string()).into_owned();
    let file = File::open(path).with_context(|| format!("cannot open `{name}`"))?;
    let mut text = String::new();
    file.take(config::FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read `{name}`"))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > config::FILE_BYTES_MAX) {
        bail!("`{name}` is longer than {} bytes", config::FILE_BYTES_MAX);
    }
    Ok(config::parse(&name, &text, path.parent().unwrap_or(Path::new("")))?)
}
