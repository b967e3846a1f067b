//! The servers whose fingerprints are taken.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use kms_simulator::serve::{ServeConfig, Server};
use tempfile::TempDir;

use crate::skip::{Need, python, require, tool, workspace_root};

/// The KMS interface.
pub(crate) const KMS: &str = "51c82175-844e-4750-b0d8-ec255555bc06";
/// Any other.
pub(crate) const OTHER: &str = "e1af8308-5d1f-11c9-91a4-08002b14a0fa";

/// The simulator on a free port.
pub(crate) fn kms_sim() -> (Server, SocketAddr) {
    let config = ServeConfig {
        listen: vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)],
        workers: NonZeroUsize::MIN,
        ..ServeConfig::default()
    };
    let server = Server::start(config).unwrap();
    let address = *server.addresses().first().unwrap();
    (server, address)
}

/// impacket's server; it ends with this value.
pub(crate) struct Impacket {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Impacket {
    pub(crate) fn start(interface: &str) -> Self {
        let script = workspace_root().join("tests/python/impacket_server.py");
        let mut child = Command::new(python("impacket").unwrap())
            .arg("-B")
            .arg(script)
            .arg(interface)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let address =
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.trim().parse().unwrap());
        Self { address, child }
    }
}

impl Drop for Impacket {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Samba's RPC server with its endpoint mapper on port 135, in a network namespace of its own.
pub(crate) struct Samba {
    namespace: String,
    child: Child,
    _folder: TempDir,
}

impl Samba {
    /// `None` where it cannot run; that has been reported then.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let needs = [Need::Root, Need::NetworkNamespace, Need::Tool("ip"), Need::Tool(DCERPCD)];
        if !require(test, &needs) {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("kmsprobe-{}-{number}-samba", std::process::id());
        run(Command::new(tool("ip").unwrap()).args(["netns", "add", &namespace]));
        run(&mut inside(&namespace, &["ip", "link", "set", "lo", "up"]));
        let folder = TempDir::new().unwrap();
        let configuration = configuration(folder.path());
        let mut command = inside(&namespace, &[DCERPCD]);
        command.arg("-s").arg(configuration).args(["--libexec-rpcds", "--foreground"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let samba = Self { namespace, child, _folder: folder };
        samba.wait();
        Some(samba)
    }

    pub(crate) fn fingerprint(&self, arguments: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_kms-probe");
        inside(&self.namespace, &[program, "fingerprint", ENDPOINT_MAPPER])
            .args(arguments)
            .env("KMS_PROBE_CONFIG", "")
            .output()
            .unwrap()
    }

    /// Until the port is open.
    #[allow(clippy::disallowed_methods, reason = "nothing tells when another process listens")]
    fn wait(&self) {
        for _ in 0..POLLS {
            let arguments = ["check", ENDPOINT_MAPPER, "--depth", "tcp"];
            let output = inside(&self.namespace, &[env!("CARGO_BIN_EXE_kms-probe")])
                .args(arguments)
                .env("KMS_PROBE_CONFIG", "")
                .output()
                .unwrap();
            if output.status.success() {
                return;
            }
            thread::sleep(POLL);
        }
        panic!("Samba's RPC server does not listen on {ENDPOINT_MAPPER}");
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        // It starts helpers of its own, which end with it when it is asked to.
        let pid = self.child.id().to_string();
        let _ended_already = Command::new("kill").args(["-TERM", &pid]).status();
        let _ended_already = self.child.wait();
        let mut delete = Command::new(tool("ip").unwrap_or_default());
        let _left_behind = delete.args(["netns", "delete", &self.namespace]).status();
    }
}

fn configuration(folder: &Path) -> std::path::PathBuf {
    let shown = folder.display();
    let mut text = String::from(
        "[global]\nworkgroup = LAB\nserver role = standalone server\nrpc start on demand helpers = no\n\
         interfaces = lo\nbind interfaces only = yes\nload printers = no\ndisable spoolss = yes\n",
    );
    for (key, name) in [
        ("lock directory", "lock"),
        ("state directory", "state"),
        ("cache directory", "cache"),
        ("private dir", "private"),
        ("pid directory", "pid"),
        ("ncalrpc dir", "ncalrpc"),
    ] {
        fs::create_dir(folder.join(name)).unwrap();
        text.push_str(&format!("{key} = {shown}/{name}\n"));
    }
    text.push_str(&format!("log file = {shown}/log.%m\n"));
    let path = folder.join("smb.conf");
    fs::write(&path, text).unwrap();
    path
}

fn inside(namespace: &str, words: &[&str]) -> Command {
    let mut command = Command::new(tool("ip").unwrap());
    command.args(["netns", "exec", namespace]).args(words).stdin(Stdio::null());
    command
}

#[track_caller]
fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Debian keeps it out of the search path.
const DCERPCD: &str = "/usr/libexec/samba/samba-dcerpcd";
const ENDPOINT_MAPPER: &str = "127.0.0.1:135";
const POLLS: usize = 300;
const POLL: Duration = Duration::from_millis(100);
static NEXT: AtomicU32 = AtomicU32::new(0);
