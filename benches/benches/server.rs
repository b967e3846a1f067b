//! One exchange through the server's state machine, without a socket: input, event, answer, output.

#![allow(missing_docs, reason = "criterion's macros write functions without documentation")]

use std::hint::black_box;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kms_benches::script::Script;
use kms_protocol::kms::crypto::{LabKey, LabKeys};
use kms_protocol::kms::{DEFAULT_PORT, Response, envelope};
use kms_protocol::ndr::{self, Ndr};
use kms_protocol::rpc::Status;
use kms_protocol::server::{Config, Connection, Event};
use kms_protocol::time::Instant;
use kms_protocol::wire::ByteOrder;

fn exchanges(criterion: &mut Criterion) {
    // A bench that cannot be set up must not look like one that ran.
    #[allow(clippy::expect_used, reason = "criterion has no other way to fail")]
    set_up(criterion).expect("the exchange can be set up");
}

fn set_up(criterion: &mut Criterion) -> Result<()> {
    let script = Script::new(SystemTime::now())?;
    let mut host = Host::new();
    let mut bound = bind(&script, &mut host);
    ensure!(host.exchange(&mut bound, script.request(0)) > Ndr::Ndr32.error_response_len() + 24);

    let mut group = criterion.benchmark_group("server");
    group.throughput(Throughput::Elements(1));
    group.bench_function("call answered with a fault", |b| {
        host.answer_calls = false;
        b.iter(|| host.exchange(&mut bound, black_box(script.request(0))));
    });
    group.bench_function("call answered, version 6.0, with cryptography", |b| {
        host.answer_calls = true;
        b.iter(|| host.exchange(&mut bound, black_box(script.request(0))));
    });
    group.bench_function("new connection and bind", |b| {
        b.iter(|| bind(black_box(&script), &mut host));
    });
    group.finish();
    Ok(())
}

/// What answers the calls: a stand-in for the simulator, without policy.
struct Host {
    keys: LabKeys,
    answer_calls: bool,
    stub: [u8; 1024],
}

impl Host {
    fn new() -> Self {
        Self { keys: LabKeys::new(&LabKey::DEFAULT), answer_calls: true, stub: [0; 1024] }
    }

    /// Feeds `input`, answers what it asks, and takes the output; returns its length.
    fn exchange(&mut self, connection: &mut Connection, input: &[u8]) -> usize {
        connection.handle_input(Instant::ZERO, input);
        loop {
            let (call_id, length) = match connection.poll_event() {
                Some(Event::Call(call)) => (call.call_id, self.answer(call.stub)),
                Some(Event::Bind { .. }) => {
                    connection.accept_bind(0x1ab0_0001);
                    continue;
                }
                Some(_) => continue,
                None => break,
            };
            match length.and_then(|length| self.stub.get(..length)) {
                // A refusal would show as an output that is too short.
                Some(stub) => connection.respond(call_id, stub).unwrap_or_default(),
                None => connection.fault(call_id, Status::BAD_STUB_DATA),
            }
        }
        let sent = black_box(connection.poll_transmit()).len();
        connection.transmitted(sent);
        sent
    }

    fn answer(&mut self, stub: &[u8]) -> Option<usize> {
        if !self.answer_calls {
            return None;
        }
        let payload = ndr::decode_request(stub, Ndr::Ndr32, ByteOrder::Little).ok()?;
        let opened = envelope::open_request(&self.keys, payload).ok()?;
        let response = Response {
            version: opened.request.version,
            cmid: opened.request.cmid,
            client_time: opened.request.client_time,
            count: 50,
            activation_interval_minutes: 120,
            renewal_interval_minutes: 10_080,
        };
        let keys = &self.keys;
        let (iv, nonce) = ([0x11; 16], [0x22; 16]);
        ndr::encode_response_with(0, Ndr::Ndr32, ByteOrder::Little, &mut self.stub, |space| {
            envelope::seal_response(keys, &response, &opened.request_iv, &iv, &nonce, space)
        })
        .ok()
    }
}

fn bind(script: &Script, host: &mut Host) -> Connection {
    let mut connection = Connection::new(Config::new(DEFAULT_PORT), Instant::ZERO);
    host.exchange(&mut connection, &script.bind);
    connection
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
