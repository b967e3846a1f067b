//! `check --clock`: whom to ask for the time.

use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::values;
use crate::check::{ClockOptions, SNTP_PORT};
use crate::stage::Stage;
use crate::target::{Asked, Target};

/// Whom to ask for the time.
#[derive(Debug, Args)]
pub(super) struct ClockArgs {
    /// Compare clocks, for a KMS host refuses clients that are more than 4 hours off: `ntlm` reads
    /// the host's from an NTLM challenge on its KMS port (the host may log it), `sntp` by SNTP,
    /// `both` does both, `sntp://HOST[:PORT]` asks a time server; may be repeated
    #[arg(long = "clock", value_name = "HOW", value_parser = clock)]
    clocks: Vec<Clock>,
    /// Time for each clock
    #[arg(long, value_name = "DURATION", value_parser = values::duration, allow_hyphen_values = true)]
    pub(super) clock_timeout: Option<Duration>,
}

/// One value of the flag.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Clock {
    /// The KMS host, by NTLM.
    Ntlm,
    /// The KMS host, by SNTP.
    Sntp,
    /// Both.
    Both,
    /// A time server.
    TimeServer(Asked),
}

impl ClockArgs {
    /// What the flags ask for, in a check of this depth.
    ///
    /// # Errors
    /// More time servers than make sense, or a check that goes to no host.
    pub(super) fn options(&self, depth: Stage) -> anyhow::Result<ClockOptions> {
        let mut options = ClockOptions::default();
        for clock in &self.clocks {
            match clock {
                Clock::Ntlm => options.ntlm = true,
                Clock::Sntp => options.sntp = true,
                Clock::Both => (options.ntlm, options.sntp) = (true, true),
                Clock::TimeServer(server) if options.time_servers.contains(server) => {}
                Clock::TimeServer(server) => options.time_servers.push(server.clone()),
            }
        }
        if options.time_servers.len() > TIME_SERVERS_MAX {
            bail!("at most {TIME_SERVERS_MAX} time servers can be named with --clock");
        }
        if depth == Stage::Dns && !options.is_empty() {
            bail!("--clock asks the host that was found, so it needs --depth tcp or more");
        }
        Ok(options)
    }
}

/// `ntlm`, `sntp`, `both` or `sntp://HOST[:PORT]`.
fn clock(text: &str) -> Result<Clock, String> {
    match text {
        "ntlm" => Ok(Clock::Ntlm),
        "sntp" => Ok(Clock::Sntp),
        "both" => Ok(Clock::Both),
        _ => {
            let host = text.strip_prefix("sntp://").ok_or_else(|| {
                "`ntlm`, `sntp`, `both` or `sntp://HOST[:PORT]` is wanted".to_owned()
            })?;
            let host = host.strip_suffix('/').unwrap_or(host);
            let target = Target::host(host, SNTP_PORT).map_err(|error| error.to_string())?;
            Ok(Clock::TimeServer(Asked { text: host.to_owned(), target }))
        }
    }
}

/// More would say the same again, one after the other.
const TIME_SERVERS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn options(texts: &[&str], depth: Stage) -> anyhow::Result<ClockOptions> {
        let clocks = texts.iter().map(|text| clock(text).unwrap()).collect();
        ClockArgs { clocks, clock_timeout: None }.options(depth)
    }

    #[test]
    fn clocks_are_the_hosts_own_or_a_time_server() {
        assert_eq!(clock("ntlm"), Ok(Clock::Ntlm));
        assert_eq!(clock("both"), Ok(Clock::Both));
        for text in ["sntp://192.0.2.1", "sntp://192.0.2.1:123", "sntp://192.0.2.1/"] {
            let Ok(Clock::TimeServer(asked)) = clock(text) else { panic!("{text}") };
            assert_eq!(asked.target, Target::Address(([192, 0, 2, 1], 123).into()), "{text}");
        }
        for text in ["", "NTLM", "ntp://a", "sntp://", "sntp://a b", "sntp://a:0", "sntp://a/b"] {
            assert!(clock(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_flag_may_be_repeated_and_says_nothing_twice() {
        let named = options(&["sntp://ntp1", "ntlm", "sntp://ntp1", "sntp://ntp2"], Stage::Rpc);
        let named = named.unwrap();
        assert!(named.ntlm && !named.sntp);
        assert_eq!(named.time_servers.len(), 2);
        let both = options(&["both"], Stage::Tcp).unwrap();
        assert!(both.ntlm && both.sntp);
    }

    #[test]
    fn a_fifth_time_server_and_a_check_of_names_alone_are_refused() {
        let five = ["sntp://a", "sntp://b", "sntp://c", "sntp://d", "sntp://e"];
        assert!(options(&five[..TIME_SERVERS_MAX], Stage::Rpc).is_ok());
        assert!(options(&five, Stage::Rpc).unwrap_err().to_string().contains("at most 4"));
        assert!(options(&["ntlm"], Stage::Dns).is_err());
        assert!(options(&[], Stage::Dns).unwrap().is_empty());
    }
}
