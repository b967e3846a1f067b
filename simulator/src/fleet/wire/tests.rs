//! Every change that concerns hosts, DNS or ways, as clients on real sockets see it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kms_protocol::guid::Guid;
use kms_protocol::kms::product::{PRODUCTS, WINDOWS_APP_ID};
use kms_protocol::kms::{LicenseStatus, MachineName};

use super::*;
use crate::fleet::scenario::{Host, Site};
use crate::model::client::Candidate;

#[test]
fn hosts_are_found_by_the_records_of_each_site_and_answer_with_their_count_and_intervals() {
    let mut arm = arm("");
    let listed =
        |host, priority, weight| Listed { host, candidate: Candidate { priority, weight } };
    assert_eq!(arm.discover(NOON, NORTH), Ok(vec![listed(0, 10, 75), listed(1, 10, 25)]));
    assert_eq!(arm.discover(NOON, SOUTH), Ok(vec![listed(1, 0, 0)]));
    assert_eq!(arm.ask_as(1, NORTH, 0), Ok(answered(4, 120, 10_080)));
    assert_eq!(arm.ask_as(1, NORTH, 0), Ok(answered(4, 120, 10_080)));
    assert_eq!(arm.ask_as(2, NORTH, 0), Ok(answered(5, 120, 10_080)));
    assert_eq!(arm.ask_as(1, SOUTH, 1), Ok(answered(1, 15, 43_200)));
}

#[test]
fn a_client_is_forgotten_after_thirty_days_of_the_scenario() {
    let mut arm = arm("");
    arm.ask_at(Seconds(0), 1, NORTH, 0).unwrap();
    assert_eq!(arm.ask_at(Seconds::days(30), 2, NORTH, 0).unwrap().count, 5);
    assert_eq!(arm.ask_at(Seconds(Seconds::days(30).0 + 1), 3, NORTH, 0).unwrap().count, 2);
}

#[test]
fn a_host_that_is_down_is_silent_or_refuses_and_comes_back_with_its_table() {
    for as_seen in ["silent", "refused"] {
        let mut arm = arm("");
        arm.ask_as(1, NORTH, 0).unwrap();
        let down = change(&format!("what = \"host-down\"\nhost = \"a\"\nas_seen = \"{as_seen}\""));
        arm.change(NOON, &down, true).unwrap();
        assert_eq!(arm.ask_as(2, NORTH, 0), Err(UNREACHABLE), "{as_seen}");
        assert!(arm.ask_as(2, NORTH, 1).is_ok(), "{as_seen}: the other host is up");
        assert!(arm.discover(NOON, NORTH).is_ok(), "{as_seen}: DNS lists it all the same");
        arm.change(NOON, &down, false).unwrap();
        assert_eq!(arm.ask_as(2, NORTH, 0).unwrap().count, 5, "{as_seen}");
    }
}

#[test]
fn of_two_outages_of_one_host_the_longer_one_decides_when_it_is_back() {
    let mut arm = arm("");
    let silent = change("what = \"host-down\"\nhost = \"a\"");
    let refused = change("what = \"host-down\"\nhost = \"a\"\nas_seen = \"refused\"");
    for (ended, other) in [(&silent, &refused), (&refused, &silent)] {
        arm.change(NOON, &silent, true).unwrap();
        arm.change(NOON, &refused, true).unwrap();
        arm.change(NOON, ended, false).unwrap();
        assert_eq!(arm.ask_as(1, NORTH, 0), Err(UNREACHABLE));
        arm.change(NOON, other, false).unwrap();
        assert!(arm.ask_as(1, NORTH, 0).is_ok());
    }
}

#[test]
fn a_firewall_closes_one_way_and_no_other() {
    for as_seen in ["silent", "refused"] {
        let mut arm = arm("");
        let closed = "what = \"firewall\"\nfrom = \"north\"\nto = \"south\"\nas_seen = ";
        let closed = change(&format!("{closed}\"{as_seen}\""));
        arm.change(NOON, &closed, true).unwrap();
        assert_eq!(arm.ask_as(1, NORTH, 1), Err(UNREACHABLE), "{as_seen}");
        for (site, host) in [(NORTH, 0), (SOUTH, 0), (SOUTH, 1)] {
            assert!(arm.ask_as(1, site, host).is_ok(), "{as_seen}: {site} to {host}");
        }
        arm.change(NOON, &closed, false).unwrap();
        assert!(arm.ask_as(1, NORTH, 1).is_ok(), "{as_seen}");
    }
}

#[test]
fn a_way_that_is_closed_from_the_start_is_closed() {
    let mut arm = arm("[[link]]\nfrom = \"south\"\nto = \"north\"\nclosed = \"refused\"");
    assert_eq!(arm.ask_as(1, SOUTH, 0), Err(UNREACHABLE));
    assert!(arm.ask_as(1, NORTH, 0).is_ok());
}

#[test]
fn a_host_that_is_not_activated_refuses_and_counts_nobody() {
    let mut arm = arm("");
    let not_activated = change("what = \"host-not-activated\"\nhost = \"a\"");
    arm.change(NOON, &not_activated, true).unwrap();
    let refused = Err(NoAnswer::Refused(Hresult::HOST_NOT_ACTIVATED));
    assert_eq!(arm.ask_as(1, NORTH, 0), refused);
    arm.change(NOON, &not_activated, false).unwrap();
    assert_eq!(arm.ask_as(1, NORTH, 0).unwrap().count, 4);
}

#[test]
fn a_host_whose_clock_is_over_four_hours_off_refuses() {
    let mut arm = arm("");
    for (offset_s, refuses) in [(14_400, false), (14_401, true), (-14_400, false), (-14_401, true)]
    {
        let off = change(&format!("what = \"host-clock\"\nhost = \"a\"\noffset_s = {offset_s}"));
        arm.change(NOON, &off, true).unwrap();
        let asked = arm.ask_as(1, NORTH, 0);
        let skew = Err(NoAnswer::Refused(Hresult::INVALID_TIMESTAMP));
        assert_eq!(asked == skew, refuses, "{offset_s}: {asked:?}");
        arm.change(NOON, &off, false).unwrap();
        assert!(arm.ask_as(1, NORTH, 0).is_ok(), "{offset_s}");
    }
}

#[test]
fn a_host_tells_other_intervals_and_forgets_its_clients() {
    let mut arm = arm("");
    let intervals = "what = \"host-intervals\"\nhost = \"a\"\nactivation_interval = \"1h\"\n\
                     renewal_interval = \"1d\"";
    arm.change(NOON, &change(intervals), true).unwrap();
    assert_eq!(arm.ask_as(1, NORTH, 0), Ok(answered(4, 60, 1440)));
    arm.change(NOON, &change(intervals), false).unwrap();
    arm.change(NOON, &change("what = \"host-forgets\"\nhost = \"a\""), true).unwrap();
    assert_eq!(arm.ask_as(2, NORTH, 0), Ok(answered(1, 120, 10_080)));
}

#[test]
fn dns_fails_one_site_in_each_way() {
    for (failure, hresult) in [
        ("silent", Hresult::NO_KMS_AVAILABLE),
        ("nxdomain", Hresult::DNS_NAME_ERROR),
        ("nodata", Hresult::DNS_NO_RECORDS),
        ("servfail", Hresult(0x8007_232A)),
        ("refused", Hresult::NO_KMS_AVAILABLE),
    ] {
        let mut arm = arm("");
        let down = "what = \"dns-down\"\nsite = \"north\"\nfailure = ";
        let down = change(&format!("{down}\"{failure}\""));
        arm.change(NOON, &down, true).unwrap();
        assert_eq!(arm.discover(NOON, NORTH), Err(hresult), "{failure}");
        assert!(arm.discover(NOON, SOUTH).is_ok(), "{failure}");
        arm.change(NOON, &down, false).unwrap();
        assert!(arm.discover(NOON, NORTH).is_ok(), "{failure}");
    }
}

#[test]
fn dns_lists_what_a_change_says_until_it_ends() {
    let mut arm = arm("");
    let before = arm.discover(NOON, SOUTH);
    let records = "what = \"dns-records\"\nsite = \"south\"\n\
                   records = [{ host = \"a\", priority = 1, weight = 2 }]";
    arm.change(NOON, &change(records), true).unwrap();
    let candidate = Candidate { priority: 1, weight: 2 };
    assert_eq!(arm.discover(NOON, SOUTH), Ok(vec![Listed { host: 0, candidate }]));
    arm.change(NOON, &change(records), false).unwrap();
    assert_eq!(arm.discover(NOON, SOUTH), before);
    arm.change(NOON, &change("what = \"dns-records\"\nsite = \"south\"\nrecords = []"), true)
        .unwrap();
    assert_eq!(arm.discover(NOON, SOUTH), Err(Hresult::DNS_NAME_ERROR));
}

#[test]
fn a_change_of_what_is_not_there_or_of_clients_is_refused() {
    let mut arm = arm("");
    for text in [
        "what = \"host-down\"\nhost = \"z\"",
        "what = \"host-forgets\"\nhost = \"z\"",
        "what = \"dns-down\"\nsite = \"z\"",
        "what = \"firewall\"\nfrom = \"north\"\nto = \"z\"",
        "what = \"reboot\"\ngroup = \"clients\"",
    ] {
        assert!(arm.change(NOON, &change(text), true).is_err(), "{text}");
    }
    assert!(arm.ask_as(1, NORTH, 0).is_ok());
}

#[test]
fn more_hosts_or_sites_than_there_is_room_for_are_refused() {
    let with_hosts = |count: usize| {
        let mut scenario = scenario("");
        let like = scenario.hosts[0].clone();
        let more = (scenario.hosts.len()..count)
            .map(|number| Host { name: format!("host-{number}"), ..like.clone() });
        scenario.hosts.extend(more);
        WireArm::start(&scenario, &[NORTH, SOUTH])
    };
    assert!(with_hosts(HOSTS_MAX).is_ok());
    let error = with_hosts(HOSTS_MAX + 1).unwrap_err().to_string();
    assert!(error.starts_with("65 hosts"), "{error}");

    let with_sites = |count: usize| {
        let mut scenario = scenario("");
        let like = scenario.sites[1].clone();
        let more = (scenario.sites.len()..count)
            .map(|number| Site { name: format!("site-{number}"), ..like.clone() });
        scenario.sites.extend(more);
        WireArm::start(&scenario, &(0..count).collect::<Vec<_>>())
    };
    assert!(with_sites(SITES_MAX).is_ok());
    let error = with_sites(SITES_MAX + 1).unwrap_err().to_string();
    assert!(error.starts_with("101 sites"), "{error}");
}

impl WireArm {
    fn ask_as(&mut self, client: u8, site: usize, host: usize) -> Result<Answered, NoAnswer> {
        self.ask_at(NOON, client, site, host)
    }

    fn ask_at(
        &mut self,
        now: Seconds,
        client: u8,
        site: usize,
        host: usize,
    ) -> Result<Answered, NoAnswer> {
        let product = PRODUCTS.iter().find(|product| product.app_id == WINDOWS_APP_ID).unwrap();
        let request = Request {
            version: Version::V6,
            vm_info: 0,
            license_status: LicenseStatus(2),
            binding_expiration_minutes: 0,
            app_id: product.app_id,
            sku_id: product.sku_id,
            kms_id: product.kms_id,
            cmid: Guid::from_bytes([client; 16]),
            n_policy: 25,
            client_time: self.time(now),
            cmid_previous: Guid::ZERO,
            machine_name: MachineName::new("client").unwrap(),
        };
        self.ask(now, site, host, &request)
    }
}

const fn answered(count: u32, activation: u32, renewal: u32) -> Answered {
    Answered { count, activation_interval_minutes: activation, renewal_interval_minutes: renewal }
}

fn arm(more: &str) -> WireArm {
    WireArm::start(&scenario(more), &[NORTH, SOUTH]).unwrap()
}

fn scenario(more: &str) -> Scenario {
    toml::from_str(&format!("{SCENARIO}\n{more}")).unwrap()
}

fn change(text: &str) -> Change {
    toml::from_str(&format!("at = \"1h\"\n{text}")).unwrap()
}

const UNREACHABLE: NoAnswer = NoAnswer::Unreachable(Hresult::RPC_SERVER_UNAVAILABLE);
const NORTH: usize = 0;
const SOUTH: usize = 1;
const NOON: Seconds = Seconds::hours(12);

const SCENARIO: &str = r#"
name = "two-sites"
title = "Two sites, a host in each"
duration = "60d"

[[site]]
name = "north"
dns = [{ host = "a", priority = 10, weight = 75 }, { host = "b", priority = 10, weight = 25 }]

[[site]]
name = "south"

[[host]]
name = "a"
site = "north"
remembers_windows = 3

[[host]]
name = "b"
site = "south"
activation_interval = "15m"
renewal_interval = "30d"

[[group]]
name = "clients"
site = "north"
count = 1
product = "Windows 11 Enterprise"
"#;
