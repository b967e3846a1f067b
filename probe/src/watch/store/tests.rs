#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::verdict::Severity;
use crate::watch::alert::{self, Flapping, Tool};
use crate::watch::state::Occasion;

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("watch.db")).unwrap();
    (folder, store)
}

fn finding(verdict: &str) -> Finding {
    Finding {
        at: Moment(0).text(),
        verdict: verdict.to_owned(),
        severity: Severity::Critical,
        level: Level::Down,
        cause: "a port that is closed".to_owned(),
        remedy: None,
        client_sees: Vec::new(),
        elapsed_us: 1500,
        entries: Vec::new(),
    }
}

fn alert() -> Alert {
    Alert {
        schema_version: alert::SCHEMA_VERSION,
        tool: Tool::this(),
        id: String::new(),
        at: Moment(0).text(),
        occasion: Occasion::Down,
        summary: "kms1 is down".to_owned(),
        name: "kms1".to_owned(),
        target: "192.0.2.1".to_owned(),
        source: None,
        state: None,
        before: None,
        finding: finding("tcp.refused"),
        flapping: Flapping::default(),
        elsewhere: Vec::new(),
        recovery: Vec::new(),
    }
}

fn commit(store: &mut Store, known: &Known, at: i64, alerts: usize) {
    let finding = finding("tcp.refused");
    let mut step = Step {
        watchpoint: known.id,
        at: Moment(at),
        memory: &known.memory,
        finding: Some(&finding),
        is_verification: false,
        changes: Vec::new(),
        alerts: vec![alert(); alerts],
        channels: &["ops".to_owned()],
        recovery: Vec::new(),
    };
    store.commit(&mut step).unwrap();
}

#[test]
fn a_second_instance_is_refused_and_a_foreign_file_too() {
    let (folder, store) = open();
    let path = folder.path().join("watch.db");
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("another `kms-probe watch`"), "{error}");
    drop(store);
    drop(Store::open(&path).unwrap());

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    let error = format!("{:#}", Store::open(&foreign).unwrap_err());
    assert!(error.contains("another program"), "{error}");
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "no database at all, and longer than a header of one hundred bytes ".repeat(9),
    )
    .unwrap();
    assert!(Store::open(&text).is_err());
    assert!(Store::open(folder.path()).is_err());
}

#[test]
fn what_waits_is_delivered_in_order_and_once() {
    let (folder, mut store) = open();
    let known = store.watchpoint("kms1", None, "192.0.2.1").unwrap();
    commit(&mut store, &known, 1000, 2);
    let first = store.first_waiting("ops").unwrap().unwrap();
    let body: Alert = serde_json::from_str(&first.body).unwrap();
    assert_eq!(body.id, format!("{}-1", store.instance()));
    store.postpone(first.id, Moment(5000), "refused").unwrap();
    let again = store.first_waiting("ops").unwrap().unwrap();
    assert_eq!((again.id, again.attempts, again.next), (first.id, 1, Moment(5000)));
    store.delivered(first.id, Moment(5000)).unwrap();
    drop(store);
    let mut store = Store::open(&folder.path().join("watch.db")).unwrap();
    let second = store.first_waiting("ops").unwrap().unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(store.forget_other_channels(&["ops"], Moment(6000)).unwrap(), 0);
    assert_eq!(store.forget_other_channels(&[], Moment(6000)).unwrap(), 1);
    assert_eq!(store.waiting().unwrap(), 0);
}

#[test]
fn the_outbox_is_bounded_and_gives_up_the_oldest() {
    let (_folder, mut store) = open();
    let known = store.watchpoint("kms1", None, "192.0.2.1").unwrap();
    commit(&mut store, &known, 1000, WAITING_MAX + 1);
    assert_eq!(store.waiting().unwrap(), u64::try_from(WAITING_MAX).unwrap());
    assert_eq!(store.first_waiting("ops").unwrap().unwrap().id, 2);
}

#[test]
fn history_has_a_limit_in_age_and_rows() {
    let (_folder, mut store) = open();
    let known = store.watchpoint("kms1", None, "192.0.2.1").unwrap();
    for second in 1..=20 {
        commit(&mut store, &known, second * 1000, 0);
    }
    let age = Duration::from_secs(10);
    assert_eq!(store.retain(Moment(20_000), age, 1000).unwrap(), 9);
    assert_eq!(store.past(known.id, 100).unwrap().len(), 11);
    assert_eq!(store.retain(Moment(20_000), age, 5).unwrap(), 6);
    let past = store.past(known.id, 100).unwrap();
    assert_eq!(
        past.iter().map(|it| it.at.0).collect::<Vec<_>>(),
        [16_000, 17_000, 18_000, 19_000, 20_000]
    );
}

#[test]
fn memory_outlives_the_process_and_belongs_to_one_target() {
    let (folder, mut store) = open();
    let mut known = store.watchpoint("kms1", None, "192.0.2.1").unwrap();
    let rules = crate::watch::state::Rules {
        confirm: crate::watch::state::ConfirmRules { checks: 1, out_of: 1 },
        flapping: None,
        recovery: None,
    };
    let seen =
        crate::watch::state::Sighting { level: Level::Down, verdict: "tcp.refused".to_owned() };
    assert!(!known.memory.observe(Moment(1), &seen, false, &rules).is_empty());
    commit(&mut store, &known, 1, 0);
    drop(store);
    let mut store = Store::open(&folder.path().join("watch.db")).unwrap();
    let again = store.watchpoint("kms1", None, "192.0.2.1").unwrap();
    assert_eq!((again.id, &again.memory), (known.id, &known.memory));
    let other = store.watchpoint("kms1", None, "192.0.2.2").unwrap();
    assert_eq!((other.id, other.memory), (known.id, Memory::default()));
}
