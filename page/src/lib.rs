//! Self-contained HTML pages with plots, CSV and sparklines, for the reports of both tools.
//!
//! This crate knows how a report looks and nothing of what it says. Everything is a value that is
//! filled in and then rendered; nothing here does I/O except [`Sheet`], which writes to what it is
//! given, and nothing reads a clock.
//!
//! ```
//! use kms_page::{Axis, Column, Footer, KeyFigure, Page, Plot, Section, Series, Table, Tone};
//!
//! let mut table = Table::new([Column::text("host"), Column::number("count")]);
//! table.row(["kms1.corp.test".into(), 26.into()]);
//! let latency = Series::new("bind", vec![(0.0, 71.0), (1.0, f64::NAN), (2.0, 68.5)]);
//! let page = Page {
//!     title: "KMS check".to_owned(),
//!     subtitle: "corp.test".to_owned(),
//!     figures: vec![KeyFigure::new("healthy", "1 of 1").tone(Tone::Ok)],
//!     sections: vec![
//!         Section::new("Hosts").with(table),
//!         Section::new("Latency").with(
//!             Plot::lines("Bind", Axis::new("time", "s"), Axis::new("latency", "us"), vec![latency])
//!                 .rule(100.0, "objective"),
//!         ),
//!     ],
//!     footer: Footer {
//!         tool: "kms-probe 0.1.0".to_owned(),
//!         made: "2026-11-24T10:00:00Z".to_owned(),
//!         notes: Vec::new(),
//!     },
//! };
//! assert!(page.render().starts_with("<!DOCTYPE html>"));
//! ```
//!
//! # What holds for every page
//!
//! - Text is data: whatever a cell, label or title contains, it cannot become an element, an
//!   attribute or a script, and control characters, direction marks and invisible characters are
//!   shown as `\u{202e}` and the like. A caller with markup of its own writes it with `maud`, which
//!   escapes as well; `PreEscaped` is not for text from elsewhere.
//! - A page needs no other file and no script; its own policy (`default-src 'none'`) would stop one.
//! - It reads in light and dark, on paper, and at a width of 400 pixels.
//! - Colour never carries a meaning alone: there is always a word or a dash pattern beside it.
//! - Every table and plot has a limit, named where it is defined; what is left out is said below it.
//! - Numbers that are not finite are gaps and never reach the SVG.

#![forbid(unsafe_code)]

pub mod exposition;
mod html;
mod nearest;
pub mod plot;
mod sheet;
pub mod spark;
pub mod text;

pub use html::{
    Cell, Column, Details, Footer, KeyFigure, Matrix, Page, Section, Step, Strip, Table, Tone,
};
pub use maud::{Markup, Render};
pub use nearest::nearest;
pub use plot::{Axis, Bars, Bin, Plot, Series};
pub use sheet::Sheet;
