//! What a running exporter goes by, which a reload replaces as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use super::AllowList;
use crate::check;
use crate::stage::Stage;

/// Modules and targets.
#[derive(Clone)]
pub struct Settings {
    /// By name, as `module=` of a request names them.
    pub modules: BTreeMap<String, Module>,
    /// Which targets may be asked for.
    pub allow: AllowList,
    /// What `/config` shows: the file as it was understood, without secrets.
    pub shown: String,
}

/// How a target is checked.
#[derive(Clone)]
pub struct Module {
    /// As for a check.
    pub options: check::Options,
    /// Whether bare names are hosts.
    pub names_are_hosts: bool,
}

impl Settings {
    /// A module for each depth that changes nothing on a host, and this machine as the only target.
    #[must_use]
    pub fn built_in() -> Self {
        let module = |depth| Module {
            options: check::Options { depth, ..check::Options::default() },
            names_are_hosts: false,
        };
        let depths = [Stage::Dns, Stage::Tcp, Stage::Bind, Stage::Rpc];
        let modules = depths.map(|depth| (depth.name().to_owned(), module(depth)));
        Self {
            modules: modules.into_iter().collect(),
            allow: AllowList::default(),
            shown: String::new(),
        }
    }
}

impl Module {
    /// The same, with no stage longer than what is left of a scrape.
    #[must_use]
    pub fn within(&self, budget: Duration) -> check::Options {
        let mut options = self.options.clone();
        let timeouts = &mut options.timeouts;
        for timeout in [
            &mut timeouts.dns,
            &mut timeouts.tcp,
            &mut timeouts.bind,
            &mut timeouts.rpc,
            &mut timeouts.kms,
            &mut timeouts.clock,
            &mut timeouts.tls,
        ] {
            *timeout = budget.min(*timeout).max(TIMEOUT_MIN);
        }
        options
    }
}

/// The module of a request that names none.
pub const MODULE_DEFAULT: &str = "rpc";

const TIMEOUT_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_scrape_shortens_stages_and_never_lengthens_them() {
        let settings = Settings::built_in();
        let module = settings.modules.get(MODULE_DEFAULT).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(module.within(second).timeouts, check::Timeouts::all(second));
        assert_eq!(module.within(60 * second).timeouts, module.options.timeouts);
        assert_eq!(module.within(Duration::ZERO).timeouts, check::Timeouts::all(TIMEOUT_MIN));
    }
}
