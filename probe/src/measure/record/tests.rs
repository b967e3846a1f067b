//! Virtual measurements: samples with made-up times.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::measure::sample::{Exchange, StageTime};
use crate::verdict::{Verdict, table};

const MS: Duration = Duration::from_millis(1);

/// An exchange of depth tcp that took `micros`, or was lost.
fn sample(index: u64, micros: Option<u64>) -> Sample {
    let due = 100 * MS * u32::try_from(index).unwrap();
    let took = micros.map(Duration::from_micros);
    let row = if micros.is_some() { &table::tcp::OK } else { &table::tcp::TIMEOUT };
    Sample {
        index,
        due,
        begun: due,
        ended: due + took.unwrap_or(4000 * MS),
        exchange: Exchange {
            stages: took
                .map(|elapsed| StageTime { stage: Stage::Tcp, elapsed, resent: 0 })
                .into_iter()
                .collect(),
            total: took,
            verdict: Verdict::of(row, &[]),
            packets: Packets { syns: Some(1), syn_answered: took.is_some(), ..Packets::default() },
            endpoint_missing: false,
        },
    }
}

fn record(samples: &[Sample]) -> Record {
    let schedule = Schedule { count: Some(samples.len() as u64), ..Schedule::default() };
    let mut record = Record::new(Stage::Tcp, &schedule).unwrap();
    samples.iter().for_each(|sample| record.record(sample));
    record
}

fn total(record: &Record) -> &Distribution {
    &record.span(Span::Total).unwrap().distribution
}

#[test]
fn lost_exchanges_count_as_loss_and_never_as_latency() {
    let latencies = [Some(100), None, Some(300), None, Some(200)];
    let samples: Vec<_> = (0..).zip(latencies).map(|(i, micros)| sample(i, micros)).collect();
    let record = record(&samples);
    assert_eq!(record.loss, Loss { lost: 2, of: 5 });
    assert_eq!((total(&record).count(), total(&record).max_us()), (3, Some(300)));
    // In the order in which they ended: 200 and 100 apart, whatever was lost between.
    assert_eq!(total(&record).jitter_us(), Some(150.0));
    let failures = record.failures();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].lost, failures[0].first_index), (2, 1));
    assert_eq!(failures[0].last_begun, 300 * MS);
    assert_eq!(record.answered().unwrap().first.row.code, "tcp.ok");
}

#[test]
fn the_worst_failure_comes_first_and_then_the_most_frequent() {
    let mut samples: Vec<_> = (0..6).map(|index| sample(index, None)).collect();
    for sample in &mut samples[..2] {
        sample.exchange.verdict = Verdict::of(&table::tcp::REFUSED, &[]);
    }
    let codes = |record: &Record| {
        let failures = record.failures();
        failures.iter().map(|ended| (ended.first.row.code, ended.lost)).collect::<Vec<_>>()
    };
    assert_eq!(codes(&record(&samples)), [("tcp.timeout", 4), ("tcp.refused", 2)]);
    for sample in &mut samples[2..] {
        sample.exchange.verdict.severity = crate::verdict::Severity::Warning;
    }
    assert_eq!(codes(&record(&samples)), [("tcp.refused", 2), ("tcp.timeout", 4)]);
}

#[test]
fn a_first_syn_that_is_repeated_or_never_answered_is_lost() {
    let mut samples: Vec<_> = [Some(100), Some(1_000_100), None, Some(100)]
        .into_iter()
        .zip(0..)
        .map(|(micros, index)| sample(index, micros))
        .collect();
    samples[1].exchange.packets.syns = Some(2);
    samples[1].exchange.stages[0].resent = 1;
    samples[2].exchange.packets.syns = Some(4);
    samples[3].exchange.packets = Packets { segments: 2, resent: 1, ..Packets::default() };
    let record = record(&samples);
    let PacketRecord { syns_sent, first_syns, .. } = record.packets;
    assert_eq!((syns_sent, first_syns), (7, Loss { lost: 2, of: 3 }), "the fourth is not known");
    assert_eq!(record.packets.segments, Loss { lost: 1, of: 3 });
    let slow = record.span(Span::Stage(Stage::Tcp)).unwrap();
    let slow: Vec<_> = slow.slowest.outliers(Some(100)).collect();
    assert_eq!((slow.len(), slow[0].index, slow[0].resent), (1, 1, 1), "the reason stands beside");
}

#[test]
fn only_what_begins_later_than_a_period_of_the_rate_is_late() {
    let mut samples: Vec<_> = (0..3).map(|index| sample(index, Some(100))).collect();
    samples[1].begun += 100 * MS;
    samples[2].begun += 101 * MS;
    let record = record(&samples);
    assert_eq!((record.late_after(), record.late), (100 * MS, 1));
    assert_eq!(record.lateness.max_us(), Some(101_000));
}

#[test]
fn a_seeded_loss_lies_within_its_interval() {
    let seed = 42;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let samples: Vec<_> =
        (0..500).map(|index| sample(index, (!random.random_bool(0.2)).then_some(100))).collect();
    let (low, high) = record(&samples).loss.interval().unwrap();
    assert!((low..high).contains(&0.2), "seed {seed}: {low} to {high}");
}

proptest! {
    #[test]
    fn slices_together_are_the_whole(
        latencies in proptest::collection::vec(proptest::option::of(1u64..10_000_000), 1..200),
    ) {
        let samples: Vec<_> =
            (0..).zip(&latencies).map(|(index, micros)| sample(index, *micros)).collect();
        let record = record(&samples);
        let (mut answered, mut lost) = (0, 0);
        let mut merged = hdrhistogram::Histogram::<u64>::new(3).unwrap();
        for slice in record.intervals.iter() {
            answered += slice.answered;
            lost += slice.lost;
            let mut part = hdrhistogram::Histogram::<u64>::new(3).unwrap();
            for (micros, count) in slice.latencies.get(&Span::Total).into_iter().flatten() {
                part.record_n(*micros, *count).unwrap();
            }
            prop_assert_eq!(part.len(), slice.count(Span::Total));
            merged.add(&part).unwrap();
        }
        prop_assert_eq!(lost, record.loss.lost);
        prop_assert_eq!(answered + lost, record.loss.of);
        prop_assert_eq!(merged.len(), total(&record).count());
        for percent in [50.0, 90.0, 99.0, 99.9] {
            if let Some(whole) = total(&record).percentile_us(percent) {
                let parts = merged.value_at_percentile(percent);
                prop_assert!(parts.abs_diff(whole) <= whole / 1000 + 1, "{}: {} {}", percent, parts, whole);
            }
        }
    }
}
