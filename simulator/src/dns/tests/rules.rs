//! Look-ups in the zone.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};

use super::*;

#[test]
fn srv_comes_with_every_host_and_the_addresses_there_are() {
    let response = ask(SERVICE, RecordType::SRV);
    assert_eq!(response.response_code, ResponseCode::NoError);
    assert!(response.authoritative && !response.recursion_available && !response.truncation);
    assert_eq!(
        lines(&response.answers),
        [
            "_vlmcs._tcp.lab.test. 0 75 1688 kms1.lab.test.",
            "_vlmcs._tcp.lab.test. 0 25 1689 kms2.lab.test.",
            "_vlmcs._tcp.lab.test. 90 0 1688 dangling.lab.test.",
        ]
    );
    assert_eq!(
        lines(&response.additionals),
        ["kms1.lab.test. 192.0.2.1", "kms2.lab.test. 192.0.2.2", "kms2.lab.test. 2001:db8::2"]
    );
    assert!(response.authorities.is_empty());
}

#[test]
fn id_question_and_rd_are_echoed() {
    let mut asked = query("_VLMCS._tcp.LAB.test.", RecordType::SRV);
    asked.metadata.recursion_desired = true;
    asked.metadata.checking_disabled = true;
    let response = ask_with(&zone(), None, &asked, Transport::Udp);
    assert_eq!(response.id, 0x1234);
    assert!(response.recursion_desired && response.checking_disabled);
    assert_eq!(response.answers.len(), 3, "names compare without case");
    let echoed = &response.queries.first().unwrap().name;
    assert!(echoed.eq_case(&asked.queries.first().unwrap().name), "the case is as asked: {echoed}");
    let owner = &response.answers.first().unwrap().name;
    assert!(owner.eq_case(echoed), "and so is the owner's: {owner}");
}

#[test]
fn each_address_type_is_answered_alone() {
    assert_eq!(lines(&ask("kms2.lab.test.", RecordType::A).answers), ["kms2.lab.test. 192.0.2.2"]);
    assert_eq!(
        lines(&ask("kms2.lab.test.", RecordType::AAAA).answers),
        ["kms2.lab.test. 2001:db8::2"]
    );
}

#[test]
fn a_name_without_that_type_is_nodata() {
    for (name, query_type) in [
        ("kms1.lab.test.", RecordType::AAAA),
        ("kms1.lab.test.", RecordType::SRV),
        ("lab.test.", RecordType::A),
        ("lab.test.", RecordType::DS),
        (SERVICE, RecordType::A),
    ] {
        let response = ask(name, query_type);
        assert_eq!(response.response_code, ResponseCode::NoError, "{name} {query_type}");
        assert!(response.answers.is_empty() && response.authoritative);
        assert!(response.authorities.iter().all(is_soa) && response.authorities.len() == 1);
    }
}

#[test]
fn an_empty_non_terminal_exists() {
    for name in ["_tcp.lab.test.", "site-a.lab.test."] {
        let response = ask(name, RecordType::SRV);
        assert_eq!(response.response_code, ResponseCode::NoError, "{name}");
        assert_eq!(response.authorities.len(), 1);
    }
}

#[test]
fn a_name_that_does_not_exist_is_nxdomain() {
    for name in ["nothere.lab.test.", "_udp.lab.test.", "a.b.kms1.lab.test."] {
        let response = ask(name, RecordType::A);
        assert_eq!(response.response_code, ResponseCode::NXDomain, "{name}");
        assert!(response.authoritative && response.answers.is_empty());
        assert!(response.authorities.iter().all(is_soa) && response.authorities.len() == 1);
    }
}

#[test]
fn without_hosts_the_service_does_not_exist() {
    let empty = Zone::new("lab.test").unwrap();
    let response = ask_with(&empty, None, &query(SERVICE, RecordType::SRV), Transport::Udp);
    assert_eq!(response.response_code, ResponseCode::NXDomain);
}

#[test]
fn negative_answers_live_as_long_as_the_soa_says() {
    let zone = zone().ttl_s(3_600).unwrap().negative_ttl_s(7).unwrap();
    let ask = |name, query_type| ask_with(&zone, None, &query(name, query_type), Transport::Udp);
    let negative = ask("nothere.lab.test.", RecordType::A);
    let soa = negative.authorities.first().unwrap();
    assert_eq!(soa.ttl, 7);
    assert!(matches!(&soa.data, RData::SOA(soa) if soa.minimum == 7));
    assert_eq!(ask("lab.test.", RecordType::SOA).answers.first().unwrap().ttl, 3_600);
    assert_eq!(ask(SERVICE, RecordType::SRV).answers.first().unwrap().ttl, 3_600);

    // RFC 2308 section 5: the lesser of the SOA record's own TTL and its minimum.
    let zone = zone.ttl_s(3).unwrap();
    let negative =
        ask_with(&zone, None, &query("nothere.lab.test.", RecordType::A), Transport::Udp);
    assert_eq!(negative.authorities.first().unwrap().ttl, 3);
}

#[test]
fn the_apex_has_soa_and_ns() {
    assert_eq!(
        lines(&ask("lab.test.", RecordType::SOA).answers),
        ["lab.test. ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 10"]
    );
    assert_eq!(lines(&ask("lab.test.", RecordType::NS).answers), ["lab.test. ns.lab.test."]);
    let zone = zone().served_at(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let response = ask_with(&zone, None, &query("lab.test.", RecordType::NS), Transport::Udp);
    assert_eq!(lines(&response.additionals), ["ns.lab.test. 127.0.0.1"]);
}

#[test]
fn any_returns_everything_at_the_name() {
    let types = |name| {
        let response = ask(name, RecordType::ANY);
        response.answers.iter().map(Record::record_type).collect::<Vec<_>>()
    };
    assert_eq!(types("lab.test."), [RecordType::SOA, RecordType::NS]);
    assert_eq!(types("kms2.lab.test."), [RecordType::A, RecordType::AAAA]);
    assert_eq!(types("kms.lab.test."), [RecordType::CNAME], "an alias is not followed");
    assert_eq!(types("_tcp.lab.test."), [], "an empty non-terminal is NODATA");
}

#[test]
fn an_alias_is_followed_within_the_zone() {
    let response = ask("kms.lab.test.", RecordType::A);
    assert_eq!(
        lines(&response.answers),
        ["kms.lab.test. kms2.lab.test.", "kms2.lab.test. 192.0.2.2"]
    );
    assert_eq!(
        lines(&ask("kms.lab.test.", RecordType::CNAME).answers),
        ["kms.lab.test. kms2.lab.test."]
    );
    let no_data = ask("kms.lab.test.", RecordType::TXT);
    assert_eq!(no_data.answers.len(), 1);
    assert!(no_data.authorities.iter().all(is_soa) && no_data.authorities.len() == 1);
}

#[test]
fn an_alias_out_of_the_zone_is_left_to_the_resolver() {
    let response = ask("away.lab.test.", RecordType::A);
    assert_eq!(response.response_code, ResponseCode::NoError);
    assert_eq!(lines(&response.answers), ["away.lab.test. kms.example.com."]);
    assert!(response.authorities.is_empty());
}

#[test]
fn an_alias_to_nothing_is_nxdomain() {
    let response = ask("nowhere.lab.test.", RecordType::A);
    assert_eq!(response.response_code, ResponseCode::NXDomain);
    assert_eq!(response.answers.len(), 1);
}

#[test]
fn a_circle_of_aliases_is_a_failure() {
    let zone = zone().alias("left", "right.lab.test").unwrap();
    let zone = zone.alias("right", "left.lab.test").unwrap();
    for (name, aliases) in [("circle.lab.test.", 1), ("left.lab.test.", 2)] {
        let response = ask_with(&zone, None, &query(name, RecordType::A), Transport::Udp);
        assert_eq!(response.response_code, ResponseCode::ServFail);
        assert_eq!(response.answers.len(), aliases);
    }
}

#[test]
fn a_chain_of_aliases_is_followed_up_to_its_limit() {
    let address = Ipv4Addr::LOCALHOST.into();
    let end = Zone::new("lab.test").unwrap().address("a0", address).unwrap();
    let zone = (0..9)
        .try_fold(end, |zone, n| zone.alias(&format!("a{}", n + 1), &format!("a{n}.lab.test")))
        .unwrap();
    let ask = |name| ask_with(&zone, None, &query(name, RecordType::A), Transport::Udp);
    let response = ask("a8.lab.test.");
    assert_eq!(response.response_code, ResponseCode::NoError);
    assert_eq!(response.answers.last().unwrap().record_type(), RecordType::A);
    assert_eq!(ask("a9.lab.test.").response_code, ResponseCode::ServFail);
}

#[test]
fn a_target_of_the_root_says_that_there_is_no_service() {
    let zone = Zone::new("lab.test").unwrap().service(0, 0, 0, ".").unwrap();
    let response = ask_with(&zone, None, &query(SERVICE, RecordType::SRV), Transport::Udp);
    assert_eq!(lines(&response.answers), ["_vlmcs._tcp.lab.test. 0 0 0 ."]);
    assert!(response.additionals.is_empty());
}
