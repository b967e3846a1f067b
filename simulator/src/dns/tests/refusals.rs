//! What is refused, and what gets no answer.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::DNSClass;

use super::super::Silence;
use super::*;

fn code_of(message: &Message) -> (ResponseCode, Message) {
    let response = ask_with(&zone(), None, message, Transport::Udp);
    (response.response_code, response)
}

#[test]
fn names_outside_the_zone_are_refused() {
    for name in ["example.com.", "test.", ".", "xlab.test.", "_vlmcs._tcp.corp.test."] {
        let (code, response) = code_of(&query(name, RecordType::A));
        assert_eq!(code, ResponseCode::Refused, "{name}");
        assert!(!response.authoritative && response.authorities.is_empty());
        assert_eq!(response.queries.len(), 1);
    }
}

#[test]
fn classes_other_than_internet_are_refused() {
    for class in [DNSClass::CH, DNSClass::HS, DNSClass::ANY, DNSClass::NONE] {
        let mut message = query(SERVICE, RecordType::SRV);
        message.queries.first_mut().unwrap().set_query_class(class);
        assert_eq!(code_of(&message).0, ResponseCode::Refused, "{class}");
    }
}

#[test]
fn transfers_are_refused() {
    for query_type in [RecordType::AXFR, RecordType::IXFR] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let message = query("lab.test.", query_type);
            let response = ask_with(&zone(), None, &message, transport);
            assert_eq!(response.response_code, ResponseCode::Refused);
            assert!(response.answers.is_empty());
        }
    }
}

#[test]
fn types_that_nobody_can_ask_for_are_told_so() {
    for (query_type, code) in [
        (RecordType::OPT, ResponseCode::FormErr),
        (RecordType::TSIG, ResponseCode::FormErr),
        (RecordType::from(128), ResponseCode::FormErr),
        (RecordType::from(253), ResponseCode::NotImp),
        (RecordType::from(254), ResponseCode::NotImp),
    ] {
        assert_eq!(code_of(&query("lab.test.", query_type)).0, code, "{query_type}");
    }
}

#[test]
fn operations_other_than_query_are_not_implemented() {
    for op_code in [OpCode::Status, OpCode::Notify, OpCode::Update, OpCode::Unknown(1)] {
        let mut message = with_edns(query("lab.test.", RecordType::SOA), 4_096);
        message.metadata.op_code = op_code;
        let (code, response) = code_of(&message);
        assert_eq!(code, ResponseCode::NotImp, "{op_code:?}");
        assert_eq!(response.op_code, op_code);
        assert!(response.edns.is_some() && response.queries.is_empty());
    }
}

#[test]
fn a_message_needs_exactly_one_question() {
    let mut none = query(SERVICE, RecordType::SRV);
    none.queries.clear();
    let mut two = query(SERVICE, RecordType::SRV);
    two.queries.extend(query("kms1.lab.test.", RecordType::A).queries);
    for message in [none, two] {
        let (code, response) = code_of(&message);
        assert_eq!(code, ResponseCode::FormErr);
        assert!(response.queries.is_empty() && response.id == 0x1234);
    }
}

#[test]
fn a_damaged_message_is_a_format_error() {
    let whole = with_edns(query(SERVICE, RecordType::SRV), 1_232).to_vec().unwrap();
    for len in 12..whole.len() {
        let reply = answer(&zone(), None, whole.get(..len).unwrap(), Transport::Udp);
        let response = Message::from_vec(&bytes_of(reply)).unwrap();
        assert_eq!(response.response_code, ResponseCode::FormErr, "cut at {len}");
        assert_eq!(response.id, 0x1234);
    }
    let mut claims_65535_questions = whole;
    claims_65535_questions[4..6].copy_from_slice(&[0xFF, 0xFF]);
    let reply = answer(&zone(), None, &claims_65535_questions, Transport::Udp);
    assert_eq!(Message::from_vec(&bytes_of(reply)).unwrap().response_code, ResponseCode::FormErr);
}

#[test]
fn two_opt_records_are_a_format_error() {
    let message = with_edns(query(SERVICE, RecordType::SRV), 1_232);
    let mut bytes = message.to_vec().unwrap();
    let opt = bytes.split_off(bytes.len() - 11);
    bytes.extend_from_slice(&opt);
    bytes.extend_from_slice(&opt);
    bytes[11] = 2;
    let reply = answer(&zone(), None, &bytes, Transport::Udp);
    assert_eq!(Message::from_vec(&bytes_of(reply)).unwrap().response_code, ResponseCode::FormErr);
}

#[test]
fn an_answer_is_never_answered() {
    let mut bytes = query(SERVICE, RecordType::SRV).to_vec().unwrap();
    bytes[2] |= 0x80;
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(answer(&zone(), None, &bytes, transport), Reply::Nothing(Silence::NotAQuery));
    }
}

#[test]
fn less_than_a_header_is_never_answered() {
    let bytes = query(SERVICE, RecordType::SRV).to_vec().unwrap();
    for len in 0..12 {
        assert_eq!(
            answer(&zone(), None, bytes.get(..len).unwrap(), Transport::Udp),
            Reply::Nothing(Silence::HeaderTooShort)
        );
    }
}

#[test]
fn edns_of_a_later_version_is_badvers() {
    let mut message = with_edns(query(SERVICE, RecordType::SRV), 1_232);
    message.edns.as_mut().unwrap().set_version(1);
    let (code, response) = code_of(&message);
    assert_eq!(u16::from(code), 16);
    assert_eq!(response.edns.as_ref().unwrap().version(), 0);
    assert!(response.answers.is_empty() && response.queries.len() == 1);
}
