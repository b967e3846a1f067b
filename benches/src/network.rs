//! A network of its own, in which ten thousand addresses are this machine's and a third of them drop
//! what is sent to port 1688.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

/// A network namespace; gone when dropped.
#[derive(Debug)]
pub struct Network {
    name: String,
}

impl Network {
    /// Makes one. Needs root, `ip` and `nft`.
    ///
    /// # Errors
    /// When the system does not allow it or a program is missing.
    pub fn new() -> Result<Self> {
        let network = Self { name: format!("kmsbench-{}", std::process::id()) };
        run(Command::new("ip").args(["netns", "add", &network.name]))?;
        let inside = |arguments: &str| {
            run(Command::new("ip").args(["-n", &network.name]).args(arguments.split(' ')))
        };
        inside("link set lo up")?;
        inside("route add local 10.64.0.0/10 dev lo")?;
        network.inside(|| {
            let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
            let mut rules = nft.stdin.take().context("no way to nft")?;
            rules.write_all(RULES.as_bytes())?;
            drop(rules);
            ensure!(nft.wait()?.success(), "nft refuses the rules");
            Ok(())
        })?;
        Ok(network)
    }

    /// Runs `work` in this network; processes that it starts are in it as well.
    ///
    /// # Errors
    /// When the network cannot be entered, or what `work` returns.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = Path::new("/var/run/netns").join(&self.name);
        let handle = File::open(&path).with_context(|| format!("`{}`", path.display()))?;
        thread::scope(|scope| {
            let working = scope.spawn(move || {
                setns(handle, CloneFlags::CLONE_NEWNET)?;
                work()
            });
            working.join().map_err(|_| anyhow!("the work in the network panicked"))?
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        run(Command::new("ip").args(["netns", "delete", &self.name])).unwrap_or_default();
    }
}

/// Writes `count` addresses, one per line: the first of every three drops, two answer. Returns how
/// many answer.
///
/// # Errors
/// When the file cannot be written.
pub fn write_targets(path: &PathBuf, count: usize) -> Result<usize> {
    let mut list = String::new();
    for number in 0..count {
        let net = if number % 3 == 0 { DROPPED_NET } else { OPEN_NET };
        list.push_str(&format!("10.{net}.{}.{}\n", number / 250, number % 250 + 1));
    }
    fs::write(path, list).with_context(|| format!("`{}`", path.display()))?;
    Ok(count - count.div_ceil(3))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", errors.trim());
    Ok(())
}

const OPEN_NET: u8 = 64;
const DROPPED_NET: u8 = 65;

/// In `raw`, before the kernel spends anything on connection tracking.
const RULES: &str = "\
table ip bench {
    chain arriving {
        type filter hook prerouting priority raw
        ip daddr 10.65.0.0/16 tcp dport 1688 drop
    }
}
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_third_of_the_list_is_dropped_and_no_address_comes_twice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = write_targets(&file.path().to_owned(), 10_000).unwrap();
        let list = fs::read_to_string(file.path()).unwrap();
        let addresses: std::collections::BTreeSet<&str> = list.lines().collect();
        assert_eq!(addresses.len(), 10_000);
        let dropped = addresses.iter().filter(|address| address.starts_with("10.65.")).count();
        assert_eq!((open, dropped), (6_666, 3_334));
        assert!(addresses.iter().all(|a| a.parse::<std::net::Ipv4Addr>().is_ok()));
    }
}
