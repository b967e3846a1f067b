//! Samba's own raw DCE/RPC protocol tests, imported from the installed package and run against
//! `serve`: what they assert was written by others and is also run by them against Windows.
//!
//! The tests that must run are pinned here, so that the set cannot shrink unseen; each of the
//! others has a reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread;
use std::time::Duration;

use kms_tests::harness::child::{run_ok, script};
use kms_tests::harness::server::LabServer;
use kms_tests::harness::stub::{Ndr, v4};
use kms_tests::skip::{self, Need};
use serde_json::{from_str, from_value};

#[test]
fn sambas_own_protocol_tests_pass() {
    if !skip::require("sambas_own_protocol_tests_pass", &[Need::Python("samba")]) {
        return;
    }
    let defined: BTreeSet<String> = from_str(&run_ok(suite().arg("--list"))).unwrap();
    let missing: Vec<_> = MUST_RUN.iter().filter(|name| !defined.contains(**name)).collect();
    assert!(missing.is_empty(), "this Samba has no test named {missing:?}");

    let results = run_all();
    let failed: Vec<_> =
        results.iter().filter_map(|(name, why)| Some((name, why.as_ref()?))).collect();
    report(results.len() - failed.len(), &defined);
    for (name, why) in &failed {
        say(&format!("{name}:\n{why}\n"));
    }
    let failed: Vec<_> = failed.into_iter().map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
    assert_eq!(results.len(), MUST_RUN.len());
}

/// Runs the pinned tests in as many processes as [`SHARDS`]: some wait for silence 700 times.
fn run_all() -> BTreeMap<String, Option<String>> {
    let server = LabServer::with(|config| {
        // A call of 4 MiB takes these tests about ten seconds, with a pause at each fragment.
        config.limits.request_timeout = Duration::from_secs(120);
    });
    let folder = tempfile::tempdir().unwrap();
    let stub_file = folder.path().join("request-stub");
    fs::write(&stub_file, v4(Ndr::Ndr32)).unwrap();
    let configuration = folder.path().join("smb.conf");
    fs::write(&configuration, smb_conf(folder.path().to_str().unwrap())).unwrap();

    let shard = |number: usize| {
        let names = MUST_RUN.iter().skip(number).step_by(SHARDS);
        let mut command = suite();
        command
            .env("SMB_CONF_PATH", &configuration)
            .arg(server.address().ip().to_string())
            .arg(server.address().port().to_string())
            .arg(&stub_file)
            .args(names);
        let results: serde_json::Value = from_str(&run_ok(&mut command)).unwrap();
        from_value::<BTreeMap<String, Option<String>>>(results).unwrap()
    };
    thread::scope(|scope| {
        let shards: Vec<_> = (0..SHARDS).map(|n| scope.spawn(move || shard(n))).collect();
        shards.into_iter().flat_map(|shard| shard.join().unwrap()).collect()
    })
}

fn suite() -> Command {
    let mut command = Command::new(skip::python("samba").unwrap());
    command.arg("-B").arg(script("samba_raw_protocol.py"));
    command
}

/// Keeps Samba's libraries inside the test's own folder.
fn smb_conf(folder: &str) -> String {
    let settings = ["private dir", "lock directory", "state directory", "cache directory"];
    let lines: String = settings.iter().map(|name| format!("{name} = {folder}\n")).collect();
    format!("[global]\nworkgroup = LAB\nserver role = standalone server\n{lines}")
}

fn report(passed: usize, defined: &BTreeSet<String>) {
    let others: Vec<_> = defined.iter().filter(|name| !MUST_RUN.contains(&name.as_str())).collect();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &others {
        let reason = EXCLUDED.iter().find(|(prefix, _)| name.starts_with(prefix));
        *reasons.entry(reason.map_or("not known here", |(_, reason)| reason)).or_default() += 1;
    }
    let reasons: Vec<_> =
        reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    say(&format!(
        "Samba's protocol tests: ran {}, passed {passed}, excluded {} ({})\n",
        MUST_RUN.len(),
        others.len(),
        reasons.join("; ")
    ));
}

/// Past the test runner, which would swallow what a passing test prints.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

const SHARDS: usize = 6;

/// Why the other tests are not run, by the beginning of their names.
const EXCLUDED: &[(&str, &str)] = &[
    ("test_no_auth_no_ctx", OLDER_WINDOWS),
    ("test_no_auth_invalid_valid_request", OLDER_WINDOWS),
    ("test_assoc_group_fail3", NAMED_PIPE),
    ("test_assoc_group_ok2", NAMED_PIPE),
    ("test_krb5_", AUTHENTICATION),
    ("test_lsa_", AUTHENTICATION),
    ("test_multiple_auth_limit", AUTHENTICATION),
    ("test_ntlm", AUTHENTICATION),
    ("test_spnego_", AUTHENTICATION),
];

const AUTHENTICATION: &str = "complete an authentication";
const NAMED_PIPE: &str = "need a named pipe";
const OLDER_WINDOWS: &str = "assert what Server 2012 R2 alone answers";

const MUST_RUN: &[&str] = &[
    "test_2nd_cancel_requests",
    "test_alloc_hint",
    "test_alter_no_auth_no_ctx",
    "test_assoc_group_diff1",
    "test_assoc_group_fail1",
    "test_assoc_group_fail2",
    "test_assoc_group_ok1",
    "test_auth_none_0_bind",
    "test_auth_none_255_bind",
    "test_auth_none_7_bind",
    "test_auth_none_call_bind",
    "test_auth_none_call_request",
    "test_auth_none_connect_bind",
    "test_auth_none_connect_request",
    "test_auth_none_integrity_bind",
    "test_auth_none_none_bind",
    "test_auth_none_none_request",
    "test_auth_none_packet_bind",
    "test_auth_none_packet_request",
    "test_auth_none_privacy_bind",
    "test_co_cancel_no_request",
    "test_co_cancel_request_after_first",
    "test_first_08_requests",
    "test_first_cancel_requests",
    "test_first_cmpx_requests",
    "test_first_didnot_requests",
    "test_first_maybe_requests",
    "test_first_only_requests",
    "test_fragmented_requests01",
    "test_fragmented_requests02",
    "test_fragmented_requests03",
    "test_fragmented_requests04",
    "test_fragmented_requests05",
    "test_invalid_auth_noctx",
    "test_last_cancel_requests",
    "test_last_only_requests",
    "test_mix_requests",
    "test_neg_xmit_0_0",
    "test_neg_xmit_0_3199",
    "test_neg_xmit_0_ffff",
    "test_neg_xmit_3199_0",
    "test_neg_xmit_3199_ffff",
    "test_neg_xmit_ffff_0",
    "test_neg_xmit_ffff_3199",
    "test_neg_xmit_ffff_ffff",
    "test_no_auth_bind_time_keep_on_orphan_ignore_additional",
    "test_no_auth_bind_time_keep_on_orphan_simple",
    "test_no_auth_bind_time_none_ignore_additional",
    "test_no_auth_bind_time_none_simple",
    "test_no_auth_bind_time_only_first",
    "test_no_auth_bind_time_sec_ctx_ignore_additional",
    "test_no_auth_bind_time_twice",
    "test_no_auth_presentation_ctx_invalid1",
    "test_no_auth_presentation_ctx_invalid2",
    "test_no_auth_presentation_ctx_invalid3",
    "test_no_auth_presentation_ctx_invalid4",
    "test_no_auth_presentation_ctx_no_ndr64",
    "test_no_auth_presentation_ctx_valid1",
    "test_no_auth_presentation_ctx_valid2",
    "test_no_auth_request",
    "test_no_auth_request_alter_pfc_00",
    "test_no_auth_request_alter_pfc_08",
    "test_no_auth_request_alter_pfc_CONC_MPX",
    "test_no_auth_request_alter_pfc_DID_NOT_EXECUTE",
    "test_no_auth_request_alter_pfc_FIRST",
    "test_no_auth_request_alter_pfc_HDR_SIGNING",
    "test_no_auth_request_alter_pfc_LAST",
    "test_no_auth_request_alter_pfc_MAYBE",
    "test_no_auth_request_alter_pfc_OBJECT_UUID",
    "test_no_auth_request_alter_pfc_ff",
    "test_no_auth_request_bind_pfc_00",
    "test_no_auth_request_bind_pfc_08",
    "test_no_auth_request_bind_pfc_CONC_MPX",
    "test_no_auth_request_bind_pfc_DID_NOT_EXECUTE",
    "test_no_auth_request_bind_pfc_FIRST",
    "test_no_auth_request_bind_pfc_HDR_SIGNING",
    "test_no_auth_request_bind_pfc_LAST",
    "test_no_auth_request_bind_pfc_MAYBE",
    "test_no_auth_request_bind_pfc_OBJECT_UUID",
    "test_no_auth_valid_valid_request",
    "test_none_only_requests",
    "test_orphaned_no_request",
    "test_orphaned_request_after_first_last",
    "test_orphaned_request_after_first_mpx_last",
    "test_orphaned_request_after_first_mpx_no_last",
    "test_orphaned_request_after_first_no_last",
    "test_spnego_0_bind",
    "test_spnego_255_bind",
    "test_spnego_7_bind",
    "test_spnego_auth_pad_fail_bind",
    "test_spnego_none_bind",
];
