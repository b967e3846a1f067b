//! Bytes only: every PDU decoded and encoded, and the parts of a KMS exchange, without a socket.

#![allow(missing_docs, reason = "criterion's macros write functions without documentation")]

use std::hint::black_box;
use std::time::SystemTime;

use anyhow::Result;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kms_benches::script::{Script, activation_request};
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::{Response, Version, envelope};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::{
    self, Auth3, BindNak, BindNakReason, Body, ContextElement, ContextList, ContextReason,
    ContextResult, Fault, Packet, PfcFlags, ResultElement, ResultList, Status, SyntaxId,
};
use kms_protocol::wire::ByteOrder;

/// What an encoder writes into.
const BUFFER_BYTES: usize = 1024;

fn every_pdu(criterion: &mut Criterion) {
    let transfer = [SyntaxId::NDR32];
    let contexts = [ContextElement::new(0, SyntaxId::KMS, &transfer)];
    let results = [ResultElement {
        result: ContextResult::ACCEPTANCE,
        reason: ContextReason::NOT_SPECIFIED,
        transfer_syntax: SyntaxId::NDR32,
    }];
    let bind = rpc::Bind {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0,
        contexts: ContextList::new(&contexts),
    };
    let bind_ack = |sec_addr| rpc::BindAck {
        max_xmit_frag: 5840,
        max_recv_frag: 5840,
        assoc_group_id: 0x1ab0_0001,
        sec_addr,
        results: ResultList::new(&results),
    };
    let stub = [0x5a; 268];
    let request =
        rpc::Request { alloc_hint: 268, context_id: 0, opnum: 0, object: None, stub: &stub };
    let response = rpc::Response { alloc_hint: 268, context_id: 0, cancel_count: 0, stub: &stub };
    for (name, body) in [
        ("bind", Body::Bind(bind)),
        ("bind_ack", Body::BindAck(bind_ack(b"1688\0"))),
        ("bind_nak", Body::BindNak(BindNak::new(BindNakReason::LOCAL_LIMIT_EXCEEDED))),
        ("alter_context", Body::AlterContext(bind)),
        ("alter_context_resp", Body::AlterContextResp(bind_ack(b""))),
        ("request 292", Body::Request(request)),
        ("response 292", Body::Response(response)),
        ("fault", Body::Fault(Fault::new(0, Status::OP_RANGE_ERROR))),
        ("auth3", Body::Auth3(Auth3 { pad: [0; 4] })),
        ("shutdown", Body::Shutdown),
        ("co_cancel", Body::CoCancel),
        ("orphaned", Body::Orphaned),
    ] {
        one_pdu(criterion, name, Packet::new(PfcFlags::WHOLE, 2, body));
    }
}

fn one_pdu(criterion: &mut Criterion, name: &str, packet: Packet<'_>) {
    let mut buffer = [0; BUFFER_BYTES];
    let length = packet.encode(&mut buffer).unwrap_or_default();
    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
    let mut group = criterion.benchmark_group("pdu");
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("decode {name}"), |b| {
        b.iter(|| Packet::decode(black_box(&bytes)));
    });
    group.bench_function(format!("encode {name}"), |b| {
        b.iter(|| black_box(&packet).encode(black_box(&mut buffer)));
    });
    group.finish();
}

/// The figure that the codec is held to: a whole 292-byte request to its payload, and a payload to
/// its whole response, with everything but the cryptography.
fn without_cryptography(criterion: &mut Criterion) {
    let Ok(script) = Script::new(SystemTime::now()) else {
        return; // the benches of the envelope fail with the reason
    };
    let call = script.request(0).to_vec();
    let payload = [0x5a; envelope::RESPONSE_LEN_MAX];
    let mut stub = [0; BUFFER_BYTES];
    let mut buffer = [0; BUFFER_BYTES];
    let mut group = criterion.benchmark_group("call without cryptography");
    group.bench_function(format!("decode {} bytes to the payload", call.len()), |b| {
        b.iter(|| payload_of(black_box(&call)).map(<[u8]>::len));
    });
    group.bench_function("encode the response around a payload", |b| {
        b.iter(|| encode_response(black_box(&payload), &mut stub, black_box(&mut buffer)));
    });
    group.finish();
}

fn payload_of(call: &[u8]) -> Option<&[u8]> {
    match Packet::decode(call).ok()?.body {
        Body::Request(request) => {
            ndr::decode_request(request.stub, Ndr::Ndr32, ByteOrder::Little).ok()
        }
        _ => None,
    }
}

fn encode_response(payload: &[u8], stub: &mut [u8], buffer: &mut [u8]) -> Option<usize> {
    let length = ndr::encode_response(payload, 0, Ndr::Ndr32, ByteOrder::Little, stub).ok()?;
    let stub = stub.get(..length)?;
    let alloc_hint = u32::try_from(length).ok()?;
    let response = rpc::Response { alloc_hint, context_id: 0, cancel_count: 0, stub };
    Packet::new(PfcFlags::WHOLE, 2, Body::Response(response)).encode(buffer).ok()
}

fn envelopes(criterion: &mut Criterion) {
    for version in Version::ALL {
        if let Err(error) = one_envelope(criterion, version) {
            // A bench that cannot be set up must not look like one that ran.
            #[allow(clippy::panic, reason = "criterion has no other way to fail")]
            {
                panic!("the envelope of version {version:?} cannot be set up: {error:#}");
            }
        }
    }
}

fn one_envelope(criterion: &mut Criterion, version: Version) -> Result<()> {
    let keys = LabKeys::new(&LabKey::DEFAULT);
    let request =
        kms_protocol::kms::Request { version, ..activation_request(1, SystemTime::now())? };
    let (iv, nonce) = ([0x11; 16], [0x22; 16]);
    let mut buffer = [0; BUFFER_BYTES];
    let length = envelope::seal_request(&keys, &request, &iv, &mut buffer)?;
    let sealed = buffer.get(..length).unwrap_or_default().to_vec();
    let response = Response {
        version,
        cmid: request.cmid,
        client_time: request.client_time,
        count: 50,
        activation_interval_minutes: 120,
        renewal_interval_minutes: 10_080,
    };
    let mut group = criterion.benchmark_group(format!("envelope {version:?}"));
    group.bench_function("seal request", |b| {
        b.iter(|| envelope::seal_request(&keys, black_box(&request), &iv, &mut buffer));
    });
    group.bench_function("open request", |b| {
        b.iter(|| envelope::open_request(&keys, black_box(&sealed)));
    });
    group.bench_function("seal response", |b| {
        b.iter(|| {
            envelope::seal_response(&keys, black_box(&response), &iv, &iv, &nonce, &mut buffer)
        });
    });
    group.finish();
    Ok(())
}

criterion_group!(benches, every_pdu, without_cryptography, envelopes);
criterion_main!(benches);
