//! An alert as an HTTP POST, signed so that the receiver can tell who sent it and when.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::watch::config::{Secret, Webhook};
use crate::watch::moment::Moment;

pub(super) fn send(
    webhook: &Webhook,
    body: &str,
    now: Moment,
    timeout: Duration,
) -> Result<(), String> {
    let alert: serde_json::Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let content = match &webhook.template {
        Some(template) => template.fill(&alert),
        None => body.to_owned(),
    };
    let tried = format!("POST {}", shown(&webhook.url));
    let seconds = now.0.div_euclid(1000);
    let mut request = agent(webhook, timeout)?
        .post(&webhook.url)
        .header("content-type", "application/json")
        .header(HEADER_ID, alert.get("id").and_then(|id| id.as_str()).unwrap_or_default())
        .header(HEADER_TIMESTAMP, seconds.to_string());
    if let Some(secret) = &webhook.secret {
        request = request.header(HEADER_SIGNATURE, signature(secret, seconds, &content)?);
    }
    for (name, value) in &webhook.headers {
        request = request.header(name, value.expose());
    }
    let response = request.send(&content).map_err(|error| format!("{tried}: {error}"))?;
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("{tried}: answered with {status}")),
    }
}

fn agent(webhook: &Webhook, timeout: Duration) -> Result<ureq::Agent, String> {
    let roots = match &webhook.ca {
        None => RootCerts::WebPki,
        Some(pem) => RootCerts::new_with_certs(&certificates(pem)?),
    };
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("kms-probe/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build();
    Ok(config.into())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err("`ca_file` holds no certificate".to_owned()),
        false => Ok(certificates),
    }
}

/// `sha256=` and the HMAC-SHA256, in hexadecimal, of the time, a full stop and the body.
fn signature(secret: &Secret, seconds: i64, body: &str) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .map_err(|error| error.to_string())?;
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    Ok(format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes())))
}

/// Without the query, which often is a secret; many services put one into the path too.
fn shown(url: &str) -> String {
    let uri: Option<axum::http::Uri> = url.parse().ok();
    let parts = uri.and_then(|uri| {
        Some((uri.scheme_str()?.to_owned(), uri.host()?.to_owned(), uri.port_u16()))
    });
    match parts {
        Some((scheme, host, Some(port))) => format!("{scheme}://{host}:{port}/…"),
        Some((scheme, host, None)) => format!("{scheme}://{host}/…"),
        None => "to the webhook".to_owned(),
    }
}

const HEADER_ID: &str = "x-kms-probe-id";
const HEADER_TIMESTAMP: &str = "x-kms-probe-timestamp";
const HEADER_SIGNATURE: &str = "x-kms-probe-signature";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_signature_is_an_hmac_over_time_and_body() {
        // Computed with `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac s3cret`.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cret\n").unwrap();
        let secret = Secret::from_file(&file).unwrap();
        assert_eq!(signature(&secret, 1_700_000_000, r#"{"a":1}"#).unwrap(), EXPECTED);
    }

    const EXPECTED: &str =
        "sha256=1698a50bc74d1ff1db85c4e0a5297c2ad9fdba245d5737cdb789e4cc6e098940";

    #[test]
    fn messages_do_not_show_what_a_url_may_hide() {
        assert_eq!(
            shown("https://hooks.example.com/T0/B0/s3cret?x=y"),
            "https://hooks.example.com/…"
        );
        assert_eq!(shown("http://127.0.0.1:8080/hook"), "http://127.0.0.1:8080/…");
    }
}
