//! What every fuzz target of the readers of `kms-probe analyze` does with its bytes.

use kms_probe::analyze::Analysis;
use kms_probe::analyze::findings;
use kms_probe::analyze::readers::{self, FileKind, Options};
use kms_probe::analyze::records::Records;
use kms_probe::analyze::report;
use kms_probe::analyze::timeline::Timeline;
use kms_probe::report::Style;

/// Reads `bytes` as a file of this kind, judges what it says and shows it.
pub fn read(kind: FileKind, bytes: &[u8]) {
    let mut records = Records::default();
    let _never =
        readers::read_bytes(kind, bytes, &Options::default(), &mut records.begin(String::new()));
    judge(records);
}

/// The same of a file that only SQLite can read.
///
/// # Panics
/// Where there is no room for a file.
pub fn read_journal(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("kms-probe-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a file of the fuzzer's own");
    let mut records = Records::default();
    let _refused = readers::read(&path, &Options::default(), &mut records.begin(String::new()));
    judge(records);
}

fn judge(mut records: Records) {
    let timeline = Timeline::of(&mut records);
    let findings = findings::of(&records, &timeline);
    let analysis = Analysis { records, timeline, findings };
    let shown = report::text::text(&analysis, Style::PLAIN);
    assert!(!shown.contains('\u{1b}'), "a control character reaches the terminal");
}
