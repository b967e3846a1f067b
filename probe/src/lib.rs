//! kms-probe: proves that DNS, firewall and path let clients reach a KMS host, and says who must
//! fix what.

pub mod dns;
