//! What this machine itself believes of a name: hosts file, caches and whatever else stands before
//! DNS on it.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;

use hickory_proto::op::Query;
use hickory_proto::rr::RecordType;
use hickory_resolver::Hosts;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::name::{DomainName, escape_text};

/// The operating system's answer for one host name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalAnswer {
    /// The name asked for.
    pub host: DomainName,
    /// The addresses it gives, sorted; empty if none.
    pub addresses: Vec<IpAddr>,
    /// The hosts file has the name.
    pub in_hosts_file: bool,
    /// The system's words where it found nothing.
    pub error: Option<String>,
}

/// Which of its sources this machine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// All of them, its own DNS servers included.
    System,
    /// The hosts file alone: where other DNS servers are under test, the machine's own prove
    /// nothing, and may be the very thing that is down.
    HostsFile,
}

/// Asks the operating system for each host until `deadline`; what it does not answer by then is
/// missing in the result, and so are hosts beyond [`MAX_HOSTS`]. The hosts file alone says nothing
/// of a host that it does not have.
///
/// The system's call cannot be interrupted. It runs in a thread of its own, one name after the
/// other, which is left behind if it hangs: it keeps neither this program nor its end waiting.
pub async fn ask(hosts: Vec<DomainName>, source: Source, deadline: Instant) -> Vec<LocalAnswer> {
    let hosts: Vec<_> = hosts.into_iter().filter(DomainName::is_plain).take(MAX_HOSTS).collect();
    let (sender, mut receiver) = mpsc::channel(MAX_HOSTS);
    let spawned = thread::Builder::new().name("local-names".to_owned()).spawn(move || {
        let file = Hosts::from_system().unwrap_or_default();
        for host in hosts {
            let answer = match source {
                Source::System => Some(answer(host, &file)),
                // Never a matter of DNS, so that no server can keep it waiting.
                Source::HostsFile if host.is_localhost() => Some(answer(host, &file)),
                Source::HostsFile => answer_of_file(host, &file),
            };
            if answer.is_some_and(|answer| sender.blocking_send(answer).is_err()) {
                return;
            }
        }
    });
    let mut answers = Vec::new();
    if spawned.is_ok() {
        while let Ok(Some(answer)) = timeout_at(deadline, receiver.recv()).await {
            answers.push(answer);
        }
    }
    answers
}

fn answer(host: DomainName, file: &Hosts) -> LocalAnswer {
    let in_hosts_file = !file_addresses(&host, file).is_empty();
    let (addresses, error) = match system_addresses(&host) {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(escape_text(&error.to_string(), MAX_ERROR_CHARS))),
    };
    LocalAnswer { host, addresses: in_order(addresses), in_hosts_file, error }
}

fn answer_of_file(host: DomainName, file: &Hosts) -> Option<LocalAnswer> {
    let addresses = in_order(file_addresses(&host, file));
    (!addresses.is_empty()).then_some(LocalAnswer {
        host,
        addresses,
        in_hosts_file: true,
        error: None,
    })
}

fn file_addresses(host: &DomainName, file: &Hosts) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for record_type in [RecordType::A, RecordType::AAAA] {
        let query = Query::query(host.as_wire().clone(), record_type);
        let found = file.lookup_static_host(&query);
        let records = found.iter().flat_map(|lookup| lookup.answers());
        addresses.extend(records.filter_map(|record| record.data.ip_addr()));
    }
    addresses
}

fn in_order(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[allow(
    clippy::disallowed_methods,
    reason = "what this machine's own programs are told is the question here"
)]
fn system_addresses(host: &DomainName) -> io::Result<Vec<IpAddr>> {
    let found = (host.to_string().as_str(), 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Host names asked for at most in one go.
pub const MAX_HOSTS: usize = 64;

const MAX_ERROR_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_machine_knows_localhost() {
        let host = DomainName::parse("localhost").unwrap();
        let answers = ask(vec![host], Source::System, in_a_minute()).await;
        assert!(answers[0].addresses.iter().all(IpAddr::is_loopback), "{answers:?}");
        assert!(!answers[0].addresses.is_empty());
    }

    #[tokio::test]
    async fn hosts_beyond_the_limit_are_left_out() {
        let hosts = (0..=MAX_HOSTS).map(|_| DomainName::parse("localhost").unwrap()).collect();
        let answers = ask(hosts, Source::System, in_a_minute()).await;
        assert_eq!(answers.len(), MAX_HOSTS);
    }

    #[test]
    fn the_hosts_file_alone_answers_for_what_it_has_and_is_silent_about_the_rest() {
        let mut file = Hosts::default();
        let text = b"192.0.2.7 kms1.corp.test\n2001:db8::7 kms1.corp.test\n";
        file.read_hosts_conf(&text[..]).unwrap();
        let known = answer_of_file(DomainName::parse("kms1.corp.test").unwrap(), &file).unwrap();
        let addresses = ["192.0.2.7", "2001:db8::7"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!((known.addresses, known.in_hosts_file), (addresses.to_vec(), true));
        assert_eq!(answer_of_file(DomainName::parse("kms2.corp.test").unwrap(), &file), None);
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }
}
