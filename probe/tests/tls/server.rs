//! OpenSSL's server as a child process on loopback.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Issued;
use crate::skip::tool;

/// A running server; dropping it ends the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Server {
    /// A folder that lasts as long as the server.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// `openssl s_server` that shows what was issued. Another process can take the port in between, so
/// it is tried a few times.
pub(crate) fn openssl(issued: &Issued, more: &[&str]) -> Server {
    let mut log = String::new();
    for _ in 0..START_ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        fs::write(place("key"), &issued.key).unwrap();
        let (own, above) = issued.chain.split_first().unwrap();
        fs::write(place("own"), own).unwrap();
        fs::write(place("above"), above.concat()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let output = fs::File::create(place("log")).unwrap();
        let mut command = Command::new(tool("openssl").unwrap());
        command.args(["s_server", "-quiet", "-accept", &address.to_string()]);
        command.arg("-key").arg(place("key")).arg("-cert").arg(place("own"));
        if !above.is_empty() {
            command.arg("-cert_chain").arg(place("above"));
        }
        let child = command
            .args(more)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Server { address, child, folder };
        if server.comes_up() {
            return server;
        }
        log = fs::read_to_string(server.folder().join("log")).unwrap_or_default();
    }
    panic!("the server does not start: {log}");
}

impl Server {
    fn comes_up(&mut self) -> bool {
        for _ in 0..READY_POLLS {
            if TcpStream::connect_timeout(&self.address, READY_POLL).is_ok() {
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

const START_ATTEMPTS: usize = 3;
const READY_POLLS: usize = 400;
const READY_POLL: Duration = Duration::from_millis(50);
