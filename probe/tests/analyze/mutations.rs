//! Every reader on files that are nearly right: the fuzz corpus with bytes changed, cut, repeated and
//! left out, by a seed. `probe/fuzz` searches further, with a fuzzer that learns.

use std::fs;
use std::path::Path;

use kms_probe::analyze::readers::{self, FileKind, Options};
use kms_probe::analyze::records::Records;
use kms_probe::analyze::timeline::Timeline;
use kms_probe::analyze::{Analysis, findings, report};
use kms_probe::report::Style;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

#[test]
fn no_reader_panics_on_what_is_nearly_right() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut read = 0;
    for (folder, kind) in KINDS {
        for file in fs::read_dir(corpus.join(folder)).unwrap() {
            let content = fs::read(file.unwrap().path()).unwrap();
            for _ in 0..MUTATIONS {
                let changed = mutated(&content, &mut random);
                let mut records = Records::default();
                let mut sink = records.begin("mutated".to_owned());
                readers::read_bytes(kind, &changed, &Options::default(), &mut sink).unwrap();
                let timeline = Timeline::of(&mut records);
                let findings = findings::of(&records, &timeline);
                let analysis = Analysis { records, timeline, findings };
                let shown = report::text::text(&analysis, Style::PLAIN);
                assert!(!shown.contains('\u{1b}'), "a control character reaches the terminal");
                read += 1;
            }
        }
    }
    assert!(read >= KINDS.len() * MUTATIONS, "{read} files of {} kinds", KINDS.len());
}

/// A few changes, as a bad disk, an editor or somebody with intent would make them.
fn mutated(content: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = content.to_vec();
    for _ in 0..random.random_range(1..8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        let end = (at + random.random_range(1..64)).min(bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = *INTERESTING.get(random.random_range(0..INTERESTING.len())).unwrap(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece.repeat(3));
            }
            _ => random.fill_bytes(&mut bytes[at..end]),
        }
    }
    bytes
}

const SEED: u64 = 20_261_124;
const MUTATIONS: usize = 40;
const INTERESTING: &[u8] = &[0, 1, 0x7F, 0x80, 0xFF, b'\n', b'"', b'<', b'&', b'{', b',', b'-'];
const KINDS: [(&str, FileKind); 8] = [
    ("capture", FileKind::Capture),
    ("collected", FileKind::Collected),
    ("event_lines", FileKind::EventLines),
    ("events_table", FileKind::EventsTable),
    ("events_xml", FileKind::EventsXml),
    ("licenses", FileKind::Licenses),
    ("report", FileKind::Report),
    ("request_lines", FileKind::RequestLines),
];
