#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::LabKey;
use kms_protocol::kms::envelope::{open_response, request_len, seal_request};
use kms_protocol::kms::product::PRODUCTS;
use kms_protocol::kms::{LicenseStatus, MachineName, Version};
use kms_protocol::wire::ByteOrder;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::model::Host;

#[test]
fn every_version_and_syntax_is_answered_with_the_count_and_verifies() {
    for version in Version::ALL {
        for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let mut host = Host::default();
                let request = request(version);
                let (answer, record, out) = exchange(&mut host, &seal(&request), ndr, order);
                let stub = response(answer, &out);
                // The answer is in the server's own order, whatever the client's.
                let stub = ndr::decode_response(stub, ndr, ByteOrder::Little).unwrap();
                assert_eq!(stub.hresult, 0);
                let opened =
                    open_response(&keys(), stub.payload.unwrap(), &request, &request_iv(version));
                let opened = opened.unwrap();
                assert_eq!(opened.response.count, 1);
                assert_eq!(opened.response.activation_interval_minutes, 120);
                assert!(opened.epid.is_lab());
                assert_eq!(record.request, Some(request));
                assert!(matches!(record.outcome, Outcome::Accepted(a) if a.count == 1));
            }
        }
    }
}

#[test]
fn a_request_of_another_lab_is_an_invalid_data_response_and_counts_nothing() {
    let other = LabKeys::new(&LabKey::from_bytes([9; 16]));
    for version in Version::ALL {
        let mut host = Host::default();
        let mut payload = vec![0; request_len(version)];
        seal_request(&other, &request(version), &IV, &mut payload).unwrap();
        let (answer, record, out) = exchange(&mut host, &payload, Ndr::Ndr64, ByteOrder::Little);
        assert_eq!(error_code(answer, &out), 0x8007_000D);
        assert!(record.outcome.is_foreign_key());
        assert_eq!(host.count(PRODUCTS[0].app_id, NOW), 0);
    }
}

#[test]
fn a_wrong_version_or_length_is_an_invalid_data_response_but_no_foreign_key() {
    let mut wrong_version = seal(&request(Version::V6));
    wrong_version[2] = 7;
    let short = seal(&request(Version::V6))[..259].to_vec();
    for payload in [wrong_version, short, Vec::new()] {
        let mut host = Host::default();
        let (answer, record, out) = exchange(&mut host, &payload, Ndr::Ndr64, ByteOrder::Little);
        assert_eq!(error_code(answer, &out), 0x8007_000D);
        assert!(!record.outcome.is_foreign_key());
    }
}

#[test]
fn a_refusal_of_the_host_is_an_ordinary_response_with_its_code() {
    let skewed = Request { client_time: FileTime::from_ticks(0), ..request(Version::V6) };
    let (answer, record, out) =
        exchange(&mut Host::default(), &seal(&skewed), Ndr::Ndr64, ByteOrder::Little);
    assert_eq!(error_code(answer, &out), 0xC004_F06C);
    assert_eq!(record.outcome, Outcome::Refused(Refusal::ClockSkew));
}

#[test]
fn a_stub_whose_sizes_disagree_is_the_fault_bad_stub_data() {
    let payload = seal(&request(Version::V6));
    let mut stub = vec![0; Ndr::Ndr32.request_len(payload.len())];
    ndr::encode_request(&payload, Ndr::Ndr32, ByteOrder::Little, &mut stub).unwrap();
    stub[4] ^= 1;
    let call = call(&stub, Ndr::Ndr32, ByteOrder::Little);
    let decide = |_: &Query| panic!("policy was asked about a stub that cannot be read");
    let mut out = [0; ANSWER_LEN_MAX];
    let (answer, record) = handle(&keys(), &call, decide, &mut Undisturbed, &mut rng(), &mut out);
    assert_eq!(answer, Answer::Fault(Status::BAD_STUB_DATA));
    assert!(matches!(record.outcome, Outcome::BadStub(_)));
}

#[test]
fn the_same_call_state_and_seed_give_the_same_bytes() {
    let payload = seal(&request(Version::V6));
    let run = || exchange(&mut Host::default(), &payload, Ndr::Ndr64, ByteOrder::Little);
    assert_eq!(run().2, run().2);
}

fn exchange(
    host: &mut Host,
    payload: &[u8],
    ndr: Ndr,
    order: ByteOrder,
) -> (Answer, Record, [u8; ANSWER_LEN_MAX]) {
    let mut stub = vec![0; ndr.request_len(payload.len())];
    ndr::encode_request(payload, ndr, order, &mut stub).unwrap();
    let call = call(&stub, ndr, order);
    let mut out = [0; ANSWER_LEN_MAX];
    let decide = |query: &Query| host.decide(query, NOW);
    let (answer, record) = handle(&keys(), &call, decide, &mut Undisturbed, &mut rng(), &mut out);
    (answer, record, out)
}

fn call(stub: &[u8], ndr: Ndr, byte_order: ByteOrder) -> Call<'_> {
    let transfer_syntax = match ndr {
        Ndr::Ndr32 => SyntaxId::NDR32,
        Ndr::Ndr64 => SyntaxId::NDR64,
    };
    Call { call_id: 2, context_id: 0, opnum: 0, transfer_syntax, byte_order, stub }
}

fn response(answer: Answer, out: &[u8]) -> &[u8] {
    match answer {
        Answer::Response(len) => &out[..len],
        Answer::Fault(status) => panic!("fault {status}"),
    }
}

fn error_code(answer: Answer, out: &[u8]) -> u32 {
    let stub = ndr::decode_response(response(answer, out), Ndr::Ndr64, ByteOrder::Little).unwrap();
    assert_eq!(stub.payload, None);
    stub.hresult
}

fn seal(request: &Request) -> Vec<u8> {
    let mut payload = vec![0; request_len(request.version)];
    seal_request(&keys(), request, &IV, &mut payload).unwrap();
    payload
}

fn request(version: Version) -> Request {
    let product = &PRODUCTS[0];
    Request {
        version,
        vm_info: 0,
        license_status: LicenseStatus(2),
        binding_expiration_minutes: 43_200,
        app_id: product.app_id,
        sku_id: product.sku_id,
        kms_id: product.kms_id,
        cmid: Guid::from_bytes([1; 16]),
        n_policy: product.n_policy,
        client_time: NOW,
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::new("LAB-PC").unwrap(),
    }
}

fn request_iv(version: Version) -> [u8; 16] {
    if version == Version::V4 { [0; 16] } else { IV }
}

fn keys() -> LabKeys {
    LabKeys::new(&LabKey::DEFAULT)
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

const IV: [u8; 16] = [0x5A; 16];

/// 2026-07-30 00:00:00.
const NOW: FileTime = FileTime::from_ticks(134_298_432_000_000_000);
