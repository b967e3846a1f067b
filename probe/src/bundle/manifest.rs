//! The list of what is in a bundle.

use serde::{Deserialize, Serialize};

/// The last entry of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    pub schema_version: u32,
    /// The program that made it.
    pub tool: Tool,
    /// When, RFC 3339 in UTC.
    pub made: String,
    /// Whether names and addresses are pseudonyms.
    pub redacted: bool,
    /// Everything else in the archive, in its order.
    pub parts: Vec<Part>,
    /// What was to be in it and is not.
    pub left_out: Vec<LeftOut>,
}

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// One entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name in the archive.
    pub name: String,
    /// What it is, in words.
    pub what: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// Something that is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// What it would have been.
    pub name: String,
    /// Why it is not there.
    pub why: String,
}

/// Its name in the archive.
pub const MANIFEST: &str = "manifest.json";
/// Version of the form.
pub const SCHEMA_VERSION: u32 = 1;
