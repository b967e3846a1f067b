//! The journal of a running `kms-sim serve`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::sim::{Sim, assert_refused, kms_sim};
use common::{Reply, request};
use kms_protocol::kms::Request;
use kms_protocol::kms::crypto::LabKey;
use rusqlite::Connection;

#[test]
fn a_restarted_host_knows_its_clients_and_every_row_is_there() {
    for durability in ["full", "async"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lab.journal");
        let flags = ["--journal", path.to_str().unwrap(), "--durability", durability];
        let sim = Sim::start(&flags);
        for client in 1..=7 {
            assert_eq!(sim.bind().ask(&request(client)).count(), u32::from(client));
        }
        let mut foreign = sim.bind();
        foreign.use_key(&LabKey::from_bytes([9; 16]));
        assert!(matches!(foreign.ask(&request(1)), Reply::Error(0x8007_000D)));
        let skewed = Request { client_time: Default::default(), ..request(2) };
        assert!(matches!(sim.bind().ask(&skewed), Reply::Error(0xC004_F06C)));
        let log = sim.stop();
        assert!(log.contains(&format!("durability=\"{durability}: ")), "{log}");
        assert!(log.contains("journal closed rows=11 "), "{log}");

        let sim = Sim::start(&flags);
        assert_eq!(sim.bind().ask(&request(3)).count(), 7, "{durability}");
        assert_eq!(sim.bind().ask(&request(8)).count(), 8, "{durability}");
        sim.stop();
        let outcomes = rows(&path, "SELECT outcome FROM request ORDER BY number");
        let mut expected = vec!["accepted"; 7];
        expected.extend(["foreign-key", "refused", "accepted", "accepted"]);
        assert_eq!(outcomes, expected, "{durability}");
        let events = rows(&path, "SELECT kind FROM event ORDER BY number");
        assert_eq!(events, ["host-started", "host-stopped", "host-started", "host-stopped"]);
    }
}

#[test]
fn a_journal_that_cannot_be_used_keeps_the_host_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("notes.txt");
    std::fs::write(&foreign, "not a journal\n").unwrap();
    for (path, named) in [
        (foreign.as_path(), "not an SQLite file"),
        (folder.path(), "is a directory"),
        (Path::new("/nonexistent/lab.journal"), "does its directory exist"),
    ] {
        let mut command = kms_sim();
        command.args(["serve", "--listen", "127.0.0.1:0", "--journal"]).arg(path);
        assert_refused(&command.output().unwrap(), named);
    }
    let sim = Sim::start(&["--journal", folder.path().join("used").to_str().unwrap()]);
    let mut command = kms_sim();
    command.args(["serve", "--listen", "127.0.0.1:0", "--journal"]).arg(folder.path().join("used"));
    assert_refused(&command.output().unwrap(), "in use by another kms-sim");
    drop(sim);
}

fn rows(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
