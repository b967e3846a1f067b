//! Clients as a scenario: groups of those that are alike, sites and hosts, and what was assumed.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use kms_protocol::guid::Guid;
use kms_protocol::kms::Hresult;
use kms_protocol::kms::product::{OFFICE_APP_ID, Product, VALIDITY_DAYS};

use super::census::Person;
use super::names::{Products, SUFFIX_BYTES, plain};
use crate::fleet::scenario::{
    Group, Hardware, Host, Identity, Key, Life, ListedClient, Presence, Record, Scenario, Seconds,
    Site, shape::LISTED_MAX,
};
use crate::model::client_cache::CAPACITY_MAX;

/// A scenario, and sentences on what it rests on.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) scenario: Scenario,
    pub(super) known: Vec<String>,
    pub(super) assumed: Vec<String>,
}

/// How a client stands at the end of what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    Activated,
    New,
    WrongKey,
    Silent,
}

/// What clients of one group have in common.
type Alike = (String, &'static str, Stand, u8);

pub(super) fn plan(
    name: &str,
    people: &[Person],
    products: &Products,
    end: Option<Timestamp>,
) -> Result<Planned, String> {
    if people.is_empty() {
        return Err("there is no client in these files".to_owned());
    }
    if people.len() > LISTED_MAX {
        return Err(format!(
            "{} clients, and a scenario lists at most {LISTED_MAX}: import fewer files, or give a \
             group a `count` instead of a list",
            people.len()
        ));
    }
    let end = end.and_then(|end| Timestamp::from_second(end.as_second()).ok());
    let places = Places::of(people);
    let counts = Distinct::of(people, &places);
    let mut alike: BTreeMap<Alike, Vec<&Person>> = BTreeMap::new();
    for person in people {
        let stand = stand(person, end, counts.at(person, &places));
        let key = (places.site(person), person.product.name, stand, rank(person.identity));
        alike.entry(key).or_default().push(person);
    }
    let groups = groups(&alike);
    let (sites, hosts) = places.build(&groups);
    let mut scenario = Scenario {
        name: plain(name),
        title: format!("{} clients, imported", people.len()),
        teaches: String::new(),
        seed: 1,
        start: Timestamp::from_second(DEFAULT_START_S).unwrap_or_default(),
        duration: Seconds::days(DAYS),
        sample_every: Seconds::hours(6),
        sites,
        hosts,
        groups,
        links: Vec::new(),
        changes: Vec::new(),
        expectations: Vec::new(),
    };
    if let Some(end) = end {
        scenario.start = end;
    }
    // A log with a clock far off; the rest of it is worth as much.
    let is_start = |mistake: &crate::fleet::scenario::Mistake| mistake.key == "start";
    let start_is_bad = scenario.check().iter().any(is_start);
    if start_is_bad {
        scenario.start = Timestamp::from_second(DEFAULT_START_S).unwrap_or_default();
    }
    let end = end.filter(|_| !start_is_bad);
    let (known, assumed) = (known(people, end), assumed(&alike, products, &places, end));
    Ok(Planned { scenario, known, assumed })
}

/// KMS-plan: 180 days of validity; 30 days after which a host forgets.
fn stand(person: &Person, end: Option<Timestamp>, distinct: u32) -> Stand {
    let age_days = end.zip(person.last).map(|(end, last)| (end - last).total(jiff::Unit::Hour));
    let age_days = age_days.and_then(Result::ok).map_or(0.0, |hours| hours / 24.0);
    let refused = person.result.is_some_and(|result| result != Hresult::OK);
    if age_days > 30.0 {
        return Stand::Silent;
    }
    if person.result == Some(Hresult::PRODUCT_NOT_COVERED) {
        return Stand::WrongKey;
    }
    match person.status {
        Some(1) => Stand::Activated,
        // It asked unlicensed: what it was told is in no log but for the count.
        Some(_) if refused || distinct < person.product.n_policy => Stand::New,
        _ if age_days > f64::from(VALIDITY_DAYS) => Stand::New,
        _ => Stand::Activated,
    }
}

fn groups(alike: &BTreeMap<Alike, Vec<&Person>>) -> Vec<Group> {
    let mut taken = HashSet::new();
    let mut groups = Vec::new();
    for ((site, product, stand, identity), people) in alike {
        let behind = match stand {
            Stand::Activated => "",
            Stand::New => "-new",
            Stand::WrongKey => "-wrong-key",
            Stand::Silent => "-silent",
        };
        let (identity, renamed) = match identity {
            0 => (Identity::Stable, ""),
            1 => (Identity::NamePerBoot, "-renamed"),
            _ => (Identity::CmidPerBoot, "-new-cmid"),
        };
        let name = unique(&format!("{}{behind}{renamed}", plain(product)), &mut taken);
        let mut clients: Vec<ListedClient> = people
            .iter()
            .map(|person| ListedClient { cmid: person.cmid, name: person.name.clone() })
            .collect();
        clients.sort_by_cached_key(|client| {
            (client.name.clone(), client.cmid.map(|cmid| *cmid.as_bytes()))
        });
        groups.push(Group {
            name,
            site: site.clone(),
            count: u32::try_from(clients.len()).unwrap_or(u32::MAX),
            clients,
            product: (*product).to_owned(),
            identity,
            clones: 0,
            hardware: Hardware::Fixed,
            presence: match (stand, identity) {
                (Stand::Silent, _) => {
                    Presence::PoweredOff { from: Seconds(0), until: Seconds::days(DAYS + 1) }
                }
                (_, Identity::Stable) => Presence::Always,
                _ => office_hours(),
            },
            clock_offset_s: 0,
            life: if *stand == Stand::Activated { Life::Activated } else { Life::New },
            first_start_within: match stand {
                Stand::New | Stand::WrongKey => Seconds::hours(2),
                Stand::Activated | Stand::Silent => Seconds(0),
            },
            key: if *stand == Stand::WrongKey { Key::Wrong } else { Key::Gvlk },
            mak_activations: 0,
            fixed_host: None,
            host_caching: true,
            renews_at_start: false,
            jitter: Seconds(0),
        });
    }
    groups
}

/// Sites and hosts, and which belongs to which.
struct Places {
    /// The sites that an inventory names, else none.
    named: Vec<String>,
    /// Each host's site.
    homes: BTreeMap<String, String>,
}

impl Places {
    fn of(people: &[Person]) -> Self {
        let mut named: Vec<String> =
            people.iter().filter_map(|p| Some(plain(p.site.as_ref()?))).collect();
        named.sort_unstable();
        named.dedup();
        let mut askers: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        for person in people {
            let Some(host) = person.host.as_deref().map(plain) else { continue };
            let sites = askers.entry(host).or_default();
            if let Some(site) = &person.site {
                *sites.entry(plain(site)).or_default() += 1;
            }
        }
        let home = |host: &str, sites: &BTreeMap<String, u32>| {
            let most = sites.iter().max_by_key(|(_, count)| **count).map(|(site, _)| site.clone());
            most.or_else(|| named.first().cloned()).unwrap_or_else(|| host.to_owned())
        };
        let homes = askers.iter().map(|(host, sites)| (host.clone(), home(host, sites))).collect();
        Self { named, homes }
    }

    /// Where a client is: as an inventory says, else where the host stands that it asked last.
    fn site(&self, person: &Person) -> String {
        if let Some(site) = &person.site {
            return plain(site);
        }
        let home = person.host.as_deref().and_then(|host| self.homes.get(&plain(host)));
        let first = || self.named.first().or_else(|| self.homes.values().next());
        home.or_else(first).cloned().unwrap_or_else(|| ONLY_SITE.to_owned())
    }

    /// All sites that groups are in or hosts stand in, and the hosts.
    fn build(&self, groups: &[Group]) -> (Vec<Site>, Vec<Host>) {
        let mut names: Vec<String> = groups.iter().map(|group| group.site.clone()).collect();
        names.extend(self.homes.values().cloned());
        names.sort_unstable();
        names.dedup();
        let mut homes = self.homes.clone();
        if homes.is_empty() {
            homes.insert(ONLY_HOST.to_owned(), names.first().cloned().unwrap_or_default());
        }
        let record = |host: &String| Record { host: host.clone(), priority: 0, weight: 0 };
        let has_host = |site: &String| homes.values().any(|home| home == site);
        let sites = names.iter().map(|name| Site {
            name: name.clone(),
            time_zone: "UTC".to_owned(),
            holidays: Vec::new(),
            dns: if has_host(name) { Vec::new() } else { homes.keys().map(record).collect() },
        });
        let hosts = homes.iter().map(|(name, site)| {
            let asks = |group: &&Group| group.site == *site || !has_host(&group.site);
            let known = |is_office: bool| {
                let groups =
                    groups.iter().filter(asks).filter(|group| group.life == Life::Activated);
                let groups = groups.filter_map(|group| {
                    let product = Product::by_name(&group.product)?;
                    ((product.app_id == OFFICE_APP_ID) == is_office).then_some((group, product))
                });
                let groups: Vec<_> = groups.collect();
                let clients: HashSet<_> =
                    groups.iter().flat_map(|(group, _)| &group.clients).map(who).collect();
                // Whoever is activated was counted with as many as its product needs.
                let needed = groups.iter().map(|(_, product)| product.n_policy).max().unwrap_or(0);
                let counted = u32::try_from(clients.len().min(CAPACITY_MAX)).unwrap_or(0);
                counted.max(needed)
            };
            Host {
                name: name.clone(),
                site: site.clone(),
                published: true,
                priority: 0,
                weight: 0,
                activation_interval: Seconds::hours(2),
                renewal_interval: Seconds::days(7),
                activated: true,
                clock_offset_s: 0,
                remembers_windows: known(false),
                remembers_office: known(true),
            }
        });
        (sites.collect(), hosts.collect())
    }
}

/// Whom a host counts as one.
fn who(client: &ListedClient) -> String {
    client.cmid.map_or_else(|| client.to_string(), |cmid| cmid.to_string())
}

/// Distinct clients by site and application.
struct Distinct(HashMap<(String, Guid), HashSet<Option<Guid>>>);

impl Distinct {
    fn of(people: &[Person], places: &Places) -> Self {
        let mut distinct: HashMap<_, HashSet<_>> = HashMap::new();
        for person in people {
            let key = (places.site(person), person.product.app_id);
            distinct.entry(key).or_default().insert(person.cmid);
        }
        Self(distinct)
    }

    fn at(&self, person: &Person, places: &Places) -> u32 {
        let known = self.0.get(&(places.site(person), person.product.app_id));
        u32::try_from(known.map_or(0, HashSet::len)).unwrap_or(u32::MAX)
    }
}

fn known(people: &[Person], end: Option<Timestamp>) -> Vec<String> {
    let cmids: HashSet<_> = people.iter().filter_map(|person| person.cmid).collect();
    let named = people.iter().filter(|person| person.name.is_some()).count();
    let mut known = vec![format!(
        "clients: {}; distinct CMIDs: {}; with a name: {named}",
        people.len(),
        cmids.len()
    )];
    known.extend(end.map(|end| format!("the last of them was seen at {end}, which is the start")));
    known
}

fn assumed(
    alike: &BTreeMap<Alike, Vec<&Person>>,
    products: &Products,
    places: &Places,
    end: Option<Timestamp>,
) -> Vec<String> {
    let count = |wanted: &dyn Fn(&Person, Stand) -> bool| -> usize {
        let all =
            alike.iter().flat_map(|((_, _, stand, _), people)| people.iter().map(|p| (*p, *stand)));
        all.filter(|(person, stand)| wanted(person, *stand)).count()
    };
    let mut assumed = Vec::new();
    let mut say = |what: &str, count: usize| {
        if count > 0 {
            assumed.push(format!("{what}: {count}"));
        }
    };
    say("clients without a CMID, which is made up", count(&|p, _| p.cmid.is_none()));
    say("clients without a name, called GROUP-NUMBER", count(&|p, _| p.name.is_none()));
    say(
        "clients whose name changes at each boot, since their CMID had several, one after another",
        count(&|p, _| p.identity == Identity::NamePerBoot),
    );
    say(
        "clients whose CMID changes at each boot, since their name had three or more, one after another",
        count(&|p, _| p.identity == Identity::CmidPerBoot),
    );
    say(
        "clients silent for more than 30 days, switched off throughout (groups `...-silent`)",
        count(&|_, s| s == Stand::Silent),
    );
    say(
        "clients last refused with 0xC004F042: a key that no host covers (groups `...-wrong-key`)",
        count(&|_, s| s == Stand::WrongKey),
    );
    say(
        "clients not activated, since they asked unlicensed and were refused or were too few (groups \
         `...-new`)",
        count(&|_, s| s == Stand::New),
    );
    say(
        "clients activated, though nothing says what they were",
        count(&|p, s| s == Stand::Activated && p.status.is_none()),
    );
    for (what, product) in &products.assumed {
        assumed.push(format!("{what} is taken for `{product}`"));
    }
    if places.homes.is_empty() {
        assumed
            .push(format!("no host is named: `{ONLY_HOST}` is made up, and every site lists it"));
    }
    if places.named.is_empty() {
        assumed.push(
            "no site is named: each host has one, with the clients that asked it last".to_owned(),
        );
    }
    if end.is_none() {
        assumed.push("no time is known: the start is a made-up Monday".to_owned());
    }
    assumed.push(
        "all clients are always on, or in office hours where name or CMID changes at boot; hosts have \
         the default intervals, and remember made-up clients for 30 days, so that nobody is refused while \
         the listed ones are counted anew"
            .to_owned(),
    );
    assumed
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let name: String =
        name.chars().take(crate::fleet::scenario::shape::NAME_BYTES_MAX - 8).collect();
    let more = (2..).map(|number: u32| format!("{name}-{number}"));
    let free = std::iter::once(name.clone()).chain(more).find(|name| !taken.contains(name));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

const fn rank(identity: Identity) -> u8 {
    match identity {
        Identity::Stable | Identity::SharedCmid => 0,
        Identity::NamePerBoot => 1,
        Identity::CmidPerBoot => 2,
    }
}

fn office_hours() -> Presence {
    let hour = |hour| jiff::civil::Time::constant(hour, 0, 0, 0);
    let (from, to) = (hour(8), hour(17));
    Presence::OfficeHours { from, to, spread: Seconds(1800), weekends: false }
}

const _: () = assert!(SUFFIX_BYTES >= "-wrong-key-renamed".len());
/// Twice what a host remembers.
const DAYS: u32 = 60;
/// Monday, 5 January 2026.
const DEFAULT_START_S: i64 = 1_767_571_200;
const ONLY_SITE: &str = "site-1";
const ONLY_HOST: &str = "kms-1";
