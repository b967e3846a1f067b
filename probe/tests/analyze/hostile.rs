//! Files that are broken, foreign or hostile.

use std::path::Path;

use kms_probe::analyze::readers::{self, Options};
use kms_probe::analyze::records::Records;
use proptest::prelude::*;

use crate::harness::{CMID, Folder, SKU, code, event, run, text};

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

/// Address space that is enough for a whole analysis, and too little for what a header may claim.
const LIMIT_KIB: u32 = 768 << 10;

/// `kms-probe analyze` on one file with bounded memory: it ends in good order or the test fails.
#[track_caller]
fn bounded(name: &str, content: impl AsRef<[u8]>) -> (i32, String) {
    let folder = Folder::new();
    let path = folder.file("x", content);
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("ulimit -v {LIMIT_KIB} && exec \"$0\" analyze \"$1\"")])
        .arg(env!("CARGO_BIN_EXE_kms-probe"))
        .arg(&path)
        .env("KMS_PROBE_CONFIG", "")
        .output()
        .unwrap();
    let shown = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.code().is_some_and(|code| code <= 2),
        "{name}: {}: {shown}",
        output.status
    );
    (code(&output), shown)
}

/// An event as a client logs it, to `host`.
fn sent(host: &str) -> String {
    let data =
        format!("0x800706BA, 0x0, {host}, {CMID}, 2026/11/20 16:00, 0, 1, 200000, {SKU}, 25");
    event(12288, 7, "2026-11-20T16:00:00Z", "pc1", &data)
}

#[test]
fn entities_do_not_expand_however_deep_they_are() {
    let mut entities = String::from("<!ENTITY a0 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'>");
    for level in 1..40 {
        let twice = format!("&a{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY a{level} '{twice}'>"));
    }
    let outside = "<!ENTITY x SYSTEM 'file:///etc/passwd'>";
    let bomb =
        format!("<!DOCTYPE e [{entities}{outside}]><Events>{}</Events>", sent("k&a39;&x;1:1688"));
    let (code, shown) = bounded("entities", bomb);
    assert_eq!(code, 1);
    assert!(shown.contains("(host k1:1688)"), "{shown}");
}

#[test]
fn lengths_that_claim_gigabytes_cost_nothing() {
    let claim = 0x7FFF_FFF0_u32.to_le_bytes();
    let pcap = [
        &[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0xFF, 0xFF, 0xFF, 0x7F, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &claim,
        &claim,
        &[0; 64],
    ];
    let section = [0x0A, 0x0D, 0x0D, 0x0A];
    let pcapng = [&section[..], &claim, &[0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0], &[0xFF; 8]];
    let mut evtx =
        [&b"ElfFile\0"[..], &[0xFF; 32], &[0; 4056], b"ElfChnk\0", &[0xFF; 504]].concat();
    evtx.resize(4096 + 65_536, 0xFF);
    let mut journal = b"SQLite format 3\0".to_vec();
    journal.extend([0xFF, 0xFF, 1, 1, 0, 64, 32, 32, 0, 0, 0, 1, 0x7F, 0xFF, 0xFF, 0xFF]);
    journal.resize(4096, 0xFF);
    for (name, content) in
        [("pcap", pcap.concat()), ("pcapng", pcapng.concat()), ("evtx", evtx), ("journal", journal)]
    {
        let (code, shown) = bounded(name, content);
        assert_eq!(code, 2, "{name}: {shown}");
        assert!(!shown.trim().is_empty(), "{name}");
    }
}

#[test]
fn what_never_ends_is_held_to_its_limit() {
    let long = "x".repeat(64 << 20);
    for (name, content, part) in [
        ("an event", format!("<Event><Data>{long}"), "kms-probe"),
        ("a cell", format!("Id,Message,ProviderName\n12288,\"{long}"), ""),
        ("a line", format!("Name: {long}"), ""),
        ("a document", format!("{{\"verdict\":\"{long}\"}}"), "MiB"),
        ("nesting", format!("{{\"verdict\":{}", "[".repeat(1 << 20)), "JSON"),
    ] {
        let (_, shown) = bounded(name, content);
        assert!(part == "kms-probe" || shown.contains(part), "{name}: {shown}");
        assert!(shown.len() < 10_000, "{name}: {} bytes", shown.len());
    }
}

#[test]
fn a_file_cut_anywhere_gives_what_stands_before_and_says_so() {
    let capture: &[u8] = include_bytes!("captures/loopback.pcap");
    for length in [24, 30, 1_000, 5_000, capture.len() - 1] {
        let (_, shown) = bounded("cut", &capture[..length]);
        assert!(length == 24 || shown.contains("ends in the middle"), "{length}: {shown}");
    }
    let events = format!("<Events>{}{}", sent("k1:1688"), sent("k2:1688"));
    let (code, shown) = bounded("cut", &events[..events.len() - 40]);
    assert_eq!(code, 1);
    assert!(shown.contains("cut off") && shown.contains("k1:1688"), "{shown}");
}

#[test]
fn what_is_mixed_in_one_file_is_skipped_and_counted() {
    let mixed = [
        sent("k1:1688").as_bytes(),
        include_bytes!("captures/loopback.pcap"),
        b"\0\xFF<Event><nonsense",
        sent("k2:1688").as_bytes(),
    ]
    .concat();
    let (code, shown) = bounded("mixed", mixed);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("client.host_unreachable"), "{shown}");
    let after = [include_bytes!("captures/loopback.pcap"), sent("k1:1688").as_bytes()].concat();
    let (_, shown) = bounded("mixed", after);
    assert!(shown.contains("68 read"), "{shown}");
    assert!(
        shown.contains("is no packet")
            || shown.contains("ends in the middle")
            || shown.contains("KiB"),
        "{shown}"
    );
}
