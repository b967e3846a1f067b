//! Small random scenarios in which nothing is left to chance, all times in whole minutes.

use kms_simulator::fleet::scenario::{
    Action, Change, DnsFailure, Group, Hardware, Host, Identity, Key, Life, Presence, Record,
    Rejection, Scenario, Seconds, Site,
};
use proptest::prelude::*;

/// A scenario of one or two sites, up to three hosts and four groups.
pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    (1..=2_usize, 1..=3_usize, 1..=4_usize, 2..=260_u32).prop_flat_map(
        |(sites, hosts, groups, days)| {
            (
                prop::collection::vec(host(sites), hosts),
                prop::collection::vec(group(sites, hosts, days), groups),
                prop::collection::vec(change(sites, hosts, groups, days), 0..7),
                prop::collection::vec(any::<bool>(), sites),
            )
                .prop_map(move |(hosts, groups, changes, shared)| {
                    assemble(days, hosts, groups, changes, &shared)
                })
        },
    )
}

/// A scenario with these parts and everything else as it is by default.
pub(crate) fn blank(days: u32) -> Scenario {
    Scenario {
        name: "random".into(),
        title: "Random".into(),
        teaches: String::new(),
        seed: 1,
        start: "2026-01-05T00:00:00Z".parse().unwrap(),
        duration: Seconds::days(days),
        sample_every: Seconds(days * 86_400 / 24 / 60 * 60),
        sites: Vec::new(),
        hosts: Vec::new(),
        groups: Vec::new(),
        links: Vec::new(),
        changes: Vec::new(),
        expectations: Vec::new(),
    }
}

pub(crate) fn plain_site(name: &str) -> Site {
    Site { name: name.into(), time_zone: "UTC".into(), holidays: Vec::new(), dns: Vec::new() }
}

pub(crate) fn plain_host(name: &str, site: &str) -> Host {
    Host {
        name: name.into(),
        site: site.into(),
        published: true,
        priority: 0,
        weight: 0,
        activation_interval: Seconds(7200),
        renewal_interval: Seconds(604_800),
        activated: true,
        clock_offset_s: 0,
        remembers_windows: 0,
        remembers_office: 0,
    }
}

pub(crate) fn plain_group(name: &str, site: &str, count: u32) -> Group {
    Group {
        name: name.into(),
        site: site.into(),
        count,
        clients: Vec::new(),
        product: "Windows 10/11 Enterprise".into(),
        identity: Identity::Stable,
        clones: 0,
        hardware: Hardware::Fixed,
        presence: Presence::Always,
        clock_offset_s: 0,
        life: Life::New,
        first_start_within: Seconds(0),
        key: Key::Gvlk,
        mak_activations: 0,
        fixed_host: None,
        host_caching: true,
        renews_at_start: false,
        jitter: Seconds(0),
    }
}

fn assemble(
    days: u32,
    mut hosts: Vec<Host>,
    mut groups: Vec<Group>,
    mut changes: Vec<Change>,
    shared: &[bool],
) -> Scenario {
    let mut scenario = blank(days);
    for (index, host) in hosts.iter_mut().enumerate() {
        host.name = format!("host-{index}");
        // Distinct, so that nobody draws.
        host.priority = u16::try_from(index * 7 % 5).unwrap();
    }
    for (index, group) in groups.iter_mut().enumerate() {
        group.name = format!("group-{index}");
    }
    for (index, lists_all) in shared.iter().enumerate() {
        let mut site = plain_site(&format!("site-{index}"));
        if *lists_all {
            let record = |host: &Host| Record {
                host: host.name.clone(),
                priority: 10 - host.priority,
                weight: 0,
            };
            site.dns = hosts.iter().map(record).collect();
        }
        scenario.sites.push(site);
    }
    // Two changes of one kind may overlap, and what that means is another question.
    let mut kinds = Vec::new();
    changes.retain(|change| {
        let kind = std::mem::discriminant(&change.action);
        !kinds.contains(&kind) && {
            kinds.push(kind);
            true
        }
    });
    (scenario.hosts, scenario.groups, scenario.changes) = (hosts, groups, changes);
    scenario
}

fn host(sites: usize) -> impl Strategy<Value = Host> {
    let minutes = prop_oneof![Just(15_u32), Just(120), Just(1440), 15..3000_u32];
    let renewal = prop_oneof![Just(10_080_u32), 15..43_200_u32];
    let clock = prop_oneof![8 => Just(0_i64), 1 => -600..600_i64];
    (0..sites, minutes, renewal, clock, prop::bool::weighted(0.95)).prop_map(
        |(site, activation, renewal, clock_minutes, activated)| Host {
            activation_interval: Seconds(activation * 60),
            renewal_interval: Seconds(renewal * 60),
            activated,
            clock_offset_s: clock_minutes * 60,
            ..plain_host("", &format!("site-{site}"))
        },
    )
}

fn group(sites: usize, hosts: usize, days: u32) -> impl Strategy<Value = Group> {
    let product = prop::sample::select(vec![
        "Windows 10/11 Enterprise",
        "Windows 7 Professional",
        "Windows Server 2022 Standard",
        "Office LTSC 2021 Professional Plus",
    ]);
    let identity = prop_oneof![
        4 => Just((Identity::Stable, 0)),
        1 => Just((Identity::SharedCmid, 0)),
        1 => Just((Identity::SharedCmid, 2)),
    ];
    let presence = prop_oneof![
        3 => Just(None),
        1 => (1..days * 1440, 1..days * 1440).prop_map(Some),
    ];
    let clock = prop_oneof![8 => Just(0_i64), 1 => -300..300_i64];
    let fixed = prop_oneof![5 => Just(None), 1 => (0..hosts).prop_map(Some)];
    (0..sites, 1..40_u32, product, identity, presence, clock, fixed, any::<bool>()).prop_map(
        |(site, count, product, (identity, clones), presence, clock, fixed, host_caching)| Group {
            product: product.into(),
            identity,
            clones,
            presence: presence.map_or(Presence::Always, |(a, b)| Presence::PoweredOff {
                from: Seconds(a.min(b) * 60),
                until: Seconds((a.max(b) + 1) * 60),
            }),
            clock_offset_s: clock * 60,
            fixed_host: fixed.map(|host| format!("host-{host}")),
            host_caching,
            ..plain_group("", &format!("site-{site}"), count)
        },
    )
}

fn change(sites: usize, hosts: usize, groups: usize, days: u32) -> impl Strategy<Value = Change> {
    let site = move || (0..sites).prop_map(|site| format!("site-{site}"));
    let host = move || (0..hosts).prop_map(|host| format!("host-{host}"));
    let group = move || (0..groups).prop_map(|group| format!("group-{group}"));
    let state = prop_oneof![
        host().prop_map(|host| Action::HostDown { host, as_seen: Rejection::Silent }),
        host().prop_map(|host| Action::HostDown { host, as_seen: Rejection::Refused }),
        host().prop_map(|host| Action::HostNotActivated { host }),
        (host(), -400..400_i64)
            .prop_map(|(host, minutes)| Action::HostClock { host, offset_s: minutes * 60 }),
        (host(), 15..3000_u32, 15..43_200_u32).prop_map(|(host, activation, renewal)| {
            Action::HostIntervals {
                host,
                activation_interval: Seconds(activation * 60),
                renewal_interval: Seconds(renewal * 60),
            }
        }),
        site().prop_map(|site| Action::DnsDown { site, failure: DnsFailure::Nxdomain }),
        (site(), site()).prop_map(|(from, to)| Action::Firewall {
            from,
            to,
            as_seen: Rejection::Silent
        }),
        group().prop_map(|group| Action::PowerOff { group }),
        (group(), -400..400_i64)
            .prop_map(|(group, minutes)| Action::ClientClock { group, offset_s: minutes * 60 }),
    ];
    let instant = prop_oneof![
        host().prop_map(|host| Action::HostForgets { host }),
        group().prop_map(|group| Action::Activate { group }),
        group().prop_map(|group| Action::Reboot { group }),
        (group(), prop::option::of(host()))
            .prop_map(|(group, host)| Action::FixedHost { group, host }),
    ];
    let last = days * 1440;
    prop_oneof![
        2 => (state, 1..last, 1..last).prop_map(|(action, a, b)| Change {
            at: Seconds(a.min(b) * 60),
            until: Some(Seconds((a.max(b) + 1) * 60)),
            action,
        }),
        1 => (instant, 1..last)
            .prop_map(|(action, at)| Change { at: Seconds(at * 60), until: None, action }),
    ]
}
