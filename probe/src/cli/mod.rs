//! From the command line to an exit code: 0 healthy, 1 something is wrong, 2 usage or this
//! program's own failure.

mod analyze;
mod args;
mod bundle;
mod clock;
mod collect;
mod config;
mod emit;
mod exporter;
mod fingerprint;
mod measure;
mod origin;
mod stdout;
mod sweep;
mod tls;
mod trace;
mod values;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::CommandFactory as _;
use kms_protocol::kms::Version;
use kms_protocol::kms::crypto::LabKey;
use serde::Serialize;

use self::args::{
    CheckArgs, Cli, Command, DiscoverArgs, ExplainArgs, Format, KmsArgs, KmsVersion, LabArgs,
    TimeoutArgs,
};
use self::config::Refused;
use self::stdout::StandardOutput;
use crate::check::{self, KmsOptions, Timeouts};
use crate::dns::system::SystemConfig;
use crate::report::{self, Style, json};
use crate::stage::{Stage, resolve};
use crate::target::{Asked, Target};
use crate::verdict::Severity;
use crate::{discover, explain, lab};

/// The command line, as clap describes it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let is_plugin = emit::asks_for_nagios(std::env::args_os());
    let cli = match config::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(Refused::Usage(error)) => return usage(&error, is_plugin),
        Err(Refused::Config(error)) => return complain(&error, is_plugin),
    };
    let is_plugin = is_plugin || emit::reports_to_nagios(&cli.command);
    match run(cli, &mut StandardOutput::lock()) {
        Ok(Outcome::Healthy) => ExitCode::SUCCESS,
        Ok(Outcome::Wrong) => ExitCode::from(1),
        Ok(Outcome::Plugin(code)) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => complain(&error, is_plugin),
    }
}

/// A monitoring plugin complains on standard output, and its state is then UNKNOWN.
fn complain(error: &anyhow::Error, is_plugin: bool) -> ExitCode {
    if is_plugin {
        return ExitCode::from(emit::nagios_unknown(&format!("{error:#}")));
    }
    let message = report::escape(&format!("{error:#}")).into_owned();
    let _nowhere_to_complain = writeln!(io::stderr(), "error: {message}");
    ExitCode::from(2)
}

/// What a command found.
enum Outcome {
    Healthy,
    Wrong,
    /// The state of a monitoring plugin.
    Plugin(u8),
}

impl Outcome {
    fn of(healthy: bool) -> Self {
        if healthy { Self::Healthy } else { Self::Wrong }
    }
}

fn run(cli: Cli, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match cli.command {
        Command::Check(args) => run_check(&args, out),
        Command::Discover(args) => run_discover(args, out),
        Command::Trace(args) => trace::run(&args, out),
        Command::Measure(args) => measure::run(&args, out),
        Command::Sweep(args) => sweep::run(&args, out),
        Command::Fingerprint(args) => fingerprint::run(&args, out),
        Command::Exporter(args) => exporter::run(args, out),
        Command::Bundle(args) => bundle::run(&args, cli.config.as_deref(), out),
        Command::Analyze(args) => analyze::run(&args, out),
        Command::Collect(args) => collect::run(&args, out),
        Command::Watch(args) => watch::run(&args, out),
        Command::Explain(args) => run_explain(&args, out),
        Command::Lab(args) => run_lab(&args, out),
        Command::Config(args) => config::run(&args, cli.config.as_deref(), out),
        Command::Completions { shell } => {
            let script = kms_simulator::completion::script(shell, &mut Cli::command());
            out.write_all(&script)?;
            Ok(Outcome::Healthy)
        }
        Command::Man { command } => run_man(command.as_deref(), out),
    }
}

fn run_check(args: &CheckArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let options = check_options(args)?;
    let targets = targets(&args.targets, args.host, &options)?;
    emit::run(&args.report, args.fail_on.into(), out, || {
        let report = check::run(&targets, &options)?;
        #[cfg(feature = "otlp")]
        if let Some(endpoint) = &args.otlp_endpoint {
            send_trace(endpoint, &report);
        }
        Ok(report)
    })
}

/// What a check found is worth more than its trace, so that a failure is a warning.
#[cfg(feature = "otlp")]
fn send_trace(endpoint: &crate::otlp::Endpoint, report: &check::Report) {
    if let Err(error) = endpoint.send(&crate::otlp::drawn_trace(report)) {
        let error = report::escape(&format!("{error:#}")).into_owned();
        let _nowhere_to_complain = writeln!(io::stderr(), "warning: {error}");
    }
}

/// What the flags of `check` ask for, whatever the targets.
fn check_options(args: &CheckArgs) -> anyhow::Result<check::Options> {
    Ok(check::Options {
        depth: args.depth.into(),
        resolvers: args.resolvers.resolvers.clone(),
        timeouts: Timeouts {
            clock: args.clock.clock_timeout.unwrap_or(args.timeouts.timeout),
            tls: args.tls.tls_timeout.unwrap_or(args.timeouts.timeout),
            ..timeouts(&args.timeouts)
        },
        family: args.origin.family()?,
        origin: args.origin.origin(),
        closed_port: args.beside.closed_port,
        ping: args.beside.ping,
        kms: kms_options(&args.kms),
        clock: args.clock.options(args.depth.into())?,
        tls: args.tls.options()?,
        ..check::Options::default()
    })
}

/// Every target is understood before anything is sent.
fn targets(
    texts: &[String],
    names_are_hosts: bool,
    options: &check::Options,
) -> anyhow::Result<Vec<Asked>> {
    let mut targets: Vec<Asked> = Vec::new();
    for text in texts {
        let asked = Asked::parse(text, names_are_hosts)
            .with_context(|| format!("target `{}`", report::escape(text)))?;
        if let Target::Address(address) = asked.target {
            origin::check_family(&address, options.family, options.origin)?;
            if options.depth == Stage::Dns {
                bail!("an address needs no DNS, so --depth dns has nothing to check: `{address}`");
            }
        }
        let port = match &asked.target {
            Target::Address(address) => Some(address.port()),
            Target::Host(_, port) => Some(*port),
            Target::Domain(_) | Target::SearchList => None,
        };
        if port.is_some() && port == options.closed_port {
            bail!("--closed-port names the port that is to be checked: `{}`", asked.text);
        }
        if !targets.iter().any(|known| known.target == asked.target) {
            targets.push(asked);
        }
    }
    Ok(targets)
}

fn timeouts(args: &TimeoutArgs) -> Timeouts {
    let all = Timeouts::all(args.timeout);
    Timeouts {
        dns: args.dns_timeout.unwrap_or(all.dns),
        tcp: args.tcp_timeout.unwrap_or(all.tcp),
        bind: args.bind_timeout.unwrap_or(all.bind),
        rpc: args.rpc_timeout.unwrap_or(all.rpc),
        kms: args.kms_timeout.unwrap_or(all.kms),
        ..all
    }
}

fn kms_options(args: &KmsArgs) -> KmsOptions {
    KmsOptions {
        expect_lab: args.expect_lab,
        version: match args.kms_version {
            KmsVersion::V4 => Version::V4,
            KmsVersion::V5 => Version::V5,
            KmsVersion::V6 => Version::V6,
        },
        product: args.product,
        ..KmsOptions::new(&args.lab_key.unwrap_or(LabKey::DEFAULT))
    }
}

fn write_json(content: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    json::write(&json::Versioned::new(content), out)
}

fn run_discover(args: DiscoverArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let system = match SystemConfig::load() {
        Ok(system) => system,
        Err(_) if !args.resolvers.resolvers.is_empty() => SystemConfig::default(),
        Err(error) => return Err(error.into()),
    };
    if args.domains.is_empty() && system.search.is_empty() {
        bail!("no domain given, and `{}` has no search suffix to look in", system.source);
    }
    let resolve = resolve::Options::new(system, &args.resolvers.resolvers, args.timeout);
    let options = discover::Options { domains: args.domains, resolve, seed: args.seed };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the DNS client")?;
    let discovery = runtime.block_on(discover::run(&options))?;
    match args.format.format {
        Format::Json => write_json(&discovery, out)?,
        Format::Text => write_text(out, &discover::text(&discovery))?,
    }
    Ok(Outcome::of(discovery.severity() < Severity::Warning))
}

fn run_explain(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let query = explain::parse(&args.code)?;
    let explanation = explain::explain(&args.code, &query);
    match args.format.format {
        Format::Json => write_json(&explanation, out)?,
        Format::Text => {
            write_text(out, &report::explain::text(&explanation, Style::of_stdout()))?;
        }
    }
    Ok(Outcome::of(!explanation.matches.is_empty()))
}

fn run_lab(args: &LabArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let format = args.format.format;
    let style = Style::of_stdout();
    if format == Format::Text {
        write_text(out, &lab::opening(style))?;
    }
    let tour = lab::run(|step| {
        if format == Format::Text {
            write_text(out, &lab::text(step, style))?;
        }
        Ok(())
    })?;
    match format {
        Format::Json => write_json(&tour.shape(), out)?,
        Format::Text => write_text(out, &lab::closing(&tour, style))?,
    }
    Ok(Outcome::of(tour.all_as_expected()))
}

fn run_man(command: Option<&str>, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    let mut program = Cli::command();
    program.build();
    let page = match command {
        None => clap_mangen::Man::new(program),
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            let found = found.ok_or_else(|| anyhow!("no such command: `{name}`"))?;
            let title = format!("{PROGRAM}-{}", found.get_name());
            clap_mangen::Man::new(found.display_name(title))
        }
    };
    let mut text = Vec::new();
    page.render(&mut text)?;
    out.write_all(&text)?;
    Ok(Outcome::Healthy)
}

fn write_text(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Help and version go to standard output and are no failure.
fn usage(error: &clap::Error, is_plugin: bool) -> ExitCode {
    if is_plugin && error.use_stderr() {
        return ExitCode::from(emit::nagios_unknown(&error.to_string()));
    }
    match error.print() {
        _ if error.use_stderr() => ExitCode::from(2),
        Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
            complain(&anyhow!(failed).context(stdout::FAILED), false)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// The reader of the output has gone: nothing is wrong here.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

const PROGRAM: &str = "kms-probe";
