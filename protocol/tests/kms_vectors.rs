//! Golden bytes: encode to them, decode from them, and refuse every shortened form of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod kms_support;

use kms_protocol::kms::envelope::{
    OpenRequest, RequestError, open_request, open_response, request_len, response_len, seal_request,
};
use kms_protocol::kms::{Hresult, Version};
use kms_protocol::ndr::{self, Ndr, RequestStubError, ResponseStub};
use kms_protocol::wire::ByteOrder::{Big, Little};
use kms_support::{REQUEST_IV, keys, request, response, sealed_response, vector, vector_names};

fn version_of(name: &str) -> Version {
    let digit = name.chars().last().and_then(|c| c.to_digit(10)).unwrap();
    Version::from_wire(digit << 16).unwrap()
}

#[test]
fn requests_are_sealed_to_the_golden_bytes_and_open_to_what_was_sealed() {
    for name in ["kms_request_v4", "kms_request_v5", "kms_request_v6"] {
        let version = version_of(name);
        let golden = vector(name);
        let mut out = [0xee; 300];
        let len = seal_request(&keys(), &request(version), &REQUEST_IV, &mut out).unwrap();
        assert_eq!(len, request_len(version));
        assert_eq!(out[..len], golden, "{name}");
        assert!(out[len..].iter().all(|byte| *byte == 0xee), "{name}: wrote past its end");

        let OpenRequest { request: opened, request_iv } = open_request(&keys(), &golden).unwrap();
        assert_eq!(opened, request(version), "{name}");
        let iv = if version == Version::V4 { [0; 16] } else { REQUEST_IV };
        assert_eq!(request_iv, iv, "{name}");
    }
    assert_eq!(Version::ALL.map(request_len), [252, 260, 260]);
}

#[test]
fn responses_are_sealed_to_the_golden_bytes_and_open_to_what_was_sealed() {
    for (name, len) in
        [("kms_response_v4", 160), ("kms_response_v5", 228), ("kms_response_v6", 260)]
    {
        let version = version_of(name);
        let golden = vector(name);
        assert_eq!((golden.len(), response_len(version)), (len, len), "{name}");
        assert_eq!(sealed_response(version), golden, "{name}");

        let opened = open_response(&keys(), &golden, &request(version), &REQUEST_IV).unwrap();
        assert_eq!(opened.response, response(version), "{name}");
        assert_eq!(
            opened.epid.to_string(),
            "LAB01-00001-000-000001-03-1033-00000.0000-0012026",
            "{name}"
        );
        let hardware_id = (version == Version::V6).then_some(*b"LABONLY\0");
        assert_eq!(opened.hardware_id, hardware_id, "{name}");
    }
}

#[test]
fn request_stubs_are_the_golden_bytes_in_both_syntaxes_and_orders() {
    let four = [1, 2, 3, 4];
    for (name, ndr, order, payload) in [
        ("kms_ndr32_request_v4", Ndr::Ndr32, Little, &vector("kms_request_v4")[..]),
        ("kms_ndr64_request_v6", Ndr::Ndr64, Little, &vector("kms_request_v6")),
        ("kms_ndr32_request_big_endian", Ndr::Ndr32, Big, &four),
    ] {
        let golden = vector(name);
        let mut out = [0xee; 300];
        let len = ndr::encode_request(payload, ndr, order, &mut out).unwrap();
        assert_eq!(out[..len], golden, "{name}");
        assert_eq!(len, ndr.request_len(payload.len()), "{name}");
        assert_eq!(ndr::decode_request(&golden, ndr, order), Ok(payload), "{name}");
    }
    let random_pad = vector("kms_ndr64_request_random_pad");
    assert_eq!(ndr::decode_request(&random_pad, Ndr::Ndr64, Little), Ok(&four[..]));
}

#[test]
fn response_stubs_are_the_golden_bytes_in_all_their_forms() {
    let body: Vec<u8> = (0..170).collect();
    for (name, ndr, payload) in [
        ("kms_ndr32_response_ok", Ndr::Ndr32, &vector("kms_response_v4")),
        ("kms_ndr64_response_ok", Ndr::Ndr64, &vector("kms_response_v4")),
        ("kms_ndr32_response_unaligned", Ndr::Ndr32, &body),
        ("kms_ndr64_response_unaligned", Ndr::Ndr64, &body),
    ] {
        let golden = vector(name);
        let mut out = [0xee; 300];
        let len = ndr::encode_response(payload, 0, ndr, Little, &mut out).unwrap();
        assert_eq!(out[..len], golden, "{name}");
        assert_eq!(len, ndr.response_len(payload.len()), "{name}");
        let stub = ndr::decode_response(&golden, ndr, Little).unwrap();
        assert_eq!(stub, ResponseStub { payload: Some(payload), hresult: 0 }, "{name}");
    }
    for (name, ndr, len) in
        [("kms_ndr32_response_error", Ndr::Ndr32, 12), ("kms_ndr64_response_error", Ndr::Ndr64, 20)]
    {
        let golden = vector(name);
        let mut out = [0xee; 32];
        let code = Hresult::PRODUCT_NOT_COVERED.0;
        assert_eq!(ndr::encode_error_response(code, ndr, Little, &mut out), Ok(len), "{name}");
        assert_eq!(ndr.error_response_len(), len);
        assert_eq!(out[..len], golden, "{name}");
        let stub = ndr::decode_response(&golden, ndr, Little).unwrap();
        assert_eq!(stub, ResponseStub { payload: None, hresult: code }, "{name}");
    }
}

#[test]
fn every_vector_cut_at_every_length_is_an_error() {
    let mut accepted = Vec::new();
    for name in vector_names() {
        let golden = vector(&name);
        let order = if name.ends_with("big_endian") { Big } else { Little };
        for len in 0..golden.len() {
            if opens(&name, &golden[..len], order) {
                accepted.push(format!("{name} cut to {len}"));
            }
        }
        assert!(opens(&name, &golden, order), "{name} itself");
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
}

/// Whether the decoder that `name` calls for takes `bytes`.
fn opens(name: &str, bytes: &[u8], order: kms_protocol::wire::ByteOrder) -> bool {
    let ndr = if name.contains("ndr64") { Ndr::Ndr64 } else { Ndr::Ndr32 };
    match name.strip_prefix("kms_").unwrap() {
        name if name.starts_with("request") => open_request(&keys(), bytes).is_ok(),
        name if name.starts_with("response") => {
            open_response(&keys(), bytes, &request(version_of(name)), &REQUEST_IV).is_ok()
        }
        name if name.contains("_request") => ndr::decode_request(bytes, ndr, order).is_ok(),
        _ => ndr::decode_response(bytes, ndr, order).is_ok(),
    }
}

#[test]
fn a_request_of_any_other_length_is_refused_for_its_length() {
    for version in Version::ALL {
        let mut bytes = vector(&format!("kms_request_v{}", version.major()));
        let right = bytes.len();
        bytes.resize(600, 0);
        for len in (4..600).filter(|len| *len != right) {
            let error = open_request(&keys(), &bytes[..len]).unwrap_err();
            assert!(matches!(error, RequestError::Length(_)), "{version}, {len}: {error}");
            assert!(!error.is_foreign_key());
            assert_eq!(error.hresult(), Hresult(0x8007_000D));
        }
    }
}

#[test]
fn a_version_that_does_not_exist_is_refused_whatever_follows() {
    for wire in [0, 4, 0x0003_0000, 0x0007_0000, 0x0004_0001, 0x0006_0001, u32::MAX] {
        for len in [4, 252, 260] {
            let mut bytes = vec![0; len];
            bytes[..4].copy_from_slice(&u32::to_le_bytes(wire));
            let error = open_request(&keys(), &bytes).unwrap_err();
            assert_eq!(error, RequestError::Version(wire), "{len} bytes");
            assert!(!error.is_foreign_key());
        }
    }
}

#[test]
fn sizes_that_disagree_are_told_apart_from_a_stub_cut_short() {
    for (ndr, head) in [(Ndr::Ndr32, 8), (Ndr::Ndr64, 16)] {
        let mut stub = vec![0; 64];
        let len = ndr::encode_request(&[7; 20], ndr, Little, &mut stub).unwrap();
        for trailing in 0..=8 {
            let decoded = ndr::decode_request(&stub[..len + trailing], ndr, Little);
            assert_eq!(decoded.is_ok(), trailing <= 7, "{ndr:?}, {trailing} bytes of padding");
        }
        for (offset, what) in [(0, "reqSize"), (head / 2, "max_count")] {
            for size in [0_u32, 19, 21, 0x8000_0014, u32::MAX] {
                let mut wrong = stub[..len].to_vec();
                wrong[offset..offset + 4].copy_from_slice(&size.to_le_bytes());
                let error = ndr::decode_request(&wrong, ndr, Little).unwrap_err();
                assert!(
                    matches!(error, RequestStubError::SizesDisagree { present: 20, .. }),
                    "{ndr:?}, {what} {size}: {error}"
                );
            }
        }
        let cut = ndr::decode_request(&stub[..head - 1], ndr, Little).unwrap_err();
        assert!(matches!(cut, RequestStubError::Malformed(_)), "{ndr:?}: {cut}");
    }
    // The high half of a 64-bit count counts too.
    let mut stub = vector("kms_ndr64_request_v6");
    stub[12] = 1;
    assert!(ndr::decode_request(&stub, Ndr::Ndr64, Little).is_err());
}

#[test]
fn a_response_stub_is_read_by_its_sizes_and_not_by_its_padding() {
    for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
        let mut stub = [0; 64];
        let len = ndr::encode_response(&[7; 5], 0x8007_000D, ndr, Little, &mut stub).unwrap();
        let at = ndr.response_payload_offset() + 5;
        stub[at..at + 3].fill(0xce);
        let decoded = ndr::decode_response(&stub[..len], ndr, Little).unwrap();
        assert_eq!(decoded, ResponseStub { payload: Some(&[7; 5]), hresult: 0x8007_000D });
        assert!(ndr::decode_response(&stub[..len + 7], ndr, Little).is_ok(), "{ndr:?}");
        assert!(ndr::decode_response(&stub[..len + 8], ndr, Little).is_err(), "{ndr:?}");
        for offset in [0, ndr.response_payload_offset() - ndr.request_payload_offset() / 2] {
            let mut wrong = stub;
            wrong[offset] ^= 1;
            assert!(ndr::decode_response(&wrong[..len], ndr, Little).is_err(), "{ndr:?} {offset}");
        }
    }
    let null_with_a_size = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(ndr::decode_response(&null_with_a_size, Ndr::Ndr32, Little).is_err());
    let empty_but_not_null = [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0];
    assert_eq!(
        ndr::decode_response(&empty_but_not_null, Ndr::Ndr32, Little),
        Ok(ResponseStub { payload: Some(&[]), hresult: 5 })
    );
}

#[test]
fn a_buffer_that_is_too_small_is_the_callers_error_at_every_size() {
    let payload = [7; 21];
    for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
        let mut out = [0; 128];
        for len in 0..ndr.request_len(21) {
            assert!(ndr::encode_request(&payload, ndr, Little, &mut out[..len]).is_err());
        }
        for len in 0..ndr.response_len(21) {
            assert!(ndr::encode_response(&payload, 0, ndr, Little, &mut out[..len]).is_err());
        }
        for len in 0..ndr.error_response_len() {
            assert!(ndr::encode_error_response(5, ndr, Little, &mut out[..len]).is_err());
        }
        // A filler that claims more than the space it was given.
        assert!(ndr::encode_response_with(0, ndr, Little, &mut out, |_| Ok(129)).is_err());
    }
    for version in Version::ALL {
        let mut out = [0; 300];
        let short = request_len(version) - 1;
        let sealed = seal_request(&keys(), &request(version), &REQUEST_IV, &mut out[..short]);
        assert!(sealed.is_err(), "{version}");
    }
}
