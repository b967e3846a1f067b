#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use jiff::civil::{Date, Time};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn seconds() -> impl Strategy<Value = Seconds> {
    (1_u32..86_400 * 30).prop_map(Seconds)
}

fn rejection() -> impl Strategy<Value = Rejection> {
    select(vec![Rejection::Silent, Rejection::Refused])
}

fn key() -> impl Strategy<Value = Key> {
    select(vec![Key::Gvlk, Key::Wrong, Key::None, Key::Mak])
}

fn host() -> impl Strategy<Value = Host> {
    (any::<(bool, bool, u16, u16)>(), -90_000_i64..90_000, 0_u32..50, 15_u32..43_200).prop_map(
        |((published, activated, priority, weight), clock_offset_s, remembers, minutes)| Host {
            name: "kms-a".to_owned(),
            site: "here".to_owned(),
            published,
            priority,
            weight,
            activation_interval: Seconds(minutes * 60),
            renewal_interval: Seconds(minutes * 60),
            activated,
            clock_offset_s,
            remembers_windows: remembers,
            remembers_office: 50 - remembers,
        },
    )
}

fn hardware() -> impl Strategy<Value = Hardware> {
    let fingerprint = select(vec![
        Fingerprint::Whole,
        Fingerprint::StableParts,
        Fingerprint::Weighted,
        Fingerprint::Anchor,
    ]);
    prop_oneof![
        Just(Hardware::Fixed),
        (1_u32..100, fingerprint, 0.0..1.0).prop_map(|(machines, fingerprint, tolerance)| {
            Hardware::Roaming { machines, fingerprint, tolerance }
        }),
    ]
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        Just(Presence::Always),
        (0_i8..12, 13_i8..20, 0_u32..7200, any::<bool>()).prop_map(
            |(from, to, spread, weekends)| Presence::OfficeHours {
                from: Time::constant(from, 5, 0, 0),
                to: Time::constant(to, 0, 30, 0),
                spread: Seconds(spread),
                weekends,
            }
        ),
        (60_u32..9_000, 60_u32..9_000)
            .prop_map(|(here, away)| Presence::Laptop { here: Seconds(here), away: Seconds(away) }),
        (0_u32..9_000, 9_001_u32..20_000).prop_map(|(from, until)| Presence::PoweredOff {
            from: Seconds(from),
            until: Seconds(until)
        }),
    ]
}

fn group() -> impl Strategy<Value = Group> {
    let identity = select(vec![
        (Identity::Stable, 0),
        (Identity::NamePerBoot, 0),
        (Identity::SharedCmid, 2),
        (Identity::CmidPerBoot, 0),
    ]);
    let flags = any::<(bool, bool, bool)>();
    (
        2_u32..1000,
        identity,
        hardware(),
        presence(),
        flags,
        seconds(),
        select(vec![Key::Gvlk, Key::Mak]),
    )
        .prop_map(|(count, (identity, clones), hardware, presence, flags, jitter, key)| {
            Group {
                name: "desks".to_owned(),
                site: "here".to_owned(),
                count,
                clients: if identity == Identity::SharedCmid { vec![] } else { listed(count) },
                product: "Windows 10/11 Enterprise".to_owned(),
                identity,
                clones,
                hardware,
                presence,
                clock_offset_s: -i64::from(count),
                life: if flags.0 { Life::New } else { Life::Activated },
                first_start_within: Seconds(count),
                key,
                mak_activations: count,
                fixed_host: flags.1.then(|| "kms-a".to_owned()),
                host_caching: flags.2,
                renews_at_start: flags.0,
                jitter,
            }
        })
}

fn listed(count: u32) -> Vec<ListedClient> {
    let client = |number| ListedClient {
        cmid: Some(kms_protocol::guid::Guid::from_bytes([7; 16])),
        name: (number % 2 == 0).then(|| format!("PC-{number}")),
    };
    (0..count).map(client).collect()
}

fn action() -> impl Strategy<Value = Action> {
    let (host, site, group) = ("kms-a".to_owned(), "here".to_owned(), "desks".to_owned());
    let records = vec![Record { host: host.clone(), priority: 3, weight: 4 }];
    let failure = select(vec![
        DnsFailure::Silent,
        DnsFailure::Nxdomain,
        DnsFailure::Nodata,
        DnsFailure::Servfail,
        DnsFailure::Refused,
    ]);
    let of_group = vec![
        Action::Activate { group: group.clone() },
        Action::Rearm { group: group.clone() },
        Action::NetworkChange { group: group.clone() },
        Action::PowerOff { group: group.clone() },
        Action::Reboot { group: group.clone() },
        Action::ClientClock { group: group.clone(), offset_s: -5 },
        Action::FixedHost { group: group.clone(), host: None },
        Action::FixedHost { group: group.clone(), host: Some(host.clone()) },
        Action::HostForgets { host: host.clone() },
        Action::HostNotActivated { host: host.clone() },
        Action::HostClock { host: host.clone(), offset_s: 7 },
        Action::HostIntervals {
            host: host.clone(),
            activation_interval: Seconds(900),
            renewal_interval: Seconds::days(30),
        },
        Action::DnsRecords { site: site.clone(), records },
    ];
    prop_oneof![
        select(of_group),
        rejection().prop_map(move |as_seen| Action::HostDown { host: host.clone(), as_seen }),
        failure.prop_map({
            let site = site.clone();
            move |failure| Action::DnsDown { site: site.clone(), failure }
        }),
        rejection().prop_map(move |as_seen| Action::Firewall {
            from: site.clone(),
            to: site.clone(),
            as_seen
        }),
        (key(), Just(group.clone())).prop_map(|(key, group)| Action::InstallKey { group, key }),
        (0.0..1.0, Just(group)).prop_map(|(share, group)| Action::HardwareChange { group, share }),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    (action(), 0_u32..86_400, option::of(1_u32..86_400)).prop_map(|(action, at, long)| {
        let until = long.filter(|_| !action.is_instant()).map(|long| Seconds(at + long));
        Change { at: Seconds(at), until, action }
    })
}

fn expectation() -> impl Strategy<Value = Expectation> {
    let metrics = select(vec![
        Metric::Clients,
        Metric::Share,
        Metric::Count,
        Metric::Requests,
        Metric::RequestsPerMinute,
        Metric::Events,
        Metric::TimeToFirstActivation,
    ]);
    let events = select(EventKind::ALL.to_vec());
    (metrics, events, 0_u32..86_400, any::<bool>(), 0.0..1.0, "[a-z \"\\\\é=]{0,20}").prop_map(
        |(metric, event, from, flag, bound, title)| {
            let of_host =
                matches!(metric, Metric::Count | Metric::Requests | Metric::RequestsPerMinute);
            let at_end = metric == Metric::TimeToFirstActivation;
            Expectation {
                title: flag.then_some(title),
                metric,
                when: match (at_end, flag) {
                    (true, _) => When::At { at: Seconds::days(30) },
                    (_, true) => When::At { at: Seconds(from) },
                    (_, false) => When::Window { from: Seconds(from), until: Seconds::days(30) },
                },
                groups: if of_host { vec![] } else { vec!["desks".to_owned()] },
                sites: if of_host { vec![] } else { vec!["here".to_owned()] },
                host: of_host.then(|| "kms-a".to_owned()),
                states: match metric {
                    Metric::Clients | Metric::Share => {
                        vec![LicenceState::Licensed, LicenceState::NonGenuineGrace]
                    }
                    _ => vec![],
                },
                event: (metric == Metric::Events).then_some(event),
                application: match metric {
                    Metric::Count => Application::Office,
                    _ => Application::Windows,
                },
                percentile: at_end.then_some(99.5),
                at_least: (!flag).then_some(bound),
                at_most: Some(bound),
            }
        },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let parts = (
        option::of(host()),
        group(),
        option::of(rejection()),
        option::of(change()),
        vec(expectation(), 0..4),
    );
    (parts, 0_u64..1 << 63, "[ -~é\n]{0,60}").prop_map(|(parts, seed, teaches)| {
        let (host, mut group, closed, change, expectations) = parts;
        let installed =
            |change: &Change| matches!(change.action, Action::InstallKey { key: Key::Mak, .. });
        if group.key != Key::Mak && !change.as_ref().is_some_and(installed) {
            group.mak_activations = 0;
        }
        let named = |name: &str| name.to_owned();
        // Always a host to refer to; the generated one first, where there is one.
        let host = host.unwrap_or_else(|| Host {
            name: named("kms-a"),
            site: named("here"),
            published: true,
            priority: 0,
            weight: 0,
            activation_interval: Seconds::hours(2),
            renewal_interval: Seconds::days(7),
            activated: true,
            clock_offset_s: 0,
            remembers_windows: 0,
            remembers_office: 0,
        });
        Scenario {
            name: named("generated"),
            title: named("A scenario that nobody wrote"),
            teaches,
            seed,
            start: Timestamp::from_second(1_767_571_200 + i64::from(group.count)).unwrap(),
            duration: Seconds::days(30),
            sample_every: Seconds(3601),
            sites: vec![Site {
                name: named("here"),
                time_zone: named("America/New_York"),
                holidays: vec![Date::constant(2026, 12, 25), Date::constant(2027, 1, 1)],
                dns: vec![Record { host: named("kms-a"), priority: 1, weight: 2 }],
            }],
            hosts: vec![host],
            groups: vec![group],
            links: closed
                .map(|closed| Link { from: named("here"), to: named("here"), closed })
                .into_iter()
                .collect(),
            changes: change.into_iter().collect(),
            expectations,
        }
    })
}

proptest! {
    /// An outcome carries its scenario as TOML, so this must never fail.
    #[test]
    fn what_is_written_is_read_again(scenario in scenario()) {
        let toml = scenario.to_toml().unwrap();
        let read = Scenario::from_toml(&toml);
        prop_assert!(read.is_ok(), "{:#?}\n{toml}", read);
        prop_assert_eq!(read.unwrap(), scenario);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[a-z\\[\\]=\"{}., \n0-9-]{0,200}") {
        Scenario::from_toml(&text).ok();
    }
}

/// Every default of the format's table is the one that reading takes.
#[test]
fn the_defaults_that_are_documented_are_the_real_ones() {
    let minimal = "name = \"n\"\ntitle = \"t\"\nduration = \"1d\"\n[[site]]\nname = \"s\"\n\
         [[host]]\nname = \"h\"\nsite = \"s\"\n[[group]]\nname = \"g\"\nsite = \"s\"\ncount = 2\n\
         product = \"Windows 10/11 Enterprise\"\n";
    let plain = Scenario::from_toml(minimal).unwrap();
    let mut written = 0;
    for (heading, table) in
        [("", ""), ("[[site]]\n", "site"), ("[[host]]\n", "host"), ("[[group]]\n", "group")]
    {
        let keys = match table {
            "" => shape::SCENARIO.keys,
            _ => shape::SCENARIO
                .keys
                .iter()
                .find_map(|key| match key.kind {
                    shape::Kind::Tables(inner) if inner.name == table => Some(inner.keys),
                    _ => None,
                })
                .unwrap(),
        };
        for key in keys {
            let shape::Missing::Value(value) = key.default else { continue };
            let line = format!("{heading}{} = {value}\n", key.name);
            let text = match table {
                "" => line + minimal,
                _ => minimal.replacen(heading, &line, 1),
            };
            assert_eq!(Scenario::from_toml(&text).unwrap(), plain, "{text}");
            written += 1;
        }
    }
    assert!(written > 20, "{written}");
}
