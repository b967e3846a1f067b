//! From where to connect, and over which IP version: the flags that several commands share.

use std::net::{IpAddr, SocketAddr};

use anyhow::bail;
use clap::Args;

use crate::check::Family;
use crate::platform::origin::{InterfaceName, Origin};
use crate::platform::{self, SocketFacts};
use crate::report;

/// From where, and over which IP version.
#[derive(Debug, Args)]
pub(super) struct OriginArgs {
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Connect from this address of this machine. DNS queries leave from it too, where the resolver
    /// is of its family and not on this machine
    #[arg(long, value_name = "ADDR")]
    source: Option<IpAddr>,
    /// Leave by this network interface, whatever the routing table says. DNS queries do too, except
    /// to a resolver on this machine
    #[arg(long, value_name = "NAME", value_parser = interface)]
    interface: Option<InterfaceName>,
}

impl OriginArgs {
    /// Where connections leave.
    pub(super) const fn origin(&self) -> Origin {
        Origin { source: self.source, interface: self.interface }
    }

    /// The only address family to use. A source address decides it.
    ///
    /// # Errors
    /// A source address of the family that is not to be used.
    pub(super) fn family(&self) -> anyhow::Result<Option<Family>> {
        let asked = match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            (false, false) => None,
        };
        let Some(source) = self.source else { return Ok(asked) };
        let of_source = if source.is_ipv4() { Family::V4 } else { Family::V6 };
        if let Some(asked) = asked.filter(|asked| *asked != of_source) {
            bail!(
                "--source `{source}` is not an {} address, and no other was asked for",
                asked.name()
            );
        }
        Ok(Some(of_source))
    }
}

/// Refuses a target that the family rules out.
///
/// # Errors
/// One message with both addresses.
pub(super) fn check_family(
    target: &SocketAddr,
    family: Option<Family>,
    origin: Origin,
) -> anyhow::Result<()> {
    let Some(family) = family.filter(|family| !family.has(target)) else { return Ok(()) };
    let name = family.name();
    match origin.source {
        Some(source) => {
            bail!("`{target}` is not an {name} address, and the source address is one: `{source}`")
        }
        None => bail!("`{target}` is not an {name} address, and no other was asked for"),
    }
}

/// A network interface of this machine.
///
/// # Errors
/// That there is none of this name, with those that there are.
fn interface(text: &str) -> Result<InterfaceName, String> {
    let system = platform::current();
    let known = InterfaceName::parse(text);
    if let Some(name) = known.filter(|name| system.interface_index(name.as_str()).is_some()) {
        return Ok(name);
    }
    let names = system.interfaces().into_iter().take(INTERFACES_SHOWN_MAX);
    let names: Vec<_> =
        names.map(|interface| format!("`{}`", report::escape(&interface.name))).collect();
    if names.is_empty() {
        return Err("no such network interface".to_owned());
    }
    Err(format!("no such network interface; this machine has {}", names.join(", ")))
}

const INTERFACES_SHOWN_MAX: usize = 16;
