//! Measurements: what the criterion benches and the side-by-side harness share.
//!
//! The harness (`scripts/bench`) compares `kms-sim serve` with a *floor*: a bare tokio server that
//! reads and writes messages of the same sizes and does nothing with them. Both run as child
//! processes, on the same processors, driven by the same client, in turns. What counts is the ratio:
//! absolute figures say more about the machine.
//!
//! - [`script`]: the bytes that the client sends, and the sizes of the answers.
//! - [`exchange`]: one connection of the client, blocking: for learning sizes and for idle connections.
//! - [`drive`]: many connections at once, for rates.
//! - [`floor`]: the floor server.
//! - [`child`]: a server in a process of its own, its CPU time and its memory.
//! - [`check`]: one run of `kms-probe check` against its parts.
//! - [`sweep`]: `kms-probe sweep` beside nmap, in a [`network`] of its own, with the [`usage`] of each run.
//! - [`discover`]: `kms-probe discover` beside dig.
//! - [`journal`]: a journal that answers wait for, beside bare SQLite with the same batches.
//! - [`hold`]: how far [`hostile`] clients delay the exchanges of others.
//! - [`soak`]: whether a server under load, faults and dying clients grows; [`growth`] judges.
//! - [`load`]: `kms-sim load` beside the floor's client, against the floor with answers of an RPC server.
//! - [`earlier`]: `kms-sim serve` beside an earlier build of it.
//! - [`sans_io`]: the server's state machine without a socket; [`instructions`] counts what it takes.
//! - [`analyze`]: `kms-probe analyze` on a log of a million requests.
//! - [`machine`]: processors, descriptors, and what the report says about the machine.
//! - [`suite`]: the plan, its rounds, and the figures.
//! - [`report`]: text and JSON.

pub mod analyze;
pub mod check;
pub mod child;
pub mod discover;
pub mod drive;
pub mod earlier;
pub mod exchange;
pub mod floor;
pub mod growth;
pub mod hold;
pub mod hostile;
pub mod instructions;
pub mod journal;
pub mod load;
pub mod machine;
pub mod network;
pub mod report;
pub mod sans_io;
pub mod script;
pub mod soak;
pub mod suite;
pub mod sweep;
pub mod usage;
