//! The kinds of faults: one table, from which parser, help, documentation and tests are made.

use std::fmt;

use super::place::Stage;

/// A kind of fault. What it does, where, and with which fields is in [`Kind::spec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table of kinds says what each does")]
pub enum Kind {
    Refuse,
    Reset,
    Close,
    NeverAnswer,
    Delay,
    Drip,
    Truncate,
    Corrupt,
    WrongCallId,
    Oversize,
    Split,
    BindNak,
    RejectInterface,
    RejectSyntax,
    RpcFault,
    Execute,
    Hresult,
    Count,
    WrongCmid,
    WrongTime,
    WrongMac,
    WrongHash,
    WrongHmac,
    ClockOffset,
    DnsNxdomain,
    DnsNodata,
    DnsServfail,
    DnsRefused,
    DnsDrop,
    DnsDelay,
    DnsTruncate,
    DnsNoService,
    DnsDangling,
    DnsMalformed,
    DnsWrongId,
    DnsFlap,
    DnsView,
}

/// One row of the table of kinds.
#[derive(Debug)]
pub struct KindSpec {
    /// The kind.
    pub kind: Kind,
    /// Its name in files, flags and interfaces.
    pub name: &'static str,
    /// Names of the same thing in toxiproxy, netem, Envoy and the like, which are understood too.
    pub aliases: &'static [&'static str],
    /// Where it can strike; the first is taken when a rule does not say.
    pub stages: &'static [Stage],
    /// What else a rule of this kind can say.
    pub fields: &'static [FieldSpec],
    /// What the client gets.
    pub effect: &'static str,
}

/// A field of a kind.
#[derive(Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// The key.
    pub name: &'static str,
    /// What stands behind it.
    pub value: &'static str,
    /// The value without the key; `None` where the key is required.
    pub default: Option<&'static str>,
    /// What it means.
    pub means: &'static str,
}

impl Kind {
    /// All kinds, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|spec| spec.kind)
    }

    /// The row of this kind.
    #[must_use]
    pub fn spec(self) -> &'static KindSpec {
        // A test holds every kind against the table.
        KINDS.iter().find(|spec| spec.kind == self).unwrap_or(&KINDS[0])
    }

    /// The name of this kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The kind of this name or alias.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let spec = KINDS.iter().find(|spec| spec.name == name || spec.aliases.contains(&name))?;
        Some(spec.kind)
    }

    /// Whether it strikes in the embedded DNS server.
    #[must_use]
    pub fn is_dns(self) -> bool {
        self.spec().stages == DNS
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const ANY: &[Stage] = &[Stage::Request, Stage::Accept, Stage::Bind, Stage::Response];
const ANSWER: &[Stage] = &[Stage::Response, Stage::Bind];
const RESPONSE: &[Stage] = &[Stage::Response];
const BIND: &[Stage] = &[Stage::Bind];
const REQUEST: &[Stage] = &[Stage::Request];
const CALL: &[Stage] = &[Stage::Request, Stage::Response];
const DNS: &[Stage] = &[Stage::Dns];

const fn required(name: &'static str, value: &'static str, means: &'static str) -> FieldSpec {
    FieldSpec { name, value, default: None, means }
}

const fn optional(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    means: &'static str,
) -> FieldSpec {
    FieldSpec { name, value, default: Some(default), means }
}

const AFTER: FieldSpec =
    optional("after", "BYTES", "0", "so many bytes of the answer are sent first (not at accept)");

const DELAY_FIELDS: &[FieldSpec] = &[
    optional("time", "TIME", "none", "a fixed delay, at most 1h; stands alone"),
    optional(
        "distribution",
        "NAME",
        "none",
        "`uniform`, `normal` or `exponential`, in place of a fixed time",
    ),
    optional("mean", "TIME", "none", "mean, of `normal` and `exponential`"),
    optional("deviation", "TIME", "none", "standard deviation, of `normal`"),
    optional("min", "TIME", "0ms", "nothing shorter"),
    optional("max", "TIME", "none", "nothing longer; required with a distribution"),
];

/// The table of kinds.
pub static KINDS: &[KindSpec] = &[
    KindSpec {
        kind: Kind::Refuse,
        name: "refuse",
        aliases: &["down"],
        stages: &[Stage::Accept],
        fields: &[],
        effect: "A rule without any condition closes the listening sockets while it is on: the kernel answers \
                 a SYN with RST, and nothing is counted. With a condition the kernel has already completed the \
                 handshake when the rule is asked: the connection is reset at once.",
    },
    KindSpec {
        kind: Kind::Reset,
        name: "reset",
        aliases: &["reset_peer", "abort"],
        stages: ANY,
        fields: &[AFTER],
        effect: "The connection is reset (RST) in place of the answer. At request the host does not see the \
                 request; at response it has counted it.",
    },
    KindSpec {
        kind: Kind::Close,
        name: "close",
        aliases: &["limit_data"],
        stages: ANY,
        fields: &[AFTER],
        effect: "The connection is closed (FIN) in place of the answer.",
    },
    KindSpec {
        kind: Kind::NeverAnswer,
        name: "never-answer",
        aliases: &["timeout", "hang"],
        stages: ANY,
        fields: &[],
        effect: "The connection stays open and no answer comes; at accept, none to anything. The idle time of \
                 the server ends it.",
    },
    KindSpec {
        kind: Kind::Delay,
        name: "delay",
        aliases: &["latency"],
        stages: &[Stage::Response, Stage::Accept, Stage::Bind],
        fields: DELAY_FIELDS,
        effect: "The answer is held back, and with it later answers of the same connection; at accept nothing \
                 is read before that.",
    },
    KindSpec {
        kind: Kind::Drip,
        name: "drip",
        aliases: &["slicer"],
        stages: ANSWER,
        fields: &[
            optional("bytes", "BYTES", "1", "sent at a time"),
            optional("interval", "TIME", "100ms", "between them"),
        ],
        effect: "The answer trickles, a few bytes at a time.",
    },
    KindSpec {
        kind: Kind::Truncate,
        name: "truncate",
        aliases: &[],
        stages: ANSWER,
        fields: &[optional("bytes", "BYTES", "8", "kept of what follows the PDU's 16-byte header")],
        effect: "The PDU ends early and says so in frag_length: a whole PDU with too little in it. (`close` \
                 with `after` cuts the stream instead.)",
    },
    KindSpec {
        kind: Kind::Corrupt,
        name: "corrupt",
        aliases: &[],
        stages: ANSWER,
        fields: &[
            optional(
                "offset",
                "BYTES",
                "random",
                "which byte of the answer, from the start of its PDU",
            ),
            optional("mask", "1..255", "255", "the bits of it that are turned over"),
        ],
        effect: "One byte of the answer is wrong.",
    },
    KindSpec {
        kind: Kind::WrongCallId,
        name: "wrong-call-id",
        aliases: &[],
        stages: ANSWER,
        fields: &[optional("add", "N", "1", "what the call id is off by")],
        effect: "The answer carries the id of another call.",
    },
    KindSpec {
        kind: Kind::Oversize,
        name: "oversize",
        aliases: &[],
        stages: RESPONSE,
        fields: &[optional("bytes", "BYTES", "65528", "length of the PDU, 5848 to 65528")],
        effect: "The answer is one PDU longer than any client has to take.",
    },
    KindSpec {
        kind: Kind::Split,
        name: "split",
        aliases: &["fragment"],
        stages: RESPONSE,
        fields: &[optional(
            "bytes",
            "BYTES",
            "16",
            "of stub in each fragment, 16 to 5808 in steps of 16",
        )],
        effect: "The answer comes in several fragments, which every client must put together.",
    },
    KindSpec {
        kind: Kind::BindNak,
        name: "bind-nak",
        aliases: &[],
        stages: BIND,
        fields: &[optional(
            "reason",
            "0..65535",
            "0",
            "reject reason, for example 2: local limit exceeded",
        )],
        effect: "The bind is refused as a whole, and the connection closed.",
    },
    KindSpec {
        kind: Kind::RejectInterface,
        name: "reject-interface",
        aliases: &[],
        stages: BIND,
        fields: &[],
        effect: "The KMS interface is not offered: abstract syntax not supported.",
    },
    KindSpec {
        kind: Kind::RejectSyntax,
        name: "reject-syntax",
        aliases: &[],
        stages: BIND,
        fields: &[optional("syntax", "NAME", "all", "`ndr32`, `ndr64` or `all`")],
        effect: "The transfer syntax is not accepted.",
    },
    KindSpec {
        kind: Kind::RpcFault,
        name: "rpc-fault",
        aliases: &[],
        stages: CALL,
        fields: &[optional(
            "status",
            "0xHEX",
            "0x1C010014",
            "fault status, here nca_s_server_too_busy",
        )],
        effect: "The call ends in an RPC fault.",
    },
    KindSpec {
        kind: Kind::Execute,
        name: "execute",
        aliases: &[],
        stages: REQUEST,
        fields: &[],
        effect: "An operation that does not exist is answered as if it did (HRESULT 0x8007000D), as KMS \
                 emulators do. Matches no other call.",
    },
    KindSpec {
        kind: Kind::Hresult,
        name: "hresult",
        aliases: &[],
        stages: CALL,
        fields: &[required("code", "0xHEX", "the HRESULT, for example 0xC004F042")],
        effect: "The answer is this HRESULT. At request the host does not see the request; at response it \
                 has counted it.",
    },
    KindSpec {
        kind: Kind::Count,
        name: "count",
        aliases: &[],
        stages: RESPONSE,
        fields: &[required("count", "N", "what the answer says")],
        effect: "The answer tells another count; the host's own stays.",
    },
    KindSpec {
        kind: Kind::WrongCmid,
        name: "wrong-cmid",
        aliases: &[],
        stages: RESPONSE,
        fields: &[],
        effect: "The answer verifies, and repeats another client machine id.",
    },
    KindSpec {
        kind: Kind::WrongTime,
        name: "wrong-time",
        aliases: &[],
        stages: RESPONSE,
        fields: &[optional("offset", "TIME", "1s", "what the time is off by, for example -5h")],
        effect: "The answer verifies, and repeats another client time.",
    },
    KindSpec {
        kind: Kind::WrongMac,
        name: "wrong-mac",
        aliases: &[],
        stages: RESPONSE,
        fields: &[],
        effect: "The CMAC of the answer is wrong. Version 4.0; matches no other.",
    },
    KindSpec {
        kind: Kind::WrongHash,
        name: "wrong-hash",
        aliases: &[],
        stages: RESPONSE,
        fields: &[],
        effect: "The hash that ties the answer to the request is wrong. Versions 5.0 and 6.0; matches no other.",
    },
    KindSpec {
        kind: Kind::WrongHmac,
        name: "wrong-hmac",
        aliases: &[],
        stages: RESPONSE,
        fields: &[],
        effect: "The HMAC of the answer is wrong. Version 6.0; matches no other.",
    },
    KindSpec {
        kind: Kind::ClockOffset,
        name: "clock-offset",
        aliases: &[],
        stages: REQUEST,
        fields: &[required(
            "offset",
            "TIME",
            "what the host's clock is off by, for example 5h or -90m",
        )],
        effect: "The host judges this request by a clock that is off; what it records has that time too.",
    },
    KindSpec {
        kind: Kind::DnsNxdomain,
        name: "dns-nxdomain",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "The name does not exist.",
    },
    KindSpec {
        kind: Kind::DnsNodata,
        name: "dns-nodata",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "The name exists without a record of that type.",
    },
    KindSpec {
        kind: Kind::DnsServfail,
        name: "dns-servfail",
        aliases: &[],
        stages: DNS,
        fields: &[
            optional(
                "code",
                "0..65535",
                "none",
                "extended DNS error (RFC 8914), for example 22: no reachable authority",
            ),
            optional("text", "TEXT", "none", "its text, at most 200 bytes; needs `code`"),
        ],
        effect: "SERVFAIL, to clients with EDNS together with the reason.",
    },
    KindSpec {
        kind: Kind::DnsRefused,
        name: "dns-refused",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "REFUSED, as from a server that does not serve this client.",
    },
    KindSpec {
        kind: Kind::DnsDrop,
        name: "dns-drop",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "No answer.",
    },
    KindSpec {
        kind: Kind::DnsDelay,
        name: "dns-delay",
        aliases: &[],
        stages: DNS,
        fields: DELAY_FIELDS,
        effect: "The answer is held back; other queries are answered meanwhile.",
    },
    KindSpec {
        kind: Kind::DnsTruncate,
        name: "dns-truncate",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "Over UDP an empty answer with TC set, over TCP the whole one.",
    },
    KindSpec {
        kind: Kind::DnsNoService,
        name: "dns-no-service",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "One SRV record with target `.`: decidedly no such service here (RFC 2782).",
    },
    KindSpec {
        kind: Kind::DnsDangling,
        name: "dns-dangling",
        aliases: &[],
        stages: DNS,
        fields: &[optional(
            "target",
            "NAME",
            "gone",
            "a name within the domain that should not exist there",
        )],
        effect: "The SRV records lead to a name without address.",
    },
    KindSpec {
        kind: Kind::DnsMalformed,
        name: "dns-malformed",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "A message that ends in its middle.",
    },
    KindSpec {
        kind: Kind::DnsWrongId,
        name: "dns-wrong-id",
        aliases: &[],
        stages: DNS,
        fields: &[],
        effect: "Over UDP first the answer under another id, then the right one.",
    },
    KindSpec {
        kind: Kind::DnsFlap,
        name: "dns-flap",
        aliases: &[],
        stages: DNS,
        fields: &[optional("ttl", "SECONDS", "1", "time to live of the records")],
        effect: "The records come and go: the 1st, 3rd, 5th match is answered with a short time to live, the \
                 others with NXDOMAIN.",
    },
    KindSpec {
        kind: Kind::DnsView,
        name: "dns-view",
        aliases: &[],
        stages: DNS,
        fields: &[required(
            "addresses",
            "ADDRESS,...",
            "what names have as addresses in this view",
        )],
        effect: "Names have other addresses, for the clients that the rule matches: a split view.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_distinct_and_lead_to_their_kind() {
        let mut names: Vec<&str> = KINDS
            .iter()
            .flat_map(|spec| [spec.name].into_iter().chain(spec.aliases.iter().copied()))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for spec in KINDS {
            assert_eq!(spec.kind.spec().name, spec.name, "every kind has its own row");
            assert!(
                [spec.name]
                    .iter()
                    .chain(spec.aliases)
                    .all(|name| Kind::by_name(name) == Some(spec.kind))
            );
            assert_eq!(spec.name.starts_with("dns-"), spec.kind.is_dns());
        }
        // The last kind of the enumeration: a kind without a row would make the table shorter.
        assert_eq!(KINDS.len(), Kind::DnsView as usize + 1);
    }
}
