//! kms-sim: a lab KMS host that cannot activate anything.

pub mod admin;
pub mod cli;
pub mod client;
pub mod completion;
pub mod dns;
mod event_log;
pub mod fault;
pub mod fleet;
pub mod journal;
pub mod load;
pub mod locust;
pub mod log;
pub mod model;
pub mod serve;
mod slmgr;
