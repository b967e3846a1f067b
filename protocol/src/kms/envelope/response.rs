//! Activation responses, sealed by a host and opened by a client.

use core::fmt;

use super::super::crypto::{
    BLOCK_LEN, Block, CipherKey, HmacKey, LabKeys, MacKey, Protection, equal, nonce_hash, xor,
};
use super::super::epid;
use super::super::response::base_len;
use super::super::{Epid, Request, Response, Version};
use super::{CLEAR_LEN, clear_part, iv_of, padded_len, space};
use crate::filetime::FileTime;
use crate::guid::Guid;
use crate::wire::{ByteOrder, Expected, Malformed, Misuse, Reader, Writer};

/// A response that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenResponse {
    /// What the host answers.
    pub response: Response,
    /// The host's ePID.
    pub epid: Epid,
    /// The host's hardware id, in version 6.0 only.
    pub hardware_id: Option<[u8; 8]>,
}

/// The check that a response failed, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// A length, or a field that decides one, is impossible.
    Malformed(Malformed),
    /// Another version than the request's. Wire values.
    Version {
        /// The version in the clear.
        got: u32,
        /// The request's.
        expected: Version,
    },
    /// Version 4.0: the CMAC is wrong.
    Mac,
    /// Version 5.0 or 6.0: what was decrypted does not end in PKCS#7 padding.
    Padding,
    /// Version 5.0 or 6.0: the version inside is not the version outside. Wire value.
    InnerVersion(u32),
    /// Version 6.0: the HMAC is wrong.
    Hmac,
    /// Version 5.0 or 6.0: the hash does not bind the nonce to the request's IV.
    Hash,
    /// Version 6.0: nonce XOR request IV is wrong.
    NonceXor,
    /// The client machine id is not the request's.
    CmidEcho {
        /// The id in the response.
        got: Guid,
        /// The request's.
        expected: Guid,
    },
    /// The client time is not the request's.
    TimeEcho {
        /// The time in the response.
        got: FileTime,
        /// The request's.
        expected: FileTime,
    },
}

impl ResponseError {
    /// The name of the check that failed.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "length",
            Self::Version { .. } => "version",
            Self::Mac => "mac",
            Self::Padding => "padding",
            Self::InnerVersion(_) => "inner_version",
            Self::Hmac => "hmac",
            Self::Hash => "hash",
            Self::NonceXor => "nonce_xor",
            Self::CmidEcho { .. } => "cmid_echo",
            Self::TimeEcho { .. } => "time_echo",
        }
    }
}

/// A check value that is wrong on purpose, so that clients can be seen to notice. One bit of it is
/// turned over; where the version has no such value, nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Version 4.0: the CMAC.
    Mac,
    /// Versions 5.0 and 6.0: the hash over nonce and request IV. In 6.0 the HMAC covers the wrong
    /// hash and verifies.
    Hash,
    /// Version 6.0: the HMAC.
    Hmac,
}

/// Length of every response of `version` that this crate seals, in bytes: 160, 228 or 260.
#[must_use]
pub const fn response_len(version: Version) -> usize {
    response_len_around(version, Epid::LAB.wire_len())
}

/// Writes `response` to the start of `out`, sealed under its version's key; returns its length.
///
/// The ePID is [`Epid::LAB`] and the hardware id spells LABONLY. `request_iv` comes from
/// [`OpenRequest`](super::OpenRequest); `iv` and `nonce` are 16 fresh random bytes each. Version 4.0
/// has no use for any of the three.
///
/// # Errors
/// [`Misuse`] when `out` is shorter than [`response_len`].
pub fn seal_response(
    keys: &LabKeys,
    response: &Response,
    request_iv: &[u8; 16],
    iv: &[u8; 16],
    nonce: &[u8; 16],
    out: &mut [u8],
) -> Result<usize, Misuse> {
    seal_with(keys, response, &Epid::LAB, Nonces { request_iv, iv, nonce }, None, out)
}

/// As [`seal_response`], with one check value wrong: what a client must refuse.
///
/// # Errors
/// As [`seal_response`].
pub fn seal_flawed_response(
    keys: &LabKeys,
    response: &Response,
    request_iv: &[u8; 16],
    iv: &[u8; 16],
    nonce: &[u8; 16],
    flaw: Flaw,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    seal_with(keys, response, &Epid::LAB, Nonces { request_iv, iv, nonce }, Some(flaw), out)
}

/// Verifies a response against the request it answers, and reads it.
///
/// `request_iv` is the IV that the request was sealed with.
///
/// # Errors
/// [`ResponseError`]: the first check that failed.
pub fn open_response(
    keys: &LabKeys,
    bytes: &[u8],
    request: &Request,
    request_iv: &[u8; 16],
) -> Result<OpenResponse, ResponseError> {
    let got = Reader::new(bytes, ByteOrder::Little).u32("Version")?;
    if got != request.version.to_wire() {
        return Err(ResponseError::Version { got, expected: request.version });
    }
    let opened = match keys.protection(request.version) {
        Protection::Mac(mac) => open_mac(mac, bytes)?,
        Protection::Cipher { cipher, hmac } => open_encrypted(cipher, hmac, bytes, request_iv)?,
    };
    check_echo(&opened.response, request)?;
    Ok(opened)
}

/// The three random values around a response.
#[derive(Clone, Copy)]
struct Nonces<'a> {
    request_iv: &'a Block,
    iv: &'a Block,
    nonce: &'a Block,
}

const fn response_len_around(version: Version, epid_len: usize) -> usize {
    let base = base_len(epid_len);
    match version {
        Version::V4 => base + BLOCK_LEN,
        Version::V5 => CLEAR_LEN + padded_len(base + V5_TRAILER_LEN),
        Version::V6 => CLEAR_LEN + padded_len(base + V6_TRAILER_LEN),
    }
}

fn seal_with(
    keys: &LabKeys,
    response: &Response,
    epid: &Epid,
    nonces: Nonces<'_>,
    flaw: Option<Flaw>,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    let out = space(out, FIELD, response_len_around(response.version, epid.wire_len()))?;
    match keys.protection(response.version) {
        Protection::Mac(mac) => {
            let (base, tag) = out.split_at_mut(base_len(epid.wire_len()));
            response.write(epid, base)?;
            tag.copy_from_slice(&mac.tag(base));
            if flaw == Some(Flaw::Mac) {
                turn_a_bit(tag);
            }
        }
        Protection::Cipher { cipher, hmac } => {
            let (clear, payload) = out.split_at_mut(CLEAR_LEN);
            clear.copy_from_slice(&clear_part(response.version, nonces.iv));
            let base_len = response.write(epid, payload)?;
            let len = base_len + write_trailer(payload, base_len, hmac, nonces, flaw)?;
            cipher.encrypt(nonces.iv, payload, len)?;
        }
    }
    Ok(out.len())
}

/// Writes what follows the base before encryption; returns its length.
fn write_trailer(
    payload: &mut [u8],
    base_len: usize,
    hmac: Option<&HmacKey>,
    nonces: Nonces<'_>,
    flaw: Option<Flaw>,
) -> Result<usize, Misuse> {
    let Nonces { request_iv, nonce, .. } = nonces;
    let (_, trailer) = payload.split_at_mut(base_len);
    let mut writer = Writer::new(trailer, ByteOrder::Little);
    writer.bytes("nonce", nonce)?;
    let mut hash = nonce_hash(nonce, request_iv);
    if flaw == Some(Flaw::Hash) {
        turn_a_bit(&mut hash);
    }
    writer.bytes("hash", &hash)?;
    let Some(hmac) = hmac else {
        return Ok(writer.offset());
    };
    writer.bytes("hardware id", HARDWARE_ID)?;
    writer.bytes("nonce XOR request IV", &xor(nonce, request_iv))?;
    let len = writer.offset();
    let (message, rest) = payload.split_at_mut(base_len + len);
    let mut tag = hmac.tag16(message);
    if flaw == Some(Flaw::Hmac) {
        turn_a_bit(&mut tag);
    }
    Writer::new(rest, ByteOrder::Little).bytes("HMAC", &tag)?;
    Ok(len + BLOCK_LEN)
}

fn turn_a_bit(value: &mut [u8]) {
    value.first_mut().into_iter().for_each(|byte| *byte ^= 1);
}

fn open_mac(mac: &MacKey, bytes: &[u8]) -> Result<OpenResponse, ResponseError> {
    let shortest = response_len_around(Version::V4, 2);
    let Some((base, tag)) = bytes
        .split_last_chunk::<BLOCK_LEN>()
        .filter(|(base, _)| base.len() + BLOCK_LEN >= shortest)
    else {
        return Err(length(bytes.len(), Expected::AtLeast(shortest as u64)));
    };
    if !equal(&mac.tag(base), tag) {
        return Err(ResponseError::Mac);
    }
    let mut reader = Reader::new(base, ByteOrder::Little);
    let (response, epid) = Response::read(&mut reader)?;
    reader.finish("end of response base")?;
    Ok(OpenResponse { response, epid, hardware_id: None })
}

fn open_encrypted(
    cipher: &CipherKey,
    hmac: Option<&HmacKey>,
    bytes: &[u8],
    request_iv: &Block,
) -> Result<OpenResponse, ResponseError> {
    let Some((clear, ciphertext)) = bytes.split_first_chunk() else {
        return Err(length(bytes.len(), Expected::AtLeast(CLEAR_LEN as u64)));
    };
    let mut buffer = [0; CIPHERTEXT_LEN_MAX];
    let Some(payload) = buffer.get_mut(..ciphertext.len()) else {
        return Err(length(bytes.len(), Expected::AtMost(RESPONSE_LEN_MAX as u64)));
    };
    payload.copy_from_slice(ciphertext);
    if !ciphertext.len().is_multiple_of(BLOCK_LEN) || ciphertext.is_empty() {
        return Err(length(ciphertext.len(), Expected::MultipleOf(BLOCK_LEN as u64)));
    }
    let plain = cipher.decrypt(&iv_of(clear), payload).ok_or(ResponseError::Padding)?;
    let inner = plain.first_chunk().map(|version| u32::from_le_bytes(*version));
    let outer = clear.first_chunk().map(|version| u32::from_le_bytes(*version));
    if let Some(inner) = inner
        && Some(inner) != outer
    {
        return Err(ResponseError::InnerVersion(inner));
    }
    read_plain(plain, hmac, request_iv)
}

/// Reads and verifies what was decrypted.
fn read_plain(
    plain: &[u8],
    hmac: Option<&HmacKey>,
    request_iv: &Block,
) -> Result<OpenResponse, ResponseError> {
    let mut reader = Reader::at(plain, CLEAR_LEN, ByteOrder::Little);
    let (response, epid) = Response::read(&mut reader)?;
    let nonce: Block = reader.array("nonce")?;
    let hash: [u8; 32] = reader.array("hash")?;
    let mut hardware_id = None;
    let mut nonce_xor = xor(&nonce, request_iv);
    if let Some(hmac) = hmac {
        hardware_id = Some(reader.array("hardware id")?);
        nonce_xor = reader.array("nonce XOR request IV")?;
        let (message, _) = plain.split_at(reader.offset() - CLEAR_LEN);
        let tag: Block = reader.array("HMAC")?;
        reader.finish("end of response")?;
        if !equal(&hmac.tag16(message), &tag) {
            return Err(ResponseError::Hmac);
        }
    }
    reader.finish("end of response")?;
    if !equal(&nonce_hash(&nonce, request_iv), &hash) {
        return Err(ResponseError::Hash);
    }
    if !equal(&xor(&nonce, request_iv), &nonce_xor) {
        return Err(ResponseError::NonceXor);
    }
    Ok(OpenResponse { response, epid, hardware_id })
}

fn check_echo(response: &Response, request: &Request) -> Result<(), ResponseError> {
    if response.cmid != request.cmid {
        return Err(ResponseError::CmidEcho { got: response.cmid, expected: request.cmid });
    }
    if response.client_time != request.client_time {
        let (got, expected) = (response.client_time, request.client_time);
        return Err(ResponseError::TimeEcho { got, expected });
    }
    Ok(())
}

const fn length(got: usize, expected: Expected) -> ResponseError {
    ResponseError::Malformed(Malformed::new(0, FIELD, got as u64, expected))
}

impl From<Malformed> for ResponseError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => fmt::Display::fmt(error, f),
            Self::Version { got, expected } => {
                let (major, minor) = (got >> 16, got & 0xffff);
                write!(f, "the response has version {major}.{minor}, the request {expected}")
            }
            Self::Mac => f.write_str("the MAC does not verify under this lab key"),
            Self::Padding => f.write_str("the payload does not decrypt under this lab key"),
            Self::InnerVersion(inner) => {
                let (major, minor) = (inner >> 16, inner & 0xffff);
                write!(f, "the version inside ({major}.{minor}) is not the version outside")
            }
            Self::Hmac => f.write_str("the HMAC does not verify under this lab key"),
            Self::Hash => f.write_str("the hash does not match the nonce and this request's IV"),
            Self::NonceXor => f.write_str("nonce XOR request IV does not match"),
            Self::CmidEcho { got, expected } => {
                write!(f, "the response is for client machine id {got}, the request has {expected}")
            }
            Self::TimeEcho { got, expected } => {
                write!(f, "the response echoes client time {got}, the request has {expected}")
            }
        }
    }
}

impl core::error::Error for ResponseError {}

/// Length of the longest response of any version, in bytes: version 6.0 around a full ePID.
pub const RESPONSE_LEN_MAX: usize = response_len_around(Version::V6, epid::SIZE_MAX);

/// The hardware id of every simulated host.
const HARDWARE_ID: &[u8; 8] = b"LABONLY\0";

/// Nonce and hash.
const V5_TRAILER_LEN: usize = BLOCK_LEN + 32;

/// Nonce, hash, hardware id, nonce XOR request IV, HMAC.
const V6_TRAILER_LEN: usize = V5_TRAILER_LEN + HARDWARE_ID.len() + 2 * BLOCK_LEN;

const CIPHERTEXT_LEN_MAX: usize = RESPONSE_LEN_MAX - CLEAR_LEN;

const FIELD: &str = "length of the response";

#[cfg(test)]
mod tests;
