//! Facts and verdicts as people and programs read them: one file per format.

pub mod changes;
pub mod explain;
pub mod facts_text;
mod file;
pub mod html;
pub mod json;
pub mod junit;
pub mod nagios;
pub mod ndjson;
pub mod prometheus;
mod style;
pub mod text;
pub(crate) mod words;

pub use file::PendingFile;
pub use kms_page::text::escape;
pub use style::Style;
