//! Binds to peers that answer in every way but the right one.

use kms_probe::check::Options;
use kms_probe::stage::Stage;
use kms_protocol::rpc::{BindNakReason, ContextReason, ResultElement, Status};
use serde_json::Value;

use crate::support::peer::{self, End, NDR32_ACCEPTED, NDR64_ACCEPTED, Peer};
use crate::support::{IMPATIENCE, check, facts, options, verdict};

fn check_bind(script: impl FnOnce(End) + Send + 'static) -> Value {
    let peer = Peer::new(script);
    check(peer.address, &options(Stage::Rpc))
}

/// A check whose bind is meant to run out of time.
fn check_impatiently(script: impl FnOnce(End) + Send + 'static) -> Value {
    let peer = Peer::new(script);
    let mut options: Options = options(Stage::Rpc);
    options.timeouts.bind = IMPATIENCE;
    check(peer.address, &options)
}

#[test]
fn a_peer_that_closes_at_the_bind_is_closed() {
    let report = check_bind(|mut end| {
        end.pdu();
        end.close();
    });
    assert_eq!(verdict(&report), "bind.closed");
    assert_eq!(facts(&report, "bind")["broken"]["received_bytes"], 0);
}

#[test]
fn a_reset_at_the_bind_is_reset() {
    let report = check_bind(|mut end| {
        end.pdu();
        end.reset();
    });
    assert_eq!(verdict(&report), "bind.reset");
}

#[test]
fn a_silent_peer_is_a_timeout() {
    let report = check_impatiently(|mut end| end.wait_for_the_probe_to_leave());
    assert_eq!(verdict(&report), "bind.timeout");
    assert_eq!(facts(&report, "bind")["timeout_ms"], 250);
    let cause = report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.contains("within 250 ms"), "{cause}");
}

#[test]
fn an_endless_drip_of_a_bind_ack_is_a_timeout_however_many_bytes_came() {
    let report = check_impatiently(|mut end| {
        let bind = end.pdu();
        let mut ack = peer::bind_ack(End::call_id(&bind), &NDR32_ACCEPTED);
        // Announced to be longer than it will ever be.
        ack[8..10].copy_from_slice(&60_000u16.to_le_bytes());
        end.drip(ack.into_iter().chain(std::iter::repeat(0)));
    });
    assert_eq!(verdict(&report), "bind.timeout");
    assert!(facts(&report, "bind")["broken"]["received_bytes"].as_u64().unwrap() > 1);
}

#[test]
fn other_protocols_are_recognised_by_their_first_bytes() {
    let greetings: [(&[u8], &str, &str); 6] = [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "http", "`HTTP/1.1 400"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls", "the bytes 1503"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "ssh", "`SSH-2.0-OpenSSH"),
        (b"\x00\x00\x00\x40\xfeSMB@\x00\x00\x00", "smb", "the bytes 0000"),
        (b"220 mail.example.com ESMTP\r\n", "unknown", "`220 mail.example.com"),
        (b"\x1b[2J\x1b]0;owned\x07", "unknown", "the bytes 1b5b"),
    ];
    for (greeting, guess, shown) in greetings {
        let report = check_bind(move |mut end| {
            end.pdu();
            end.send(greeting);
            end.close();
        });
        assert_eq!(verdict(&report), "bind.not_rpc", "{guess}");
        assert_eq!(facts(&report, "bind")["broken"]["guess"], guess);
        let cause = report["targets"][0]["cause"].as_str().unwrap();
        assert!(cause.contains(shown), "{cause}");
    }
}

#[test]
fn a_banner_that_comes_unasked_and_stays_open_is_not_waited_out() {
    let peer = Peer::new(|mut end| {
        end.send(b"SSH-2.0-OpenSSH_9.2p1\r\n");
        end.wait_for_the_probe_to_leave();
    });
    assert_eq!(verdict(&check(peer.address, &options(Stage::Rpc))), "bind.not_rpc");
}

#[test]
fn a_single_foreign_byte_is_enough_to_know_that_it_is_not_rpc() {
    for stay_open in [false, true] {
        let report = check_impatiently(move |mut end| {
            end.pdu();
            end.send(b"H");
            if stay_open { end.wait_for_the_probe_to_leave() } else { end.close() }
        });
        assert_eq!(verdict(&report), "bind.not_rpc", "{stay_open}");
    }
}

#[test]
fn a_bind_ack_cut_at_any_length_is_malformed_and_never_worse() {
    for cut in [1, 8, 15, 16, 40, 107] {
        let report = check_bind(move |mut end| {
            let bind = end.pdu();
            let ack = peer::bind_ack(End::call_id(&bind), &NDR32_ACCEPTED);
            end.send(&ack[..cut]);
            end.close();
        });
        assert_eq!(verdict(&report), "bind.malformed", "{cut}");
        let cause = report["targets"][0]["cause"].as_str().unwrap();
        assert!(cause.contains(&format!("ends after {cut} bytes")), "{cause}");
    }
}

#[test]
fn impossible_lengths_types_and_counts_are_malformed() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("frag_length below the header", |ack| ack[8..10].copy_from_slice(&15u16.to_le_bytes())),
        ("a type for servers to receive", |ack| ack[2] = 11),
        ("fewer results than contexts", |ack| ack[32] = 2),
        ("more results than bytes", |ack| ack[32] = 200),
        ("auth beyond the PDU", |ack| ack[10..12].copy_from_slice(&5000u16.to_le_bytes())),
    ];
    for (what, damage) in damages {
        let report = check_bind(move |mut end| {
            let bind = end.pdu();
            let mut ack = peer::bind_ack(End::call_id(&bind), &NDR32_ACCEPTED);
            damage(&mut ack);
            end.send(&ack);
            end.close();
        });
        assert_eq!(verdict(&report), "bind.malformed", "{what}");
        assert!(facts(&report, "bind")["broken"]["detail"].is_string(), "{what}");
    }
}

#[test]
fn a_bind_nak_names_its_reason() {
    for (reason, name) in [(0u16, "reason not specified"), (2, "local limit"), (99, "99")] {
        let report = check_bind(move |mut end| {
            let bind = end.pdu();
            end.send(&peer::bind_nak(End::call_id(&bind), BindNakReason(reason)));
            end.close();
        });
        assert_eq!(verdict(&report), "bind.nak");
        assert_eq!(facts(&report, "bind")["answer"]["reason"], reason);
        assert_eq!(facts(&report, "bind")["answer"]["versions"], serde_json::json!(["5.0"]));
        let cause = report["targets"][0]["cause"].as_str().unwrap();
        assert!(cause.contains(name), "{cause}");
    }
}

fn check_results(results: [ResultElement; 3]) -> Value {
    check_bind(move |mut end| {
        let bind = end.pdu();
        end.send(&peer::bind_ack(End::call_id(&bind), &results));
        end.wait_for_the_probe_to_leave();
    })
}

#[test]
fn an_unknown_interface_is_not_kms_and_known_without_encoding_is_no_syntax() {
    let unknown = ContextReason::ABSTRACT_SYNTAX_NOT_SUPPORTED;
    assert_eq!(verdict(&check_results(peer::all_refused(unknown))), "bind.not_kms");
    let no_syntax = ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED;
    let report = check_results(peer::all_refused(no_syntax));
    assert_eq!(verdict(&report), "bind.no_syntax");
    let cause = report["targets"][0]["cause"].as_str().unwrap();
    assert!(cause.contains("NDR32: provider rejection"), "{cause}");
    let limit = ContextReason::LOCAL_LIMIT_EXCEEDED;
    assert_eq!(verdict(&check_results(peer::all_refused(limit))), "bind.no_syntax");
}

#[test]
fn an_answer_under_another_call_id_is_a_call_id_mismatch() {
    let report = check_bind(|mut end| {
        let bind = end.pdu();
        let id = End::call_id(&bind);
        end.send(&peer::bind_ack(id.wrapping_add(7), &NDR32_ACCEPTED));
        end.wait_for_the_probe_to_leave();
    });
    assert_eq!(verdict(&report), "bind.call_id_mismatch");
    let detail = facts(&report, "bind")["broken"]["detail"].as_str().unwrap();
    assert!(detail.contains("got 9, expected 2"), "{detail}");
}

#[test]
fn a_fault_in_place_of_a_bind_ack_is_malformed() {
    let report = check_bind(|mut end| {
        let bind = end.pdu();
        let id = End::call_id(&bind);
        end.reply(id, kms_protocol::rpc::Body::Fault(peer::fault(Status::ACCESS_DENIED)));
        end.wait_for_the_probe_to_leave();
    });
    assert_eq!(verdict(&report), "bind.malformed");
}

#[test]
fn the_offer_is_the_one_that_windows_clients_make() {
    let peer = Peer::new(|mut end| {
        let bind = end.pdu();
        assert_eq!(bind.len(), 160);
        assert_eq!(bind[..4], [5, 0, 11, 3], "version 5.0, bind, first and last fragment");
        assert_eq!(bind[12..20], [2, 0, 0, 0, 0xd0, 0x16, 0xd0, 0x16], "call 2, 5840 both ways");
        assert_eq!(bind[20..28], [0, 0, 0, 0, 3, 0, 0, 0], "a new group, three contexts");
        assert_eq!(bind[148..156], [3, 0, 0, 0, 0, 0, 0, 0], "both features");
        assert_eq!(bind[156..160], [1, 0, 0, 0], "features version 1");
        end.close();
    });
    check(peer.address, &options(Stage::Rpc));
}

#[test]
fn results_and_sizes_are_facts_and_the_mark_changes_no_verdict() {
    for (group, marked) in [(0x1AB0_0001u32, true), (0x0001_2345, false)] {
        let report = check_bind(move |mut end| {
            let bind = end.pdu();
            let mut ack = peer::bind_ack(End::call_id(&bind), &NDR64_ACCEPTED);
            ack[20..24].copy_from_slice(&group.to_le_bytes());
            end.send(&ack);
            end.refuse_call();
        });
        assert_eq!(verdict(&report), "rpc.ok");
        let ack = &facts(&report, "bind")["answer"];
        assert_eq!(ack["kms_sim_mark"], marked);
        assert_eq!(ack["assoc_group_id"], format!("0x{group:08X}"));
        assert_eq!(ack["secondary_address"], "1688");
        assert_eq!(ack["max_recv_frag"], 5840);
        assert_eq!(ack["contexts"][1]["result_name"], "acceptance");
        assert_eq!(facts(&report, "rpc")["context_id"], 1, "the call goes where it was accepted");
    }
}

#[test]
fn a_healthy_bind_at_depth_bind_sends_no_call() {
    let peer = Peer::new(|mut end| {
        end.accept_bind();
        assert!(end.pdu().is_empty());
    });
    assert_eq!(verdict(&check(peer.address, &options(Stage::Bind))), "bind.ok");
}
