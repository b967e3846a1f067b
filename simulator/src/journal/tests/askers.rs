//! Who has asked, by address and hour.

use super::store::Store;
use super::*;

#[test]
fn every_address_has_its_hours_its_names_and_its_foreign_keys() {
    let (_folder, reader) = filled(&[
        ("192.0.2.7:50000", 0, Some("PC-1")),
        ("192.0.2.7:50001", 59, None),
        ("[::ffff:192.0.2.7]:50002", 59, None),
        ("192.0.2.7:50003", 61, Some("PC-2")),
        ("[2001:db8::1]:7", 200, None),
        ("[fe80::1%3]:7", 201, None),
    ]);
    let askers = reader.askers(&Filter::default()).unwrap();
    assert_eq!((askers.requests, askers.truncated), (6, false));
    let addresses: Vec<String> = askers.addresses.iter().map(|a| a.address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.7", "2001:db8::1", "fe80::1"]);
    let asker = &askers.addresses[0];
    assert_eq!((asker.requests, asker.foreign_key), (4, 2));
    assert_eq!((asker.first.as_str(), asker.last.as_str()), (at(0).as_str(), at(61).as_str()));
    assert_eq!(asker.names, ["PC-1", "PC-2"]);
    let hours: Vec<_> = asker.hours.iter().map(|h| (h.hour.clone(), h.requests)).collect();
    assert_eq!(hours, [(at(0), 3), (at(60), 1)]);
    let of_one = Filter { client: Some("2001:db8::1".to_owned()), ..Filter::default() };
    assert_eq!(reader.askers(&of_one).unwrap().requests, 1);
    let of_nobody = Filter { client: Some("192.0.2.8".to_owned()), ..Filter::default() };
    assert_eq!(reader.askers(&of_nobody).unwrap(), Askers::default());
}

#[test]
fn beyond_the_bound_the_latest_hours_and_ten_names_are_told() {
    let hours = i64::try_from(ASKED_HOURS_MAX).unwrap() + 1;
    let names: Vec<String> = (0..=NAMES_MAX).map(|number| format!("PC-{number:02}")).collect();
    let mut asked: Vec<(&str, i64, Option<&str>)> =
        (0..hours).map(|hour| ("192.0.2.7:1", hour * 60, None)).collect();
    asked.extend(names.iter().map(|name| ("192.0.2.7:1", hours * 60, Some(name.as_str()))));
    let (_folder, reader) = filled(&asked);
    let askers = reader.askers(&Filter::default()).unwrap();
    assert!(askers.truncated);
    let asker = &askers.addresses[0];
    assert_eq!(asker.hours.len(), ASKED_HOURS_MAX);
    assert_eq!(asker.hours[0].hour, at(2 * 60), "two of the oldest had no room");
    assert_eq!((asker.names.len(), asker.more_names), (NAMES_MAX, true));
}

#[test]
fn a_peer_that_is_no_address_is_damage() {
    let (folder, _) = filled(&[("192.0.2.7:1", 0, None)]);
    let path = folder.path().join("journal");
    Connection::open(&path).unwrap().execute("UPDATE request SET peer = 'nobody'", []).unwrap();
    let error = Reader::open(&path).unwrap().askers(&Filter::default()).unwrap_err().to_string();
    assert!(error.contains("damaged (a `peer` is no address)"), "{error}");
}

/// A journal of requests: peer, minute, and the name of a client whose request could be read.
fn filled(asked: &[(&str, i64, Option<&str>)]) -> (tempfile::TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let host_time = FileTime::from_ticks(134_000_000_000_000_000);
    let rows: Vec<Row> = (1..)
        .zip(asked)
        .map(|(number, (peer, minute, name))| {
            let Subject::Request(mut exchange) = accepted(1, host_time) else {
                panic!("a request")
            };
            exchange.peer = peer.parse().unwrap();
            match name {
                Some(name) => {
                    let request = exchange.request.as_mut().unwrap();
                    request.machine_name = MachineName::new(name).unwrap();
                }
                None => {
                    (exchange.request, exchange.answer) = (None, None);
                    exchange.outcome = OutcomeKind::ForeignKey;
                }
            }
            let subject = Subject::Request(exchange);
            Row {
                number,
                real_time_us: NOW_US + minute * 60_000_000,
                host_time,
                host: HostName::default(),
                subject,
            }
        })
        .collect();
    Store::open(&path).unwrap().write(&rows, &[], None).unwrap();
    let reader = Reader::open(&path).unwrap();
    (folder, reader)
}

/// A minute of the journals above, whose first one begins an hour.
fn at(minute: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(NOW_US + minute * 60_000_000).unwrap();
    time.to_string()
}
