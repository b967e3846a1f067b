//! kms-sim: a lab KMS host that cannot activate anything.

pub mod cli;
pub mod dns;
pub mod model;
pub mod serve;
