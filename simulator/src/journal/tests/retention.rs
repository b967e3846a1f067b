//! What is deleted, and what never is.

use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

use super::row::real_time_us;
use super::store::{DELETED_AT_ONCE, Store};
use super::*;

#[test]
fn rows_beyond_the_number_go_oldest_first_and_a_bounded_number_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let now_us = real_time_us(SystemTime::now());
    let mut store = filled(&path, 30_000, now_us);
    let retention = Retention { rows: NonZeroU64::new(10_000).unwrap(), ..Retention::default() };
    let at_once = DELETED_AT_ONCE as u64;
    assert_eq!(store.retain(retention, now_us).unwrap(), at_once);
    assert_eq!(store.retain(retention, now_us).unwrap(), at_once);
    assert_eq!(store.retain(retention, now_us).unwrap(), 20_000 - 2 * at_once);
    assert_eq!(store.retain(retention, now_us).unwrap(), 0, "ten thousand are kept");
    drop(store);
    let connection = Connection::open(&path).unwrap();
    assert_eq!(number(&connection, "SELECT min(number) FROM request"), 20_001);
    assert_eq!(number(&connection, "SELECT count(*) FROM request"), 10_000);
}

#[test]
fn rows_go_when_they_are_older_than_the_age_and_not_at_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let written_us = real_time_us(SystemTime::now());
    let mut store = filled(&path, 10, written_us);
    let retention = Retention { age: Duration::from_secs(3600), ..Retention::default() };
    let later = |seconds: i64| written_us + seconds * 1_000_000;
    assert_eq!(store.retain(retention, later(3600)).unwrap(), 0);
    assert_eq!(store.retain(retention, later(3601)).unwrap(), 10);
}

#[test]
fn nothing_goes_that_a_restart_would_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut store = filled(&path, 10, 0);
    store.write(&[], &[], Some(4)).unwrap();
    let retention = Retention { age: Duration::ZERO, ..Retention::default() };
    assert_eq!(store.retain(retention, i64::MAX).unwrap(), 4);
    assert_eq!(store.retain(retention, i64::MAX).unwrap(), 0);
}

/// A journal with `rows` requests, all of which the snapshot covers.
fn filled(path: &Path, rows: u64, real_time_us: i64) -> Store {
    let mut store = Store::open(path).unwrap();
    let host_time = FileTime::from_ticks(134_000_000_000_000_000);
    let rows: Vec<Row> = (1..=rows)
        .map(|number| Row {
            number,
            real_time_us,
            host_time,
            host: HostName::default(),
            subject: accepted(1, host_time),
        })
        .collect();
    let last = rows.len() as u64;
    store.write(&rows, &[], Some(last)).unwrap();
    store
}
