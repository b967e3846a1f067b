//! Names and addresses as pseudonyms, the same one for the same name in every part.
//!
//! Addresses are known by their form, names only when somebody says that they are names: a verdict
//! such as `tcp.timeout` looks like a host name and must stay.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is replaced, and by what.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Single labels that are names, in small letters.
    labels: BTreeSet<String>,
    /// Domains, in small letters, without the last dot.
    domains: BTreeSet<String>,
    given: HashMap<String, String>,
    hosts: u32,
    domains_given: u32,
    v4: u32,
    v6: u32,
    hardware: u32,
}

impl Redactor {
    /// Takes `name` for a name wherever it stands: a machine, a domain, or a host in a domain, whose
    /// domain then counts as one too.
    pub fn know(&mut self, name: &str) {
        let name = plain(name);
        if name.is_empty() || name.parse::<IpAddr>().is_ok() || is_kept(&name) {
            return;
        }
        let name = name.trim_start_matches(['*', '.']);
        let name = name.split('.').skip_while(|label| label.starts_with('_')).collect::<Vec<_>>();
        match name.as_slice() {
            [] => {}
            [label] => {
                self.labels.insert((*label).to_owned());
            }
            [label, domain @ ..] => {
                self.labels.insert((*label).to_owned());
                if domain.len() > 1 {
                    self.domains.insert(domain.join("."));
                }
                self.domains.insert(name.join("."));
            }
        }
    }

    /// Takes `name` for a domain, whose first label is no machine.
    pub fn know_domain(&mut self, name: &str) {
        let name = plain(name);
        let labels = name.split('.').skip_while(|label| label.starts_with('_'));
        let domain = labels.collect::<Vec<_>>().join(".");
        if !domain.is_empty() && !is_kept(&domain) {
            self.domains.insert(domain);
        }
    }

    /// `text` with pseudonyms.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_word) {
            let (before, from) = rest.split_at(start);
            out.push_str(before);
            let end = from.find(|c| !is_of_word(c)).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            self.word(word, &mut out);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// What stands for what: pseudonym and original.
    #[must_use]
    pub fn mapping(&self) -> BTreeMap<&str, &str> {
        self.given.iter().map(|(original, given)| (given.as_str(), original.as_str())).collect()
    }

    fn word(&mut self, word: &str, out: &mut String) {
        // A sentence ends with a dot, a label of a log with a colon.
        let core = word.trim_end_matches(['.', ':', '-', '_']);
        let core_start = core.len() - core.trim_start_matches(['.', '-']).len();
        let (lead, bare) = core.split_at(core_start);
        let tail = word.get(core.len()..).unwrap_or_default();
        out.push_str(lead);
        match self.replacement(bare) {
            Some(replacement) => out.push_str(&replacement),
            None => match bare.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
                Some((host, port)) => {
                    let shown = self.replacement(host).unwrap_or_else(|| host.to_owned());
                    out.push_str(&format!("{shown}:{port}"));
                }
                None => out.push_str(&self.within(bare)),
            },
        }
        out.push_str(tail);
    }

    /// A word that is no name as a whole may hold one: `PC-01.txt`, `contoso-7`.
    fn within(&mut self, word: &str) -> String {
        let mut out = String::new();
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            if !first.is_alphanumeric() {
                out.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                continue;
            }
            let ends = rest.char_indices().filter(|(_, c)| !c.is_alphanumeric());
            let ends: Vec<usize> =
                ends.map(|(at, _)| at).chain([rest.len()]).take(PARTS_MAX).collect();
            let name = |end: &usize| rest.get(..*end).unwrap_or_default().to_lowercase();
            let known = ends.iter().rev().find(|end| self.labels.contains(&name(end)));
            let end = known.or(ends.first()).copied().unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            match known {
                Some(end) => out.push_str(&self.label(&name(end))),
                None => out.push_str(part),
            }
            rest = after;
        }
        out
    }

    fn replacement(&mut self, word: &str) -> Option<String> {
        if let Ok(address) = word.parse::<IpAddr>() {
            return self.address(address);
        }
        if is_hardware_address(word) {
            let key = word.to_ascii_lowercase().replace('-', ":");
            let next = self.hardware + 1;
            let (shown, is_new) = self.give(key, || hardware(next));
            self.hardware += u32::from(is_new);
            return Some(shown);
        }
        let name = plain(word);
        if is_kept(&name) {
            return None;
        }
        if self.domains.contains(&name) {
            return Some(self.domain(&name));
        }
        let parent = self.parent(&name);
        if let Some(parent) = parent {
            let below = name.get(..name.len() - parent.len() - 1)?;
            let labels: Vec<String> = below.split('.').map(|label| self.label(label)).collect();
            return Some(format!("{}.{}", labels.join("."), self.domain(&parent)));
        }
        self.labels.contains(&name).then(|| self.label(&name))
    }

    /// The longest known domain that `name` is below.
    fn parent(&self, name: &str) -> Option<String> {
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if self.domains.contains(parent) {
                return Some(parent.to_owned());
            }
            rest = parent;
        }
        None
    }

    fn label(&mut self, label: &str) -> String {
        if label.starts_with('_') {
            return label.to_owned();
        }
        let next = self.hosts + 1;
        let (shown, is_new) = self.give(label.to_owned(), || format!("host-{next}"));
        self.hosts += u32::from(is_new);
        shown
    }

    /// A domain below a known one keeps its place in it.
    fn domain(&mut self, name: &str) -> String {
        if let Some(parent) = self.parent(name) {
            let below = name.get(..name.len() - parent.len() - 1).unwrap_or_default().to_owned();
            let labels: Vec<String> = below.split('.').map(|label| self.label(label)).collect();
            return format!("{}.{}", labels.join("."), self.domain(&parent));
        }
        let next = self.domains_given + 1;
        let (shown, is_new) = self.give(name.to_owned(), || format!("domain-{next}.invalid"));
        self.domains_given += u32::from(is_new);
        shown
    }

    /// Pseudonyms are addresses too, of ranges for benchmarks and documentation, so that programs
    /// still understand them. Addresses that mean the same everywhere stay.
    fn address(&mut self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
            return None;
        }
        let (v4, v6) = (self.v4 + 1, self.v6 + 1);
        let make = || match address {
            IpAddr::V4(_) => Ipv4Addr::from_bits(BENCHMARK_NETWORK.to_bits() + v4).to_string(),
            IpAddr::V6(_) => {
                Ipv6Addr::from_bits(DOCUMENTATION_NETWORK.to_bits() + u128::from(v6)).to_string()
            }
        };
        let (shown, is_new) = self.give(address.to_string(), make);
        match address {
            IpAddr::V4(_) => self.v4 += u32::from(is_new),
            IpAddr::V6(_) => self.v6 += u32::from(is_new),
        }
        Some(shown)
    }

    fn give(&mut self, original: String, make: impl FnOnce() -> String) -> (String, bool) {
        if let Some(known) = self.given.get(&original) {
            return (known.clone(), false);
        }
        let pseudonym = make();
        self.given.insert(original, pseudonym.clone());
        (pseudonym, true)
    }
}

const fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '.' | ':' | '-' | '_')
        || !character.is_ascii()
}

fn plain(name: &str) -> String {
    name.trim().trim_end_matches('.').to_lowercase()
}

/// Names that mean the same everywhere.
fn is_kept(name: &str) -> bool {
    KEPT.contains(&name) || KEPT_DOMAINS.iter().any(|domain| name.ends_with(domain))
}

/// `aa:bb:cc:dd:ee:ff`, or with hyphens.
fn is_hardware_address(word: &str) -> bool {
    word.len() == 17
        && word.bytes().enumerate().all(|(index, byte)| match index % 3 {
            2 => byte == b':' || byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn hardware(number: u32) -> String {
    let [a, b, c, d] = number.to_be_bytes();
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// A name within a word has at most so many parts.
const PARTS_MAX: usize = 8;
const KEPT: [&str; 6] =
    ["localhost", "localhost.localdomain", "localdomain", "ip6-localhost", "ip6-loopback", "local"];
/// Public endpoints, which say nothing of whose network this is.
const KEPT_DOMAINS: [&str; 2] = [".microsoft.com", ".live.com"];
/// RFC 2544, appendix C.2.2.
const BENCHMARK_NETWORK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// RFC 3849.
const DOCUMENTATION_NETWORK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(names: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        names.iter().for_each(|name| redactor.know(name));
        redactor
    }

    #[test]
    fn known_names_are_replaced_wherever_they_stand_and_keep_their_place_in_the_domain() {
        let mut redactor = redactor(&["kms1.corp.example.com", "PC-01"]);
        for (text, expected) in [
            ("kms1.corp.example.com:1688", "host-1.domain-1.invalid:1688"),
            ("KMS1 and kms1.corp.example.com.", "host-1 and host-1.domain-1.invalid."),
            ("_vlmcs._tcp.corp.example.com", "_vlmcs._tcp.domain-1.invalid"),
            ("kms2.corp.example.com", "host-2.domain-1.invalid"),
            ("{\"name\":\"pc-01\"}", "{\"name\":\"host-3\"}"),
            ("tcp.timeout on check.json 0.1.0", "tcp.timeout on check.json 0.1.0"),
            ("PC-011", "PC-011"),
            ("/logs/PC-01.txt", "/logs/host-3.txt"),
            ("x_pc-01_2.log xpc-01", "x_host-3_2.log xpc-01"),
            ("login.live.com localhost", "login.live.com localhost"),
        ] {
            assert_eq!(redactor.text(text), expected, "{text}");
        }
        let mapping = redactor.mapping();
        assert_eq!(mapping.get("host-1"), Some(&"kms1"));
        assert_eq!(mapping.get("domain-1.invalid"), Some(&"corp.example.com"));
    }

    #[test]
    fn addresses_are_replaced_by_addresses_and_those_of_every_machine_stay() {
        let mut redactor = Redactor::default();
        for (text, expected) in [
            ("192.0.2.7:1688 192.0.2.7", "198.18.0.1:1688 198.18.0.1"),
            ("10.0.0.0/8", "198.18.0.2/8"),
            ("[2001:db8:5::1]:1688", "[2001:db8::1]:1688"),
            ("::ffff:192.0.2.7", "198.18.0.1"),
            ("fe80::1%eth0", "2001:db8::2%eth0"),
            ("127.0.0.1 ::1 0.0.0.0", "127.0.0.1 ::1 0.0.0.0"),
            ("00:11:22:AA:bb:cc", "02:00:00:00:00:01"),
            ("12:30:45 and 1.2.3", "12:30:45 and 1.2.3"),
            ("to 192.0.2.7.", "to 198.18.0.1."),
            ("0xC004F074, 192.0.2.9:", "0xC004F074, 198.18.0.3:"),
        ] {
            assert_eq!(redactor.text(text), expected, "{text}");
        }
    }

    #[test]
    fn the_first_label_of_a_domain_is_no_name() {
        let mut redactor = Redactor::default();
        redactor.know_domain("lab.test.");
        assert_eq!(redactor.text("lab PC.LAB.test"), "lab host-1.domain-1.invalid");
    }

    #[test]
    fn what_is_no_name_is_not_learnt() {
        let mut redactor = redactor(&["", "localhost", "192.0.2.1", "_vlmcs._tcp", "."]);
        assert_eq!(redactor.text("localhost _vlmcs._tcp"), "localhost _vlmcs._tcp");
        assert!(redactor.mapping().is_empty());
    }
}
