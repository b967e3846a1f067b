//! From facts to verdicts, one pure function per stage.

mod bind;
mod clock;
mod dns;
mod kms;
mod rpc;
mod tcp;
mod tls;
mod words;

pub use bind::bind;
pub(crate) use clock::offset;
pub use clock::{ClockOf, clock, clock_finding};
pub use dns::{dns, dns_finding, dns_passed_over};
pub use kms::kms;
pub use rpc::rpc;
pub use tcp::{accepts_all, tcp};
pub use tls::{tls, towards_tls};
pub use words::duration;
pub(crate) use words::{count, readable};

use std::net::{IpAddr, SocketAddr};

/// Which conversation is being judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name, or the address as text where there is no name.
    pub host: String,
    /// Where the connection goes.
    pub address: SocketAddr,
    /// This end of it, once known.
    pub source: Option<IpAddr>,
}

impl Endpoint {
    /// The values that every sentence may use.
    fn values(&self) -> Vec<(&'static str, String)> {
        let mut values = vec![
            ("endpoint", self.to_string()),
            ("host", self.host.clone()),
            ("address", self.address.ip().to_string()),
            ("port", self.address.port().to_string()),
        ];
        if let Some(source) = self.source {
            values.push(("source", source.to_string()));
        }
        values
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = self.address.ip().to_string();
        if self.host == address {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}:{} ({address})", self.host, self.address.port())
        }
    }
}
