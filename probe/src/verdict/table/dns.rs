//! What look-ups can show.

use super::{NO_HOST, NO_HOST_DERIVED, RPC_UNAVAILABLE};
use crate::stage::Stage;
use crate::verdict::{Row, Seen, Severity};

/// Records and addresses were found.
pub static OK: Row = Row {
    code: "dns.ok",
    stage: Stage::Dns,
    severity: Severity::Ok,
    port_state: None,
    cause: "{resolver} resolves {qname} to usable addresses{dns_note}.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// Nobody to ask.
pub static NO_RESOLVER: Row = Row {
    code: "dns.no_resolver",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "No DNS server is configured here ({detail}), so nobody can be asked for a KMS host.",
    remedy: Some(
        "Configure DNS servers on the interface or in DHCP (option 6), or name one with \
         --resolver.",
    ),
    client_sees: &[Seen {
        code: 0x8007_267C,
        place: "slmgr /ato",
        source: "Microsoft, Windows activation fails with error 0x8007267C",
    }],
    client_note: None,
};

/// The name does not exist.
pub static NXDOMAIN: Row = Row {
    code: "dns.nxdomain",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{resolver} says that {qname} does not exist: {missing_why}{dns_note}.",
    remedy: Some("{missing_remedy}{host_hint}."),
    client_sees: &[Seen {
        code: 0x8007_232B,
        place: "slmgr /ato",
        source: "Microsoft, Troubleshoot Windows activation error codes: 0x8007232B",
    }],
    client_note: None,
};

/// The name exists without an SRV record.
pub static NODATA: Row = Row {
    code: "dns.nodata",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{resolver} says that {qname} exists without a record of the wanted \
            type{dns_note}.",
    remedy: Some("{missing_remedy}{host_hint}."),
    client_sees: &[Seen {
        code: 0x8007_251D,
        place: "slmgr /ato",
        source: "Microsoft, Troubleshoot Windows activation error codes: 0x8007251D",
    }],
    client_note: None,
};

/// The resolver failed.
pub static SERVFAIL: Row = Row {
    code: "dns.servfail",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{resolver} failed to look {qname} up (SERVFAIL): it cannot reach or cannot validate the \
            zone's own servers, or its zone is not loaded{dns_note}.",
    remedy: Some(
        "Read the log of {resolver} at this time and ask the zone's own servers directly (`dig \
         +trace`; `dig +cd` leaves DNSSEC validation out).",
    ),
    client_sees: &[],
    client_note: Some(
        "not documented for a client (0x8007232A, DNS server failure, is documented for the host)",
    ),
};

/// The resolver does not want to.
pub static REFUSED: Row = Row {
    code: "dns.refused",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{resolver} refuses to answer this machine about {qname} (REFUSED): its access list \
            does not allow it, or it neither serves the zone nor resolves for others{dns_note}.",
    remedy: Some(
        "Allow {source} on {resolver} (allow-query and allow-recursion in BIND), or use the DNS \
         server that is meant for this network.",
    ),
    client_sees: &[],
    client_note: None,
};

/// The resolver is silent.
pub static TIMEOUT: Row = Row {
    code: "dns.timeout",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{resolver} gave no answer about {qname} within {timeout} ({attempts}): port 53 is \
            dropped on the path, or the server is down or overloaded{dns_note}.",
    remedy: Some(
        "Allow UDP and TCP 53 from {source} to {resolver}, check that the server runs, and remove \
         it from the client's list if it is retired.",
    ),
    client_sees: &[],
    client_note: None,
};

/// The resolver cannot be reached.
pub static UNREACHABLE: Row = Row {
    code: "dns.unreachable",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{resolver} cannot be reached ({error}): no DNS service listens at this address and \
            port, or there is no way to it{dns_note}.",
    remedy: Some(
        "Check that the DNS service runs there and that the address in DHCP or on the interface is \
         still right.",
    ),
    client_sees: &[],
    client_note: None,
};

/// Too large for UDP, and TCP fails.
pub static TRUNCATED_NO_TCP: Row = Row {
    code: "dns.truncated_no_tcp",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {resolver} about {qname} does not fit into UDP, and TCP to it fails \
            ({error}): only a part of the list would be known{dns_note}.",
    remedy: Some("Allow TCP 53 to {resolver} as well as UDP 53, or publish fewer _vlmcs records."),
    client_sees: &[],
    client_note: None,
};

/// The answer cannot be read.
pub static MALFORMED: Row = Row {
    code: "dns.malformed",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "The answer of {resolver} about {qname} is not a valid DNS message ({detail}).",
    remedy: Some(
        "Ask another DNS server, and capture port 53: a device on the path rewrites answers, or \
         the server is broken.",
    ),
    client_sees: &[],
    client_note: None,
};

/// SRV target ".".
pub static NO_SERVICE: Row = Row {
    code: "dns.no_service",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{qname} has the single SRV target `.`, by which {domain} declares that it offers no \
            KMS host (RFC 2782).",
    remedy: Some(
        "If {domain} should offer one, replace the record by one that names the KMS host.",
    ),
    client_sees: &[],
    client_note: None,
};

/// The SRV target has no address.
pub static TARGET_UNRESOLVED: Row = Row {
    code: "dns.target_unresolved",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "{qname} leads to {target}, and that name has no usable address ({why}): the SRV record \
            is stale or wrong, or the host's address record is missing.",
    remedy: Some(
        "Create the A or AAAA record of {target}, or delete the SRV record if the host is retired.",
    ),
    client_sees: &[NO_HOST, RPC_UNAVAILABLE],
    client_note: None,
};

/// The SRV target is an alias.
pub static CNAME_TARGET: Row = Row {
    code: "dns.cname_target",
    stage: Stage::Dns,
    severity: Severity::Warning,
    port_state: None,
    cause: "The SRV target {target} is an alias (CNAME) for {canonical}, which RFC 2782 forbids \
            and some clients do not follow.",
    remedy: Some("Let the SRV record name {canonical} itself."),
    client_sees: &[],
    client_note: None,
};

/// Port 0 in the record.
pub static PORT_ZERO: Row = Row {
    code: "dns.port_zero",
    stage: Stage::Dns,
    severity: Severity::Critical,
    port_state: None,
    cause: "The SRV record of {qname} for {target} gives port 0, to which nobody can connect.",
    remedy: Some("Set the port in the record to the one that `slmgr /dlv` shows on the host."),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// Resolvers disagree.
pub static SPLIT_VIEW: Row = Row {
    code: "dns.split_view",
    stage: Stage::Dns,
    severity: Severity::Warning,
    port_state: None,
    cause: "The DNS servers disagree about {qname} ({views}), so that it depends on the server \
            asked which KMS host a client finds.",
    remedy: Some(
        "Bring the servers to one view: check zone transfers, replication and conditional \
         forwarders, and remove servers from the list that do not know the zone.",
    ),
    client_sees: &[],
    client_note: None,
};

/// The operating system says otherwise.
pub static LOCAL_OVERRIDE: Row = Row {
    code: "dns.local_override",
    stage: Stage::Dns,
    severity: Severity::Warning,
    port_state: None,
    cause: "On this machine {target} means {os_answer}, but DNS says {dns_answer}: a hosts file or \
            a stale cache overrides DNS here.",
    remedy: Some(
        "Remove the entry from the hosts file or flush the cache (`resolvectl flush-caches`, \
         `ipconfig /flushdns`), then compare with other machines.",
    ),
    client_sees: &[],
    client_note: None,
};

/// All rows of the stage.
pub static ROWS: &[&Row] = &[
    &OK,
    &NO_RESOLVER,
    &NXDOMAIN,
    &NODATA,
    &SERVFAIL,
    &REFUSED,
    &TIMEOUT,
    &UNREACHABLE,
    &TRUNCATED_NO_TCP,
    &MALFORMED,
    &NO_SERVICE,
    &TARGET_UNRESOLVED,
    &CNAME_TARGET,
    &PORT_ZERO,
    &SPLIT_VIEW,
    &LOCAL_OVERRIDE,
];
