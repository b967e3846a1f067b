//! Every verdict of the tcp, bind, rpc and kms stages that loopback can cause, caused for real.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;
#[path = "stages/bind.rs"]
mod stage_bind;
#[path = "stages/kms.rs"]
mod stage_kms;
#[path = "stages/rpc.rs"]
mod stage_rpc;
#[path = "stages/tcp.rs"]
mod stage_tcp;
mod support;
