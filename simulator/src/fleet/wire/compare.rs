//! The two arms against one another: the same scenario in virtual time and on real sockets, event by
//! event.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use kms_protocol::kms::product::{OFFICE_APP_ID, PRODUCTS, WINDOWS_APP_ID};
use proptest::prelude::*;

use super::WireArm;
use crate::fleet::builtin::BUILTINS;
use crate::fleet::engine::{Options, run, run_with};
use crate::fleet::scenario::{Scenario, Seconds};

#[test]
fn every_change_does_the_same_on_the_wire_as_in_virtual_time() {
    for change in CHANGES {
        let text = format!("{OFFICE}\n[[change]]\nat = \"30h\"\nuntil = \"54h\"\n{change}");
        agree(&toml::from_str(&text).unwrap()).unwrap_or_else(|why| panic!("{change}:\n{why}"));
    }
    for instant in INSTANTS {
        let text = format!("{OFFICE}\n[[change]]\nat = \"30h\"\n{instant}");
        agree(&toml::from_str(&text).unwrap()).unwrap_or_else(|why| panic!("{instant}:\n{why}"));
    }
}

#[test]
fn scenarios_that_come_along_and_are_small_run_alike_on_both_arms() {
    let mut compared = Vec::new();
    for builtin in BUILTINS {
        let scenario = Scenario::from_toml(builtin.toml).unwrap();
        let clients: u32 = scenario.groups.iter().map(|group| group.count).sum();
        if clients <= 60 && scenario.duration <= Seconds::days(10) {
            agree(&scenario).unwrap_or_else(|why| panic!("{}:\n{why}", builtin.name));
            compared.push(builtin.name);
        }
    }
    assert!(compared.contains(&"first-rollout"), "{compared:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 100, ..Default::default() })]

    #[test]
    fn random_scenarios_run_alike_on_both_arms(text in scenarios()) {
        let scenario: Scenario = toml::from_str(&text).unwrap();
        if let Err(why) = agree(&scenario) {
            prop_assert!(false, "{}\n{}", text, why);
        }
    }
}

/// Runs `scenario` on both arms, with every event of every client kept, and tells the first difference.
fn agree(scenario: &Scenario) -> Result<(), String> {
    let options = Options { trace: vec!["*".to_owned()], threads: 1, ..Options::default() };
    let in_virtual_time = run(scenario, &options).map_err(|error| format!("{error:#}"))?;
    let on_the_wire = run_with(scenario, &options, &WireArm::start);
    let on_the_wire = on_the_wire.map_err(|error| format!("{error:#}"))?;
    for (expected, found) in in_virtual_time.sites.iter().zip(&on_the_wire.sites) {
        for (expected, found) in expected.traces.iter().zip(&found.traces) {
            if expected != found {
                return Err(format!("in virtual time {expected:#?}\non the wire {found:#?}"));
            }
        }
        if expected != found {
            return Err(format!("in virtual time {expected:#?}\non the wire {found:#?}"));
        }
    }
    if in_virtual_time.trace_hash() != on_the_wire.trace_hash() || in_virtual_time != on_the_wire {
        return Err("the outcomes differ, and no site does".to_owned());
    }
    Ok(())
}

/// Scenarios of a few clients for up to two days, with changes of every kind.
fn scenarios() -> impl Strategy<Value = String> {
    let host = (any::<u8>(), 0..2_u16, 0..3_u16, 0..5_usize, 20..30_u32, 2..6_u32, 4..30_u32);
    let group =
        (any::<u8>(), 1..=5_u32, 0..4_usize, 0..4_usize, 0..5_usize, any::<(u8, bool, bool)>());
    let change = (0..20_usize, 0..40_u32, 1..24_u32, any::<(u8, u8)>());
    let many = (
        1..=3_usize,
        prop::collection::vec(host, 0..=3),
        prop::collection::vec(group, 1..=2),
        prop::collection::vec(change, 0..=4),
        any::<u16>(),
    );
    many.prop_map(|(sites, hosts, groups, changes, seed)| {
        let mut text = format!("name = \"random\"\ntitle = \"x\"\nduration = \"2d\"\nseed = {seed}\n");
        for site in 0..sites {
            writeln!(text, "[[site]]\nname = \"site-{site}\"").unwrap();
        }
        for (number, (site, priority, weight, offset, known, activation, renewal)) in
            hosts.iter().enumerate()
        {
            let site = usize::from(*site) % sites;
            let offset_s = [0, 0, 0, 14_400, -14_401][*offset];
            writeln!(
                text,
                "[[host]]\nname = \"host-{number}\"\nsite = \"site-{site}\"\npriority = {priority}\n\
                 weight = {weight}\nclock_offset_s = {offset_s}\nremembers_windows = {known}\n\
                 activation_interval = \"{activation}h\"\nrenewal_interval = \"{renewal}h\""
            )
            .unwrap();
        }
        for (number, (site, count, identity, presence, product, (host, caching, is_new))) in
            groups.iter().enumerate()
        {
            let site = usize::from(*site) % sites;
            let identity = ["stable", "name-per-boot", "shared-cmid", "cmid-per-boot"][*identity];
            let presence = [
                "{ kind = \"always\" }",
                "{ kind = \"office-hours\" }",
                "{ kind = \"laptop\", here = \"9h\", away = \"7h\" }",
                "{ kind = \"powered-off\", from = \"5h\", until = \"20h\" }",
            ][*presence];
            let product = product_of(*product);
            let life = if *is_new { "new" } else { "activated" };
            writeln!(
                text,
                "[[group]]\nname = \"group-{number}\"\nsite = \"site-{site}\"\ncount = {count}\n\
                 product = \"{product}\"\nidentity = \"{identity}\"\npresence = {presence}\n\
                 host_caching = {caching}\nlife = \"{life}\"\nfirst_start_within = \"3h\""
            )
            .unwrap();
            if !hosts.is_empty() && *host > 200 {
                let host = usize::from(*host) % hosts.len();
                writeln!(text, "fixed_host = \"host-{host}\"").unwrap();
            }
        }
        for (kind, at, length, (one, other)) in changes {
            let Some(what) = change_of(kind, sites, hosts.len(), groups.len(), one, other) else {
                continue;
            };
            writeln!(text, "[[change]]\nat = \"{at}h\"").unwrap();
            if kind < STATES {
                writeln!(text, "until = \"{}h\"", at + length).unwrap();
            }
            writeln!(text, "{what}").unwrap();
        }
        text
    })
}

/// The change of this kind, where there is what it concerns. Those from [`STATES`] on are of an instant.
fn change_of(
    kind: usize,
    sites: usize,
    hosts: usize,
    groups: usize,
    one: u8,
    other: u8,
) -> Option<String> {
    let site = |number: u8| format!("site-{}", usize::from(number) % sites);
    let host = |number: u8| Some(format!("host-{}", usize::from(number).checked_rem(hosts)?));
    let group = format!("group-{}", usize::from(one) % groups);
    let as_seen = ["silent", "refused"][usize::from(other) % 2];
    let failure = ["silent", "nxdomain", "nodata", "servfail", "refused"][usize::from(other) % 5];
    Some(match kind {
        0 | 1 => {
            format!("what = \"host-down\"\nhost = \"{}\"\nas_seen = \"{as_seen}\"", host(one)?)
        }
        2 => format!("what = \"host-not-activated\"\nhost = \"{}\"", host(one)?),
        3 => format!("what = \"host-clock\"\nhost = \"{}\"\noffset_s = 20000", host(one)?),
        4 => format!(
            "what = \"host-intervals\"\nhost = \"{}\"\nactivation_interval = \"1h\"\n\
             renewal_interval = \"3h\"",
            host(one)?
        ),
        5 | 6 => format!("what = \"dns-down\"\nsite = \"{}\"\nfailure = \"{failure}\"", site(one)),
        7 => format!(
            "what = \"dns-records\"\nsite = \"{}\"\nrecords = [{{ host = \"{}\", weight = 3 }}]",
            site(one),
            host(other)?
        ),
        8 => format!("what = \"dns-records\"\nsite = \"{}\"\nrecords = []", site(one)),
        9 | 10 => format!(
            "what = \"firewall\"\nfrom = \"{}\"\nto = \"{}\"\nas_seen = \"{as_seen}\"",
            site(one),
            site(other)
        ),
        11 => format!("what = \"client-clock\"\ngroup = \"{group}\"\noffset_s = -15000"),
        12 => format!("what = \"power-off\"\ngroup = \"{group}\""),
        13 => format!("what = \"host-forgets\"\nhost = \"{}\"", host(one)?),
        14 => format!("what = \"activate\"\ngroup = \"{group}\""),
        15 => format!("what = \"rearm\"\ngroup = \"{group}\""),
        16 => format!("what = \"reboot\"\ngroup = \"{group}\""),
        17 => format!("what = \"network-change\"\ngroup = \"{group}\""),
        18 => format!("what = \"hardware-change\"\ngroup = \"{group}\""),
        _ => format!("what = \"install-key\"\ngroup = \"{group}\"\nkey = \"wrong\""),
    })
}

/// Windows mostly, else the first server or the first Office of the catalogue.
fn product_of(number: usize) -> &'static str {
    let found = PRODUCTS.iter().find(|product| match number {
        0 => product.app_id == WINDOWS_APP_ID && product.n_policy == 5,
        1 => product.app_id == OFFICE_APP_ID,
        _ => product.name == "Windows 10/11 Enterprise",
    });
    found.unwrap().name
}

/// Changes of this number and later happen in an instant.
const STATES: usize = 13;

/// What holds for a day.
const CHANGES: &[&str] = &[
    "what = \"host-down\"\nhost = \"kms-1\"",
    "what = \"host-down\"\nhost = \"kms-1\"\nas_seen = \"refused\"",
    "what = \"host-not-activated\"\nhost = \"kms-1\"",
    "what = \"host-clock\"\nhost = \"kms-1\"\noffset_s = 20000",
    "what = \"host-intervals\"\nhost = \"kms-1\"\nactivation_interval = \"1h\"\nrenewal_interval = \"6h\"",
    "what = \"dns-down\"\nsite = \"north\"",
    "what = \"dns-down\"\nsite = \"north\"\nfailure = \"nxdomain\"",
    "what = \"dns-down\"\nsite = \"north\"\nfailure = \"nodata\"",
    "what = \"dns-down\"\nsite = \"north\"\nfailure = \"servfail\"",
    "what = \"dns-down\"\nsite = \"north\"\nfailure = \"refused\"",
    "what = \"dns-records\"\nsite = \"north\"\nrecords = [{ host = \"kms-2\" }]",
    "what = \"dns-records\"\nsite = \"north\"\nrecords = []",
    "what = \"firewall\"\nfrom = \"north\"\nto = \"north\"",
    "what = \"firewall\"\nfrom = \"north\"\nto = \"south\"\nas_seen = \"refused\"",
    "what = \"client-clock\"\ngroup = \"pc\"\noffset_s = -20000",
    "what = \"power-off\"\ngroup = \"pc\"",
];

/// What happens in an instant.
const INSTANTS: &[&str] = &[
    "what = \"host-forgets\"\nhost = \"kms-1\"",
    "what = \"install-key\"\ngroup = \"pc\"\nkey = \"wrong\"",
    "what = \"fixed-host\"\ngroup = \"pc\"\nhost = \"kms-2\"",
    "what = \"activate\"\ngroup = \"pc\"",
    "what = \"rearm\"\ngroup = \"pc\"",
    "what = \"hardware-change\"\ngroup = \"pc\"",
    "what = \"network-change\"\ngroup = \"pc\"",
    "what = \"reboot\"\ngroup = \"pc\"",
];

/// Two sites with a host each; one lists both, and one of its clients' groups does not remember.
const OFFICE: &str = r#"
name = "two-offices"
title = "Two offices"
duration = "3d"

[[site]]
name = "north"
dns = [{ host = "kms-1", weight = 75 }, { host = "kms-2", weight = 25 }]

[[site]]
name = "south"

[[host]]
name = "kms-1"
site = "north"
remembers_windows = 10
activation_interval = "3h"
renewal_interval = "12h"

[[host]]
name = "kms-2"
site = "south"
remembers_windows = 24
renewal_interval = "1d"

[[group]]
name = "pc"
site = "north"
count = 16
product = "Windows 10/11 Enterprise"
first_start_within = "20h"

[[group]]
name = "laptop"
site = "north"
count = 4
product = "Windows 10/11 Enterprise"
host_caching = false
presence = { kind = "laptop", here = "8h", away = "6h" }

[[group]]
name = "branch"
site = "south"
count = 4
product = "Windows 10/11 Enterprise"
life = "activated"
"#;
