//! `kms-sim serve` with several hosts: what it prints, refuses, reads again and restores.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use common::sim::{Sim, assert_refused, kms_sim};
use common::{Client, Reply, request};
use nix::sys::signal::Signal;

#[test]
fn each_host_is_announced_and_counts_for_itself_across_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("lab.journal");
    let (mut sim, addresses) = start(&journal);
    let asked = [1u8, 2, 3];
    for (address, clients) in addresses.iter().zip(asked) {
        for client in 1..=clients {
            assert_eq!(ask(*address, client).count(), u32::from(client));
        }
    }
    sim.child.kill().unwrap();
    sim.child.wait().unwrap();
    let (sim, addresses) = start(&journal);
    for (address, clients) in addresses.iter().zip(asked) {
        assert_eq!(ask(*address, 200).count(), u32::from(clients) + 1);
    }
    let log = sim.stop();
    assert!(log.contains("host=\"kms3\""), "{log}");
    let rows = |host: &str| {
        let output = kms_sim()
            .args(["journal", "query", "--requests-only", "--host", host, "--limit", "100"])
            .arg(&journal)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for (host, clients) in ["kms1", "kms2", "kms3"].into_iter().zip(asked) {
        let rows = rows(host);
        assert_eq!(rows.lines().count(), usize::from(clients) + 1, "{rows}");
        assert!(rows.lines().all(|row| row.ends_with(&format!("  host {host}"))), "{rows}");
    }
    let unknown = kms_sim().args(["journal", "query", "--host", "kms9"]).arg(&journal).output();
    assert_refused(&unknown.unwrap(), "--host: no host `kms9` in this journal, but `kms1`");
}

#[test]
fn a_configuration_file_has_hosts_and_sighup_reads_every_file_of_rules_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("all.toml"), "").unwrap();
    fs::write(path("own.toml"), "").unwrap();
    let config = format!(
        "fault = [{:?}]\n[[host]]\nname = \"a\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[host]]\nname = \"b\"\nlisten = [\"127.0.0.1:0\"]\nfault = [{:?}]\n",
        path("all.toml"),
        path("own.toml")
    );
    fs::write(path("config.toml"), config).unwrap();
    let mut command = kms_sim();
    command.args(["serve", "--log-level", "info", "--config"]).arg(path("config.toml"));
    let (sim, [a, b]) = spawn(&mut command, ["a", "b"]);
    let code = |address, client| match ask(address, client) {
        Reply::Error(code) => code,
        _ => 0,
    };
    assert_eq!((code(a, 1), code(b, 1)), (0, 0));
    let fault = |code: &str| format!("[[fault]]\nkind = \"hresult\"\ncode = \"{code}\"\n");
    fs::write(path("all.toml"), fault("0xC004F042")).unwrap();
    fs::write(path("own.toml"), fault("0xC004F041")).unwrap();
    sim.signal(Signal::SIGHUP);
    assert!(eventually(|| (code(a, 1), code(b, 1)) == (0xC004_F042, 0xC004_F041)));
    // One file has a mistake: neither is taken.
    fs::write(path("all.toml"), "").unwrap();
    fs::write(path("own.toml"), "[[fault]]\nkind = \"nonsense\"\n").unwrap();
    sim.signal(Signal::SIGHUP);
    // A third reading, which works, shows that the second is over.
    assert_eq!((code(a, 1), code(b, 1)), (0xC004_F042, 0xC004_F041));
    fs::write(path("own.toml"), fault("0xC004F06C")).unwrap();
    fs::write(path("all.toml"), fault("0xC004F042")).unwrap();
    sim.signal(Signal::SIGHUP);
    assert!(eventually(|| code(b, 1) == 0xC004_F06C));
    assert_eq!(code(a, 1), 0xC004_F042);
    let log = sim.stop();
    assert!(log.contains("the old ones stay") && log.contains("own.toml"), "{log}");
}

#[test]
fn hosts_that_cannot_be_are_refused_with_what_is_wrong() {
    let refused = |flags: &[&str], named: &str| {
        assert_refused(&kms_sim().arg("serve").args(flags).output().unwrap(), named);
    };
    let (one, two) = ("name=a,listen=127.0.0.1:0", "name=b,listen=127.0.0.1:0");
    refused(&["--host", one, "--host", "name=A,listen=127.0.0.1:0"], "host `a`: the name of two");
    let same = ["--host", "name=a,listen=127.0.0.1:7", "--host", "name=b,listen=127.0.0.1:7"];
    refused(&same, "hosts `a` and `b`: both listen on `127.0.0.1:7`");
    refused(&["--host", one, "--host", "name=b"], "host `b`: `listen` is missing");
    refused(&["--host", one, "--host", "listen=127.0.0.1:0"], "host: number 2 has no `name`");
    refused(&["--host", one, "--host", "name=b,colour=red"], "unknown key `colour`");
    refused(&["--listen", "127.0.0.1:0", "--host", one], "--listen");
    let dns_rule = format!("{two},fault=dns-drop");
    refused(&["--host", one, "--host", &dns_rule], "host `b`: fault: the DNS server is one");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "[[host]]\nname = \"a\"\nlisten = [\"127.0.0.1:0\"]\ncolour = 1\n").unwrap();
    let file = file.display().to_string();
    refused(&["--config", &file], ":4:1: key `colour`: unknown field `colour`");
    let many: Vec<String> = (0..65)
        .flat_map(|n| ["--host".to_owned(), format!("name=h{n},listen=127.0.0.1:0")])
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    refused(&many, "65 hosts are more than the 64");
}

fn start(journal: &Path) -> (Sim, [SocketAddr; 3]) {
    let mut command = kms_sim();
    command.args(["serve", "--durability", "full", "--journal"]).arg(journal);
    for host in ["kms1", "kms2", "kms3"] {
        command.args(["--host", &format!("name={host},listen=127.0.0.1:0")]);
    }
    spawn(&mut command, ["kms1", "kms2", "kms3"])
}

fn spawn<const N: usize>(command: &mut Command, names: [&str; N]) -> (Sim, [SocketAddr; N]) {
    let mut sim = Sim::unready(command);
    let addresses = names.map(|name| sim.ready_line(&format!("host {name} listening on ")));
    (sim, addresses)
}

fn ask(address: SocketAddr, client: u8) -> Reply {
    Client::bind(address).unwrap().ask(&request(client))
}

fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    (0..10_000).any(|_| holds())
}
