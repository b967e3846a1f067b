//! What answered instead of RPC, from its first bytes.

use serde::Serialize;

/// A protocol that is often met on a wrong port or from a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Guess {
    /// HTTP, or the HTML page of a proxy.
    Http,
    /// A TLS record.
    Tls,
    /// An SSH banner.
    Ssh,
    /// SMB, or the NetBIOS session service below it.
    Smb,
    /// None of these.
    Unknown,
}

/// Whether the first bytes of an answer cannot begin an RPC PDU: version 5.0 or 5.1 and a type
/// that exists on TCP. Too few bytes to tell are not foreign.
#[must_use]
pub(crate) fn is_foreign(bytes: &[u8]) -> bool {
    let starts =
        |index: usize, allowed: fn(u8) -> bool| bytes.get(index).copied().is_none_or(allowed);
    !(starts(0, |major| major == 5)
        && starts(1, |minor| minor <= 1)
        && starts(2, |ptype| ptype <= PTYPE_MAX))
}

/// What the bytes look like.
#[must_use]
pub(crate) fn guess(bytes: &[u8]) -> Guess {
    match bytes {
        [b'H', b'T', b'T', b'P', ..] | [b'<', ..] => Guess::Http,
        [b'S', b'S', b'H', b'-', ..] => Guess::Ssh,
        [0x14..=0x17, 3, 0..=4, ..] => Guess::Tls,
        // Session message with SMB1 or SMB2, or a refusal of the session service.
        [0, _, _, _, 0xFF | 0xFE, b'S', b'M', b'B', ..] | [0x83, 0, 0, 1, ..] => Guess::Smb,
        [0xFF | 0xFE, b'S', b'M', b'B', ..] => Guess::Smb,
        _ => Guess::Unknown,
    }
}

/// Bytes after which more would not change the guess.
pub(super) const BYTES_WANTED: usize = 8;

/// RTS, the highest type of [MS-RPCE].
const PTYPE_MAX: u8 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_greetings_are_recognised() {
        for (bytes, expected) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Guess::Http),
            (b"<html>", Guess::Http),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Guess::Ssh),
            (b"\x15\x03\x01\x00\x02\x02\x46", Guess::Tls),
            (b"\x16\x03\x03\x00\x5a\x02\x00", Guess::Tls),
            (b"\x00\x00\x00\x40\xfeSMB@\x00", Guess::Smb),
            (b"\x83\x00\x00\x01\x8f", Guess::Smb),
            (b"220 mail.example.com ESMTP\r\n", Guess::Unknown),
            (b"", Guess::Unknown),
        ] {
            assert_eq!(guess(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn only_bytes_that_cannot_begin_a_pdu_are_foreign() {
        for bytes in [&b""[..], b"\x05", b"\x05\x00", b"\x05\x00\x0c", b"\x05\x01\x0d\x03"] {
            assert!(!is_foreign(bytes), "{bytes:?}");
        }
        for bytes in [&b"H"[..], b"\x05\xff", b"\x05\x00\x15", b"\x04\x00\x0c"] {
            assert!(is_foreign(bytes), "{bytes:?}");
        }
    }
}
