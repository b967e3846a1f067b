//! The verdict table: one row per `stage.code`, one file per stage.
//!
//! `client_sees` holds only codes whose cause Microsoft documents, with the page; 0xC004F074 alone
//! may be derived, because every way of reaching no host ends in it.

pub mod bind;
pub mod clock;
pub mod dns;
pub mod kms;
pub mod rpc;
pub mod tcp;
pub mod tls;

use super::{Row, Seen};

/// Every row, in the order of the stages.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [dns::ROWS, tcp::ROWS, bind::ROWS, rpc::ROWS, kms::ROWS, clock::ROWS, tls::ROWS]
        .into_iter()
        .flatten()
        .copied()
}

/// The row with this code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Row> {
    rows().find(|row| row.code.eq_ignore_ascii_case(code))
}

/// 0xC004F074, derived.
pub(super) const NO_HOST_DERIVED: Seen = Seen {
    code: 0xC004_F074,
    place: "slmgr /ato",
    source: "derived: no KMS host could be contacted",
};

/// 0xC004F074, for a cause that Microsoft names: service stopped, 1688 blocked, stale record.
pub(super) const NO_HOST: Seen = Seen {
    code: 0xC004_F074,
    place: "slmgr /ato",
    source: "Microsoft, Error 0xC004F074 when you try to activate Windows",
};

/// 0x800706BA, for a firewall on the path or a stale record.
pub(super) const RPC_UNAVAILABLE: Seen = Seen {
    code: 0x8007_06BA,
    place: "event 12288",
    source: "Microsoft, Troubleshoot Windows activation error codes: 0x800706BA",
};

/// 0xC004F039, for a host that does not answer the request.
pub(super) const NOT_ENABLED: Seen = Seen {
    code: 0xC004_F039,
    place: "slmgr /ato",
    source: "Microsoft, Troubleshoot Windows activation error codes: 0xC004F039",
};

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    /// The codes that the checker promises, by stage.
    const PROMISED: &str = "
        dns: ok no_resolver nxdomain nodata servfail refused timeout unreachable truncated_no_tcp
             malformed no_service target_unresolved cname_target port_zero split_view local_override
        tcp: ok refused timeout reset port_unreachable host_unreachable net_unreachable prohibited
             loop no_route source_unavailable accepts_all
        bind: ok closed reset timeout not_rpc malformed nak not_kms no_syntax call_id_mismatch
        rpc: ok executed fault closed reset timeout malformed
        kms: ok foreign_key hresult mac_mismatch echo_mismatch count_low fault closed reset timeout
             malformed
        clock: ok skewed drifting unknown
        tls: ok untrusted expired not_yet_valid name_mismatch handshake_failed timeout expiring";

    #[test]
    fn the_table_has_exactly_the_promised_codes_each_once() {
        let mut stage = "";
        let mut promised = Vec::new();
        for word in PROMISED.split_whitespace() {
            match word.strip_suffix(':') {
                Some(name) => stage = name,
                None => promised.push(format!("{stage}.{word}")),
            }
        }
        let mut held: Vec<_> = rows().map(|row| row.code.to_owned()).collect();
        promised.sort();
        held.sort();
        assert_eq!(held, promised);
    }

    #[test]
    fn every_row_lies_under_its_stage_and_is_found_by_its_code() {
        for row in rows() {
            assert_eq!(row.code.split('.').next(), Some(row.stage.name()));
            assert!(find(row.code).is_some_and(|found| std::ptr::eq(found, row)));
        }
    }

    #[test]
    fn only_a_healthy_row_may_lack_a_remedy() {
        for row in rows() {
            assert_eq!(row.remedy.is_none(), row.severity == Severity::Ok, "{}", row.code);
        }
    }

    #[test]
    fn sentences_are_single_and_end_with_a_full_stop() {
        for row in rows() {
            for text in [Some(row.cause), row.remedy].into_iter().flatten() {
                assert!(text.ends_with('.'), "{}: {text}", row.code);
                assert!(!text.trim_end_matches('.').contains(". "), "{}: {text}", row.code);
            }
        }
    }

    #[test]
    fn only_0xc004f074_is_derived() {
        for row in rows() {
            for seen in row.client_sees {
                let derived = seen.source.starts_with("derived");
                assert!(!derived || seen.code == 0xC004_F074, "{} {seen}", row.code);
                assert!(derived || seen.source.starts_with("Microsoft, "), "{} {seen}", row.code);
            }
        }
    }
}
