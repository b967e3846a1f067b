//! Where traces go.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use super::spans::Trace;
use crate::report::escape;

/// The URL of a collector's OTLP receiver for traces.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointError(&'static str);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: Option<PartialSuccess>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    /// A 64-bit integer, as text.
    rejected_spans: serde_json::Value,
    error_message: String,
}

impl Endpoint {
    /// Sends a trace, once.
    ///
    /// # Errors
    /// What became of it: no answer in time, a status that is no success, spans that were refused.
    pub fn send(&self, trace: &Trace) -> anyhow::Result<()> {
        self.send_body(&serde_json::to_vec(trace)?)
    }

    pub(super) fn send_body(&self, body: &[u8]) -> anyhow::Result<()> {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .timeout_global(Some(PATIENCE))
                .http_status_as_error(false)
                .max_redirects(0)
                .build(),
        );
        let asked = agent.post(&self.0).header("Content-Type", "application/json").send(body);
        let mut answer = asked.with_context(|| format!("cannot send the trace to {self}"))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.unwrap_or_default();
        if !status.is_success() {
            let start = text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)).unwrap_or_default();
            bail!("{self} refused the trace: HTTP status {status}: {}", escape(start.trim()));
        }
        let answer: Answer = serde_json::from_str(&text).unwrap_or_default();
        let refused = answer.partial_success.unwrap_or_default();
        let count = match &refused.rejected_spans {
            serde_json::Value::String(text) => text.parse().unwrap_or(0),
            other => other.as_u64().unwrap_or(0),
        };
        ensure!(
            count == 0,
            "{self} refused {count} spans of the trace: {}",
            escape(&refused.error_message)
        );
        Ok(())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(EndpointError("a URL is wanted, such as `http://127.0.0.1:4318`"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.is_empty() || !is_plain(rest) || rest.contains(['?', '#']) {
            return Err(EndpointError("host, port and path in plain ASCII are wanted"));
        }
        if authority.contains('@') {
            return Err(EndpointError("a user in a URL is not supported"));
        }
        // As the SDKs do with a base URL (OTLP exporter configuration, OTEL_EXPORTER_OTLP_ENDPOINT).
        let text = text.trim_end_matches('/');
        Ok(Self(if path.is_empty() { format!("{text}/v1/traces") } else { text.to_owned() }))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for EndpointError {}

const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_BYTES_MAX: u64 = 64 << 10;
const SHOWN_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_base_url_gets_the_path_of_traces_and_a_whole_one_stays() {
        for (text, shown) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.corp.test/", "https://otel.corp.test/v1/traces"),
            ("http://[::1]:4318/a/v1/traces", "http://[::1]:4318/a/v1/traces"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        for text in
            ["", "127.0.0.1:4318", "grpc://a", "http://", "http:///x", "http://a b", "http://u:p@a"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
