//! Where on the path the SYN to a port stops, beside ports of the same address that should pass.
//!
//! [`sockets`] sends SYNs of every TTL and returns facts; [`path`] gathers them by port and hop;
//! [`judge`] concludes, purely, and says what cannot be known; [`text`] and [`json`] show it.
//!
//! A trace needs no privilege. It sees routers by their ICMP "time exceeded", and the host by its
//! SYN-ACK or reset. Every probe has a source port of its own, so that on a load-balanced path
//! neighbouring hops need not lie on one way.

pub mod caveat;
mod entry;
pub mod facts;
pub mod json;
pub mod judge;
pub mod names;
pub mod path;
pub mod payload;
mod picture;
pub mod place;
mod progress;
pub mod sockets;
pub mod table;
pub mod text;
mod words;

use std::time::Duration;

pub use entry::{Entry, Report, Traced, run};

use crate::platform::origin::Origin;

/// How to trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Ports of the same address to compare with. The target's own port among them is left out.
    pub control_ports: Vec<u16>,
    /// The largest TTL, 1 to [`MAX_HOPS_MAX`].
    pub max_hops: u8,
    /// SYNs per TTL to the target's port, each with a source port of its own, 1 to [`FLOWS_MAX`];
    /// control ports have one.
    pub flows: u8,
    /// How long one trace may take.
    pub timeout: Duration,
    /// Whether routers are looked up by reverse DNS.
    pub names: bool,
    /// Whether an ICMP echo goes out beside the SYNs.
    pub ping: bool,
    /// From where SYNs and echo leave.
    pub origin: Origin,
}

impl Options {
    /// The control ports for a target port, each once.
    #[must_use]
    pub fn control_ports_beside(&self, port: u16) -> Vec<u16> {
        let mut ports: Vec<u16> = Vec::new();
        for control in &self.control_ports {
            if *control != port && !ports.contains(control) {
                ports.push(*control);
            }
        }
        ports
    }

    /// Whether a trace stays within its bounds.
    ///
    /// # Errors
    /// What is too much, in words.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=MAX_HOPS_MAX).contains(&self.max_hops) {
            return Err(format!("hops outside 1..{MAX_HOPS_MAX}: `{}`", self.max_hops));
        }
        if !(1..=FLOWS_MAX).contains(&self.flows) {
            return Err(format!("flows outside 1..{FLOWS_MAX}: `{}`", self.flows));
        }
        if self.control_ports.contains(&0) {
            return Err("a port outside 1..65535: `0`".to_owned());
        }
        let controls = self.control_ports.len();
        let probes = (usize::from(self.flows) + controls) * usize::from(self.max_hops);
        if probes > PROBES_MAX {
            return Err(format!(
                "too many SYNs for one trace: {} hops, {} flows and {controls} control ports make \
                 {probes}, and at most {PROBES_MAX} are sent",
                self.max_hops, self.flows
            ));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            control_ports: CONTROL_PORTS.to_vec(),
            max_hops: 30,
            flows: 3,
            timeout: Duration::from_secs(4),
            names: false,
            ping: false,
            origin: Origin::default(),
        }
    }
}

/// Ports that most Windows hosts answer, if only with a reset.
pub const CONTROL_PORTS: [u16; 2] = [443, 445];

/// The largest TTL that can be asked for.
pub const MAX_HOPS_MAX: u8 = 64;

/// The most flows that can be asked for.
pub const FLOWS_MAX: u8 = 16;

/// SYNs of one trace at most, each of which holds a socket: fewer than the usual limit of 1,024
/// descriptors.
pub const PROBES_MAX: usize = 900;

/// Addresses traced in one run at most.
pub const TRACES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_that_would_need_too_many_sockets_is_refused_with_its_numbers() {
        assert_eq!(Options::default().validate(), Ok(()));
        let options = Options { max_hops: 60, flows: 13, ..Options::default() };
        assert_eq!(options.validate(), Ok(()));
        let options = Options { flows: 14, ..options };
        assert!(options.validate().is_err_and(|error| error.contains("make 960, and at most 900")));
    }

    #[test]
    fn every_bound_is_named_with_the_value_that_breaks_it() {
        for (options, part) in [
            (Options { max_hops: 0, ..Options::default() }, "hops outside 1..64: `0`"),
            (Options { max_hops: 65, ..Options::default() }, "hops outside 1..64: `65`"),
            (Options { flows: 0, ..Options::default() }, "flows outside 1..16: `0`"),
            (Options { flows: 17, ..Options::default() }, "flows outside 1..16: `17`"),
            (Options { control_ports: vec![0], ..Options::default() }, "outside 1..65535: `0`"),
        ] {
            assert!(options.validate().is_err_and(|error| error.contains(part)));
        }
    }

    #[test]
    fn control_ports_are_each_used_once_and_never_the_target_itself() {
        let options = Options { control_ports: vec![443, 1688, 443, 22], ..Options::default() };
        assert_eq!(options.control_ports_beside(1688), [443, 22]);
        assert_eq!(options.control_ports_beside(443), [1688, 22]);
    }
}
