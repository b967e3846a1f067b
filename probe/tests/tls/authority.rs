//! Certificates made for one test: an authority, and what it issues.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair,
};
use rustls::pki_types::CertificateDer;

/// Whoever signs: a root, or an intermediate under one.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    above: Vec<String>,
}

/// A certificate with what belongs to it, all in PEM.
pub(crate) struct Issued {
    pub(crate) key: String,
    /// The server's own first.
    pub(crate) chain: Vec<String>,
}

/// What a certificate is to say. Days count from now.
pub(crate) struct Wanted {
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) names: Vec<String>,
}

impl Wanted {
    pub(crate) fn good() -> Self {
        let names = ["activation.test", "127.0.0.1"].map(str::to_owned).to_vec();
        Self { from: -90, until: 90, names }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::new(self.names.clone()).unwrap();
        params.distinguished_name = named("KMS lab endpoint");
        params.not_before = days_from_now(self.from).into();
        params.not_after = days_from_now(self.until).into();
        params
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key), above: Vec::new() }
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let above = vec![certificate.pem()];
        Self { certificate, issuer: Issuer::new(params, key), above }
    }

    pub(crate) fn issue(&self, wanted: &Wanted) -> Issued {
        let key = KeyPair::generate().unwrap();
        let own = wanted.params().signed_by(&key, &self.issuer).unwrap();
        let chain = [vec![own.pem()], self.above.clone()].concat();
        Issued { key: key.serialize_pem(), chain }
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// A certificate that nobody else signed.
pub(crate) fn self_signed() -> Issued {
    let key = KeyPair::generate().unwrap();
    let own = Wanted::good().params().self_signed(&key).unwrap();
    Issued { key: key.serialize_pem(), chain: vec![own.pem()] }
}

pub(crate) fn days_from_now(days: i64) -> SystemTime {
    let distance = Duration::from_secs(days.unsigned_abs() * 86_400);
    let now = SystemTime::now();
    // An hour more, so that whole days are left while the test runs.
    let now = now + Duration::from_secs(3600);
    if days < 0 { now - distance } else { now + distance }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
