//! From samples to figures: everything that is kept of a measurement, in bounded memory. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::distribution::Distribution;
use super::interval::Intervals;
use super::loss::Loss;
use super::sample::{Packets, Sample, Span, micros};
use super::schedule::Schedule;
use super::slowest::{Slow, Slowest};
use crate::stage::Stage;
use crate::verdict::Verdict;

/// What is kept of a measurement while it runs and after it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Latencies by stage, in order, and of whole exchanges.
    pub spans: Vec<SpanRecord>,
    /// Exchanges lost, of those that ended.
    pub loss: Loss,
    /// The verdicts with which exchanges ended, by their code.
    pub verdicts: BTreeMap<&'static str, Ended>,
    /// SYNs and segments.
    pub packets: PacketRecord,
    /// When the first of the exchanges that ended had begun, from the start.
    pub first_begun: Option<Duration>,
    /// When the last of them had begun.
    pub last_begun: Duration,
    /// How late exchanges began.
    pub lateness: Distribution,
    /// Exchanges that began more than the stated time after they were due.
    pub late: u64,
    /// DNS answers that did not name the endpoint that is measured.
    pub endpoint_missing: u64,
    /// The same in slices of time.
    pub intervals: Intervals,
    late_after: Duration,
}

/// Latencies of one stage, or of whole exchanges.
#[derive(Clone, Debug)]
pub struct SpanRecord {
    /// Of what.
    pub span: Span,
    /// How they are distributed.
    pub distribution: Distribution,
    /// The slowest of them.
    pub slowest: Slowest,
}

/// A verdict with which exchanges ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How many ended in it.
    pub count: u64,
    /// How many of these were lost.
    pub lost: u64,
    /// The number of the first.
    pub first_index: u64,
    /// When the first began, from the start.
    pub first_begun: Duration,
    /// When the last began.
    pub last_begun: Duration,
    /// The verdict of the first, with its sentences.
    pub first: Verdict,
}

/// Packets of all exchanges. What the kernel does not tell is left out of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketRecord {
    /// SYNs sent.
    pub syns_sent: u64,
    /// Of the first SYNs of all connections, those that had to be repeated or that nothing came back
    /// to: the SYN or its answer was lost. Later SYNs are left out, for the host repeats its answer
    /// at the same time, so that they tell less of a single packet.
    pub first_syns: Loss,
    /// Of all segments with data sent, those that had to be sent again: the segment or its
    /// acknowledgement was lost or very late.
    pub segments: Loss,
}

impl Record {
    /// Nothing yet.
    ///
    /// # Errors
    /// None: the bounds of the histograms are constants.
    pub fn new(depth: Stage, schedule: &Schedule) -> Result<Self, hdrhistogram::CreationError> {
        let spans = Span::up_to(depth).map(|span| {
            let distribution = Distribution::new()?;
            Ok(SpanRecord { span, distribution, slowest: Slowest::default() })
        });
        Ok(Self {
            spans: spans.collect::<Result<_, _>>()?,
            loss: Loss::default(),
            verdicts: BTreeMap::new(),
            packets: PacketRecord::default(),
            first_begun: None,
            last_begun: Duration::ZERO,
            lateness: Distribution::new()?,
            late: 0,
            endpoint_missing: 0,
            intervals: Intervals::new(schedule.expected()),
            late_after: late_after(schedule),
        })
    }

    /// Takes one sample.
    pub fn record(&mut self, sample: &Sample) {
        let exchange = &sample.exchange;
        let is_lost = exchange.is_lost();
        self.loss.of += 1;
        self.loss.lost += u64::from(is_lost);
        self.record_verdict(sample);
        self.packets.record(&exchange.packets);
        self.endpoint_missing += u64::from(exchange.endpoint_missing);
        let first = self.first_begun.map_or(sample.begun, |first| first.min(sample.begun));
        self.first_begun = Some(first);
        self.last_begun = self.last_begun.max(sample.begun);
        let late_by = sample.begun.saturating_sub(sample.due);
        self.lateness.record(micros(late_by));
        self.late += u64::from(late_by > self.late_after);

        let interval = self.intervals.at(sample.ended);
        interval.answered += u64::from(!is_lost);
        interval.lost += u64::from(is_lost);
        let stages = exchange.stages.iter().map(|time| (Span::Stage(time.stage), time));
        let resent = exchange.stages.iter().map(|time| time.resent).sum();
        let stages = stages.map(|(span, time)| (span, time.elapsed, time.resent));
        let total = exchange.total.map(|elapsed| (Span::Total, elapsed, resent));
        for (span, elapsed, resent) in stages.chain(total) {
            let micros = micros(elapsed);
            if let Some(kept) = self.spans.iter_mut().find(|kept| kept.span == span) {
                interval.record(span, kept.distribution.rounded(micros));
                kept.distribution.record(micros);
                let (index, begun) = (sample.index, sample.begun);
                kept.slowest.record(Slow { micros, index, begun, resent });
            }
        }
    }

    fn record_verdict(&mut self, sample: &Sample) {
        let verdict = &sample.exchange.verdict;
        let ended = self.verdicts.entry(verdict.row.code).or_insert_with(|| Ended {
            count: 0,
            lost: 0,
            first_index: sample.index,
            first_begun: sample.begun,
            last_begun: sample.begun,
            first: verdict.clone(),
        });
        ended.count += 1;
        ended.lost += u64::from(sample.exchange.is_lost());
        ended.last_begun = ended.last_begun.max(sample.begun);
    }

    /// The latencies of a span, where it is measured.
    #[must_use]
    pub fn span(&self, span: Span) -> Option<&SpanRecord> {
        self.spans.iter().find(|kept| kept.span == span)
    }

    /// The verdicts of lost exchanges: the worst first, and of these the most frequent.
    #[must_use]
    pub fn failures(&self) -> Vec<&Ended> {
        let mut lost: Vec<&Ended> = self.verdicts.values().filter(|ended| ended.lost > 0).collect();
        lost.sort_by_key(|ended| std::cmp::Reverse((ended.first.severity, ended.lost)));
        lost
    }

    /// The verdict of most exchanges that were answered.
    #[must_use]
    pub fn answered(&self) -> Option<&Ended> {
        let answered = self.verdicts.values().filter(|ended| ended.lost < ended.count);
        answered.max_by_key(|ended| ended.count - ended.lost)
    }

    /// How much later than due an exchange may begin before it counts as late.
    #[must_use]
    pub const fn late_after(&self) -> Duration {
        self.late_after
    }
}

impl PacketRecord {
    fn record(&mut self, packets: &Packets) {
        if let Some(syns) = packets.syns {
            self.syns_sent += u64::from(syns);
            self.first_syns.of += 1;
            self.first_syns.lost += u64::from(syns > 1 || !packets.syn_answered);
        }
        self.segments.of += u64::from(packets.segments) + u64::from(packets.resent);
        self.segments.lost += u64::from(packets.resent);
    }
}

/// One period of the rate, and not less than a busy machine may take to wake up.
fn late_after(schedule: &Schedule) -> Duration {
    schedule.rate.period().max(LATE_AFTER_MIN)
}

const LATE_AFTER_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
