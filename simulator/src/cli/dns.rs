//! `kms-sim dns`: a lab host published in a real DNS zone, as a KMS host publishes itself.

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use hickory_proto::rr::Name;
use tokio::signal::unix::{SignalKind, signal};

use super::output;
use super::value::Time;
use crate::dns::name;
use crate::dns::publish::{self, Applied, Change, Options, Publication, TsigKey};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add this host's SRV and address records to a zone (RFC 2136).
    #[command(after_help = "\
Exactly the records named here are added; what other hosts published stays. The update is sent over
TCP to --server, which has to be the primary of the zone. Zones outside .test, .example, .invalid,
.localhost, .home.arpa and .internal need --i-own-this-zone.

Examples:
  kms-sim dns publish --server 127.0.0.1:53 --domain lab.test --host kms1.lab.test --address 192.0.2.1
  kms-sim dns publish --server 192.0.2.53 --domain site-a.lab.test,10,75 --domain site-b.lab.test,90 \\
      --host kms1.lab.test --tsig-key-file lab.key --refresh --withdraw-on-exit
  kms-sim dns publish --server 192.0.2.53 --domain lab.test --host kms1.lab.test --dry-run

Exit codes: 0 done, 2 usage, or the records could not be published.")]
    Publish(PublishArguments),
    /// Remove exactly this host's records from a zone again.
    #[command(after_help = "\
Exactly the records named here are removed: the SRV record with this host, port, priority and weight,
and each --address. What other hosts published stays.

Examples:
  kms-sim dns withdraw --server 127.0.0.1:53 --domain lab.test --host kms1.lab.test --address 192.0.2.1
  kms-sim dns withdraw --server 192.0.2.53 --domain site-a.lab.test,10,75 --host kms1.lab.test \\
      --tsig-key-file lab.key

Exit codes: 0 done, 2 usage, or the records could not be withdrawn.")]
    Withdraw(Records),
}

#[derive(Debug, Args)]
pub(super) struct PublishArguments {
    #[command(flatten)]
    records: Records,
    /// Stay, and publish again at every --refresh-interval, as a KMS host does.
    #[arg(long)]
    refresh: bool,
    /// Time between two updates.
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "refresh")]
    refresh_interval: Time,
    /// Remove the records when SIGTERM or SIGINT ends the refreshing.
    #[arg(long, requires = "refresh")]
    withdraw_on_exit: bool,
}

#[derive(Debug, Args)]
pub(super) struct Records {
    /// DNS server to send the update to: the primary of the zone.
    #[arg(long, value_name = "ADDR[:PORT]")]
    server: DnsServer,
    /// Domain to publish in, with the SRV record's priority and weight; may be repeated.
    #[arg(long = "domain", value_name = "NAME[,PRIORITY[,WEIGHT]]", required = true)]
    domains: Vec<Domain>,
    /// Full name of the host, which the SRV record leads to.
    #[arg(long, value_name = "NAME", value_parser = |text: &str| name::parse(text))]
    host: Name,
    /// Address of the host, for its A or AAAA record; may be repeated. None: no address records.
    #[arg(long = "address", value_name = "ADDR")]
    addresses: Vec<IpAddr>,
    /// TCP port of the host.
    #[arg(long, default_value_t = crate::dns::KMS_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Time to live of the records, in seconds. Where other hosts' SRV records are there already,
    /// theirs is taken, since a set of records has one.
    #[arg(long, value_name = "SECONDS", default_value_t = TTL_S, value_parser = clap::value_parser!(u32).range(..=i64::from(i32::MAX)))]
    ttl: u32,
    /// File with the TSIG key that signs the update, as `tsig-keygen` writes it.
    #[arg(long, value_name = "FILE")]
    tsig_key_file: Option<PathBuf>,
    /// Change a zone that may be real clients' own: they would find this host and not be activated.
    #[arg(long)]
    i_own_this_zone: bool,
    /// Time for each exchange with the server.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    timeout: Time,
    /// Find the zone and the records in it, and stop before the update.
    #[arg(long)]
    dry_run: bool,
}

/// `ADDR` or `ADDR:PORT`.
#[derive(Clone, Copy, Debug)]
struct DnsServer(SocketAddr);

/// `NAME[,PRIORITY[,WEIGHT]]`, as a KMS host's DnsDomainPublishList has it.
#[derive(Clone, Debug)]
struct Domain {
    service: Name,
    priority: u16,
    weight: u16,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Publish(arguments) if arguments.refresh => refresh(arguments),
        Command::Publish(arguments) => once(&arguments.records, Change::Publish),
        Command::Withdraw(records) => once(records, Change::Withdraw),
    }
}

/// Every domain is tried. What failed is said; the first failure is the command's.
fn once(records: &Records, change: Change) -> anyhow::Result<()> {
    once_with(records, change, &records.options()?)
}

fn once_with(records: &Records, change: Change, options: &Options) -> anyhow::Result<()> {
    let mut first_failure = None;
    for domain in &records.domains {
        match apply(records, domain, change, options) {
            Ok(text) => output::print(text.as_bytes())?,
            Err(error) if first_failure.is_none() => first_failure = Some(error),
            Err(error) => output::complain(&error),
        }
    }
    first_failure.map_or(Ok(()), Err)
}

fn apply(
    records: &Records,
    domain: &Domain,
    change: Change,
    options: &Options,
) -> anyhow::Result<String> {
    let publication = Publication {
        service: domain.service.clone(),
        host: records.host.clone(),
        addresses: records.addresses.clone(),
        port: records.port,
        priority: domain.priority,
        weight: domain.weight,
        ttl_s: records.ttl,
    };
    let applied = publish::apply(&publication, change, options, &mut fresh_id)
        .with_context(|| format!("{} `{}` at {}", doing(change), domain.service, options.server))?;
    Ok(told(&applied, change, options))
}

/// A failure is said and does not end it: a KMS host, too, tries again at its next refresh.
fn refresh(arguments: &PublishArguments) -> anyhow::Result<()> {
    let options = arguments.records.options()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime
        .block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            loop {
                if let Err(error) = once_with(&arguments.records, Change::Publish, &options) {
                    output::complain(&error);
                }
                tokio::select! {
                    () = tokio::time::sleep(arguments.refresh_interval.0) => {}
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return io::Result::Ok(()),
                }
            }
        })
        .context("cannot listen for signals")?;
    if arguments.withdraw_on_exit {
        once_with(&arguments.records, Change::Withdraw, &options)?;
    }
    Ok(())
}

/// What was done, each record as a zone file has it, with what is worth knowing beside it.
fn told(applied: &Applied, change: Change, options: &Options) -> String {
    let mut text = String::new();
    let done = match (change, options.dry_run) {
        (Change::Publish, false) => "published",
        (Change::Withdraw, false) => "withdrawn",
        (Change::Publish, true) => "would publish",
        (Change::Withdraw, true) => "would withdraw",
    };
    let mut line = |words: String| {
        let _infallible = writeln!(text, "{words}");
    };
    for record in &applied.records {
        line(format!("{done}: {record} (zone {} at {})", applied.zone, options.server));
    }
    if change == Change::Publish {
        for other in &applied.others {
            line(format!(
                "warning: {}:{} is published there too, with priority {} and weight {}: clients \
                 may be led to either",
                other.target, other.port, other.priority, other.weight
            ));
        }
        if applied.adopted_ttl {
            line("note: the TTL is that of the SRV records that were there".to_owned());
        }
    }
    if applied.addresses_left_out {
        line(
            "note: the host's name lies in another zone, so its addresses were left out".to_owned(),
        );
    }
    text
}

fn doing(change: Change) -> &'static str {
    match change {
        Change::Publish => "cannot publish",
        Change::Withdraw => "cannot withdraw",
    }
}

impl Records {
    fn options(&self) -> anyhow::Result<Options> {
        Ok(Options {
            server: self.server.0,
            key: self.tsig_key_file.as_deref().map(read_key).transpose()?,
            owns_zone: self.i_own_this_zone,
            timeout: self.timeout.0,
            dry_run: self.dry_run,
        })
    }
}

fn read_key(path: &Path) -> anyhow::Result<TsigKey> {
    let name = path.display().to_string();
    let name = name.escape_debug();
    // One byte more than a key file may have, so that a larger one is seen to be larger.
    let mut text = String::new();
    let limit = u64::try_from(publish::KEY_FILE_BYTES_MAX + 1)?;
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(limit).read_to_string(&mut text))
        .with_context(|| format!("cannot read the TSIG key file `{name}`"))?;
    TsigKey::parse(&text).map_err(|error| anyhow!("TSIG key file `{name}`: {error}"))
}

#[allow(clippy::disallowed_methods, reason = "a message id must not be guessable; none is shown")]
fn fresh_id() -> u16 {
    rand::random()
}

impl FromStr for DnsServer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
        address.or_else(|_| text.parse()).map(Self).map_err(|_| {
            "not an address, with a port where it is not 53: `192.0.2.53` or `[2001:db8::53]:5353`"
        })
    }
}

impl FromStr for Domain {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, anyhow::Error> {
        let mut parts = text.split(',');
        let domain = name::parse(parts.next().unwrap_or_default())?;
        let service = name::parse(&format!("_vlmcs._tcp.{}", domain.to_ascii()))?;
        let mut number = |what| match parts.next() {
            None => Ok(0),
            Some(digits) => {
                digits.trim().parse().map_err(|_| anyhow!("the {what} is not from 0 to 65535"))
            }
        };
        let (priority, weight) = (number("priority")?, number("weight")?);
        if parts.next().is_some() {
            bail!("more than NAME,PRIORITY,WEIGHT");
        }
        Ok(Self { service, priority, weight })
    }
}

const DNS_PORT: u16 = 53;
/// Microsoft documents no TTL; an hour is what is commonly seen.
const TTL_S: u32 = 3600;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_domain_may_carry_priority_and_weight() {
        for (text, priority, weight) in
            [("lab.test", 0, 0), ("lab.test,10", 10, 0), ("lab.test, 10, 75", 10, 75)]
        {
            let domain: Domain = text.parse().unwrap();
            assert_eq!(domain.service.to_ascii(), "_vlmcs._tcp.lab.test.");
            assert_eq!((domain.priority, domain.weight), (priority, weight), "{text}");
        }
        for text in ["", "lab.test,x", "lab.test,1,70000", "lab.test,1,2,3", "-.test"] {
            assert!(text.parse::<Domain>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_may_leave_out_its_port() {
        for (text, wanted) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(text.parse::<DnsServer>().unwrap().0.to_string(), wanted);
        }
        assert!("ns1.lab.test".parse::<DnsServer>().is_err());
    }
}
