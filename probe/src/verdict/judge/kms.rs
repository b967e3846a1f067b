//! What a KMS exchange means.

use std::time::Duration;

use kms_protocol::kms::Hresult;
use kms_protocol::kms::hresult::{HresultInfo, SeenBy};

use super::Endpoint;
use super::words::{broken_values, duration, fault};
use crate::stage::channel::BrokenHow;
use crate::stage::kms::{FailedCheck, KmsFacts};
use crate::verdict::table::{self, kms as rows};
use crate::verdict::{Row, Seen, Severity, Verdict};

type Values = Vec<(&'static str, String)>;

/// Judges an exchange with `endpoint`. `expect_lab`: the host must share the lab key.
#[must_use]
pub fn kms(endpoint: &Endpoint, facts: &KmsFacts, expect_lab: bool) -> Verdict {
    let mut values = endpoint.values();
    values.push(("timeout", duration(Duration::from_millis(facts.timeout_ms))));
    values.push(("product", facts.product.to_owned()));
    values.push(("threshold", facts.threshold.to_string()));
    let row = row(facts, &mut values);
    let mut verdict = Verdict::of(row, &values);
    if row.code == rows::FOREIGN_KEY.code && expect_lab {
        verdict.severity = Severity::Critical;
    }
    if row.code == rows::HRESULT.code {
        refine_by_hresult(&mut verdict, facts);
    }
    verdict
}

fn row(facts: &KmsFacts, values: &mut Values) -> &'static Row {
    if let Some(broken) = &facts.broken {
        values.extend(broken_values(broken));
        return match broken.how {
            BrokenHow::TimedOut => &rows::TIMEOUT,
            BrokenHow::Closed => &rows::CLOSED,
            BrokenHow::Reset => &rows::RESET,
            BrokenHow::NotRpc | BrokenHow::CallIdMismatch | BrokenHow::Malformed => {
                &rows::MALFORMED
            }
        };
    }
    if let Some(answered) = &facts.fault {
        values.push(("fault", fault(answered)));
        return &rows::FAULT;
    }
    if let Some(detail) = &facts.malformed {
        values.push(("detail", detail.clone()));
        return &rows::MALFORMED;
    }
    match hresult_of(facts) {
        Some(hresult) if hresult == Hresult::INVALID_DATA => {
            values.push(("payload", format!("the host refused it as invalid data ({hresult})")));
            &rows::FOREIGN_KEY
        }
        Some(hresult) if hresult != Hresult::OK => {
            values.push(("hresult", hresult_words(hresult)));
            values.push(("hresult_meaning", hresult_meaning(hresult)));
            &rows::HRESULT
        }
        _ => row_of_answer(facts, values),
    }
}

fn row_of_answer(facts: &KmsFacts, values: &mut Values) -> &'static Row {
    if let Some(failed) = &facts.failed_check {
        values.push(("detail", failed.detail.clone()));
        values.push(("payload", "its answer does not verify under this key".to_owned()));
        values.push(("mac", failed.check.replace('_', " ")));
        values.push(("echo", echo_words(failed).to_owned()));
        return row_of_failed_check(failed.check);
    }
    match &facts.answer {
        Some(answer) => {
            values.push(("count", answer.count.to_string()));
            if answer.count < facts.threshold { &rows::COUNT_LOW } else { &rows::OK }
        }
        None => &rows::TIMEOUT,
    }
}

fn row_of_failed_check(check: &str) -> &'static Row {
    match check {
        // Decryption gave noise: another key.
        "padding" | "inner_version" => &rows::FOREIGN_KEY,
        "mac" | "hmac" | "hash" | "nonce_xor" => &rows::MAC_MISMATCH,
        "cmid_echo" | "time_echo" => &rows::ECHO_MISMATCH,
        _ => &rows::MALFORMED,
    }
}

fn echo_words(failed: &FailedCheck) -> &'static str {
    match failed.check {
        "cmid_echo" => "the client machine id of the request",
        _ => "the client time of the request",
    }
}

fn hresult_of(facts: &KmsFacts) -> Option<Hresult> {
    let digits = facts.hresult.as_deref()?.strip_prefix("0x")?;
    u32::from_str_radix(digits, 16).ok().map(Hresult)
}

fn hresult_words(hresult: Hresult) -> String {
    match hresult.name() {
        Some(name) => format!("HRESULT {hresult} ({name})"),
        None => format!("HRESULT {hresult}"),
    }
}

fn hresult_meaning(hresult: Hresult) -> String {
    match hresult.info() {
        Some(info) => info.meaning.to_owned(),
        None => "a code that is not documented for activation".to_owned(),
    }
}

/// A documented HRESULT brings its own cause and remedy, and is what the client sees.
fn refine_by_hresult(verdict: &mut Verdict, facts: &KmsFacts) {
    let Some(info) = hresult_of(facts).and_then(Hresult::info) else { return };
    verdict.cause = format!("{} {}", verdict.cause, info.cause);
    verdict.remedy = Some(info.remedy.to_owned());
    verdict.client_sees = seen(info);
}

fn seen(info: &'static HresultInfo) -> Vec<Seen> {
    let itself = |place| Seen { code: info.code.0, place, source: info.source };
    if info.code == Hresult::INVALID_TIMESTAMP {
        // Documented: the client's own command shows that no host was usable.
        vec![table::NO_HOST, itself("event 12288")]
    } else if info.seen_by.contains(&SeenBy::Client) {
        vec![itself("slmgr /ato")]
    } else {
        Vec::new()
    }
}
