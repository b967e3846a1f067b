//! What is counted, in memory that does not grow: counters and bounded HDR histograms that can be
//! added up. Pure.

use hdrhistogram::Histogram;

use super::verdict::{Phase, Verdict};

/// Counters of a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Exchanges that ended as they should.
    pub answered: u64,
    /// Exchanges that failed, by verdict, in the order of [`Verdict::ALL`].
    pub failed: [u64; Verdict::COUNT],
    /// Exchanges that were under way when the run was cut short.
    pub cut: u64,
    /// Exchanges that began.
    pub started: u64,
    /// Exchanges that began later than they could have, by more than [`LATE_US`].
    pub late: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Processor time of the worker, in nanoseconds.
    pub cpu_ns: u64,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies {
    /// Answered exchanges, from the intended start.
    pub intended: Histogram<u64>,
    /// Answered exchanges, from the actual start.
    pub actual: Histogram<u64>,
    /// Failed exchanges, from the actual start.
    pub failed: Histogram<u64>,
    /// Answered connects, binds and calls, each from its own start.
    pub phases: [Histogram<u64>; 3],
    /// How much later than it could have each exchange began: the generator's own lateness.
    pub lateness: Histogram<u64>,
}

/// Both.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tally {
    /// Counters.
    pub counts: Counts,
    /// Histograms.
    pub latencies: Latencies,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            answered: 0,
            failed: [0; Verdict::COUNT],
            cut: 0,
            started: 0,
            late: 0,
            connections: 0,
            cpu_ns: 0,
        }
    }
}

impl Counts {
    /// Failed exchanges of all kinds.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Exchanges that ended, well or not.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.answered + self.failures()
    }

    /// Those that the generator itself is to blame for.
    #[must_use]
    pub fn local_failures(&self) -> u64 {
        self.by_verdict().filter(|(verdict, _)| verdict.is_local()).map(|(_, count)| count).sum()
    }

    /// Every verdict with its count.
    pub fn by_verdict(&self) -> impl Iterator<Item = (Verdict, u64)> + '_ {
        Verdict::ALL.iter().copied().zip(self.failed.iter().copied())
    }

    /// Failed exchanges of a phase.
    #[must_use]
    pub fn failures_in(&self, phase: Phase) -> u64 {
        self.by_verdict().filter(|(verdict, _)| verdict.phase() == phase).map(|(_, n)| n).sum()
    }

    /// Adds one failure.
    pub fn fail(&mut self, verdict: Verdict) {
        if let Some(count) = self.failed.get_mut(verdict as usize) {
            *count += 1;
        }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        for (mine, theirs) in self.failed.iter_mut().zip(other.failed) {
            *mine += theirs;
        }
        self.cut += other.cut;
        self.started += other.started;
        self.late += other.late;
        self.connections += other.connections;
        self.cpu_ns += other.cpu_ns;
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            intended: histogram(),
            actual: histogram(),
            failed: histogram(),
            phases: [histogram(), histogram(), histogram()],
            lateness: histogram(),
        }
    }
}

impl Latencies {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.intended, &other.intended),
            (&mut self.actual, &other.actual),
            (&mut self.failed, &other.failed),
            (&mut self.lateness, &other.lateness),
        ];
        let phases = self.phases.iter_mut().zip(&other.phases);
        for (mine, theirs) in pairs.into_iter().chain(phases) {
            if !theirs.is_empty() {
                // Same bounds on both sides, so nothing can be left out.
                mine.add(theirs).unwrap_or_default();
            }
        }
    }

    /// The histogram of a phase.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> &Histogram<u64> {
        let [connect, bind, call] = &self.phases;
        match phase {
            Phase::Connect => connect,
            Phase::Bind => bind,
            Phase::Call => call,
        }
    }

    /// Takes the latency of a phase, in nanoseconds.
    pub fn record_phase(&mut self, phase: Phase, nanos: u64) {
        if let Some(histogram) = self.phases.get_mut(phase as usize) {
            record(histogram, nanos);
        }
    }
}

impl Tally {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.latencies.add(&other.latencies);
    }

    /// Whether nothing was counted; processor time does not count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let idle = Counts { cpu_ns: self.counts.cpu_ns, ..Counts::default() };
        self.counts == idle && self.latencies.phases.iter().all(Histogram::is_empty)
    }
}

/// Takes nanoseconds as whole microseconds; what lies beyond [`VALUE_MAX_US`] counts there.
pub(super) fn record(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos / 1000);
}

/// The percentile by nearest rank, to three significant digits; `None` of nothing.
#[must_use]
pub fn percentile(histogram: &Histogram<u64>, percent: f64) -> Option<u64> {
    let value = histogram.value_at_percentile(percent).min(histogram.max());
    (!histogram.is_empty()).then_some(value)
}

/// An empty histogram of microseconds: three significant digits, up to an hour, 200 KiB.
#[must_use]
#[allow(clippy::expect_used, reason = "the bounds are constants, which a test creates")]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, VALUE_MAX_US, 3).expect("constant bounds")
}

/// The largest latency that is told apart, in microseconds.
pub const VALUE_MAX_US: u64 = 3_600_000_000;
/// A start that is later than this is late, in microseconds.
pub const LATE_US: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_million_samples_take_the_memory_of_one() {
        let mut latencies = Latencies::default();
        let before = latencies.intended.distinct_values();
        for value in 0..1000 {
            latencies.intended.saturating_record_n(value * value, 1_000_000);
        }
        latencies.intended.saturating_record(u64::MAX);
        assert_eq!(latencies.intended.len(), 1_000_000_001);
        assert_eq!(latencies.intended.distinct_values(), before, "no bucket was added");
        assert!(before * size_of::<u64>() < 256 * 1024, "{before}");
        let mut sum = Latencies::default();
        sum.add(&latencies);
        sum.add(&latencies);
        assert_eq!(sum.intended.len(), 2_000_000_002);
        assert_eq!(sum.intended.distinct_values(), before);
    }

    #[test]
    fn nothing_has_no_percentile_and_one_value_is_all_of_them() {
        let mut one = histogram();
        assert_eq!(percentile(&one, 50.0), None);
        record(&mut one, 1_234_999);
        assert_eq!((percentile(&one, 50.0), percentile(&one, 99.9)), (Some(1234), Some(1234)));
    }

    #[test]
    fn every_verdict_has_its_own_counter() {
        let mut counts = Counts::default();
        for (index, verdict) in Verdict::ALL.iter().enumerate() {
            (0..=index).for_each(|_| counts.fail(*verdict));
        }
        assert!(counts.by_verdict().enumerate().all(|(index, (_, n))| n == index as u64 + 1));
        let by_phase: u64 = Phase::ALL.iter().map(|phase| counts.failures_in(*phase)).sum();
        assert_eq!(by_phase, counts.failures());
    }
}
