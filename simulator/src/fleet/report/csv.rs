//! A run as a table over time: one row for each instant that was sampled.

use std::io;

use kms_page::Sheet;

use super::timeline::{STATES, Timeline, date};
use crate::fleet::scenario::Scenario;

/// The table. Requests are those since the row before; peaks are the most in one minute since then.
///
/// # Errors
/// None in practice: writing to memory.
pub(super) fn report(scenario: &Scenario, timeline: &Timeline<'_>) -> io::Result<Vec<u8>> {
    let mut headings: Vec<String> = ["time", "seconds"].map(str::to_owned).into();
    headings.extend(STATES.iter().map(|state| (*state).to_owned()));
    headings.push("on".to_owned());
    for host in &timeline.hosts {
        headings.extend(HOST_COLUMNS.iter().map(|column| format!("{} {column}", host.name)));
    }
    let mut out = Vec::new();
    let mut sheet = Sheet::new(&mut out, headings)?;
    let requests: Vec<Vec<u64>> =
        timeline.hosts.iter().map(|host| host.requests().collect()).collect();
    for (index, (instant, clients)) in timeline.instants.iter().zip(&timeline.clients).enumerate() {
        let mut row = vec![date(scenario, *instant).to_string(), instant.0.to_string()];
        row.extend(clients.states.iter().map(u64::to_string));
        row.push(clients.on.to_string());
        for (host, requests) in timeline.hosts.iter().zip(&requests) {
            let sample = host.samples.get(index).copied().unwrap_or_default();
            row.push(requests.get(index).copied().unwrap_or_default().to_string());
            row.push(sample.peak_requests_per_minute.to_string());
            row.push(sample.count_windows.to_string());
            row.push(sample.count_office.to_string());
        }
        sheet.row(row)?;
    }
    sheet.flush()?;
    drop(sheet);
    Ok(out)
}

const HOST_COLUMNS: [&str; 4] =
    ["requests", "peak_requests_per_minute", "count_windows", "count_office"];
