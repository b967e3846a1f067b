//! The command line, as types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::kms::product::Product;

use super::origin::OriginArgs;
use super::values;
use crate::stage::Stage;
use crate::verdict::Severity;

/// Proves that DNS, firewall and path let clients reach a KMS host, and says what is at fault.
#[derive(Debug, Parser)]
#[command(
    name = "kms-probe",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  kms-probe lab                            see it work, on loopback, in a few seconds
  kms-probe check corp.example.com         check every KMS host that this domain publishes
  kms-probe check kms1.corp.example.com:1688
  kms-probe explain 0xC004F074             what a code means and what to do

Exit codes: 0 healthy, 1 something is wrong, 2 usage or this program's own failure."
)]
pub(super) struct Cli {
    /// Configuration file to read defaults from, in place of the usual ones
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check hosts and domains, stage by stage, and say which step fails and who must act
    Check(CheckArgs),
    /// Show which KMS hosts a domain publishes, as each DNS server sees it (DNS only)
    Discover(DiscoverArgs),
    /// Find the hop where the SYN to a KMS host stops, beside ports that should pass
    Trace(super::trace::TraceArgs),
    /// Measure how long each stage takes, how much that varies and how much is lost
    Measure(super::measure::MeasureArgs),
    /// Check every target of a list, thousands if need be, and sum up by verdict and by site
    Sweep(super::sweep::SweepArgs),
    /// Say what answers at a host, by how it speaks RPC: consistent with what, and the evidence
    Fingerprint(super::fingerprint::FingerprintArgs),
    /// Check targets for Prometheus, as it scrapes them
    Exporter(super::exporter::ExporterArgs),
    /// Say what happened to KMS clients, from Windows logs, slmgr output, captures and reports
    Analyze(super::analyze::AnalyzeArgs),
    /// Put everything that a supporter asks for into one archive, and verify it
    Bundle(super::bundle::BundleArgs),
    /// Print the script that collects what `analyze` reads, on a Windows machine
    Collect(super::collect::CollectArgs),
    /// Check again and again, keep a history, and tell of changes by webhook, mail or command
    Watch(super::watch::WatchArgs),
    /// Explain an HRESULT, RPC status, event or verdict
    Explain(ExplainArgs),
    /// Show a healthy check and a tour of failures, each caused for real on loopback
    Lab(LabArgs),
    /// Show the defaults that files and environment set, and where each came from
    Config(super::config::ConfigArgs),
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  kms-probe completions bash > /etc/bash_completion.d/kms-probe
  kms-probe completions zsh > ~/.zfunc/_kms-probe")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of one command if it is named
    #[command(after_help = "\
Examples:
  kms-probe man | man -l -
  kms-probe man check > kms-probe-check.1")]
    Man {
        /// Command to print the page of
        command: Option<String>,
    },
}

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
A TARGET is a host when it is an address, `[v6]` or has a `:port`; a bare name is a domain and is
looked up by SRV, as Windows clients do. Without TARGET the search suffixes of this machine are
used.

Examples:
  kms-probe check corp.example.com
  kms-probe check 192.0.2.10 [2001:db8::10]:1688 --depth tcp --timeout 1s
  kms-probe check corp.example.com --resolver 192.0.2.53 --resolver 192.0.2.54 --format json
  kms-probe check 192.0.2.10 --source 198.51.100.7 --closed-port 9 --ping
  kms-probe check lab.test --resolver 127.0.0.1:5353 --depth kms --expect-lab
  kms-probe check kms1.corp.example.com:1688 --clock ntlm --clock sntp://ntp.corp.example.com
  kms-probe check --tls-preset activation --tls-ca corp-proxy-root.pem
  kms-probe check corp.example.com --format html --output kms.html --ticket=firewall.txt
  kms-probe check corp.example.com --baseline yesterday.json")]
pub(super) struct CheckArgs {
    /// Hosts and domains to check
    #[arg(value_name = "TARGET")]
    pub(super) targets: Vec<String>,
    /// Take bare names as hosts (port 1688), not as domains
    #[arg(long)]
    pub(super) host: bool,
    /// Last stage to run. `kms` sends a lab-keyed request, which a genuine host refuses and may log
    #[arg(long, value_enum, default_value_t = Depth::Rpc)]
    pub(super) depth: Depth,
    #[command(flatten)]
    pub(super) origin: OriginArgs,
    #[command(flatten)]
    pub(super) beside: BesideArgs,
    #[command(flatten)]
    pub(super) resolvers: ResolverArgs,
    #[command(flatten)]
    pub(super) timeouts: TimeoutArgs,
    /// Severity from which on the exit code is 1
    #[arg(long, value_enum, default_value_t = FailOn::Warning)]
    pub(super) fail_on: FailOn,
    #[command(flatten)]
    pub(super) report: super::emit::ReportArgs,
    /// Send the check as an OpenTelemetry trace to this collector, by OTLP over HTTP
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    pub(super) otlp_endpoint: Option<crate::otlp::Endpoint>,
    #[command(flatten)]
    pub(super) clock: super::clock::ClockArgs,
    #[command(flatten)]
    pub(super) tls: super::tls::TlsArgs,
    // Last, since its heading in the help holds for all that follows.
    #[command(flatten)]
    pub(super) kms: KmsArgs,
}

/// What to try beside the stages.
#[derive(Debug, Args)]
pub(super) struct BesideArgs {
    /// Port of the same host that should be closed: when it opens too, something accepts
    /// connections in the host's name, and an open port proves nothing
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) closed_port: Option<u16>,
    /// Send an ICMP echo as well, where this user may; informative only
    #[arg(long)]
    pub(super) ping: bool,
}

/// Whom to ask for names.
#[derive(Debug, Args)]
pub(super) struct ResolverArgs {
    /// DNS server to ask in place of the machine's own; may be repeated, and all are compared
    #[arg(
        long = "resolver",
        value_name = "ADDR[:PORT]",
        value_parser = |text: &str| crate::dns::system::parse_resolver(text)
    )]
    pub(super) resolvers: Vec<SocketAddr>,
}

/// How long each stage may take.
#[derive(Debug, Args)]
pub(super) struct TimeoutArgs {
    /// Time that each stage may take: `500ms`, `4s`, `1m`
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true, default_value = "4s")]
    pub(super) timeout: Duration,
    /// Time for all look-ups of a target
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) dns_timeout: Option<Duration>,
    /// Time for the TCP connect
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) tcp_timeout: Option<Duration>,
    /// Time for the RPC bind
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) bind_timeout: Option<Duration>,
    /// Time for the RPC call
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) rpc_timeout: Option<Duration>,
    /// Time for the KMS exchange
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) kms_timeout: Option<Duration>,
}

/// What to ask at depth kms.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of --depth kms")]
pub(super) struct KmsArgs {
    /// The lab's key, 32 hexadecimal digits: the same as the simulator's
    #[arg(long, value_name = "HEX32", allow_hyphen_values = true, value_parser = |text: &str| text.parse::<LabKey>())]
    pub(super) lab_key: Option<LabKey>,
    /// The host must share the lab key: kms.foreign_key is then critical
    #[arg(long)]
    pub(super) expect_lab: bool,
    /// Protocol version of the request
    #[arg(long, value_enum, default_value_t = KmsVersion::V6)]
    pub(super) kms_version: KmsVersion,
    /// Product to ask for, as `kms-sim catalog` names it
    #[arg(
        long,
        value_name = "NAME",
        value_parser = values::product,
        default_value = kms_protocol::kms::product::DEFAULT.name
    )]
    pub(super) product: &'static Product,
}

/// How to show it.
#[derive(Debug, Args)]
pub(super) struct FormatArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// `discover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kms-probe discover corp.example.com
  kms-probe discover corp.example.com --resolver 192.0.2.53 --resolver 192.0.2.54

Exit codes: 0 every domain that was named, or one search suffix, leads to a host and nothing is wrong
beside it, 1 otherwise, 2 usage or this program's own failure.")]
pub(super) struct DiscoverArgs {
    /// Domains to look in; without one, the search suffixes of this machine
    #[arg(value_name = "DOMAIN", value_parser = values::domain)]
    pub(super) domains: Vec<crate::dns::name::DomainName>,
    #[command(flatten)]
    pub(super) resolvers: ResolverArgs,
    /// Time for each domain: `500ms`, `4s`, `1m`
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true, default_value = "4s")]
    pub(super) timeout: Duration,
    /// Seed of the order that one client would draw
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kms-probe explain 0xC004F074
  kms-probe explain -1073418124
  kms-probe explain 1722
  kms-probe explain tcp.timeout")]
pub(super) struct ExplainArgs {
    /// A code in hexadecimal or decimal, a symbol, an event id or a verdict
    #[arg(value_name = "CODE", allow_hyphen_values = true)]
    pub(super) code: String,
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// `lab`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kms-probe lab
  kms-probe lab --format json")]
pub(super) struct LabArgs {
    #[command(flatten)]
    pub(super) format: FormatArgs,
}

/// The stages, for `--depth`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Depth {
    Dns,
    Tcp,
    Bind,
    Rpc,
    Kms,
}

/// The severities that can fail a check.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FailOn {
    Warning,
    Critical,
}

/// Protocol versions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum KmsVersion {
    #[value(name = "4")]
    V4,
    #[value(name = "5")]
    V5,
    #[value(name = "6")]
    V6,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

impl From<Depth> for Stage {
    fn from(depth: Depth) -> Self {
        match depth {
            Depth::Dns => Self::Dns,
            Depth::Tcp => Self::Tcp,
            Depth::Bind => Self::Bind,
            Depth::Rpc => Self::Rpc,
            Depth::Kms => Self::Kms,
        }
    }
}

impl From<FailOn> for Severity {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Warning => Self::Warning,
            FailOn::Critical => Self::Critical,
        }
    }
}
