//! Everything that the readers found, within limits.

use super::names::Names;
use super::readers::FileKind;
use super::record::{Conversation, DnsAnswer, Event, License, OwnVerdict, Place, Unit};

/// What was read from all files.
#[derive(Debug, Default)]
pub struct Records {
    /// Names and ids.
    pub names: Names,
    /// One entry for each file.
    pub files: Vec<FileReport>,
    /// Events, in the order of reading until the timeline sorts them.
    pub events: Vec<Event>,
    /// Licences that slmgr and ospp told of.
    pub licenses: Vec<License>,
    /// TCP connections.
    pub conversations: Vec<Conversation>,
    /// Answers of DNS.
    pub dns: Vec<DnsAnswer>,
    /// Verdicts of our own reports.
    pub verdicts: Vec<OwnVerdict>,
    /// Records of any kind beyond the limits.
    pub left_out: u64,
}

/// What became of one file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its name as it was given.
    pub name: String,
    /// What it is.
    pub kind: Option<FileKind>,
    /// How its text is encoded, where it is text.
    pub encoding: Option<&'static str>,
    /// Records that were read.
    pub read: u64,
    /// Records that say something of volume activation.
    pub used: u64,
    /// Records that could not be understood.
    pub skipped: u64,
    /// What a reader has to know: what was assumed or left out.
    pub notes: Vec<String>,
    /// Why it was not read to its end.
    pub problem: Option<String>,
}

/// Where a reader of one file puts what it finds.
#[derive(Debug)]
pub struct Sink<'a> {
    records: &'a mut Records,
    file: u16,
}

impl Records {
    /// Events that are kept.
    pub const EVENTS_MAX: usize = 1_500_000;
    /// Licences, conversations, answers and verdicts that are kept, of each kind.
    pub const OTHERS_MAX: usize = 50_000;
    /// Notes about one file.
    pub const NOTES_MAX: usize = 12;

    /// Begins a file.
    pub fn begin(&mut self, name: String) -> Sink<'_> {
        let file = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        self.files.push(FileReport {
            name,
            kind: None,
            encoding: None,
            read: 0,
            used: 0,
            skipped: 0,
            notes: Vec::new(),
            problem: None,
        });
        Sink { records: self, file }
    }

    /// Whether anything was found that findings can be made of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.licenses.is_empty()
            && self.conversations.is_empty()
            && self.dns.is_empty()
            && self.verdicts.is_empty()
    }
}

impl Sink<'_> {
    /// Names and ids.
    pub fn names(&mut self) -> &mut Names {
        &mut self.records.names
    }

    /// A place in this file.
    #[must_use]
    pub const fn place(&self, unit: Unit, number: u64) -> Place {
        Place { file: self.file, unit, number }
    }

    /// Says what the file is.
    pub fn kind(&mut self, kind: FileKind) {
        self.about(|file| file.kind = Some(kind));
    }

    /// Says how its text is encoded.
    pub fn encoding(&mut self, encoding: &'static str) {
        self.about(|file| file.encoding = Some(encoding));
    }

    /// One more record was read.
    pub fn read(&mut self) {
        self.about(|file| file.read += 1);
    }

    /// One record could not be understood.
    pub fn skipped(&mut self) {
        self.about(|file| file.skipped += 1);
    }

    /// Something that a reader of the report has to know; said once.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        self.about(|file| {
            if file.notes.len() < Records::NOTES_MAX && !file.notes.contains(&note) {
                file.notes.push(note);
            }
        });
    }

    /// Why the file was not read to its end. The first reason stays.
    pub fn problem(&mut self, problem: impl Into<String>) {
        let problem = problem.into();
        self.about(|file| {
            file.problem.get_or_insert(problem);
        });
    }

    /// An event.
    pub fn event(&mut self, event: Event) {
        let is_kept = keep(&mut self.records.events, event, Records::EVENTS_MAX);
        self.count(is_kept);
    }

    /// A licence.
    pub fn license(&mut self, license: License) {
        let is_kept = keep(&mut self.records.licenses, license, Records::OTHERS_MAX);
        self.count(is_kept);
    }

    /// A conversation.
    pub fn conversation(&mut self, conversation: Conversation) {
        let is_kept = keep(&mut self.records.conversations, conversation, Records::OTHERS_MAX);
        self.count(is_kept);
    }

    /// An answer of DNS.
    pub fn dns(&mut self, answer: DnsAnswer) {
        let is_kept = keep(&mut self.records.dns, answer, Records::OTHERS_MAX);
        self.count(is_kept);
    }

    /// A verdict of one of our own reports.
    pub fn verdict(&mut self, verdict: OwnVerdict) {
        let is_kept = keep(&mut self.records.verdicts, verdict, Records::OTHERS_MAX);
        self.count(is_kept);
    }

    fn count(&mut self, is_kept: bool) {
        if is_kept {
            self.about(|file| file.used += 1);
        } else {
            self.records.left_out += 1;
        }
    }

    fn about(&mut self, change: impl FnOnce(&mut FileReport)) {
        if let Some(file) = self.records.files.get_mut(usize::from(self.file)) {
            change(file);
        }
    }
}

fn keep<T>(list: &mut Vec<T>, item: T, most: usize) -> bool {
    let has_room = list.len() < most;
    if has_room {
        list.push(item);
    }
    has_room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_beyond_the_limit_are_counted_and_not_kept() {
        let mut records = Records::default();
        let mut sink = records.begin("x".to_owned());
        let place = sink.place(Unit::Line, 1);
        for _ in 0..=Records::OTHERS_MAX {
            sink.verdict(OwnVerdict {
                place,
                target: crate::analyze::names::Name::NONE,
                code: String::new(),
                severity: String::new(),
                cause: String::new(),
                remedy: None,
            });
        }
        assert_eq!((records.verdicts.len(), records.left_out), (Records::OTHERS_MAX, 1));
    }
}
