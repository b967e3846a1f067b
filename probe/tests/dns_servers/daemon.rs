//! Real DNS servers as child processes on loopback.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kms_probe::dns::exchange::{Outcome, Patience, exchange};
use tempfile::TempDir;

use crate::{skip, srv};

/// A running server; dropping it ends the process.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// The records that every server has, in zone file format. TTLs are equal, for dnsmasq has one.
pub(crate) fn zone() -> String {
    let mut zone = String::from(
        "$ORIGIN corp.test.\n$TTL 3600\n\
         @ IN SOA ns.corp.test. admin.corp.test. 1 3600 600 86400 120\n\
         @ IN NS ns.corp.test.\n\
         ns IN A 127.0.0.1\n\
         _vlmcs._tcp IN SRV 10 75 1688 kms1\n\
         _vlmcs._tcp IN SRV 10 25 1688 kms2\n\
         _vlmcs._tcp IN SRV 90 0 1689 backup\n\
         kms1 IN A 192.0.2.1\nkms1 IN AAAA 2001:db8::1\n\
         kms2 IN A 192.0.2.2\n\
         backup IN AAAA 2001:db8::3\n\
         _vlmcs._tcp.none IN SRV 0 0 0 .\n\
         _vlmcs._tcp.dangling IN SRV 0 0 1688 gone\n\
         _vlmcs._tcp.alias IN SRV 0 0 1688 other\nother IN CNAME kms1\n\
         _vlmcs._tcp.zero IN SRV 0 0 0 kms1\n\
         _vlmcs._tcp.text IN TXT \"no SRV here\"\n",
    );
    for number in 0..MANY {
        writeln!(zone, "_vlmcs._tcp.many IN SRV 0 {number} 1688 host-{number}-of-many.many")
            .unwrap();
        writeln!(zone, "host-{number}-of-many.many IN A 192.0.2.{number}").unwrap();
    }
    zone
}

/// Records of `_vlmcs._tcp.many.corp.test`.
pub(crate) const MANY: usize = 120;

/// BIND with these options and zone statements.
pub(crate) async fn bind(options: &str, zones: &str, ready: &str) -> Daemon {
    start(ready, |folder, address| {
        fs::write(folder.join("corp.zone"), zone()).unwrap();
        let config = format!(
            "options {{ directory \"{folder}\"; pid-file none; session-keyfile none; \
             listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; \
             notify no; dnssec-validation no; max-records-per-type 0; {options} }};\n\
             controls {{ }};\n{zones}",
            folder = folder.display(),
            ip = address.ip(),
            port = address.port(),
        );
        let path = folder.join("named.conf");
        fs::write(&path, config).unwrap();
        let mut command = Command::new(skip::tool("named").unwrap());
        command.args(["-g", "-4", "-n", "1", "-c"]).arg(path);
        command
    })
    .await
}

/// BIND with the zone of these tests.
pub(crate) async fn bind_with_zone() -> Daemon {
    bind("recursion no;", BIND_ZONE, "_vlmcs._tcp.corp.test").await
}

/// BIND's statement for the zone.
pub(crate) const BIND_ZONE: &str = "zone \"corp.test\" { type primary; file \"corp.zone\"; };";

/// Knot with the zone of these tests.
pub(crate) async fn knot() -> Daemon {
    start("_vlmcs._tcp.corp.test", |folder, address| {
        fs::write(folder.join("corp.zone"), zone()).unwrap();
        let shown = folder.display();
        let config = format!(
            "server:\n  rundir: \"{shown}\"\n  listen: {}@{}\n\
             database:\n  storage: \"{shown}\"\n\
             log:\n  - target: stderr\n    any: error\n\
             zone:\n  - domain: corp.test\n    storage: \"{shown}\"\n    file: \"corp.zone\"\n",
            address.ip(),
            address.port()
        );
        let path = folder.join("knot.conf");
        fs::write(&path, config).unwrap();
        let mut command = Command::new(skip::tool("knotd").unwrap());
        command.arg("-c").arg(path);
        command
    })
    .await
}

/// dnsmasq with these configuration lines.
pub(crate) async fn dnsmasq(lines: &str, ready: &str) -> Daemon {
    start(ready, |folder, address| {
        let path = folder.join("dnsmasq.conf");
        let config = format!(
            "port={}\nlisten-address={}\nbind-interfaces\nno-resolv\nno-hosts\nno-poll\n\
             local-ttl=3600\nlocal=/corp.test/\npid-file=\n{lines}\n",
            address.port(),
            address.ip()
        );
        fs::write(&path, config).unwrap();
        let mut command = Command::new(skip::tool("dnsmasq").unwrap());
        command.args(["--keep-in-foreground", "--user=root", "--group=root", "--log-facility=-"]);
        command.arg(format!("--conf-file={}", path.display()));
        command
    })
    .await
}

/// dnsmasq's words for the same records.
pub(crate) fn dnsmasq_records() -> String {
    let mut lines = String::from(
        "srv-host=_vlmcs._tcp.corp.test,kms1.corp.test,1688,10,75\n\
         srv-host=_vlmcs._tcp.corp.test,kms2.corp.test,1688,10,25\n\
         srv-host=_vlmcs._tcp.corp.test,backup.corp.test,1689,90,0\n\
         host-record=kms1.corp.test,192.0.2.1,2001:db8::1\n\
         host-record=kms2.corp.test,192.0.2.2\n\
         host-record=backup.corp.test,2001:db8::3\n\
         srv-host=_vlmcs._tcp.dangling.corp.test,gone.corp.test,1688\n\
         srv-host=_vlmcs._tcp.alias.corp.test,other.corp.test,1688\n\
         cname=other.corp.test,kms1.corp.test\n\
         srv-host=_vlmcs._tcp.zero.corp.test,kms1.corp.test,0\n\
         txt-record=_vlmcs._tcp.text.corp.test,no SRV here\n",
    );
    for number in 0..MANY {
        let host = format!("host-{number}-of-many.many.corp.test");
        writeln!(lines, "srv-host=_vlmcs._tcp.many.corp.test,{host},1688,0,{number}").unwrap();
        writeln!(lines, "host-record={host},192.0.2.{number}").unwrap();
    }
    lines
}

/// Starts a server on a free port and waits until it answers about `ready`, whatever it says.
/// Another process can take the port in between, so it is tried a few times.
async fn start(ready: &str, command: impl Fn(&Path, SocketAddr) -> Command) -> Daemon {
    let mut log = String::new();
    for _ in 0..START_ATTEMPTS {
        let folder = tempfile::tempdir().unwrap();
        let address = free_port();
        let output = fs::File::create(folder.path().join("log")).unwrap();
        let child = command(folder.path(), address)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut daemon = Daemon { address, child, _folder: folder };
        if daemon.answers(ready).await {
            return daemon;
        }
        log = fs::read_to_string(daemon._folder.path().join("log")).unwrap_or_default();
    }
    panic!("the server does not start: {log}");
}

impl Daemon {
    async fn answers(&mut self, ready: &str) -> bool {
        for _ in 0..READY_POLLS {
            let patience = Patience::of(READY_POLL, 1);
            let outcome = exchange(self.address, &srv(ready), patience).await.outcome;
            let starting = matches!(outcome, Outcome::Unreachable(_) | Outcome::Timeout);
            if !starting {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            // A refused query returns at once; the process needs time to open its socket.
            tokio::time::sleep(READY_POLL / 4).await;
        }
        false
    }
}

fn free_port() -> SocketAddr {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let find = || {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        UdpSocket::bind(address).is_ok().then_some(address)
    };
    (0..32).find_map(|_| find()).expect("no port is free for both UDP and TCP")
}

const START_ATTEMPTS: usize = 3;
const READY_POLLS: usize = 200;
const READY_POLL: Duration = Duration::from_millis(100);
