//! What a TCP connect can show.

use super::{NO_HOST, NO_HOST_DERIVED, RPC_UNAVAILABLE};
use crate::stage::Stage;
use crate::verdict::{PortState, Row, Severity};

/// Connected.
pub static OK: Row = Row {
    code: "tcp.ok",
    stage: Stage::Tcp,
    severity: Severity::Ok,
    port_state: Some(PortState::Listening),
    cause: "{endpoint} accepts TCP connections, which proves the path but not yet activation: a \
            firewall that inspects payload lets the handshake pass and stops the RPC bind.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// A reset in answer to the SYN.
pub static REFUSED: Row = Row {
    code: "tcp.refused",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::NotListening),
    cause: "{endpoint} answered the SYN with a reset: nothing listens on TCP {port} there, or a \
            firewall rejects the connection in the host's name.",
    remedy: Some(
        "On the host, check that a KMS host key is installed, that the Software Protection service \
         (sppsvc) runs and which port `slmgr /dlv` says it listens on; if it does listen, look on \
         the path for a rule that rejects TCP {port} with a reset.",
    ),
    client_sees: &[NO_HOST, RPC_UNAVAILABLE],
    client_note: None,
};

/// Silence.
pub static TIMEOUT: Row = Row {
    code: "tcp.timeout",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "Nothing came back from {endpoint} within {timeout}, neither an answer nor an ICMP \
            error, {syns}: a firewall drops the packets silently in either direction, or the \
            address is not in use.",
    remedy: Some(
        "Allow TCP {port} from {source} to {address} on every firewall on the way and on the host \
         itself (its rule SPPSVC-In-TCP is off by default), and check that the address is still \
         the host's.",
    ),
    client_sees: &[NO_HOST, RPC_UNAVAILABLE],
    client_note: None,
};

/// A reset as the connect's own result.
pub static RESET: Row = Row {
    code: "tcp.reset",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::NotListening),
    cause: "The connection to {endpoint} was reset while it was being set up: the host or a device \
            on the path aborted the handshake.",
    remedy: Some(
        "Look at connection limits and SYN protection on the host and on the firewalls before it, \
         and capture the handshake on both sides to see who sends the reset.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// ICMP port unreachable.
pub static PORT_UNREACHABLE: Row = Row {
    code: "tcp.port_unreachable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} answered the SYN to {endpoint} with {icmp}, which is how a packet filter \
            rejects (a closed TCP port answers with a reset instead).",
    remedy: Some(
        "Find the rule on {icmp_device} that rejects TCP {port} (it is the default reject of \
         iptables and nftables) and allow {source} to {address} before it.",
    ),
    client_sees: &[NO_HOST, RPC_UNAVAILABLE],
    client_note: None,
};

/// ICMP host unreachable.
pub static HOST_UNREACHABLE: Row = Row {
    code: "tcp.host_unreachable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} reported {icmp} for {endpoint}: {unreachable_why}.",
    remedy: Some(
        "Check that {address} is the host's current address and that the host is up on that \
         network, then look for a reject rule on {icmp_device}.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// ICMP network unreachable.
pub static NET_UNREACHABLE: Row = Row {
    code: "tcp.net_unreachable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} reported {icmp} for {endpoint}: it has no route towards {address}, or a \
            filter answers in this way.",
    remedy: Some(
        "Compare the routes of {icmp_device} with the path that {address} should take (a VPN or \
         site link that is down withdraws them), and correct DNS if the address is an old one.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// ICMP administratively prohibited.
pub static PROHIBITED: Row = Row {
    code: "tcp.prohibited",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} answered the SYN to {endpoint} with {icmp}: a filter there forbids it.",
    remedy: Some("Ask the owner of {icmp_device} to allow TCP {port} from {source} to {address}."),
    client_sees: &[NO_HOST, RPC_UNAVAILABLE],
    client_note: None,
};

/// TTL or hop limit exceeded although it was full.
pub static LOOP: Row = Row {
    code: "tcp.loop",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: None,
    cause: "{icmp_sender} reported {icmp} for {endpoint} although the packet left with its full \
            hop limit: routers pass it round in a loop.",
    remedy: Some(
        "Compare the routes for {address} on {icmp_device} and its neighbours: two of them send it \
         to each other.",
    ),
    client_sees: &[NO_HOST_DERIVED],
    client_note: None,
};

/// Nothing could be sent for want of a route.
pub static NO_ROUTE: Row = Row {
    code: "tcp.no_route",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: None,
    cause: "This machine has no usable route to {address} ({error}), so nothing was sent.",
    remedy: Some("Give this machine a way to {address}: {route_hint}."),
    client_sees: &[],
    client_note: Some("nothing left this machine, so nothing follows for a client"),
};

/// Nothing could be sent for want of an own address or port.
pub static SOURCE_UNAVAILABLE: Row = Row {
    code: "tcp.source_unavailable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: None,
    cause: "This machine has no address or port of its own to reach {address} from ({error}), so \
            nothing was sent.",
    remedy: Some("Free or configure one on this machine: {source_hint}."),
    client_sees: &[],
    client_note: Some("nothing left this machine, so nothing follows for a client"),
};

/// A port that should be closed opens as well. A finding beside the verdict.
pub static ACCEPTS_ALL: Row = Row {
    code: "tcp.accepts_all",
    stage: Stage::Tcp,
    severity: Severity::Warning,
    port_state: None,
    cause: "TCP {closed_port} of {address} should be closed and accepts connections as TCP {port} \
            does: something on the path, such as a transparent proxy or a load balancer, completes \
            every handshake in the host's name, so an open port proves nothing here, \
            {bind_evidence}.",
    remedy: Some(
        "Look at the proxy, load balancer or SYN-protecting firewall between {source} and {address} \
         and exempt TCP {port} from it, or name another port with --closed-port if something \
         really listens on TCP {closed_port} there.",
    ),
    client_sees: &[],
    client_note: None,
};

/// All rows of the stage.
pub static ROWS: &[&Row] = &[
    &OK,
    &REFUSED,
    &TIMEOUT,
    &RESET,
    &PORT_UNREACHABLE,
    &HOST_UNREACHABLE,
    &NET_UNREACHABLE,
    &PROHIBITED,
    &LOOP,
    &NO_ROUTE,
    &SOURCE_UNAVAILABLE,
    &ACCEPTS_ALL,
];
