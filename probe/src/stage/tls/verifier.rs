//! Judging a chain as this machine would, and remembering it: the handshake goes on whatever comes
//! of it, so that a certificate can be shown that nobody should trust.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use serde::Serialize;

use super::certificate::validity;
use crate::dns::name::escape_text;

/// Which roots are trusted.
#[derive(Clone)]
pub struct Trust {
    inner: Arc<dyn ServerCertVerifier>,
    /// Where they come from: `platform` or `webpki-roots`.
    pub source: &'static str,
    /// How many were added to those.
    pub extra_roots: usize,
}

/// Something wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What.
    #[serde(rename = "problem")]
    pub kind: ProblemKind,
    /// In the words of the library that checked it.
    pub detail: String,
}

/// What can be wrong with a chain, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// It leads to no trusted root, or its signatures or purposes are wrong.
    Untrusted,
    /// It is for another name.
    NameMismatch,
    /// One of its certificates has expired.
    Expired,
    /// One of its certificates is not valid yet.
    NotYetValid,
}

impl Trust {
    /// The platform's roots, or those of webpki-roots where it has none, and `extra` ones.
    ///
    /// # Errors
    /// [`Error`] when one of `extra` is no certificate that can be a root.
    pub fn new(extra: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // On its own: with extra roots, an empty platform would go unnoticed.
        let (inner, source): (Arc<dyn ServerCertVerifier>, _) =
            match rustls_platform_verifier::Verifier::new(Arc::clone(&provider)) {
                Ok(platform) if extra.is_empty() => (Arc::new(platform), PLATFORM),
                Ok(_) => {
                    let roots = extra.iter().cloned();
                    let platform =
                        rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider)?;
                    (Arc::new(platform), PLATFORM)
                }
                Err(_) => {
                    let mut roots = RootCertStore::empty();
                    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                    for root in extra {
                        roots.add(root.clone())?;
                    }
                    let builder =
                        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
                    let inner =
                        builder.build().map_err(|error| Error::General(error.to_string()))?;
                    (inner, WEBPKI_ROOTS)
                }
            };
        Ok(Self { inner, source, extra_roots: extra.len() })
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} more", self.source, self.extra_roots)
    }
}

/// The verifier of one handshake.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Seen>,
}

type Seen = (Vec<Vec<u8>>, Vec<Problem>);

impl Recorder {
    pub(super) fn new(trust: &Trust) -> Self {
        Self { inner: Arc::clone(&trust.inner), seen: Mutex::default() }
    }

    /// The certificates shown and what is wrong with them.
    pub(super) fn take(&self) -> Seen {
        self.seen.lock().map(|mut seen| std::mem::take(&mut *seen)).unwrap_or_default()
    }

    /// Everything that is wrong, not only what a verifier meets first: each check is made as if the
    /// others had passed.
    fn problems(&self, chain: &Chain<'_>, now: UnixTime) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = chain.name_is_right() {
            problems.push(Problem::new(ProblemKind::NameMismatch, &error));
        }
        let verdict = self.verify(chain, now);
        let kind = verdict.as_ref().err().map(kind_of);
        if let (Err(error), Some(kind)) = (&verdict, kind)
            && kind != ProblemKind::NameMismatch
        {
            problems.push(Problem::new(kind, error));
        }
        let is_about_time = matches!(kind, Some(ProblemKind::Expired | ProblemKind::NotYetValid));
        if is_about_time && let Err(error) = self.verify(chain, chain.a_moment_of_validity(now)) {
            // Time hid it: at a moment when the certificate was valid, is it trusted?
            let kind = kind_of(&error);
            if kind == ProblemKind::Untrusted {
                problems.push(Problem::new(kind, &error));
            }
        }
        problems.sort_by_key(|problem| problem.kind);
        problems
    }

    fn verify(&self, chain: &Chain<'_>, now: UnixTime) -> Result<ServerCertVerified, Error> {
        let Chain { end_entity, intermediates, name, ocsp } = chain;
        self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }
}

/// What a server shows.
struct Chain<'a> {
    end_entity: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    ocsp: &'a [u8],
}

impl Chain<'_> {
    fn name_is_right(&self) -> Result<(), Error> {
        // What cannot be read is reported by the check of the chain.
        match ParsedCertificate::try_from(self.end_entity) {
            Ok(parsed) => verify_server_name(&parsed, self.name),
            Err(_) => Ok(()),
        }
    }

    fn a_moment_of_validity(&self, otherwise: UnixTime) -> UnixTime {
        let middle = validity(self.end_entity).map(|(begin, end)| begin.midpoint(end));
        let seconds = middle.and_then(|middle| u64::try_from(middle).ok());
        seconds
            .map_or(otherwise, |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl Problem {
    fn new(kind: ProblemKind, error: &Error) -> Self {
        Self { kind, detail: escape_text(&error.to_string(), DETAIL_CHARS_MAX) }
    }
}

fn kind_of(error: &Error) -> ProblemKind {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => ProblemKind::Expired,
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => ProblemKind::NotYetValid,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ProblemKind::NameMismatch,
        _ => ProblemKind::Untrusted,
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = Chain { end_entity, intermediates, name, ocsp };
        let problems = self.problems(&chain, now);
        let all = std::iter::once(end_entity).chain(intermediates);
        if let Ok(mut seen) = self.seen.lock() {
            *seen = (all.map(|certificate| certificate.to_vec()).collect(), problems);
        }
        // Only to see the rest of the handshake: nothing is ever sent over this connection.
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The time that certificates are judged by.
#[derive(Debug)]
pub(super) struct FixedTime(UnixTime);

impl FixedTime {
    pub(super) fn of(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(UnixTime::since_unix_epoch(since))
    }
}

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

const PLATFORM: &str = "platform";
const WEBPKI_ROOTS: &str = "webpki-roots";

const DETAIL_CHARS_MAX: usize = 256;
