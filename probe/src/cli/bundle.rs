//! `kms-probe bundle`.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::args::{Depth, KmsArgs, ResolverArgs, TimeoutArgs};
use super::clock::ClockArgs;
use super::origin::OriginArgs;
use super::{Outcome, config, kms_options, targets, timeouts, write_text};
use crate::bundle::redact::Redactor;
use crate::bundle::verify::verify;
use crate::bundle::{self, Made, Wanted, When};
use crate::check::{self, Timeouts};
use crate::report::{PendingFile, escape};

/// `bundle`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
One ZIP archive for whoever supports this network: the check of every host that the targets lead to,
what every DNS server says, the path where a host failed, this machine, the settings in effect, logs
and what they say together, and a manifest with SHA-256 of each part. `analyze` reads the logs in it.

With --redact, names and addresses are pseudonyms, the same one for the same name in every part; what
they stand for goes to FILE.mapping.json, for you alone. Binary logs are then left out, for names in
them cannot be replaced; what they say is in the analysis.

Examples:
  kms-probe bundle corp.example.com --output kms.zip
  kms-probe bundle corp.example.com --log Application.evtx --log slmgr.txt --output kms.zip
  kms-probe bundle kms1.corp.example.com:1688 --redact --redact-name CONTOSO --output kms.zip
  kms-probe bundle verify kms.zip

Exit codes: 0 the bundle was written, whatever the check found, or is what its manifest says; 1 it
differs from its manifest; 2 usage or this program's own failure."
)]
pub(super) struct BundleArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// Hosts and domains to check, as for `check`; without one, the search suffixes of this machine
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Take bare names as hosts (port 1688), not as domains
    #[arg(long)]
    host: bool,
    /// The archive to write, whole or not at all
    #[arg(long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    /// Log to put in: Windows events, slmgr output, a capture, a journal; may be repeated
    #[arg(long = "log", value_name = "FILE")]
    logs: Vec<PathBuf>,
    /// When the path is traced; `auto`: where a host failed from tcp to rpc
    #[arg(long, value_enum, default_value_t = Trace::Auto)]
    trace: Trace,
    /// Replace names and addresses by pseudonyms
    #[arg(long)]
    redact: bool,
    /// Another name to replace, of a company, a site or a user; may be repeated
    #[arg(long, value_name = "NAME", requires = "redact")]
    redact_name: Vec<String>,
    /// Where to write what the pseudonyms stand for, in place of FILE.mapping.json
    #[arg(long, value_name = "FILE", requires = "redact")]
    mapping: Option<PathBuf>,
    /// Last stage of the check. `kms` sends a lab-keyed request, which a genuine host refuses and may log
    #[arg(long, value_enum, default_value_t = Depth::Rpc)]
    depth: Depth,
    #[command(flatten)]
    origin: OriginArgs,
    #[command(flatten)]
    resolvers: ResolverArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    #[command(flatten)]
    clock: ClockArgs,
    // Last, since its heading in the help holds for all that follows.
    #[command(flatten)]
    kms: KmsArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Compare every part of a bundle with its manifest
    #[command(after_help = "\
Examples:
  kms-probe bundle verify kms.zip
  kms-probe bundle verify kms.zip && kms-probe analyze kms.zip")]
    Verify {
        /// The bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// When the path is traced.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Trace {
    Auto,
    Always,
    Never,
}

/// Runs `bundle`.
pub(super) fn run(
    args: &BundleArgs,
    config: Option<&Path>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    if let Some(What::Verify { file }) = &args.what {
        return run_verify(file, out);
    }
    let output = args.output.as_deref().context("--output is wanted")?;
    let check = options(args)?;
    let wanted = Wanted {
        targets: targets(&args.targets, args.host, &check)?,
        check,
        trace: match args.trace {
            Trace::Auto => When::Auto,
            Trace::Always => When::Always,
            Trace::Never => When::Never,
        },
        logs: args.logs.clone(),
        settings: config::in_effect(config)?,
    };
    let shown = escape(&output.display().to_string()).into_owned();
    let pending =
        PendingFile::create(output).with_context(|| format!("--output: cannot write `{shown}`"))?;
    let redact = args.redact.then_some(args.redact_name.as_slice());
    let mapping = args.redact.then(|| mapping_path(args, output));
    if let Some(path) = mapping.as_deref().filter(|path| path.exists()) {
        let path = escape(&path.display().to_string()).into_owned();
        bail!("--mapping: `{path}` is there already, and is not written over");
    }
    let mut say = |text: &str| {
        if io::stderr().is_terminal() {
            let _nobody_reads = writeln!(io::stderr(), "{text} ...");
        }
    };
    let made = pending.finish_in(|file| {
        let made = bundle::make(&wanted, redact, file, &mut say)?;
        // A bundle with pseudonyms that nobody can resolve would be worth little.
        if let (Some(redactor), Some(path)) = (&made.redactor, &mapping) {
            write_mapping(redactor, path)?;
        }
        anyhow::Ok(made)
    })?;
    write_text(out, &summary(&made, &shown, mapping.as_deref()))?;
    Ok(Outcome::Healthy)
}

fn options(args: &BundleArgs) -> anyhow::Result<check::Options> {
    Ok(check::Options {
        depth: args.depth.into(),
        resolvers: args.resolvers.resolvers.clone(),
        timeouts: Timeouts {
            clock: args.clock.clock_timeout.unwrap_or(args.timeouts.timeout),
            ..timeouts(&args.timeouts)
        },
        family: args.origin.family()?,
        origin: args.origin.origin(),
        kms: kms_options(&args.kms),
        clock: args.clock.options(args.depth.into())?,
        ..check::Options::default()
    })
}

fn mapping_path(args: &BundleArgs, output: &Path) -> PathBuf {
    args.mapping.clone().unwrap_or_else(|| {
        let mut name = output.as_os_str().to_owned();
        name.push(".mapping.json");
        name.into()
    })
}

/// For the owner of the network alone.
fn write_mapping(redactor: &Redactor, path: &Path) -> anyhow::Result<()> {
    let shown = escape(&path.display().to_string()).into_owned();
    let write = || -> anyhow::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        serde_json::to_writer_pretty(&mut file, &redactor.mapping())?;
        Ok(writeln!(file)?)
    };
    write().with_context(|| format!("--mapping: cannot write `{shown}`"))
}

fn summary(made: &Made, output: &str, mapping: Option<&Path>) -> String {
    let mut text = format!("{output}  {} parts\n\n", made.manifest.parts.len());
    for part in &made.manifest.parts {
        text.push_str(&format!("  {:<28} {:>10}  {}\n", part.name, part.bytes, part.what));
    }
    for left in &made.manifest.left_out {
        let (name, why) = (escape(&left.name), escape(&left.why));
        text.push_str(&format!("  {name:<28} {:>10}  {why}\n", "left out"));
    }
    text.push_str(&format!("\nThe check: {}.\n", made.severity.name()));
    match mapping {
        Some(mapping) => text.push_str(&format!(
            "What the pseudonyms stand for is in `{}`: keep it to yourself.\n",
            escape(&mapping.display().to_string())
        )),
        None => text.push_str(
            "It holds names and addresses of this network: look through it before you hand it on, or \
             use --redact.\n",
        ),
    }
    text
}

fn run_verify(file: &Path, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let shown = escape(&file.display().to_string()).into_owned();
    let verified = verify(file).with_context(|| format!("`{shown}`"))?;
    let manifest = &verified.manifest;
    if verified.problems.is_empty() {
        let (made, tool) = (escape(&manifest.made), &manifest.tool);
        write_text(
            out,
            &format!(
                "{shown}: {} parts, all as the manifest says; made {made} by {} {}\n",
                manifest.parts.len(),
                escape(&tool.name),
                escape(&tool.version)
            ),
        )?;
        return Ok(Outcome::Healthy);
    }
    let mut text = format!("{shown}: differs from its manifest\n");
    for problem in &verified.problems {
        text.push_str(&format!("  {}\n", escape(problem)));
    }
    write_text(out, &text)?;
    Ok(Outcome::Wrong)
}
