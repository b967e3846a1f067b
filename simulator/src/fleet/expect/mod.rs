//! Whether a run led to what its scenario expects. Pure: samples in, judgements out.

mod measure;
mod select;
#[cfg(test)]
mod tests;
mod title;

pub(crate) use measure::FirstActivations;
pub(crate) use title::{bounds, name_of};

use serde::{Serialize, Serializer};

use super::outcome::{OFFENDERS_MAX, Offenders, Outcome};
use super::scenario::{Expectation, Metric, Scenario, Seconds};

/// One expectation, and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The scenario's own sentence, or one made of the expectation's parts.
    pub title: String,
    /// What was measured.
    pub metric: Metric,
    /// Unit of the values and bounds.
    pub unit: String,
    /// Whether it holds.
    pub held: bool,
    /// What was measured; `None` where nothing could be.
    pub measured: Option<Measured>,
    /// Why nothing could be measured or judged. Such an expectation is broken.
    pub problem: Option<String>,
    /// The least that is right.
    pub at_least: Option<f64>,
    /// The most that is right.
    pub at_most: Option<f64>,
    /// Clients that break it, the first [`OFFENDERS_MAX`] of them, and how many in all. Empty where it
    /// holds.
    pub offenders: Offenders,
}

/// A value, or the range of values over a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The smallest value; `None`: beyond any, as of clients that never activate.
    pub least: Option<f64>,
    /// The largest value; `None`: beyond any.
    pub most: Option<f64>,
    /// The instant of the value that is farthest out of bounds or closest to them, where it has one.
    #[serde(rename = "worst_at_s", serialize_with = "seconds")]
    pub worst_at: Option<Seconds>,
}

/// Every expectation of the scenario, in its order. A shard is not judged, since its sums are not
/// those of the whole: it gives none.
#[must_use]
pub fn judge(scenario: &Scenario, outcome: &Outcome) -> Vec<Judgement> {
    if outcome.shard.is_some() {
        return Vec::new();
    }
    let instants = scenario.instants();
    let judge = |(index, expectation): (usize, &Expectation)| {
        let selection = select::Selection { scenario, outcome, expectation, instants: &instants };
        let mut judgement = judgement(expectation, measure::measure(&selection));
        if !judgement.held {
            judgement.offenders = offenders(outcome, index);
        }
        judgement
    };
    scenario.expectations.iter().enumerate().map(judge).collect()
}

fn judgement(expectation: &Expectation, values: Result<Vec<measure::Value>, String>) -> Judgement {
    let (at_least, at_most) = (expectation.at_least, expectation.at_most);
    let (measured, problem) = match values {
        Err(problem) => (None, Some(problem)),
        Ok(values) => match Measured::of(&values, at_least, at_most) {
            None => (None, Some("there is no sample to measure".to_owned())),
            some if at_least.is_none() && at_most.is_none() => {
                (some, Some("neither `at_least` nor `at_most` says what is right".to_owned()))
            }
            some => (some, None),
        },
    };
    let within = measured.is_some_and(|measured| measured.is_within(at_least, at_most));
    Judgement {
        title: title::title(expectation),
        metric: expectation.metric,
        unit: unit(expectation.metric).to_owned(),
        held: problem.is_none() && within,
        measured,
        problem,
        at_least,
        at_most,
        offenders: Offenders::default(),
    }
}

/// The unit of a metric's values and bounds.
const fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::Clients | Metric::Count => "clients",
        Metric::Share => "of all",
        Metric::Requests => "requests",
        Metric::RequestsPerMinute => "requests per minute",
        Metric::Events => "events",
        Metric::TimeToFirstActivation => "minutes",
    }
}

impl Measured {
    /// The range of `values`; infinite stands for beyond any. `None` without a value.
    fn of(values: &[measure::Value], at_least: Option<f64>, at_most: Option<f64>) -> Option<Self> {
        let amount = |value: &&measure::Value| value.amount;
        let by_amount = |a: &&measure::Value, b: &&measure::Value| amount(a).total_cmp(&amount(b));
        let (least, most) = (values.iter().min_by(by_amount)?, values.iter().max_by(by_amount)?);
        // How far a value lies outside: negative while there is room left.
        let above = at_most.map_or(f64::NEG_INFINITY, |bound| most.amount - bound);
        let below = at_least.map_or(f64::NEG_INFINITY, |bound| bound - least.amount);
        let worst = if above >= below { most } else { least };
        let finite = |amount: f64| amount.is_finite().then_some(amount);
        Some(Self { least: finite(least.amount), most: finite(most.amount), worst_at: worst.at })
    }

    fn is_within(&self, at_least: Option<f64>, at_most: Option<f64>) -> bool {
        let (least, most) =
            (self.least.unwrap_or(f64::INFINITY), self.most.unwrap_or(f64::INFINITY));
        at_least.is_none_or(|bound| least >= bound) && at_most.is_none_or(|bound| most <= bound)
    }
}

/// The clients that break expectation number `index`, over all groups.
fn offenders(outcome: &Outcome, index: usize) -> Offenders {
    let groups = outcome.sites.iter().flat_map(|site| &site.groups);
    let mut sum = Offenders::default();
    for offenders in groups.filter_map(|group| group.offenders.get(&index)) {
        sum.total += offenders.total;
        let room = OFFENDERS_MAX.saturating_sub(sum.names.len());
        sum.names.extend(offenders.names.iter().take(room).cloned());
    }
    sum
}

/// A file for programs has times in seconds.
#[allow(clippy::ref_option, reason = "serde hands the field over by reference")]
fn seconds<S: Serializer>(at: &Option<Seconds>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.0).serialize(serializer)
}
