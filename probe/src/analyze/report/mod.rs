//! The forms of a report on an analysis.

pub mod csv;
pub mod html;
pub mod json;
pub mod text;
