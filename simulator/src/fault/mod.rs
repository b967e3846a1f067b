//! Faults as data: rules that say where, when and what goes wrong.
//!
//! ```text
//! file, flag, JSON ── Pairs (keys and texts) ── Rule { stage, place, when, action }
//! event ── Facts ── FaultSet::decide ── Hit { action, draw } ── wire::steps, or the one who answers
//! ```
//!
//! Pure: no socket, no clock, no randomness of its own. A decision depends on the seed, the rule and
//! the running number of the event among those that the rule matched; the first rule that strikes
//! wins. No action can set an ePID, a hardware id or a key (see SECURITY.md).

mod action;
mod compact;
mod delay;
mod dns;
mod draw;
mod file;
mod glob;
mod kind;
mod network;
mod pairs;
mod place;
mod rule;
mod serial;
mod set;
mod when;
pub mod wire;

#[cfg(test)]
mod tests;

pub use action::Action;
pub use compact::{looks_like_a_rule, parse as parse_compact};
pub use delay::{DELAY_MAX, Delay};
pub use dns::dns_fault;
pub use draw::Draw;
pub use file::{FILE_BYTES_MAX, FileError, parse as parse_file};
pub use glob::{GLOB_CHARS_MAX, Glob};
pub use kind::{FieldSpec, KINDS, Kind, KindSpec};
pub use network::Network;
pub use pairs::{Pairs, RuleError, VALUES_MAX};
pub use place::{Facts, Place, ProductFilter, Question, Stage};
pub use rule::{BadRuleId, ID_CHARS_MAX, Rule, RuleId};
pub use set::{Applied, FaultSet, Hit, Listed, RULES_MAX, Replaced, SetError, Source};
pub use when::{Moment, When};
