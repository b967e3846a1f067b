//! The admin side of a running host: a REST API, live events, metrics and a page.
//!
//! ```text
//! connection ── server: bound on connections, header time
//!   └── guard: Host, Origin, token, rate ── headers on every answer
//!         └── routes: one file per subject ── Lab: what the routes may see and change
//! ```
//!
//! The API is for the operator of a lab and for scripts; a browser may show it but no foreign page may
//! use it. Whoever may use it may make the lab misbehave, and nothing else: no route can set an ePID,
//! a hardware id or a key.

mod access;
mod extract;
mod guard;
mod history;
mod lab;
mod problem;
mod rate;
mod roster;
#[allow(unused_qualifications, reason = "the macro that describes a route writes them")]
mod routes;
mod server;

pub use access::{Access, AccessError, TOKEN_BYTES_MAX, Token};
pub use lab::DnsView;
pub use routes::openapi;
pub use server::{AdminServer, Options};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::serve::Handle;

/// Serves the admin API of running hosts, those of one server, and watches them from now on.
///
/// # Errors
/// An address that needs a token or cannot be listened on; no resources for a thread.
pub fn start(
    options: &Options,
    hosts: &[Handle],
    dns: Option<DnsView>,
    config: serde_json::Value,
) -> anyhow::Result<AdminServer> {
    let lab = lab::Lab::new(hosts, dns, config, Timestamp::now(), options.token.is_some());
    let lab = lab.context("no host to look after")?;
    AdminServer::start(options, routes::router(lab.clone()), lab.watch())
}
