//! The 63 cases of how Windows and Samba servers treat a connection-oriented RPC client, as
//! black-box tests over real sockets: exact PDU type, flags, ids and status, and whether the
//! connection ends or is really usable afterwards.
//!
//! Each test is named after its case. The cases come from Samba's raw protocol tests, which Samba
//! also runs against Windows (`samba/tests/dcerpc/raw_protocol.py`), and from C706 chapter 12
//! and [MS-RPCE] 3.3.1.5. Silence is proved by order: a server answers in the order of arrival,
//! so when the next expected PDU comes first, nothing came in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod auth;
mod bind;
mod byte_order;
mod cancel;
mod contexts;
mod features;
mod fragments;
mod groups;
mod interleaved;
mod refusal;
mod sizes;

use std::collections::BTreeSet;
use std::env::current_exe;
use std::process::Command;

use kms_tests::harness::child::run_ok;

/// Cases that need a security provider, which this server does not have.
const EXCEPTED: &[(u8, &str)] = &[
    (43, "the calls are authenticated"),
    (54, "a request before a SPNEGO exchange has ended"),
    (55, "upgrades the level of an authenticated connection"),
    (56, "changes level, provider or syntax of an authenticated connection"),
    (57, "signed requests; the unaligned trailer is case 63"),
    (58, "many security contexts on one connection"),
];

#[test]
fn every_case_has_a_test_or_is_excepted() {
    let listing =
        run_ok(Command::new(current_exe().unwrap()).args(["--list", "--format", "terse"]));
    let tested: BTreeSet<u8> = listing
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter_map(|name| name.strip_prefix("case_")?.get(..2)?.parse().ok())
        .collect();
    let excepted: BTreeSet<u8> = EXCEPTED.iter().map(|(case, _)| *case).collect();
    assert_eq!(tested.intersection(&excepted).count(), 0, "excepted cases have no test");
    let all: BTreeSet<u8> = tested.union(&excepted).copied().collect();
    assert_eq!(all, (1..=63).collect());
}
