//! Observations against traits: how well each candidate fits. Pure.

use serde::Serialize;

use super::observation::{Observation, Question};
use super::traits::{Basis, Candidate, TRAITS, Weight};

/// How well a candidate fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Who.
    pub candidate: Candidate,
    /// Points of observations that are like it, less those that are not.
    pub score: i64,
    /// Points if everything observed were like it.
    pub attainable: u32,
    /// What is like it.
    pub fits: Vec<Question>,
    /// What is not like it.
    pub contradicts: Vec<Question>,
    /// Whether one of the latter contradicts it.
    pub contradicted: bool,
    /// Whether what was seen is consistent with it.
    pub consistent: bool,
}

/// How one observation bears on one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bearing {
    /// Who.
    pub candidate: Candidate,
    /// Whether the answer is like it.
    pub fits: bool,
    /// How much that tells.
    pub weight: Weight,
    /// How the trait is known.
    pub basis: Basis,
}

/// How `observation` bears on the candidates that have a trait for it.
///
/// Silence bears on nobody: a filter on the way can cause it.
#[must_use]
pub fn bearings(observation: &Observation) -> Vec<Bearing> {
    TRAITS
        .iter()
        .filter(|row| row.question == observation.question && observation.value != SILENCE)
        .map(|row| Bearing {
            candidate: row.candidate,
            fits: row.values.contains(&observation.value.as_str()),
            weight: row.weight,
            basis: row.basis,
        })
        .collect()
}

/// Every candidate, those that fit best first.
///
/// A candidate is consistent when nothing contradicts it, enough was seen to speak of it, and most of
/// what was seen is like it.
#[must_use]
pub fn fits(observations: &[Observation]) -> Vec<Fit> {
    let mut fits: Vec<Fit> =
        Candidate::ALL.into_iter().map(|candidate| fit(candidate, observations)).collect();
    fits.sort_by_key(|fit| (!fit.consistent, -fit.score));
    fits
}

fn fit(candidate: Candidate, observations: &[Observation]) -> Fit {
    let mut fit = Fit {
        candidate,
        score: 0,
        attainable: 0,
        fits: Vec::new(),
        contradicts: Vec::new(),
        contradicted: false,
        consistent: false,
    };
    for observation in observations {
        let own = |bearing: &Bearing| bearing.candidate == candidate;
        let Some(bearing) = bearings(observation).into_iter().find(own) else { continue };
        let points = bearing.weight.points();
        fit.attainable += points;
        if bearing.fits {
            fit.score += i64::from(points);
            fit.fits.push(observation.question);
        } else {
            fit.score -= i64::from(points);
            fit.contradicts.push(observation.question);
            fit.contradicted |= bearing.weight == Weight::Strong;
        }
    }
    let most = i64::from(fit.attainable) * LIKENESS_PERCENT_MIN <= fit.score * 100;
    fit.consistent = !fit.contradicted && fit.attainable >= ATTAINABLE_MIN && most;
    fit
}

/// The value of an answer that did not come.
pub(super) const SILENCE: &str = "silence";
/// Points that must be attainable before a candidate is spoken of: two strong observations or more.
const ATTAINABLE_MIN: u32 = 10;
/// Score in percent of what is attainable.
const LIKENESS_PERCENT_MIN: i64 = 60;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Everything that a candidate does, in the first of its ways.
    fn behaviour(candidate: Candidate) -> Vec<Observation> {
        let own = TRAITS.iter().filter(|row| row.candidate == candidate);
        own.map(|row| Observation {
            question: row.question,
            value: (*row.values.first().unwrap()).to_owned(),
            received: String::new(),
        })
        .collect()
    }

    fn consistent(observations: &[Observation]) -> Vec<Candidate> {
        let fits = fits(observations);
        fits.into_iter().filter(|fit| fit.consistent).map(|fit| fit.candidate).collect()
    }

    #[test]
    fn whoever_does_all_that_a_candidate_does_is_consistent_with_it_alone() {
        for candidate in Candidate::ALL {
            assert_eq!(consistent(&behaviour(candidate)).first(), Some(&candidate));
        }
        assert_eq!(consistent(&behaviour(Candidate::Vlmcsd)), [Candidate::Vlmcsd]);
        assert_eq!(consistent(&behaviour(Candidate::KmsSim)), [Candidate::KmsSim]);
        assert_eq!(consistent(&behaviour(Candidate::Windows)), [Candidate::Windows]);
    }

    #[test]
    fn one_strong_contradiction_speaks_for_itself_and_a_weak_one_does_not() {
        let mut seen = behaviour(Candidate::Windows);
        let contexts = seen.iter_mut().find(|it| it.question == Question::Contexts).unwrap();
        "(0,0) (2,2) (2,2)".clone_into(&mut contexts.value);
        let windows =
            fits(&seen).into_iter().find(|it| it.candidate == Candidate::Windows).unwrap();
        assert!(windows.consistent, "a proxy may refuse bind-time features: {windows:?}");
        assert_eq!(windows.contradicts, [Question::Contexts]);
        let cancel = seen.iter_mut().find(|it| it.question == Question::Cancel).unwrap();
        "closed".clone_into(&mut cancel.value);
        let windows =
            fits(&seen).into_iter().find(|it| it.candidate == Candidate::Windows).unwrap();
        assert!(windows.contradicted && !windows.consistent, "{windows:?}");
    }

    #[test]
    fn the_simulator_is_concluded_from_its_mark_and_never_without() {
        let mut seen = behaviour(Candidate::KmsSim);
        let groups = seen.iter_mut().find(|it| it.question == Question::Groups).unwrap();
        "vary".clone_into(&mut groups.value);
        assert_eq!(consistent(&seen), [Candidate::Windows]);
    }

    #[test]
    fn little_evidence_speaks_for_nobody() {
        assert!(consistent(&[]).is_empty());
        let little = &behaviour(Candidate::Windows)[1..3];
        assert!(consistent(little).is_empty(), "{little:?}");
    }
}
