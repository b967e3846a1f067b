//! The command line of `kms-sim`.
//!
//! Exit codes: 0 done, 2 usage or anything that kept the command from starting; 1 is left for
//! commands that judge something: `client` ends with it when it is not activated, `fleet` when an
//! expectation does not hold, `load` when an objective is missed.

mod catalog;
mod client;
mod client_setup;
mod dns;
mod faults;
mod file;
mod fleet;
mod journal;
mod load;
mod output;
mod serve;
mod token_file;
mod value;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// A lab KMS host for diagnostics and rehearsal. It cannot activate anything: it holds no Microsoft
/// key, and its answers are refused by real clients.
#[derive(Debug, Parser)]
#[command(name = "kms-sim", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer KMS requests, and optionally DNS queries that lead to this host.
    Serve(Box<serve::Arguments>),
    /// Read, export, sum up or copy what a host has recorded with --journal.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Live as one client of a KMS host, on the wire.
    Client(Box<client::Arguments>),
    /// Load a simulator, or any RPC endpoint of one's own, and measure how it bears it.
    Load(Box<load::Arguments>),
    /// Print the locustfile for a Locust master whose workers are `load --locust-master`.
    LocustStub(load::Stub),
    /// Print what to type on a lab machine to point it at a simulator, and to undo it.
    ClientSetup(client_setup::Arguments),
    /// List the products that the lab knows, with all their ids.
    Catalog(catalog::Arguments),
    /// Publish a lab host in a real DNS zone by dynamic update, or withdraw it.
    #[command(subcommand)]
    Dns(Box<dns::Command>),
    /// Check a file of fault rules, or print what faults there are.
    #[command(subcommand)]
    Faults(faults::Command),
    /// Rehearse with many clients over months, in virtual time.
    #[command(subcommand)]
    Fleet(Box<fleet::Command>),
    /// Print a completion script for a shell.
    Completions {
        /// The shell to complete for.
        shell: Shell,
    },
    /// Print a manual page in roff.
    Man {
        /// The command to describe; the program as a whole without it.
        command: Option<String>,
    },
}

/// Runs `kms-sim` with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = match Cli::try_parse_from(arguments) {
        Ok(Cli { command }) => execute(command),
        Err(error) => {
            // Help and version are "errors" for standard output, with exit code 0.
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(USAGE)
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Client(arguments) => return client::run(*arguments),
        Command::Load(arguments) => return load::run(*arguments),
        Command::LocustStub(arguments) => load::print_stub(&arguments),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Journal(command) => journal::run(command),
        Command::ClientSetup(arguments) => client_setup::run(arguments),
        Command::Catalog(arguments) => output::print(&catalog::render(&arguments)?),
        Command::Dns(command) => dns::run(&command),
        Command::Faults(command) => faults::run(&command),
        Command::Fleet(command) => return fleet::run(*command),
        Command::Completions { shell } => {
            output::print(&crate::completion::script(shell, &mut Cli::command()))
        }
        Command::Man { command } => output::print(&manual(command.as_deref())?),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// The manual page of one subcommand, or of the program.
fn manual(name: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut program = Cli::command();
    program.build();
    let command = match name {
        None => &program,
        Some(name) => program
            .find_subcommand(name)
            .ok_or_else(|| anyhow::anyhow!("no such command: `{}`", name.escape_debug()))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// Exit code of bad usage and of commands that could not start.
const USAGE: u8 = 2;
