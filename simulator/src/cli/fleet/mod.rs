//! `kms-sim fleet`: rehearse with many clients over months. One command per file.

mod bench;
mod check;
mod compare;
mod formats;
mod import;
mod list;
mod merge;
mod plot;
mod progress;
mod result;
mod run;
mod show;
mod source;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say how fast fleets run on this machine.
    Bench(bench::Arguments),
    /// Read scenarios and say what is wrong with them, each mistake with its line and key.
    Check(check::Arguments),
    /// Say what is different between two runs.
    Compare(compare::Arguments),
    /// Make a scenario of a real population: event 12290 of hosts, a journal, an inventory.
    Import(import::Arguments),
    /// List the scenarios that come with the program.
    List(list::Arguments),
    /// Put the shards of a run together: exactly what the unsharded run gives.
    Merge(merge::Arguments),
    /// Run a scenario in virtual time and draw its course as SVG.
    Plot(plot::Arguments),
    /// Run a scenario in virtual time, and judge what it expects; exits 1 where that does not hold.
    Run(run::Arguments),
    /// Print a scenario as TOML, to read it or to change it.
    Show(show::Arguments),
}

/// # Errors
/// What kept the command from starting.
pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Merge(arguments) => return merge::run(&arguments),
        Command::Run(arguments) => return run::run(arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}
