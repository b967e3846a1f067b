//! What tests compare: SRV answers of the probe and of `dig`, as sets.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use kms_probe::dns::message::{Record, RecordData};

/// Priority, weight, port, target and TTL.
pub(crate) type Answer = (u16, u16, u16, String, u32);

pub(crate) fn of_probe(records: &[Record]) -> BTreeSet<Answer> {
    let services = records.iter().filter_map(|record| match &record.data {
        RecordData::Service(s) => {
            Some((s.priority, s.weight, s.port, s.target.to_string(), record.ttl))
        }
        _ => None,
    });
    services.collect()
}

pub(crate) fn of_dig(server: SocketAddr, name: &str) -> BTreeSet<Answer> {
    let output = Command::new("dig")
        .args(["+noall", "+answer", "-p", &server.port().to_string(), "-t", "SRV", "-q", name])
        .arg(format!("@{}", server.ip()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    lines.map(answer).collect()
}

/// `owner ttl IN SRV priority weight port target`.
fn answer(line: &str) -> Answer {
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(fields[3], "SRV", "{line}");
    let number = |index: usize| fields[index].parse().unwrap();
    let target = match fields[7] {
        "." => ".",
        name => name.trim_end_matches('.'),
    };
    (number(4), number(5), number(6), target.to_owned(), fields[1].parse().unwrap())
}
