//! Lab keys and textbook algorithms: AES-128-CMAC (RFC 4493), AES-128-CBC with PKCS#7 padding
//! (NIST SP 800-38A, RFC 5652 6.3) and HMAC-SHA256 (RFC 2104).
//!
//! # The boundary
//!
//! A caller chooses a [`LabKey`] and nothing else. The key of each protocol version is derived from
//! it by HMAC-SHA256, a one-way function: no lab key can be found that yields a wanted cipher key.
//! There is no way to plug in a cipher, a MAC, a key schedule or a derived key, so that nothing made
//! here verifies for a real client or host.

use core::fmt;
use core::str::FromStr;

use aes::{Aes128, Aes128Enc};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit};
use cmac::Cmac;
use cmac::digest::{InnerInit, KeyInit, Mac};
use hmac::Hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Version;
use crate::wire::{Expected, Misuse};

/// The secret that sets one lab apart from another: 16 bytes. Not printed by `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LabKey([u8; BLOCK_LEN]);

/// Text that is not a lab key. It does not repeat the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseLabKeyError {
    /// Not 32 characters long, but this many.
    Length(usize),
    /// The character at this byte offset is no hexadecimal digit.
    NotHex(usize),
}

/// The keys of every protocol version, derived from one [`LabKey`] and expanded once.
///
/// Deriving costs a few microseconds: keep the result, do not repeat it per exchange.
#[derive(Clone)]
pub struct LabKeys {
    mac_v4: MacKey,
    cipher_v5: CipherKey,
    cipher_v6: CipherKey,
    hmac_v6: HmacKey,
}

impl LabKey {
    /// The key of every lab that did not set one.
    pub const DEFAULT: Self = Self(*b"kms-lab-not-real");

    /// A key from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; BLOCK_LEN]) -> Self {
        Self(bytes)
    }

    /// A one-way image of the key: lets ids differ from lab to lab without showing the key.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; BLOCK_LEN] {
        derive(self, b"fingerprint")
    }
}

impl LabKeys {
    /// Derives and expands the keys of every version.
    #[must_use]
    pub fn new(key: &LabKey) -> Self {
        let k6 = derive(key, b"v6");
        Self {
            mac_v4: MacKey::new(&derive(key, b"v4")),
            cipher_v5: CipherKey::new(&derive(key, b"v5")),
            cipher_v6: CipherKey::new(&k6),
            hmac_v6: HmacKey::new(&k6),
        }
    }

    /// How payloads of `version` are protected.
    pub(super) const fn protection(&self, version: Version) -> Protection<'_> {
        match version {
            Version::V4 => Protection::Mac(&self.mac_v4),
            Version::V5 => Protection::Cipher { cipher: &self.cipher_v5, hmac: None },
            Version::V6 => {
                Protection::Cipher { cipher: &self.cipher_v6, hmac: Some(&self.hmac_v6) }
            }
        }
    }
}

/// What protects the payloads of one version.
pub(super) enum Protection<'a> {
    /// A MAC behind the base, both in the clear.
    Mac(&'a MacKey),
    /// Encryption, and in some versions an HMAC inside the response.
    Cipher {
        /// Both directions.
        cipher: &'a CipherKey,
        /// Responses only.
        hmac: Option<&'a HmacKey>,
    },
}

/// AES-128-CMAC under one key.
#[derive(Clone)]
pub(super) struct MacKey(Cmac<Aes128Enc>);

impl MacKey {
    fn new(key: &Block) -> Self {
        Self(Cmac::inner_init(Aes128Enc::new(key.into())))
    }

    pub(super) fn tag(&self, message: &[u8]) -> Block {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }
}

/// AES-128-CBC with PKCS#7 padding under one key.
#[derive(Clone)]
pub(super) struct CipherKey(Aes128);

impl CipherKey {
    fn new(key: &Block) -> Self {
        Self(Aes128::new(key.into()))
    }

    /// Pads and encrypts the first `len` bytes of `buffer` in place; the number of bytes written.
    pub(super) fn encrypt(
        &self,
        iv: &Block,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, Misuse> {
        let capacity = buffer.len() as u64;
        let mode = cbc::Encryptor::inner_iv_init(&self.0, iv.into());
        match mode.encrypt_padded::<Pkcs7>(buffer, len) {
            Ok(ciphertext) => Ok(ciphertext.len()),
            Err(_) => {
                let expected = Expected::AtLeast(len as u64 + 1);
                Err(Misuse::new(0, "room for the padding", capacity, expected))
            }
        }
    }

    /// Decrypts `buffer` in place; what is left without its padding, or `None` when the padding is
    /// wrong or the length is no multiple of 16.
    pub(super) fn decrypt<'a>(&self, iv: &Block, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let mode = cbc::Decryptor::inner_iv_init(&self.0, iv.into());
        mode.decrypt_padded::<Pkcs7>(buffer).ok()
    }
}

/// HMAC-SHA256 under one key.
#[derive(Clone)]
pub(super) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    fn new(key: &Block) -> Self {
        // A key shorter than the hash's block is filled up with zeros, RFC 2104 section 2.
        let mut padded = [0; 64];
        padded[..BLOCK_LEN].copy_from_slice(key);
        Self(Hmac::new(&padded.into()))
    }

    /// The first 16 bytes of the HMAC.
    pub(super) fn tag16(&self, message: &[u8]) -> Block {
        let full: [u8; 32] = self.0.clone().chain_update(message).finalize().into_bytes().into();
        first_16(full)
    }
}

/// SHA-256(`nonce` ‖ `request_iv`): proof that the answer was made for this request.
pub(super) fn nonce_hash(nonce: &Block, request_iv: &Block) -> [u8; 32] {
    Digest::chain_update(Digest::chain_update(Sha256::new(), nonce), request_iv).finalize().into()
}

/// `a` XOR `b`.
pub(super) fn xor(a: &Block, b: &Block) -> Block {
    (u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)).to_ne_bytes()
}

/// Equality in a time that does not depend on where the first difference stands.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// HMAC-SHA256(lab key, `label`), cut to 16 bytes.
fn derive(key: &LabKey, label: &[u8]) -> Block {
    HmacKey::new(&key.0).tag16(label)
}

const fn first_16(full: [u8; 32]) -> Block {
    let (half, _) = full.as_chunks::<BLOCK_LEN>();
    half[0]
}

impl Default for LabKey {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for LabKey {
    type Err = ParseLabKeyError;

    /// 32 hexadecimal digits, in either case.
    fn from_str(text: &str) -> Result<Self, ParseLabKeyError> {
        let mut bytes = [0; BLOCK_LEN];
        let digits = text.chars().count();
        if digits != 2 * BLOCK_LEN {
            return Err(ParseLabKeyError::Length(digits));
        }
        for (index, (offset, c)) in text.char_indices().enumerate() {
            let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (Some(digit), Some(byte)) = (digit, bytes.get_mut(index / 2)) else {
                return Err(ParseLabKeyError::NotHex(offset));
            };
            *byte = (*byte << 4) | digit;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for LabKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::DEFAULT { "LabKey(default)" } else { "LabKey(hidden)" })
    }
}

impl fmt::Debug for LabKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LabKeys(hidden)")
    }
}

impl fmt::Display for ParseLabKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(got) => {
                write!(f, "a lab key is 32 hexadecimal digits (16 bytes): got {got} characters")
            }
            Self::NotHex(offset) => write!(
                f,
                "a lab key is 32 hexadecimal digits (16 bytes): character {} is none",
                offset + 1
            ),
        }
    }
}

impl core::error::Error for ParseLabKeyError {}

/// One AES block, IV, nonce, MAC or 128-bit key.
pub(super) type Block = [u8; BLOCK_LEN];

pub(super) const BLOCK_LEN: usize = 16;

#[cfg(test)]
mod tests;
