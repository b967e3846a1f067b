//! `kms-probe exporter`.

mod modules;

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::{Outcome, values, write_text};
use crate::exporter::{self, Options, PLACES_MAX, Settings, TOKEN_BYTES_MAX, Token};
use crate::report;

/// `exporter`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prometheus names target and module in each scrape: `/probe?target=corp.example.com&module=rpc`.
Without --modules there are the modules dns, tcp, bind and rpc, and this machine is the only target.
A file of modules looks like this; its keys are the flags of `check`, and [targets] says who may be
asked for, so that nobody else can scan with it:

  [targets]
  allow = [\"corp.example.com\", \"*.corp.example.com\", \"192.0.2.0/24\", \"kms2:1689\"]

  [module.rpc]
  timeout = \"2s\"

  [module.branch_with_clock]
  resolver = [\"192.0.2.53\"]
  clock = [\"ntlm\"]

Examples:
  kms-probe exporter
  kms-probe exporter --modules /etc/kms-probe/modules.toml --listen 0.0.0.0:9688 --token-file token
  kms-probe exporter --modules modules.toml --check-config
  curl 'http://127.0.0.1:9688/probe?target=127.0.0.1&module=rpc&debug=true'

Exit codes: 0 it was told to end, or the file is in order; 2 usage or this program's own failure.")]
pub(super) struct ExporterArgs {
    /// File of modules and targets (TOML); SIGHUP and POST /-/reload read it again
    #[arg(long, value_name = "FILE")]
    modules: Option<PathBuf>,
    /// Where to listen; beyond loopback a token is needed
    #[arg(long, value_name = "ADDR:PORT", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))]
    listen: SocketAddr,
    /// Probes at the same time; further scrapes wait for a place, and get 503 when none is free in time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = places)]
    concurrency: usize,
    /// How long a scrape may take that does not say so itself; Prometheus does
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "9500ms")]
    scrape_timeout: Duration,
    /// How much earlier than the scraper's patience ends the answer is given
    #[arg(long, value_name = "DURATION", value_parser = values::duration, default_value = "500ms")]
    timeout_offset: Duration,
    /// File with a token that every request has to show as `Authorization: Bearer`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Send each check as an OpenTelemetry trace to this collector, by OTLP over HTTP
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<crate::otlp::Endpoint>,
    /// Only say whether the file of modules is in order, and what it means
    #[arg(long)]
    check_config: bool,
}

/// Runs `exporter`.
pub(super) fn run(args: ExporterArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    if args.check_config {
        let settings = load(args.modules.as_deref())?;
        write_text(out, &settings.shown)?;
        return Ok(Outcome::Healthy);
    }
    let token = args.token_file.as_deref().map(read_token).transpose()?;
    anyhow::ensure!(
        token.is_some() || args.listen.ip().to_canonical().is_loopback(),
        "--listen: `{}` can be reached from other machines: that needs --token-file, or use a \
         loopback address",
        args.listen
    );
    #[cfg(feature = "otlp")]
    let observe = args.otlp_endpoint.map(observe).transpose()?;
    #[cfg(not(feature = "otlp"))]
    let observe = None;
    let modules = args.modules;
    let options = Options {
        listen: args.listen,
        places: args.concurrency,
        reserve: args.timeout_offset,
        scrape_timeout: args.scrape_timeout,
        token,
        load: Box::new(move || load(modules.as_deref())),
        observe,
    };
    exporter::run(options, say)?;
    Ok(Outcome::Healthy)
}

fn say(text: &str) {
    let _nobody_listens = writeln!(io::stderr(), "{}", report::escape(text));
}

/// Sends traces beside the scrapes, which do not wait for a collector.
#[cfg(feature = "otlp")]
fn observe(endpoint: crate::otlp::Endpoint) -> anyhow::Result<exporter::Observe> {
    let queue = crate::otlp::Queue::start(endpoint, say).context("cannot start a thread")?;
    Ok(Box::new(move |report| queue.offer(report)))
}

fn load(path: Option<&Path>) -> anyhow::Result<Settings> {
    let Some(path) = path else {
        let mut settings = Settings::built_in();
        settings.shown = modules::shown_built_in(&settings);
        return Ok(settings);
    };
    let name = report::escape(&path.display().to_string()).into_owned();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .with_context(|| format!("--modules: cannot read `{name}`"))?;
    anyhow::ensure!(
        text.len() as u64 <= FILE_BYTES_MAX,
        "--modules: `{name}` has more than {FILE_BYTES_MAX} bytes"
    );
    modules::read(&name, &text)
}

fn read_token(path: &Path) -> anyhow::Result<Token> {
    let name = report::escape(&path.display().to_string()).into_owned();
    let mut text = String::new();
    // Surrounding white space is no part of a token; a little more of it is read than there may be.
    File::open(path)
        .and_then(|file| file.take(TOKEN_BYTES_MAX as u64 + 64).read_to_string(&mut text))
        .with_context(|| format!("--token-file: cannot read `{name}`"))?;
    Token::parse(&text).with_context(|| format!("--token-file `{name}`"))
}

fn places(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(places) if (1..=PLACES_MAX).contains(&places) => Ok(places),
        _ => Err(format!("a number from 1 to {PLACES_MAX} is wanted")),
    }
}

/// As the port of KMS is 1688.
const PORT: u16 = 9688;
const FILE_BYTES_MAX: u64 = 1 << 20;
