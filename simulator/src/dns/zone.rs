//! The records of one domain, as the embedded server is authoritative for them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use thiserror::Error;

use super::name::{self, NameError};

/// One KMS host: its addresses, and the SRV record that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRecord {
    /// `kms1`, which is taken within the domain, or the full name below the domain.
    pub name: String,
    /// Published as A and AAAA. Empty: the SRV target dangles.
    pub addresses: Vec<IpAddr>,
    /// TCP port.
    pub port: u16,
    /// SRV priority: clients turn to the lowest first (RFC 2782).
    pub priority: u16,
    /// SRV weight: the share of clients among hosts of one priority (RFC 2782).
    pub weight: u16,
}

impl HostRecord {
    /// A host as a KMS host publishes itself: port 1688, priority 0, weight 0.
    #[must_use]
    pub fn new(name: impl Into<String>, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            name: name.into(),
            addresses: addresses.into_iter().collect(),
            port: KMS_PORT,
            priority: 0,
            weight: 0,
        }
    }
}

/// An authoritative zone: SOA and NS at its apex, `_vlmcs._tcp` below it, and the hosts.
///
/// ```
/// use kms_simulator::dns::{HostRecord, Zone};
///
/// let zone = Zone::new("lab.test")?
///     .host(HostRecord::new("kms1", ["127.0.0.1".parse()?]))?
///     .host(HostRecord { weight: 75, ..HostRecord::new("kms2", ["::1".parse()?]) })?;
/// assert_eq!(zone.service_name().to_ascii(), "_vlmcs._tcp.lab.test.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    apex: Name,
    service: Name,
    /// Bytes that the full SRV answer takes; a TCP message has to hold it.
    service_bytes: usize,
    ttl_s: u32,
    negative_ttl_s: u32,
    serial: u32,
    /// Every name that exists. One without records only has names below it (RFC 8020).
    nodes: BTreeMap<Name, Vec<RData>>,
}

impl Zone {
    /// An empty zone: SOA and NS, and a `_vlmcs._tcp` that does not exist yet.
    ///
    /// # Errors
    ///
    /// [`ZoneError::Name`] when `domain` is not a domain name, or leaves no room for the labels
    /// that every zone needs below it.
    pub fn new(domain: &str) -> Result<Self, ZoneError> {
        let apex = name::parse(domain)?;
        let service = name::parse(&format!("_vlmcs._tcp.{}", apex.to_ascii()))?;
        let zone = Self {
            service_bytes: MESSAGE_OVERHEAD_BYTES + wire_len(&service),
            service,
            ttl_s: DEFAULT_TTL_S,
            negative_ttl_s: DEFAULT_NEGATIVE_TTL_S,
            serial: 1,
            nodes: BTreeMap::new(),
            apex: apex.clone(),
        };
        let name_server = zone.absolute(NAME_SERVER)?;
        zone.insert(apex, RData::NS(NS(name_server)))
    }

    /// Publish a host: its addresses, and an SRV record that leads to it.
    ///
    /// # Errors
    ///
    /// [`ZoneError`]: a bad name, one outside the domain, or a limit of the zone.
    pub fn host(self, host: HostRecord) -> Result<Self, ZoneError> {
        let owner = self.absolute(&host.name)?;
        let zone = host
            .addresses
            .iter()
            .try_fold(self, |zone, address| zone.insert(owner.clone(), address_rdata(*address)))?;
        zone.publish(SRV::new(host.priority, host.weight, host.port, owner))
    }

    /// Add an SRV record alone, without addresses for its target. The target may be anywhere;
    /// `.` says that the service is decidedly not available here (RFC 2782).
    ///
    /// # Errors
    ///
    /// [`ZoneError`]: a bad target, or more records than a DNS message holds.
    pub fn service(
        self,
        priority: u16,
        weight: u16,
        port: u16,
        target: &str,
    ) -> Result<Self, ZoneError> {
        let target = if target == "." { Name::root() } else { name::parse(target)? };
        self.publish(SRV::new(priority, weight, port, target))
    }

    /// Add an address to a name of the domain.
    ///
    /// # Errors
    ///
    /// [`ZoneError`]: a bad name, one outside the domain, an alias, or a limit of the zone.
    pub fn address(self, name: &str, address: IpAddr) -> Result<Self, ZoneError> {
        let owner = self.absolute(name)?;
        self.insert(owner, address_rdata(address))
    }

    /// Make a name of the domain an alias (CNAME) of another name, which may be anywhere.
    ///
    /// # Errors
    ///
    /// [`ZoneError`]: a bad name, an owner outside the domain or one with records.
    pub fn alias(self, name: &str, target: &str) -> Result<Self, ZoneError> {
        let owner = self.absolute(name)?;
        let target = name::parse(target)?;
        self.insert(owner, RData::CNAME(CNAME(target)))
    }

    /// How long a resolver may keep a record, in seconds, up to 2^31 - 1 (RFC 2181 section 8).
    ///
    /// # Errors
    ///
    /// [`ZoneError::Ttl`] above that.
    pub fn ttl_s(mut self, ttl_s: u32) -> Result<Self, ZoneError> {
        self.ttl_s = check_ttl(ttl_s)?;
        Ok(self)
    }

    /// How long a resolver may keep NXDOMAIN and NODATA, in seconds (RFC 2308 section 5).
    ///
    /// # Errors
    ///
    /// [`ZoneError::Ttl`] above 2^31 - 1.
    pub fn negative_ttl_s(mut self, ttl_s: u32) -> Result<Self, ZoneError> {
        self.negative_ttl_s = check_ttl(ttl_s)?;
        Ok(self)
    }

    /// The domain, fully qualified.
    #[must_use]
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// The owner of the SRV records: `_vlmcs._tcp.` and the domain.
    #[must_use]
    pub fn service_name(&self) -> &Name {
        &self.service
    }

    /// Version of the zone, as the SOA record gives it.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Every record, name by name, but for the SOA.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.nodes.iter().flat_map(|(owner, data)| {
            data.iter().map(|rdata| self.record(owner.clone(), rdata.clone()))
        })
    }

    /// The zone as the successor of `previous`: one serial on (RFC 1982).
    pub(super) fn following(mut self, previous: &Self) -> Self {
        self.serial = previous.serial.wrapping_add(1);
        self
    }

    /// The zone with an address for its name server, unless it has one or `address` is a
    /// wildcard, which no client could reach.
    pub(super) fn served_at(mut self, address: IpAddr) -> Self {
        if !address.is_unspecified()
            && let Ok(owner) = self.absolute(NAME_SERVER)
        {
            let records = self.nodes.entry(owner).or_default();
            if records.is_empty() {
                records.push(address_rdata(address));
            }
        }
        self
    }

    /// Whether this zone is the one to ask about `name`.
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.apex.zone_of(name)
    }

    /// Everything at `name`, or `None` where no such name exists.
    pub(super) fn lookup(&self, name: &Name) -> Option<impl Iterator<Item = RData>> {
        let records = self.nodes.get(name)?;
        let soa = (*name == self.apex).then(|| self.soa());
        Some(soa.into_iter().chain(records.iter().cloned()))
    }

    /// A and AAAA records at `name`, for the additional section.
    pub(super) fn addresses(&self, name: &Name) -> impl Iterator<Item = Record> {
        let records = self.nodes.get(name).map(Vec::as_slice).unwrap_or_default();
        let is_address = |rdata: &&RData| matches!(rdata, RData::A(_) | RData::AAAA(_));
        records.iter().filter(is_address).map(|rdata| self.record(name.clone(), rdata.clone()))
    }

    /// A record with this zone's time to live.
    pub(super) fn record(&self, owner: Name, rdata: RData) -> Record {
        Record::from_rdata(owner, self.ttl_s, rdata)
    }

    /// The SOA record that makes an empty answer cacheable (RFC 2308 section 3).
    pub(super) fn negative_soa(&self) -> Record {
        let ttl_s = self.ttl_s.min(self.negative_ttl_s);
        Record::from_rdata(self.apex.clone(), ttl_s, self.soa())
    }

    fn soa(&self) -> RData {
        let below_apex = |label: &str| {
            let name = Name::from_labels([label.as_bytes()]);
            name.and_then(|name| name.append_domain(&self.apex))
                .unwrap_or_else(|_| self.apex.clone())
        };
        RData::SOA(SOA::new(
            below_apex(NAME_SERVER),
            below_apex("hostmaster"),
            self.serial,
            3_600,
            600,
            86_400,
            self.negative_ttl_s,
        ))
    }

    /// `name` itself where it ends in the domain, else `name` below the domain.
    pub(super) fn absolute(&self, name: &str) -> Result<Name, ZoneError> {
        let full = name::parse(name)?;
        if self.contains(&full) {
            return Ok(full);
        }
        if name.ends_with('.') {
            return Err(ZoneError::Outside { name: full.to_ascii(), apex: self.apex.to_ascii() });
        }
        Ok(name::parse(&format!("{name}.{}", self.apex.to_ascii()))?)
    }

    fn publish(mut self, srv: SRV) -> Result<Self, ZoneError> {
        // The owner is counted in full: not every encoder compresses every name.
        let record_bytes = RECORD_OVERHEAD_BYTES + wire_len(&self.service) + wire_len(&srv.target);
        self.service_bytes += record_bytes;
        if self.service_bytes > usize::from(u16::MAX) {
            return Err(ZoneError::TooManyServices { service: self.service.to_ascii() });
        }
        let owner = self.service.clone();
        self.insert(owner, RData::SRV(srv))
    }

    fn insert(mut self, owner: Name, rdata: RData) -> Result<Self, ZoneError> {
        let mut ancestor = owner.base_name();
        while self.contains(&ancestor) {
            self.nodes.entry(ancestor.clone()).or_default();
            ancestor = ancestor.base_name();
        }
        let records = self.nodes.entry(owner.clone()).or_default();
        if records.contains(&rdata) {
            return Ok(self);
        }
        let is_alias = |rdata: &RData| rdata.record_type() == RecordType::CNAME;
        if !records.is_empty() && (is_alias(&rdata) || records.iter().any(is_alias)) {
            return Err(ZoneError::AliasWithRecords { name: owner.to_ascii() });
        }
        if matches!(rdata, RData::A(_) | RData::AAAA(_)) && records.len() >= MAX_ADDRESSES_PER_NAME
        {
            return Err(ZoneError::TooManyAddresses { name: owner.to_ascii() });
        }
        records.push(rdata);
        if self.nodes.len() > MAX_NAMES {
            return Err(ZoneError::TooManyNames { apex: self.apex.to_ascii() });
        }
        Ok(self)
    }
}

/// Why a record was not added to a zone.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZoneError {
    /// Not a domain name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An owner that this zone does not hold.
    #[error("`{name}` is not in the domain `{apex}`")]
    Outside {
        /// The owner.
        name: String,
        /// The domain.
        apex: String,
    },
    /// A CNAME beside other records, or a second one (RFC 2181 section 10.1).
    #[error("`{name}` is an alias (CNAME), which allows no other record at that name")]
    AliasWithRecords {
        /// The owner.
        name: String,
    },
    /// The SRV answer would not fit a DNS message.
    #[error("too many SRV records at `{service}`: a DNS message holds 65535 bytes of them")]
    TooManyServices {
        /// The owner.
        service: String,
    },
    /// More than 64 addresses at one name.
    #[error("too many addresses at `{name}`: the limit is {MAX_ADDRESSES_PER_NAME}")]
    TooManyAddresses {
        /// The owner.
        name: String,
    },
    /// More than 4,096 names.
    #[error("too many names in the domain `{apex}`: the limit is {MAX_NAMES}")]
    TooManyNames {
        /// The domain.
        apex: String,
    },
    /// A time to live above 2^31 - 1 s (RFC 2181 section 8).
    #[error("time to live of {ttl_s} s: the limit is {MAX_TTL_S} s")]
    Ttl {
        /// As given, in seconds.
        ttl_s: u32,
    },
}

/// TCP port of KMS (Microsoft, KMS activation planning).
pub const KMS_PORT: u16 = 1688;
/// Time to live of a record unless set, in seconds: short, since a lab changes.
pub const DEFAULT_TTL_S: u32 = 60;
/// Time to live of NXDOMAIN and NODATA unless set, in seconds.
pub const DEFAULT_NEGATIVE_TTL_S: u32 = 10;
const MAX_TTL_S: u32 = i32::MAX.cast_unsigned();
const MAX_ADDRESSES_PER_NAME: usize = 64;
const MAX_NAMES: usize = 4_096;
/// Label of the zone's name server.
const NAME_SERVER: &str = "ns";
/// Header, type and class of the question, and an OPT record without options.
const MESSAGE_OVERHEAD_BYTES: usize = 12 + 4 + 11;
/// Type, class, TTL and length, then priority, weight and port.
const RECORD_OVERHEAD_BYTES: usize = 10 + 6;

fn check_ttl(ttl_s: u32) -> Result<u32, ZoneError> {
    if ttl_s > MAX_TTL_S { Err(ZoneError::Ttl { ttl_s }) } else { Ok(ttl_s) }
}

pub(super) fn address_rdata(address: IpAddr) -> RData {
    match address.to_canonical() {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    }
}

/// Octets of a name without compression.
fn wire_len(name: &Name) -> usize {
    name.iter().map(|label| label.len() + 1).sum::<usize>() + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn zone() -> Zone {
        Zone::new("lab.test").unwrap()
    }

    fn name(text: &str) -> Name {
        name::parse(text).unwrap()
    }

    #[test]
    fn hosts_are_taken_within_the_domain() {
        for given in ["kms1", "kms1.lab.test", "KMS1.Lab.Test."] {
            let zone = zone().host(HostRecord::new(given, [])).unwrap();
            let srv = zone.lookup(zone.service_name()).unwrap().next().unwrap();
            assert!(matches!(srv, RData::SRV(srv) if srv.target == name("kms1.lab.test")));
        }
        let nested = zone().address("kms1.site-a", Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(nested.lookup(&name("site-a.lab.test")).unwrap().count(), 0);
        assert_eq!(nested.lookup(&name("kms1.site-a.lab.test")).unwrap().count(), 1);
    }

    #[test]
    fn a_host_outside_the_domain_is_refused() {
        let error = zone().host(HostRecord::new("kms.other.test.", [])).unwrap_err();
        assert_eq!(error.to_string(), "`kms.other.test.` is not in the domain `lab.test.`");
    }

    #[test]
    fn a_domain_too_long_for_its_own_service_name_is_refused() {
        let label = "a".repeat(63);
        let domain = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert!(matches!(Zone::new(&domain), Err(ZoneError::Name(_))));
    }

    #[test]
    fn the_same_record_twice_is_one_record() {
        let host = HostRecord::new("kms1", [Ipv4Addr::LOCALHOST.into()]);
        let zone = zone().host(host.clone()).unwrap().host(host).unwrap();
        assert_eq!(zone.lookup(zone.service_name()).unwrap().count(), 1);
        assert_eq!(zone.addresses(&name("kms1.lab.test")).count(), 1);
    }

    #[test]
    fn an_alias_admits_no_other_record() {
        let alias = zone().alias("kms", "kms1.lab.test").unwrap();
        let refused = ZoneError::AliasWithRecords { name: "kms.lab.test.".to_owned() };
        let address = Ipv4Addr::LOCALHOST.into();
        assert_eq!(alias.clone().address("kms", address).unwrap_err(), refused);
        assert_eq!(alias.alias("kms", "kms2.lab.test").unwrap_err(), refused);
        let host = zone().address("kms", address).unwrap();
        assert_eq!(host.alias("kms", "kms1.lab.test").unwrap_err(), refused);
    }

    #[test]
    fn the_srv_set_stops_where_a_dns_message_ends() {
        let mut zone = zone();
        let refused = loop {
            let target = format!("kms{:05}.lab.test", zone.service_bytes);
            match zone.clone().service(0, 0, 1688, &target) {
                Ok(larger) => zone = larger,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, ZoneError::TooManyServices { .. }));
        assert!(zone.service_bytes > 65_000 && zone.service_bytes <= 65_535);
    }

    #[test]
    fn addresses_and_names_stop_at_their_limits() {
        let address = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
        let full = (0..64).try_fold(zone(), |zone, n| zone.address("kms1", address(n))).unwrap();
        let refused = full.address("kms1", address(64)).unwrap_err();
        assert_eq!(refused.to_string(), "too many addresses at `kms1.lab.test.`: the limit is 64");

        let taken = zone().nodes.len();
        let full = (taken..4_096)
            .try_fold(zone(), |zone, n| zone.address(&format!("h{n}"), address(n)))
            .unwrap();
        assert!(matches!(full.address("more", address(1)), Err(ZoneError::TooManyNames { .. })));
    }

    #[test]
    fn a_time_to_live_has_31_bits() {
        assert!(zone().ttl_s(2_147_483_647).is_ok());
        assert_eq!(zone().ttl_s(2_147_483_648), Err(ZoneError::Ttl { ttl_s: 2_147_483_648 }));
        assert!(zone().negative_ttl_s(u32::MAX).is_err());
    }

    #[test]
    fn the_name_server_gets_the_address_it_is_served_at() {
        let ns = name("ns.lab.test");
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(zone().served_at(loopback).addresses(&ns).count(), 1);
        assert_eq!(zone().served_at(Ipv4Addr::UNSPECIFIED.into()).addresses(&ns).count(), 0);
        let own = zone().address("ns", Ipv4Addr::new(192, 0, 2, 1).into()).unwrap();
        assert_eq!(own.served_at(loopback).addresses(&ns).count(), 1);
    }
}
