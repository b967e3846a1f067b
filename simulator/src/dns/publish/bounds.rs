//! Zones that a lab may change without being asked twice.

use hickory_proto::rr::Name;

/// Whether `zone` lies below a name that can never be somebody's public domain.
#[must_use]
pub fn is_lab_zone(zone: &Name) -> bool {
    let text = zone.to_ascii().to_ascii_lowercase();
    let name = text.trim_end_matches('.');
    LAB_SUFFIXES.iter().any(|suffix| {
        name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Names reserved for tests, documentation and private networks: RFC 2606, RFC 6761, RFC 8375, and
/// `internal` by resolution of ICANN's board (2024).
pub const LAB_SUFFIXES: [&str; 6] =
    ["test", "example", "invalid", "localhost", "home.arpa", "internal"];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_reserved_names_and_what_lies_below_them_are_lab_zones() {
        for lab in ["test", "lab.test.", "Corp.EXAMPLE", "a.b.home.arpa", "x.internal"] {
            assert!(is_lab_zone(&Name::from_ascii(lab).unwrap()), "{lab}");
        }
        for real in ["example.com", "contest", "arpa", "test.corp.com", "myinternal", "."] {
            assert!(!is_lab_zone(&Name::from_ascii(real).unwrap()), "{real}");
        }
    }
}
