//! The table of clients is a function of the rows.

use std::time::Duration;

use kms_protocol::kms::product::PRODUCTS;
use proptest::prelude::*;

use super::*;
use crate::model::{ClientTable, Host, HostPolicy, Query};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A host that is restarted at random, in good order or not, against one that never is.
    #[test]
    fn a_restarted_host_answers_as_one_that_never_stopped(
        steps in prop::collection::vec(step(), 1..400)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut reference = Host::default();
        let mut now = FileTime::from_ticks(134_000_000_000_000_000);
        let mut running = Some(Restarted::start(&path));
        for step in steps {
            match step {
                Step::Ask { client, product, skew_hours } => {
                    let query = query(client, product, now, skew_hours);
                    let host = running.as_mut().unwrap();
                    prop_assert_eq!(host.decide(&query, now), reference.decide(&query, now));
                }
                // A clock that is set back as well.
                Step::Pass { hours } => {
                    now = FileTime::from_ticks(now.ticks().saturating_add_signed(hours * 36_000_000_000));
                }
                Step::Restart => {
                    drop(running.take());
                    let restarted = Restarted::start(&path);
                    prop_assert_eq!(restarted.host.clients(), reference.clients());
                    running = Some(restarted);
                }
            }
        }
    }
}

#[test]
fn a_snapshot_in_the_middle_changes_nothing_and_bounds_what_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = start(&path);
    let mut expected = ClientTable::default();
    let begin = FileTime::from_ticks(134_000_000_000_000_000);
    for number in 0..10_000u64 {
        let now = begin.saturating_add(Duration::from_secs(number));
        let client = (number % 67) as u8;
        expected.record(DEFAULT.app_id, Guid::from_bytes([client; 16]), 25, now);
        record(&journal, now, accepted(client, now));
    }
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    assert_eq!(number(&connection, "SELECT number FROM snapshot"), 10_000);
    // As a killed process leaves it: without the last snapshot.
    connection.execute_batch("DELETE FROM snapshot_client; DELETE FROM snapshot_cache").unwrap();
    connection.execute_batch("DELETE FROM snapshot").unwrap();
    drop(connection);
    assert_eq!(open(&path).unwrap().clients(&HostName::default()), expected);
}

#[test]
fn made_up_clients_of_the_start_are_restored_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let now = FileTime::from_ticks(134_000_000_000_000_000);
    let mut host = Host::default();
    host.prefill(DEFAULT.app_id, 24, now);
    drop(open(&path).unwrap().start(vec![(HostName::default(), host.clients().clone())]).unwrap());
    assert_eq!(&open(&path).unwrap().clients(&HostName::default()), host.clients());
}

/// A host with its journal.
struct Restarted {
    host: Host,
    journal: Journal,
}

impl Restarted {
    fn start(path: &Path) -> Self {
        let journal = open(path).unwrap();
        let host = Host::with_clients(HostPolicy::default(), journal.clients(&HostName::default()));
        let journal = journal.start(vec![(HostName::default(), host.clients().clone())]).unwrap();
        Self { host, journal }
    }

    fn decide(&mut self, query: &Query, now: FileTime) -> crate::model::Decision {
        let decision = self.host.decide(query, now);
        let ticket = self.journal.ticket();
        let Subject::Request(mut exchange) = accepted(0, now) else { panic!("a request") };
        exchange.counted = decision.is_ok();
        if let Some(request) = &mut exchange.request {
            request.app_id = query.app_id;
            request.kms_id = query.kms_id;
            request.cmid = query.cmid;
            request.n_policy = query.n_policy;
        }
        let (number, subject) = (ticket.number(), Subject::Request(exchange));
        self.journal.record(
            ticket,
            Row {
                number,
                real_time_us: NOW_US,
                host_time: now,
                host: HostName::default(),
                subject,
            },
        );
        decision
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask { client: u8, product: usize, skew_hours: u64 },
    Pass { hours: i64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => (0u8..90, 0..PRODUCTS.len(), 0u64..6)
            .prop_map(|(client, product, skew_hours)| Step::Ask { client, product, skew_hours }),
        4 => (-200i64..400).prop_map(|hours| Step::Pass { hours }),
        1 => Just(Step::Restart),
    ]
}

fn query(client: u8, product: usize, now: FileTime, skew_hours: u64) -> Query {
    let product = &PRODUCTS[product];
    Query {
        app_id: product.app_id,
        kms_id: product.kms_id,
        cmid: Guid::from_bytes([client; 16]),
        n_policy: product.n_policy,
        client_time: now.saturating_sub(Duration::from_secs(skew_hours * 3600)),
    }
}
