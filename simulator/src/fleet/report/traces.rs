//! Single clients as Windows would show them: event-log lines of what happened, `slmgr /dlv` of how
//! they stood.

use std::fmt::Write as _;
use std::time::Duration;

use kms_page::text::escape;
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::Product;
use kms_protocol::kms::{Hresult, LicenseStatus, MachineName, Request, Version};

use super::timeline::date;
use crate::event_log::{event_12288, event_12289, event_12290};
use crate::fleet::outcome::{Outcome, Snapshot, TraceRecord};
use crate::fleet::scenario::{Action, EventKind, Group, Key, Scenario, Seconds};
use crate::slmgr::View;

/// The client's side: a line for each event 12288 and 12289, with date and client in front. Requests
/// that reached a host have both; a host that did not answer leaves 12288 alone.
pub(super) fn client_events(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = String::new();
    for record in in_order(outcome) {
        let Some(asked) = Asked::of(scenario, record) else { continue };
        for (id, info) in asked.client_lines() {
            let (at, client) = (date(scenario, record.at), escape(&record.client));
            writeln!(text, "{at}  {client}  {id}  {info}").ok();
        }
    }
    text
}

/// The hosts' side: what event 12290 says of each request that reached a host, a line each, in the form
/// of `kms-sim journal export --format event12290`.
pub(super) fn host_events(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = String::new();
    for record in in_order(outcome).into_iter().filter(|record| record.event == EventKind::Request)
    {
        if let Some(asked) = Asked::of(scenario, record) {
            let line = event_12290(asked.host_result(), &record.client, &asked.request);
            writeln!(text, "{line}").ok();
        }
    }
    text
}

/// When a request was made, answered or not: `SECONDS,CLIENT` in order.
pub(super) fn request_times(outcome: &Outcome) -> String {
    let asked = |event| matches!(event, EventKind::Request | EventKind::HostUnreachable);
    let mut text = String::new();
    for record in in_order(outcome).into_iter().filter(|record| asked(record.event)) {
        writeln!(text, "{},{}", record.at.0, escape(&record.client)).ok();
    }
    text
}

/// Every snapshot as `slmgr /dlv` shows it, under a line with its date and client.
pub(super) fn snapshots(scenario: &Scenario, outcome: &Outcome) -> String {
    let all = outcome.sites.iter().flat_map(|site| &site.snapshots);
    let mut text = String::new();
    for snapshot in all {
        let (at, client) = (date(scenario, snapshot.at), escape(&snapshot.client));
        let power = if snapshot.on { "on" } else { "off" };
        match view(scenario, snapshot) {
            Some(view) => writeln!(text, "# {client} at {at}, {power}\n{}", view.dlv()),
            None => writeln!(text, "# {client} at {at}, {power}: its product is not known\n"),
        }
        .ok();
    }
    text
}

/// Traces of all sites by time; at one time, by site and then as they happened.
fn in_order(outcome: &Outcome) -> Vec<&TraceRecord> {
    let mut records: Vec<_> = outcome.sites.iter().flat_map(|site| &site.traces).collect();
    records.sort_by_key(|record| record.at);
    records
}

/// A request as the logs show it, whether it was answered or not.
struct Asked<'a> {
    record: &'a TraceRecord,
    request: Request,
    server: String,
    intervals_minutes: (u32, u32),
}

impl<'a> Asked<'a> {
    /// `None` of an event that no log has a line for.
    fn of(scenario: &Scenario, record: &'a TraceRecord) -> Option<Self> {
        if !matches!(record.event, EventKind::Request | EventKind::HostUnreachable) {
            return None;
        }
        let group = scenario.groups.get(record.group)?;
        let host = scenario.hosts.get(record.host?)?;
        let product = Product::by_name(&group.product)?;
        let request = Request {
            version: Version::V6,
            vm_info: 0,
            license_status: LicenseStatus(record.state),
            binding_expiration_minutes: record.minutes_left,
            app_id: product.app_id,
            sku_id: product.sku_id,
            kms_id: product.kms_id,
            cmid: record.cmid.parse().unwrap_or(Guid::ZERO),
            n_policy: product.n_policy,
            client_time: client_time(scenario, group, record.at),
            cmid_previous: Guid::ZERO,
            machine_name: MachineName::new(&record.client).unwrap_or_default(),
        };
        let server = server(&host.name);
        let intervals_minutes = intervals_minutes(scenario, &host.name, record.at);
        Some(Self { record, request, server, intervals_minutes })
    }

    fn client_lines(&self) -> Vec<(&'static str, String)> {
        let result = Hresult(self.record.result);
        if self.record.event == EventKind::HostUnreachable {
            return vec![("12288", event_12288(result, &self.server, &self.request))];
        }
        let count = self.record.count.unwrap_or_default();
        let bound = result == Hresult::OK && count >= self.request.n_policy;
        // A host that refuses tells no intervals.
        let intervals = if result == Hresult::OK { self.intervals_minutes } else { (0, 0) };
        vec![
            ("12288", event_12288(Hresult::OK, &self.server, &self.request)),
            ("12289", event_12289(result, bound, count, intervals, &self.request)),
        ]
    }

    /// To a host a count that is too low is an answer like any other.
    const fn host_result(&self) -> Hresult {
        Hresult(self.record.result)
    }
}

/// What the client's own clock says.
fn client_time(scenario: &Scenario, group: &Group, at: Seconds) -> FileTime {
    let is_current = |change: &&crate::fleet::scenario::Change| {
        change.at <= at && change.until.is_none_or(|until| at < until)
    };
    let changed =
        scenario.changes.iter().filter(is_current).rev().find_map(|change| match &change.action {
            Action::ClientClock { group: name, offset_s } if *name == group.name => Some(*offset_s),
            _ => None,
        });
    let offset_s = changed.unwrap_or(group.clock_offset_s);
    let time = time(scenario, at);
    let offset = Duration::from_secs(offset_s.unsigned_abs());
    if offset_s < 0 { time.saturating_sub(offset) } else { time.saturating_add(offset) }
}

fn time(scenario: &Scenario, at: Seconds) -> FileTime {
    let start = scenario.start.as_second();
    FileTime::from_unix(start.saturating_add(i64::from(at.0)), 0).unwrap_or(FileTime::from_ticks(0))
}

/// Activation and renewal interval that a host tells at a time.
fn intervals_minutes(scenario: &Scenario, host: &str, at: Seconds) -> (u32, u32) {
    let minutes = |one: Seconds, other: Seconds| (one.0 / 60, other.0 / 60);
    let is_current = |change: &&crate::fleet::scenario::Change| {
        change.at <= at && change.until.is_none_or(|until| at < until)
    };
    let changed =
        scenario.changes.iter().filter(is_current).rev().find_map(|change| match &change.action {
            Action::HostIntervals { host: name, activation_interval, renewal_interval }
                if name == host =>
            {
                Some(minutes(*activation_interval, *renewal_interval))
            }
            _ => None,
        });
    let own = scenario.hosts.iter().find(|described| described.name == host);
    changed
        .or(own.map(|host| minutes(host.activation_interval, host.renewal_interval)))
        .unwrap_or_default()
}

fn view(scenario: &Scenario, snapshot: &Snapshot) -> Option<View> {
    let group = scenario.groups.get(snapshot.group)?;
    let name_of = |host: usize| scenario.hosts.get(host).map(|host| server(&host.name));
    let fixed_host = fixed_host(scenario, group, snapshot.at);
    Some(View {
        product: Product::by_name(&group.product)?,
        is_mak: key(scenario, group, snapshot.at) == Key::Mak,
        cmid: escape(&snapshot.cmid).into_owned(),
        status: LicenseStatus(snapshot.state),
        minutes_left: snapshot.minutes_left,
        reason: Hresult(snapshot.result),
        rearms_left: snapshot.rearms_left,
        now: client_time(scenario, group, snapshot.at),
        domain: None,
        fixed_host: fixed_host.map(|name| server(&name)),
        activated_by: snapshot.cached_host.and_then(name_of),
        activated_at: None,
        activation_interval_minutes: snapshot.activation_interval_minutes,
        renewal_interval_minutes: snapshot.renewal_interval_minutes,
        host_caching: group.host_caching,
    })
}

/// The key that is installed at a time.
fn key(scenario: &Scenario, group: &Group, at: Seconds) -> Key {
    let before = scenario.changes.iter().filter(|change| change.at <= at);
    let installed = before.filter_map(|change| match &change.action {
        Action::InstallKey { group: name, key } if *name == group.name => Some((change.at, *key)),
        _ => None,
    });
    installed.max_by_key(|(at, _)| *at).map_or(group.key, |(_, key)| key)
}

/// The host that is set by name at a time.
fn fixed_host(scenario: &Scenario, group: &Group, at: Seconds) -> Option<String> {
    let before = scenario.changes.iter().filter(|change| change.at <= at);
    let set = before.filter_map(|change| match &change.action {
        Action::FixedHost { group: name, host } if *name == group.name => Some((change.at, host)),
        _ => None,
    });
    set.max_by_key(|(at, _)| *at).map_or(&group.fixed_host, |(_, host)| host).clone()
}

/// Every host of a scenario listens where KMS hosts do.
fn server(name: &str) -> String {
    format!("{}:1688", escape(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;
    use crate::fleet::report::example::two_sites;

    fn record(at: u32, event: EventKind, result: u32, count: Option<u32>) -> TraceRecord {
        TraceRecord {
            at: Seconds(at),
            client: "pc-1".to_owned(),
            cmid: "36f27b39-2fd5-440b-be67-a09996d27a38".to_owned(),
            group: 0,
            event,
            host: Some(0),
            result,
            count,
            state: 5,
            minutes_left: 0,
        }
    }

    #[test]
    fn a_life_is_told_as_both_logs_have_it() {
        let (mut scenario, mut outcome) = two_sites();
        scenario.groups[0].clock_offset_s = -60;
        outcome.sites[0].traces = vec![
            record(0, EventKind::Boot, 0, None),
            record(60, EventKind::HostUnreachable, 0xC004_F074, None),
            record(7260, EventKind::Request, 0, Some(24)),
            record(7260, EventKind::CountTooLow, 0xC004_F038, Some(24)),
            record(14_460, EventKind::Request, 0, Some(25)),
            record(14_460, EventKind::Activated, 0, Some(25)),
            record(20_000, EventKind::Request, 0xC004_F06C, None),
        ];
        let sku = Product::by_name(&scenario.groups[0].product).unwrap().sku_id;
        let asked = |date: &str| {
            format!("kms1:1688, 36f27b39-2fd5-440b-be67-a09996d27a38, {date}, 0, 5, 0, {sku}, 25")
        };
        let expected = [
            format!(
                "2026-01-05T00:01:00Z  pc-1  12288  0xC004F074, 0x00000000, {}",
                asked("2026/01/05 00:00")
            ),
            format!(
                "2026-01-05T02:01:00Z  pc-1  12288  0x00000000, 0x00000000, {}",
                asked("2026/01/05 02:00")
            ),
            "2026-01-05T02:01:00Z  pc-1  12289  0x00000000, 0x04000000, 0, 0, 24, 120, 10080, \
             2026/01/05 02:00"
                .to_owned(),
            format!(
                "2026-01-05T04:01:00Z  pc-1  12288  0x00000000, 0x00000000, {}",
                asked("2026/01/05 04:00")
            ),
            "2026-01-05T04:01:00Z  pc-1  12289  0x00000000, 0x00000000, 1, 0, 25, 120, 10080, \
             2026/01/05 04:00"
                .to_owned(),
            format!(
                "2026-01-05T05:33:20Z  pc-1  12288  0x00000000, 0x00000000, {}",
                asked("2026/01/05 05:32")
            ),
            "2026-01-05T05:33:20Z  pc-1  12289  0xC004F06C, 0x00000000, 0, 0, 0, 0, 0, \
             2026/01/05 05:32"
                .to_owned(),
        ];
        let told = client_events(&scenario, &outcome);
        assert_eq!(told.lines().collect::<Vec<_>>(), expected);
        let host_line = |result: &str, date: &str| {
            format!("{result},25,pc-1,36f27b39-2fd5-440b-be67-a09996d27a38,{date},0,5,0,{sku}")
        };
        assert_eq!(
            host_events(&scenario, &outcome).lines().collect::<Vec<_>>(),
            [
                host_line("0x0", "2026/1/5 2:00"),
                host_line("0x0", "2026/1/5 4:00"),
                host_line("0xC004F06C", "2026/1/5 5:32"),
            ]
        );
    }

    #[test]
    fn a_client_at_a_time_is_shown_as_slmgr_shows_it() {
        let (mut scenario, mut outcome) = two_sites();
        scenario.groups[1].key = Key::Mak;
        let licensed = Snapshot {
            at: Seconds::hours(3),
            client: "pc-1".to_owned(),
            cmid: "36f27b39-2fd5-440b-be67-a09996d27a38".to_owned(),
            group: 0,
            on: true,
            state: 1,
            minutes_left: 259_200,
            result: 0,
            cached_host: Some(0),
            activation_interval_minutes: 120,
            renewal_interval_minutes: 10_080,
            rearms_left: 1000,
        };
        let waiting =
            Snapshot { state: 5, result: 0xC004_F056, cached_host: None, ..licensed.clone() };
        let mak = Snapshot { group: 1, ..licensed.clone() };
        outcome.sites[0].snapshots = vec![licensed, waiting, mak];
        let text = snapshots(&scenario, &outcome);
        let shown: Vec<&str> = text.split("# pc-1 at ").skip(1).collect();
        let [licensed, waiting, mak] = shown[..] else { panic!("{text}") };
        assert!(licensed.starts_with("2026-01-05T03:00:00Z, on\n"));
        assert!(licensed.contains("Trusted time: 2026/01/05 03:00\n"));
        assert!(licensed.contains("    KMS machine name from DNS: kms1:1688\n"), "{licensed}");
        assert!(waiting.contains("Notification Reason: 0xC004F056.\n"), "{waiting}");
        assert!(mak.contains("VOLUME_MAK channel\n"), "{mak}");
    }
}
