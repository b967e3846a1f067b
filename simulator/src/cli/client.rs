//! `kms-sim client`: one simulated client.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use kms_page::text::escape;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::product::{DEFAULT, LAB_NAMESPACE, Product};
use kms_protocol::kms::{MachineName, Version};
use tokio::signal::unix::{SignalKind, signal};

use super::value::{Age, ClockOffset, DomainName, Endpoint, Time};
use super::{output, token_file};
use crate::client::{
    AdminUrl, Client, HostName, Identity, Options, Target, TimeFrom, Until, own_clock,
};
use crate::model::client::Rules;
use crate::serve::{Clock, Rate};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Ask this host; port 1688 unless given. A name needs --dns.
    #[arg(
        long,
        value_name = "HOST[:PORT]",
        required_unless_present = "domain",
        conflicts_with = "domain"
    )]
    server: Option<HostName>,
    /// Find a host by the SRV records of this domain.
    #[arg(long, value_name = "NAME", requires = "dns")]
    domain: Option<DomainName>,
    /// DNS server to ask.
    #[arg(long, value_name = "ADDR:PORT")]
    dns: Option<Endpoint>,
    /// Product to activate; `kms-sim catalog` lists them.
    #[arg(long, value_name = "NAME", default_value = DEFAULT.name, value_parser = product)]
    product: &'static Product,
    /// Client machine id, which the host counts; made from the machine name unless given.
    #[arg(long, value_name = "GUID", value_parser = guid)]
    cmid: Option<Guid>,
    /// The client's own name.
    #[arg(long, value_name = "NAME", default_value = "LAB-CLIENT", value_parser = machine_name)]
    machine_name: MachineName,
    /// Protocol version: 4, 5 or 6.
    #[arg(long, value_name = "N", default_value = "6", value_parser = version)]
    version: Version,
    /// The lab's key, 32 hexadecimal digits, as the host has it.
    #[arg(long, value_name = "HEX32", default_value = LAB_KEY, hide_default_value = true)]
    lab_key: LabKey,
    /// How many times faster than the machine's the client's clock goes, up to 1000000.
    #[arg(long, value_name = "X", default_value = "1", value_parser = moving_rate)]
    time_scale: Rate,
    /// How far the client's clock is off, for example `5h` or `-90m`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    clock_offset: Option<ClockOffset>,
    /// Follow the clock of a simulator by its admin address, such as `http://127.0.0.1:8088`.
    #[arg(long, value_name = "ADMIN-URL", conflicts_with_all = ["time_scale", "clock_offset"])]
    clock_from: Option<AdminUrl>,
    /// File with the token that this admin API wants.
    #[arg(long, value_name = "FILE", requires = "clock_from")]
    clock_token_file: Option<PathBuf>,
    /// Forget the host after each success, as `slmgr /ckhc` does.
    #[arg(long)]
    no_host_caching: bool,
    /// Make one attempt and end: exit code 0 activated, 1 not.
    #[arg(long, conflicts_with = "time")]
    once: bool,
    /// End after so many hours or days of the client's own time, such as `12h` or `180d`.
    #[arg(long = "for", value_name = "AGE")]
    time: Option<Age>,
    /// Time for one exchange with a host.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: Time,
    /// Seed of the choice among hosts; drawn from the system and printed unless given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Ask hosts, DNS servers and admin addresses beyond loopback.
    #[arg(long)]
    i_own_this_target: bool,
}

/// # Errors
/// What cannot be started: an address beyond loopback, a name without a DNS server, a clock that
/// cannot be read.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let until = match (arguments.once, arguments.time) {
        (true, _) => Until::OneAttempt,
        (false, Some(time)) => Until::Passed(time.0),
        (false, None) => Until::Told,
    };
    let options = options(arguments)?;
    let introduction = introduction(&options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ended, dlv, is_licensed) = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
        let mut client = Client::start(options).await?;
        output::print(introduction.as_bytes())?;
        let mut out = io::stdout();
        let ended = tokio::select! {
            ended = client.live(until, &mut out) => ended,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        };
        anyhow::Ok((ended, client.dlv(), client.is_licensed()))
    })?;
    match ended {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        ended => ended.context("cannot write to standard output")?,
    }
    output::print(format!("\n{dlv}").as_bytes())?;
    Ok(if is_licensed { ExitCode::SUCCESS } else { ExitCode::from(NOT_ACTIVATED) })
}

fn options(arguments: Arguments) -> anyhow::Result<Options> {
    let owns_target = arguments.i_own_this_target;
    let dns = arguments.dns.map(|endpoint| endpoint.0);
    let allow = |flag: &str, address: SocketAddr| {
        if owns_target || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        bail!("{flag}: {address} is not on loopback; --i-own-this-target allows it")
    };
    if let Some(dns) = dns {
        allow("--dns", dns)?;
    }
    if let Some(url) = arguments.clock_from {
        allow("--clock-from", url.0)?;
    }
    let target = match (arguments.server, arguments.domain) {
        (Some(host), _) => {
            match host.address() {
                Some(address) => allow("--server", SocketAddr::new(address, host.port))?,
                None if dns.is_none() => {
                    bail!(
                        "--server: `{}` is a name; --dns says whom to ask for its address",
                        host.name
                    )
                }
                None => {}
            }
            Target::Host(host)
        }
        (None, Some(domain)) => Target::Domain(domain.0.trim_end_matches('.').to_owned()),
        (None, None) => bail!("--server or --domain is wanted"),
    };
    let token = arguments.clock_token_file.as_deref().map(token_file::read).transpose()?;
    let time = arguments.clock_from.map_or_else(
        || {
            let clock = arguments.clock_offset.map_or(Clock::REAL, |offset| offset.0);
            TimeFrom::Own(own_clock(clock, arguments.time_scale))
        },
        |url| TimeFrom::Simulator(url, token),
    );
    let name: String = arguments.machine_name.chars().collect();
    let cmid = arguments
        .cmid
        .unwrap_or_else(|| Guid::v5(&LAB_NAMESPACE, format!("client:{name}").as_bytes()));
    let mut rules = Rules::of(arguments.product);
    rules.host_caching = !arguments.no_host_caching;
    Ok(Options {
        identity: Identity {
            product: arguments.product,
            cmid,
            machine_name: arguments.machine_name,
            version: arguments.version,
        },
        rules,
        target,
        dns,
        time,
        keys: LabKeys::new(&arguments.lab_key),
        timeout: arguments.timeout.0,
        owns_target,
        seed: arguments.seed.unwrap_or_else(drawn_seed),
    })
}

fn introduction(options: &Options) -> String {
    let identity = &options.identity;
    format!(
        "client {}, CMID {}, {}, version {}, needs a count of {}, seed {}\n",
        escape(&identity.machine_name.to_string()),
        identity.cmid,
        identity.product,
        identity.version,
        options.rules.n_policy,
        options.seed
    )
}

fn product(text: &str) -> Result<&'static Product, String> {
    Product::by_name(text).ok_or_else(|| "no such product: `kms-sim catalog` lists them".to_owned())
}

fn guid(text: &str) -> Result<Guid, String> {
    let guid = text.parse::<Guid>().map_err(|error| error.to_string())?;
    if guid.is_zero() { Err("a client machine id is not zero".to_owned()) } else { Ok(guid) }
}

fn machine_name(text: &str) -> Result<MachineName, String> {
    if text.is_empty() {
        return Err("a machine has a name".to_owned());
    }
    MachineName::new(text).map_err(|error| error.to_string())
}

fn version(text: &str) -> Result<Version, &'static str> {
    Version::ALL
        .into_iter()
        .find(|version| version.major().to_string() == text)
        .ok_or("not one of 4, 5 and 6")
}

fn moving_rate(text: &str) -> Result<Rate, String> {
    match text.parse::<Rate>() {
        Ok(Rate::FROZEN) => Err("a client whose own clock stands still would wait for ever".into()),
        Ok(rate) => Ok(rate),
        Err(error) => Err(error.to_string()),
    }
}

#[allow(clippy::disallowed_methods, reason = "the one seed, which is printed at the start")]
fn drawn_seed() -> u64 {
    // Shorter than it might be, since somebody may have to type it again.
    u64::from(rand::random::<u32>())
}

/// `kms-lab-not-real`.
const LAB_KEY: &str = "6b6d732d6c61622d6e6f742d7265616c";
/// Exit code of a client that ended without being activated.
const NOT_ACTIVATED: u8 = 1;

const EXAMPLES: &str = "\
It lives as the client of a KMS host does: it tries at once, again every activation interval until it
is activated, then at every renewal interval. Lines `12288` and `12289` are what the events of a
Windows client say, `ato` is what slmgr /ato would show. When it ends, by --once, --for or Ctrl-C, it
prints its state as slmgr /dlv would. It asks under a lab key, loopback addresses only.

Examples:
  kms-sim client --server 127.0.0.1:1688 --once
  kms-sim client --domain lab.test --dns 127.0.0.1:5354 --product \"Windows Server 2022 Standard\"
  kms-sim client --server 127.0.0.1:1688 --clock-from http://127.0.0.1:8088 --for 180d
  kms-sim client --server 127.0.0.1:1688 --clock-offset 5h --once --machine-name LATE-PC

Exit codes: 0 activated at the end, 1 not activated, 2 usage, or it could not be started.";
