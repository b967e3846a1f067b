//! Sentences with `{placeholders}`: filled from facts, or with general words where a fact is
//! missing.

/// Fills `template`. A placeholder without a value gets its general words, with a capital where
/// they begin the sentence. Values stay as they are: a host name keeps its case.
pub(super) fn fill(template: &str, values: &[(&'static str, String)]) -> String {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(value),
            None if filled.is_empty() => filled.push_str(&capitalised(name)),
            None => filled.push_str(general_words(name).unwrap_or(name)),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn capitalised(name: &str) -> String {
    let mut letters = general_words(name).unwrap_or(name).chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// What stands in place of a fact where there is none, as in `explain`.
pub(super) fn general_words(name: &str) -> Option<&'static str> {
    GENERAL.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
}

const GENERAL: &[(&str, &str)] = &[
    ("address", "the host's address"),
    ("after", "the last router that answers"),
    ("attempts", "several attempts"),
    ("bind_evidence", "only an answer to the RPC bind does"),
    ("canonical", "<canonical name>"),
    ("check_target", "HOST:PORT"),
    ("closed_port", "N"),
    ("clock", "the host"),
    ("control", "control ports tell whether it is about the port or about the path"),
    ("count", "N"),
    ("days_left", "a few days"),
    ("detail", "the report says how"),
    ("distance", "a control port or a router shows it"),
    ("dns_answer", "another"),
    ("dns_note", ""),
    ("domain", "<domain>"),
    ("echo", "the client machine id or the time of the request"),
    ("endpoint", "the host"),
    ("error", "the report has the system's error"),
    ("fault", "a fault"),
    ("flows", "all"),
    ("guess", "the report shows how its answer begins"),
    ("hop", "N"),
    ("host", "the host"),
    ("host_hint", ""),
    ("hresult", "an HRESULT"),
    ("hresult_meaning", "the report explains it"),
    ("hresult_remedy", "`kms-probe explain CODE` says what to do"),
    ("icmp", "an ICMP error"),
    ("icmp_device", "that device"),
    ("icmp_note", ""),
    ("icmp_sender", "a device on the path"),
    ("last_hint", "where they allow it, look at the host's own firewall and at the way back"),
    ("issuer", "the issuer that the report names"),
    ("mac", "MAC, hash or HMAC"),
    (
        "missing_remedy",
        "publish the SRV record `_vlmcs._tcp.<domain>. IN SRV 0 0 1688 <KMS host>.`, or let the KMS \
         host publish it (`slmgr /sdns`, confirmed there by event 12294)",
    ),
    ("missing_why", "no KMS host is published there, or this is not the DNS server that knows it"),
    ("nak_reason", "its reason is in the report"),
    (
        "nak_remedy",
        "a limit asks for capacity, a protocol error for a capture of the bind, a wish for \
         authentication for a look at the RPC restrictions of the host",
    ),
    ("names", "others"),
    ("near", ""),
    ("offset", "far from"),
    ("os_answer", "one address"),
    ("other_clock", "ntlm or --clock sntp"),
    ("others", "stay silent or are rejected"),
    ("owners", "the routers next to that place"),
    ("payload", "the host refused it as invalid data or its answer does not verify"),
    ("payload_end", "got no answer or a reset"),
    ("payload_note", "which let the handshake pass and stop the RPC bind"),
    ("place", "at or just after the last router that answers"),
    ("port", "1688"),
    ("product", "the product"),
    ("qname", "_vlmcs._tcp.<domain>"),
    ("reached", "some"),
    ("resolver", "the DNS server"),
    ("result_bytes", "bytes of results"),
    ("results", "the results are in the report"),
    ("route_hint", "look at its address, default gateway and VPN"),
    ("routers", "several routers"),
    ("source", "this machine"),
    ("source_hint", "check the source address, and wait for old connections to leave TIME_WAIT"),
    ("syns", "with every SYN unanswered"),
    ("syntax", "one of its encodings"),
    ("target", "<target>"),
    ("threshold", "25 or 5"),
    ("time_why", "the report has the dates"),
    ("timeout", "the time allowed"),
    (
        "tls_remedy",
        "Exempt the host from TLS inspection, and allow it by name on firewalls and web filters",
    ),
    ("tls_why", "the report says how"),
    ("trust_why", "the report says why"),
    ("uncertainty", "half the round trip"),
    ("unreachable_why", "nothing there answers for the address, or a filter answers in this way"),
    ("until", "the date in the report"),
    ("views", "the report shows their answers"),
    ("where", "from its distance"),
    ("who", "nothing listens there, or a filter rejects it in the host's name"),
    ("whose", ""),
    ("why", "the report says why"),
    ("why_unknown", "the report says why"),
    ("wrong_clock", "whichever clock is wrong"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_win_over_general_words_and_keep_their_case() {
        let values = [("endpoint", "kms1:1688".to_owned())];
        assert_eq!(fill("{endpoint} took {timeout}.", &values), "kms1:1688 took the time allowed.");
        assert_eq!(fill("{endpoint} is silent.", &[]), "The host is silent.");
    }

    #[test]
    fn values_are_never_read_as_templates() {
        let values = [("endpoint", "{timeout}".to_owned())];
        assert_eq!(fill("at {endpoint}", &values), "at {timeout}");
    }

    #[test]
    fn every_placeholder_of_the_table_has_general_words() {
        let of_trace = crate::trace::table::ROWS.iter().copied();
        for row in super::super::table::rows().chain(of_trace) {
            for text in [Some(row.cause), row.remedy].into_iter().flatten() {
                for piece in text.split('{').skip(1) {
                    let name = piece.split('}').next().unwrap_or_default();
                    assert!(general_words(name).is_some(), "{}: {{{name}}}", row.code);
                }
            }
        }
    }
}
