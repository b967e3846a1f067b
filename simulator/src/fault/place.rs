//! Where a fault strikes: the stage of an exchange, and whom.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use kms_protocol::guid::Guid;
use kms_protocol::kms::product::{OFFICE_APP_ID, PRODUCTS, Product, WINDOWS_APP_ID};
use kms_protocol::kms::{Request, Version};

use super::glob::Glob;
use super::network::Network;

/// A stage of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// A connection has been accepted.
    Accept,
    /// A bind has arrived.
    Bind,
    /// A call has arrived, and the host has not seen it.
    Request,
    /// The host has decided, and the answer is about to leave.
    Response,
    /// The embedded DNS server has an answer.
    Dns,
}

/// What is known when a rule is asked.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The operation number, at request and response.
    pub opnum: Option<u16>,
    /// The request, at request and response, where it could be read.
    pub request: Option<&'a Request>,
    /// Whether the host has recorded the client and answers with a count, at response.
    pub accepted: bool,
    /// What the DNS query asks.
    pub question: Option<Question<'a>>,
}

/// A DNS query.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The name, without the final dot.
    pub name: &'a str,
    /// The type as text, for example `SRV`.
    pub record_type: &'a str,
    /// Whether it came over TCP.
    pub over_tcp: bool,
}

/// Whom a rule concerns. An empty list concerns everybody; several conditions must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Addresses or networks.
    pub clients: Vec<Network>,
    /// Names of the machine in the request.
    pub machines: Vec<Glob>,
    /// Client machine ids.
    pub cmids: Vec<Guid>,
    /// Products.
    pub products: Vec<ProductFilter>,
    /// Protocol versions.
    pub versions: Vec<Version>,
    /// The operation number.
    pub opnum: Option<u16>,
    /// Names that a DNS query asks for.
    pub qnames: Vec<Glob>,
    /// Record types that a DNS query asks for, in capital letters.
    pub qtypes: Vec<String>,
    /// Whether the DNS query came over TCP.
    pub over_tcp: Option<bool>,
}

/// Products by application, by id or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProductFilter {
    /// All products of an application: `windows` or `office`.
    Application(Guid),
    /// One application, edition or counted id.
    Id(Guid),
    /// Editions of the catalogue by name, with wildcards.
    Name(Glob),
}

impl Facts<'_> {
    /// Facts of a connection of `client` that has said nothing yet.
    #[must_use]
    pub const fn of(client: IpAddr) -> Self {
        Self { client, opnum: None, request: None, accepted: false, question: None }
    }
}

impl Place {
    /// Whether every condition holds.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        any(&self.clients, |network| network.contains(facts.client))
            && self.opnum.is_none_or(|opnum| facts.opnum == Some(opnum))
            && self.matches_request(facts.request)
            && self.matches_question(facts.question.as_ref())
    }

    /// Whether there is no condition at all.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        *self == Self::default()
    }

    fn matches_request(&self, request: Option<&Request>) -> bool {
        let Some(request) = request else {
            return self.machines.is_empty()
                && self.cmids.is_empty()
                && self.products.is_empty()
                && self.versions.is_empty();
        };
        any(&self.machines, |name| name.matches(request.machine_name.chars()))
            && any(&self.cmids, |cmid| *cmid == request.cmid)
            && any(&self.products, |product| product.matches(request))
            && any(&self.versions, |version| *version == request.version)
    }

    fn matches_question(&self, question: Option<&Question<'_>>) -> bool {
        let Some(question) = question else {
            return self.qnames.is_empty() && self.qtypes.is_empty() && self.over_tcp.is_none();
        };
        any(&self.qnames, |name| name.matches(question.name.chars()))
            && any(&self.qtypes, |qtype| qtype == question.record_type)
            && self.over_tcp.is_none_or(|over_tcp| over_tcp == question.over_tcp)
    }
}

fn any<T>(conditions: &[T], holds: impl Fn(&T) -> bool) -> bool {
    conditions.is_empty() || conditions.iter().any(holds)
}

impl ProductFilter {
    fn matches(&self, request: &Request) -> bool {
        match self {
            Self::Application(app_id) => request.app_id == *app_id,
            Self::Id(id) => [request.app_id, request.sku_id, request.kms_id].contains(id),
            Self::Name(name) => {
                let fits = |product: &Product| name.matches(product.name.chars());
                Product::by_sku_id(&request.sku_id).is_some_and(fits)
            }
        }
    }
}

impl FromStr for ProductFilter {
    type Err = UnknownProduct;

    fn from_str(text: &str) -> Result<Self, UnknownProduct> {
        match text {
            "windows" => return Ok(Self::Application(WINDOWS_APP_ID)),
            "office" => return Ok(Self::Application(OFFICE_APP_ID)),
            _ => {}
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let name: Glob = text.parse().map_err(|_| UnknownProduct)?;
        // A name that no product has is a slip of the pen, not a rule that never matches.
        match PRODUCTS.iter().any(|product| name.matches(product.name.chars())) {
            true => Ok(Self::Name(name)),
            false => Err(UnknownProduct),
        }
    }
}

impl fmt::Display for ProductFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(id) if *id == WINDOWS_APP_ID => f.write_str("windows"),
            Self::Application(id) if *id == OFFICE_APP_ID => f.write_str("office"),
            Self::Application(id) | Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Text that names no product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownProduct;

impl fmt::Display for UnknownProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not `windows`, `office`, an id, or the name of a product (`kms-sim catalog` lists them; \
             `*` and `?` are wildcards)",
        )
    }
}

impl std::error::Error for UnknownProduct {}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 5] = [Self::Accept, Self::Bind, Self::Request, Self::Response, Self::Dns];

    /// The name of this stage.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Bind => "bind",
            Self::Request => "request",
            Self::Response => "response",
            Self::Dns => "dns",
        }
    }

    /// The stage of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// A bit of its own.
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
