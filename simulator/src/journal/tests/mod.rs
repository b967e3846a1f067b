#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod askers;
mod files;
mod reading;
mod restore;
mod retention;

use std::path::Path;

use kms_protocol::filetime::FileTime;
use kms_protocol::guid::Guid;
use kms_protocol::kms::product::DEFAULT;
use kms_protocol::kms::{LicenseStatus, MachineName, Request, Version};
use kms_protocol::ndr::Ndr;
use rusqlite::Connection;

use super::*;
use crate::model::HostName;

/// A journal in `path` whose every answer waits for its row.
fn open(path: &Path) -> Result<OpenJournal, JournalError> {
    OpenJournal::open(JournalConfig::new(path, Durability::Full), &[HostName::default()])
}

/// Opens and starts, with the table as it was restored.
fn start(path: &Path) -> Journal {
    let journal = open(path).unwrap();
    let clients = journal.clients(&HostName::default());
    journal.start(vec![(HostName::default(), clients)]).unwrap()
}

/// An accepted request of client number `client` at `host_time`.
fn accepted(client: u8, host_time: FileTime) -> Subject {
    Subject::Request(Box::new(Exchange {
        peer: "192.0.2.7:50000".parse().unwrap(),
        ndr: Ndr::Ndr64,
        outcome: OutcomeKind::Accepted,
        reason: None,
        request: Some(request(client, host_time)),
        hresult: Some(0),
        answer: Some(AnswerRow {
            count: 1,
            activation_interval_minutes: 120,
            renewal_interval_minutes: 10_080,
        }),
        counted: true,
        fault: None,
    }))
}

fn request(client: u8, client_time: FileTime) -> Request {
    Request {
        version: Version::V6,
        vm_info: 0,
        license_status: LicenseStatus::OOB_GRACE,
        binding_expiration_minutes: 43_200,
        app_id: DEFAULT.app_id,
        sku_id: DEFAULT.sku_id,
        kms_id: DEFAULT.kms_id,
        cmid: Guid::from_bytes([client; 16]),
        n_policy: DEFAULT.n_policy,
        client_time,
        cmid_previous: Guid::ZERO,
        machine_name: MachineName::new("LAB-PC").unwrap(),
    }
}

/// Records `subject` and returns its number.
fn record(journal: &Journal, host_time: FileTime, subject: Subject) -> u64 {
    let ticket = journal.ticket();
    let number = ticket.number();
    journal.record(
        ticket,
        Row { number, real_time_us: NOW_US, host_time, host: HostName::default(), subject },
    );
    number
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A time at which no row is old: in 2255.
const NOW_US: i64 = 9_000_000_000_000_000;
