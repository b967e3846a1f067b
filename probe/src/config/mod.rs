//! Defaults of flags from configuration files and from the environment.
//!
//! Everything here works on clap's own description of the command line, so that a flag which a
//! command gains can be set in a file at once. Command line over environment over the user's file
//! over the system's file over built-in default; within one of these, the table of the command over
//! `[all]`.
//!
//! [`places`] says which files, [`mod@file`] reads one, [`option`] knows the flags as keys, [`layers`]
//! puts one over the other, [`show`] tells where each value came from, [`example`] writes a file.

pub mod example;
pub mod file;
pub mod layers;
pub mod option;
pub mod places;
pub mod show;

/// The table of keys that go to every command that has the flag.
pub const ALL: &str = "all";
