//! Groups of clients.

use kms_protocol::kms::product::{PRODUCTS, Product};

use super::super::mistake::unknown;
use super::super::shape::{CLIENTS_MAX, LISTED_MAX};
use super::super::{Action, Group, Hardware, Identity, Key, Life, Presence, Seconds};
use super::{Checker, INTERVAL_MAX};

pub(super) fn check(checker: &mut Checker<'_>) {
    let listed: usize = checker.scenario.groups.iter().map(|group| group.clients.len()).sum();
    if listed > LISTED_MAX {
        let message = format!("{listed} clients are listed; at most {LISTED_MAX} are taken");
        checker.wrong("group", message);
    }
    for (index, group) in checker.scenario.groups.iter().enumerate() {
        let key = |name: &str| format!("group[{}].{name}", index + 1);
        checker.site(&group.site, key("site"));
        if Product::by_name(&group.product).is_none() {
            let known = PRODUCTS.iter().map(|product| product.name);
            let mut message = unknown("no such product:", &group.product, known);
            if !message.ends_with('?') {
                message.push_str(" (`kms-sim catalog` prints all)");
            }
            checker.wrong(key("product"), message);
        }
        if !(1..=CLIENTS_MAX).contains(&group.count) {
            checker.wrong(key("count"), format!("not from 1 to {CLIENTS_MAX}"));
        }
        checker.offset(group.clock_offset_s, key("clock_offset_s"));
        checker.within(group.first_start_within, key("first_start_within"));
        if group.jitter > INTERVAL_MAX {
            checker.wrong(key("jitter"), format!("more than `{INTERVAL_MAX}`"));
        }
        if let Some(host) = &group.fixed_host {
            checker.host(host, key("fixed_host"));
        }
        identity(checker, group, &key);
        listed_clients(checker, group, &key);
        keys(checker, group, &key);
        if let Hardware::Roaming { machines, tolerance, .. } = group.hardware {
            if machines == 0 {
                checker.wrong(key("hardware.machines"), "at least one is needed");
            }
            if !(0.0..=1.0).contains(&tolerance) {
                checker.wrong(key("hardware.tolerance"), "not from 0 to 1");
            }
        }
        presence(checker, &group.presence, &key);
    }
}

fn identity(checker: &mut Checker<'_>, group: &Group, key: &impl Fn(&str) -> String) {
    match (group.identity, group.clones) {
        (_, 0) => {}
        (Identity::SharedCmid, 1) => {
            checker.wrong(key("clones"), "one client shares its CMID with nobody");
        }
        (Identity::SharedCmid, clones) if clones > group.count => {
            checker.wrong(key("clones"), format!("there are only {} clients", group.count));
        }
        (Identity::SharedCmid, _) => {}
        _ => checker.wrong(key("clones"), "only goes with `identity = \"shared-cmid\"`"),
    }
}

fn listed_clients(checker: &mut Checker<'_>, group: &Group, key: &impl Fn(&str) -> String) {
    let listed = group.clients.len();
    if listed == 0 {
        return;
    }
    if listed != group.count as usize {
        let message = format!("{listed} are listed, and `count` is {}", group.count);
        checker.wrong(key("clients"), message);
    }
    if group.identity == Identity::SharedCmid {
        let message = "`shared-cmid` makes CMIDs up: list the shared one with each of its clients \
                       under `identity = \"stable\"`";
        checker.wrong(key("clients"), message);
    }
}

fn keys(checker: &mut Checker<'_>, group: &Group, key: &impl Fn(&str) -> String) {
    let later = checker.scenario.changes.iter().any(|change| {
        matches!(&change.action, Action::InstallKey { group: name, key: Key::Mak } if *name == group.name)
    });
    let mak = group.key == Key::Mak || later;
    if mak && group.mak_activations == 0 {
        checker.wrong(key("mak_activations"), "a MAK needs a number of activations from 1 up");
    }
    if !mak && group.mak_activations > 0 {
        checker.wrong(key("mak_activations"), "only goes with `key = \"mak\"`");
    }
    if group.life == Life::Activated && group.key == Key::None {
        checker.wrong(key("life"), "what has no key is not activated");
    }
}

fn presence(checker: &mut Checker<'_>, presence: &Presence, key: &impl Fn(&str) -> String) {
    match *presence {
        Presence::Always => {}
        Presence::OfficeHours { from, to, spread, .. } => {
            let second = |time: jiff::civil::Time| {
                i64::from(time.hour()) * 3600
                    + i64::from(time.minute()) * 60
                    + i64::from(time.second())
            };
            if second(to) <= second(from) {
                let message = format!("`{to}` is not after `from` at `{from}`");
                checker.wrong(key("presence.to"), message);
            } else if second(to) + i64::from(spread.0) >= 86_400 {
                let message = format!("`{spread}` after `{to}` is the next day");
                checker.wrong(key("presence.spread"), message);
            }
        }
        Presence::Laptop { here, away } => {
            for (name, time) in [("presence.here", here), ("presence.away", away)] {
                if time < LAPTOP_MIN {
                    checker.wrong(key(name), format!("`{time}` is less than `{LAPTOP_MIN}`"));
                }
            }
        }
        Presence::PoweredOff { from, until } => {
            checker.within(from, key("presence.from"));
            if until <= from {
                let message = format!("`{until}` is not after `from` at `{from}`");
                checker.wrong(key("presence.until"), message);
            }
        }
    }
}

/// Shorter turns would make more events than a run can bear.
const LAPTOP_MIN: Seconds = Seconds(60);
