//! What a server's refusal of an update means, and who must do what.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::tsig::TsigError;
use thiserror::Error;

/// A server's answer other than NOERROR.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{} ({}): {}", self.word(), self.number(), self.meaning())]
pub struct Refusal {
    /// The response code (RFC 2136 section 2.2).
    pub code: ResponseCode,
    /// What the server said of the signature.
    pub tsig: Option<TsigProblem>,
    /// Whether the update was signed.
    pub signed: bool,
}

/// What a server can have against a signature (RFC 8945 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigProblem {
    /// The MAC does not fit: another secret, or changed on the way.
    BadSignature,
    /// The server knows no such key, or not with this algorithm.
    BadKey,
    /// The clocks of both ends are too far apart.
    BadTime,
    /// Anything else, by its number.
    Other(u16),
}

impl Refusal {
    fn word(&self) -> &'static str {
        match self.code {
            ResponseCode::FormErr => "FORMERR",
            ResponseCode::ServFail => "SERVFAIL",
            ResponseCode::NotImp => "NOTIMP",
            ResponseCode::Refused => "REFUSED",
            ResponseCode::NotAuth => "NOTAUTH",
            ResponseCode::NotZone => "NOTZONE",
            _ => "an error",
        }
    }

    fn number(&self) -> u16 {
        self.code.into()
    }

    fn meaning(&self) -> &'static str {
        match (self.tsig, self.code) {
            (Some(TsigProblem::BadKey), _) => {
                "the server knows no key of this name and algorithm; compare its name, character \
                 by character, with the server's configuration"
            }
            (Some(TsigProblem::BadSignature), _) => {
                "the signature does not fit: the secret differs from the server's"
            }
            (Some(TsigProblem::BadTime), _) => {
                "the clocks of this machine and of the server are more than five minutes apart"
            }
            (_, ResponseCode::Refused) if self.signed => {
                "the server's update policy does not allow these records to this key"
            }
            (_, ResponseCode::Refused) => {
                "the server takes no unsigned update for this zone from here; sign it with \
                 --tsig-key-file, or have the zone's update policy allow this address (an Active \
                 Directory zone that takes secure updates only wants GSS-TSIG, which is not \
                 supported: add the records on the server)"
            }
            (_, ResponseCode::NotAuth) => {
                "this server is not the primary of the zone; send the update to the server that \
                 the zone's SOA record names"
            }
            (_, ResponseCode::NotZone) => "a record lies outside the zone",
            (_, ResponseCode::NotImp) => "the server does not know dynamic updates",
            (_, ResponseCode::ServFail) => {
                "the server could not write the zone; its log says why (often a journal or zone \
                 file that it may not write)"
            }
            _ => "the server did not make the change; its log says why",
        }
    }
}

impl From<&TsigError> for TsigProblem {
    fn from(error: &TsigError) -> Self {
        match error {
            TsigError::BadSig => Self::BadSignature,
            TsigError::BadKey => Self::BadKey,
            TsigError::BadTime => Self::BadTime,
            TsigError::BadTrunc => Self::Other(22),
            TsigError::Unknown(code) => Self::Other(*code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(code: ResponseCode, tsig: Option<TsigProblem>, signed: bool) -> String {
        Refusal { code, tsig, signed }.to_string()
    }

    #[test]
    fn a_refusal_says_who_must_do_what() {
        let unsigned = words(ResponseCode::Refused, None, false);
        assert!(unsigned.starts_with("REFUSED (5): "), "{unsigned}");
        assert!(unsigned.contains("GSS-TSIG, which is not supported"), "{unsigned}");
        let signed = words(ResponseCode::Refused, None, true);
        assert!(signed.contains("update policy does not allow"), "{signed}");
        let key = words(ResponseCode::NotAuth, Some(TsigProblem::BadKey), true);
        assert!(key.starts_with("NOTAUTH (9): the server knows no key"), "{key}");
        let primary = words(ResponseCode::NotAuth, None, false);
        assert!(primary.contains("not the primary"), "{primary}");
    }
}
