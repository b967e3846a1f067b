//! Request stubs that the lab host accepts, and what its answers look like.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::{SystemTime, UNIX_EPOCH};

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::seal_request;
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version, product};

pub use kms_protocol::ndr::Ndr;

/// A request of the default product as of now.
#[must_use]
pub fn request(version: Version) -> Request {
    let product = product::DEFAULT;
    Request {
        version,
        vm_info: 0,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: 0,
        app_id: product.app_id,
        sku_id: product.sku_id,
        kms_id: product.kms_id,
        cmid: Guid::v5(&product.app_id, b"interoperability tests"),
        n_policy: product.n_policy,
        client_time: now(),
        cmid_previous: Guid::from_le_bytes([0; 16]),
        machine_name: MachineName::new("INTEROP").expect("short enough"),
    }
}

/// The payload of a request, sealed with the default lab key.
#[must_use]
pub fn payload(request: &Request) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let keys = LabKeys::new(&LabKey::DEFAULT);
    let len = seal_request(&keys, request, &REQUEST_IV, &mut bytes).expect("seals");
    bytes.truncate(len);
    bytes
}

/// The stub around a payload.
#[must_use]
pub fn around(payload: &[u8], ndr: Ndr) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("fits");
    let mut stub = len.to_le_bytes().to_vec();
    if ndr == Ndr::Ndr64 {
        stub.extend([0; 4]);
    }
    stub.extend(len.to_le_bytes());
    if ndr == Ndr::Ndr64 {
        stub.extend([0; 4]);
    }
    stub.extend(payload);
    stub
}

/// A stub that the default host accepts.
#[must_use]
pub fn v4(ndr: Ndr) -> Vec<u8> {
    around(&payload(&request(Version::V4)), ndr)
}

/// An NDR32 stub of exactly `len` bytes, well-formed, whose payload no host can verify.
#[must_use]
pub fn filler32(len: usize) -> Vec<u8> {
    around(&vec![0; len.saturating_sub(8)], Ndr::Ndr32)
}

/// An NDR32 answer with a payload and HRESULT 0.
#[track_caller]
pub fn assert_accepted32(stub: &[u8]) {
    let size = u32_at(stub, 0);
    assert!(size > 0, "an answer with a payload: {stub:02x?}");
    assert_ne!(u32_at(stub, 4), 0, "referent");
    assert_eq!(u32_at(stub, 8), size, "max_count");
    let end = (12 + size as usize).next_multiple_of(4);
    assert_eq!(stub.len(), end + 4, "length");
    assert_eq!(u32_at(stub, end), 0, "HRESULT");
}

/// An NDR64 answer with a payload and HRESULT 0.
#[track_caller]
pub fn assert_accepted64(stub: &[u8]) {
    let size = u32_at(stub, 0);
    assert!(size > 0, "an answer with a payload: {stub:02x?}");
    assert_ne!(u32_at(stub, 8), 0, "referent");
    assert_eq!(u32_at(stub, 16), size, "max_count");
    let end = (24 + size as usize).next_multiple_of(4);
    assert_eq!(stub.len(), end + 4, "length");
    assert_eq!(u32_at(stub, end), 0, "HRESULT");
}

/// An NDR32 answer that carries only an HRESULT.
#[track_caller]
pub fn assert_refused32(stub: &[u8], hresult: u32) {
    let mut expected = vec![0; 8];
    expected.extend(hresult.to_le_bytes());
    assert_eq!(stub, expected, "null pointer and HRESULT {hresult:#010x}");
}

/// The IV of every sealed payload: tests compare, and need no secret.
pub const REQUEST_IV: [u8; 16] = [0x5a; 16];

/// The HRESULT for a payload that cannot be verified.
pub const INVALID_DATA: u32 = 0x8007_000D;

fn now() -> FileTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seconds = i64::try_from(since.as_secs()).expect("before the end of time");
    FileTime::from_unix(seconds, 0).expect("a FILETIME")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
