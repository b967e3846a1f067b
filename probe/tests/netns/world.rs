//! The namespaces: `client - router - server`, IPv4 and IPv6, removed when the test ends.

use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use kms_simulator::serve::{ServeConfig, Server};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use tempfile::TempDir;

use crate::skip::{Need, require, tool};
use crate::support::assert_valid;

pub(crate) const SERVER_V4: &str = "10.77.2.2";
pub(crate) const SERVER_V6: &str = "fd77:2::2";
pub(crate) const CLIENT_V4: &str = "10.77.1.2";
pub(crate) const CLIENT_V6: &str = "fd77:1::2";
pub(crate) const ROUTER_V4: &str = "10.77.1.1";
pub(crate) const ROUTER_V6: &str = "fd77:1::1";

/// One network; gone when dropped.
pub(crate) struct World {
    pub(crate) client: String,
    pub(crate) router: String,
    pub(crate) server: String,
    /// The probe, copied to where anybody may run it.
    probe: PathBuf,
    _folder: TempDir,
}

/// What a run of the probe gave.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

impl World {
    /// A network, or `None` where none can be made; that has been reported then.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let needs = [
            Need::Root,
            Need::NetworkNamespace,
            Need::Tool("ip"),
            Need::Tool("nft"),
            Need::Tool("setpriv"),
            Need::Tool("sysctl"),
        ];
        if !require(test, &needs) {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |role: &str| format!("kmsprobe-{}-{number}-{role}", std::process::id());
        let folder = TempDir::new().unwrap();
        let probe = anybodys_copy(Path::new(env!("CARGO_BIN_EXE_kms-probe")), folder.path());
        let (client, router, server) = (name("c"), name("r"), name("s"));
        let world = Self { client, router, server, probe, _folder: folder };
        world.build(number);
        Some(world)
    }

    fn build(&self, number: u32) {
        for namespace in self.namespaces() {
            ip(&format!("netns add {namespace}"));
            ip(&format!("-n {namespace} link set lo up"));
        }
        let links = [
            (&self.client, "1", "2", "1", format!("kc{}", number)),
            (&self.server, "2", "2", "1", format!("ks{}", number)),
        ];
        for (namespace, net, host, gateway, link) in links {
            // Both ends are made inside: names outside could clash with another test.
            let router = &self.router;
            ip(&format!("-n {namespace} link add eth0 type veth peer name {link} netns {router}"));
            ip(&format!("-n {namespace} addr add 10.77.{net}.{host}/24 dev eth0"));
            ip(&format!("-n {namespace} addr add fd77:{net}::{host}/64 dev eth0 nodad"));
            ip(&format!("-n {router} addr add 10.77.{net}.{gateway}/24 dev {link}"));
            ip(&format!("-n {router} addr add fd77:{net}::{gateway}/64 dev {link} nodad"));
            ip(&format!("-n {namespace} link set eth0 up"));
            ip(&format!("-n {router} link set {link} up"));
            ip(&format!("-n {namespace} route add default via 10.77.{net}.{gateway}"));
            ip(&format!("-n {namespace} -6 route add default via fd77:{net}::{gateway}"));
        }
        for setting in FORWARDING {
            self.sysctl(&self.router, setting);
        }
    }

    fn namespaces(&self) -> [&String; 3] {
        [&self.client, &self.router, &self.server]
    }

    /// Sets a kernel parameter in a namespace.
    pub(crate) fn sysctl(&self, namespace: &str, setting: &str) {
        run_ip(&["netns", "exec", namespace, "sysctl", "-qw", setting]);
    }

    /// A rule on the router for what it forwards.
    pub(crate) fn on_router(&self, rule: &str) {
        self.nft(&self.router, "forward", rule);
    }

    /// A rule on the client for what it sends.
    pub(crate) fn on_client(&self, rule: &str) {
        self.nft(&self.client, "output", rule);
    }

    /// A rule on the server for what it sends.
    pub(crate) fn on_server(&self, rule: &str) {
        self.nft(&self.server, "output", rule);
    }

    fn nft(&self, namespace: &str, hook: &str, rule: &str) {
        let rules = format!(
            "table inet test {{\nchain test {{\ntype filter hook {hook} priority 0\n{rule}\n}}\n}}\n"
        );
        let mut child = Command::new(tool("ip").unwrap())
            .args(["netns", "exec", namespace, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{rules}");
    }

    /// Runs `work` in a namespace.
    pub(crate) fn inside<T: Send>(&self, namespace: &str, work: impl FnOnce() -> T + Send) -> T {
        let handle = File::open(Path::new("/var/run/netns").join(namespace)).unwrap();
        thread::scope(|scope| {
            let working = scope.spawn(move || {
                setns(handle, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            working.join().unwrap()
        })
    }

    /// A simulated KMS host in the server's namespace, on port 1688 of both families.
    pub(crate) fn serve(&self) -> Server {
        let config = ServeConfig {
            listen: [SERVER_V4, SERVER_V6]
                .map(|address| std::net::SocketAddr::new(address.parse().unwrap(), 1688))
                .to_vec(),
            workers: NonZeroUsize::MIN,
            ..ServeConfig::default()
        };
        self.inside(&self.server, move || Server::start(config).unwrap())
    }

    /// Runs `kms-probe check` as nobody in the client's namespace.
    pub(crate) fn check(&self, arguments: &[&str]) -> Run {
        let output = Command::new(tool("ip").unwrap())
            .args(["netns", "exec", &self.client, "setpriv"])
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
            .arg(&self.probe)
            .arg("check")
            .args(arguments)
            .args(["--format", "json"])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {errors}"));
        assert_valid(&report);
        Run { code: output.status.code().unwrap(), report }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for namespace in self.namespaces() {
            let _left_behind = Command::new(tool("ip").unwrap_or_default())
                .args(["netns", "delete", namespace])
                .stderr(Stdio::null())
                .status();
        }
    }
}

fn anybodys_copy(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("kms-probe");
    fs::copy(program, &copy).unwrap();
    for path in [folder, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

/// Runs `ip` with words separated by spaces.
#[track_caller]
pub(crate) fn ip(arguments: &str) {
    run_ip(&arguments.split(' ').collect::<Vec<_>>());
}

#[track_caller]
fn run_ip(arguments: &[&str]) {
    let output = Command::new(tool("ip").unwrap()).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {errors}");
}

/// The router forwards, and its ICMP errors are not rate limited.
const FORWARDING: [&str; 4] = [
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.icmp_ratemask=0",
    "net.ipv6.icmp.ratelimit=0",
];

static NEXT: AtomicU32 = AtomicU32::new(0);
