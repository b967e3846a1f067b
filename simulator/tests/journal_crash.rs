//! `kms-sim serve --durability full`, killed at random moments under load: what a client was told
//! is in the journal, and the host goes on from there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the seed is printed where a failure shows it")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use common::sim::{Sim, kms_sim};
use common::{Client, Reply, request};
use kms_protocol::guid::Guid;
use kms_protocol::kms::{MachineName, Request};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;

#[test]
fn nothing_acknowledged_is_lost_when_the_host_is_killed_fifty_times() {
    let seed: u64 = std::env::var("KMS_CRASH_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("KMS_CRASH_SEED={seed} repeats this choice of moments");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kills, mut acknowledged) = (0, 0);
    for file in 0..FILES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut lab = Lab::default();
        for round in 0..KILLS_PER_FILE {
            let sim = start(&path);
            lab.check_count(sim.address, &path, round);
            let moment = rng.random_range(0..ACKNOWLEDGED_MAX);
            lab.load_and_kill(sim, &format!("{file}-{round}"), moment);
            lab.check_file(&path);
            kills += 1;
        }
        acknowledged += lab.acknowledged.len();
    }
    assert!(kills >= 50, "{kills}");
    assert!(acknowledged > kills, "under load: {acknowledged} acknowledged");
    println!("{kills} kills, {acknowledged} acknowledged activations, none lost");
}

#[test]
fn a_host_that_is_killed_while_it_starts_leaves_a_usable_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for _ in 0..10 {
        let mut command = kms_sim();
        command.args(["serve", "--listen", "127.0.0.1:0", "--durability", "full", "--journal"]);
        let mut child = command.arg(&path).stdout(std::process::Stdio::null()).spawn().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let sim = start(&path);
    assert_eq!(sim.bind().ask(&request(1)).count(), 1);
    sim.stop();
    assert_eq!(text(&Connection::open(&path).unwrap(), "PRAGMA integrity_check"), ["ok"]);
}

/// What the clients of one journal know.
#[derive(Default)]
struct Lab {
    /// Names of requests, each used once, that were answered, with the count that was told.
    acknowledged: BTreeMap<String, u32>,
    sent: BTreeSet<String>,
}

/// What one client reports.
enum Report {
    Sent(String),
    Acknowledged(String, u32),
}

impl Lab {
    /// Asks from several connections until `moment` answers have come, and kills the host.
    fn load_and_kill(&mut self, mut sim: Sim, label: &str, moment: usize) {
        let (reports, received) = channel();
        let address = sim.address;
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|client| {
                let (reports, label) = (reports.clone(), format!("{label}-{client}"));
                thread::spawn(move || ask_until_the_end(address, &label, client, &reports))
            })
            .collect();
        drop(reports);
        let mut answers = 0;
        let mut killed = false;
        if moment == 0 {
            sim.child.kill().unwrap();
            killed = true;
        }
        // Until every client has seen the end.
        for report in received {
            match report {
                Report::Sent(name) => {
                    self.sent.insert(name);
                }
                Report::Acknowledged(name, count) => {
                    self.acknowledged.insert(name, count);
                    answers += 1;
                }
            }
            if answers >= moment && !killed {
                sim.child.kill().unwrap();
                killed = true;
            }
        }
        for client in clients {
            client.join().unwrap();
        }
        assert!(killed, "the clients ended by themselves after {answers} answers");
        sim.child.wait().unwrap();
    }

    /// The file is sound, has every acknowledged request with the count that was told, and holds a
    /// prefix of what happened: no number is missing.
    fn check_file(&self, path: &Path) {
        let connection = Connection::open(path).unwrap();
        assert_eq!(text(&connection, "PRAGMA integrity_check"), ["ok"]);
        let mut rows = connection.prepare("SELECT machine_name, count FROM request").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let rows: BTreeMap<String, u32> = rows.collect::<Result<_, _>>().unwrap();
        for (name, count) in &self.acknowledged {
            assert_eq!(rows.get(name), Some(count), "{name} was acknowledged");
        }
        for name in rows.keys() {
            assert!(self.sent.contains(name) || name == CHECKER, "{name} was never sent");
        }
        let gaps = "SELECT count(*) <> max(number) FROM
            (SELECT number FROM request UNION ALL SELECT number FROM event)";
        let has_gaps: bool = connection.query_row(gaps, [], |row| row.get(0)).unwrap();
        assert!(!has_gaps, "numbers are missing");
    }

    /// The restarted host counts the distinct clients of the journal, and one more that asks now.
    fn check_count(&mut self, address: SocketAddr, path: &Path, round: usize) {
        let connection = Connection::open(path).unwrap();
        let sql = "SELECT count(DISTINCT cmid) FROM request WHERE cmid <> ?1";
        let checker = Guid::from_bytes([0xCC; 16]);
        let known: u32 = connection.query_row(sql, [checker.as_bytes()], |row| row.get(0)).unwrap();
        let asked = Request {
            cmid: checker,
            machine_name: MachineName::new(CHECKER).unwrap(),
            ..request(0)
        };
        assert_eq!(Client::bind(address).unwrap().ask(&asked).count(), known + 1, "round {round}");
    }
}

/// One connection: a request after the other, from a few client machines, until it breaks.
fn ask_until_the_end(address: SocketAddr, label: &str, client: u8, reports: &Sender<Report>) {
    let Ok(stream) = TcpStream::connect(address) else { return };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let Some(mut connection) = Client::bind_on(stream, 0) else { return };
    for number in 0u16.. {
        let name = format!("{label}-{number}");
        // New ones come in slowly, so that the count still grows in the last rounds.
        let machine = 1 + (usize::from(client) * 5 + usize::from(number) / 40) % MACHINES;
        let asked = Request {
            machine_name: MachineName::new(&name).unwrap(),
            ..request(u8::try_from(machine).unwrap())
        };
        reports.send(Report::Sent(name.clone())).unwrap();
        match connection.ask(&asked) {
            Reply::Answer(opened) => {
                reports.send(Report::Acknowledged(name, opened.response.count)).unwrap();
            }
            Reply::Closed => return,
            other => panic!("neither an answer nor the end: {other:?}"),
        }
    }
}

fn start(path: &Path) -> Sim {
    let path = path.to_str().unwrap();
    Sim::start(&[
        "--journal",
        path,
        "--durability",
        "full",
        "--workers",
        "2",
        "--log-level",
        "warn",
    ])
}

fn text(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

const SEED: u64 = 0x6B6D_735F_7369_6D21;
const FILES: usize = 5;
const KILLS_PER_FILE: usize = 10;
const CONNECTIONS: u8 = 8;

/// The host is killed after so many answers at the latest.
const ACKNOWLEDGED_MAX: usize = 400;

/// With the checker fewer than the fifty that a host remembers.
const MACHINES: usize = 45;

/// The name of the client that asks for the count.
const CHECKER: &str = "CHECKER";

/// Far longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(30);
