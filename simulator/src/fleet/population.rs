//! Who is in a scenario: names resolved to indices, sites joined to components, clients to identities.

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::Product;

use super::draw::{ClientId, Draws, Purpose};
use super::presence::Pattern;
use super::scenario::{Action, Group, Identity, ListedClient, Scenario};
use crate::model::client::Rules;

/// A scenario in indices.
pub(super) struct Plan<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) start: FileTime,
    pub(super) draws: Draws,
    pub(super) groups: Vec<GroupPlan<'a>>,
    pub(super) components: Vec<Component>,
    /// The site of each host.
    pub(super) host_sites: Vec<usize>,
}

/// One group.
pub(super) struct GroupPlan<'a> {
    pub(super) spec: &'a Group,
    pub(super) index: usize,
    pub(super) site: usize,
    pub(super) product: &'static Product,
    pub(super) rules: Rules,
    pub(super) pattern: Pattern,
    pub(super) fixed_host: Option<u16>,
}

/// Sites that share hosts, and all that concerns them. Components have nothing to do with one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Component {
    pub(super) sites: Vec<usize>,
    pub(super) hosts: Vec<usize>,
    pub(super) groups: Vec<usize>,
    /// Indices of changes.
    pub(super) changes: Vec<usize>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(scenario: &'a Scenario, seed: u64) -> anyhow::Result<Self> {
        anyhow::ensure!(
            scenario.hosts.len() <= HOSTS_MAX,
            "a scenario has at most {HOSTS_MAX} hosts"
        );
        let groups = scenario.groups.iter().enumerate();
        let groups: anyhow::Result<Vec<_>> =
            groups.map(|(index, group)| GroupPlan::new(scenario, index, group)).collect();
        let groups = groups?;
        let host_sites: anyhow::Result<Vec<_>> =
            scenario.hosts.iter().map(|host| site_index(scenario, &host.site)).collect();
        let host_sites = host_sites?;
        let components = components(scenario, &groups, &host_sites)?;
        let (start, draws) = (file_time(scenario), Draws::new(seed));
        Ok(Self { scenario, start, draws, groups, components, host_sites })
    }
}

impl<'a> GroupPlan<'a> {
    fn new(scenario: &'a Scenario, index: usize, spec: &'a Group) -> anyhow::Result<Self> {
        let product = Product::by_name(&spec.product)
            .ok_or_else(|| anyhow::anyhow!("no product is called `{}`", spec.product))?;
        let site = site_index(scenario, &spec.site)?;
        let rules = Rules {
            host_caching: spec.host_caching,
            renews_at_start: spec.renews_at_start,
            jitter: spec.jitter.duration(),
            ..Rules::of(product)
        };
        let place = scenario.sites.get(site).ok_or_else(|| anyhow::anyhow!("no site"))?;
        let pattern = Pattern::new(scenario, place, &spec.presence)?;
        let fixed_host = spec.fixed_host.as_ref().map(|name| short_index(scenario, name));
        let fixed_host = fixed_host.transpose()?;
        Ok(Self { spec, index, site, product, rules, pattern, fixed_host })
    }

    /// The CMID of client `index` after so many boots.
    pub(super) fn cmid(&self, draws: Draws, index: u32, boots: u32, is_rearmed: bool) -> Guid {
        let own = ClientId::new(self.index, index);
        let is_first = boots <= 1 || self.spec.identity != Identity::CmidPerBoot;
        if let Some(cmid) = self.listed(index).and_then(|client| client.cmid)
            && is_first
            && !is_rearmed
        {
            return cmid;
        }
        match self.spec.identity {
            Identity::CmidPerBoot => draws.guid(own, u64::from(boots)),
            Identity::SharedCmid if !is_rearmed => {
                let image = index.checked_div(self.spec.clones).unwrap_or(0);
                draws.guid(ClientId::new(self.index, u32::MAX - image), IMAGE)
            }
            _ => draws.guid(own, 0),
        }
    }

    /// The name of client `index` after so many boots.
    pub(super) fn name(&self, draws: Draws, index: u32, boots: u32) -> String {
        if self.spec.identity != Identity::NamePerBoot || boots <= 1 && self.has_name(index) {
            return self.steady_name(index);
        }
        let client = ClientId::new(self.index, index);
        let mut bits = draws.bits(client, Purpose::Name, u64::from(boots));
        let mut name = "DESKTOP-".to_owned();
        for _ in 0..7 {
            name.extend(char::from_digit(u32::try_from(bits % 36).unwrap_or(0), 36));
            bits /= 36;
        }
        name.to_ascii_uppercase()
    }

    /// The name under which a client is asked for: the one that is listed, or else GROUP-NUMBER.
    pub(super) fn steady_name(&self, index: u32) -> String {
        let listed = self.listed(index).and_then(|client| client.name.clone());
        listed.unwrap_or_else(|| format!("{}-{}", self.spec.name, index + 1))
    }

    /// The number from 0 of the client called `name`, if it is one of this group; the first of several.
    pub(super) fn index_of(&self, name: &str) -> Option<u32> {
        let mut listed = self.spec.clients.iter();
        if let Some(at) = listed.position(|client| client.name.as_deref() == Some(name)) {
            return u32::try_from(at).ok();
        }
        let number = name.strip_prefix(self.spec.name.as_str())?.strip_prefix('-')?;
        let number: u32 = number.parse().ok()?;
        let index = (1..=self.spec.count).contains(&number).then(|| number - 1)?;
        (!self.has_name(index)).then_some(index)
    }

    fn listed(&self, index: u32) -> Option<&ListedClient> {
        self.spec.clients.get(usize::try_from(index).ok()?)
    }

    fn has_name(&self, index: u32) -> bool {
        self.listed(index).is_some_and(|client| client.name.is_some())
    }
}

/// Joins sites whose clients may come to ask the same host.
fn components(
    scenario: &Scenario,
    groups: &[GroupPlan<'_>],
    host_sites: &[usize],
) -> anyhow::Result<Vec<Component>> {
    let mut sets = Sets((0..scenario.sites.len()).collect());
    let site_of = |host: &str| -> anyhow::Result<usize> {
        let host = host_index(scenario, host)?;
        Ok(host_sites.get(host).copied().unwrap_or(0))
    };
    for (site, place) in scenario.sites.iter().enumerate() {
        for record in &place.dns {
            sets.join(site, site_of(&record.host)?);
        }
    }
    for group in groups {
        if let Some(host) = group.fixed_host {
            sets.join(group.site, host_sites.get(usize::from(host)).copied().unwrap_or(group.site));
        }
    }
    for change in &scenario.changes {
        match &change.action {
            Action::DnsRecords { site, records } => {
                for record in records {
                    sets.join(site_index(scenario, site)?, site_of(&record.host)?);
                }
            }
            Action::FixedHost { group, host: Some(host) } => {
                let group = group_index(scenario, group)?;
                let site = groups.get(group).map_or(0, |group| group.site);
                sets.join(site, site_of(host)?);
            }
            _ => {}
        }
    }
    let mut components: Vec<Component> = Vec::new();
    let mut of_site: Vec<usize> = Vec::new();
    let mut of_root: Vec<Option<usize>> = vec![None; scenario.sites.len()];
    for site in 0..scenario.sites.len() {
        let root = sets.root(site);
        let number = *of_root[root].get_or_insert(components.len());
        if number == components.len() {
            components.push(Component::default());
        }
        components[number].sites.push(site);
        of_site.push(number);
    }
    for (host, &site) in host_sites.iter().enumerate() {
        components[of_site[site]].hosts.push(host);
    }
    for (group, plan) in groups.iter().enumerate() {
        components[of_site[plan.site]].groups.push(group);
    }
    for (index, change) in scenario.changes.iter().enumerate() {
        let site = site_concerned(scenario, groups, host_sites, &change.action)?;
        components[of_site[site]].changes.push(index);
    }
    Ok(components)
}

/// The site whose component a change is for. A way belongs to the clients that go it.
fn site_concerned(
    scenario: &Scenario,
    groups: &[GroupPlan<'_>],
    host_sites: &[usize],
    action: &Action,
) -> anyhow::Result<usize> {
    match action {
        Action::HostDown { host, .. }
        | Action::HostForgets { host }
        | Action::HostNotActivated { host }
        | Action::HostClock { host, .. }
        | Action::HostIntervals { host, .. } => {
            let host = host_index(scenario, host)?;
            Ok(host_sites.get(host).copied().unwrap_or(0))
        }
        Action::DnsDown { site, .. }
        | Action::DnsRecords { site, .. }
        | Action::Firewall { from: site, .. } => site_index(scenario, site),
        Action::ClientClock { group, .. }
        | Action::InstallKey { group, .. }
        | Action::FixedHost { group, .. }
        | Action::Activate { group }
        | Action::Rearm { group }
        | Action::HardwareChange { group, .. }
        | Action::NetworkChange { group }
        | Action::PowerOff { group }
        | Action::Reboot { group } => {
            let group = group_index(scenario, group)?;
            Ok(groups.get(group).map_or(0, |group| group.site))
        }
    }
}

/// Disjoint sets of sites.
struct Sets(Vec<usize>);

impl Sets {
    fn root(&mut self, site: usize) -> usize {
        let mut root = site;
        while self.0[root] != root {
            self.0[root] = self.0[self.0[root]];
            root = self.0[root];
        }
        root
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}

pub(super) fn site_index(scenario: &Scenario, name: &str) -> anyhow::Result<usize> {
    let site = scenario.sites.iter().position(|site| site.name == name);
    site.ok_or_else(|| anyhow::anyhow!("no site is called `{name}`"))
}

pub(super) fn host_index(scenario: &Scenario, name: &str) -> anyhow::Result<usize> {
    let host = scenario.hosts.iter().position(|host| host.name == name);
    host.ok_or_else(|| anyhow::anyhow!("no host is called `{name}`"))
}

pub(super) fn group_index(scenario: &Scenario, name: &str) -> anyhow::Result<usize> {
    let group = scenario.groups.iter().position(|group| group.name == name);
    group.ok_or_else(|| anyhow::anyhow!("no group is called `{name}`"))
}

pub(super) fn short_index(scenario: &Scenario, name: &str) -> anyhow::Result<u16> {
    Ok(u16::try_from(host_index(scenario, name)?)?)
}

pub(super) fn file_time(scenario: &Scenario) -> FileTime {
    FileTime::from_unix(scenario.start.as_second(), 0).unwrap_or(FileTime::from_ticks(0))
}

/// Hosts of one scenario: what fits the place where a client remembers one.
const HOSTS_MAX: usize = 65_535;
/// Sets the CMIDs of images apart from those of clients.
const IMAGE: u64 = 1 << 40;
