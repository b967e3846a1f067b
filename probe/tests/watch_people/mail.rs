//! Alerts as mails: in the clear, over TLS with a login, and through a relay that puts off.

use std::net::SocketAddr;

use crate::authority::{Authority, Wanted};
use crate::harness::{Folder, Relay, free_address, kms_host, text};
use crate::skip::{Need, require};

const RELAY: Need = Need::Python("aiosmtpd");

fn config(target: SocketAddr, port: u16, more: &str) -> String {
    format!(
        "history = \"watch.db\"
[[target]]
name = \"kms1\"
target = \"{target}\"
timeout = \"10s\"
confirm = \"1 of 1\"
[mail.ops]
relay = \"127.0.0.1\"
port = {port}
from = \"KMS watch <kms-probe@example.com>\"
to = [\"ops@example.com\", \"Night Shift <night@example.com>\"]
timeout = \"20s\"
{more}
"
    )
}

#[test]
fn each_change_is_one_mail_and_a_further_run_sends_none_again() {
    if !require("each_change_is_one_mail_and_a_further_run_sends_none_again", &[RELAY]) {
        return;
    }
    let (folder, address) = (Folder::new(), free_address());
    let relay = Relay::start(&folder, &[]);
    folder.write("watch.toml", &config(address, relay.port, "tls = \"none\""));
    let down = folder.once();
    assert_eq!(down.status.code(), Some(1), "{}", text(&down));
    let mails = folder.mails();
    assert_eq!(mails.len(), 1, "{}", text(&down));
    for part in [
        "X-From: kms-probe@example.com",
        "X-To: ops@example.com, night@example.com",
        "X-Tls: False",
        "Subject: [kms-probe]",
        "kms1",
        "tcp.refused",
        "alert.json",
        "\nMessage-ID: <",
    ] {
        assert!(mails[0].contains(part), "no {part:?} in\n{}", mails[0]);
    }
    assert_eq!(folder.once().status.code(), Some(1));
    assert_eq!(folder.mails().len(), 1, "nothing has changed");
    let _host = kms_host(address);
    let up = folder.once();
    assert_eq!(up.status.code(), Some(0), "{}", text(&up));
    let mails = folder.mails();
    assert_eq!(mails.len(), 2);
    assert!(mails[1].contains("rpc.ok"), "{}", mails[1]);
}

#[test]
fn a_relay_with_starttls_and_a_login_gets_both_and_one_that_nobody_vouches_for_gets_nothing() {
    let name =
        "a_relay_with_starttls_and_a_login_gets_both_and_one_that_nobody_vouches_for_gets_nothing";
    if !require(name, &[RELAY]) {
        return;
    }
    let (folder, address) = (Folder::new(), free_address());
    let authority = Authority::new("test authority");
    let issued = authority.issue(&Wanted::good());
    let certificate = folder.write("chain.pem", &issued.chain.concat());
    let key = folder.write("key.pem", &issued.key);
    folder.write("ca.pem", &authority.pem());
    folder.write("other.pem", &Authority::new("another").pem());
    folder.write("password", "right-and-secret\n");
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let options = ["--starttls", certificate, key, "--login", "watcher:right-and-secret"];
    let relay = Relay::start(&folder, &options);
    let with = |authority: &str| {
        let more = format!(
            "ca_file = \"{authority}\"\nuser = \"watcher\"\npassword_file = \"password\"\nretry = \"1s\""
        );
        config(address, relay.port, &more)
    };
    folder.write("watch.toml", &with("other.pem"));
    let refused = folder.once();
    assert_eq!(folder.mails().len(), 0, "{}", text(&refused));
    assert!(text(&refused).to_lowercase().contains("certificate"), "{}", text(&refused));
    assert!(!text(&refused).contains("right-and-secret"), "{}", text(&refused));
    folder.write("watch.toml", &with("ca.pem"));
    // The first attempt failed: the mail waits until its next one is due.
    let sent = runs_until_mail(&folder);
    let mail = &folder.mails()[0];
    assert!(mail.contains("X-Tls: True") && mail.contains("X-Login: True"), "{sent}\n{mail}");
}

#[test]
fn a_relay_that_puts_off_gets_the_mail_later_and_once() {
    if !require("a_relay_that_puts_off_gets_the_mail_later_and_once", &[RELAY]) {
        return;
    }
    let (folder, address) = (Folder::new(), free_address());
    let relay = Relay::start(&folder, &["--defer", "1"]);
    folder.write("watch.toml", &config(address, relay.port, "tls = \"none\"\nretry = \"1s\""));
    let first = folder.once();
    assert!(text(&first).contains("451"), "{}", text(&first));
    assert_eq!(folder.mails().len(), 0);
    runs_until_mail(&folder);
    folder.once();
    assert_eq!(folder.mails().len(), 1);
}

/// Runs again until the mail that waits is there, as cron would.
fn runs_until_mail(folder: &Folder) -> String {
    let mut said = String::new();
    for _ in 0..RUNS_MAX {
        said = text(&folder.once());
        if !folder.mails().is_empty() {
            return said;
        }
        // Nothing tells when the relay takes mail again: a message that never comes is waited for.
        let (_kept, never) = std::sync::mpsc::channel::<()>();
        never.recv_timeout(std::time::Duration::from_millis(100)).unwrap_err();
    }
    panic!("no mail after {RUNS_MAX} runs: {said}");
}

const RUNS_MAX: usize = 200;
