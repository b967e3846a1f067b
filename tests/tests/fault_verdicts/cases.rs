//! The table: a rule, and the verdict of kms-probe.

use kms_probe::stage::Stage;
use kms_protocol::kms::Version;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Each as `--fault` takes it.
    pub(crate) rules: &'static [&'static str],
    /// How deep the probe goes.
    pub(crate) depth: Stage,
    /// The protocol version that it asks with.
    pub(crate) version: Version,
    /// The verdict or finding; several where a race on the wire decides.
    pub(crate) expected: &'static [&'static str],
}

const fn at(
    depth: Stage,
    rules: &'static [&'static str],
    expected: &'static [&'static str],
) -> Case {
    Case { rules, depth, version: Version::V6, expected }
}

const fn rpc(rules: &'static [&'static str], expected: &'static [&'static str]) -> Case {
    at(Stage::Rpc, rules, expected)
}

const fn kms(rules: &'static [&'static str], expected: &'static [&'static str]) -> Case {
    at(Stage::Kms, rules, expected)
}

const fn by(version: Version, case: Case) -> Case {
    Case { version, ..case }
}

/// Against a host that has counted enough clients.
pub(crate) const HOST: &[Case] = &[
    rpc(&[], &["rpc.ok"]),
    kms(&[], &["kms.ok"]),
    // At accept.
    rpc(&["refuse"], &["tcp.refused"]),
    rpc(&["refuse client=127.0.0.0/8"], &["bind.reset", "tcp.reset"]),
    rpc(&["reset stage=accept"], &["bind.reset", "tcp.reset"]),
    rpc(&["close stage=accept"], &["bind.closed"]),
    rpc(&["never-answer stage=accept"], &["bind.timeout"]),
    rpc(&["delay stage=accept time=1h"], &["bind.timeout"]),
    rpc(&["delay stage=accept time=10ms"], &["rpc.ok"]),
    // At bind.
    rpc(&["reset stage=bind"], &["bind.reset"]),
    rpc(&["close stage=bind"], &["bind.closed"]),
    rpc(&["close stage=bind after=20"], &["bind.malformed"]),
    rpc(&["never-answer stage=bind"], &["bind.timeout"]),
    rpc(&["delay stage=bind time=1h"], &["bind.timeout"]),
    rpc(&["drip stage=bind interval=1h"], &["bind.timeout"]),
    rpc(&["drip stage=bind bytes=7 interval=1ms"], &["rpc.ok"]),
    rpc(&["truncate stage=bind"], &["bind.malformed"]),
    rpc(&["corrupt stage=bind offset=0"], &["bind.not_rpc"]),
    rpc(&["corrupt stage=bind offset=32 mask=8"], &["bind.malformed"]),
    rpc(&["wrong-call-id stage=bind"], &["bind.call_id_mismatch"]),
    rpc(&["bind-nak reason=2"], &["bind.nak"]),
    rpc(&["reject-interface"], &["bind.not_kms"]),
    rpc(&["reject-syntax"], &["bind.no_syntax"]),
    rpc(&["reject-syntax syntax=ndr64"], &["rpc.ok"]),
    rpc(&["reject-syntax syntax=ndr32"], &["rpc.ok"]),
    // The call of an operation that does not exist.
    rpc(&["reset"], &["rpc.reset"]),
    rpc(&["close"], &["rpc.closed"]),
    rpc(&["never-answer"], &["rpc.timeout"]),
    rpc(&["reset stage=response"], &["rpc.reset"]),
    rpc(&["never-answer stage=response"], &["rpc.timeout"]),
    rpc(&["execute"], &["rpc.executed"]),
    rpc(&["rpc-fault status=0x00000005"], &["rpc.fault"]),
    rpc(&["delay time=1h"], &["rpc.timeout"]),
    rpc(&["drip interval=1h"], &["rpc.timeout"]),
    rpc(&["truncate"], &["rpc.malformed"]),
    rpc(&["close stage=response after=20"], &["rpc.malformed"]),
    rpc(&["wrong-call-id"], &["rpc.malformed"]),
    rpc(&["oversize"], &["rpc.malformed"]),
    rpc(&["corrupt offset=24"], &["rpc.fault"]),
    // The request itself.
    kms(&["reset opnum=0"], &["kms.reset"]),
    kms(&["close opnum=0"], &["kms.closed"]),
    kms(&["never-answer opnum=0"], &["kms.timeout"]),
    kms(&["delay opnum=0 time=1h"], &["kms.timeout"]),
    kms(&["delay opnum=0 distribution=normal mean=5ms deviation=2ms max=20ms"], &["kms.ok"]),
    kms(&["drip opnum=0 interval=1h"], &["kms.timeout"]),
    kms(&["truncate opnum=0"], &["kms.malformed"]),
    kms(&["corrupt opnum=0 offset=60"], &["kms.foreign_key", "kms.mac_mismatch", "kms.malformed"]),
    kms(&["wrong-call-id opnum=0"], &["kms.malformed"]),
    kms(&["oversize opnum=0"], &["kms.malformed"]),
    kms(&["split"], &["kms.ok"]),
    kms(&["rpc-fault opnum=0"], &["kms.fault"]),
    kms(&["rpc-fault opnum=0 stage=response status=0x000006F7"], &["kms.fault"]),
    kms(&["hresult code=0xC004F042"], &["kms.hresult"]),
    kms(&["hresult code=0x8007000D stage=response"], &["kms.foreign_key"]),
    kms(&["count count=3"], &["kms.count_low"]),
    kms(&["wrong-cmid"], &["kms.echo_mismatch"]),
    kms(&["wrong-time"], &["kms.echo_mismatch"]),
    by(Version::V4, kms(&["wrong-mac"], &["kms.mac_mismatch"])),
    by(Version::V5, kms(&["wrong-hash"], &["kms.mac_mismatch"])),
    kms(&["wrong-hash"], &["kms.mac_mismatch"]),
    kms(&["wrong-hmac"], &["kms.mac_mismatch"]),
    kms(&["clock-offset offset=5h"], &["kms.hresult"]),
    kms(&["clock-offset offset=-5h"], &["kms.hresult"]),
    kms(&["clock-offset offset=3h"], &["kms.ok"]),
];

/// Against a host that is found by DNS.
pub(crate) const DNS: &[Case] = &[
    rpc(&["dns-nxdomain"], &["dns.nxdomain"]),
    rpc(&["dns-nodata"], &["dns.nodata"]),
    rpc(&["dns-servfail code=22 text=unreachable"], &["dns.servfail"]),
    rpc(&["dns-refused"], &["dns.refused"]),
    rpc(&["dns-drop"], &["dns.timeout"]),
    rpc(&["dns-delay time=1h"], &["dns.timeout"]),
    rpc(&["dns-delay time=20ms"], &["rpc.ok"]),
    rpc(&["dns-truncate"], &["rpc.ok"]),
    rpc(
        &["dns-truncate transport=udp", "dns-malformed transport=tcp"],
        &["dns.truncated_no_tcp", "dns.malformed"],
    ),
    rpc(&["dns-no-service"], &["dns.no_service"]),
    rpc(&["dns-dangling"], &["dns.target_unresolved"]),
    rpc(&["dns-malformed"], &["dns.malformed"]),
    rpc(&["dns-wrong-id"], &["rpc.ok"]),
    rpc(&["dns-flap ttl=1"], &["rpc.ok"]),
    rpc(&["dns-flap ttl=1", "dns-nxdomain"], &["rpc.ok"]),
    rpc(&["dns-view client=::1 addresses=127.0.0.9"], &["dns.split_view"]),
];
