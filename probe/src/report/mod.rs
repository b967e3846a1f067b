//! Facts and verdicts as people and programs read them: one file per format.

pub mod explain;
pub mod facts_text;
pub mod json;
mod style;
pub mod text;

pub use kms_page::text::escape;
pub use style::Style;
