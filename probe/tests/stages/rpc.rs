//! Calls of an operation that does not exist, to peers that treat it in every way.

use kms_probe::stage::Stage;
use kms_protocol::rpc::{Body, Status};
use serde_json::Value;

use crate::support::peer::{self, End, Peer};
use crate::support::{IMPATIENCE, check, facts, options, verdict};

/// Accepts the bind, hands the call to `script`.
fn check_call(script: impl FnOnce(End, Vec<u8>) + Send + 'static) -> Value {
    let peer = Peer::new(move |mut end| {
        end.accept_bind();
        let call = end.pdu();
        script(end, call);
    });
    check(peer.address, &options(Stage::Rpc))
}

#[test]
fn the_expected_refusal_is_healthy_and_the_call_is_empty() {
    let report = check_call(|mut end, call| {
        assert_eq!(call.len(), 24, "no stub");
        assert_eq!(call[22..24], [0xFF, 0xFF]);
        end.reply(End::call_id(&call), Body::Fault(peer::fault(Status::OP_RANGE_ERROR)));
    });
    assert_eq!(verdict(&report), "rpc.ok");
    assert_eq!(report["verdict"], "rpc.ok");
    assert_eq!(report["targets"][0]["remedy"], Value::Null);
}

#[test]
fn an_answer_as_if_the_operation_existed_is_executed() {
    let report = check_call(|mut end, call| {
        end.reply(End::call_id(&call), peer::response(&[0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 7, 128]));
    });
    assert_eq!(verdict(&report), "rpc.executed");
    assert_eq!(report["targets"][0]["severity"], "warning");
    assert_eq!(facts(&report, "rpc")["response_bytes"], 12);
}

#[test]
fn another_fault_is_named() {
    for (status, shown) in [
        (Status::ACCESS_DENIED, "0x00000005 (ERROR_ACCESS_DENIED)"),
        (Status::UNKNOWN_INTERFACE, "nca_s_unk_if"),
        (Status(0xDEAD_BEEF), "0xDEADBEEF"),
    ] {
        let report = check_call(move |mut end, call| {
            end.reply(End::call_id(&call), Body::Fault(peer::fault(status)));
        });
        assert_eq!(verdict(&report), "rpc.fault");
        let cause = report["targets"][0]["cause"].as_str().unwrap();
        assert!(cause.contains(shown), "{cause}");
    }
}

#[test]
fn a_close_or_reset_at_the_call_is_told_apart() {
    assert_eq!(verdict(&check_call(|end, _| end.close())), "rpc.closed");
    assert_eq!(verdict(&check_call(|end, _| end.reset())), "rpc.reset");
}

#[test]
fn silence_and_an_endless_drip_at_the_call_are_timeouts() {
    for drips in [false, true] {
        let peer = Peer::new(move |mut end| {
            end.accept_bind();
            let call = end.pdu();
            let mut fault = peer::encoded(
                kms_protocol::rpc::PfcFlags::WHOLE,
                End::call_id(&call),
                Body::Fault(peer::fault(Status::OP_RANGE_ERROR)),
            );
            fault[8..10].copy_from_slice(&5000u16.to_le_bytes());
            match drips {
                true => end.drip(fault.into_iter().chain(std::iter::repeat(0))),
                false => end.wait_for_the_probe_to_leave(),
            }
        });
        let mut options = options(Stage::Rpc);
        options.timeouts.rpc = IMPATIENCE;
        let report = check(peer.address, &options);
        assert_eq!(verdict(&report), "rpc.timeout", "drips: {drips}");
        let received = facts(&report, "rpc")["broken"]["received_bytes"].as_u64().unwrap();
        assert_eq!(received > 0, drips);
    }
}

#[test]
fn damaged_cut_foreign_or_misplaced_answers_are_malformed() {
    type Send = fn(&mut End, u32);
    let answers: [(&str, Send); 5] = [
        ("wrong call id", |end, id| {
            end.reply(id + 1, Body::Fault(peer::fault(Status::OP_RANGE_ERROR)));
        }),
        ("cut", |end, id| {
            let whole = peer::encoded(
                kms_protocol::rpc::PfcFlags::WHOLE,
                id,
                Body::Fault(peer::fault(Status::OP_RANGE_ERROR)),
            );
            end.send(&whole[..20]);
        }),
        ("not RPC any more", |end, _| end.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")),
        ("frag_length 3", |end, _| end.send(&[5, 0, 3, 3, 16, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0])),
        ("a second bind_ack", |end, id| {
            end.send(&peer::bind_ack(id, &peer::NDR32_ACCEPTED));
        }),
    ];
    for (what, send) in answers {
        let report = check_call(move |mut end, call| {
            send(&mut end, End::call_id(&call));
            end.close();
        });
        assert_eq!(verdict(&report), "rpc.malformed", "{what}");
    }
}

#[test]
fn a_shutdown_or_cancelled_flag_in_between_changes_nothing() {
    let report = check_call(|mut end, call| {
        let id = End::call_id(&call);
        end.reply(id, Body::Shutdown);
        end.reply(id, Body::Fault(peer::fault(Status::OP_RANGE_ERROR)));
    });
    assert_eq!(verdict(&report), "rpc.ok");
}
