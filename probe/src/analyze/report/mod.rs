//! The forms of a report on an analysis.

pub mod csv;
pub mod json;
pub mod text;
