//! Every finding of an analysis: code, severity, cause and remedy.

use crate::verdict::Severity;

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// `subject.code`, unique.
    pub code: &'static str,
    /// How much it matters while it goes on.
    pub severity: Severity,
    /// Whether it is over once the client succeeds.
    pub ends_with_success: bool,
    /// One sentence of cause.
    pub cause: &'static str,
    /// One sentence of remedy.
    pub remedy: &'static str,
}

const fn row(
    code: &'static str,
    severity: Severity,
    ends_with_success: bool,
    cause: &'static str,
    remedy: &'static str,
) -> Row {
    Row { code, severity, ends_with_success, cause, remedy }
}

use Severity::{Critical, Info, Warning};

/// All rows; those of one severity are shown in this order.
pub const ROWS: &[Row] = &[
    row(
        "client.host_unreachable",
        Critical,
        true,
        "the client could not reach any KMS host: the host is down, its service is stopped, or TCP 1688 is blocked on the way",
        "check the path from that client: `kms-probe check HOST` and `kms-probe trace HOST` name the step that fails and who must act",
    ),
    row(
        "client.never_arrived",
        Critical,
        true,
        "the client sent a request, and the host's log of that time does not have it: it was lost on the way or went to another host",
        "compare the host that the client asked with the host whose log was given, then check the path between them",
    ),
    row(
        "client.no_answer",
        Critical,
        true,
        "the client sent a request and logged no answer: the host was silent, or the answer was lost; no log of a host tells which",
        "read the Key Management Service log of the host beside this one: a 12290 of that time means that the answer was lost",
    ),
    row(
        "client.reply_lost",
        Critical,
        true,
        "the host logged the request, and the client logged no answer: the answer was lost on the way back",
        "look for a firewall or asymmetric route between host and client that drops what the host sends",
    ),
    row(
        "client.count_low",
        Critical,
        true,
        "the host answered, and its count is below what the client needs (25 for Windows clients, 5 for servers and Office)",
        "let more machines ask that host, look for duplicate client machine ids, and do not spread clients over more hosts than needed",
    ),
    row(
        "client.skew",
        Critical,
        true,
        "the clocks of client and host are more than 4 hours apart",
        "correct the clock that is wrong (`w32tm /resync`, NTP or the domain's time); time zones make no difference",
    ),
    row(
        "client.dns_failed",
        Critical,
        true,
        "the client found no KMS host in DNS",
        "publish `_vlmcs._tcp` in the client's DNS suffix, or name the host with `slmgr /skms`: `kms-probe discover DOMAIN` shows what each server answers",
    ),
    row(
        "client.product_not_covered",
        Critical,
        true,
        "the host's key does not cover the product that the client has",
        "point the client at a host whose key covers it, or install a newer host key and the update that it needs",
    ),
    row(
        "client.host_not_activated",
        Critical,
        true,
        "the KMS host is not activated itself",
        "activate the host key online or by phone",
    ),
    row(
        "client.wrong_key",
        Critical,
        true,
        "the product key on the client is missing, invalid or blocked",
        "install the client setup key (GVLK) of exactly this edition with `slmgr /ipk`",
    ),
    row(
        "client.expired",
        Critical,
        true,
        "the product shows notifications: its licence has run out, or it was never activated",
        "let the client reach a KMS host and run `slmgr /ato`",
    ),
    row(
        "client.refused",
        Critical,
        true,
        "the request ended with an error",
        "look the code up: `kms-probe explain CODE`",
    ),
    row(
        "client.foreign_key",
        Warning,
        true,
        "the request was sealed with a key that the lab host does not have: it comes from a real client, or from another lab",
        "real clients do not belong on a simulator: correct their DNS or `slmgr /skms`; in a lab compare the keys of both sides",
    ),
    row(
        "client.validity_low",
        Warning,
        true,
        "the licence runs out in less than 30 days, and the client has not renewed it for months",
        "find out why renewals fail before the 180 days are over: the other findings about this client tell",
    ),
    row(
        "client.stopped_asking",
        Warning,
        false,
        "the client has not asked for more than two renewal intervals (14 days): it is gone, cannot reach the host, or asks another one",
        "if the machine is still in use, check its path to the host; after 30 days it no longer counts",
    ),
    row(
        "client.activated_by_directory",
        Info,
        false,
        "the machine was activated through Active Directory, and so does not ask a KMS host",
        "nothing where that is meant; it does not count at a KMS host",
    ),
    row(
        "client.firmware_key",
        Info,
        false,
        "Windows could not install the product key that the machine's maker left in the firmware",
        "nothing where KMS is meant: the key in use is another one",
    ),
    row(
        "identity.duplicate_cmid",
        Warning,
        false,
        "several machines use one client machine id, so that the host counts them as one: their image was not generalised",
        "run `slmgr /rearm` on them and restart; generalise the image with `sysprep /generalize`, with SkipRearm at 0",
    ),
    row(
        "identity.name_changes",
        Info,
        false,
        "one client machine id was used under several names, and none of them came back: the machine was renamed or draws a name at each boot, or several machines with one image each asked once",
        "nothing where machines are renamed; else see whether the names are machines of their own, and rearm those",
    ),
    row(
        "identity.cmid_changes",
        Warning,
        false,
        "one machine has used several client machine ids: it was reinstalled or rearmed, or several machines share the name",
        "if it goes on, look for a scheduled rearm, or for virtual machines that start from a snapshot",
    ),
    row(
        "host.count_too_low",
        Warning,
        false,
        "fewer distinct clients asked within 30 days than a client needs to activate",
        "let more machines ask this host, and look for duplicate client machine ids: they count once",
    ),
    row(
        "host.dns_publishing_failed",
        Warning,
        false,
        "the host could not write its record into DNS",
        "let the host update `_vlmcs._tcp` in that zone: another host often owns the record; or publish it by hand",
    ),
    row(
        "host.start_failed",
        Critical,
        false,
        "the Key Management Service failed to start",
        "look the code up, then restart the Software Protection service",
    ),
    row(
        "host.requests_refused",
        Warning,
        false,
        "the host has refused requests since it was installed",
        "its Key Management Service log (event 12290) has the code of each",
    ),
    row(
        "license.not_kms_channel",
        Warning,
        false,
        "the installed key is no client setup key, so that this product never asks a KMS host",
        "where KMS is meant, install the GVLK of this edition with `slmgr /ipk` and run `slmgr /ato`",
    ),
    row(
        "license.gvlk_of_another_edition",
        Warning,
        false,
        "the installed client setup key is the one of another product",
        "install the GVLK that belongs to exactly this edition",
    ),
    row(
        "license.expired",
        Critical,
        false,
        "the product is not licensed: its time has run out or it was never activated",
        "let it reach a KMS host and run `slmgr /ato`; events 12288 and 12289 say what stops it",
    ),
    row(
        "license.validity_low",
        Warning,
        false,
        "less than 30 of the 180 days of an activation are left: renewals have failed for months",
        "check the path to the KMS host and run `slmgr /ato`",
    ),
    row(
        "license.no_host_in_dns",
        Warning,
        false,
        "the client finds no KMS host in DNS",
        "publish `_vlmcs._tcp` in the client's DNS suffix, or name the host with `slmgr /skms`",
    ),
    row(
        "discovery.host_not_published",
        Warning,
        false,
        "clients use a host that no answer of DNS names: it was set by hand, or they remember one that is gone",
        "where discovery is meant, run `slmgr /ckms` on them; else publish the host",
    ),
    row(
        "discovery.host_not_used",
        Info,
        false,
        "DNS publishes a host that no client was seen to use",
        "remove its record if the host is gone: clients lose a try on it",
    ),
    row(
        "network.syn_unanswered",
        Critical,
        false,
        "nothing answered the SYN: a firewall drops it, or the address is not in use",
        "open TCP to that port on the way: `kms-probe trace HOST` finds the hop",
    ),
    row(
        "network.refused",
        Critical,
        false,
        "the SYN was answered by a reset: nothing listens on the port, or a firewall rejects",
        "start the Software Protection service on the host and enable its firewall rule (SPPSVC-In-TCP)",
    ),
    row(
        "network.icmp",
        Critical,
        false,
        "an ICMP error came back for the connection",
        "ask the owner of the device that sent it",
    ),
    row(
        "network.bind_stopped",
        Critical,
        false,
        "the connection was made, and the RPC bind was not answered or cut off: a device that inspects payload, or another service",
        "allow RPC on this port in the firewall's application control, and make sure that a KMS host listens there",
    ),
    row(
        "network.bind_refused",
        Critical,
        false,
        "the RPC bind was refused: what listens there is no KMS host",
        "correct the SRV record or the host that clients have set",
    ),
    row(
        "network.call_stopped",
        Critical,
        false,
        "the activation request was sent and no answer came back on this connection",
        "look at the host's log for that time; a device that inspects payload may have cut it off",
    ),
    row(
        "network.call_failed",
        Warning,
        false,
        "the host answered with a fault or an error instead of an activation",
        "look the code up: `kms-probe explain CODE`",
    ),
    row(
        "dns.no_answer_for_kms",
        Critical,
        false,
        "DNS has no `_vlmcs._tcp` record under the name that was asked",
        "publish the record in that zone, or correct the client's DNS suffix",
    ),
    row(
        "anomaly.suspicious",
        Warning,
        false,
        "a client or address behaves unlike all others in several ways",
        "find out what runs there: the reasons beside each say where to look",
    ),
    row(
        "anomaly.unusual",
        Info,
        false,
        "a client or address behaves unlike the others",
        "worth a look where other findings name it too",
    ),
    row(
        "report.verdict",
        Critical,
        false,
        "an earlier report of this program says so",
        "do what that report says",
    ),
];
