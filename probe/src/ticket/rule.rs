//! The rule that lets a flow pass, in the language of each kind of device. Only addresses and
//! numbers go into a command, never a name from the network.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Owner;

/// Traffic from one address to one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The client's address, where it is known.
    pub source: Option<IpAddr>,
    /// Where it goes.
    pub destination: SocketAddr,
    /// What carries it.
    pub protocols: &'static [Protocol],
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A rule for one kind of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The device, and what to adapt.
    pub device: &'static str,
    /// The lines to enter.
    pub lines: Vec<String>,
}

impl Protocol {
    /// `tcp` or `udp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    const fn capitalised(self) -> &'static str {
        match self {
            Self::Tcp => "Tcp",
            Self::Udp => "Udp",
        }
    }
}

/// Recipes for `flow`, the likeliest devices first. Nothing where its source is not known: a rule
/// for everybody is not proposed.
#[must_use]
pub(super) fn recipes(flow: &Flow, owner: Owner) -> Vec<Recipe> {
    let Some(source) = flow.source.filter(|source| source.is_ipv4() == flow.destination.is_ipv4())
    else {
        return Vec::new();
    };
    if owner == Owner::Host {
        return vec![windows(flow, source)];
    }
    let mut recipes = vec![nftables(flow, source), cisco(flow, source)];
    if owner != Owner::DnsPath {
        recipes.push(windows(flow, source));
    }
    recipes.extend([aws(flow, source), azure(flow, source)]);
    recipes
}

fn each(flow: &Flow, line: impl Fn(Protocol) -> String) -> Vec<String> {
    flow.protocols.iter().map(|protocol| line(*protocol)).collect()
}

fn nftables(flow: &Flow, source: IpAddr) -> Recipe {
    let (destination, port) = (flow.destination.ip(), flow.destination.port());
    let family = if source.is_ipv4() { "ip" } else { "ip6" };
    let line = |protocol: Protocol| {
        let protocol = protocol.name();
        format!(
            "nft insert rule inet filter forward {family} saddr {source} {family} daddr \
             {destination} {protocol} dport {port} accept"
        )
    };
    Recipe {
        device: "nftables on a Linux router (its own table and chain; `input` on the host itself)",
        lines: each(flow, line),
    }
}

fn cisco(flow: &Flow, source: IpAddr) -> Recipe {
    let (destination, port) = (flow.destination.ip(), flow.destination.port());
    let heading = match source {
        IpAddr::V4(_) => "ip access-list extended NAME",
        IpAddr::V6(_) => "ipv6 access-list NAME",
    };
    let line = |protocol: Protocol| {
        let protocol = protocol.name();
        format!(" permit {protocol} host {source} host {destination} eq {port}")
    };
    let mut lines = vec![heading.to_owned()];
    lines.extend(each(flow, line));
    Recipe { device: "Cisco ACL (its own name; before the line that denies)", lines }
}

fn windows(flow: &Flow, source: IpAddr) -> Recipe {
    let port = flow.destination.port();
    let line = |protocol: Protocol| {
        let protocol = protocol.name().to_uppercase();
        format!(
            "New-NetFirewallRule -DisplayName 'KMS ({protocol} {port})' -Direction Inbound -Action \
             Allow -Protocol {protocol} -LocalPort {port} -RemoteAddress {source}"
        )
    };
    Recipe {
        device: "Windows Firewall on the KMS host (PowerShell, elevated)",
        lines: each(flow, line),
    }
}

fn aws(flow: &Flow, source: IpAddr) -> Recipe {
    let port = flow.destination.port();
    let line = |protocol: Protocol| {
        let protocol = protocol.name();
        let range = match source {
            IpAddr::V4(_) => format!("IpRanges=[{{CidrIp={source}/32}}]"),
            IpAddr::V6(_) => format!("Ipv6Ranges=[{{CidrIpv6={source}/128}}]"),
        };
        format!(
            "aws ec2 authorize-security-group-ingress --group-id GROUP --ip-permissions \
             'IpProtocol={protocol},FromPort={port},ToPort={port},{range}'"
        )
    };
    Recipe { device: "AWS security group of the host (AWS CLI)", lines: each(flow, line) }
}

fn azure(flow: &Flow, source: IpAddr) -> Recipe {
    let (destination, port) = (flow.destination.ip(), flow.destination.port());
    let bits = if source.is_ipv4() { 32 } else { 128 };
    let line = |protocol: Protocol| {
        let protocol = protocol.capitalised();
        format!(
            "az network nsg rule create --resource-group GROUP --nsg-name NSG --name \
             Allow{protocol}{port} --priority 200 --direction Inbound --access Allow --protocol \
             {protocol} --source-address-prefixes {source}/{bits} --destination-address-prefixes \
             {destination}/{bits} --destination-port-ranges {port}"
        )
    };
    Recipe { device: "Azure network security group (Azure CLI)", lines: each(flow, line) }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocols: Vec<String> =
            self.protocols.iter().map(|protocol| protocol.name().to_uppercase()).collect();
        let (protocols, port) = (protocols.join(" and "), self.destination.port());
        let destination = self.destination.ip();
        match self.source {
            Some(source) => write!(f, "{protocols} {port} from {source} to {destination}"),
            None => write!(f, "{protocols} {port} to {destination}"),
        }
    }
}
