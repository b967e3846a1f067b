//! One exchange through the server's state machine, without a socket: input, event, answer, output.

#![allow(missing_docs, reason = "criterion's macros write functions without documentation")]

use std::hint::black_box;
use std::time::SystemTime;

use anyhow::{Result, ensure};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kms_benches::sans_io::{Host, bind};
use kms_benches::script::Script;
use kms_protocol::ndr::Ndr;

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

criterion_group!(benches, exchanges);
criterion_main!(benches);
