//! A plan as a test: what a team would put into its own CI, so that whoever changes the plan learns at
//! once what it breaks.
//!
//! ```sh
//! cargo test -p kms-simulator --example rollout_in_ci   # as CI runs it
//! cargo run -p kms-simulator --example rollout_in_ci    # for the summary
//! ```
//!
//! The plan is a file as `kms-sim fleet run` takes it. Its expectations are judged by the program; what
//! they cannot say is asserted on the outcome in Rust.

#![allow(clippy::print_stdout, reason = "an example shows what it found")]

use kms_simulator::fleet::engine::{Options, run};
use kms_simulator::fleet::outcome::Outcome;
use kms_simulator::fleet::report::Report;
use kms_simulator::fleet::scenario::Scenario;

const PLAN: &str = r#"
name = "two-waves"
title = "Twenty in the first week, two hundred in the second"
duration = "21d"

[[site]]
name = "office"
time_zone = "Europe/Berlin"

[[host]]
name = "kms-1"
site = "office"

[[group]]
name = "first-wave"
site = "office"
count = 20
product = "Windows 10/11 Enterprise"
presence = { kind = "office-hours" }

[[group]]
name = "second-wave"
site = "office"
count = 200
product = "Windows 10/11 Enterprise"
presence = { kind = "office-hours" }

[[change]]
at = "0s"
until = "7d"
what = "power-off"
group = "second-wave"

[[expect]]
title = "the first wave waits for the second"
metric = "clients"
groups = ["first-wave"]
from = "0s"
until = "6d 23h"
states = ["licensed"]
at_most = 0

[[expect]]
title = "by Monday noon all are activated"
metric = "clients"
at = "7d 12h"
states = ["licensed"]
at_least = 220

[[expect]]
title = "the host never sees more than 50 requests in a minute"
metric = "requests-per-minute"
host = "kms-1"
from = "0s"
until = "21d"
at_most = 50
"#;

fn main() -> anyhow::Result<()> {
    let (scenario, outcome) = rehearse()?;
    print!("{}", Report::of(&scenario, &outcome).text()?);
    Ok(())
}

fn rehearse() -> anyhow::Result<(Scenario, Outcome)> {
    let scenario = Scenario::from_toml(PLAN)
        .map_err(|mistakes| anyhow::anyhow!("the plan is wrong: {mistakes:#?}"))?;
    let outcome = run(&scenario, &Options::default())?;
    Ok((scenario, outcome))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;
    use kms_simulator::fleet::scenario::EventKind;

    #[test]
    fn the_plan_leads_to_what_it_expects() {
        let (scenario, outcome) = rehearse().unwrap();
        let report = Report::of(&scenario, &outcome);
        assert!(report.run().passed, "{}", report.text().unwrap());
    }

    #[test]
    fn nobody_is_refused_and_nobody_looks_for_a_host_in_vain() {
        let (_, outcome) = rehearse().unwrap();
        for group in outcome.sites.iter().flat_map(|site| &site.groups) {
            let events = &group.samples.last().unwrap().events;
            for event in [EventKind::HostRefused, EventKind::NoHostFound] {
                assert_eq!(events[event as usize], 0, "{event:?}");
            }
        }
    }

    #[test]
    fn the_same_plan_has_the_same_course_on_every_machine() {
        assert_eq!(rehearse().unwrap().1.trace_hash(), rehearse().unwrap().1.trace_hash());
    }
}
