//! What is read again is what was written, and how it looks.

use std::fs;

use kms_protocol::kms::product::PRODUCTS;

use super::store::Store;
use super::*;

#[test]
fn every_field_of_every_kind_of_row_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let written = all_kinds();
    fill(&path, &written);
    let reader = Reader::open(&path).unwrap();
    let all = Filter::default();
    assert_eq!(reader.page(&all, Cursor::After(0), 100).unwrap(), written);
    let mut reversed = reader.page(&all, Cursor::Before(u64::MAX), 100).unwrap();
    reversed.reverse();
    assert_eq!(reversed, written);
    assert_eq!(reader.last_number().unwrap(), written.len() as u64);
}

#[test]
fn pages_join_without_a_gap_and_hold_a_thousand_rows_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let time = FileTime::from_ticks(134_000_000_000_000_000);
    let rows: Vec<Row> = (1..=2_500).map(|number| row(number, accepted(1, time))).collect();
    fill(&path, &rows);
    let reader = Reader::open(&path).unwrap();
    let (mut read, mut last) = (Vec::new(), 0);
    for expected in [1000, 1000, 500, 0] {
        let page = reader.page(&Filter::default(), Cursor::After(last), usize::MAX).unwrap();
        assert_eq!(page.len(), expected);
        last = page.last().map_or(last, |row| row.number);
        read.extend(page);
    }
    assert_eq!(read, rows);
}

#[test]
fn filters_find_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    fill(&path, &all_kinds());
    let reader = Reader::open(&path).unwrap();
    let numbers = |filter: Filter| -> Vec<u64> {
        let rows = reader.page(&filter, Cursor::After(0), 100).unwrap();
        rows.iter().map(|row| row.number).collect()
    };
    let all = Filter::default;
    let client = |text: &str| Filter { client: Some(text.to_owned()), ..all() };
    let product = |text: &str| Filter { product: Some(text.to_owned()), ..all() };
    assert_eq!(numbers(client("lab-pc")), [1]);
    assert_eq!(numbers(client("192.0.2.7")), [1, 2, 6]);
    assert_eq!(numbers(client("192.0.2.70")), [0; 0]);
    assert_eq!(numbers(client("2001:db8::1")), [3]);
    assert_eq!(numbers(client("%")), [0; 0], "text is text");
    assert_eq!(numbers(Filter { cmid: Some(Guid::from_bytes([2; 16])), ..all() }), [2]);
    assert_eq!(numbers(product(&DEFAULT.name.to_uppercase())), [1, 2]);
    assert_eq!(numbers(product(&DEFAULT.kms_id.to_string())), [1, 2]);
    assert_eq!(numbers(product("office'; DROP TABLE request")), [0; 0]);
    assert_eq!(numbers(Filter { outcome: Some(OutcomeKind::Refused), ..all() }), [2]);
    assert_eq!(numbers(Filter { hresult: Some(0x8007_000D), ..all() }), [3]);
    assert_eq!(numbers(Filter { requests_only: true, ..all() }), [1, 2, 3, 4]);
    let from = |number: i64| Some(NOW_US + number);
    assert_eq!(numbers(Filter { from_us: from(2), to_us: from(6), ..all() }), [2, 3, 4, 5]);
}

#[test]
fn a_product_that_is_known_by_its_counted_id_alone_is_found_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let time = FileTime::from_ticks(134_000_000_000_000_000);
    for (number, product) in (1..).zip(PRODUCTS) {
        let Subject::Request(mut exchange) = accepted(1, time) else { panic!("a request") };
        let asked = exchange.request.as_mut().unwrap();
        (asked.sku_id, asked.kms_id) = (Guid::from_bytes([0xEE; 16]), product.kms_id);
        let name = exchange.product().unwrap().name.to_owned();
        fs::remove_file(&path).ok();
        fill(&path, &[row(number, Subject::Request(exchange))]);
        let reader = Reader::open(&path).unwrap();
        let filter = Filter { product: Some(name.clone()), ..Filter::default() };
        assert_eq!(reader.page(&filter, Cursor::After(0), 9).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn event_12290_is_worded_as_microsoft_shows_it() {
    // "Error 0xC004F074 when you activate Windows"; only the client's name is made up.
    let shown = "0xC004F06C,5,LAB-PC,36f27b39-2fd5-440b-be67-a09996d27a38,2010/9/29 21:46,0,2,41520,\
        68531fb9-5511-4989-97be-d11a0f55633f";
    let time = FileTime::from_unix(1_285_796_760, 0).unwrap();
    let Subject::Request(mut exchange) = accepted(1, time) else { panic!("a request") };
    exchange.hresult = Some(0xC004_F06C);
    let asked = exchange.request.as_mut().unwrap();
    asked.n_policy = 5;
    asked.cmid = "36f27b39-2fd5-440b-be67-a09996d27a38".parse().unwrap();
    asked.sku_id = "68531fb9-5511-4989-97be-d11a0f55633f".parse().unwrap();
    asked.binding_expiration_minutes = 41_520;
    let refused = row(1, Subject::Request(exchange.clone()));
    assert_eq!(event_12290(&refused).unwrap(), shown);

    exchange.hresult = Some(0);
    let asked = exchange.request.as_mut().unwrap();
    asked.client_time = FileTime::from_unix(1_136_174_700, 0).unwrap();
    asked.machine_name = MachineName::new("a,b\u{1b}[31m\nc").unwrap();
    let line = event_12290(&row(2, Subject::Request(exchange))).unwrap();
    assert!(line.starts_with(r"0x0,5,a_b\u{1b}[31m\u{a}c,36f27b39-"), "{line}");
    assert!(line.contains(",2006/1/2 4:05,"), "{line}");
    let events = all_kinds();
    assert!(event_12290(&events[4]).is_none() && event_12290(&events[2]).is_none());
}

#[test]
fn every_form_has_every_row_and_nothing_in_it_acts() {
    let mut rows = all_kinds();
    let Subject::Request(exchange) = &mut rows[0].subject else { panic!("a request") };
    exchange.request.as_mut().unwrap().machine_name =
        MachineName::new("=cmd|'/C calc'!A0\u{1b}[31m\u{202e}\n").unwrap();
    for (format, lines) in
        [(Format::Text, 6), (Format::Jsonl, 6), (Format::Csv, 7), (Format::Event12290, 2)]
    {
        let mut out = Vec::new();
        let mut exporter = Exporter::new(&mut out, format).unwrap();
        for row in &rows {
            exporter.row(row).unwrap();
        }
        exporter.flush().unwrap();
        drop(exporter);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), lines, "{format:?}: {text}");
        let acts = |c: char| c != '\n' && kms_page::text::is_dangerous(c);
        assert!(!text.contains(acts), "{format:?}: {text}");
        match format {
            Format::Csv => {
                assert!(text.starts_with(&COLUMNS.join(",")), "{text}");
                assert!(text.contains(",'=cmd|"), "{text}");
            }
            Format::Jsonl => {
                let line: serde_json::Value =
                    serde_json::from_str(text.lines().next().unwrap()).unwrap();
                assert_eq!(line["client"], "=cmd|'/C calc'!A0\u{1b}[31m\u{202e}\n");
                let mut keys: Vec<&str> =
                    line.as_object().unwrap().keys().map(|k| k.as_str()).collect();
                let mut columns = COLUMNS;
                keys.sort_unstable();
                columns.sort_unstable();
                assert_eq!(keys, columns, "columns and keys are the same");
            }
            Format::Text | Format::Event12290 => {}
        }
    }
}

#[test]
fn sums_are_those_of_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    fill(&path, &all_kinds());
    let stats = Reader::open(&path).unwrap().stats(&Filter::default()).unwrap();
    assert_eq!((stats.requests, stats.accepted, stats.clients), (4, 1, 2));
    let sum = ProductSum { product: DEFAULT.name.to_owned(), requests: 2, clients: 2 };
    assert_eq!(stats.products, [sum]);
    let refused: Vec<_> = stats.refusals.iter().map(|r| (r.outcome.as_str(), r.requests)).collect();
    assert_eq!(refused, [("bad-stub", 1), ("foreign-key", 1), ("refused", 1)]);
    assert_eq!(stats.hours.iter().map(|hour| hour.requests).sum::<u64>(), 4);
}

#[test]
fn a_copy_is_whole_while_the_journal_is_written_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let copy = folder.path().join("copy");
    let journal = start(&path);
    let time = FileTime::from_ticks(134_000_000_000_000_000);
    let mut progress = journal.progress();
    let mut last = 0;
    for client in 1..=100 {
        last = record(&journal, time, accepted(client, time));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(progress.wait_for(|settled| *settled > last)).unwrap();
    Reader::open(&path).unwrap().backup(&copy).unwrap();
    let error = Reader::open(&path).unwrap().backup(&copy).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    drop(journal);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let rows =
        Reader::open(&copy).unwrap().page(&Filter::default(), Cursor::After(0), 1000).unwrap();
    assert_eq!(rows.len(), 100);
    let clients = |path| open(path).unwrap().clients(&HostName::default());
    assert_eq!(clients(&copy), clients(&path));
}

#[test]
fn what_cannot_be_read_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let refused = |named: &str| {
        let error = Reader::open(&path).unwrap_err().to_string();
        assert!(error.contains(named), "`{named}` is not in: {error}");
    };
    refused("no such file");
    fs::write(&path, "").unwrap();
    refused("is empty");
    fs::write(&path, "text").unwrap();
    refused("not an SQLite file");
    fs::remove_file(&path).unwrap();
    schema::migrate(&mut Connection::open(&path).unwrap(), 0, 1).unwrap();
    refused("an older schema, version 1: `kms-sim serve --journal` brings it to 3");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    refused("version 9, and this one knows versions up to 3");
    fs::remove_file(&path).unwrap();
    fill(&path, &all_kinds());
    for (sql, named) in [
        ("UPDATE request SET peer = 'nobody' WHERE number = 1", "row 1: `peer`"),
        ("UPDATE request SET cmid = zeroblob(3) WHERE number = 1", "row 1: `cmid`"),
        ("UPDATE event SET kind = 'unknown'", "row 5: `kind`"),
    ] {
        let copy = folder.path().join("damaged");
        fs::copy(&path, &copy).unwrap();
        Connection::open(&copy).unwrap().execute_batch(sql).unwrap();
        let page = Reader::open(&copy).unwrap().page(&Filter::default(), Cursor::After(0), 10);
        let error = page.unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains(named), "{error}");
    }
}

#[test]
fn a_file_that_was_cut_is_damaged_and_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let time = FileTime::from_ticks(134_000_000_000_000_000);
    fill(&path, &(1..=500).map(|number| row(number, accepted(1, time))).collect::<Vec<_>>());
    let bytes = fs::read(&path).unwrap();
    for part in [100, 4096, 8192, bytes.len() / 2] {
        fs::write(&path, &bytes[..part]).unwrap();
        let read = Reader::open(&path)
            .and_then(|reader| reader.page(&Filter::default(), Cursor::After(0), 1000));
        let error = read.unwrap_err().to_string();
        assert!(
            error.contains("damaged") || error.contains("not an SQLite file"),
            "{part}: {error}"
        );
    }
}

/// One row of each kind, numbered from 1.
fn all_kinds() -> Vec<Row> {
    let time = FileTime::from_ticks(134_000_000_123_456_789);
    let Subject::Request(mut refused) = accepted(2, FileTime::from_ticks(u64::MAX)) else {
        panic!("a request")
    };
    refused.outcome = OutcomeKind::Refused;
    refused.reason = Some("clocks more than 4 h apart".into());
    (refused.hresult, refused.answer, refused.counted) = (Some(0xC004_F06C), None, false);
    refused.fault = Some(FaultApplied { rule: "skew".into(), kind: "clock-offset".into() });
    refused.ndr = Ndr::Ndr32;
    refused.request.as_mut().unwrap().machine_name = MachineName::from_units([0x41; 64]);
    let unread = |outcome, hresult| {
        let Subject::Request(mut exchange) = accepted(3, time) else { panic!("a request") };
        exchange.peer = "[2001:db8::1]:7".parse().unwrap();
        (exchange.request, exchange.answer, exchange.counted) = (None, None, false);
        (exchange.outcome, exchange.hresult) = (outcome, hresult);
        exchange.reason = Some("why".into());
        exchange
    };
    let mut bad_stub = unread(OutcomeKind::BadStub, None);
    bad_stub.peer = "198.51.100.1:9".parse().unwrap();
    let peer = Some("192.0.2.7:1".parse().unwrap());
    let subjects = [
        accepted(1, time),
        Subject::Request(refused),
        Subject::Request(unread(OutcomeKind::ForeignKey, Some(0x8007_000D))),
        Subject::Request(bad_stub),
        Subject::Event(Event::new(EventKind::ClockChanged, "5h ahead")),
        Subject::Event(Event {
            kind: EventKind::FaultApplied,
            peer,
            detail: "at accept".into(),
            fault: Some(FaultApplied { rule: "1".into(), kind: "refuse".into() }),
        }),
    ];
    (1..).zip(subjects).map(|(number, subject)| row(number, subject)).collect()
}

fn row(number: u64, subject: Subject) -> Row {
    let host_time = FileTime::from_ticks(134_000_000_123_456_789);
    let real_time_us = NOW_US + i64::try_from(number).unwrap();
    Row { number, real_time_us, host_time, host: HostName::default(), subject }
}

fn fill(path: &Path, rows: &[Row]) {
    Store::open(path).unwrap().write(rows, &[], None).unwrap();
}
