//! The TLS stage: a handshake with an endpoint for online activation, the certificates that it
//! shows, and whether this machine would trust them. The certificates are facts also when they are
//! not trusted: the handshake is then completed, nothing is sent over it, and it is closed.

pub mod certificate;
mod verifier;
mod wire;

pub use verifier::{Problem, ProblemKind, Trust};

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection};
use serde::Serialize;

use self::certificate::CertificateFacts;
use self::verifier::{FixedTime, Recorder};
use self::wire::Wire;
use super::connect::{ErrorKind, SocketError};
use super::deadline::Deadline;
use super::guess::{self, Guess};

/// What a handshake saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// The name asked for.
    pub server_name: String,
    /// Where the trusted roots come from: `platform` or `webpki-roots`.
    pub trust: &'static str,
    /// Roots that were trusted beside them.
    pub extra_roots: usize,
    /// Protocol version agreed on.
    pub protocol: Option<&'static str>,
    /// Cipher suite agreed on.
    pub cipher_suite: Option<String>,
    /// Certificates shown, the server's own first; at most [`CERTIFICATES_MAX`].
    pub chain: Vec<CertificateFacts>,
    /// Certificates shown beyond those.
    pub certificates_not_shown: usize,
    /// What is wrong with them, the worst first.
    pub problems: Vec<Problem>,
    /// Why the handshake did not end well.
    pub failure: Option<Failure>,
    /// How long the stage was allowed to take, in milliseconds.
    pub timeout_ms: u64,
}

/// How a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What happened.
    pub how: FailureHow,
    /// The alert's name, the socket's error, or what is wrong with the answer.
    pub detail: Option<String>,
    /// Bytes that arrived.
    pub received_bytes: u64,
    /// The first of them, in hexadecimal, at most 64 bytes.
    pub first_bytes: String,
    /// What the bytes look like, where they are not TLS.
    pub guess: Option<Guess>,
}

/// What happened instead of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureHow {
    /// The deadline passed.
    TimedOut,
    /// The peer closed.
    Closed,
    /// The connection was reset.
    Reset,
    /// The peer ended it with an alert.
    Alert,
    /// The peer ended it because it offers only versions before TLS 1.2.
    OldVersion,
    /// What arrived is not TLS.
    NotTls,
    /// The answer breaks the rules of TLS, or asks for what is not there.
    Malformed,
}

/// Shakes hands over `stream` as a client of `name`, judging certificates as of `now`. Returns the
/// facts and how long it took.
///
/// # Errors
/// [`rustls::Error`] would be a defect of this program.
pub fn handshake(
    stream: TcpStream,
    name: &ServerName<'static>,
    trust: &Trust,
    now: SystemTime,
    timeout: Duration,
) -> Result<(TlsFacts, Duration), rustls::Error> {
    let deadline = Deadline::after(timeout);
    let recorder = Arc::new(Recorder::new(trust));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(FixedTime::of(now)))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<_>)
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name.clone())?;
    let mut wire = Wire::new(stream, deadline);
    let failure = run(&mut connection, &mut wire).err();
    let (chain, problems) = recorder.take();
    let facts = TlsFacts {
        server_name: name.to_str().into_owned(),
        trust: trust.source,
        extra_roots: trust.extra_roots,
        protocol: connection.protocol_version().map(version_name),
        cipher_suite: connection
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite())),
        certificates_not_shown: chain.len().saturating_sub(CERTIFICATES_MAX),
        chain: chain
            .iter()
            .take(CERTIFICATES_MAX)
            .map(|der| CertificateFacts::of(der, now))
            .collect(),
        problems,
        failure,
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    };
    Ok((facts, deadline.elapsed()))
}

fn run(connection: &mut ClientConnection, wire: &mut Wire) -> Result<(), Failure> {
    loop {
        while connection.wants_write() {
            if let Err(error) = connection.write_tls(wire) {
                return Err(wire.failure_of(&error));
            }
        }
        if !connection.is_handshaking() {
            connection.send_close_notify();
            let _left_already = connection.write_tls(wire);
            return Ok(());
        }
        match connection.read_tls(wire) {
            Ok(0) => return Err(wire.failure(FailureHow::Closed, None)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(wire.failure_of(&error)),
        }
        if let Err(error) = connection.process_new_packets() {
            // Says goodbye with an alert, as TLS wants it.
            let _left_already = connection.write_tls(wire);
            return Err(refused(wire, &error));
        }
    }
}

fn refused(wire: &Wire, error: &rustls::Error) -> Failure {
    match error {
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            wire.failure(FailureHow::OldVersion, Some("protocol_version".to_owned()))
        }
        rustls::Error::AlertReceived(alert) => {
            wire.failure(FailureHow::Alert, Some(alert_name(*alert)))
        }
        rustls::Error::PeerIncompatible(
            rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13
            | rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => wire.failure(FailureHow::OldVersion, Some(error.to_string())),
        _ if !wire.looks_like_tls() => Failure {
            guess: Some(guess::guess(wire.first_bytes())),
            ..wire.failure(FailureHow::NotTls, None)
        },
        _ => wire.failure(FailureHow::Malformed, Some(error.to_string())),
    }
}

/// `HandshakeFailure` as RFC 8446 section 6 writes it: `handshake_failure`.
fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    for character in format!("{alert:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn version_name(version: rustls::ProtocolVersion) -> &'static str {
    match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "another version",
    }
}

impl Wire {
    fn failure(&self, how: FailureHow, detail: Option<String>) -> Failure {
        Failure {
            how,
            detail,
            received_bytes: self.received_bytes(),
            first_bytes: super::channel::hex(self.first_bytes()),
            guess: None,
        }
    }

    fn failure_of(&self, error: &std::io::Error) -> Failure {
        let kind = SocketError::of(error).kind;
        match kind {
            _ if wire::is_timeout(error) => self.failure(FailureHow::TimedOut, None),
            ErrorKind::TimedOut => self.failure(FailureHow::TimedOut, None),
            ErrorKind::ConnectionReset => self.failure(FailureHow::Reset, None),
            kind => self.failure(FailureHow::Reset, Some(kind.words().to_owned())),
        }
    }
}

/// Certificates whose facts are kept; real chains have two to four.
pub const CERTIFICATES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_their_names_of_the_specification() {
        assert_eq!(alert_name(AlertDescription::HandshakeFailure), "handshake_failure");
        assert_eq!(alert_name(AlertDescription::UnrecognisedName), "unrecognised_name");
    }
}
