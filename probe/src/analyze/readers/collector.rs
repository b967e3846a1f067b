//! Output of the script that `kms-probe collect --script` prints: sections under marker lines, each
//! of which another reader understands.

use std::io::{self, BufRead, Read};

use super::super::record::{DnsAnswer, Unit};
use super::super::records::Sink;
use super::lines::{Found, Lines, read_until};
use super::{FileKind, read_as};
use crate::analyze::moment::Moment;

/// The first line of the output.
pub(super) const FIRST_LINE: &str = "# kms-probe collect";

/// What begins a section; its name follows.
const MARKER: &[u8] = b"## kms-probe section: ";

/// Reads all sections.
pub(super) fn read(text: &mut dyn BufRead, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut input = Sections { text, pending: Vec::new(), at: 0, next: None, lines: 0 };
    input.skip()?;
    while let Some(name) = input.next.take() {
        let before = input.lines;
        let mut section = io::BufReader::new(Section(&mut input));
        match name.as_str() {
            "slmgr" | "ospp" => read_as(FileKind::Licenses, &mut section, before, sink)?,
            "events" => read_as(FileKind::EventsXml, &mut section, before, sink)?,
            "srv" => read_srv(&mut section, before, sink)?,
            _ => {}
        }
        drop(section);
        input.skip()?;
    }
    Ok(())
}

/// Lines `question<TAB>host:port`, or `question<TAB>` and nothing where there was no answer.
fn read_srv(section: &mut dyn BufRead, before: u64, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut lines = Lines::after(section, before);
    while let Some((number, line)) = lines.next()? {
        let Some((question, host)) = line.split_once('\t') else { continue };
        sink.read();
        let (question, host) = (sink.names().name(question), sink.names().name(host));
        let hosts = if host.is_some() { vec![host] } else { Vec::new() };
        let rcode = if hosts.is_empty() { 3 } else { 0 };
        let place = sink.place(Unit::Line, number);
        sink.dns(DnsAnswer { place, time: Moment::UNKNOWN, question, rcode, hosts });
    }
    Ok(())
}

/// The whole text, cut at the marker lines.
struct Sections<'a> {
    text: &'a mut dyn BufRead,
    pending: Vec<u8>,
    at: usize,
    /// The name of the section that begins now.
    next: Option<String>,
    lines: u64,
}

impl Sections<'_> {
    /// Goes on to the next marker.
    fn skip(&mut self) -> io::Result<()> {
        while self.next.is_none() {
            self.at = self.pending.len();
            if !self.refill()? && self.next.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next piece of the section; false at its end.
    fn refill(&mut self) -> io::Result<bool> {
        if self.next.is_some() {
            return Ok(false);
        }
        self.pending.clear();
        self.at = 0;
        let found = read_until(self.text, b'\n', &mut self.pending, Lines::BYTES_MAX)?;
        if self.pending.is_empty() && found == Found::End {
            return Ok(false);
        }
        self.lines += 1;
        if let Some(name) = self.pending.strip_prefix(MARKER) {
            self.next = Some(String::from_utf8_lossy(name).trim().to_owned());
            self.pending.clear();
            return Ok(false);
        }
        Ok(true)
    }
}

/// One section.
struct Section<'a, 'b>(&'a mut Sections<'b>);

impl Read for Section<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.at >= self.0.pending.len() && !self.0.refill()? {
            return Ok(0);
        }
        let ready = self.0.pending.get(self.0.at..).unwrap_or_default();
        let count = ready.len().min(out.len());
        if let (Some(from), Some(to)) = (ready.get(..count), out.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.0.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::super::records::Records;
    use super::*;

    #[test]
    fn every_section_goes_to_its_reader() {
        let text = "# kms-probe collect 1\n## kms-probe section: system\nname=PC\n\
             ## kms-probe section: srv\n_vlmcs._tcp.corp.test\tkms1.corp.test:1688\n\
             _vlmcs._tcp.lab.test\t\n## kms-probe section: slmgr\n\
             Name: Windows(R), Enterprise edition\n\
             Description: Windows(R) Operating System, VOLUME_MAK channel\n\
             License Status: Licensed\n## kms-probe section: w32tm\nx\n";
        let mut records = Records::default();
        let mut input = text.as_bytes();
        read(&mut input, &mut records.begin("x".to_owned())).unwrap();
        assert_eq!((records.dns.len(), records.licenses.len()), (2, 1));
        assert_eq!(records.dns.get(1).unwrap().rcode, 3);
        assert_eq!(records.licenses.first().unwrap().place.number, 8);
    }
}
