//! The engine against an independent, slow model of the same rules.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "fleet_model/random.rs"]
mod random;
#[path = "fleet_model/slow.rs"]
mod slow;

use kms_simulator::fleet::engine::{Options, run};
use kms_simulator::fleet::scenario::Scenario;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_a_minute_by_minute_model(scenario in random::scenario()) {
        compare(&scenario)?;
    }
}

fn compare(scenario: &Scenario) -> Result<(), TestCaseError> {
    let outcome = run(scenario, &Options::default()).unwrap();
    let engine = slow::of_outcome(scenario, &outcome);
    let instants: Vec<u32> = engine.iter().map(|sample| sample.minute).collect();
    let slow = slow::run(scenario, &instants);
    for (engine, slow) in engine.iter().zip(&slow) {
        prop_assert_eq!(engine, slow, "engine left, slow model right");
    }
    prop_assert_eq!(engine.len(), slow.len());
    Ok(())
}
