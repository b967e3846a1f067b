//! The stages from TCP on, for one address.

use std::io;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use kms_protocol::filetime::FileTime;

use super::entry::{StageFacts, StageReport, TcpFacts};
use super::{KmsOptions, Options};
use crate::stage::channel::Channel;
use crate::stage::connect;
use crate::stage::kms::KmsQuestion;
use crate::stage::{self, Stage};
use crate::verdict::{Verdict, judge};

/// Runs the stages up to the depth of `options`, and stops at the first that is not healthy.
/// The stages are added to `stages`; the verdict is that of the last one.
///
/// # Errors
/// Only this program's own failure, such as a lack of descriptors.
pub(super) fn run(
    host: &str,
    address: SocketAddr,
    options: &Options,
    stages: &mut Vec<StageReport>,
) -> anyhow::Result<Verdict> {
    let mut endpoint = judge::Endpoint { host: host.to_owned(), address, source: None };
    let (facts, elapsed, stream) =
        connect::connect_from(options.origin, address, options.timeouts.tcp)
            .with_context(|| format!("cannot open a socket for `{address}`"))?;
    endpoint.source = facts.source.map(|source| source.ip());
    let verdict = judge::tcp(&endpoint, &facts);
    let facts = TcpFacts { state: verdict.row.port_state, connect: facts };
    stages.push(report(Stage::Tcp, &verdict, elapsed, StageFacts::Tcp(facts)));
    let Some(stream) = stream.filter(|_| options.goes_beyond(Stage::Tcp, &verdict)) else {
        return Ok(verdict);
    };

    let (facts, elapsed, channel) =
        stage::bind::bind(stream, options.timeouts.bind).context("cannot encode the bind")?;
    let verdict = judge::bind(&endpoint, &facts);
    stages.push(report(Stage::Bind, &verdict, elapsed, StageFacts::Bind(facts)));
    let Some(mut channel) = channel.filter(|_| options.goes_beyond(Stage::Bind, &verdict)) else {
        return Ok(verdict);
    };

    let (facts, elapsed) =
        stage::call::call(&mut channel, options.timeouts.rpc).context("cannot encode the call")?;
    let verdict = judge::rpc(&endpoint, &facts);
    stages.push(report(Stage::Rpc, &verdict, elapsed, StageFacts::Rpc(facts)));
    if !options.goes_beyond(Stage::Rpc, &verdict) {
        return Ok(verdict);
    }
    kms(&endpoint, &mut channel, options, stages)
}

fn kms(
    endpoint: &judge::Endpoint,
    channel: &mut Channel,
    options: &Options,
    stages: &mut Vec<StageReport>,
) -> anyhow::Result<Verdict> {
    let question = question(&options.kms)?;
    let (facts, elapsed) = stage::kms::exchange(channel, &question, options.timeouts.kms)
        .context("cannot encode the KMS request")?;
    let verdict = judge::kms(endpoint, &facts, options.kms.expect_lab);
    stages.push(report(Stage::Kms, &verdict, elapsed, StageFacts::Kms(Box::new(facts))));
    Ok(verdict)
}

fn report(
    stage: Stage,
    verdict: &Verdict,
    elapsed: std::time::Duration,
    facts: StageFacts,
) -> StageReport {
    StageReport { stage, verdict: verdict.row.code, elapsed, facts }
}

/// What a client asks now.
pub(crate) fn question(options: &KmsOptions) -> io::Result<KmsQuestion> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let seconds = i64::try_from(since.as_secs()).map_err(io::Error::other)?;
    let client_time = FileTime::from_unix(seconds, since.subsec_nanos())
        .ok_or_else(|| io::Error::other("the system clock is outside what a FILETIME can say"))?;
    Ok(KmsQuestion {
        keys: options.keys.clone(),
        version: options.version,
        product: options.product,
        cmid: options.cmid,
        client_time,
        iv: fresh_iv(),
    })
}

#[allow(clippy::disallowed_methods, reason = "an IV must not repeat; no report shows it")]
fn fresh_iv() -> [u8; 16] {
    rand::random()
}
