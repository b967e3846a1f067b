//! KMS exchanges with the simulator, and with peers that know the lab key and abuse it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use kms_probe::check::{KmsOptions, Options};
use kms_probe::stage::Stage;
use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::envelope::{self, OpenRequest};
use kms_protocol::kms::{Response, Version, product};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::{Body, Status};
use kms_protocol::wire::ByteOrder;
use kms_simulator::serve::{Clock, ServeConfig, Server};
use serde_json::Value;

use crate::support::peer::{self, End, Peer};
use crate::support::{IMPATIENCE, check, facts, options, verdict};

fn simulator(change: impl FnOnce(&mut ServeConfig)) -> Server {
    let mut config = ServeConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        workers: NonZeroUsize::MIN,
        initial_counts: vec![(product::DEFAULT.app_id, 25)],
        ..ServeConfig::default()
    };
    change(&mut config);
    Server::start(config).unwrap()
}

fn address(server: &Server) -> SocketAddr {
    *server.addresses().first().unwrap()
}

fn kms_options(change: impl FnOnce(&mut KmsOptions)) -> Options {
    let mut options = options(Stage::Kms);
    change(&mut options.kms);
    options
}

#[test]
fn a_host_with_enough_clients_is_healthy_in_every_version() {
    let server = simulator(|_| {});
    for (version, bytes) in [(Version::V4, 252), (Version::V5, 260), (Version::V6, 260)] {
        let report = check(address(&server), &kms_options(|kms| kms.version = version));
        assert_eq!(verdict(&report), "kms.ok", "{version}");
        let kms = facts(&report, "kms");
        assert_eq!(kms["request_bytes"], bytes);
        assert_eq!(kms["alter_context"], "accepted", "NDR32 is asked for as real clients do");
        assert_eq!(kms["transfer_syntax"], "NDR32");
        assert_eq!(kms["machine_name"], "KMS-PROBE");
        assert_eq!(kms["answer"]["renewal_interval_minutes"], 10_080);
    }
}

#[test]
fn repeated_checks_of_one_machine_count_once() {
    let server = simulator(|config| config.initial_counts = Vec::new());
    for _ in 0..3 {
        let report = check(address(&server), &options(Stage::Kms));
        assert_eq!(verdict(&report), "kms.count_low");
        assert_eq!(facts(&report, "kms")["answer"]["count"], 1);
    }
    let entry = &check(address(&server), &options(Stage::Kms))["targets"][0];
    assert_eq!(entry["client_sees"], serde_json::json!(["0xC004F038"]));
    assert_eq!(entry["severity"], "warning");
    assert!(entry["cause"].as_str().unwrap().contains("count of 1 is below the 25"));
}

#[test]
fn a_server_product_is_content_with_five() {
    let server = simulator(|config| {
        config.initial_counts = vec![(product::DEFAULT.app_id, 5)];
    });
    let windows_server = product::PRODUCTS.iter().find(|p| p.n_policy == 5).unwrap();
    let report = check(address(&server), &kms_options(|kms| kms.product = windows_server));
    assert!(report["targets"][0]["verdict"] == "kms.ok", "{report:#}");
    assert_eq!(facts(&report, "kms")["threshold"], 5);
}

#[test]
fn another_key_is_foreign_and_critical_only_where_the_lab_is_expected() {
    let server = simulator(|_| {});
    let other = LabKey::from_bytes(*b"another lab: key");
    let report = check(address(&server), &kms_options(|kms| *kms = KmsOptions::new(&other)));
    assert_eq!(verdict(&report), "kms.foreign_key");
    assert_eq!(report["targets"][0]["severity"], "info");
    assert_eq!(facts(&report, "kms")["hresult"], "0x8007000D");
    let report = check(
        address(&server),
        &kms_options(|kms| *kms = KmsOptions { expect_lab: true, ..KmsOptions::new(&other) }),
    );
    assert_eq!(verdict(&report), "kms.foreign_key");
    assert_eq!(report["targets"][0]["severity"], "critical");
}

#[test]
fn a_clock_that_is_off_by_more_than_four_hours_gives_its_hresult() {
    let ahead = Duration::from_secs(4 * 3600 + 60);
    for clock in [Clock::ahead_by(ahead), Clock::behind_by(ahead)] {
        let server = simulator(|config| config.clock = clock);
        let report = check(address(&server), &options(Stage::Kms));
        assert_eq!(verdict(&report), "kms.hresult");
        let entry = &report["targets"][0];
        assert_eq!(entry["client_sees"], serde_json::json!(["0xC004F074", "0xC004F06C"]));
        assert!(entry["cause"].as_str().unwrap().contains("SL_E_VL_INVALID_TIMESTAMP"));
    }
}

/// A peer that takes the request, if it can, and answers with what `answer` makes of it.
fn check_answer(
    options: &Options,
    answer: impl FnOnce(&mut End, u32, OpenRequest) + Send + 'static,
) -> Value {
    let peer = Peer::new(move |mut end| {
        end.accept_bind();
        end.refuse_call();
        let call = end.pdu();
        let payload = ndr::decode_request(End::stub(&call), Ndr::Ndr32, ByteOrder::Little).unwrap();
        let request = envelope::open_request(&LabKeys::new(&LabKey::DEFAULT), payload).unwrap();
        answer(&mut end, End::call_id(&call), request);
        end.close();
    });
    check(peer.address, options)
}

fn response_to(request: &OpenRequest) -> Response {
    Response {
        version: request.request.version,
        cmid: request.request.cmid,
        client_time: request.request.client_time,
        count: 50,
        activation_interval_minutes: 120,
        renewal_interval_minutes: 10_080,
    }
}

/// Seals `response`, lets `damage` change the payload, and sends it as a success.
fn send_sealed(
    end: &mut End,
    call_id: u32,
    response: &Response,
    request_iv: &[u8; 16],
    damage: impl FnOnce(&mut Vec<u8>),
) {
    let keys = LabKeys::new(&LabKey::DEFAULT);
    let mut payload = vec![0; envelope::response_len(response.version)];
    let (iv, nonce) = ([1; 16], [2; 16]);
    envelope::seal_response(&keys, response, request_iv, &iv, &nonce, &mut payload).unwrap();
    damage(&mut payload);
    let mut stub = vec![0; Ndr::Ndr32.response_len(payload.len())];
    ndr::encode_response(&payload, 0, Ndr::Ndr32, ByteOrder::Little, &mut stub).unwrap();
    end.reply(call_id, peer::response(&stub));
}

#[test]
fn an_altered_answer_is_a_mac_mismatch_that_names_the_check() {
    for (version, at, check) in [(Version::V4, 20, "mac"), (Version::V6, 14, "hmac")] {
        let options = kms_options(|kms| kms.version = version);
        let report = check_answer(&options, move |end, id, request| {
            // In version 6 a flipped bit of the IV flips the same bit of the ePID.
            send_sealed(end, id, &response_to(&request), &request.request_iv, |payload| {
                payload[at] ^= 1;
            });
        });
        assert_eq!(verdict(&report), "kms.mac_mismatch", "{version}");
        assert_eq!(facts(&report, "kms")["failed_check"]["check"], check);
    }
}

#[test]
fn an_answer_bound_to_another_request_fails_its_hash() {
    for version in [Version::V5, Version::V6] {
        let options = kms_options(|kms| kms.version = version);
        let report = check_answer(&options, |end, id, request| {
            send_sealed(end, id, &response_to(&request), &[0xAA; 16], |_| {});
        });
        assert_eq!(verdict(&report), "kms.mac_mismatch", "{version}");
        assert_eq!(facts(&report, "kms")["failed_check"]["check"], "hash");
    }
}

#[test]
fn an_answer_that_does_not_decrypt_is_a_foreign_key() {
    let report = check_answer(&options(Stage::Kms), |end, id, request| {
        send_sealed(end, id, &response_to(&request), &request.request_iv, |payload| {
            payload[4..].reverse();
        });
    });
    assert_eq!(verdict(&report), "kms.foreign_key");
}

#[test]
fn a_wrong_echo_is_an_echo_mismatch() {
    let report = check_answer(&options(Stage::Kms), |end, id, request| {
        let response = Response { cmid: Guid::ZERO, ..response_to(&request) };
        send_sealed(end, id, &response, &request.request_iv, |_| {});
    });
    assert_eq!(verdict(&report), "kms.echo_mismatch");
    assert!(report["targets"][0]["cause"].as_str().unwrap().contains("client machine id"));
    let report = check_answer(&options(Stage::Kms), |end, id, request| {
        let client_time = FileTime::from_ticks(request.request.client_time.ticks() + 1);
        let response = Response { client_time, ..response_to(&request) };
        send_sealed(end, id, &response, &request.request_iv, |_| {});
    });
    assert_eq!(verdict(&report), "kms.echo_mismatch");
    assert!(report["targets"][0]["cause"].as_str().unwrap().contains("client time"));
}

#[test]
fn any_other_hresult_is_shown_and_explained_where_it_is_documented() {
    for (hresult, sees, part) in [
        (0xC004_F042u32, serde_json::json!(["0xC004F042"]), "ID_MISMATCH"),
        (0xC004_F041, serde_json::json!(["0xC004F041"]), "NOT_ACTIVATED"),
        (0x8765_4321, serde_json::json!([]), "not documented"),
    ] {
        let report = check_answer(&options(Stage::Kms), move |end, id, _| {
            let mut stub = [0; 12];
            ndr::encode_error_response(hresult, Ndr::Ndr32, ByteOrder::Little, &mut stub).unwrap();
            end.reply(id, peer::response(&stub));
        });
        assert_eq!(verdict(&report), "kms.hresult");
        assert_eq!(report["targets"][0]["client_sees"], sees);
        let cause = report["targets"][0]["cause"].as_str().unwrap();
        assert!(cause.contains(part), "{cause}");
    }
}

#[test]
fn stubs_that_are_no_kms_response_are_malformed() {
    type Stub = (&'static str, &'static [u8]);
    let stubs: [Stub; 4] = [
        ("empty", &[]),
        ("cut", &[0, 0, 0, 0, 0, 0]),
        ("success without a response", &[0; 12]),
        ("sizes that disagree", &[4, 0, 0, 0, 0, 0, 2, 0, 8, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]),
    ];
    for (what, stub) in stubs {
        let report = check_answer(&options(Stage::Kms), move |end, id, _| {
            end.reply(id, peer::response(stub));
        });
        assert_eq!(verdict(&report), "kms.malformed", "{what}");
    }
}

#[test]
fn a_fault_a_close_and_a_reset_at_the_request_are_told_apart() {
    let report = check_answer(&options(Stage::Kms), |end, id, _| {
        end.reply(id, Body::Fault(peer::fault(Status::BAD_STUB_DATA)));
    });
    assert_eq!(verdict(&report), "kms.fault");
    let report = check_answer(&options(Stage::Kms), |_, _, _| {});
    assert_eq!(verdict(&report), "kms.closed");
    let peer = Peer::new(|mut end| {
        end.accept_bind();
        end.refuse_call();
        end.pdu();
        end.reset();
    });
    assert_eq!(verdict(&check(peer.address, &options(Stage::Kms))), "kms.reset");
}

#[test]
fn silence_at_the_request_is_a_timeout() {
    let peer = Peer::new(|mut end| {
        end.accept_bind();
        end.refuse_call();
        end.wait_for_the_probe_to_leave();
    });
    let mut options = options(Stage::Kms);
    options.timeouts.kms = IMPATIENCE;
    let report = check(peer.address, &options);
    assert_eq!(verdict(&report), "kms.timeout");
    assert_eq!(report["targets"][0]["client_sees"][0], "0xC004F074");
}

#[test]
fn a_refused_wish_for_ndr32_falls_back_to_ndr64() {
    let peer = Peer::new(|mut end| {
        let bind = end.pdu();
        end.send(&peer::bind_ack(End::call_id(&bind), &peer::NDR64_ACCEPTED));
        end.refuse_call();
        let alter = end.pdu();
        let reason = kms_protocol::rpc::ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED;
        let results = [kms_protocol::rpc::ResultElement::rejected(reason)];
        end.reply(End::call_id(&alter), Body::AlterContextResp(peer::ack(&results)));
        let call = end.pdu();
        assert_eq!(call[20..22], [1, 0], "on the context that was accepted");
        let mut stub = [0; 20];
        ndr::encode_error_response(0xC004_F042, Ndr::Ndr64, ByteOrder::Little, &mut stub).unwrap();
        let response = kms_protocol::rpc::Response {
            alloc_hint: 20,
            context_id: 1,
            cancel_count: 0,
            stub: &stub,
        };
        end.reply(End::call_id(&call), Body::Response(response));
        end.close();
    });
    let report = check(peer.address, &options(Stage::Kms));
    assert_eq!(verdict(&report), "kms.hresult");
    assert_eq!(facts(&report, "kms")["transfer_syntax"], "NDR64");
    assert_eq!(facts(&report, "kms")["alter_context"], "refused");
}
