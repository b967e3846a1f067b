//! The verdicts of a trace. A trace looks at the TCP connect only, so what Windows shows is what
//! the verdict of the connect says.

use crate::stage::Stage;
use crate::verdict::table::{bind, tcp};
use crate::verdict::{PortState, Row, Severity};

/// SYN-ACK from where the host is.
pub static REACHED: Row = Row {
    code: "trace.reached",
    stage: Stage::Tcp,
    severity: Severity::Ok,
    port_state: Some(PortState::Listening),
    cause: "The SYN reaches {endpoint} and is answered {where}, so no device on the way stops TCP \
            {port} as such; a SYN trace says nothing of payload filters, {payload_note}.",
    remedy: None,
    client_sees: &[],
    client_note: None,
};

/// SYN-ACK from where the host is, and then silence or a reset.
pub static PAYLOAD_STOPPED: Row = Row {
    code: "trace.payload_stopped",
    stage: Stage::Bind,
    severity: Severity::Critical,
    port_state: Some(PortState::Listening),
    cause: "The SYN reaches {endpoint} and is answered {where}; the payload is stopped on the path: \
            an RPC bind over an open connection {payload_end}, as a deep-inspection device (a \
            firewall that looks into the payload) makes it, or the service there does not answer RPC.",
    remedy: Some(
        "Allow the RPC payload and not only the port on the deep-inspection firewalls between \
         {source} and {address}, and run `kms-probe check {check_target}` next to the host to rule \
         the service out.",
    ),
    client_sees: bind::TIMEOUT.client_sees,
    client_note: None,
};

/// Some flows get through, others do not.
pub static REACHED_IN_PART: Row = Row {
    code: "trace.reached_in_part",
    stage: Stage::Tcp,
    severity: Severity::Warning,
    port_state: Some(PortState::Listening),
    cause: "Only {reached} of {flows} flows to {endpoint} are answered with a SYN-ACK and the \
            others {others}: the path or the host is load-balanced and one branch of it stops TCP \
            {port}, or packets are lost.",
    remedy: Some(
        "Repeat with `--flows 8` to tell a branch from loss, then compare the rules of all devices \
         that stand side by side on the path, and all hosts behind the address.",
    ),
    client_sees: &[],
    client_note: Some("some attempts activate and others fail as with tcp.timeout"),
};

/// SYN-ACK from nearer than the control port's.
pub static ANSWERED_EARLY: Row = Row {
    code: "trace.answered_early",
    stage: Stage::Tcp,
    severity: Severity::Warning,
    port_state: Some(PortState::Listening),
    cause: "TCP {port} of {address} is answered with a SYN-ACK at hop {hop} although the host is \
            further away ({distance}): a device {place} accepts the connection in its name (a \
            proxy, SYN protection or a port forwarding), so the open port says nothing of the host.",
    remedy: Some(
        "Ask the owner of {owners} where TCP {port} to {address} is forwarded to, and run \
         `kms-probe check {check_target}` to see whether a KMS host answers behind it.",
    ),
    client_sees: &[],
    client_note: Some("depends on what stands behind that device"),
};

/// A reset from as far as the host, or from an unknown distance.
pub static REFUSED: Row = Row {
    code: "trace.refused",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::NotListening),
    cause: "The SYN to {endpoint} is answered with a reset {where}; {distance}: {who}.",
    remedy: Some(
        "On the host, check that a KMS host key is installed, that the Software Protection service \
         (sppsvc) runs and which port `slmgr /dlv` says it listens on; if it does listen, look on \
         {owners} for a rule that rejects TCP {port} with a reset.",
    ),
    client_sees: tcp::REFUSED.client_sees,
    client_note: None,
};

/// A reset from nearer than the host.
pub static RESET_ON_PATH: Row = Row {
    code: "trace.reset_on_path",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "The SYN to {endpoint} is answered with a reset at hop {hop} although the host is \
            further away ({distance}): the reset is forged, by a device {place}.",
    remedy: Some(
        "Ask the owner of {owners} to allow TCP {port} from {source} to {address}: a rule there \
         rejects it with a reset.",
    ),
    client_sees: tcp::REFUSED.client_sees,
    client_note: None,
};

/// ICMP administratively prohibited.
pub static PROHIBITED: Row = Row {
    code: "trace.prohibited",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} answers the SYN to {endpoint} with {icmp}: a filter there forbids it; \
            {control}.",
    remedy: Some("Ask the owner of {icmp_device} to allow TCP {port} from {source} to {address}."),
    client_sees: tcp::PROHIBITED.client_sees,
    client_note: None,
};

/// ICMP port unreachable.
pub static PORT_UNREACHABLE: Row = Row {
    code: "trace.port_unreachable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} answers the SYN to {endpoint} with {icmp}, which is how a packet filter \
            rejects, for a closed TCP port answers with a reset; {control}.",
    remedy: Some(
        "Find the rule on {icmp_device} that rejects TCP {port} (it is the default reject of \
         iptables and nftables) and allow {source} to {address} before it.",
    ),
    client_sees: tcp::PORT_UNREACHABLE.client_sees,
    client_note: None,
};

/// ICMP host unreachable.
pub static HOST_UNREACHABLE: Row = Row {
    code: "trace.host_unreachable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} reports {icmp} for {endpoint}: nothing on its last link answers for the \
            address, or a filter answers in this way; {control}.",
    remedy: Some(
        "Check that {address} is the host's current address and that the host is up, then look for \
         a reject rule on {icmp_device}.",
    ),
    client_sees: tcp::HOST_UNREACHABLE.client_sees,
    client_note: None,
};

/// ICMP network unreachable.
pub static NET_UNREACHABLE: Row = Row {
    code: "trace.net_unreachable",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "{icmp_sender} reports {icmp} for {endpoint}: it has no route towards {address}, or a \
            filter answers in this way; {control}.",
    remedy: Some(
        "Compare the routes of {icmp_device} with the path that {address} should take (a VPN or \
         site link that is down withdraws them), and look for a reject rule there.",
    ),
    client_sees: tcp::NET_UNREACHABLE.client_sees,
    client_note: None,
};

/// An ICMP error, or a reset before any router, from this machine.
pub static LOCAL_FILTER: Row = Row {
    code: "trace.local_filter",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "This machine itself ({source}) answers its SYN to {endpoint} with {icmp}: {why}; \
            {control}.",
    remedy: Some(
        "Look at the output rules of this machine (`nft list ruleset`, `iptables -S OUTPUT`), at \
         its routes (`ip route get {address}`) and at the neighbours that it finds (`ip neigh`).",
    ),
    client_sees: &[],
    client_note: Some("this machine is at fault, so nothing follows for other clients"),
};

/// Silence on this port, while another gets further.
pub static SILENT_DROP: Row = Row {
    code: "trace.silent_drop",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "The SYN to {endpoint} is dropped without an answer {place}; {control}.",
    remedy: Some(
        "Ask the owner of {owners} which rule TCP {port} from {source} to {address} meets there, \
         and allow it; {last_hint}.",
    ),
    client_sees: tcp::TIMEOUT.client_sees,
    client_note: None,
};

/// Silence on every port, behind the same router.
pub static PATH_SILENT: Row = Row {
    code: "trace.path_silent",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "Nothing comes back from behind {after}: the SYN to {endpoint} is dropped at or just \
            after it, or its answer is dropped on the way back; {control}.",
    remedy: Some(
        "Check that {address} is the host's current address and that the host is up, then ask the \
         owner of {owners} for the route and the rules that {source} to {address} meets there, in \
         both directions.",
    ),
    client_sees: tcp::TIMEOUT.client_sees,
    client_note: None,
};

/// No router answers at all.
pub static NO_ICMP: Row = Row {
    code: "trace.no_icmp",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: Some(PortState::Filtered),
    cause: "The SYN to {endpoint} is not answered and no router answers on any port, so nothing \
            can be said about where it is dropped, a filter on this machine not excluded; \
            {control}.",
    remedy: Some(
        "Allow ICMP \"time exceeded\" from the routers to {source}, or repeat the trace from a \
         machine nearer to {address}; on this machine look at the output rules (`nft list \
         ruleset`) and the route (`ip route get {address}`).",
    ),
    client_sees: tcp::TIMEOUT.client_sees,
    client_note: None,
};

/// Routers pass the SYN round.
pub static LOOP: Row = Row {
    code: "trace.loop",
    stage: Stage::Tcp,
    severity: Severity::Critical,
    port_state: None,
    cause: "The SYN to {endpoint} runs in a circle from hop {hop} on: {routers} each answer at \
            several distances, so they pass it to each other.",
    remedy: Some("Compare the routes for {address} on {routers}."),
    client_sees: tcp::LOOP.client_sees,
    client_note: None,
};

/// Routers answer up to the largest TTL.
pub static TOO_FAR: Row = Row {
    code: "trace.too_far",
    stage: Stage::Tcp,
    severity: Severity::Warning,
    port_state: None,
    cause: "Routers still answer at hop {hop}, the last one tried, so the path to {endpoint} is \
            longer than this trace.",
    remedy: Some("Repeat with a larger `--max-hops`."),
    client_sees: &[],
    client_note: Some("nothing is known yet"),
};

/// All rows.
pub static ROWS: &[&Row] = &[
    &REACHED,
    &PAYLOAD_STOPPED,
    &REACHED_IN_PART,
    &ANSWERED_EARLY,
    &REFUSED,
    &RESET_ON_PATH,
    &PROHIBITED,
    &PORT_UNREACHABLE,
    &HOST_UNREACHABLE,
    &NET_UNREACHABLE,
    &LOCAL_FILTER,
    &SILENT_DROP,
    &PATH_SILENT,
    &NO_ICMP,
    &LOOP,
    &TOO_FAR,
];
