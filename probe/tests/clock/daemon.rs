//! Samba's RPC server and chronyd as child processes on loopback, at any time.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::skip::{Need, tool};

/// A running server; dropping it ends the process.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

pub(crate) const SAMBA: &[Need] = &[Need::Tool("samba-dcerpcd")];
pub(crate) const CHRONY: &[Need] = &[Need::Tool("chronyd")];
pub(crate) const SHIFTED_SAMBA: &[Need] = &[Need::Tool("samba-dcerpcd"), Need::Tool("faketime")];
pub(crate) const SHIFTED_CHRONY: &[Need] = &[Need::Tool("chronyd"), Need::Tool("faketime")];

/// Samba's RPC server with the name KMSHOST, whose clock is off by `shift`, as `+5h`.
pub(crate) fn samba(shift: Option<&str>) -> Daemon {
    start(shift, is_accepting, |folder, address| {
        let path = folder.join("smb.conf");
        let places = ["private dir", "lock directory", "state directory", "cache directory"];
        let places = places.iter().chain(&["pid directory", "ncalrpc dir"]);
        let places: String =
            places.map(|place| format!("{place} = {}\n", made(folder, place))).collect();
        let port = address.port();
        let config = format!(
            "[global]\nworkgroup = LAB\nnetbios name = KMSHOST\nserver role = standalone server\n\
             rpc start on demand helpers = false\ninterfaces = 127.0.0.1/8\n\
             bind interfaces only = yes\nrpc server dynamic port range = {port}-{port}\n{places}"
        );
        fs::write(&path, config).unwrap();
        let mut command = Command::new(tool("samba-dcerpcd").unwrap());
        command.args(["-F", "--no-process-group", "--debug-stdout", "-l"]).arg(folder);
        command.arg("-s").arg(path).arg(tool("rpcd_lsad").unwrap());
        command
    })
}

/// chronyd that serves its own clock, off by `shift`, or has none where `is_synchronised` is not.
pub(crate) fn chrony(shift: Option<&str>, is_synchronised: bool) -> Daemon {
    start(shift, is_answering, |folder, address| {
        let path = folder.join("chrony.conf");
        let local = if is_synchronised { "local stratum 3\n" } else { "" };
        let config = format!(
            "port {}\nbindaddress {}\nallow 127.0.0.0/8\ncmdport 0\npidfile {}/pid\n{local}",
            address.port(),
            address.ip(),
            folder.display(),
        );
        fs::write(&path, config).unwrap();
        let mut command = Command::new(tool("chronyd").unwrap());
        // In the foreground, without touching the system's clock, as whoever runs the test.
        command.args(["-d", "-x", "-U", "-u", user(), "-f"]).arg(path);
        command
    })
}

fn user() -> &'static str {
    let id = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(id).unwrap().trim().to_owned().leak()
}

fn made(folder: &Path, name: &str) -> String {
    let path = folder.join(name.replace(' ', "-"));
    fs::create_dir_all(&path).unwrap();
    path.display().to_string()
}

/// Starts a server on a free port and waits until it is there. Another process can take the port in
/// between, so it is tried a few times.
fn start(
    shift: Option<&str>,
    is_ready: impl Fn(SocketAddr) -> bool,
    command: impl Fn(&Path, SocketAddr) -> Command,
) -> Daemon {
    let mut log = String::new();
    for _ in 0..START_ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let address = free_port();
        let output = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = command(folder.path(), address);
        if let Some(shift) = shift {
            command.env("LD_PRELOAD", fake_time()).env("FAKETIME", shift);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_RESET", "1");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut daemon = Daemon { address, child, folder };
        if daemon.comes_up(&is_ready) {
            return daemon;
        }
        log = fs::read_to_string(daemon.folder.path().join("log")).unwrap_or_default();
    }
    panic!("the server does not start: {log}");
}

impl Daemon {
    fn comes_up(&mut self, is_ready: impl Fn(SocketAddr) -> bool) -> bool {
        for _ in 0..READY_POLLS {
            if is_ready(self.address) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // The process needs time to open its socket, and says so nowhere.
            std::thread::park_timeout(READY_POLL);
        }
        false
    }
}

/// The library behind the program `faketime`, which would be one more process to end.
fn fake_time() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketime.so.1"));
    libraries.find(|library| library.exists()).unwrap()
}

fn is_accepting(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, READY_POLL).is_ok()
}

fn is_answering(address: SocketAddr) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(READY_POLL)).unwrap();
    let mut query = [0; 48];
    query[0] = 0x23;
    let asked = socket.connect(address).and_then(|()| socket.send(&query));
    asked.is_ok() && socket.recv(&mut [0; 48]).is_ok()
}

/// A port free for UDP and TCP.
pub(crate) fn free_port() -> SocketAddr {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let find = || {
        let address = TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap();
        UdpSocket::bind(address).is_ok().then_some(address)
    };
    (0..32).find_map(|_| find()).unwrap()
}

const START_ATTEMPTS: usize = 3;
const READY_POLLS: usize = 400;
const READY_POLL: Duration = Duration::from_millis(50);
