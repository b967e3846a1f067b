//! Who behaves unlike the others: a score with its reasons, each with a stated threshold.
//!
//! Everything is judged against the same logs, by median and median absolute deviation. A score is no
//! accusation: it says where to look first.

mod robust;

use std::collections::{BTreeMap, HashMap, HashSet};

use self::robust::Usual;
use super::findings::Subject;
use super::moment::{DAY, HOUR, MINUTE, Moment};
use super::names::{Id, Name, normal};
use super::record::Place;
use super::records::Records;

/// One client or address that stands out.
#[derive(Clone, Debug)]
pub struct Anomaly {
    /// Which it is.
    pub subject: Subject,
    /// Sum of the points of its reasons, at most 100.
    pub score: u32,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// Its last request.
    pub place: Place,
    /// When that was.
    pub time: Moment,
}

/// What is added up of one client or address.
#[derive(Clone, Debug)]
struct Sum {
    requests: u64,
    first: Moment,
    last: Moment,
    place: Place,
    name: Name,
    names: HashSet<Name>,
    ids: HashSet<Id>,
    foreign: u64,
    hours: [u32; 24],
    /// The client's clock minus the host's, in minutes, of its last requests.
    offsets: Vec<f64>,
}

impl Sum {
    fn new(time: Moment) -> Self {
        Self {
            requests: 0,
            first: time,
            last: time,
            place: Place::default(),
            name: Name::NONE,
            names: HashSet::new(),
            ids: HashSet::new(),
            foreign: 0,
            hours: [0; 24],
            offsets: Vec::new(),
        }
    }

    fn take(&mut self, event: &super::record::Event) {
        self.requests += 1;
        self.last = event.time;
        self.place = event.place;
        self.foreign += u64::from(event.is_foreign_key);
        if event.name.is_some() {
            self.name = event.name;
            if self.names.len() < SET_MAX {
                self.names.insert(event.name);
            }
        }
        if event.cmid.is_some() && self.ids.len() < SET_MAX {
            self.ids.insert(event.cmid);
        }
        if let Some(hour) = hour(event.time)
            && let Some(count) = self.hours.get_mut(hour)
        {
            *count = count.saturating_add(1);
        }
        if let Some(offset) = event.client_time.since(event.time) {
            if self.offsets.len() >= OFFSETS_MAX {
                self.offsets.remove(0);
            }
            self.offsets.push(offset as f64 / MINUTE as f64);
        }
    }

    /// Requests per day; a span below a day counts as one.
    fn rate(&self) -> f64 {
        let days = self.last.since(self.first).unwrap_or(0) as f64 / DAY as f64;
        self.requests as f64 / days.max(1.0)
    }

    fn offset(&self) -> Option<f64> {
        let mut offsets = self.offsets.clone();
        offsets.sort_unstable_by(f64::total_cmp);
        offsets.get(offsets.len() / 2).copied()
    }
}

/// Everybody who stands out, the highest score first.
#[must_use]
pub fn find(records: &Records) -> Vec<Anomaly> {
    let mut clients: BTreeMap<Id, Sum> = BTreeMap::new();
    let mut addresses: BTreeMap<Name, Sum> = BTreeMap::new();
    let mut fleet = [0_u64; 24];
    for event in records.events.iter().filter(|event| event.is_of_host()) {
        if let Some(count) = hour(event.time).and_then(|hour| fleet.get_mut(hour)) {
            *count += 1;
        }
        if event.cmid.is_some()
            && (clients.len() < FOLLOWED_MAX || clients.contains_key(&event.cmid))
        {
            clients.entry(event.cmid).or_insert_with(|| Sum::new(event.time)).take(event);
        }
        if event.address.is_some()
            && (addresses.len() < FOLLOWED_MAX || addresses.contains_key(&event.address))
        {
            addresses.entry(event.address).or_insert_with(|| Sum::new(event.time)).take(event);
        }
    }
    let mut found = Vec::new();
    let judge = Judge::of(records, &clients, &fleet);
    for (cmid, sum) in &clients {
        let reasons = judge.client(records, sum);
        found.extend(anomaly(Subject::Client(*cmid, sum.name), sum, &reasons));
    }
    let mut rates: Vec<f64> = addresses.values().map(Sum::rate).collect();
    let rates = usual_rate(&mut rates);
    for (address, sum) in &addresses {
        let reasons = of_address(records, sum, rates);
        found.extend(anomaly(Subject::Named(*address), sum, &reasons));
    }
    found.sort_by_key(|anomaly| std::cmp::Reverse(anomaly.score));
    found
}

fn anomaly(subject: Subject, sum: &Sum, reasons: &[(u32, String)]) -> Option<Anomaly> {
    let score = reasons.iter().map(|(points, _)| points).sum::<u32>().min(100);
    (score >= UNUSUAL).then(|| Anomaly {
        subject,
        score,
        reasons: reasons.iter().map(|(points, words)| format!("{words} (+{points})")).collect(),
        place: sum.place,
        time: sum.last,
    })
}

/// What is usual among the clients.
struct Judge {
    rates: Option<Usual>,
    offsets: Option<Usual>,
    entropies: Option<Usual>,
    /// How many names begin with the same characters.
    prefixes: HashMap<String, u32>,
    quiet_hours: Vec<usize>,
}

impl Judge {
    fn of(records: &Records, clients: &BTreeMap<Id, Sum>, fleet: &[u64; 24]) -> Self {
        let mut rates: Vec<f64> = clients.values().map(Sum::rate).collect();
        let mut offsets: Vec<f64> = clients.values().filter_map(Sum::offset).collect();
        let mut entropies = Vec::new();
        let mut prefixes = HashMap::new();
        for sum in clients.values() {
            let name = normal(records.names.text(sum.name));
            entropies.extend(entropy(&name));
            *prefixes.entry(prefix(&name)).or_insert(0) += 1;
        }
        let total: u64 = fleet.iter().sum();
        let is_quiet = |count: u64| count as f64 <= total as f64 * QUIET_SHARE;
        let quiet = fleet.iter().enumerate().filter(|(_, count)| is_quiet(**count));
        Self {
            rates: usual_rate(&mut rates),
            offsets: Usual::of(&mut offsets, OFFSET_FLOOR_MINUTES),
            entropies: Usual::of(&mut entropies, ENTROPY_FLOOR_BITS),
            prefixes,
            quiet_hours: if total >= FLEET_REQUESTS_MIN {
                quiet.map(|(hour, _)| hour).collect()
            } else {
                Vec::new()
            },
        }
    }

    fn client(&self, records: &Records, sum: &Sum) -> Vec<(u32, String)> {
        let mut reasons = Vec::new();
        reasons.extend(of_rate(sum, self.rates));
        let names: HashSet<String> =
            sum.names.iter().map(|name| records.names.normal(*name)).collect();
        if names.len() > 1 {
            reasons.push((DUPLICATE_POINTS, format!("{} names share its machine id", names.len())));
        }
        if let (Some(offset), Some(usual)) = (sum.offset(), self.offsets)
            && usual.score(offset).abs() >= SCORE_MIN
            && (offset - usual.median).abs() >= OFFSET_MIN_MINUTES
        {
            let words =
                format!("its clock is {:.0} minutes from the others", offset - usual.median);
            reasons.push((CLOCK_POINTS, words));
        }
        let quiet: u32 = self.quiet_hours.iter().filter_map(|hour| sum.hours.get(*hour)).sum();
        if u64::from(quiet) >= QUIET_REQUESTS_MIN
            && f64::from(quiet) >= sum.requests as f64 * QUIET_OF_CLIENT
        {
            let words = format!(
                "{quiet} of its {} requests are in hours in which hardly \
                 anybody else asks",
                sum.requests
            );
            reasons.push((HOURS_POINTS, words));
        }
        if sum.foreign > 0 {
            reasons.push((FOREIGN_POINTS, format!("{} requests with a foreign key", sum.foreign)));
        }
        let name = normal(records.names.text(sum.name));
        if let (Some(bits), Some(usual)) = (entropy(&name), self.entropies)
            && usual.score(bits) >= ENTROPY_SCORE_MIN
            && self.prefixes.get(&prefix(&name)).is_none_or(|count| *count <= 1)
        {
            reasons.push((ENTROPY_POINTS, "its name looks random, unlike the others".to_owned()));
        }
        reasons
    }
}

fn of_address(records: &Records, sum: &Sum, rates: Option<Usual>) -> Vec<(u32, String)> {
    let mut reasons = Vec::new();
    reasons.extend(of_rate(sum, rates));
    let names: HashSet<String> = sum.names.iter().map(|name| records.names.normal(*name)).collect();
    let (ids, names) = (sum.ids.len(), names.len().max(1));
    if ids >= CHURN_IDS_MIN && ids >= CHURN_PER_NAME * names {
        reasons.push((CHURN_POINTS, format!("{ids} machine ids behind it, under {names} names")));
    }
    if sum.foreign > 0 {
        reasons.push((FOREIGN_POINTS, format!("{} requests with a foreign key", sum.foreign)));
    }
    reasons
}

fn usual_rate(rates: &mut [f64]) -> Option<Usual> {
    Usual::of(rates, RATE_FLOOR_PER_DAY)
}

fn of_rate(sum: &Sum, usual: Option<Usual>) -> Option<(u32, String)> {
    let (usual, rate) = (usual?, sum.rate());
    let is_high = usual.score(rate) >= SCORE_MIN
        && rate >= RATE_FACTOR * usual.median
        && sum.requests >= RATE_REQUESTS_MIN;
    is_high.then(|| {
        (RATE_POINTS, format!("{rate:.1} requests per day, where {:.1} are usual", usual.median))
    })
}

/// Bits per character of a name; none for short ones, and for those that Windows draws itself.
fn entropy(name: &str) -> Option<f64> {
    let length = name.chars().count();
    if length < ENTROPY_CHARS_MIN || DRAWN.iter().any(|drawn| name.starts_with(drawn)) {
        return None;
    }
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    for character in name.chars() {
        *counts.entry(character).or_default() += 1;
    }
    let share = |count: &u32| f64::from(*count) / length as f64;
    Some(counts.values().map(share).map(|share| -share * share.log2()).sum())
}

fn prefix(name: &str) -> String {
    name.chars().take(PREFIX_CHARS).collect()
}

fn hour(time: Moment) -> Option<usize> {
    usize::try_from(time.millis()?.rem_euclid(DAY) / HOUR).ok()
}

/// Score from which something is shown, and from which it is a warning.
pub const UNUSUAL: u32 = 30;
/// Score from which it is a warning.
pub const SUSPICIOUS: u32 = 60;

/// Deviations from the median from which a value is an outlier.
pub const SCORE_MIN: f64 = 6.0;
/// Points of a request rate far above the others'.
pub const RATE_POINTS: u32 = 35;
/// Points of many machine ids behind one address.
pub const CHURN_POINTS: u32 = 60;
/// Points of a machine id that several names share.
pub const DUPLICATE_POINTS: u32 = 20;
/// Points of a clock far from the others'.
pub const CLOCK_POINTS: u32 = 30;
/// Points of requests in hours of silence.
pub const HOURS_POINTS: u32 = 15;
/// Points of requests under a foreign key.
pub const FOREIGN_POINTS: u32 = 30;
/// Points of a random name.
pub const ENTROPY_POINTS: u32 = 15;

/// A rate must be so many times the median, from so many requests; deviations below one request per
/// day are none.
const RATE_FACTOR: f64 = 3.0;
const RATE_REQUESTS_MIN: u64 = 10;
const RATE_FLOOR_PER_DAY: f64 = 1.0;

/// Machine ids behind one address, and for each name there.
const CHURN_IDS_MIN: usize = 6;
const CHURN_PER_NAME: usize = 3;

const OFFSET_FLOOR_MINUTES: f64 = 1.0;
const OFFSET_MIN_MINUTES: f64 = 10.0;

/// An hour is quiet with less than this share of all requests; a client must have so many there, and
/// most of its own.
const QUIET_SHARE: f64 = 0.005;
const QUIET_REQUESTS_MIN: u64 = 5;
const QUIET_OF_CLIENT: f64 = 0.8;
const FLEET_REQUESTS_MIN: u64 = 500;

const ENTROPY_CHARS_MIN: usize = 8;
const ENTROPY_SCORE_MIN: f64 = 3.0;
const ENTROPY_FLOOR_BITS: f64 = 0.2;
const PREFIX_CHARS: usize = 3;

/// Beginnings of names that Windows draws at random when it is set up.
const DRAWN: [&str; 3] = ["desktop-", "laptop-", "win-"];

/// Clients, and addresses, that are followed.
const FOLLOWED_MAX: usize = 50_000;
/// Names and ids of one of them.
const SET_MAX: usize = 64;
const OFFSETS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::record::{Event, HOST_PROCESSED};
    use super::*;

    struct Log(Records);

    impl Log {
        fn new() -> Self {
            let mut records = Records::default();
            records.begin("x".to_owned());
            Self(records)
        }

        fn ask(&mut self, number: u16, name: &str, address: &str, hours: i64) -> &mut Event {
            let [high, low] = number.to_be_bytes();
            let mut bytes = [high; 16];
            bytes[15] = low;
            bytes[0] = 1;
            let guid = kms_protocol::guid::Guid::from_bytes(bytes);
            let mut event = Event::new(HOST_PROCESSED, Place::default());
            event.time = Moment::from_millis(hours * HOUR);
            event.client_time = event.time;
            event.cmid = self.0.names.id(guid);
            event.name = self.0.names.name(name);
            event.address = self.0.names.name(address);
            event.hresult = Some(0);
            self.0.events.push(event);
            self.0.events.last_mut().unwrap()
        }

        /// Forty clients that renew every week, at hours of their own.
        fn healthy() -> Self {
            let mut log = Self::new();
            for week in 0..8 {
                for client in 0..40_u16 {
                    let name = format!("office-pc-{client:03}");
                    let hours = week * 168 + i64::from(client) * 4;
                    log.ask(client, &name, &format!("192.0.2.{client}"), hours);
                }
            }
            log
        }
    }

    #[test]
    fn a_healthy_fleet_has_nothing_unusual() {
        let found = find(&Log::healthy().0);
        assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn a_client_that_asks_far_more_often_stands_out() {
        let mut log = Log::healthy();
        for hour in 0..300 {
            log.ask(3, "office-pc-003", "192.0.2.3", hour);
        }
        let found = find(&log.0);
        assert!(!found.is_empty());
        assert!(found.iter().all(|one| one.reasons.iter().any(|r| r.contains("per day"))));
    }

    #[test]
    fn many_machine_ids_behind_one_address_stand_out() {
        let mut log = Log::healthy();
        for number in 100..120 {
            log.ask(number, "rearm-me", "192.0.2.99", i64::from(number));
        }
        let found = find(&log.0);
        let first = found.first().unwrap();
        assert!(first.score >= SUSPICIOUS, "{first:?}");
        assert!(first.reasons.iter().any(|reason| reason.contains("20 machine")), "{first:?}");
    }

    #[test]
    fn a_clock_and_a_foreign_key_stand_out() {
        let mut log = Log::healthy();
        for hour in [10, 20, 30] {
            let event = log.ask(200, "office-pc-200", "192.0.2.200", hour);
            event.client_time = Moment::from_millis(hour * HOUR + 45 * MINUTE);
            event.is_foreign_key = true;
        }
        let found = find(&log.0);
        let client = found.iter().find(|one| matches!(one.subject, Subject::Client(..))).unwrap();
        assert_eq!(client.score, CLOCK_POINTS + FOREIGN_POINTS);
    }

    #[test]
    fn random_names_have_more_bits_and_drawn_ones_are_left_out() {
        assert!(entropy("x7qk2m9zr4").unwrap() > entropy("office-pc-001").unwrap_or(0.0) - 1.0);
        assert_eq!(entropy("desktop-x7qk2m9"), None);
        assert_eq!(entropy("pc"), None);
    }
}
