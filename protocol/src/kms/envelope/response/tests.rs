//! What only this module can do: seal with another ePID, or with one part made wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
extern crate std;

use super::*;
use crate::kms::crypto::LabKey;
use crate::kms::{LicenseStatus, MachineName};
use std::string::ToString;
use std::vec;
use std::vec::Vec;

const REQUEST_IV: Block = [0x11; BLOCK_LEN];
const NONCES: Nonces<'_> = Nonces { request_iv: &REQUEST_IV, iv: &[0x22; 16], nonce: &[0x33; 16] };

#[test]
fn lengths_follow_the_epid_as_on_the_real_wire() {
    for units in 0..=63 {
        let p = 2 * (units + 1);
        let epid = Epid::from_ascii(&vec![b'x'; units]);
        for (version, expected) in [
            (Version::V4, 60 + p),
            (Version::V5, 4 + 16 * ((108 + p) / 16 + 1)),
            (Version::V6, 4 + 16 * ((148 + p) / 16 + 1)),
        ] {
            let sealed = seal(version, &epid);
            assert_eq!(sealed.len(), expected, "{version}, P={p}");
            assert!(sealed.len() <= RESPONSE_LEN_MAX);
            let opened = open(&sealed, version).unwrap();
            assert_eq!(opened.epid, epid);
            assert_eq!(opened.response, response(version));
        }
    }
    assert_eq!(Version::ALL.map(response_len), [160, 228, 260]);
    assert_eq!(RESPONSE_LEN_MAX, 292);
}

#[test]
fn text_that_is_no_epid_is_kept_and_printed_harmlessly() {
    let epid = Epid::from_ascii(b"hello\x1b[31m\"you\"");
    let opened = open(&seal(Version::V6, &epid), Version::V6).unwrap();
    assert_eq!(opened.epid.to_string(), "hello\\u{1b}[31m\"you\"");
    assert!(!opened.epid.is_lab());
    assert!(Epid::LAB.is_lab());
}

#[test]
fn a_flaw_fails_its_own_check_and_changes_nothing_where_there_is_none() {
    for version in Version::ALL {
        for flaw in [Flaw::Mac, Flaw::Hash, Flaw::Hmac] {
            let mut out = [0; RESPONSE_LEN_MAX];
            let Nonces { request_iv, iv, nonce } = NONCES;
            let response = response(version);
            let len =
                seal_flawed_response(&keys(), &response, request_iv, iv, nonce, flaw, &mut out);
            let result = open(&out[..len.unwrap()], version);
            let expected = match (version, flaw) {
                (Version::V4, Flaw::Mac) => Err(ResponseError::Mac),
                (Version::V5 | Version::V6, Flaw::Hash) => Err(ResponseError::Hash),
                (Version::V6, Flaw::Hmac) => Err(ResponseError::Hmac),
                _ => Ok(()),
            };
            assert_eq!(result.map(drop), expected, "{version} {flaw:?}");
        }
    }
}

#[test]
fn each_wrong_part_is_named_and_the_first_one_wins() {
    for version in [Version::V5, Version::V6] {
        let plain = plaintext(version);
        let base = base_len(Epid::LAB.wire_len());
        assert_eq!(check_after(version, &plain, |_| ()), "none");
        assert_eq!(check_after(version, &plain, |p| p[2] ^= 1), "inner_version");
        let nonce_part = if version == Version::V5 { "hash" } else { "hmac" };
        assert_eq!(check_after(version, &plain, |p| p[base] ^= 1), nonce_part);
        assert_eq!(check_after(version, &plain, |p| p[base + 16] ^= 1), nonce_part);
        assert_eq!(check_after(version, &plain, |p| p.truncate(plain.len() - 1)), "length");
        assert_eq!(check_after(version, &plain, |p| p.push(0)), "length");
    }
    // With an HMAC made anew over the damage, the checks behind it have their turn.
    let base = base_len(Epid::LAB.wire_len());
    let plain = plaintext(Version::V6);
    for (offset, check) in [
        (base, "hash"),
        (base + 16, "hash"),
        (base + 48, "none"), // the hardware id is not ours to judge
        (base + 56, "nonce_xor"),
        (4 + 4 + 100, "cmid_echo"),
        (4 + 4 + 100 + 16, "time_echo"),
    ] {
        let found = check_after(Version::V6, &plain, |p| {
            p[offset] ^= 1;
            let at = p.len() - BLOCK_LEN;
            let tag = hmac().tag16(&p[..at]);
            p[at..].copy_from_slice(&tag);
        });
        assert_eq!(found, check, "offset {offset}");
    }
}

#[test]
fn an_impossible_epid_size_is_refused_with_its_offset() {
    let base = seal(Version::V4, &Epid::LAB);
    for (size, expected) in [
        (0, Expected::AtLeast(2)),
        (99, Expected::MultipleOf(2)),
        (130, Expected::AtMost(128)),
        (u32::MAX, Expected::AtMost(128)),
        (98, Expected::Text("one NUL, at the end")),
        (102, Expected::Text("one NUL, at the end")),
    ] {
        let mut bytes = base.clone();
        bytes[4..8].copy_from_slice(&size.to_le_bytes());
        let error = open(&remac(bytes), Version::V4).unwrap_err();
        let ResponseError::Malformed(Malformed(detail)) = error else {
            unreachable!("{error:?}");
        };
        assert_eq!(detail.expected, expected, "PIDSize {size}");
        assert!(detail.offset >= 4, "{detail}");
    }
}

#[test]
fn bytes_after_a_4_0_base_are_refused_though_the_mac_covers_them() {
    let mut bytes = seal(Version::V4, &Epid::LAB);
    bytes.push(0);
    assert_eq!(open(&remac(bytes), Version::V4).unwrap_err().check(), "length");
}

fn keys() -> LabKeys {
    LabKeys::new(&LabKey::DEFAULT)
}

fn cipher(version: Version) -> CipherKey {
    match keys().protection(version) {
        Protection::Cipher { cipher, .. } => cipher.clone(),
        Protection::Mac(_) => unreachable!("version 4.0 is not encrypted"),
    }
}

fn hmac() -> HmacKey {
    match keys().protection(Version::V6) {
        Protection::Cipher { hmac: Some(hmac), .. } => hmac.clone(),
        _ => unreachable!("version 6.0 has an HMAC"),
    }
}

fn request(version: Version) -> Request {
    Request {
        version,
        vm_info: 0,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: 0,
        app_id: Guid::ZERO,
        sku_id: Guid::ZERO,
        kms_id: Guid::ZERO,
        cmid: Guid::from_bytes([0x44; 16]),
        n_policy: 5,
        client_time: FileTime::from_ticks(0x0123_4567_89ab_cdef),
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::default(),
    }
}

fn response(version: Version) -> Response {
    let request = request(version);
    Response {
        version,
        cmid: request.cmid,
        client_time: request.client_time,
        count: 5,
        activation_interval_minutes: 120,
        renewal_interval_minutes: 10_080,
    }
}

fn seal(version: Version, epid: &Epid) -> Vec<u8> {
    let mut out = vec![0; RESPONSE_LEN_MAX];
    let len = seal_with(&keys(), &response(version), epid, NONCES, None, &mut out).unwrap();
    out.truncate(len);
    out
}

fn open(bytes: &[u8], version: Version) -> Result<OpenResponse, ResponseError> {
    open_response(&keys(), bytes, &request(version), &REQUEST_IV)
}

/// The plaintext inside a sealed response, without padding.
fn plaintext(version: Version) -> Vec<u8> {
    let sealed = seal(version, &Epid::LAB);
    cipher(version).decrypt(NONCES.iv, &mut sealed[CLEAR_LEN..].to_vec()).unwrap().to_vec()
}

/// The check that fails once `damage` has been done to `plain` and the result is encrypted again.
fn check_after(version: Version, plain: &[u8], damage: impl FnOnce(&mut Vec<u8>)) -> &'static str {
    let mut payload = plain.to_vec();
    damage(&mut payload);
    let len = payload.len();
    payload.resize(padded_len(len), 0);
    cipher(version).encrypt(NONCES.iv, &mut payload, len).unwrap();
    let mut bytes = clear_part(version, NONCES.iv).to_vec();
    bytes.extend(payload);
    open(&bytes, version).map_or_else(|error| error.check(), |_| "none")
}

/// A 4.0 response with its MAC made anew.
fn remac(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - BLOCK_LEN;
    if let Protection::Mac(mac) = keys().protection(Version::V4) {
        let tag = mac.tag(&bytes[..at]);
        bytes[at..].copy_from_slice(&tag);
    }
    bytes
}
