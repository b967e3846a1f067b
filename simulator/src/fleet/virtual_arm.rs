//! The world as models in this process.

use kms_protocol::filetime::FileTime;
use kms_protocol::kms::product::{OFFICE_APP_ID, WINDOWS_APP_ID};
use kms_protocol::kms::{Hresult, Request};

use super::arm::{Answered, Arm, Counts, Listed, NoAnswer};
use super::population::{file_time, host_index, site_index};
use super::scenario::{Action, Change, DnsFailure, Record, Scenario, Seconds};
use crate::model::client::Candidate;
use crate::model::{Host, HostPolicy, IntervalMinutes, Query};

/// Model hosts, and the DNS views and ways of the sites that use them.
#[derive(Debug)]
pub struct VirtualArm {
    start: FileTime,
    /// By index of the scenario; only those that stand in the sites that are run.
    hosts: Vec<Option<ArmHost>>,
    sites: Vec<Option<View>>,
    /// Ways that are closed, from site to site; one may be closed more than once.
    closed: Vec<(usize, usize)>,
    names: Names,
}

#[derive(Debug)]
struct ArmHost {
    model: Host,
    site: usize,
    off: u32,
    not_activated: u32,
    clock_offset_s: Overlay<i64>,
    intervals: Overlay<(IntervalMinutes, IntervalMinutes)>,
}

#[derive(Debug)]
struct View {
    records: Overlay<Vec<Listed>>,
    failure: Overlay<Option<DnsFailure>>,
}

/// A value that changes cover for a time; of several the one that began last holds.
#[derive(Clone, Debug)]
pub(super) struct Overlay<T> {
    base: T,
    over: Vec<T>,
}

#[derive(Debug)]
struct Names {
    hosts: Vec<String>,
    sites: Vec<String>,
}

impl VirtualArm {
    /// The hosts that stand in `sites`, and what clients of these see of DNS.
    ///
    /// # Errors
    /// A name or an interval that the scenario's check should have refused.
    pub fn new(scenario: &Scenario, sites: &[usize]) -> anyhow::Result<Self> {
        let start = file_time(scenario);
        let mut hosts = Vec::with_capacity(scenario.hosts.len());
        for host in &scenario.hosts {
            let site = site_index(scenario, &host.site)?;
            hosts.push(match sites.contains(&site) {
                true => Some(ArmHost::new(host, site, start)?),
                false => None,
            });
        }
        let mut views: Vec<Option<View>> = scenario.sites.iter().map(|_| None).collect();
        for &site in sites {
            if let Some(view) = views.get_mut(site) {
                let records = Overlay::new(first_view(scenario, site)?);
                *view = Some(View { records, failure: Overlay::new(None) });
            }
        }
        let mut closed = Vec::new();
        for link in &scenario.links {
            closed.push((site_index(scenario, &link.from)?, site_index(scenario, &link.to)?));
        }
        let names = Names {
            hosts: scenario.hosts.iter().map(|host| host.name.clone()).collect(),
            sites: scenario.sites.iter().map(|site| site.name.clone()).collect(),
        };
        Ok(Self { start, hosts, sites: views, closed, names })
    }

    fn decide(
        &mut self,
        now: Seconds,
        site: usize,
        host: usize,
        query: &Query,
    ) -> Result<Answered, NoAnswer> {
        let time = self.time(now);
        let unreachable = NoAnswer::Unreachable(Hresult::RPC_SERVER_UNAVAILABLE);
        let host = self.hosts.get_mut(host).and_then(Option::as_mut).ok_or(unreachable)?;
        if host.off > 0 || self.closed.contains(&(site, host.site)) {
            return Err(unreachable);
        }
        if host.not_activated > 0 {
            return Err(NoAnswer::Refused(Hresult::HOST_NOT_ACTIVATED));
        }
        let clock = shifted(time, *host.clock_offset_s.value());
        match host.model.decide(query, clock) {
            Ok(accepted) => Ok(Answered {
                count: accepted.count,
                activation_interval_minutes: host.intervals.value().0.minutes(),
                renewal_interval_minutes: host.intervals.value().1.minutes(),
            }),
            Err(refusal) => Err(NoAnswer::Refused(refusal.hresult())),
        }
    }

    fn time(&self, now: Seconds) -> FileTime {
        self.start.saturating_add(now.duration())
    }

    fn host_mut(&mut self, name: &str) -> anyhow::Result<&mut ArmHost> {
        let index = self.names.hosts.iter().position(|known| known == name);
        let host = index.and_then(|index| self.hosts.get_mut(index)?.as_mut());
        host.ok_or_else(|| anyhow::anyhow!("host `{name}` is not part of these sites"))
    }

    fn site_named(&self, name: &str) -> anyhow::Result<usize> {
        let index = self.names.sites.iter().position(|known| known == name);
        index.ok_or_else(|| anyhow::anyhow!("no site is called `{name}`"))
    }

    fn view_mut(&mut self, name: &str) -> anyhow::Result<&mut View> {
        let site = self.site_named(name)?;
        let view = self.sites.get_mut(site).and_then(Option::as_mut);
        view.ok_or_else(|| anyhow::anyhow!("site `{name}` is not one of these sites"))
    }

    fn listed(&self, records: &[Record]) -> anyhow::Result<Vec<Listed>> {
        let list = records.iter().map(|record| {
            let host = self.names.hosts.iter().position(|known| *known == record.host);
            let host =
                host.ok_or_else(|| anyhow::anyhow!("no host is called `{}`", record.host))?;
            let candidate = Candidate { priority: record.priority, weight: record.weight };
            Ok(Listed { host, candidate })
        });
        list.collect()
    }
}

impl Arm for VirtualArm {
    fn discover(&mut self, _now: Seconds, site: usize) -> Result<Vec<Listed>, Hresult> {
        let Some(view) = self.sites.get(site).and_then(Option::as_ref) else {
            return Err(Hresult::DNS_NAME_ERROR);
        };
        if let Some(failure) = view.failure.value() {
            return Err(seen(*failure));
        }
        match view.records.value().as_slice() {
            // The zone is there, and the name is not.
            [] => Err(Hresult::DNS_NAME_ERROR),
            records => Ok(records.to_vec()),
        }
    }

    fn ask(
        &mut self,
        now: Seconds,
        site: usize,
        host: usize,
        request: &Request,
    ) -> Result<Answered, NoAnswer> {
        self.decide(now, site, host, &Query::from(request))
    }

    fn ask_shortly(
        &mut self,
        now: Seconds,
        site: usize,
        host: usize,
        query: &Query,
    ) -> Option<Answered> {
        // A host that refuses has not changed.
        self.decide(now, site, host, query).ok()
    }

    fn counts(&mut self, now: Seconds, host: usize) -> anyhow::Result<Counts> {
        let time = self.time(now);
        let Some(host) = self.hosts.get(host).and_then(Option::as_ref) else {
            return Ok(Counts::default());
        };
        let clock = shifted(time, *host.clock_offset_s.value());
        Ok(Counts {
            windows: host.model.count(WINDOWS_APP_ID, clock),
            office: host.model.count(OFFICE_APP_ID, clock),
        })
    }

    fn change(&mut self, _now: Seconds, change: &Change, begins: bool) -> anyhow::Result<()> {
        match &change.action {
            Action::HostDown { host, .. } => count(&mut self.host_mut(host)?.off, begins),
            Action::HostForgets { host } => {
                let host = self.host_mut(host)?;
                host.model = Host::new(*host.model.policy());
            }
            Action::HostNotActivated { host } => {
                count(&mut self.host_mut(host)?.not_activated, begins);
            }
            Action::HostClock { host, offset_s } => {
                self.host_mut(host)?.clock_offset_s.turn(*offset_s, begins);
            }
            Action::HostIntervals { host, activation_interval, renewal_interval } => {
                let intervals = (interval(*activation_interval)?, interval(*renewal_interval)?);
                self.host_mut(host)?.intervals.turn(intervals, begins);
            }
            Action::DnsDown { site, failure } => {
                self.view_mut(site)?.failure.turn(Some(*failure), begins);
            }
            Action::DnsRecords { site, records } => {
                let records = self.listed(records)?;
                self.view_mut(site)?.records.turn(records, begins);
            }
            Action::Firewall { from, to, .. } => {
                let way = (self.site_named(from)?, self.site_named(to)?);
                match begins {
                    true => self.closed.push(way),
                    false => take_first(&mut self.closed, &way),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl ArmHost {
    fn new(host: &super::scenario::Host, site: usize, start: FileTime) -> anyhow::Result<Self> {
        let intervals = (interval(host.activation_interval)?, interval(host.renewal_interval)?);
        let policy = HostPolicy {
            activated: host.activated,
            activation_interval: intervals.0,
            renewal_interval: intervals.1,
        };
        let mut model = Host::new(policy);
        let clock = shifted(start, host.clock_offset_s);
        for (app_id, clients) in
            [(WINDOWS_APP_ID, host.remembers_windows), (OFFICE_APP_ID, host.remembers_office)]
        {
            if clients > 0 {
                model.prefill(app_id, clients, clock);
            }
        }
        Ok(Self {
            model,
            site,
            off: 0,
            not_activated: 0,
            clock_offset_s: Overlay::new(host.clock_offset_s),
            intervals: Overlay::new(intervals),
        })
    }
}

impl<T: PartialEq> Overlay<T> {
    pub(super) const fn new(base: T) -> Self {
        Self { base, over: Vec::new() }
    }

    pub(super) fn value(&self) -> &T {
        self.over.last().unwrap_or(&self.base)
    }

    pub(super) fn turn(&mut self, value: T, begins: bool) {
        match begins {
            true => self.over.push(value),
            false => take_first(&mut self.over, &value),
        }
    }
}

/// The records that clients of `site` get at the start.
pub(super) fn first_view(scenario: &Scenario, site: usize) -> anyhow::Result<Vec<Listed>> {
    let Some(place) = scenario.sites.get(site) else { return Ok(Vec::new()) };
    let mut list = Vec::new();
    if place.dns.is_empty() {
        for (index, host) in scenario.hosts.iter().enumerate() {
            if host.published && host.site == place.name {
                let candidate = Candidate { priority: host.priority, weight: host.weight };
                list.push(Listed { host: index, candidate });
            }
        }
    }
    for record in &place.dns {
        let host = host_index(scenario, &record.host)?;
        let candidate = Candidate { priority: record.priority, weight: record.weight };
        list.push(Listed { host, candidate });
    }
    Ok(list)
}

fn take_first<T: PartialEq>(list: &mut Vec<T>, value: &T) {
    if let Some(at) = list.iter().position(|known| known == value) {
        list.remove(at);
    }
}

const fn count(counter: &mut u32, begins: bool) {
    *counter = if begins { counter.saturating_add(1) } else { counter.saturating_sub(1) };
}

/// `time` by a clock that is `offset_s` ahead.
pub(super) fn shifted(time: FileTime, offset_s: i64) -> FileTime {
    let offset = std::time::Duration::from_secs(offset_s.unsigned_abs());
    if offset_s < 0 { time.saturating_sub(offset) } else { time.saturating_add(offset) }
}

fn interval(time: Seconds) -> anyhow::Result<IntervalMinutes> {
    let minutes = IntervalMinutes::try_from(time.0 / 60);
    minutes.map_err(|error| anyhow::anyhow!("interval `{time}` is {error}"))
}

/// What a Windows client shows.
const fn seen(failure: DnsFailure) -> Hresult {
    match failure {
        DnsFailure::Nxdomain => Hresult::DNS_NAME_ERROR,
        DnsFailure::Nodata => Hresult::DNS_NO_RECORDS,
        DnsFailure::Servfail => Hresult(DNS_SERVER_FAILURE),
        DnsFailure::Silent | DnsFailure::Refused => Hresult::NO_KMS_AVAILABLE,
    }
}

/// DNS_ERROR_RCODE_SERVER_FAILURE (9002) as an HRESULT.
const DNS_SERVER_FAILURE: u32 = 0x8007_232A;
