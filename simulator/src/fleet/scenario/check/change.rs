//! What happens during the scenario.

use super::super::{Action, Change, Seconds};
use super::Checker;

pub(super) fn check(checker: &mut Checker<'_>) {
    let changes = &checker.scenario.changes;
    for (index, change) in changes.iter().enumerate() {
        let key = |name: &str| format!("change[{}].{name}", index + 1);
        times(checker, change, &key);
        action(checker, &change.action, &key);
        let earlier = changes.iter().take(index).position(|other| overlap(other, change));
        if let Some(earlier) = earlier {
            let message = format!("overlaps `change[{}]`, which does the same", earlier + 1);
            checker.wrong(key("at"), message);
        }
    }
}

fn times(checker: &mut Checker<'_>, change: &Change, key: &impl Fn(&str) -> String) {
    checker.within(change.at, key("at"));
    let Some(until) = change.until else { return };
    if change.action.is_instant() {
        checker.wrong(key("until"), "this happens in an instant and has no end");
    } else if until <= change.at {
        checker.wrong(key("until"), format!("`{until}` is not after `at` at `{}`", change.at));
    } else {
        checker.within(until, key("until"));
    }
}

fn action<'a>(checker: &mut Checker<'a>, action: &'a Action, key: &impl Fn(&str) -> String) {
    match action {
        Action::HostDown { host, .. }
        | Action::HostForgets { host }
        | Action::HostNotActivated { host } => checker.host(host, key("host")),
        Action::HostClock { host, offset_s } => {
            checker.host(host, key("host"));
            checker.offset(*offset_s, key("offset_s"));
        }
        Action::HostIntervals { host, activation_interval, renewal_interval } => {
            checker.host(host, key("host"));
            checker.interval(*activation_interval, key("activation_interval"));
            checker.interval(*renewal_interval, key("renewal_interval"));
        }
        Action::DnsDown { site, .. } => checker.site(site, key("site")),
        Action::DnsRecords { site, records } => {
            checker.site(site, key("site"));
            checker.records(records, &key("records"));
        }
        Action::Firewall { from, to, .. } => {
            checker.site(from, key("from"));
            checker.site(to, key("to"));
        }
        Action::FixedHost { group, host } => {
            checker.group(group, key("group"));
            if let Some(host) = host {
                checker.host(host, key("host"));
            }
        }
        Action::ClientClock { group, offset_s } => {
            checker.group(group, key("group"));
            checker.offset(*offset_s, key("offset_s"));
        }
        Action::HardwareChange { group, share } => {
            checker.group(group, key("group"));
            if !(0.0..=1.0).contains(share) {
                checker.wrong(key("share"), "not from 0 to 1");
            }
        }
        Action::InstallKey { group, .. }
        | Action::Activate { group }
        | Action::Rearm { group }
        | Action::NetworkChange { group }
        | Action::PowerOff { group }
        | Action::Reboot { group } => checker.group(group, key("group")),
    }
}

/// Whether two changes would set the same thing at the same time: it would not be clear to what it
/// goes back.
fn overlap(one: &Change, other: &Change) -> bool {
    let end = |change: &Change| change.until.unwrap_or(Seconds(u32::MAX));
    !one.action.is_instant()
        && one.action.target() == other.action.target()
        && std::mem::discriminant(&one.action) == std::mem::discriminant(&other.action)
        && one.at < end(other)
        && other.at < end(one)
}

impl Action {
    /// Whether it happens in an instant, so that it has no end.
    #[must_use]
    pub const fn is_instant(&self) -> bool {
        match self {
            Self::HostDown { .. }
            | Self::HostNotActivated { .. }
            | Self::HostClock { .. }
            | Self::HostIntervals { .. }
            | Self::DnsDown { .. }
            | Self::DnsRecords { .. }
            | Self::Firewall { .. }
            | Self::ClientClock { .. }
            | Self::PowerOff { .. } => false,
            Self::HostForgets { .. }
            | Self::InstallKey { .. }
            | Self::FixedHost { .. }
            | Self::Activate { .. }
            | Self::Rearm { .. }
            | Self::HardwareChange { .. }
            | Self::NetworkChange { .. }
            | Self::Reboot { .. } => true,
        }
    }

    fn target(&self) -> (&str, &str) {
        match self {
            Self::HostDown { host, .. }
            | Self::HostForgets { host }
            | Self::HostNotActivated { host }
            | Self::HostClock { host, .. }
            | Self::HostIntervals { host, .. } => (host, ""),
            Self::DnsDown { site, .. } | Self::DnsRecords { site, .. } => (site, ""),
            Self::Firewall { from, to, .. } => (from, to),
            Self::ClientClock { group, .. }
            | Self::InstallKey { group, .. }
            | Self::FixedHost { group, .. }
            | Self::Activate { group }
            | Self::Rearm { group }
            | Self::HardwareChange { group, .. }
            | Self::NetworkChange { group }
            | Self::PowerOff { group }
            | Self::Reboot { group } => (group, ""),
        }
    }
}
