//! `kms-probe trace`.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::args::{Format, FormatArgs, ResolverArgs};
use super::origin::{OriginArgs, check_family};
use super::{Outcome, values, write_text};
use crate::check::{self, Timeouts};
use crate::report::{self, Style, json};
use crate::target::{Asked, Target};
use crate::trace;
use crate::verdict::Severity;

/// `trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
A TARGET is what it is for `check`: an address, `[v6]` or anything with a `:port` is a host; a bare
name is a domain whose KMS hosts are looked up by SRV, or a host with --host.

SYNs of every TTL go to the target's port and, for comparison, to the control ports. Routers are
seen by their ICMP \"time exceeded\", the host by its SYN-ACK or reset. No privilege is needed.
In the picture, a number is a hop that answered, `*` one that did not, `[3]` the host, `!` an answer
that stops the SYN and `X` silence. A device that inspects payload lets the SYN pass, so an RPC bind
follows over a connection of its own once the port is reached; where it stops, no trace can show.

Examples:
  kms-probe trace kms1.corp.example.com:1688
  kms-probe trace corp.example.com --names --ping
  kms-probe trace 192.0.2.10 --source 198.51.100.7
  kms-probe trace 192.0.2.10 --control-port 22,3389 --flows 8 --format json

Exit codes: 0 the port is reached, 1 it is not (or in part), 2 usage or this program's own failure.")]
pub(super) struct TraceArgs {
    /// Hosts and domains to trace
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Take bare names as hosts (port 1688), not as domains
    #[arg(long)]
    host: bool,
    /// Port of the same host that should pass, to compare with; may be repeated
    #[arg(
        long = "control-port",
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..),
        default_values_t = trace::CONTROL_PORTS
    )]
    control_ports: Vec<u16>,
    /// Largest TTL to try
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(1..=i64::from(trace::MAX_HOPS_MAX)),
        default_value_t = 30
    )]
    max_hops: u8,
    /// SYNs per hop to the target's port, each from another source port, to see load-balanced branches
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(1..=i64::from(trace::FLOWS_MAX)),
        default_value_t = 3
    )]
    flows: u8,
    /// Time for one trace, whole: `500ms`, `4s`, `1m`
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "4s")]
    timeout: Duration,
    /// Look up the names of routers by reverse DNS
    #[arg(long)]
    names: bool,
    /// Send an ICMP echo as well, where this user may; informative only
    #[arg(long)]
    ping: bool,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    resolvers: ResolverArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs `trace`.
pub(super) fn run(args: &TraceArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let options = trace::Options {
        control_ports: args.control_ports.clone(),
        max_hops: args.max_hops,
        flows: args.flows,
        timeout: args.timeout,
        names: args.names,
        ping: args.ping,
        origin: args.origin.origin(),
    };
    options.validate().map_err(anyhow::Error::msg)?;
    let dns = check::Options {
        resolvers: args.resolvers.resolvers.clone(),
        timeouts: Timeouts::all(args.timeout),
        family: args.origin.family()?,
        origin: args.origin.origin(),
        ..check::Options::default()
    };
    let targets = targets(args)?;
    let (style, mut is_first) = (Style::of_stdout(), true);
    let report = trace::run(&targets, &options, &dns, |entry| {
        if args.format.format != Format::Text {
            return Ok(());
        }
        let gap = if std::mem::take(&mut is_first) { "" } else { "\n" };
        write_text(out, &format!("{gap}{}", trace::text::entry(entry, style)))
    })?;
    if args.format.format == Format::Json {
        json::write(&trace::json::shape(&report), out)?;
    }
    Ok(Outcome::of(report.severity() < Severity::Warning))
}

/// Every target is understood before anything is sent.
fn targets(args: &TraceArgs) -> anyhow::Result<Vec<Asked>> {
    let mut targets: Vec<Asked> = Vec::new();
    for text in &args.targets {
        let asked = Asked::parse(text, args.host)
            .with_context(|| format!("target `{}`", report::escape(text)))?;
        if let Target::Address(address) = &asked.target {
            check_family(address, args.origin.family()?, args.origin.origin())?;
        }
        if !targets.iter().any(|known| known.target == asked.target) {
            targets.push(asked);
        }
    }
    Ok(targets)
}
