//! Names and ids that records refer to, each kept once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use kms_protocol::guid::Guid;

/// A name, address or other text; [`Name::NONE`] where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

/// A GUID: a client machine id or an activation id; [`Id::NONE`] where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

/// All names and ids of an analysis.
#[derive(Debug, Default)]
pub struct Names {
    texts: Vec<Arc<str>>,
    by_text: HashMap<Arc<str>, Name>,
    guids: Vec<Guid>,
    by_guid: HashMap<Guid, Id>,
    text_bytes: usize,
    left_out: u64,
    redact: bool,
}

impl Name {
    /// No name.
    pub const NONE: Self = Self(0);

    /// Whether there is one.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl Id {
    /// No id.
    pub const NONE: Self = Self(0);

    /// Whether there is one.
    #[must_use]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

impl Names {
    /// Bytes of all names together; further names are counted and left out.
    pub const TEXT_BYTES_MAX: usize = 32 << 20;
    /// Characters of one name; what follows is cut.
    pub const NAME_CHARS_MAX: usize = 255;
    /// Ids; further ones are counted and left out.
    pub const IDS_MAX: usize = 1_000_000;

    /// Nothing yet. With `redact`, names, addresses and ids are shown as pseudonyms, the same one
    /// for the same name.
    #[must_use]
    pub fn new(redact: bool) -> Self {
        Self { redact, ..Self::default() }
    }

    /// The name `text`, without what surrounds it.
    pub fn name(&mut self, text: &str) -> Name {
        let text = text.trim();
        if text.is_empty() {
            return Name::NONE;
        }
        let text = match text.char_indices().nth(Self::NAME_CHARS_MAX) {
            Some((end, _)) => text.get(..end).unwrap_or(text),
            None => text,
        };
        if let Some(known) = self.by_text.get(text) {
            return *known;
        }
        if self.text_bytes + text.len() > Self::TEXT_BYTES_MAX {
            self.left_out += 1;
            return Name::NONE;
        }
        self.text_bytes += text.len();
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        let name = Name(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.by_text.insert(text, name);
        name
    }

    /// The id `guid`; zero is none.
    pub fn id(&mut self, guid: Guid) -> Id {
        if guid.is_zero() {
            return Id::NONE;
        }
        if let Some(known) = self.by_guid.get(&guid) {
            return *known;
        }
        if self.guids.len() >= Self::IDS_MAX {
            self.left_out += 1;
            return Id::NONE;
        }
        self.guids.push(guid);
        let id = Id(u32::try_from(self.guids.len()).unwrap_or(u32::MAX));
        self.by_guid.insert(guid, id);
        id
    }

    /// The text of a name as it was read, for comparing.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        let index = name.0.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.texts.get(index)).map_or("", |text| text)
    }

    /// The id itself.
    #[must_use]
    pub fn guid(&self, id: Id) -> Guid {
        let index = id.0.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.guids.get(index)).copied().unwrap_or(Guid::ZERO)
    }

    /// A name for people: as it was read, or its pseudonym. The result is not escaped.
    #[must_use]
    pub fn show(&self, name: Name) -> Cow<'_, str> {
        let text = self.text(name);
        if !self.redact || !name.is_some() {
            return Cow::Borrowed(text);
        }
        let (host, port) = match text.parse::<SocketAddr>() {
            Ok(_) => text.rsplit_once(':').unwrap_or((text, "")),
            Err(_) => match text.rsplit_once(':') {
                Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
                    (host, port)
                }
                _ => (text, ""),
            },
        };
        // With and without a port it is the same machine.
        let own = self.by_text.get(host).copied().unwrap_or(name);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let kind = if bare.parse::<IpAddr>().is_ok() { "address" } else { "name" };
        let port = if port.is_empty() { String::new() } else { format!(":{port}") };
        Cow::Owned(format!("{kind}-{}{port}", own.0))
    }

    /// The texts of all names, as they were read.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }

    /// A client machine id for people: as it was read, or its pseudonym.
    #[must_use]
    pub fn show_id(&self, id: Id) -> String {
        if self.redact && id.is_some() { format!("id-{}", id.0) } else { self.guid(id).to_string() }
    }

    /// Whether names are shown as pseudonyms.
    #[must_use]
    pub const fn redacts(&self) -> bool {
        self.redact
    }

    /// Names and ids beyond the limits.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How a name compares with others: its first label in small letters, or the whole address.
    #[must_use]
    pub fn normal(&self, name: Name) -> String {
        normal(self.text(name))
    }
}

/// The first label of a host name in small letters; addresses stay whole.
#[must_use]
pub fn normal(text: &str) -> String {
    if text.parse::<IpAddr>().is_ok() {
        return text.to_ascii_lowercase();
    }
    text.split('.').next().unwrap_or(text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_cut_at_its_limit() {
        let mut names = Names::new(false);
        let first = names.name(" PC-01 ");
        assert_eq!(first, names.name("PC-01"));
        assert_eq!(names.text(first), "PC-01");
        assert_eq!(names.name("  "), Name::NONE);
        let long = names.name(&"ü".repeat(400));
        assert_eq!(names.text(long).chars().count(), Names::NAME_CHARS_MAX);
    }

    #[test]
    fn pseudonyms_are_the_same_for_the_same_machine_and_keep_the_port() {
        let mut names = Names::new(true);
        let (bare, with_port) = (names.name("kms1.corp.test"), names.name("kms1.corp.test:1688"));
        let address = names.name("192.0.2.7:50000");
        assert_eq!(names.show(bare), "name-1");
        assert_eq!(names.show(with_port), "name-1:1688");
        assert!(names.show(address).starts_with("address-"));
        assert!(!names.show(address).contains("192"));
        let id = names.id(Guid::from_bytes([7; 16]));
        assert_eq!(names.show_id(id), "id-1");
    }

    #[test]
    fn names_beyond_the_limit_are_counted() {
        let mut names = Names::new(false);
        names.text_bytes = Names::TEXT_BYTES_MAX;
        assert_eq!(names.name("one more"), Name::NONE);
        assert_eq!(names.left_out(), 1);
    }
}
