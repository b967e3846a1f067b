//! What a scenario must be beyond the shape of its file: names that lead somewhere, times in order,
//! nothing that contradicts itself, nothing over a limit.

mod change;
mod expectation;
mod group;

use std::collections::HashSet;

use jiff::tz::TimeZone;

use super::mistake::{Mistake, unknown};
use super::shape::{CLIENTS_MAX, CLOCK_OFFSET_S_MAX, NAME_BYTES_MAX, TABLES_MAX};
use super::{Host, Record, Scenario, Seconds};

impl Scenario {
    /// Everything that is wrong with it; empty for one that can be run.
    #[must_use]
    pub fn check(&self) -> Vec<Mistake> {
        let mut checker = Checker::new(self);
        checker.whole();
        checker.names();
        checker.sites();
        checker.hosts();
        checker.links();
        group::check(&mut checker);
        change::check(&mut checker);
        expectation::check(&mut checker);
        checker.mistakes
    }
}

/// A scenario, the names in it, and what is wrong so far.
struct Checker<'a> {
    scenario: &'a Scenario,
    sites: HashSet<&'a str>,
    hosts: HashSet<&'a str>,
    groups: HashSet<&'a str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Checker<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            sites: scenario.sites.iter().map(|site| site.name.as_str()).collect(),
            hosts: scenario.hosts.iter().map(|host| host.name.as_str()).collect(),
            groups: scenario.groups.iter().map(|group| group.name.as_str()).collect(),
            mistakes: Vec::new(),
        }
    }

    fn wrong(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(key, message));
    }

    fn known(&mut self, what: &str, name: &str, names: &HashSet<&'a str>, key: String) {
        if !names.contains(name) {
            let mut known: Vec<&str> = names.iter().copied().collect();
            known.sort_unstable(); // the same suggestion every time
            self.wrong(key, unknown(&format!("no such {what}:"), name, known));
        }
    }

    fn site(&mut self, name: &str, key: String) {
        self.known("site", name, &self.sites.clone(), key);
    }

    fn host(&mut self, name: &str, key: String) {
        self.known("host", name, &self.hosts.clone(), key);
    }

    fn group(&mut self, name: &str, key: String) {
        self.known("group", name, &self.groups.clone(), key);
    }

    /// A time since the start.
    fn within(&mut self, time: Seconds, key: String) {
        let duration = self.scenario.duration;
        if time > duration {
            self.wrong(key, format!("`{time}` is after the end of the scenario at `{duration}`"));
        }
    }

    fn interval(&mut self, interval: Seconds, key: String) {
        let legal = INTERVAL_MIN..=INTERVAL_MAX;
        if !legal.contains(&interval) || !interval.0.is_multiple_of(60) {
            let message = format!(
                "`{interval}` is not whole minutes from `{INTERVAL_MIN}` to `{INTERVAL_MAX}`"
            );
            self.wrong(key, message);
        }
    }

    fn offset(&mut self, offset_s: i64, key: String) {
        if offset_s.unsigned_abs() > CLOCK_OFFSET_S_MAX.unsigned_abs() {
            self.wrong(key, format!("more than {CLOCK_OFFSET_S_MAX} seconds either way"));
        }
    }

    fn whole(&mut self) {
        let scenario = self.scenario;
        let (duration, step) = (scenario.duration, scenario.sample_every);
        if scenario.title.trim().is_empty() || scenario.title.chars().any(char::is_control) {
            self.wrong("title", "must be one line of text");
        }
        if duration == Seconds(0) || duration > DURATION_MAX {
            self.wrong("duration", format!("`{duration}` is not from `1s` to `{DURATION_MAX}`"));
        }
        // Every client's time is a FILETIME, with room for clocks that are off and for 180 days.
        if !(START_MIN_S..=START_MAX_S).contains(&scenario.start.as_second())
            || scenario.start.subsec_nanosecond() != 0
        {
            self.wrong("start", "not a whole second in the years 1990 to 2200");
        }
        if step == Seconds(0) {
            self.wrong("sample_every", "must be more than `0s`");
        } else {
            let instants = u64::from(duration.0 / step.0) + 2;
            let rows = instants * (scenario.groups.len() + scenario.hosts.len()) as u64;
            if rows > SAMPLES_MAX {
                let message = format!(
                    "`{step}` over `{duration}` makes {rows} samples of groups and hosts; at most \
                     {SAMPLES_MAX} are kept"
                );
                self.wrong("sample_every", message);
            }
        }
        for (key, count, needed) in [
            ("site", scenario.sites.len(), true),
            ("group", scenario.groups.len(), true),
            ("host", scenario.hosts.len(), false),
            ("link", scenario.links.len(), false),
            ("change", scenario.changes.len(), false),
            ("expect", scenario.expectations.len(), false),
        ] {
            if needed && count == 0 {
                self.wrong(key, "at least one is needed");
            } else if count > TABLES_MAX {
                self.wrong(key, format!("{count} of them; at most {TABLES_MAX} are taken"));
            }
        }
        let clients: u64 = scenario.groups.iter().map(|group| u64::from(group.count)).sum();
        if clients > u64::from(CLIENTS_MAX) {
            self.wrong("group", format!("{clients} clients in all; at most {CLIENTS_MAX} are run"));
        }
    }

    fn names(&mut self) {
        let scenario = self.scenario;
        self.name("name".to_owned(), &scenario.name);
        let sites = scenario.sites.iter().map(|site| site.name.as_str());
        self.unique("site", sites);
        self.unique("host", scenario.hosts.iter().map(|host| host.name.as_str()));
        self.unique("group", scenario.groups.iter().map(|group| group.name.as_str()));
    }

    fn unique(&mut self, table: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let key = format!("{table}[{}].name", index + 1);
            if !seen.insert(name) {
                let message = format!("there is another {table} `{}`", name.escape_debug());
                self.wrong(key.clone(), message);
            }
            self.name(key, name);
        }
    }

    fn name(&mut self, key: String, name: &str) {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(inner)
            && name.len() <= NAME_BYTES_MAX;
        if !good {
            let message = format!(
                "`{}` is not a name: letters, digits, `.`, `_` and `-`, beginning with a letter or \
                 digit, at most {NAME_BYTES_MAX}",
                name.escape_debug()
            );
            self.wrong(key, message);
        }
    }

    fn sites(&mut self) {
        for (index, site) in self.scenario.sites.iter().enumerate() {
            let key = format!("site[{}]", index + 1);
            if TimeZone::get(&site.time_zone).is_err() {
                let known: Vec<String> =
                    jiff::tz::db().available().map(|name| name.to_string()).collect();
                let known = known.iter().map(String::as_str);
                let message = unknown("no such time zone:", &site.time_zone, known);
                self.wrong(format!("{key}.time_zone"), message);
            }
            self.records(&site.dns, &format!("{key}.dns"));
        }
    }

    fn records(&mut self, records: &'a [Record], key: &str) {
        let mut seen = HashSet::new();
        for (index, record) in records.iter().enumerate() {
            let key = format!("{key}[{}].host", index + 1);
            self.host(&record.host, key.clone());
            if !seen.insert(&record.host) {
                self.wrong(key, "is listed already");
            }
        }
    }

    fn hosts(&mut self) {
        for (index, host) in self.scenario.hosts.iter().enumerate() {
            let key = |name: &str| format!("host[{}].{name}", index + 1);
            let Host { activation_interval, renewal_interval, .. } = *host;
            self.site(&host.site, key("site"));
            self.interval(activation_interval, key("activation_interval"));
            self.interval(renewal_interval, key("renewal_interval"));
            self.offset(host.clock_offset_s, key("clock_offset_s"));
            for (name, count) in [
                ("remembers_windows", host.remembers_windows),
                ("remembers_office", host.remembers_office),
            ] {
                if count > REMEMBERED_MAX {
                    self.wrong(key(name), format!("a host remembers at most {REMEMBERED_MAX}"));
                }
            }
        }
    }

    fn links(&mut self) {
        let mut seen = HashSet::new();
        for (index, link) in self.scenario.links.iter().enumerate() {
            let key = |name: &str| format!("link[{}].{name}", index + 1);
            self.site(&link.from, key("from"));
            self.site(&link.to, key("to"));
            if !seen.insert((&link.from, &link.to)) {
                self.wrong(key("to"), "this way is closed already");
            }
        }
    }
}

/// SLM: 15 to 43,200 minutes.
const INTERVAL_MIN: Seconds = Seconds(15 * 60);
const INTERVAL_MAX: Seconds = Seconds::days(30);
/// Ten years.
const DURATION_MAX: Seconds = Seconds::days(3660);
/// Years 1990 and 2200.
const START_MIN_S: i64 = 631_152_000;
const START_MAX_S: i64 = 7_258_118_400;
/// Instants times groups and hosts: about a gigabyte of memory.
const SAMPLES_MAX: u64 = 5_000_000;
/// What a host remembers of one application.
const REMEMBERED_MAX: u32 = crate::model::client_cache::CAPACITY_MAX as u32;

#[cfg(test)]
#[path = "check/tests.rs"]
mod tests;
