//! `kms-probe fingerprint`.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::args::{Format, FormatArgs, ResolverArgs};
use super::{Outcome, values, write_text};
use crate::check::{self, Family, Timeouts};
use crate::fingerprint;
use crate::report::{self, Style, json};
use crate::target::{Asked, Target};

/// `fingerprint`.
#[derive(Debug, Args)]
#[command(after_help = "\
A TARGET is what it is for `check`: an address, `[v6]` or anything with a `:port` is a host; a bare
name is a domain whose KMS hosts are looked up by SRV, or a host with --host.

Seven short connections each bend one rule of RPC, and the answers are held against what known
servers do. The result is \"consistent with\", with the evidence; it is never a certainty. Nothing is
sent that a genuine host would execute or count.

Examples:
  kms-probe fingerprint 192.0.2.10
  kms-probe fingerprint kms1.corp.example.com:1688 --timeout 2s
  kms-probe fingerprint corp.example.com --resolver 192.0.2.53 --format json

Exit codes: 0 something was observed at every target, 1 nothing could be observed at one of them,
2 usage or this program's own failure.")]
pub(super) struct FingerprintArgs {
    /// Hosts and domains to ask
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<String>,
    /// Take bare names as hosts (port 1688), not as domains
    #[arg(long)]
    host: bool,
    /// Time for each connection, whole: `500ms`, `4s`, `1m`
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true, default_value = "4s")]
    timeout: Duration,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
    #[command(flatten)]
    resolvers: ResolverArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Runs `fingerprint`.
pub(super) fn run(args: &FingerprintArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let dns = check::Options {
        resolvers: args.resolvers.resolvers.clone(),
        timeouts: Timeouts::all(args.timeout),
        family: match (args.ipv4, args.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            (false, false) => None,
        },
        ..check::Options::default()
    };
    let targets = targets(args, dns.family)?;
    let report = fingerprint::run(&targets, args.timeout, &dns)?;
    match args.format.format {
        Format::Json => json::write(&fingerprint::json::shape(&report), out)?,
        Format::Text => write_text(out, &fingerprint::text::text(&report, Style::of_stdout()))?,
    }
    Ok(Outcome::of(report.observed_all()))
}

/// Every target is understood before anything is sent.
fn targets(args: &FingerprintArgs, family: Option<Family>) -> anyhow::Result<Vec<Asked>> {
    let mut targets: Vec<Asked> = Vec::new();
    for text in &args.targets {
        let asked = Asked::parse(text, args.host)
            .with_context(|| format!("target `{}`", report::escape(text)))?;
        if let Target::Address(address) = asked.target
            && let Some(family) = family.filter(|family| !family.has(&address))
        {
            bail!("`{address}` is not an {} address, and no other was asked for", family.name());
        }
        if !targets.iter().any(|known| known.target == asked.target) {
            targets.push(asked);
        }
    }
    Ok(targets)
}
