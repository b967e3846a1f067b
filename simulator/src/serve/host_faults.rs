//! The fault rules that concern one host: its own, then those of all hosts.

use std::sync::Arc;

use kms_protocol::filetime::FileTime;
use tokio::sync::watch;

use crate::fault::{Facts, FaultSet, Hit, Stage};

/// A host's own rules, and those that it shares with the other hosts. The first that strikes wins,
/// and its own are asked first.
#[derive(Clone, Debug)]
pub(super) struct HostFaults {
    pub(super) own: Arc<FaultSet>,
    pub(super) common: Arc<FaultSet>,
}

/// Whether a rule says that nothing listens, and when that changes.
#[derive(Debug)]
pub(super) struct Refusing {
    own: watch::Receiver<bool>,
    common: watch::Receiver<bool>,
}

impl HostFaults {
    pub(super) fn strikes_at(&self, stage: Stage) -> bool {
        self.own.strikes_at(stage) || self.common.strikes_at(stage)
    }

    pub(super) fn decide(&self, stage: Stage, facts: &Facts<'_>, now: FileTime) -> Option<Hit> {
        let own = self.own.decide(stage, facts, now);
        own.or_else(|| self.common.decide(stage, facts, now))
    }

    pub(super) fn refusing(&self) -> Refusing {
        Refusing { own: self.own.refusing(), common: self.common.refusing() }
    }
}

impl Refusing {
    pub(super) fn is(&self) -> bool {
        *self.own.borrow() || *self.common.borrow()
    }

    /// Returns once [`Self::is`] says `wanted`. Rules that are gone never change.
    pub(super) async fn becomes(&mut self, wanted: bool) {
        loop {
            let now = *self.own.borrow_and_update() || *self.common.borrow_and_update();
            if now == wanted {
                return;
            }
            let changed = tokio::select! {
                changed = self.own.changed() => changed,
                changed = self.common.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::fault::{RuleId, Source, parse_compact};

    fn set(rules: &[&str]) -> Arc<FaultSet> {
        let set = FaultSet::new(1);
        for (number, rule) in (1..).zip(rules) {
            let rule = parse_compact(rule, &RuleId::made_up("test", number)).unwrap();
            set.add(rule, Source::Flag, FileTime::default()).unwrap();
        }
        Arc::new(set)
    }

    #[test]
    fn own_rules_are_asked_first_and_common_ones_where_none_strikes() {
        let faults = HostFaults {
            own: set(&["hresult id=own code=1 limit=1"]),
            common: set(&["hresult id=common code=2", "reset id=at-bind stage=bind"]),
        };
        let facts = Facts { opnum: Some(0), ..Facts::of("192.0.2.1".parse().unwrap()) };
        let strikes = |stage| {
            let hit = faults.decide(stage, &facts, FileTime::default());
            hit.map(|hit| hit.applied.rule.to_string())
        };
        let rules: Vec<_> = (0..2).map(|_| strikes(Stage::Request)).collect();
        assert_eq!(rules, [Some("own".to_owned()), Some("common".to_owned())]);
        assert_eq!(strikes(Stage::Bind).as_deref(), Some("at-bind"));
        assert!(faults.strikes_at(Stage::Bind) && !faults.strikes_at(Stage::Accept));
    }

    #[tokio::test]
    async fn a_host_listens_again_only_when_neither_set_refuses() {
        let faults = HostFaults { own: set(&["refuse id=a"]), common: set(&["refuse id=b"]) };
        let mut refusing = faults.refusing();
        refusing.becomes(true).await;
        faults.own.remove(&"a".parse().unwrap()).unwrap();
        assert!(refusing.is());
        faults.common.remove(&"b".parse().unwrap()).unwrap();
        refusing.becomes(false).await;
        assert!(!refusing.is());
    }
}
