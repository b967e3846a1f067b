//! Whatever is sealed opens to the same, whatever arrives cannot panic, and damage is noticed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kms_support;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::{
    RequestError, ResponseError, open_request, open_response, request_len, response_len,
    seal_request, seal_response,
};
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Response, Version};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::wire::ByteOrder;
use kms_support::{REQUEST_IV, keys, request, response, sealed_response};
use proptest::collection::vec;
use proptest::prelude::*;

fn any_version() -> impl Strategy<Value = Version> {
    prop::sample::select(Version::ALL.to_vec())
}

fn any_ndr() -> impl Strategy<Value = (Ndr, ByteOrder)> {
    (
        prop::sample::select(vec![Ndr::Ndr32, Ndr::Ndr64]),
        prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big]),
    )
}

fn any_guid() -> impl Strategy<Value = Guid> {
    any::<[u8; 16]>().prop_map(Guid::from_bytes)
}

fn any_request() -> impl Strategy<Value = Request> {
    let ids = (any_guid(), any_guid(), any_guid(), any_guid(), any_guid());
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), any::<u64>());
    let units = vec(any::<u16>(), 64).prop_map(|units| <[u16; 64]>::try_from(units).unwrap());
    (any_version(), ids, numbers, units).prop_map(|(version, ids, numbers, units)| Request {
        version,
        vm_info: numbers.0,
        license_status: LicenseStatus(numbers.1),
        binding_expiration_minutes: numbers.2,
        app_id: ids.0,
        sku_id: ids.1,
        kms_id: ids.2,
        cmid: ids.3,
        n_policy: numbers.3,
        client_time: FileTime::from_ticks(numbers.4),
        cmid_previous: ids.4,
        machine_name: MachineName::from_units(units),
    })
}

proptest! {
    #[test]
    fn a_sealed_request_opens_to_itself(
        request in any_request(), iv in any::<[u8; 16]>(), key in any::<[u8; 16]>(),
    ) {
        let keys = LabKeys::new(&LabKey::from_bytes(key));
        let mut out = vec![0; request_len(request.version)];
        seal_request(&keys, &request, &iv, &mut out).unwrap();
        let opened = open_request(&keys, &out).unwrap();
        prop_assert_eq!(&opened.request, &request);
        // Printing hostile text must not fail either.
        let printed = format!("{opened:?}");
        prop_assert!(!printed.contains(|c: char| c.is_control()), "{}", printed);
    }

    #[test]
    fn a_sealed_response_opens_to_itself(
        request in any_request(),
        ivs in any::<[[u8; 16]; 3]>(),
        numbers in any::<[u32; 3]>(),
    ) {
        let response = Response {
            version: request.version,
            cmid: request.cmid,
            client_time: request.client_time,
            count: numbers[0],
            activation_interval_minutes: numbers[1],
            renewal_interval_minutes: numbers[2],
        };
        let [request_iv, iv, nonce] = ivs;
        let mut out = vec![0; response_len(request.version)];
        seal_response(&keys(), &response, &request_iv, &iv, &nonce, &mut out).unwrap();
        let opened = open_response(&keys(), &out, &request, &request_iv).unwrap();
        prop_assert_eq!(opened.response, response);
        prop_assert!(opened.epid.is_lab());
    }

    #[test]
    fn stubs_carry_any_payload(payload in vec(any::<u8>(), 0..600), hresult: u32, form in any_ndr()) {
        let (ndr, order) = form;
        let mut out = vec![0xaa; 700];
        let len = ndr::encode_request(&payload, ndr, order, &mut out).unwrap();
        prop_assert_eq!(ndr::decode_request(&out[..len], ndr, order).unwrap(), &payload[..]);
        let len = ndr::encode_response(&payload, hresult, ndr, order, &mut out).unwrap();
        let stub = ndr::decode_response(&out[..len], ndr, order).unwrap();
        prop_assert_eq!((stub.payload, stub.hresult), (Some(&payload[..]), hresult));
        let len = ndr::encode_error_response(hresult, ndr, order, &mut out).unwrap();
        let stub = ndr::decode_response(&out[..len], ndr, order).unwrap();
        prop_assert_eq!((stub.payload, stub.hresult), (None, hresult));
    }

    #[test]
    fn bytes_from_anywhere_are_refused_and_not_panicked_over(
        mut bytes in vec(any::<u8>(), 0..400), version in any_version(), form in any_ndr(),
    ) {
        let (ndr, order) = form;
        if let Ok(payload) = ndr::decode_request(&bytes, ndr, order) {
            prop_assert!(payload.len() < bytes.len());
        }
        if let Ok(stub) = ndr::decode_response(&bytes, ndr, order) {
            prop_assert!(stub.payload.unwrap_or_default().len() < bytes.len());
        }
        if let Some(head) = bytes.first_chunk_mut() {
            *head = version.to_wire().to_le_bytes();
        }
        prop_assert!(open_request(&keys(), &bytes).is_err());
        prop_assert!(open_response(&keys(), &bytes, &request(version), &REQUEST_IV).is_err());
    }

    /// The right length under the wrong key: what a real client or another lab sends.
    #[test]
    fn a_request_under_another_key_is_foreign(
        request in any_request(), iv in any::<[u8; 16]>(), key in any::<[u8; 16]>(),
    ) {
        prop_assume!(LabKey::from_bytes(key) != LabKey::DEFAULT);
        let mut out = vec![0; request_len(request.version)];
        seal_request(&LabKeys::new(&LabKey::from_bytes(key)), &request, &iv, &mut out).unwrap();
        let error = open_request(&keys(), &out).unwrap_err();
        prop_assert!(error.is_foreign_key(), "{}", error);
        prop_assert_eq!(error.hresult().0, 0x8007_000D);
    }
}

#[test]
fn any_flipped_bit_of_a_response_is_noticed_and_named() {
    for version in [Version::V4, Version::V6] {
        let sealed = sealed_response(version);
        let mut checks = std::collections::BTreeSet::new();
        for bit in 0..sealed.len() * 8 {
            let damaged = flipped(&sealed, bit);
            let opened = open_response(&keys(), &damaged, &request(version), &REQUEST_IV);
            checks.insert(opened.map_or_else(|error| error.check(), |_| "unnoticed"));
        }
        assert!(!checks.contains("unnoticed"), "{version}: {checks:?}");
        let mac = if version == Version::V4 { "mac" } else { "hmac" };
        assert!(checks.contains(mac) && checks.contains("version"), "{version}: {checks:?}");
    }
}

/// Version 5.0 has no MAC: its ePID is the one field that nothing verifies, count and intervals
/// share their blocks with fields that something does.
#[test]
fn a_flipped_bit_of_a_5_0_response_is_named_or_changes_nothing_but_the_epid() {
    let sealed = sealed_response(Version::V5);
    let mut unnoticed = 0;
    for bit in 0..sealed.len() * 8 {
        let opened =
            open_response(&keys(), &flipped(&sealed, bit), &request(Version::V5), &REQUEST_IV);
        if let Ok(opened) = opened {
            assert_eq!(opened.response, response(Version::V5), "bit {bit}");
            assert!(!opened.epid.is_lab(), "bit {bit}");
            unnoticed += 1;
        }
    }
    // Half of the IV, and the five blocks that hold ePID and nothing else.
    assert!((1..=8 * (8 + 5 * 16)).contains(&unnoticed), "{unnoticed}");
}

#[test]
fn a_flipped_bit_of_a_4_0_request_is_a_wrong_mac() {
    let mut sealed = vec![0; request_len(Version::V4)];
    seal_request(&keys(), &request(Version::V4), &REQUEST_IV, &mut sealed).unwrap();
    for bit in 32..sealed.len() * 8 {
        let error = open_request(&keys(), &flipped(&sealed, bit)).unwrap_err();
        assert_eq!(error, RequestError::Mac, "bit {bit}");
    }
}

#[test]
fn a_relabelled_request_is_foreign_because_each_version_has_its_own_key() {
    let mut sealed = vec![0; request_len(Version::V5)];
    seal_request(&keys(), &request(Version::V5), &REQUEST_IV, &mut sealed).unwrap();
    sealed[2] = 6;
    let error = open_request(&keys(), &sealed).unwrap_err();
    assert!(error.is_foreign_key(), "{error}");
}

#[test]
fn a_changed_iv_that_turns_the_inner_version_is_told_from_wrong_padding() {
    let mut sealed = vec![0; request_len(Version::V6)];
    seal_request(&keys(), &request(Version::V6), &REQUEST_IV, &mut sealed).unwrap();
    // In CBC a bit of the IV turns the same bit of the first plaintext block: 6 becomes 7.
    sealed[4 + 2] ^= 1;
    let error = open_request(&keys(), &sealed).unwrap_err();
    let expected = RequestError::InnerVersion { outer: 0x0006_0000, inner: 0x0007_0000 };
    assert_eq!(error, expected);
    assert!(error.is_foreign_key());
    assert_eq!(error.to_string(), "the version inside (7.0) is not the version outside (6.0)");
}

#[test]
fn an_answer_to_another_request_names_the_binding_that_broke() {
    let v6 = sealed_response(Version::V6);
    let asked = request(Version::V6);
    let open = |asked: &Request, iv| open_response(&keys(), &v6, asked, &iv).unwrap_err();
    assert_eq!(open(&asked, [0; 16]), ResponseError::Hash, "another IV");

    let mut other = asked.clone();
    other.cmid = Guid::ZERO;
    let expected = ResponseError::CmidEcho { got: asked.cmid, expected: Guid::ZERO };
    assert_eq!(open(&other, REQUEST_IV), expected);

    let mut other = asked.clone();
    other.client_time = FileTime::from_ticks(0);
    assert_eq!(open(&other, REQUEST_IV).check(), "time_echo");

    let error = open(&request(Version::V5), REQUEST_IV);
    assert_eq!(error, ResponseError::Version { got: 0x0006_0000, expected: Version::V5 });

    let foreign = LabKeys::new(&LabKey::from_bytes([1; 16]));
    for version in Version::ALL {
        let sealed = sealed_response(version);
        let error = open_response(&foreign, &sealed, &request(version), &REQUEST_IV).unwrap_err();
        let key_check = ["mac", "padding", "inner_version"].contains(&error.check());
        assert!(key_check, "{version}: {error}");
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}
