//! What the KMS tests share: golden vectors, and the request and response that they hold.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../golden/mod.rs"]
mod golden;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use golden::vector;
use kms_protocol::filetime::FileTime;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::{response_len, seal_response};
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Response, Version, product};

/// IV of the golden encrypted requests.
pub(crate) const REQUEST_IV: [u8; 16] = counting_from(0x10);
/// IV of the golden encrypted responses.
pub(crate) const RESPONSE_IV: [u8; 16] = counting_from(0x40);
/// Nonce of the golden encrypted responses.
pub(crate) const NONCE: [u8; 16] = counting_from(0xa0);

pub(crate) fn keys() -> LabKeys {
    LabKeys::new(&LabKey::DEFAULT)
}

/// The request of the golden vectors.
pub(crate) fn request(version: Version) -> Request {
    Request {
        version,
        vm_info: 1,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: 43_200,
        app_id: product::DEFAULT.app_id,
        sku_id: product::DEFAULT.sku_id,
        kms_id: product::DEFAULT.kms_id,
        cmid: "00112233-4455-4677-8899-aabbccddeeff".parse().unwrap(),
        n_policy: 25,
        client_time: FileTime::from_unix(1_767_323_045, 0).unwrap(),
        cmid_previous: kms_protocol::guid::Guid::ZERO,
        machine_name: MachineName::new("KMS-PROBE").unwrap(),
    }
}

/// The response of the golden vectors.
pub(crate) fn response(version: Version) -> Response {
    let request = request(version);
    Response {
        version,
        cmid: request.cmid,
        client_time: request.client_time,
        count: 26,
        activation_interval_minutes: 120,
        renewal_interval_minutes: 10_080,
    }
}

pub(crate) fn sealed_response(version: Version) -> Vec<u8> {
    let mut out = vec![0; response_len(version)];
    let response = response(version);
    seal_response(&keys(), &response, &REQUEST_IV, &RESPONSE_IV, &NONCE, &mut out).unwrap();
    out
}

/// Names of all KMS vectors in the folder.
pub(crate) fn vector_names() -> Vec<String> {
    golden::names("kms_")
}

const fn counting_from(first: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut index = 0;
    while index < bytes.len() {
        bytes[index] = first + index as u8;
        index += 1;
    }
    bytes
}
