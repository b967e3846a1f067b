//! A sweep as CSV: a line for each address, in the order of the list. What was not reached is empty,
//! and no cell is a formula.

use std::io;

use anyhow::Context as _;
use kms_page::Sheet;

use super::Swept;
use super::record::{Place, Record};
use crate::stage::Stage;

/// Writes the finished rows.
///
/// # Errors
/// When the journal cannot be read, or what `out` returns.
pub fn write(swept: &Swept, out: &mut dyn io::Write) -> anyhow::Result<()> {
    let times = Stage::ALL.map(|stage| format!("{}_us", stage.name()));
    let headings = HEADINGS.iter().map(|&name| name.to_owned()).chain(times);
    let headings = headings.chain(LAST_HEADINGS.iter().map(|&name| name.to_owned()));
    let mut sheet = Sheet::new(out, headings)?;
    for (number, row) in swept.rows.iter().enumerate() {
        let Some(record) = swept.journal.record(number)? else { continue };
        for place in &record.targets {
            sheet.row(cells(row.line, &record, place)).context("cannot write the table")?;
        }
    }
    Ok(sheet.flush()?)
}

fn cells(line: usize, record: &Record, place: &Place) -> Vec<String> {
    let time = |stage: &Stage| {
        let step = place.stages.iter().find(|step| step.stage == stage.name());
        step.map(|step| step.elapsed_us.to_string()).unwrap_or_default()
    };
    let mut cells = vec![
        record.row.to_string(),
        line.to_string(),
        record.site.clone(),
        record.target.clone(),
        place.host.clone().unwrap_or_default(),
        place.port.map(|port| port.to_string()).unwrap_or_default(),
        place.address.map(|address| address.to_string()).unwrap_or_default(),
        place.verdict.clone(),
        place.severity.name().to_owned(),
        record.attempts.to_string(),
        place.client_sees.join(" "),
    ];
    cells.extend(Stage::ALL.iter().map(time));
    cells.extend([place.cause.clone(), place.remedy.clone().unwrap_or_default()]);
    cells
}

const HEADINGS: [&str; 11] = [
    "row",
    "line",
    "site",
    "target",
    "host",
    "port",
    "address",
    "verdict",
    "severity",
    "attempts",
    "client_sees",
];
const LAST_HEADINGS: [&str; 2] = ["cause", "remedy"];
