//! What a TLS handshake with an endpoint for online activation shows.

use crate::stage::Stage;
use crate::verdict::{Row, Seen, Severity};

/// Trusted.
pub static OK: Row = Row {
    code: "tls.ok",
    stage: Stage::Tls,
    severity: Severity::Ok,
    port_state: None,
    cause: "{endpoint} completes a TLS handshake with a certificate that this machine trusts, \
            issued by {issuer} and valid until {until}.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// No trusted root.
pub static UNTRUSTED: Row = Row {
    code: "tls.untrusted",
    stage: Stage::Tls,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} shows a certificate issued by {issuer} that this machine does not trust: \
            {trust_why}.",
    remedy: Some(
        "If {issuer} is your own proxy that inspects TLS, exempt {host} from inspection, as \
         activation endpoints must be; if it is not, find out who answers there, or name a root \
         that only this machine lacks with --tls-ca (Windows trusts roots of Microsoft that other \
         systems may not have).",
    ),
    client_sees: &[],
    client_note: None,
};

/// Too old.
pub static EXPIRED: Row = Row {
    code: "tls.expired",
    stage: Stage::Tls,
    severity: Severity::Critical,
    port_state: None,
    cause: "The certificates of {endpoint}, issued by {issuer}, are no longer valid by this \
            machine's clock: {time_why}.",
    remedy: Some(
        "Check this machine's clock (`--clock sntp://HOST`), and if it is right, have the owner of \
         {host}, or of the proxy that inspects TLS in its place, renew the certificate.",
    ),
    client_sees: &[],
    client_note: None,
};

/// Too new.
pub static NOT_YET_VALID: Row = Row {
    code: "tls.not_yet_valid",
    stage: Stage::Tls,
    severity: Severity::Critical,
    port_state: None,
    cause: "The certificates of {endpoint}, issued by {issuer}, are not valid yet by this \
            machine's clock: {time_why}.",
    remedy: Some(
        "Check this machine's clock (`--clock sntp://HOST`), which is the usual cause, and if it \
         is right, ask the owner of {host} for a certificate that is valid now.",
    ),
    client_sees: &[],
    client_note: None,
};

/// Another's certificate.
pub static NAME_MISMATCH: Row = Row {
    code: "tls.name_mismatch",
    stage: Stage::Tls,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} shows a certificate that is not for {host}: it is for {names}.",
    remedy: Some(
        "Check that {address} is an address of {host}: a captive portal, a block page of a web \
         filter or an old DNS record answers with another host's certificate.",
    ),
    client_sees: &[],
    client_note: None,
};

/// No handshake.
pub static HANDSHAKE_FAILED: Row = Row {
    code: "tls.handshake_failed",
    stage: Stage::Tls,
    severity: Severity::Critical,
    port_state: None,
    cause: "The TLS handshake with {endpoint} failed: {tls_why}.",
    remedy: Some("{tls_remedy}."),
    client_sees: &[WININET_DECODING],
    client_note: None,
};

/// Silence.
pub static TIMEOUT: Row = Row {
    code: "tls.timeout",
    stage: Stage::Tls,
    severity: Severity::Critical,
    port_state: None,
    cause: "{endpoint} accepts TCP connections and does not complete a TLS handshake within \
            {timeout}: a device on the path drops the client's greeting, often for the server name \
            in it, or the server hangs.",
    remedy: Some(
        "Allow HTTPS to {host} by its name on firewalls and web filters on the way, and exempt it \
         from inspection.",
    ),
    client_sees: &[WININET_TIMEOUT],
    client_note: None,
};

/// Valid, and not for long.
pub static EXPIRING: Row = Row {
    code: "tls.expiring",
    stage: Stage::Tls,
    severity: Severity::Info,
    port_state: None,
    cause: "The certificate of {endpoint}, issued by {issuer}, is valid for {days_left} more, until \
            {until}.",
    remedy: Some(
        "See that the owner of {host}, or of the proxy that inspects TLS in its place, renews it \
         in time.",
    ),
    client_sees: &[],
    client_note: Some("nothing yet"),
};

/// 0x80072EE2: the activation service did not answer.
pub(in crate::verdict) const WININET_TIMEOUT: Seen =
    Seen { code: 0x8007_2EE2, place: "slmgr /ato", source: ESU_ARTICLE };

/// 0x80072EE7: the name of the activation service was not resolved.
pub(in crate::verdict) const WININET_NOT_RESOLVED: Seen =
    Seen { code: 0x8007_2EE7, place: "slmgr /ato", source: ESU_ARTICLE };

/// 0x80072F8F: no TLS version in common.
pub(in crate::verdict) const WININET_DECODING: Seen =
    Seen { code: 0x8007_2F8F, place: "slmgr /ato", source: ESU_ARTICLE };

const ESU_ARTICLE: &str = "Microsoft, Troubleshoot issues in Extended Security Updates (KB4547184)";

/// All rows of the stage.
pub static ROWS: &[&Row] = &[
    &OK,
    &UNTRUSTED,
    &EXPIRED,
    &NOT_YET_VALID,
    &NAME_MISMATCH,
    &HANDSHAKE_FAILED,
    &TIMEOUT,
    &EXPIRING,
];
