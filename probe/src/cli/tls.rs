//! `check --tls`: endpoints for online activation.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::values;
use crate::check::TlsOptions;
use crate::stage::tls::Trust;
use crate::target::{Asked, Target};

/// Which endpoints, and whom to trust.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options for online activation")]
pub(super) struct TlsArgs {
    /// Endpoint whose TLS handshake and certificate to check (port 443 unless it names another);
    /// may be repeated, and is an entry of its own
    #[arg(long = "tls", value_name = "HOST[:PORT]", value_parser = endpoint)]
    endpoints: Vec<Asked>,
    /// Endpoints by a name: `activation` is what Microsoft publishes for activating host keys and
    /// MAKs
    #[arg(long = "tls-preset", value_name = "NAME", value_enum)]
    preset: Option<Preset>,
    /// File of root certificates (PEM) to trust beside the platform's, as that of a proxy which
    /// inspects TLS; may be repeated
    #[arg(long = "tls-ca", value_name = "FILE")]
    roots: Vec<PathBuf>,
    /// Time for the TLS handshake
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) tls_timeout: Option<Duration>,
}

/// Endpoints with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    Activation,
}

impl TlsArgs {
    /// What the flags ask for.
    ///
    /// # Errors
    /// A file of roots that cannot be used, or roots that nothing would be checked against.
    pub(super) fn options(&self) -> anyhow::Result<TlsOptions> {
        let mut endpoints: Vec<Asked> = Vec::new();
        let preset = match self.preset {
            Some(Preset::Activation) => ACTIVATION,
            None => &[],
        };
        let preset = preset.iter().map(|host| endpoint(host).map_err(anyhow::Error::msg));
        for asked in self.endpoints.iter().cloned().map(Ok).chain(preset) {
            let asked = asked?;
            if !endpoints.iter().any(|known| known.target == asked.target) {
                endpoints.push(asked);
            }
        }
        if endpoints.is_empty() && !self.roots.is_empty() {
            bail!("--tls-ca is for --tls and --tls-preset, and neither was given");
        }
        let mut extra_roots = Vec::new();
        for file in &self.roots {
            let shown = crate::report::escape(&file.display().to_string()).into_owned();
            extra_roots.extend(read_roots(file).with_context(|| format!("--tls-ca `{shown}`"))?);
        }
        Ok(TlsOptions { endpoints, extra_roots })
    }
}

fn endpoint(text: &str) -> Result<Asked, String> {
    let target = Target::host(text, HTTPS_PORT).map_err(|error| error.to_string())?;
    Ok(Asked { text: text.to_owned(), target })
}

fn read_roots(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file)?;
    opened.take(ROOTS_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ROOTS_BYTES_MAX {
        bail!("more than {ROOTS_BYTES_MAX} bytes");
    }
    let roots: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow::anyhow!("not in PEM form: {error}"))?;
    if roots.is_empty() {
        bail!("holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)");
    }
    Trust::new(&roots).context("holds a certificate that cannot be a root")?;
    Ok(roots)
}

/// Hosts that Microsoft names for activation over the Internet, in "Error code 0x8004FE33 when you
/// activate Windows". The list of revoked certificates, crl.microsoft.com, is fetched without TLS.
const ACTIVATION: &[&str] = &[
    "go.microsoft.com",
    "login.live.com",
    "activation.sls.microsoft.com",
    "activation-v2.sls.microsoft.com",
    "validation.sls.microsoft.com",
    "validation-v2.sls.microsoft.com",
    "displaycatalog.mp.microsoft.com",
    "displaycatalog.md.mp.microsoft.com",
    "licensing.mp.microsoft.com",
    "licensing.md.mp.microsoft.com",
    "purchase.mp.microsoft.com",
    "purchase.md.mp.microsoft.com",
];

const HTTPS_PORT: u16 = 443;

/// A whole platform's roots are a quarter of this.
const ROOTS_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn args(endpoints: &[&str], preset: Option<Preset>, roots: Vec<PathBuf>) -> TlsArgs {
        let endpoints = endpoints.iter().map(|text| endpoint(text).unwrap()).collect();
        TlsArgs { endpoints, preset, roots, tls_timeout: None }
    }

    #[test]
    fn the_preset_names_hosts_on_443_and_says_nothing_twice() {
        let named = args(&["login.live.com", "192.0.2.1:8443"], Some(Preset::Activation), vec![]);
        let endpoints = named.options().unwrap().endpoints;
        assert_eq!(endpoints.len(), ACTIVATION.len() + 1);
        assert!(endpoints.iter().any(|asked| matches!(asked.target, Target::Host(_, 443))));
        let address = Target::Address("192.0.2.1:8443".parse().unwrap());
        assert!(endpoints.iter().any(|asked| asked.target == address));
    }

    #[test]
    fn a_file_of_roots_that_cannot_be_used_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let no_root = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let too_long = vec![b'#'; usize::try_from(ROOTS_BYTES_MAX).unwrap() + 1];
        for (path, why) in [
            (folder.path().join("absent"), "No such file"),
            (file("empty", b""), "holds no certificate"),
            (file("other", no_root), "cannot be a root"),
            (file("long", &too_long), "more than 1048576 bytes"),
        ] {
            let error = args(&["localhost"], None, vec![path]).options().unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        assert!(args(&[], None, vec![file("roots", b"")]).options().is_err(), "for nothing");
    }
}
