//! `kms-sim client-setup`: what to type on a lab machine.

use clap::Args;

use super::output;
use super::value::DomainName;
use crate::client::HostName;
use crate::client::setup::{Format, Setup, render};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The host to point the machine at; port 1688 unless given.
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        required_unless_present = "domain",
        conflicts_with = "domain"
    )]
    server: Option<HostName>,
    /// The domain whose SRV records the machine is to look up.
    #[arg(long, value_name = "NAME")]
    domain: Option<DomainName>,
    /// What to print: everything, or one piece alone.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The piece that takes it back; `text` has both.
    #[arg(long)]
    undo: bool,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let setup = match (arguments.server, arguments.domain) {
        (Some(host), _) => Setup::Host(host),
        (None, Some(domain)) => Setup::Domain(domain.0.trim_end_matches('.').to_owned()),
        (None, None) => anyhow::bail!("--server or --domain is wanted"),
    };
    output::print(render(&setup, arguments.format, arguments.undo)?.as_bytes())
}

const EXAMPLES: &str = "\
Real Windows and Office will refuse the lab's answers and stay unactivated: this shows the way to the
host, not an activation. Nothing on this machine is changed.

Examples:
  kms-sim client-setup --server kms1.lab.test
  kms-sim client-setup --server 192.0.2.10:1700 --format reg > lab.reg
  kms-sim client-setup --domain lab.test --format powershell --undo

Exit codes: 0 printed, 2 usage.";
