//! What one host publishes in one domain, and the update message that says so.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// The records of one host in one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Owner of the SRV record: `_vlmcs._tcp.` and the domain.
    pub service: Name,
    /// Name of the host: target of the SRV record, owner of the addresses.
    pub host: Name,
    /// Published as A and AAAA; may be empty, where the host's name has its addresses already.
    pub addresses: Vec<IpAddr>,
    /// TCP port.
    pub port: u16,
    /// SRV priority.
    pub priority: u16,
    /// SRV weight.
    pub weight: u16,
    /// Time to live in seconds.
    pub ttl_s: u32,
}

/// What to do with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add them.
    Publish,
    /// Remove them.
    Withdraw,
}

impl Publication {
    /// The SRV record's data.
    #[must_use]
    pub fn srv(&self) -> SRV {
        SRV::new(self.priority, self.weight, self.port, self.host.clone())
    }

    /// The records that belong into `zone`. The addresses of a host that lies elsewhere do not.
    #[must_use]
    pub fn records(&self, zone: &Name) -> Vec<Record> {
        let record = |owner: &Name, data| Record::from_rdata(owner.clone(), self.ttl_s, data);
        let service = record(&self.service, RData::SRV(self.srv()));
        let addresses = self.addresses.iter().map(|address| {
            let data = match address.to_canonical() {
                IpAddr::V4(address) => RData::A(A(address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(address)),
            };
            record(&self.host, data)
        });
        let all = std::iter::once(service).chain(addresses);
        all.filter(|record| zone.zone_of(&record.name)).collect()
    }

    /// The update message for `zone`. It adds single records (RFC 2136 section 2.5.1) or removes
    /// them by their exact data (section 2.5.4), and never names an RRset.
    #[must_use]
    pub fn update(&self, zone: &Name, change: Change, id: u16) -> Message {
        let mut message = Message::new(id, MessageType::Query, OpCode::Update);
        let mut section = Query::query(zone.clone(), RecordType::SOA);
        section.set_query_class(DNSClass::IN);
        message.add_query(section);
        for mut record in self.records(zone) {
            if change == Change::Withdraw {
                record.dns_class = DNSClass::NONE;
                record.ttl = 0;
            }
            message.add_authority(record);
        }
        message
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use hickory_proto::rr::RecordData;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn publication() -> Publication {
        Publication {
            service: name("_vlmcs._tcp.lab.test."),
            host: name("kms1.lab.test."),
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            port: 1688,
            priority: 10,
            weight: 20,
            ttl_s: 3600,
        }
    }

    #[test]
    fn publishing_adds_each_record_by_itself() {
        let message = publication().update(&name("lab.test."), Change::Publish, 7);
        assert_eq!((message.id, message.op_code), (7, OpCode::Update));
        assert_eq!(message.queries[0].query_type(), RecordType::SOA);
        assert!(message.answers.is_empty(), "no prerequisite");
        let added: Vec<_> = message.authorities.iter().map(ToString::to_string).collect();
        assert_eq!(
            added,
            [
                "_vlmcs._tcp.lab.test. 3600 IN SRV 10 20 1688 kms1.lab.test.",
                "kms1.lab.test. 3600 IN A 192.0.2.1",
                "kms1.lab.test. 3600 IN AAAA 2001:db8::1",
            ]
        );
    }

    #[test]
    fn withdrawing_names_exact_data_and_never_a_whole_rrset() {
        let message = publication().update(&name("lab.test."), Change::Withdraw, 7);
        for record in &message.authorities {
            assert_eq!((record.dns_class, record.ttl), (DNSClass::NONE, 0), "{record}");
            assert!(!record.data.is_update(), "{record}: RDATA is there");
        }
        assert_eq!(message.authorities.len(), 3);
    }

    #[test]
    fn addresses_of_a_host_in_another_zone_are_left_out() {
        let elsewhere = Publication { host: name("kms1.other.test."), ..publication() };
        assert_eq!(elsewhere.records(&name("lab.test.")).len(), 1);
    }
}
