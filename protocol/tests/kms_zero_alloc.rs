//! One exchange, from request stub to verified answer, allocates nothing on either side.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counting_allocator;
mod kms_support;

use counting_allocator::allocations_of;
use kms_protocol::kms::Version;
use kms_protocol::kms::envelope::{
    RESPONSE_LEN_MAX, open_request, open_response, response_len, seal_request, seal_response,
};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::wire::ByteOrder;
use kms_support::{NONCE, REQUEST_IV, RESPONSE_IV, keys, request, response};

#[test]
fn an_exchange_allocates_nothing_in_any_version_and_syntax() {
    assert!(allocations_of(|| drop(Box::new(1))) >= 1, "the counter counts");
    let keys = keys();
    for version in Version::ALL {
        for ndr in [Ndr::Ndr32, Ndr::Ndr64] {
            let (request, response) = (request(version), response(version));
            let (mut to_host, mut to_client) = ([0; 512], [0; 512]);
            let count = allocations_of(|| {
                let mut payload = [0; 260];
                let len = seal_request(&keys, &request, &REQUEST_IV, &mut payload).unwrap();
                let len =
                    ndr::encode_request(&payload[..len], ndr, ByteOrder::Little, &mut to_host)
                        .unwrap();

                let payload = ndr::decode_request(&to_host[..len], ndr, ByteOrder::Little).unwrap();
                let opened = open_request(&keys, payload).unwrap();
                let len =
                    ndr::encode_response_with(0, ndr, ByteOrder::Little, &mut to_client, |space| {
                        let iv = &opened.request_iv;
                        seal_response(&keys, &response, iv, &RESPONSE_IV, &NONCE, space)
                    })
                    .unwrap();

                let stub = ndr::decode_response(&to_client[..len], ndr, ByteOrder::Little).unwrap();
                let payload = stub.payload.unwrap();
                assert_eq!(payload.len(), response_len(version));
                let answer = open_response(&keys, payload, &request, &opened.request_iv).unwrap();
                assert_eq!(answer.response.count, response.count);
            });
            assert_eq!(count, 0, "{version} in {ndr:?}");
        }
    }
}

#[test]
fn a_refused_exchange_allocates_nothing_either() {
    let keys = keys();
    let request = request(Version::V6);
    let mut out = [0; 32];
    let count = allocations_of(|| {
        for len in 0..=RESPONSE_LEN_MAX {
            let bytes = [6; RESPONSE_LEN_MAX + 1];
            assert!(open_request(&keys, &bytes[..len]).is_err());
            assert!(open_response(&keys, &bytes[..len], &request, &REQUEST_IV).is_err());
        }
        ndr::encode_error_response(0x8007_000D, Ndr::Ndr64, ByteOrder::Little, &mut out).unwrap();
    });
    assert_eq!(count, 0);
}
