//! What a supporter asks of the machine first: system, addresses, names, clock.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use crate::dns::system::SystemConfig;
use crate::platform::{self, SocketFacts as _};
use crate::report::escape;

/// As text, with the lines of the hosts file that concern `names`.
pub(super) fn text(names: &[String], now: &str) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(text, "{name:<12} {}", escape(value));
    };
    line("program", concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")));
    line("system", &system());
    line("kernel", &file("/proc/sys/kernel/osrelease"));
    line("machine", &file("/proc/sys/kernel/hostname"));
    line("clock", now);
    line("time zone", jiff::tz::TimeZone::system().iana_name().unwrap_or("not known"));
    let uptime = file("/proc/uptime");
    line("up for", &format!("{} s", uptime.split('.').next().unwrap_or_default()));
    for interface in platform::current().interfaces() {
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).collect();
        line("interface", &format!("{}: {}", interface.name, addresses.join(", ")));
    }
    match SystemConfig::load() {
        Ok(system) => {
            let servers: Vec<String> = system.servers.iter().map(ToString::to_string).collect();
            let search: Vec<String> = system.search.iter().map(ToString::to_string).collect();
            line("resolvers", &format!("{} ({})", servers.join(", "), system.source));
            line("search", &search.join(", "));
        }
        Err(error) => line("resolvers", &error.to_string()),
    }
    let nsswitch = file("/etc/nsswitch.conf");
    let hosts = nsswitch.lines().find(|line| line.starts_with("hosts:"));
    line("nsswitch", hosts.unwrap_or("no line `hosts:`"));
    for found in file("/etc/hosts").lines().filter(|line| concerns(line, names)) {
        line("/etc/hosts", found);
    }
    text
}

/// Whether a line of the hosts file names one of `names`.
fn concerns(line: &str, names: &[String]) -> bool {
    let content = line.split('#').next().unwrap_or_default();
    let mut words = content.split_whitespace().skip(1);
    words.any(|word| {
        let word = word.trim_end_matches('.');
        names.iter().any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(word))
    })
}

fn system() -> String {
    let release = file("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned())
}

/// The beginning of a small file; empty where it is not there.
fn file(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(_) => String::new(),
    }
}

const FILE_BYTES_MAX: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_hosts_file_that_name_a_target_are_shown() {
        let names = ["kms1.corp.test.".to_owned()];
        assert!(concerns("192.0.2.1 KMS1.corp.test kms1 # lab", &names));
        assert!(!concerns("192.0.2.1 kms2.corp.test # kms1.corp.test", &names));
        assert!(!concerns("# 192.0.2.1 kms1.corp.test", &names));
    }

    #[test]
    fn the_machine_is_told_by_a_line_each() {
        let text = text(&[], "2026-11-24T20:00:00Z");
        for name in ["program", "system", "clock", "resolvers"] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
        }
    }
}
