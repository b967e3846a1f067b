//! Activation requests, sealed by a client and opened by a host.

use core::fmt;

use super::super::crypto::{BLOCK_LEN, CipherKey, LabKeys, MacKey, Protection, equal};
use super::super::request::BASE_LEN;
use super::super::{Hresult, Request, Version};
use super::{CLEAR_LEN, clear_part, iv_of, padded_len, space};
use crate::wire::{Expected, Malformed, Misuse};

/// A request that verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// What the client says.
    pub request: Request,
    /// The request's IV, which the answer is bound to; zero in version 4.0, which has none.
    pub request_iv: [u8; 16],
}

/// Why a host refuses a request before looking at what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Not exactly as long as its version demands, or too short to name one.
    Length(Malformed),
    /// A version that is none of 4.0, 5.0 and 6.0: the wire value.
    Version(u32),
    /// Version 4.0: the CMAC is wrong.
    Mac,
    /// Version 5.0 or 6.0: what was decrypted does not end in the padding of a 236-byte base.
    Padding,
    /// Version 5.0 or 6.0: the version inside is not the version outside. Wire values.
    InnerVersion {
        /// The version in the clear.
        outer: u32,
        /// The version that was decrypted.
        inner: u32,
    },
}

impl RequestError {
    /// What the host answers: ERROR_INVALID_DATA, 0x8007000D, whatever the reason.
    #[must_use]
    pub const fn hresult(&self) -> Hresult {
        Hresult::INVALID_DATA
    }

    /// Whether the request was sealed under a key that is not this lab's: by a real client, or by
    /// another lab. Damage in transit looks the same.
    #[must_use]
    pub const fn is_foreign_key(&self) -> bool {
        matches!(self, Self::Mac | Self::Padding | Self::InnerVersion { .. })
    }
}

/// Length of a request of `version`, in bytes: 252 in version 4.0, 260 in 5.0 and 6.0.
#[must_use]
pub const fn request_len(version: Version) -> usize {
    match version {
        Version::V4 => MAC_LEN,
        Version::V5 | Version::V6 => ENCRYPTED_LEN,
    }
}

/// Writes `request` to the start of `out`, sealed under its version's key; returns its length.
///
/// `iv` is 16 fresh random bytes; version 4.0 has no use for it.
///
/// # Errors
/// [`Misuse`] when `out` is shorter than [`request_len`].
pub fn seal_request(
    keys: &LabKeys,
    request: &Request,
    iv: &[u8; 16],
    out: &mut [u8],
) -> Result<usize, Misuse> {
    let out = space(out, FIELD, request_len(request.version))?;
    match keys.protection(request.version) {
        Protection::Mac(mac) => {
            let (base, tag) = out.split_at_mut(BASE_LEN);
            request.encode(base)?;
            tag.copy_from_slice(&mac.tag(base));
        }
        Protection::Cipher { cipher, .. } => {
            let (clear, payload) = out.split_at_mut(CLEAR_LEN);
            clear.copy_from_slice(&clear_part(request.version, iv));
            request.encode(payload)?;
            cipher.encrypt(iv, payload, BASE_LEN)?;
        }
    }
    Ok(out.len())
}

/// Verifies and reads a request.
///
/// # Errors
/// [`RequestError`], which says what is wrong and whether that means a foreign key.
pub fn open_request(keys: &LabKeys, bytes: &[u8]) -> Result<OpenRequest, RequestError> {
    let Some(outer) = bytes.first_chunk() else {
        let expected = Expected::AtLeast(4);
        return Err(RequestError::Length(Malformed::new(0, FIELD, bytes.len() as u64, expected)));
    };
    let outer = u32::from_le_bytes(*outer);
    let version = Version::from_wire(outer).ok_or(RequestError::Version(outer))?;
    match keys.protection(version) {
        Protection::Mac(mac) => open_mac(mac, sized(bytes)?),
        Protection::Cipher { cipher, .. } => open_encrypted(cipher, outer, *sized(bytes)?),
    }
}

fn open_mac(mac: &MacKey, bytes: &[u8; MAC_LEN]) -> Result<OpenRequest, RequestError> {
    let (base, tag) = bytes.split_at(BASE_LEN);
    if !equal(&mac.tag(base), tag) {
        return Err(RequestError::Mac);
    }
    let request = Request::decode(base).map_err(RequestError::Length)?;
    Ok(OpenRequest { request, request_iv: [0; BLOCK_LEN] })
}

fn open_encrypted(
    cipher: &CipherKey,
    outer: u32,
    mut bytes: [u8; ENCRYPTED_LEN],
) -> Result<OpenRequest, RequestError> {
    let Some((clear, payload)) = bytes.split_first_chunk_mut() else {
        return Err(RequestError::Padding);
    };
    let request_iv = iv_of(clear);
    // The padding of 236 bytes is 04 04 04 04 and nothing else: another valid padding is wrong too.
    let base = match cipher.decrypt(&request_iv, payload) {
        Some(base) if base.len() == BASE_LEN => base,
        _ => return Err(RequestError::Padding),
    };
    let inner = base.first_chunk().map_or(0, |version| u32::from_le_bytes(*version));
    if inner != outer {
        return Err(RequestError::InnerVersion { outer, inner });
    }
    let request = Request::decode(base).map_err(RequestError::Length)?;
    Ok(OpenRequest { request, request_iv })
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], RequestError> {
    bytes.try_into().map_err(|_| {
        let expected = Expected::Exactly(N as u64);
        RequestError::Length(Malformed::new(0, FIELD, bytes.len() as u64, expected))
    })
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(error) => fmt::Display::fmt(error, f),
            Self::Version(value) => {
                write!(f, "version {}.{} is not one of 4.0, 5.0, 6.0", value >> 16, value & 0xffff)
            }
            Self::Mac => f.write_str("the MAC does not verify under this lab key"),
            Self::Padding => f.write_str("the payload does not decrypt under this lab key"),
            Self::InnerVersion { outer, inner } => write!(
                f,
                "the version inside ({}.{}) is not the version outside ({}.{})",
                inner >> 16,
                inner & 0xffff,
                outer >> 16,
                outer & 0xffff
            ),
        }
    }
}

impl core::error::Error for RequestError {}

const FIELD: &str = "length of the request";

const MAC_LEN: usize = BASE_LEN + BLOCK_LEN;

const ENCRYPTED_LEN: usize = CLEAR_LEN + padded_len(BASE_LEN);
