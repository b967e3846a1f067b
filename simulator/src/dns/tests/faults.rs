//! Answers that go wrong on purpose.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use super::super::{ExtendedError, Silence};
use super::*;

fn faulty(fault: &Fault) -> Message {
    let message = with_edns(query(SERVICE, RecordType::SRV), 1_232);
    ask_with(&zone(), Some(fault), &message, Transport::Udp)
}

#[test]
fn nxdomain_and_nodata_look_like_the_real_ones() {
    for (fault, code) in
        [(Fault::NxDomain, ResponseCode::NXDomain), (Fault::NoData, ResponseCode::NoError)]
    {
        let response = faulty(&fault);
        assert_eq!(response.response_code, code);
        assert!(response.authoritative);
        assert!(response.answers.is_empty() && response.additionals.is_empty());
        assert!(response.authorities.iter().all(is_soa) && response.authorities.len() == 1);
    }
}

#[test]
fn refused_and_servfail_have_no_authority() {
    for (fault, code) in
        [(Fault::Refused, ResponseCode::Refused), (Fault::ServFail(None), ResponseCode::ServFail)]
    {
        let response = faulty(&fault);
        assert_eq!(response.response_code, code);
        assert!(!response.authoritative && response.authorities.is_empty());
        assert!(response.edns.unwrap().options().options.is_empty());
    }
}

#[test]
fn servfail_gives_its_reason_to_clients_with_edns() {
    let text = "No Reachable Authority".to_owned();
    let fault = Fault::ServFail(Some(ExtendedError { code: 22, text: text.clone() }));
    let edns = faulty(&fault).edns.unwrap();
    let expected = EdnsOption::Unknown(15, [&[0, 22], text.as_bytes()].concat());
    assert_eq!(edns.option(EdnsCode::from(15)), Some(&expected));

    let plain = query(SERVICE, RecordType::SRV);
    let response = ask_with(&zone(), Some(&fault), &plain, Transport::Udp);
    assert_eq!(response.response_code, ResponseCode::ServFail);
    assert!(response.edns.is_none());
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let text = "é".repeat(150);
    let fault = Fault::ServFail(Some(ExtendedError { code: 0, text }));
    let response = faulty(&fault);
    let edns = response.edns.unwrap();
    let Some(EdnsOption::Unknown(15, data)) = edns.option(EdnsCode::from(15)) else {
        panic!("no extended error in {edns:?}");
    };
    assert_eq!(std::str::from_utf8(data.get(2..).unwrap()).unwrap(), "é".repeat(100));
}

#[test]
fn a_drop_is_silence_on_both_transports() {
    let message = query(SERVICE, RecordType::SRV).to_vec().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let reply = answer(&zone(), Some(&Fault::Drop), &message, transport);
        assert_eq!(reply, Reply::Nothing(Silence::Fault));
    }
}

#[test]
fn truncate_sends_the_client_to_tcp() {
    let over_udp = faulty(&Fault::Truncate);
    assert!(over_udp.truncation && over_udp.answers.is_empty());
    let message = query(SERVICE, RecordType::SRV);
    let over_tcp = ask_with(&zone(), Some(&Fault::Truncate), &message, Transport::Tcp);
    assert!(!over_tcp.truncation && over_tcp.answers.len() == 3);
}

#[test]
fn malformed_keeps_the_id_and_cannot_be_decoded() {
    let message = query(SERVICE, RecordType::SRV).to_vec().unwrap();
    let bytes = bytes_of(answer(&zone(), Some(&Fault::Malformed), &message, Transport::Udp));
    assert_eq!(bytes.get(..2), message.get(..2));
    assert!(Message::from_vec(&bytes).is_err());
}

#[test]
fn a_fault_leaves_everything_but_srv_alone() {
    for fault in [Fault::NxDomain, Fault::Refused, Fault::Drop, Fault::Malformed] {
        let message = query("kms1.lab.test.", RecordType::A);
        let response = ask_with(&zone(), Some(&fault), &message, Transport::Udp);
        assert_eq!(response.answers.len(), 1, "{fault:?}");
        let message = query("_vlmcs._tcp.corp.test.", RecordType::SRV);
        let response = ask_with(&zone(), Some(&fault), &message, Transport::Udp);
        assert_eq!(response.response_code, ResponseCode::Refused, "{fault:?}");
    }
}
