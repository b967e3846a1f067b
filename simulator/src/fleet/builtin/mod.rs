//! Scenarios that come with the program, each with what it teaches and what it must lead to.

use kms_page::nearest;

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// The scenario as TOML.
    pub toml: &'static str,
}

impl Builtin {
    /// The one called `name`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        BUILTINS.iter().find(|builtin| builtin.name == name)
    }

    /// The name nearest to `name`, if one is near enough to be meant.
    #[must_use]
    pub fn nearest(name: &str) -> Option<&'static str> {
        nearest(name, BUILTINS.iter().map(|builtin| builtin.name))
    }
}

macro_rules! builtins {
    ($($name:literal),* $(,)?) => {
        &[$(Builtin { name: $name, toml: include_str!(concat!($name, ".toml")) }),*]
    };
}

/// All, in the order in which they teach.
pub const BUILTINS: &[Builtin] = builtins![
    "first-rollout",
    "office-closure",
    "host-outage-30d",
    "host-outage-200d",
    "dns-outage",
    "firewall-closed",
    "weights-two-sites",
    "monday-morning",
    "duplicate-cmid",
    "random-name",
    "random-cmid",
    "roaming-drive",
    "kms-vs-mak",
    "clock-skew",
    "wrong-key",
    "windows7-grace",
    "office-grace",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::fleet::engine::{self, Options};
    use crate::fleet::expect::judge;
    use crate::fleet::scenario::Scenario;

    #[test]
    fn every_one_is_right_says_what_it_teaches_and_expects_something() {
        for builtin in BUILTINS {
            let scenario = Scenario::from_toml(builtin.toml);
            let scenario = scenario.map_err(|mistakes| format!("{}: {mistakes:#?}", builtin.name));
            let scenario = scenario.unwrap();
            assert_eq!(scenario.name, builtin.name);
            assert!(scenario.teaches.len() > 80, "{}", builtin.name);
            assert!(!scenario.expectations.is_empty(), "{}", builtin.name);
        }
    }

    #[test]
    fn the_example_of_the_docs_is_right() {
        let page = include_str!("../../../../docs/fleet.md");
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        assert_eq!(Scenario::from_toml(example.unwrap()).unwrap().groups[0].count, 300);
    }

    /// The expectations that do not hold, as they would be reported.
    fn broken(toml: &str) -> Vec<String> {
        let scenario = Scenario::from_toml(toml).unwrap();
        let outcome = engine::run(&scenario, &Options::default()).unwrap();
        judge(&scenario, &outcome)
            .into_iter()
            .filter(|judgement| !judgement.held)
            .map(|judgement| {
                let offenders = judgement.offenders;
                format!(
                    "{}: {:?}, {} clients: {}",
                    judgement.title,
                    judgement.measured,
                    offenders.total,
                    offenders.names.join(" ")
                )
            })
            .collect()
    }

    #[test]
    fn every_one_leads_to_what_it_expects() {
        let broken: Vec<_> = BUILTINS
            .iter()
            .flat_map(|builtin| {
                broken(builtin.toml).into_iter().map(|line| format!("{}: {line}", builtin.name))
            })
            .collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    #[test]
    fn an_expectation_that_does_not_hold_names_the_clients() {
        for (name, old, new, client) in [
            (
                "first-rollout",
                "states = [\"licensed\"]\nat_most = 0",
                "states = [\"notification\"]\nat_most = 0",
                "pilot-1",
            ),
            ("duplicate-cmid", "at_least = 40", "at_least = 40\nsites = [\"paired\"]", "pairs-1"),
            ("firewall-closed", "until = \"183d\"", "until = \"191d\"", "silent-desks-1"),
            ("wrong-key", "states = [\"unlicensed\"]", "states = [\"licensed\"]", "keyless-1"),
        ] {
            let builtin = Builtin::by_name(name).unwrap();
            let changed = builtin.toml.replace(old, new);
            let changed =
                changed.replace("groups = [\"clones\"]\nfrom = \"5d 3h\"", "from = \"5d 3h\"");
            let broken = broken(&changed);
            assert_eq!(broken.len(), 1, "{name}: {broken:#?}");
            assert!(broken[0].split(' ').any(|word| word == client), "{broken:#?}");
        }
    }
}
