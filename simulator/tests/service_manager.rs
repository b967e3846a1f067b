//! Under a service manager: states are told, sockets are taken over, the units are sound.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "../../tests/src/skip.rs"]
mod skip;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{self, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use common::sim::{Sim, assert_refused, kms_sim};
use common::{Client, connect, request};
use nix::sys::signal::Signal;
use skip::Need;

#[test]
fn a_service_manager_is_told_when_the_host_is_ready_reloads_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("kms-sim-test-{}", std::process::id());
    let in_abstract = net::SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, address) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&in_abstract).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let next = || {
            let mut buffer = [0; 256];
            let len = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..len].to_vec()).unwrap()
        };
        let sim = Sim::spawn(kms_sim().env("NOTIFY_SOCKET", &address), &[]);
        assert_eq!(next(), "READY=1");
        assert_eq!(sim.bind().ask(&request(1)).count(), 1);
        sim.signal(Signal::SIGHUP);
        let reloading = next();
        let since_boot_us = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(since_boot_us.parse::<u64>().unwrap() > 0);
        assert_eq!(next(), "READY=1");
        sim.stop();
        assert_eq!(next(), "STOPPING=1");
    }
}

#[test]
fn a_host_that_does_not_start_never_says_ready_and_a_deaf_manager_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut command = kms_sim();
    command.args(["serve", "--listen", "192.0.2.1:1688"]).env("NOTIFY_SOCKET", &path);
    assert_refused(&command.output().unwrap(), "does not have that address");
    assert!(socket.recv(&mut [0; 16]).is_err(), "nothing was said");

    drop(socket);
    let sim = Sim::spawn(kms_sim().env("NOTIFY_SOCKET", &path), &[]);
    assert_eq!(sim.bind().ask(&request(1)).count(), 1);
    assert!(sim.stop().contains("cannot tell the service manager"));

    let mut command = kms_sim();
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", "/a".repeat(100));
    assert_refused(&command.output().unwrap(), "NOTIFY_SOCKET: cannot use `/a/a");
}

#[test]
fn a_passed_socket_takes_the_place_of_the_default_address_and_is_served_by_all_workers() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let passed = listener.try_clone().unwrap();
    let sim = Sim::of(activated(passed.into(), "1").args(["--workers", "4"]));
    assert_eq!(sim.address, address);
    for client in 1..=8 {
        assert_eq!(sim.bind().ask(&request(client)).count(), u32::from(client));
    }
    sim.stop();
    // The port is the service manager's: who connects between two hosts waits.
    let waiting = connect(address);
    let passed = listener.try_clone().unwrap();
    let mut sim = Sim::of(activated(passed.into(), "1").args(["--listen", "127.0.0.1:0"]));
    assert_eq!(sim.address, address);
    let other = sim.ready_line("listening on ");
    assert_eq!(Client::bind_on(waiting, 0).unwrap().ask(&request(1)).count(), 1);
    assert_eq!(Client::bind(other).unwrap().ask(&request(2)).count(), 2);
}

#[test]
fn a_rule_that_refuses_connections_does_so_on_a_passed_socket() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let _sim = Sim::of(activated(listener.into(), "1").args(["--fault", "refuse"]));
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn what_is_passed_and_cannot_be_used_is_refused() {
    let file = File::open("/dev/null").unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let named = "descriptor 3, passed by the service manager, is not a listening TCP socket";
    for passed in [OwnedFd::from(file), udp.into(), connected.into()] {
        assert_refused(&activated(passed, "1").output().unwrap(), named);
    }
    for count in ["65", "-1", "many", ""] {
        let passed = listener.try_clone().unwrap();
        assert_refused(&activated(passed.into(), count).output().unwrap(), "LISTEN_FDS: `");
    }
}

#[test]
fn sockets_that_were_meant_for_another_process_are_left_alone() {
    let mut command = kms_sim();
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let sim = Sim::spawn(&mut command, &[]);
    assert_eq!(sim.bind().ask(&request(1)).count(), 1);
}

#[test]
fn the_first_client_starts_a_host_that_is_activated_by_its_socket() {
    const TOOL: &str = "systemd-socket-activate";
    if !skip::require("service_manager::activated_by_its_socket", &[Need::Tool(TOOL)]) {
        return;
    }
    // An address of this process alone, so that the port is free.
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = SocketAddr::from((Ipv4Addr::new(127, 83, high, low), 1688));
    let mut manager = Command::new(skip::tool(TOOL).unwrap())
        .args(["-l", &address.to_string()])
        .arg(cargo_bin("kms-sim"))
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Refused until it listens.
    let mut attempts = (0..1_000_000).map(|_| TcpStream::connect(address));
    let stream = attempts.find_map(Result::ok).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(Client::bind_on(stream, 0).unwrap().ask(&request(1)).count(), 1);
    manager.kill().unwrap(); // It has become the host.
    manager.wait().unwrap();
}

#[test]
fn the_units_are_sound_and_confined() {
    const TOOL: &str = "systemd-analyze";
    if !skip::require("service_manager::units", &[Need::Tool(TOOL)]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let units = skip::workspace_root().join("packaging/systemd");
    let mut paths = Vec::new();
    for name in ["kms-sim.service", "kms-sim.socket"] {
        let unit = fs::read_to_string(units.join(name)).unwrap();
        // The program is not installed here.
        let program = cargo_bin("kms-sim");
        let unit = unit.replace("/usr/local/bin/kms-sim", program.to_str().unwrap());
        let path = folder.path().join(name);
        fs::write(&path, unit).unwrap();
        paths.push(path);
    }
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new(skip::tool(TOOL).unwrap());
        command.args(arguments).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
        command.output().unwrap()
    };
    let path = |index: usize| paths[index].to_str().unwrap();
    let verified = analyze(&["verify", "--man=no", path(0), path(1)]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    // Exposure from 0 to 100; an ordinary service has 96.
    let confined = analyze(&["security", "--offline=yes", "--threshold=20", path(0)]);
    assert!(confined.status.success(), "{confined:?}");
}

/// `kms-sim serve` with `socket` as descriptor 3, as a service manager starts it.
fn activated(socket: OwnedFd, count: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=$COUNT exec "$0" "$@""#])
        .arg(cargo_bin("kms-sim"))
        .arg("serve")
        .env("COUNT", count)
        .stdin(Stdio::from(socket));
    command
}

/// Far longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(60);
