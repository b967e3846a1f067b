#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{CNAME, SRV};

use super::*;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn question() -> Question {
    Question { name: name("_vlmcs._tcp.corp.test"), record_type: RecordType::Srv }
}

fn answer_to(question: &Question, id: u16) -> Message {
    let mut message = Message::from_vec(&question.encode(id, true).unwrap()).unwrap();
    message.metadata.message_type = MessageType::Response;
    message
}

fn srv_record(owner: &str, target: &str) -> rr::Record {
    let data = RData::SRV(SRV::new(0, 0, 1688, name(target).as_wire().clone()));
    rr::Record::from_rdata(name(owner).as_wire().clone(), 60, data)
}

fn judged(message: &Message) -> Judgement {
    question().judge(&[7], &message.to_vec().unwrap())
}

#[test]
fn a_query_desires_recursion_and_offers_1232_octets() {
    let message = Message::from_vec(&question().encode(7, true).unwrap()).unwrap();
    assert!(message.metadata.recursion_desired);
    assert_eq!(message.max_payload(), UDP_PAYLOAD_OCTETS);
    assert_eq!(message.metadata.id, 7);
    let plain = Message::from_vec(&question().encode(7, false).unwrap()).unwrap();
    assert!(plain.edns.is_none());
}

#[test]
fn the_answer_is_accepted_whatever_the_case_of_its_question() {
    let mut message = answer_to(&question(), 7);
    message.queries[0].set_name(name("_VLMCS._tcp.CORP.test").as_wire().clone());
    message.add_answer(srv_record("_vlmcs._tcp.corp.test", "kms1.corp.test"));
    let Judgement::Answer(7, response) = judged(&message) else { panic!("not accepted") };
    assert_eq!(response.follow(&question().name, RecordType::Srv).1.len(), 1);
    assert!(response.edns);
}

#[test]
fn other_ids_and_other_questions_are_strays() {
    assert_eq!(judged(&answer_to(&question(), 8)), Judgement::Stray(Stray::WrongId));
    let other = Question { name: name("other.test"), record_type: RecordType::Srv };
    assert_eq!(judged(&answer_to(&other, 7)), Judgement::Stray(Stray::WrongQuestion));
    let other = Question { record_type: RecordType::A, ..question() };
    assert_eq!(judged(&answer_to(&other, 7)), Judgement::Stray(Stray::WrongQuestion));
    assert_eq!(question().judge(&[7], &[0, 7, 0]), Judgement::Stray(Stray::TooShort));
}

#[test]
fn a_reflected_query_is_malformed() {
    let reflected = question().encode(7, true).unwrap();
    assert!(matches!(question().judge(&[7], &reflected), Judgement::Malformed(_)));
}

#[test]
fn only_a_failure_may_leave_the_question_out() {
    let mut message = answer_to(&question(), 7);
    message.queries.clear();
    assert!(matches!(judged(&message), Judgement::Malformed(_)));
    message.metadata.response_code = ResponseCode::FormErr;
    let Judgement::Answer(_, response) = judged(&message) else { panic!("not accepted") };
    assert!(response.refuses_edns());
}

#[test]
fn every_cut_of_an_answer_is_told_from_an_answer() {
    let mut message = answer_to(&question(), 7);
    message.add_answer(srv_record("_vlmcs._tcp.corp.test", "kms1.corp.test"));
    let whole = message.to_vec().unwrap();
    for length in 0..whole.len() {
        let judged = question().judge(&[7], &whole[..length]);
        let expected = match length {
            0..HEADER_OCTETS => matches!(judged, Judgement::Stray(Stray::TooShort)),
            _ => matches!(judged, Judgement::Malformed(_)),
        };
        assert!(expected, "cut at {length}: {judged:?}");
    }
    message.metadata.truncation = true;
    let whole = message.to_vec().unwrap();
    let cut = &whole[..whole.len() - 20];
    assert_eq!(question().judge(&[7], cut), Judgement::CutShort);
}

#[test]
fn aliases_are_followed_and_a_loop_ends() {
    let mut message = answer_to(&question(), 7);
    let alias = |owner: &str, target: &str| {
        let data = RData::CNAME(CNAME(name(target).as_wire().clone()));
        rr::Record::from_rdata(name(owner).as_wire().clone(), 60, data)
    };
    message.add_answer(alias("_vlmcs._tcp.corp.test", "b.test"));
    message.add_answer(alias("b.test", "c.test"));
    message.add_answer(srv_record("c.test", "kms1.corp.test"));
    let Judgement::Answer(_, response) = judged(&message) else { panic!("not accepted") };
    let (aliases, records) = response.follow(&question().name, RecordType::Srv);
    assert_eq!(aliases, [name("b.test"), name("c.test")]);
    assert_eq!(records.len(), 1);

    message.answers.pop();
    message.add_answer(alias("c.test", "b.test"));
    let Judgement::Answer(_, response) = judged(&message) else { panic!("not accepted") };
    assert_eq!(response.follow(&question().name, RecordType::Srv).0.len(), 2);
}

#[test]
fn records_of_another_class_are_not_read() {
    let mut message = answer_to(&question(), 7);
    let mut record = srv_record("_vlmcs._tcp.corp.test", "kms1.corp.test");
    record.dns_class = DNSClass::CH;
    message.add_answer(record);
    let Judgement::Answer(_, response) = judged(&message) else { panic!("not accepted") };
    assert!(response.answers.is_empty());
}

#[test]
fn extended_errors_are_read_up_to_a_limit() {
    let mut message = answer_to(&question(), 7);
    let edns = message.edns.as_mut().unwrap();
    let options: &mut Vec<_> = edns.options_mut().as_mut();
    for _ in 0..=MAX_EXTENDED_ERRORS {
        options.push((15.into(), EdnsOption::Unknown(15, b"\x00\x0fby policy".to_vec())));
    }
    let Judgement::Answer(_, response) = judged(&message) else { panic!("not accepted") };
    assert_eq!(response.extended_errors.len(), MAX_EXTENDED_ERRORS);
    assert_eq!(response.extended_errors[0].name, Some("Blocked"));
    assert_eq!(response.extended_errors[0].text, "by policy");
}

#[test]
fn both_address_families_are_told_apart() {
    let record = |text: &str| RecordData::Address(text.parse().unwrap());
    assert!(record("192.0.2.1").is(RecordType::A) && !record("192.0.2.1").is(RecordType::Aaaa));
    assert!(record("2001:db8::1").is(RecordType::Aaaa) && !record("::1").is(RecordType::A));
}

/// The id is right, so that the whole message is read.
#[test]
fn no_changed_byte_makes_judging_panic() {
    let mut message = answer_to(&question(), 7);
    message.add_answer(srv_record("_vlmcs._tcp.corp.test", "kms1.corp.test"));
    let whole = message.to_vec().unwrap();
    for index in 2..whole.len() {
        for value in 0..=u8::MAX {
            let mut changed = whole.clone();
            changed[index] = value;
            if let Judgement::Answer(_, response) = question().judge(&[7], &changed) {
                assert!(response.follow(&question().name, RecordType::Srv).1.len() < 2);
            }
        }
    }
}
