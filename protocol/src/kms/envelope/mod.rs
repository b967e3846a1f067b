//! Requests and responses as they stand in an RPC stub: sealed with a lab's keys, and opened.
//!
//! Sizes are those of the real wire, so that firewalls, IDS and path MTU see the same shapes:
//!
//! | version | request | response |
//! |---|---|---|
//! | 4.0 | base, CMAC | base, CMAC |
//! | 5.0 | version, IV, encrypted base | version, IV, encrypted { base, nonce, hash } |
//! | 6.0 | version, IV, encrypted base | version, IV, encrypted { base, nonce, hash, hardware id, nonce XOR request IV, HMAC } |
//!
//! Nothing here allocates. Randomness is a parameter: an IV or a nonce is 16 bytes that the caller
//! draws anew each time.

mod request;
mod response;

pub use request::{OpenRequest, RequestError, open_request, request_len, seal_request};
pub use response::{
    Flaw, OpenResponse, RESPONSE_LEN_MAX, ResponseError, open_response, response_len,
    seal_flawed_response, seal_response,
};

use super::Version;
use super::crypto::{BLOCK_LEN, Block};
use crate::wire::{Expected, Misuse};

/// Clear bytes before an encrypted payload: version and IV.
const CLEAR_LEN: usize = 4 + BLOCK_LEN;

/// Length of `len` bytes once PKCS#7 has padded them: always at least one byte more.
const fn padded_len(len: usize) -> usize {
    (len / BLOCK_LEN + 1) * BLOCK_LEN
}

/// The first `len` bytes of the caller's buffer.
fn space<'a>(out: &'a mut [u8], field: &'static str, len: usize) -> Result<&'a mut [u8], Misuse> {
    let left = out.len();
    out.get_mut(..len).ok_or(Misuse::new(0, field, left as u64, Expected::Bytes(len as u64)))
}

/// Version and IV in front of what is encrypted.
fn clear_part(version: Version, iv: &Block) -> [u8; CLEAR_LEN] {
    let mut clear = [0; CLEAR_LEN];
    let (version_out, iv_out) = clear.split_at_mut(4);
    version_out.copy_from_slice(&version.to_wire().to_le_bytes());
    iv_out.copy_from_slice(iv);
    clear
}

/// The IV in a clear part.
fn iv_of(clear: &[u8; CLEAR_LEN]) -> Block {
    let mut iv = [0; BLOCK_LEN];
    iv.copy_from_slice(&clear[4..]);
    iv
}
