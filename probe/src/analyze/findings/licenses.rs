//! Findings from what slmgr and ospp print, and from our own reports.

use kms_protocol::kms::product::PRODUCTS;

use super::super::moment::Moment;
use super::super::record::{Channel, License};
use super::super::records::Records;
use super::events::{MINUTES_LOW, explained};
use super::{Gathered, Seen, Subject};

pub(super) fn find(records: &Records, gathered: &mut Gathered) {
    for (index, license) in records.licenses.iter().enumerate() {
        let subject = Subject::License(u32::try_from(index).unwrap_or(u32::MAX));
        let place = license.place;
        let seen = Seen { subject, place, time: Moment::UNKNOWN, code: license.code };
        of_license(license, &seen, gathered);
    }
    for verdict in &records.verdicts {
        if !matches!(verdict.severity.as_str(), "critical" | "warning") {
            continue;
        }
        let subject = Subject::Named(verdict.target);
        let seen = Seen { subject, place: verdict.place, time: Moment::UNKNOWN, code: None };
        gathered.add("report.verdict", &seen, || {
            // The sentence names the target, which is to be hidden with all other names.
            match records.names.redacts() {
                true => verdict.code.clone(),
                false => format!("{}: {}", verdict.code, verdict.cause),
            }
        });
    }
}

fn of_license(license: &License, seen: &Seen, gathered: &mut Gathered) {
    if let Some(channel) = license.channel
        && let Some(words) = other_channel(channel)
    {
        gathered.add("license.not_kms_channel", seen, || words.to_owned());
    }
    if let (Some(Channel::KmsClient), Some(key)) = (license.channel, &license.partial_key) {
        let owner = PRODUCTS.iter().find(|product| {
            product.gvlk.is_some_and(|gvlk| gvlk.rsplit('-').next() == Some(key.as_str()))
        });
        if let Some(product) = owner
            && contradicts(product.name, &license.product)
        {
            gathered.add("license.gvlk_of_another_edition", seen, || {
                format!("the key ends in {key}, which is the one of {}", product.name)
            });
        }
    }
    match license.status {
        Some(LICENSED) => {
            let is_kms = license.channel.is_none_or(|channel| channel == Channel::KmsClient);
            if let Some(minutes) = license.minutes.filter(|left| is_kms && *left < MINUTES_LOW) {
                gathered.add("license.validity_low", seen, || {
                    format!("{} days are left", minutes / 1_440)
                });
            }
        }
        Some(UNLICENSED | NOTIFICATION) => {
            gathered.add("license.expired", seen, || match license.code {
                Some(code) => explained(code),
                None => "its status says so".to_owned(),
            });
        }
        _ => {}
    }
    if license.dns_found_none && !license.registered_host.is_some() {
        gathered.add("license.no_host_in_dns", seen, || {
            "DNS auto-discovery found no KMS host".to_owned()
        });
    }
    if let Some(host) = license.host
        && let Some(failed) = host.failed.filter(|failed| *failed > 0)
    {
        gathered.add("host.requests_refused", seen, || match host.total {
            Some(total) => format!("{failed} of {total} requests"),
            None => format!("{failed} requests"),
        });
    }
}

/// What a channel is, where it does not ask a KMS host.
const fn other_channel(channel: Channel) -> Option<&'static str> {
    match channel {
        Channel::Mak => Some("a MAK is installed: it activates with Microsoft, once"),
        Channel::Retail => Some("a retail key is installed"),
        Channel::Oem => Some("a key of the machine's maker is installed"),
        Channel::KmsClient | Channel::KmsHost | Channel::Other => None,
    }
}

/// Whether the product of a key and the product that the licence names have different editions.
/// Only words that stand in both lists can contradict each other.
fn contradicts(product: &str, license: &str) -> bool {
    let edition = |text: &str| {
        let small = text.to_lowercase();
        EDITIONS.iter().position(|words| words.iter().any(|word| small.contains(word)))
    };
    match (edition(product), edition(license)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    }
}

/// Words of editions, each list for one; the first that matches counts.
const EDITIONS: [&[&str]; 6] = [
    &["enterprise"],
    &["education"],
    &["datacenter"],
    &["essentials"],
    &["standard"],
    &["professional", " pro"],
];

const UNLICENSED: u8 = 0;
const LICENSED: u8 = 1;
const NOTIFICATION: u8 = 5;
