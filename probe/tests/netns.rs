//! Verdicts that need a network: client, two routers and server in network namespaces of their
//! own, with nftables in between. The probe runs as a user without privileges.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "netns/beside.rs"]
mod beside;
#[path = "netns/dns.rs"]
mod dns;
#[path = "netns/loss.rs"]
mod loss;
#[path = "netns/origin.rs"]
mod origin;
#[path = "netns/raw_peer.rs"]
mod raw_peer;
#[path = "netns/run.rs"]
mod run;
#[path = "../../tests/src/skip.rs"]
mod skip;
mod support;
#[path = "netns/verdicts.rs"]
mod verdicts;
mod world;
