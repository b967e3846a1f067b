//! Files that are broken, foreign or hostile.

use std::path::Path;

use kms_probe::analyze::readers::{self, Options};
use kms_probe::analyze::records::Records;
use proptest::prelude::*;

use crate::harness::{Folder, code, run, text};

/// Beginnings that make a reader take the rest.
const BEGINNINGS: [&[u8]; 14] = [
    b"",
    b"ElfFile\0",
    b"SQLite format 3\0",
    b"<Event><System><Provider Name='SPP'/>",
    b"<Events><!DOCTYPE a>",
    b"Id,Message,ProviderName\n12288,",
    b"{\"verdict\":",
    b"0x0,25,pc,36f27b39-2fd5-440b-be67-a09996d27a38,2026/1/1 1:00,0,1,2,68531fb9-5511-4989-97be-d11a0f55633f\n",
    b"Name: x\nDescription: y, VOLUME_KMSCLIENT channel\n",
    b"# kms-probe collect 1\n## kms-probe section: slmgr\n",
    b"# kms-probe collect 1\n## kms-probe section: events\n<Event>",
    b"\xFF\xFE<\0E\0v\0e\0n\0t\0>\0",
    &[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0],
    &[0x0A, 0x0D, 0x0D, 0x0A, 0x1C, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_reader_panics_on_any_bytes(
        beginning in 0..BEGINNINGS.len(),
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let folder = Folder::new();
        let path = folder.file("x", [BEGINNINGS[beginning], &rest].concat());
        let mut records = Records::default();
        let _any = readers::read(&path, &Options::default(), &mut records.begin(String::new()));
        let _judged = kms_probe::analyze::run(&[path], &kms_probe::analyze::Options::default());
    }

    #[test]
    fn no_text_reader_panics_on_any_text(
        beginning in 0..BEGINNINGS.len(),
        rest in "(<|>|</Event>|<Data>|0x|,|\n|:|\"|;|[0-9]{1,12}|\\PC){0,120}",
    ) {
        let folder = Folder::new();
        let path = folder.file("x", [BEGINNINGS[beginning], rest.as_bytes()].concat());
        let _judged = kms_probe::analyze::run(&[path], &kms_probe::analyze::Options::default());
    }
}

#[test]
fn what_is_not_known_is_one_clear_message() {
    let folder = Folder::new();
    for (name, content, part) in [
        ("cats.jpg", &[0xFF, 0xD8, 0xFF, 0xE0][..], "nothing in it is known"),
        ("empty", b"", "it is empty"),
        ("bundle.zip", b"PK\x03\x04rest", "a ZIP archive"),
    ] {
        let output = run(&[&folder.file(name, content)], &[]);
        let errors = text(&output.stderr);
        assert_eq!((code(&output), text(&output.stdout)), (2, ""), "{errors}");
        assert!(errors.contains(part) && errors.contains(name), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    let missing = run(&[Path::new("/nonexistent/x.evtx")], &[]);
    assert_eq!(code(&missing), 2);
    assert!(text(&missing.stderr).contains("/nonexistent/x.evtx"));
}

#[test]
fn a_foreign_file_among_known_ones_is_named_and_the_rest_is_read() {
    let folder = Folder::new();
    let known = folder.file(
        "slmgr.txt",
        "Name: Windows\nDescription: Windows, VOLUME_KMSCLIENT channel\nLicense Status: Licensed\n",
    );
    let foreign = folder.file("song.mp3", b"ID3\x04\0\0");
    let output = run(&[&known, &foreign], &[]);
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 0, "{shown}");
    assert!(shown.contains("song.mp3") && shown.contains("nothing in it is known"), "{shown}");
}

#[test]
fn nothing_from_a_file_acts_on_a_terminal() {
    let folder = Folder::new();
    let line = "0xC004F06C,25,\u{1b}[2Jpc\u{202e},36f27b39-2fd5-440b-be67-a09996d27a38,\
                2026/11/20 16:00,0,1,2,68531fb9-5511-4989-97be-d11a0f55633f\n";
    let output = run(&[&folder.file("lines", line)], &[]);
    let shown = text(&output.stdout);
    assert!(shown.contains("\\u{1b}[2Jpc"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
}
