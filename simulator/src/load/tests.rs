//! Runs against servers of known behaviour, on loopback. Those that compare times with arithmetic
//! may be disturbed by whatever else the machine does, and are tried a few times.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kms_protocol::rpc::{
    BindAck, Body, Fault, Header, Packet, PfcFlags, ResultElement, ResultList, Status, SyntaxId,
};

use super::plan::tests::plan;
use super::*;

type BeforeAnswer = dyn Fn() + Send + Sync;

/// Answers binds and refuses calls as an RPC runtime does, after `before`.
fn server(before: Arc<BeforeAnswer>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let before = Arc::clone(&before);
            thread::spawn(move || answer_all(stream.unwrap(), &*before));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream, before: &BeforeAnswer) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut pdu = vec![0; 8192];
    loop {
        stream.read_exact(pdu.get_mut(..Header::LEN)?).ok()?;
        let length = usize::from(Header::decode(&pdu).ok()?.frag_length);
        stream.read_exact(pdu.get_mut(Header::LEN..length)?).ok()?;
        let packet = Packet::decode(pdu.get(..length)?).ok()?;
        let call_id = packet.header.call_id;
        let results = [ResultElement::accepted(SyntaxId::NDR32)];
        let body = match packet.body {
            Body::Bind(_) => Body::BindAck(BindAck {
                max_xmit_frag: 5840,
                max_recv_frag: 5840,
                assoc_group_id: 1,
                sec_addr: b"1688\0",
                results: ResultList::new(&results),
            }),
            _ => {
                before();
                Body::Fault(Fault {
                    alloc_hint: 32,
                    context_id: 0,
                    cancel_count: 0,
                    flags: 0,
                    status: Status::OP_RANGE_ERROR,
                    rest: &[],
                })
            }
        };
        let answer = Packet::new(PfcFlags::WHOLE, call_id, body);
        let mut bytes = vec![0; answer.encoded_len()];
        answer.encode(&mut bytes).unwrap();
        stream.write_all(&bytes).ok()?;
    }
}

fn at_once() -> SocketAddr {
    server(Arc::new(|| {}))
}

/// Waits without sleeping through an event that never comes.
fn pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|t| !t.is_zero()) {
        thread::park_timeout(left);
    }
}

fn closed(users: u32) -> Demand {
    Demand::Closed { users, think: Duration::ZERO }
}

fn open(rate: f64) -> Demand {
    Demand::Open(Profile::Constant(rate), Spacing::Constant)
}

fn run(plan: Plan) -> Record {
    Run::start(plan).unwrap().collect(|_, _, _| {}).unwrap()
}

/// Tries `claim` a few times, for another process may have had the processor.
fn within_a_few_tries(claim: impl Fn() -> Result<(), String>) {
    let failed: Vec<String> = (0..5).map_while(|_| claim().err()).collect();
    assert!(failed.len() < 5, "{failed:#?}");
}

/// Sums by worker, second, phase and histogram are the total.
fn assert_sums(record: &Record) {
    let (mut workers, mut seconds) = (Counts::default(), Counts::default());
    record.workers.iter().for_each(|counts| workers.add(counts));
    record.seconds.iter().for_each(|second| seconds.add(&second.counts));
    let total = &record.total.counts;
    assert_eq!((&workers, &seconds), (total, total));
    assert_eq!(total.started, total.requests() + total.cut);
    let by_phase: u64 = Phase::ALL.iter().map(|phase| total.failures_in(*phase)).sum();
    assert_eq!(by_phase, total.failures());
    let latencies = &record.total.latencies;
    assert_eq!(latencies.intended.len(), total.answered);
    assert_eq!(latencies.actual.len(), total.answered);
    assert_eq!(latencies.failed.len(), total.failures());
    assert_eq!(latencies.lateness.len(), total.started);
}

#[test]
fn every_exchange_of_a_count_is_made_once_and_all_sums_agree() {
    for (calls, pipeline, workers) in [(None, 1, 1), (Some(1), 1, 2), (Some(3), 4, 3)] {
        let mut plan = plan(at_once(), open(20_000.0));
        plan.transport.calls_per_connection = calls;
        plan.transport.pipeline = pipeline;
        (plan.workers, plan.count) = (workers, Some(500));
        plan.transport.close = Close::Rst;
        let record = run(plan);
        assert_eq!(record.total.counts.answered, 500, "{:?}", record.total.counts);
        assert_eq!(record.total.latencies.phase(Phase::Call).len(), 500);
        assert_sums(&record);
    }
}

/// Besides the connections that are opened at the start, one for every fifth exchange of a worker.
#[test]
fn a_share_of_the_exchanges_has_a_new_connection_and_the_others_keep_theirs() {
    for (share, workers, demand) in
        [(0.2, 1, open(20_000.0)), (0.2, 2, closed(4)), (0.1, 3, closed(6)), (1.0, 2, closed(4))]
    {
        let mut plan = plan(at_once(), demand);
        (plan.transport.reconnect_share, plan.transport.close) = (share, Close::Rst);
        (plan.transport.connections, plan.workers, plan.count) = (6, workers, Some(600));
        let record = run(plan);
        let counts = &record.total.counts;
        assert_eq!(counts.answered, 600, "{counts:?}");
        let wanted = 6 + (600.0 * share).round() as u64;
        assert_eq!(counts.connections, wanted, "{share} {workers}");
        assert_sums(&record);
    }
}

/// A connection with calls under way is closed after them: nothing is cut off, and a share of 0.1
/// of 600 opens no more than 60.
#[test]
fn a_new_connection_waits_for_the_calls_that_are_under_way() {
    let mut plan = plan(at_once(), closed(8));
    (plan.transport.reconnect_share, plan.transport.close) = (0.1, Close::Rst);
    (plan.transport.connections, plan.transport.pipeline) = (2, 8);
    plan.count = Some(600);
    let record = run(plan);
    let counts = &record.total.counts;
    assert_eq!((counts.answered, counts.failures()), (600, 0), "{counts:?}");
    assert!((3..=62).contains(&counts.connections), "{counts:?}");
    assert_sums(&record);
}

#[test]
fn depths_end_where_they_should() {
    for (depth, phases) in [(Depth::Tcp, [40, 0, 0]), (Depth::Bind, [40, 40, 0])] {
        let mut plan = plan(at_once(), closed(4));
        (plan.depth, plan.count) = (depth, Some(40));
        let record = run(plan);
        assert_eq!(record.total.counts.answered, 40);
        assert_eq!(record.total.counts.connections, 40);
        let measured = Phase::ALL.map(|phase| record.total.latencies.phase(phase).len());
        assert_eq!(measured, phases, "{depth:?}");
        assert_sums(&record);
    }
}

#[test]
fn a_run_that_is_cut_in_the_middle_has_lost_nothing() {
    let mut plan = plan(server(Arc::new(|| pass(Duration::from_millis(5)))), closed(8));
    plan.workers = 2;
    let running = Run::start(plan).unwrap();
    let control = running.control();
    let record = running
        .collect(|second, _, _| {
            if second.second == 1 {
                control.cut()
            }
        })
        .unwrap();
    assert!(record.cut && record.total.counts.answered > 0);
    assert_eq!(record.total.counts.failures(), 0);
    assert_sums(&record);
}

#[test]
fn failures_are_counted_by_verdict() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let never = server(Arc::new(|| pass(Duration::from_secs(3600))));
    let closing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closing_address = closing.local_addr().unwrap();
    thread::spawn(move || closing.incoming().for_each(drop));
    for (target, verdicts) in [
        (free, vec![Verdict::TcpRefused]),
        (silent.local_addr().unwrap(), vec![Verdict::BindTimeout]),
        (never, vec![Verdict::RpcTimeout]),
        (closing_address, vec![Verdict::BindClosed, Verdict::BindReset]),
    ] {
        let mut plan = plan(target, closed(2));
        plan.timeout = Duration::from_millis(100);
        (plan.count, plan.transport.calls_per_connection) = (Some(6), Some(1));
        let record = run(plan);
        let counts = &record.total.counts;
        let found = counts.by_verdict().filter(|(v, _)| verdicts.contains(v));
        assert_eq!(found.map(|(_, n)| n).sum::<u64>(), 6, "{verdicts:?} {counts:?}");
        assert_eq!(counts.answered, 0);
        assert_sums(&record);
    }
}

#[test]
fn errors_and_precision_stop_a_run_before_its_time() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut failing = plan(free, open(100.0));
    (failing.errors_max, failing.transport.calls_per_connection) = (Some(5), Some(1));
    let record = run(failing);
    assert!(record.total.counts.failures() >= 5 && record.elapsed < Duration::from_secs(90));
    let mut precise = plan(at_once(), closed(4));
    precise.precision = Some(0.5);
    assert!(run(precise).elapsed < Duration::from_secs(90));
}

#[test]
fn users_and_rates_change_while_it_runs() {
    let mut plan = plan(at_once(), Demand::Closed { users: 1, think: Duration::from_millis(1) });
    plan.duration = Duration::from_secs(60);
    let running = Run::start(plan).unwrap();
    let control = running.control();
    let mut most = 0;
    let record = running
        .collect(|second, _, record| {
            most = most.max(second.counts.requests());
            match second.second {
                0 => control.set_users(0),
                1..3 => {}
                _ if record.seconds.len() > 1 => control.stop(),
                _ => {}
            }
        })
        .unwrap();
    assert!(most > 0);
    assert_sums(&record);
    let quiet = record.seconds.iter().filter(|second| second.second == 2);
    assert_eq!(quiet.map(|second| second.counts.requests()).sum::<u64>(), 0, "nobody is left");
}

/// For 1 s of every 10 s the server stands still. Of the requests that are due in a standstill of S,
/// the one at u waits S - u; the 99th percentile of all is then 0.9 S. Who counts from the actual
/// start sees one slow request per standstill and connection.
#[test]
fn a_stalling_server_shows_in_the_intended_percentiles_and_not_in_the_naive_ones() {
    within_a_few_tries(|| {
        let (stall, period) = (Duration::from_secs(1), Duration::from_secs(10));
        let epoch = Instant::now();
        let target = server(Arc::new(move || {
            // From the middle of a period, so that the run holds one standstill as a whole.
            let at = (epoch.elapsed() + period / 2).as_nanos() % period.as_nanos();
            let into = Duration::from_nanos(u64::try_from(at).unwrap());
            if let Some(left) = stall.checked_sub(into) {
                pass(left);
            }
        }));
        let mut plan = plan(target, open(200.0));
        plan.transport.connections = 1;
        (plan.warm_up, plan.duration) = (Duration::from_millis(200), period);
        let record = run(plan);
        assert_sums(&record);
        let intended = percentile(&record.total.latencies.intended, 99.0).unwrap();
        let naive = percentile(&record.total.latencies.actual, 99.0).unwrap();
        let wanted = stall.as_micros() as f64 * 0.9;
        let off = (intended as f64 / wanted - 1.0).abs();
        if off > 0.05 || naive > 30_000 {
            return Err(format!("intended {intended} us for {wanted}, naive {naive} us"));
        }
        Ok(())
    });
}

/// C users of a server that takes D for each and serves each at once: C/D exchanges a second, each D.
#[test]
fn a_server_of_known_service_time_is_measured_within_five_percent() {
    within_a_few_tries(|| {
        let (users, service) = (4, Duration::from_millis(25));
        let mut plan = plan(server(Arc::new(move || pass(service))), closed(users));
        (plan.warm_up, plan.duration) = (Duration::from_millis(200), Duration::from_secs(2));
        let record = run(plan);
        assert_sums(&record);
        let rate = record.achieved_rate().unwrap() * service.as_secs_f64() / f64::from(users);
        let latency = record.total.latencies.actual.mean() / service.as_micros() as f64;
        if (rate - 1.0).abs() > 0.05 || (latency - 1.0).abs() > 0.05 {
            return Err(format!("{rate} of the rate, {latency} of the latency"));
        }
        Ok(())
    });
}
