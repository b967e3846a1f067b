//! Scenarios built in Rust: what must be said, and everything else as a file leaves it out.

use super::default;
use super::{
    Change, Group, Hardware, Host, Identity, Key, Life, Presence, Scenario, Seconds, Site,
};

impl Scenario {
    /// A scenario with nothing in it that lasts for `duration`.
    #[must_use]
    pub fn new(name: impl Into<String>, duration: Seconds) -> Self {
        let name = name.into();
        Self {
            title: name.clone(),
            name,
            teaches: String::new(),
            seed: default::seed(),
            start: default::start(),
            duration,
            sample_every: default::sample_every(),
            sites: Vec::new(),
            hosts: Vec::new(),
            groups: Vec::new(),
            links: Vec::new(),
            changes: Vec::new(),
            expectations: Vec::new(),
        }
    }
}

impl Site {
    /// A site in UTC whose clients get every published host of the site from DNS.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let time_zone = default::time_zone();
        Self { name: name.into(), time_zone, holidays: Vec::new(), dns: Vec::new() }
    }
}

impl Host {
    /// An activated host with Microsoft's intervals that knows nobody.
    #[must_use]
    pub fn new(name: impl Into<String>, site: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            site: site.into(),
            published: default::yes(),
            priority: 0,
            weight: 0,
            activation_interval: default::activation_interval(),
            renewal_interval: default::renewal_interval(),
            activated: default::yes(),
            clock_offset_s: 0,
            remembers_windows: 0,
            remembers_office: 0,
        }
    }
}

impl Group {
    /// `count` new clients of `product` (a name of `kms-sim catalog`) that are always on.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        site: impl Into<String>,
        count: u32,
        product: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            site: site.into(),
            count,
            clients: Vec::new(),
            product: product.into(),
            identity: Identity::default(),
            clones: 0,
            hardware: Hardware::default(),
            presence: Presence::default(),
            clock_offset_s: 0,
            life: Life::default(),
            first_start_within: Seconds(0),
            key: Key::default(),
            mak_activations: 0,
            fixed_host: None,
            host_caching: default::yes(),
            renews_at_start: false,
            jitter: Seconds(0),
        }
    }
}

impl Change {
    /// Something that begins at one time and ends at another.
    #[must_use]
    pub const fn between(at: Seconds, until: Seconds, action: super::Action) -> Self {
        Self { at, until: Some(until), action }
    }

    /// Something that happens in an instant, or stays for good.
    #[must_use]
    pub const fn at(at: Seconds, action: super::Action) -> Self {
        Self { at, until: None, action }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_built_is_what_the_shortest_file_says() {
        let read = Scenario::from_toml(
            "name = \"n\"\ntitle = \"n\"\nduration = \"1d\"\n[[site]]\nname = \"s\"\n[[host]]\nname = \"h\"\n\
             site = \"s\"\n[[group]]\nname = \"g\"\nsite = \"s\"\ncount = 3\nproduct = \"Windows 10/11 Enterprise\"\n",
        );
        let mut built = Scenario::new("n", Seconds::days(1));
        built.sites.push(Site::new("s"));
        built.hosts.push(Host::new("h", "s"));
        built.groups.push(Group::new("g", "s", 3, "Windows 10/11 Enterprise"));
        assert_eq!(read.unwrap(), built);
    }
}
