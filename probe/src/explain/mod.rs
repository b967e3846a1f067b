//! `kms-probe explain`: what a code, symbol or verdict means, in whatever form it was met.

mod decode;
mod events;
mod query;

pub use decode::{Decoded, decode};
pub use query::{Query, QueryError, parse};

use kms_protocol::kms::Hresult;
use kms_protocol::kms::hresult::{self, HresultInfo};
use kms_protocol::rpc::status::{STATUSES, StatusInfo};
use kms_protocol::rpc::{BindNakReason, ContextReason, ContextResult, Status};
use serde::Serialize;

use self::events::EVENTS;
use crate::trace;
use crate::verdict::{Row, table};

/// What is known about a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The query as it was typed.
    pub query: String,
    /// The number it stands for, in hexadecimal.
    pub number: Option<String>,
    /// Everything it can mean; empty when it is in no table.
    pub matches: Vec<Match>,
    /// The parts of a number that is in no table.
    pub decoded: Option<Decoded>,
}

/// One meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The table: `HRESULT`, `RPC status`, `verdict`, `event`, `bind_nak reason`, `context result`
    /// or `context reason`.
    pub kind: &'static str,
    /// The code in the form in which its table has it.
    pub code: String,
    /// Its symbol or name.
    pub name: Option<String>,
    /// What it says.
    pub meaning: String,
    /// Why it comes up.
    pub cause: Option<String>,
    /// What to do.
    pub remedy: Option<String>,
    /// Who meets it.
    pub seen_by: Vec<String>,
    /// What a Windows client shows, for verdicts.
    pub client_sees: Vec<ClientSees>,
    /// Who documents it.
    pub source: Option<String>,
}

/// What a Windows client shows, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientSees {
    /// The HRESULT.
    pub code: String,
    /// Where it is seen.
    pub place: &'static str,
    /// Who documents it, or how it was derived.
    pub source: &'static str,
}

/// Explains a query.
#[must_use]
pub fn explain(text: &str, query: &Query) -> Explanation {
    let (number, matches) = match query {
        Query::Number(number) => (Some(*number), by_number(*number)),
        Query::Name(name) => (None, by_name(name)),
    };
    let decoded = number.filter(|_| matches.is_empty()).map(decode);
    let number = number.map(|number| format!("0x{number:08X}"));
    Explanation { query: text.to_owned(), number, matches, decoded }
}

fn by_number(number: u32) -> Vec<Match> {
    let mut matches = Vec::new();
    matches.extend(Hresult(number).info().map(of_hresult));
    // A small number is a Win32 error, whose HRESULT form is the one that Windows documents.
    if let Ok(win32) = u16::try_from(number) {
        let as_hresult = Hresult(0x8007_0000 | u32::from(win32));
        matches.extend(as_hresult.info().map(of_hresult));
    }
    matches.extend(Status(number).info().map(of_status));
    matches.extend(EVENTS.iter().filter(|event| event.id == number).map(|event| event.explain()));
    matches
}

fn by_name(name: &str) -> Vec<Match> {
    let wanted = normal(name);
    let is_wanted = |candidate: &str| normal(candidate) == wanted;
    let mut matches = Vec::new();
    let rows = table::rows().filter(|row| is_wanted(row.code) || is_wanted(row.short_code()));
    matches.extend(rows.map(of_row));
    // Their short codes are those of the connect, which are the better answer.
    let of_trace = trace::table::ROWS.iter().filter(|row| is_wanted(row.code));
    matches.extend(of_trace.map(|row| of_row(row)));
    let hresults = hresult::all().filter(|info| info.symbol.is_some_and(is_wanted));
    matches.extend(hresults.map(of_hresult));
    matches.extend(STATUSES.iter().filter(|info| is_wanted(info.name)).map(of_status));
    matches.extend(by_negotiation_name(is_wanted));
    matches
}

/// Reasons and results of a bind have small numbers that mean little alone: they go by name.
fn by_negotiation_name(is_wanted: impl Fn(&str) -> bool) -> Vec<Match> {
    let known = |name: Option<&'static str>| name.filter(|name| is_wanted(name));
    let mut matches = Vec::new();
    for value in 0..=NEGOTIATION_VALUE_MAX {
        let entries = [
            ("bind_nak reason", known(BindNakReason(value).name()), "[C706] 12.6.3.1"),
            ("context result", known(ContextResult(value).name()), "[C706] 12.6.3.1"),
            ("context reason", known(ContextReason(value).name()), "[C706] 12.6.3.1"),
        ];
        for (kind, name, source) in entries {
            let Some(name) = name else { continue };
            matches.push(Match {
                kind,
                code: value.to_string(),
                name: Some(name.to_owned()),
                meaning: negotiation_meaning(kind).to_owned(),
                source: Some(source.to_owned()),
                ..Match::default()
            });
        }
    }
    matches
}

fn negotiation_meaning(kind: &str) -> &'static str {
    match kind {
        "bind_nak reason" => "why a server refused a whole RPC bind; it closes after saying so",
        "context result" => "what became of one interface and encoding offered in an RPC bind",
        _ => "why one interface and encoding offered in an RPC bind was refused",
    }
}

fn of_hresult(info: &'static HresultInfo) -> Match {
    Match {
        kind: "HRESULT",
        code: info.code.to_string(),
        name: info.symbol.map(ToOwned::to_owned),
        meaning: info.meaning.to_owned(),
        cause: Some(info.cause.to_owned()),
        remedy: Some(info.remedy.to_owned()),
        seen_by: info.seen_by.iter().map(ToString::to_string).collect(),
        client_sees: Vec::new(),
        source: Some(info.source.to_owned()),
    }
}

fn of_status(info: &'static StatusInfo) -> Match {
    let status = info.status.0;
    let (code, source) = match status {
        0..0x1_0000 => (format!("0x{status:08X} ({status})"), "[MS-ERREF] 2.2"),
        _ => (format!("0x{status:08X}"), "[C706] appendix E"),
    };
    Match {
        kind: "RPC status",
        code,
        name: Some(info.name.to_owned()),
        meaning: info.meaning.to_owned(),
        source: Some(source.to_owned()),
        ..Match::default()
    }
}

fn of_row(row: &'static Row) -> Match {
    let client_sees = row.client_sees.iter().map(|seen| ClientSees {
        code: seen.to_string(),
        place: seen.place,
        source: seen.source,
    });
    Match {
        kind: "verdict",
        code: row.code.to_owned(),
        name: row.port_state.map(|state| state.words().to_owned()),
        meaning: format!("{} of the {} stage", row.severity.name(), row.stage.name()),
        cause: Some(row.general_cause()),
        remedy: row.general_remedy(),
        client_sees: client_sees.collect(),
        ..Match::default()
    }
}

/// Case, spaces, hyphens and underscores make no difference.
fn normal(name: &str) -> String {
    let ignored = |c: &char| !matches!(c, ' ' | '-' | '_');
    name.chars().filter(ignored).map(|c| c.to_ascii_lowercase()).collect()
}

const NEGOTIATION_VALUE_MAX: u16 = 9;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn kinds(text: &str) -> Vec<(&'static str, String)> {
        let explanation = explain(text, &parse(text).unwrap());
        explanation.matches.into_iter().map(|found| (found.kind, found.code)).collect()
    }

    #[test]
    fn every_way_of_writing_a_code_finds_it() {
        for text in [
            "0xC004F074",
            "0xc004f074",
            "C004F074",
            "-1073418124",
            "3221549172",
            "0xFFFFFFFFC004F074",
            "SL_E_VL_BINDING_SERVICE_UNAVAILABLE",
            "sl_e_vl_binding_service_unavailable",
        ] {
            assert_eq!(kinds(text), [("HRESULT", "0xC004F074".to_owned())], "{text}");
        }
    }

    #[test]
    fn a_win32_number_is_explained_as_hresult_and_as_rpc_status() {
        for text in ["1722", "0x6BA", "0x800706BA", "2147944122", "-2147023174"] {
            let found = kinds(text);
            assert!(found.contains(&("HRESULT", "0x800706BA".to_owned())), "{text}: {found:?}");
            assert!(found.iter().any(|(kind, _)| *kind == "RPC status"), "{text}: {found:?}");
        }
    }

    #[test]
    fn every_code_of_every_table_explains_itself() {
        for info in hresult::all() {
            let text = info.code.to_string();
            assert!(kinds(&text).contains(&("HRESULT", text.clone())), "{text}");
        }
        for info in STATUSES {
            let text = format!("0x{:08X}", info.status.0);
            assert!(kinds(&text).iter().any(|(kind, _)| *kind == "RPC status"), "{text}");
            assert!(kinds(info.name).iter().any(|(kind, _)| *kind == "RPC status"));
        }
        for row in table::rows().chain(trace::table::ROWS.iter().copied()) {
            assert_eq!(kinds(row.code), [("verdict", row.code.to_owned())]);
        }
        for event in EVENTS {
            assert!(kinds(&event.id.to_string()).iter().any(|(kind, _)| *kind == "event"));
        }
    }

    #[test]
    fn negotiation_names_are_found_however_they_are_written() {
        for text in ["abstract syntax not supported", "Abstract_Syntax-Not_Supported"] {
            assert_eq!(kinds(text), [("context reason", "1".to_owned())], "{text}");
        }
        assert_eq!(kinds("temporary congestion"), [("bind_nak reason", "1".to_owned())]);
        assert_eq!(kinds("negotiate ack"), [("context result", "3".to_owned())]);
    }

    #[test]
    fn an_unknown_code_is_taken_apart_and_an_unknown_name_is_not() {
        let unknown = explain("0x80070002", &parse("0x80070002").unwrap());
        assert!(unknown.matches.is_empty());
        assert!(unknown.decoded.unwrap().summary.contains("Win32 error 2"));
        let unknown = explain("no_such_thing", &parse("no_such_thing").unwrap());
        assert!(unknown.matches.is_empty() && unknown.decoded.is_none());
    }
}
