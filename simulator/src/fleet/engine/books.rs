//! What is counted while the clients live, and written into the outcome.

use std::collections::BTreeMap;

use super::super::arm::Counts;
use super::super::draw::fold;
use super::super::outcome::{
    GroupOutcome, GroupSample, HostOutcome, HostSample, Offenders, SiteOutcome, TraceRecord,
};
use super::super::scenario::EventKind;

/// The books of one component.
#[derive(Debug)]
pub(super) struct Books {
    /// Seconds of a minute that had passed when the scenario began.
    pub(super) minute_offset: u32,
    pub(super) sites: Vec<SiteBook>,
    pub(super) groups: Vec<GroupBook>,
    pub(super) hosts: Vec<HostBook>,
}

/// One site.
#[derive(Debug, Default)]
pub(super) struct SiteBook {
    pub(super) site: usize,
    pub(super) hash: u64,
    pub(super) events: u64,
    pub(super) traces: Vec<TraceRecord>,
    pub(super) snapshots: Vec<super::super::outcome::Snapshot>,
}

/// One group.
#[derive(Debug, Default)]
pub(super) struct GroupBook {
    pub(super) group: usize,
    /// Index into [`Books::sites`].
    pub(super) site: usize,
    pub(super) clients: u64,
    pub(super) states: [u64; 7],
    pub(super) on: u64,
    pub(super) events: [u64; EventKind::ALL.len()],
    pub(super) samples: Vec<GroupSample>,
    pub(super) minutes_to_first_activation: BTreeMap<u32, u64>,
    pub(super) offenders: BTreeMap<usize, Offenders>,
}

/// One host.
#[derive(Debug, Default)]
pub(super) struct HostBook {
    pub(super) host: usize,
    pub(super) site: usize,
    requests: u64,
    minute: u32,
    in_minute: u64,
    peak_since_sample: u64,
    peak: u64,
    samples: Vec<HostSample>,
}

impl Books {
    /// One event of a client: counted, and hashed.
    pub(super) fn event(
        &mut self,
        now: u32,
        client: u64,
        group: usize,
        kind: EventKind,
        host: Option<u16>,
        result: u32,
    ) {
        let book = &mut self.groups[group];
        book.events[kind as usize] += 1;
        let site = &mut self.sites[book.site];
        site.events += 1;
        let host = host.map_or(0, |host| u64::from(host) + 1);
        let what = (u64::from(now) << 32) | (host << 8) | kind as u64;
        site.hash = fold(fold(site.hash, what), client ^ (u64::from(result) << 17));
    }

    /// A request that reached a host.
    pub(super) fn request(&mut self, now: u32, host: usize) {
        let minute = (u64::from(now) + u64::from(self.minute_offset)) / 60;
        let minute = u32::try_from(minute).unwrap_or(u32::MAX);
        let Some(book) = self.hosts.get_mut(host) else { return };
        if minute != book.minute {
            (book.minute, book.in_minute) = (minute, 0);
        }
        book.requests += 1;
        book.in_minute += 1;
        book.peak_since_sample = book.peak_since_sample.max(book.in_minute);
        book.peak = book.peak.max(book.in_minute);
    }

    pub(super) fn state(&mut self, group: usize, before: usize, after: usize) {
        let book = &mut self.groups[group];
        book.states[before] -= 1;
        book.states[after] += 1;
    }

    pub(super) fn sample(&mut self, counts: &[Counts]) {
        for book in &mut self.groups {
            book.samples.push(GroupSample {
                states: book.states,
                on: book.on,
                events: book.events.to_vec(),
            });
        }
        for (book, counts) in self.hosts.iter_mut().zip(counts) {
            book.samples.push(HostSample {
                requests: book.requests,
                peak_requests_per_minute: std::mem::take(&mut book.peak_since_sample),
                count_windows: counts.windows,
                count_office: counts.office,
            });
        }
    }

    pub(super) fn events(&self) -> u64 {
        self.sites.iter().map(|site| site.events).sum()
    }

    /// What is left of the run.
    pub(super) fn close(self) -> Vec<SiteOutcome> {
        let mut sites: Vec<SiteOutcome> = self.sites.into_iter().map(SiteBook::close).collect();
        for group in self.groups {
            let site = group.site;
            sites[site].groups.push(group.close());
        }
        for host in self.hosts {
            let site = host.site;
            sites[site].hosts.push(host.close());
        }
        sites
    }
}

impl SiteBook {
    fn close(self) -> SiteOutcome {
        SiteOutcome {
            site: self.site,
            trace_hash: self.hash,
            events: self.events,
            traces: self.traces,
            snapshots: self.snapshots,
            ..SiteOutcome::default()
        }
    }
}

impl GroupBook {
    fn close(self) -> GroupOutcome {
        GroupOutcome {
            group: self.group,
            clients: self.clients,
            samples: self.samples,
            minutes_to_first_activation: self.minutes_to_first_activation,
            offenders: self.offenders,
        }
    }
}

impl HostBook {
    pub(super) fn new(host: usize, site: usize) -> Self {
        Self { host, site, ..Self::default() }
    }

    fn close(self) -> HostOutcome {
        HostOutcome { host: self.host, peak_requests_per_minute: self.peak, samples: self.samples }
    }
}
