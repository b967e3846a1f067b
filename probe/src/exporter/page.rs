//! The page for a person who opens the exporter in a browser.

use std::sync::PoisonError;

use kms_page::{Cell, Column, Footer, KeyFigure, Page, Section, Table, Tone};

use super::Exporter;
use crate::verdict::judge;

/// What may be asked for, and the latest probes.
pub(super) fn index(exporter: &Exporter) -> String {
    let settings = exporter.settings();
    let mut paths = Table::new([Column::code("path"), Column::text("what it gives")]);
    for (path, what) in PATHS {
        paths.row([Cell::new(*path), Cell::new(*what)]);
    }
    let mut modules = Table::new([Column::code("module"), Column::text("last stage")]);
    for (name, module) in &settings.modules {
        modules.row([Cell::new(name), Cell::new(module.options.depth.name())]);
    }
    let mut targets = Table::new([Column::code("admitted")]);
    for rule in settings.allow.rules() {
        targets.row([Cell::new(rule.to_string())]);
    }
    let page = Page {
        title: "kms-probe exporter".to_owned(),
        subtitle: "checks of KMS hosts for Prometheus".to_owned(),
        figures: vec![
            KeyFigure::new("modules", settings.modules.len().to_string()),
            KeyFigure::new("probes now", exporter.metrics.in_flight.get().to_string())
                .note(format!("at most {}", exporter.options.places)),
        ],
        sections: vec![
            Section::new("Paths").with(paths),
            Section::new("Modules").with(modules),
            Section::new("Targets").with(targets),
            Section::new("Latest probes").with(recent(exporter)),
        ],
        footer: Footer {
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            made: jiff::Timestamp::now().to_string(),
            notes: Vec::new(),
        },
    };
    page.render()
}

fn recent(exporter: &Exporter) -> Table {
    let mut table = Table::new([
        Column::text("when"),
        Column::code("target"),
        Column::code("module"),
        Column::code("verdict"),
        Column::number("took"),
    ]);
    let recent = exporter.recent.lock().unwrap_or_else(PoisonError::into_inner);
    for probed in recent.iter() {
        let tone = match probed.severity {
            "ok" => Tone::Ok,
            "info" => Tone::Info,
            "warning" => Tone::Warning,
            _ => Tone::Critical,
        };
        table.row([
            Cell::new(&probed.at),
            Cell::new(&probed.target),
            Cell::new(&probed.module),
            Cell::new(&probed.verdict).tone(tone),
            Cell::new(judge::duration(probed.elapsed)),
        ]);
    }
    table
}

const PATHS: &[(&str, &str)] = &[
    ("/probe?target=TARGET&module=MODULE", "samples of one check, for Prometheus"),
    ("/probe?target=TARGET&module=MODULE&debug=true", "the same check as text, for you"),
    ("/metrics", "samples of the exporter itself"),
    ("/config", "the modules file as it was understood"),
    ("/-/healthy", "whether the process lives"),
    ("/-/reload", "POST: read the modules file again"),
];
