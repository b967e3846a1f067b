//! Text from peers never reaches a terminal as anything but text.

use kms_probe::check;
use kms_probe::report::{self, Style};
use kms_probe::stage::Stage;
use kms_probe::target::Asked;

use crate::support::options;
use crate::support::peer::{self, End, NDR32_ACCEPTED, Peer};

#[test]
fn escape_sequences_of_a_peer_are_shown_and_never_sent() {
    let peers = [
        Peer::new(|mut end| {
            end.pdu();
            end.send(b"\x1b]0;owned\x07\x1b[2J plain text");
            end.close();
        }),
        Peer::new(|mut end| {
            let bind = end.pdu();
            let mut ack = peer::bind_ack(End::call_id(&bind), &NDR32_ACCEPTED);
            // The secondary address is text of the peer's choice.
            ack[26..30].copy_from_slice(b"\x1b[2J");
            end.send(&ack);
            end.refuse_call();
        }),
    ];
    for peer in peers {
        let asked = Asked::parse(&peer.address.to_string(), false).unwrap();
        let report = check::run(&[asked], &options(Stage::Rpc)).unwrap();
        let mut json = Vec::new();
        report::json::write(&report::json::CheckJson(&report), &mut json).unwrap();
        let text = report::text::check(&report, Style::PLAIN);
        for shown in [text.as_str(), std::str::from_utf8(&json).unwrap()] {
            let bad = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(bad, None, "{shown:?}");
        }
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_named_and_is_a_failure() {
    for arguments in [&["explain", "1722"][..], &["--help"], &["check", "127.0.0.1:1"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kms-probe"));
        command.args(arguments).env("KMS_PROBE_CONFIG", "").stdout(full);
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        let start = "error: cannot write to standard output: No space left on device";
        assert!(errors.starts_with(start), "{arguments:?}: {errors}");
    }
}

#[test]
fn colour_is_used_only_where_it_is_asked_for() {
    let asked = Asked::parse("127.0.0.1:1", false).unwrap();
    let report = check::run(&[asked], &options(Stage::Tcp)).unwrap();
    let plain = report::text::check(&report, Style::PLAIN);
    let coloured = report::text::check(&report, Style { colour: true, columns: Some(80) });
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains("\u{1b}[1;31mCRITICAL tcp.refused\u{1b}[0m"), "{coloured:?}");
}
