//! Whether what a process uses grows, from samples at even intervals.

use std::fmt::Write;

use crate::report;
use crate::suite::median;

/// What a process used at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Resident bytes.
    pub memory: f64,
    /// Open descriptors.
    pub descriptors: f64,
    /// Tasks of its runtimes.
    pub tasks: f64,
}

/// What a process used under a steady load, and without any before and after it.
#[derive(Clone, Debug)]
pub struct Growth {
    /// Under load, at even intervals.
    pub samples: Vec<Sample>,
    /// With no connection open: before and after.
    pub at_rest: (Sample, Sample),
}

/// One thing that could grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// The median of the second third of the samples; the first third is warm-up.
    pub early: f64,
    /// That of the last third.
    pub late: f64,
    /// By how much the one may be above the other.
    pub limit: f64,
    /// Whether it must be after the load what it was before.
    pub returns: bool,
    /// At rest: before and after.
    pub at_rest: (f64, f64),
}

impl Growth {
    /// Memory, descriptors and tasks, as printed.
    #[must_use]
    pub fn trends(&self) -> [(&'static str, Trend); 3] {
        let memory = self.trend(|sample| sample.memory / MIB, |_| MEMORY_LIMIT_MIB, false);
        // Open connections come and go, and their number with them.
        let by_chance = |early: f64| (early * CHANCE).max(CHANCE_MIN);
        [
            ("memory, MiB", memory),
            ("descriptors", self.trend(|sample| sample.descriptors, by_chance, true)),
            ("tasks", self.trend(|sample| sample.tasks, by_chance, true)),
        ]
    }

    fn trend(
        &self,
        figure: impl Fn(&Sample) -> f64,
        limit: impl Fn(f64) -> f64,
        returns: bool,
    ) -> Trend {
        let third = self.samples.len() / 3;
        let of = |from: usize| median(self.samples.iter().skip(from).take(third).map(&figure));
        let (early, late) = (of(third), of(third * 2));
        let (before, after) = &self.at_rest;
        Trend {
            early,
            late,
            limit: limit(early),
            returns,
            at_rest: (figure(before), figure(after)),
        }
    }

    /// Whether nothing grows.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.trends().iter().all(|(_, trend)| trend.holds())
    }

    /// A table for people.
    ///
    /// # Errors
    /// As `page`.
    pub fn write(&self, page: &mut impl Write) -> std::fmt::Result {
        writeln!(
            page,
            "{:<12} {:>10} {:>10} {:>10} {:>10}   at rest: {:>8} {:>8}",
            "", "early", "late", "growth", "limit", "before", "after"
        )?;
        for (name, trend) in self.trends() {
            let Trend { early, late, limit, at_rest: (before, after), .. } = trend;
            writeln!(
                page,
                "{name:<12} {early:>10.2} {late:>10.2} {:>+10.2} {limit:>10.2}            {before:>8.2} {after:>8.2}  {}",
                late - early,
                report::verdict(trend.holds())
            )?;
        }
        writeln!(
            page,
            "(early and late: medians of the second and the last third of {} samples)",
            self.samples.len()
        )
    }
}

impl Trend {
    /// Whether it does not grow. What was not measured does.
    #[must_use]
    pub fn holds(&self) -> bool {
        let (before, after) = self.at_rest;
        self.late - self.early <= self.limit && (!self.returns || after <= before)
    }
}

const MIB: f64 = 1024.0 * 1024.0;

/// More than the allocator's own unrest between two thirds of a run.
const MEMORY_LIMIT_MIB: f64 = 2.0;

/// Share by which the number of open connections may differ by chance, and its least value.
const CHANCE: f64 = 0.25;
const CHANCE_MIN: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A minute of samples, with so much more of each by second.
    fn growth(memory: f64, descriptors: f64, tasks: f64) -> Growth {
        let sample = |second: f64| Sample {
            // Unrest as that of a real run.
            memory: 20.0 * MIB + memory * second + (second % 7.0) * 50_000.0,
            descriptors: 60.0 + descriptors * second + second % 5.0,
            tasks: 70.0 + tasks * second + second % 3.0,
        };
        let at_rest = Sample { memory: 20.0 * MIB, descriptors: 20.0, tasks: 10.0 };
        let samples = (0..60).map(|second| sample(f64::from(second))).collect();
        Growth { samples, at_rest: (at_rest, at_rest) }
    }

    #[test]
    fn unrest_is_no_growth() {
        assert!(growth(0.0, 0.0, 0.0).holds());
        // A level that is reached during warm-up and kept.
        let mut warms_up = growth(0.0, 0.0, 0.0);
        warms_up.samples.iter_mut().take(15).for_each(|sample| sample.memory /= 2.0);
        assert!(warms_up.holds());
    }

    #[test]
    fn a_leak_in_a_minute_is_seen_of_whatever_it_is() {
        let fails = |growth: &Growth| {
            let trends = growth.trends();
            trends.map(|(_, trend)| !trend.holds())
        };
        // 40 bytes of each of 3,000 conversations per second; one connection in 1,500.
        assert_eq!(fails(&growth(120_000.0, 0.0, 0.0)), [true, false, false]);
        assert_eq!(fails(&growth(0.0, 2.0, 0.0)), [false, true, false]);
        assert_eq!(fails(&growth(0.0, 0.0, 2.0)), [false, false, true]);
        let mut page = String::new();
        growth(120_000.0, 0.0, 0.0).write(&mut page).unwrap_or_default();
        assert!(page.contains("missed"), "{page}");
    }

    #[test]
    fn one_descriptor_or_task_that_stays_after_the_load_is_a_leak() {
        let mut left = growth(0.0, 0.0, 0.0);
        left.at_rest.1.descriptors += 1.0;
        assert!(!left.holds());
        let mut left = growth(0.0, 0.0, 0.0);
        left.at_rest.1.tasks += 1.0;
        assert!(!left.holds());
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        assert!(!Growth { samples: Vec::new(), at_rest: Default::default() }.holds());
    }
}
