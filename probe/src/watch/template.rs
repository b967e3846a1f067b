//! The body of a webhook in somebody else's shape: JSON with `{{key}}`, where `key` is a path into the
//! alert, as `{{finding.verdict}}`.
//!
//! A value is put in so that the body stays JSON: text without its quotes, escaped as JSON escapes,
//! and everything else as JSON writes it.

use serde_json::Value;

/// A template that has been tried on an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Key(Vec<String>),
}

impl Template {
    /// Understands `text`, and tries it.
    ///
    /// # Errors
    /// An open or empty `{{…}}`, a key that no alert has, or a result that is not JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("a template has at most {BYTES_MAX} bytes"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((key, after)) = after.split_once("}}") else {
                return Err("`{{` without `}}`".to_owned());
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Key(key.trim().split('.').map(str::to_owned).collect()));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let template = Self(pieces);
        template.try_on(&sample())?;
        Ok(template)
    }

    /// The body for an alert. A key that this alert does not have is `null`.
    #[must_use]
    pub fn fill(&self, alert: &Value) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Key(key) => text.push_str(&shown(value(alert, key).unwrap_or(&Value::Null))),
            }
        }
        text
    }

    fn try_on(&self, alert: &Value) -> Result<(), String> {
        for piece in &self.0 {
            if let Piece::Key(key) = piece
                && value(alert, key).is_none()
            {
                let keys: Vec<&str> =
                    alert.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
                let (key, keys) = (key.join("."), keys.join("`, `"));
                return Err(format!(
                    "an alert has no `{key}`; it has `{keys}` and what is below them"
                ));
            }
        }
        let filled = self.fill(alert);
        serde_json::from_str::<Value>(&filled)
            .map(|_| ())
            .map_err(|error| format!("the result is not JSON: {error}"))
    }
}

fn value<'a>(alert: &'a Value, key: &[String]) -> Option<&'a Value> {
    key.iter().try_fold(alert, |value, key| value.get(key))
}

fn shown(value: &Value) -> String {
    let json = value.to_string();
    match value {
        Value::String(_) => json.get(1..json.len() - 1).unwrap_or_default().to_owned(),
        _ => json,
    }
}

/// An alert with every key.
fn sample() -> Value {
    serde_json::json!({
        "schema_version": 1,
        "tool": { "name": "kms-probe", "version": "1" },
        "id": "0-1",
        "at": "2026-01-01T00:00:00Z",
        "occasion": "down",
        "summary": "kms1 is down",
        "name": "kms1",
        "target": "kms1.example.com:1688",
        "source": "192.0.2.1",
        "state": { "level": "down", "verdict": "tcp.timeout", "since": "2026-01-01T00:00:00Z" },
        "before": { "level": "up", "verdict": "rpc.ok", "since": "2026-01-01T00:00:00Z" },
        "finding": {
            "at": "2026-01-01T00:00:00Z",
            "verdict": "tcp.timeout",
            "severity": "critical",
            "level": "down",
            "cause": "nothing came back",
            "remedy": "ask the owner of the firewall",
            "client_sees": ["0xC004F074"],
            "elapsed_us": 4_000_000,
            "entries": [],
        },
        "flapping": { "since": null, "held": 0 },
        "elsewhere": [],
        "recovery": [],
    })
}

const BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn values_are_put_in_so_that_the_body_stays_json() {
        let template =
            Template::parse(r#"{"text":"{{name}}: {{ finding.cause }}","n":{{flapping.held}}}"#)
                .unwrap();
        let mut alert = sample();
        alert["finding"]["cause"] = "a \"quoted\"\nline \\ \u{1b}".into();
        let body = template.fill(&alert);
        let back: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(back["text"], "kms1: a \"quoted\"\nline \\ \u{1b}");
        assert_eq!(back["n"], 0);
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_happens() {
        for (text, word) in [
            (r#"{"a":"{{name"}"#, "without"),
            (r#"{"a":"{{nam}}"}"#, "no `nam`"),
            (r#"{"a":"{{finding.nothing}}"}"#, "no `finding.nothing`"),
            (r#"{"a":{{name}}}"#, "not JSON"),
            ("hello", "not JSON"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(Template::parse(&format!("\"{}\"", "x".repeat(BYTES_MAX))).is_err());
    }

    #[test]
    fn the_sample_has_the_keys_of_an_alert() {
        let alert: crate::watch::alert::Alert = serde_json::from_value(sample()).unwrap();
        assert_eq!(serde_json::to_value(alert).unwrap(), sample());
    }
}
