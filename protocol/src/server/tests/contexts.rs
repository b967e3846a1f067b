//! Presentation contexts: what is accepted, and what a client is told about the rest.

use super::*;
use crate::limits::CONTEXTS_MAX;
use crate::rpc::{BindTimeFeatures, ContextReason, ContextResult};

const ACCEPTED32: ResultElement = ResultElement::accepted(SyntaxId::NDR32);
const ACCEPTED64: ResultElement = ResultElement::accepted(SyntaxId::NDR64);
const UNKNOWN_INTERFACE: ResultElement =
    ResultElement::rejected(ContextReason::ABSTRACT_SYNTAX_NOT_SUPPORTED);
const NO_SYNTAX: ResultElement =
    ResultElement::rejected(ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED);

/// Bind-time features, both bits, where a transfer syntax would be.
const BOTH_FEATURES: &[SyntaxId] = &[features(3)];

const fn features(mask: u64) -> SyntaxId {
    SyntaxId::bind_time_features(BindTimeFeatures(mask))
}

const fn granted(mask: u64) -> ResultElement {
    ResultElement::features(BindTimeFeatures(mask))
}

fn kms<'a>(id: u16, syntaxes: &'a [SyntaxId]) -> ContextElement<'a> {
    ContextElement::new(id, SyntaxId::KMS, syntaxes)
}

fn bind_results(contexts: &[ContextElement<'_>]) -> Vec<ResultElement> {
    results(Lab::new(Config::new(1688)).feed(&bind(WHOLE, contexts)))
}

#[test]
fn a_64_bit_host_prefers_ndr64_and_refuses_the_loser() {
    let offered = [NDR32, NDR64, kms(2, BOTH_FEATURES)];
    assert_eq!(bind_results(&offered), [NO_SYNTAX, ACCEPTED64, granted(3)]);
}

#[test]
fn a_host_without_ndr64_takes_ndr32() {
    let config = Config { ndr64: false, ..Config::new(1688) };
    let mut lab = Lab::new(config);
    let replies = lab.feed(&bind(WHOLE, &[NDR32, NDR64, kms(2, BOTH_FEATURES)]));
    assert_eq!(results(replies), [ACCEPTED32, NO_SYNTAX, granted(3)]);
}

#[test]
fn a_syntax_that_is_not_offered_is_refused_and_a_change_holds_from_the_bind_on() {
    let offered = [NDR32, NDR64, kms(2, BOTH_FEATURES)];
    for (ndr32, ndr64, expected) in [
        (true, true, [NO_SYNTAX, ACCEPTED64, granted(3)]),
        (true, false, [ACCEPTED32, NO_SYNTAX, granted(3)]),
        (false, true, [NO_SYNTAX, ACCEPTED64, granted(3)]),
        (false, false, [NO_SYNTAX, NO_SYNTAX, granted(3)]),
    ] {
        let mut lab = Lab::new(Config { ndr32, ndr64, ..Config::new(1688) });
        assert_eq!(results(lab.feed(&bind(WHOLE, &offered))), expected);
        let mut lab = Lab::new(Config::new(1688));
        lab.server.offer(SyntaxId::KMS, ndr32, ndr64);
        assert_eq!(results(lab.feed(&bind(WHOLE, &offered))), expected);
    }
    let mut lab = Lab::new(Config::new(1688));
    lab.server.offer(SyntaxId::ZERO, true, true);
    assert_eq!(
        results(lab.feed(&bind(WHOLE, &offered[..2]))),
        [UNKNOWN_INTERFACE, UNKNOWN_INTERFACE]
    );
}

#[test]
fn the_refused_ndr32_is_accepted_by_an_alter_and_both_contexts_work() {
    let mut lab = Lab::new(Config::new(1688));
    lab.feed(&bind(WHOLE, &[NDR32, NDR64]));
    assert_eq!(lab.feed(&request(2).pdu()), [fault23(2, 0, Status::UNKNOWN_INTERFACE)]);
    assert_eq!(results(lab.feed(&alter(WHOLE, &[NDR32]))), [ACCEPTED32]);
    for (context_id, syntax) in [(0, SyntaxId::NDR32), (1, SyntaxId::NDR64)] {
        let replies = lab.feed(&request(3).on_context(context_id).with_stub(b"x").pdu());
        assert_eq!(replies, [response(3, context_id, b"x")]);
        let last = lab.seen.last();
        assert!(matches!(last, Some(Seen::Call { head, .. }) if head.transfer_syntax == syntax));
    }
}

#[test]
fn unknown_transfer_syntaxes_of_an_element_are_skipped() {
    let offered = kms(5, &[SyntaxId::ZERO, SyntaxId::NDR32]);
    let mut lab = Lab::new(Config::new(1688));
    assert_eq!(results(lab.feed(&bind(WHOLE, &[offered]))), [ACCEPTED32]);
    assert_eq!(results(lab.feed(&alter(WHOLE, &[offered]))), [ACCEPTED32], "and once more");
    let replies = lab.feed(&request(3).on_context(5).of_operation(0xffff).pdu());
    assert_eq!(replies, [fault23(3, 5, Status::OP_RANGE_ERROR)]);
    assert_eq!(lab.server.close_reason(), None);
}

#[test]
fn an_unknown_interface_is_refused_and_the_connection_stays() {
    let unknown = ContextElement::new(12345, SyntaxId::ZERO, &[SyntaxId::NDR32]);
    let mut lab = Lab::new(Config::new(1688));
    assert_eq!(results(lab.feed(&bind(WHOLE, &[unknown]))), [UNKNOWN_INTERFACE]);
    let replies = lab.feed(&request(3).on_context(12345).pdu());
    assert_eq!(replies, [fault23(3, 0, Status::UNKNOWN_INTERFACE)]);
    assert_eq!(results(lab.feed(&alter(WHOLE, &[unknown]))), [UNKNOWN_INTERFACE]);
    assert_eq!(results(lab.feed(&alter(WHOLE, &[NDR32]))), [ACCEPTED32]);
    lab.assert_usable();
}

#[test]
fn another_version_of_the_interface_is_another_interface() {
    for (major, minor) in [(2, 0), (1, 1), (0, 0)] {
        let interface = SyntaxId { major, minor, ..SyntaxId::KMS };
        let offered = ContextElement::new(0, interface, &[SyntaxId::NDR32]);
        assert_eq!(bind_results(&[offered]), [UNKNOWN_INTERFACE], "version {major}.{minor}");
    }
}

#[test]
fn an_element_without_transfer_syntax_is_refused() {
    let mut lab = Lab::new(Config::new(1688));
    let replies = lab.feed(&bind(WHOLE, &[kms(0, &[])]));
    assert_eq!(replies, [nak(BindNakReason::NOT_SPECIFIED)]);
    lab.assert_closed(is_violation);

    let mut lab = Lab::bound();
    let replies = lab.feed(&alter(WHOLE, &[NDR32, kms(1, &[])]));
    assert_eq!(replies, [fault23(2, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_context_cannot_change_its_transfer_syntax() {
    let mut lab = Lab::bound();
    let replies = lab.feed(&alter(WHOLE, &[kms(0, &[SyntaxId::ZERO, SyntaxId::NDR64])]));
    assert_eq!(replies, [fault23(2, 0, Status::PROTO_ERROR)]);
    lab.assert_closed(is_violation);
}

#[test]
fn a_context_offered_again_with_unknown_syntaxes_only_keeps_working() {
    let mut lab = Lab::bound();
    assert_eq!(results(lab.feed(&alter(WHOLE, &[kms(0, &[SyntaxId::ZERO])]))), [NO_SYNTAX]);
    lab.assert_usable();
}

#[test]
fn only_the_first_acceptable_element_of_each_pdu_is_taken() {
    let mut lab = Lab::bound();
    let (c3, c4) = (kms(3, &[SyntaxId::NDR32]), kms(4, &[SyntaxId::NDR32]));
    for (offered, expected) in [
        ([c3, c4], [ACCEPTED32, NO_SYNTAX]),
        ([c4, c3], [ACCEPTED32, NO_SYNTAX]),
        ([c4, c4], [ACCEPTED32, NO_SYNTAX]),
    ] {
        assert_eq!(results(lab.feed(&alter(WHOLE, &offered))), expected);
    }
    for context_id in [0, 3, 4] {
        let replies = lab.feed(&request(9).on_context(context_id).pdu());
        assert_eq!(replies, [response(9, context_id, b"")]);
    }
}

#[test]
fn features_are_the_intersection_of_what_is_asked_and_offered() {
    for (asked, given) in [(0, 0), (1, 1), (2, 2), (3, 3), (u64::MAX, 3), (0xfffc, 0)] {
        assert_eq!(bind_results(&[kms(0, &[features(asked)])]), [granted(given)], "{asked:#x}");
    }
}

#[test]
fn features_are_granted_whatever_the_interface_and_whatever_follows() {
    let syntaxes = [features(2), features(1), SyntaxId::NDR32];
    let offered = ContextElement::new(0, SyntaxId::ZERO, &syntaxes);
    assert_eq!(bind_results(&[offered]), [granted(2)]);
    assert_eq!(bind_results(&[kms(0, &syntaxes)]), [granted(2)], "and no context comes of it");
}

#[test]
fn features_that_are_not_the_first_syntax_are_an_unknown_syntax() {
    let syntaxes = [SyntaxId::ZERO, features(3)];
    let unknown = ContextElement::new(0, SyntaxId::ZERO, &syntaxes);
    assert_eq!(bind_results(&[unknown]), [UNKNOWN_INTERFACE]);
    assert_eq!(bind_results(&[kms(0, &syntaxes)]), [NO_SYNTAX]);
}

#[test]
fn two_feature_elements_are_refused() {
    let mut lab = Lab::new(Config::new(1688));
    let offered = [kms(0, BOTH_FEATURES), NDR64, kms(2, BOTH_FEATURES)];
    assert_eq!(lab.feed(&bind(WHOLE, &offered)), [nak(BindNakReason::NOT_SPECIFIED)]);
    lab.assert_closed(is_violation);
}

#[test]
fn features_in_an_alter_are_an_unknown_syntax() {
    let mut lab = Lab::bound();
    assert_eq!(results(lab.feed(&alter(WHOLE, &[kms(7, BOTH_FEATURES)]))), [NO_SYNTAX]);
    lab.assert_usable();
}

#[test]
fn a_feature_element_is_no_context_for_calls() {
    let mut lab = Lab::new(Config::new(1688));
    lab.feed(&bind(WHOLE, &[NDR64, kms(2, BOTH_FEATURES)]));
    let replies = lab.feed(&request(3).on_context(2).pdu());
    assert_eq!(replies, [fault23(3, 0, Status::UNKNOWN_INTERFACE)]);
}

#[test]
fn contexts_up_to_the_limit_are_accepted_and_the_next_is_a_local_limit() {
    let mut lab = Lab::bound();
    let alters = (1..=u16::try_from(CONTEXTS_MAX).unwrap()).map(|id| {
        let offered = [kms(id, &[SyntaxId::NDR32])];
        results(lab.feed(&alter(WHOLE, &offered)))
    });
    let answers: Vec<_> = alters.flatten().collect();
    let (last, before) = answers.split_last().unwrap();
    assert!(before.iter().all(|result| *result == ACCEPTED32));
    assert_eq!(last.result, ContextResult::USER_REJECTION);
    assert_eq!(last.reason, ContextReason::LOCAL_LIMIT_EXCEEDED);
    // Contexts that exist are not affected.
    assert_eq!(results(lab.feed(&alter(WHOLE, &[kms(255, &[SyntaxId::NDR32])]))), [ACCEPTED32]);
    let replies = lab.feed(&request(9).on_context(255).pdu());
    assert_eq!(replies, [response(9, 255, b"")]);
    lab.assert_usable();
}

#[test]
fn a_response_names_the_low_byte_of_the_context_and_a_fault_all_of_it() {
    let mut lab = Lab::new(Config::new(1688)).holding();
    lab.feed(&bind(WHOLE, &[kms(0x1234, &[SyntaxId::NDR32])]));
    let call = request(3).on_context(0x1234);
    lab.feed(&call.pdu());
    assert_eq!(lab.respond(3, b""), [response(3, 0x34, b"")]);
    lab.feed(&call.pdu());
    lab.server.fault(3, Status::BAD_STUB_DATA);
    assert_eq!(lab.pump(), [fault03(3, 0x1234, Status::BAD_STUB_DATA)]);
    let replies = lab.feed(&call.of_operation(1).pdu());
    assert_eq!(replies, [fault23(3, 0x1234, Status::OP_RANGE_ERROR)]);
}
