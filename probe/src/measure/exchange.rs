//! One exchange, or one call on a connection that is kept: the stages of a check, in order, until
//! one is not answered.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;

use super::plan::{Path, Question};
use super::sample::{Exchange, Packets, StageTime};
use crate::check;
use crate::stage::channel::Channel;
use crate::stage::connect::{self, ConnectOutcome};
use crate::stage::resolve::{self, DnsCode};
use crate::stage::{self, Stage};
use crate::verdict::{Severity, Verdict, judge, table};

/// Makes exchanges along one path, and holds the connection where it is kept.
pub(super) struct Client<'a> {
    path: &'a Path,
    options: &'a check::Options,
    keep_alive: bool,
    runtime: Option<Runtime>,
    kept: Option<Conversation>,
}

/// An open connection with a context for calls.
struct Conversation {
    endpoint: judge::Endpoint,
    channel: Channel,
}

/// An exchange on its way.
struct Attempt {
    stages: Vec<StageTime>,
    packets: Packets,
    endpoint_missing: bool,
}

impl<'a> Client<'a> {
    /// # Errors
    /// Only this program's own failure to start a DNS client.
    pub(super) fn new(
        path: &'a Path,
        options: &'a check::Options,
        keep_alive: bool,
    ) -> anyhow::Result<Self> {
        let start = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = path.question.as_ref().map(|_| start()).transpose();
        let runtime = runtime.context("cannot start the DNS client")?;
        Ok(Self { path, options, keep_alive, runtime, kept: None })
    }

    /// Makes one exchange.
    ///
    /// # Errors
    /// Only this program's own failure, such as a lack of descriptors.
    pub(super) fn exchange(&mut self) -> anyhow::Result<Exchange> {
        let mut attempt =
            Attempt { stages: Vec::new(), packets: Packets::default(), endpoint_missing: false };
        let mut opening = 0;
        let mut conversation = match self.kept.take() {
            Some(kept) => kept,
            None => match self.open(&mut attempt)? {
                Ok(opened) => {
                    opening = attempt.stages.len();
                    opened
                }
                Err(verdict) => return Ok(attempt.ended(verdict, self.options.depth, 0)),
            },
        };
        let verdict = self.call(&mut conversation, &mut attempt)?;
        if !self.keep_alive {
            opening = 0;
        } else if is_answered(&verdict) {
            self.kept = Some(conversation);
        }
        Ok(attempt.ended(verdict, self.options.depth, opening))
    }

    /// Runs the stages that open a connection. The verdict that ended it where it did not come to a
    /// call: because a stage failed, or because no deeper stage was asked for.
    fn open(&self, attempt: &mut Attempt) -> anyhow::Result<Result<Conversation, Verdict>> {
        let options = self.options;
        if let (Some(question), Some(runtime)) = (&self.path.question, &self.runtime) {
            let verdict = look_up(self.path.address, question, runtime, options, attempt)?;
            if options.depth == Stage::Dns || !is_answered(&verdict) {
                return Ok(Err(verdict));
            }
        }
        let address = self.path.address;
        let mut endpoint = judge::Endpoint { host: self.path.host.clone(), address, source: None };
        let (facts, elapsed, stream) =
            connect::connect_from(options.origin, address, options.timeouts.tcp)
                .with_context(|| format!("cannot open a socket for `{address}`"))?;
        endpoint.source = facts.source.map(|source| source.ip());
        attempt.packets.syns = facts.syns_sent;
        attempt.packets.syn_answered = facts.outcome != ConnectOutcome::TimedOut;
        let verdict = judge::tcp(&endpoint, &facts);
        let repeated = facts.syns_sent.map_or(0, |syns| syns.saturating_sub(1));
        attempt.add(Stage::Tcp, elapsed, repeated, &verdict);
        let Some(stream) = stream.filter(|_| self.goes_beyond(Stage::Tcp, &verdict)) else {
            return Ok(Err(verdict));
        };
        let (bind, elapsed, channel) =
            stage::bind::bind(stream, options.timeouts.bind).context("cannot encode the bind")?;
        let verdict = judge::bind(&endpoint, &bind);
        attempt.add_call(Stage::Bind, elapsed, (1, bind.retransmissions), &verdict);
        let Some(channel) = channel.filter(|_| self.goes_beyond(Stage::Bind, &verdict)) else {
            return Ok(Err(verdict));
        };
        Ok(Ok(Conversation { endpoint, channel }))
    }

    /// Runs the stages that are calls.
    fn call(
        &self,
        conversation: &mut Conversation,
        attempt: &mut Attempt,
    ) -> anyhow::Result<Verdict> {
        let timeouts = self.options.timeouts;
        let Conversation { endpoint, channel, .. } = conversation;
        let (facts, elapsed) =
            stage::call::call(channel, timeouts.rpc).context("cannot encode the call")?;
        let verdict = judge::rpc(endpoint, &facts);
        attempt.add_call(Stage::Rpc, elapsed, (1, facts.retransmissions), &verdict);
        if !self.goes_beyond(Stage::Rpc, &verdict) {
            return Ok(verdict);
        }
        let question = check::kms_question(&self.options.kms)?;
        let (facts, elapsed) = stage::kms::exchange(channel, &question, timeouts.kms)
            .context("cannot encode the KMS request")?;
        let verdict = judge::kms(endpoint, &facts, self.options.kms.expect_lab);
        let segments = 1 + u32::from(facts.alter_context.is_some());
        attempt.add_call(Stage::Kms, elapsed, (segments, facts.retransmissions), &verdict);
        Ok(verdict)
    }

    fn goes_beyond(&self, stage: Stage, verdict: &Verdict) -> bool {
        self.options.depth > stage && is_answered(verdict)
    }
}

/// Asks DNS as a client would before it connects. The time is that of the resolver that answers.
fn look_up(
    address: SocketAddr,
    question: &Question,
    runtime: &Runtime,
    options: &check::Options,
    attempt: &mut Attempt,
) -> anyhow::Result<Verdict> {
    let resolved = match question.port {
        Some(port) => runtime.block_on(resolve::host(&question.name, port, &question.options)),
        None => runtime.block_on(resolve::domain(&question.name, &question.options))?,
    };
    let verdict = judge::dns(&resolved.facts, &resolved.reason, options.timeouts.dns);
    let view = resolved.facts.deciding_view();
    let elapsed = view.map_or(resolved.elapsed_us, |view| view.elapsed_us);
    attempt.add(Stage::Dns, Duration::from_micros(elapsed), 0, &verdict);
    let names_it =
        |found: &resolve::Endpoint| found.address == address.ip() && found.port == address.port();
    attempt.endpoint_missing =
        resolved.code == DnsCode::Ok && !resolved.endpoints.iter().any(names_it);
    Ok(verdict)
}

impl Attempt {
    /// Keeps the time of a stage that was answered.
    fn add(&mut self, stage: Stage, elapsed: Duration, resent: u32, verdict: &Verdict) {
        if is_answered(verdict) {
            self.stages.push(StageTime { stage, elapsed, resent });
        }
    }

    /// The same of a stage that sent so many segments, and so many of them again.
    fn add_call(
        &mut self,
        stage: Stage,
        elapsed: Duration,
        (segments, resent): (u32, Option<u32>),
        verdict: &Verdict,
    ) {
        if let Some(resent) = resent {
            self.packets.segments += segments;
            self.packets.resent += resent;
        }
        self.add(stage, elapsed, resent.unwrap_or(0), verdict);
    }

    /// The first `opening` stages do not belong to the total.
    fn ended(self, verdict: Verdict, depth: Stage, opening: usize) -> Exchange {
        let whole = is_answered(&verdict) && verdict.row.stage == depth;
        let total = self.stages.iter().skip(opening).map(|time| time.elapsed).sum();
        Exchange {
            total: whole.then_some(total),
            stages: self.stages,
            verdict,
            packets: self.packets,
            endpoint_missing: self.endpoint_missing,
        }
    }
}

/// Whether a stage had its answer, whatever else is to be said of it: a count that is too low, a
/// foreign key and a host that executes what it should refuse are answers.
fn is_answered(verdict: &Verdict) -> bool {
    let complete = [table::rpc::EXECUTED.code, table::kms::COUNT_LOW.code];
    verdict.severity <= Severity::Info || complete.contains(&verdict.row.code)
}
