//! A small internet in network namespaces, made by the test and gone with it:
//!
//! ```text
//! client ── router1 ── router2 ── server
//! ```
//!
//! IPv4 and IPv6, no ICMP rationing, nftables wherever a test wants a filter, and a simulated KMS
//! host on ports 1688 and 443 of the server. Commands on the client run as a user without
//! privileges. Include it with `mod world;` beside `skip`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use kms_simulator::serve::{ServeConfig, Server};
use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use crate::skip::{Need, require, tool};

/// The client, by family.
pub const CLIENT: [&str; 2] = ["10.91.1.2", "fd91:1::2"];
/// The router next to the client; the address that its ICMP errors come from.
pub const ROUTER1: [&str; 2] = ["10.91.1.1", "fd91:1::1"];
/// The router next to the server; the address that its ICMP errors come from.
pub const ROUTER2: [&str; 2] = ["10.91.2.2", "fd91:2::2"];
/// The server, three hops from the client.
pub const SERVER: [&str; 2] = ["10.91.3.2", "fd91:3::2"];

/// Index of the IPv4 address.
pub const V4: usize = 0;
/// Index of the IPv6 address.
pub const V6: usize = 1;

/// A machine of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Client,
    Router1,
    Router2,
    Server,
}

/// What the link between the routers does to packets, in each direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// How long each packet is held.
    pub delay_ms: u32,
    /// How many of 1,000 packets are lost.
    pub loss_permille: u32,
    /// Seed of the loss: the n-th packet of the m-th flow has the same fate in every run.
    pub seed: u64,
}

/// What became of the packets on the link between the routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCounts {
    pub passed: u64,
    pub dropped: u64,
}

/// The process that is the link between the routers once it is impaired.
struct Bridge {
    child: Child,
    answers: BufReader<ChildStdout>,
}

/// One network, removed when dropped, by a panic too.
pub struct World {
    name: String,
    host: Option<Server>,
    bridge: Option<Bridge>,
    probe: PathBuf,
    _folder: TempDir,
}

impl World {
    /// A network without any filter whose server answers on 1688 and 443, or `None` where none can
    /// be made; that has been reported then.
    pub fn new(test: &str) -> Option<Self> {
        let tools = ["ip", "nft", "setpriv"].map(Need::Tool);
        let needs = [&[Need::Root, Need::NetworkNamespace][..], &tools].concat();
        if !require(test, &needs) {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kmsworld-{}-{number}", std::process::id());
        let folder = TempDir::new().unwrap();
        let probe = anybodys_copy(Path::new(env!("CARGO_BIN_EXE_kms-probe")), folder.path());
        let mut world = Self { name, host: None, bridge: None, probe, _folder: folder };
        world.build();
        world.host = Some(world.serve());
        Some(world)
    }

    fn build(&self) {
        for node in Node::ALL {
            ip(&["netns", "add", &self.namespace(node)]);
            for (file, value) in SETTINGS {
                if node.is_router() || !file.contains("forward") {
                    self.set(node, file, value);
                }
            }
            self.ip(node, &["link set lo up"]);
        }
        self.link(1, (Node::Router1, "west", 1), (Node::Client, "eth0", 2));
        self.link(2, (Node::Router1, "east", 1), (Node::Router2, "west", 2));
        self.link(3, (Node::Router2, "east", 1), (Node::Server, "eth0", 2));
        for (node, net, gateway) in [
            (Node::Client, 1, 1),
            (Node::Router1, 2, 2),
            (Node::Router2, 2, 1),
            (Node::Server, 3, 1),
        ] {
            self.ip(
                node,
                &[
                    &format!("route add default via 10.91.{net}.{gateway}"),
                    &format!("-6 route add default via fd91:{net}::{gateway}"),
                ],
            );
        }
    }

    /// Joins two nodes by network `net`, each with its device and its number in the network.
    fn link(&self, net: u8, one: (Node, &str, u8), other: (Node, &str, u8)) {
        let namespace = self.namespace(other.0);
        self.ip(
            one.0,
            &[&format!("link add {} type veth peer name {} netns {namespace}", one.1, other.1)],
        );
        for (node, device, host) in [one, other] {
            self.ip(
                node,
                &[
                    &format!("addr add 10.91.{net}.{host}/24 dev {device}"),
                    &format!("-6 addr add fd91:{net}::{host}/64 dev {device} nodad"),
                    &format!("link set {device} up"),
                ],
            );
        }
    }

    /// Makes the link between the routers slow and lossy, or changes how slow and lossy it is.
    /// Returns whether it could; where it could not, that has been reported.
    pub fn impair(&mut self, link: Link) -> bool {
        if self.bridge.is_none() {
            let Some(python) = tool("python3") else {
                return require("a slow or lossy link", &[Need::Tool("python3")]);
            };
            self.bridge = Some(self.start_bridge(&python));
        }
        let Link { delay_ms, loss_permille, seed } = link;
        let answer = self.ask_bridge(&format!("link {delay_ms} {loss_permille} {seed}"));
        assert_eq!(answer, "ready\n");
        true
    }

    /// Packets of both directions since the link was impaired.
    pub fn link_counts(&mut self) -> LinkCounts {
        let answer = self.ask_bridge("counts");
        let mut counts = answer.split_whitespace().map(|word| word.parse().unwrap());
        let mut next = || counts.next().unwrap();
        LinkCounts { passed: next(), dropped: next() }
    }

    /// Puts a bridge of two TUN devices in place of the link between the routers.
    fn start_bridge(&self, python: &Path) -> Bridge {
        let mut child = Command::new(tool("ip").unwrap())
            .args(["netns", "exec", &self.namespace(Node::Router1)])
            .arg(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/tun_bridge.py"))
            .args(["slow-east", "slow-west"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the bridge does not start");
        let router2 = self.namespace(Node::Router2);
        self.ip(Node::Router1, &["link del east", &format!("link set slow-west netns {router2}")]);
        for (node, device, host, gateway) in
            [(Node::Router1, "slow-east", 1, 2), (Node::Router2, "slow-west", 2, 1)]
        {
            self.ip(
                node,
                &[
                    &format!("addr add 10.91.2.{host}/24 dev {device}"),
                    &format!("-6 addr add fd91:2::{host}/64 dev {device} nodad"),
                    &format!("link set {device} up"),
                    &format!("route add default via 10.91.2.{gateway}"),
                    &format!("-6 route add default via fd91:2::{gateway}"),
                ],
            );
        }
        Bridge { child, answers }
    }

    fn ask_bridge(&mut self, command: &str) -> String {
        let bridge = self.bridge.as_mut().expect("the link is impaired first");
        writeln!(bridge.child.stdin.as_mut().unwrap(), "{command}").unwrap();
        let mut answer = String::new();
        bridge.answers.read_line(&mut answer).unwrap();
        answer
    }

    /// Runs `ip` commands on a node, one per line of a batch.
    #[track_caller]
    pub fn ip(&self, node: Node, commands: &[&str]) {
        for command in commands {
            let (family, command) = match command.strip_prefix("-6 ") {
                Some(command) => ("-6", command),
                None => ("-4", *command),
            };
            let namespace = self.namespace(node);
            let mut arguments = vec!["-n", &namespace, family];
            arguments.extend(command.split(' '));
            ip(&arguments);
        }
    }

    /// Sets a kernel parameter of a node, by its path below `/proc/sys/net`.
    pub fn set(&self, node: Node, file: &str, value: &str) {
        let path = Path::new("/proc/sys/net").join(file);
        self.inside(node, || fs::write(&path, value))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Adds a rule to a hook (`forward`, `prerouting`, `input`, `output`) of a node.
    #[track_caller]
    pub fn rule(&self, node: Node, hook: &str, rule: &str) {
        self.nft(
            node,
            &[
                "add table inet world",
                &format!("add chain inet world {hook} {{ type filter hook {hook} priority 0; }}"),
                &format!("add rule inet world {hook} {rule}"),
            ],
        );
    }

    /// Adds an address translation to a node, for what arrives there.
    #[track_caller]
    pub fn redirect(&self, node: Node, rule: &str) {
        self.nft(
            node,
            &[
                "add table inet world",
                "add chain inet world translate { type nat hook prerouting priority -100; }",
                &format!("add rule inet world translate {rule}"),
            ],
        );
    }

    /// Removes every rule of a node.
    pub fn clear_rules(&self, node: Node) {
        let namespace = self.namespace(node);
        let nft = tool("nft").unwrap();
        ip(&["netns", "exec", &namespace, nft.to_str().unwrap(), "flush", "ruleset"]);
    }

    /// Runs a script of nftables on a node.
    #[track_caller]
    pub fn nft(&self, node: Node, commands: &[&str]) {
        let mut child = Command::new(tool("ip").unwrap())
            .args(["netns", "exec", &self.namespace(node)])
            .arg(tool("nft").unwrap())
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let script = commands.join("\n") + "\n";
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{script}");
    }

    /// Runs the probe on the client, as nobody.
    pub fn probe(&self, arguments: &[&str]) -> Output {
        self.as_nobody(&self.probe, arguments)
    }

    /// Runs any program on the client, as nobody and without capabilities.
    pub fn as_nobody(&self, program: &Path, arguments: &[&str]) -> Output {
        Command::new(tool("ip").unwrap())
            .args(["netns", "exec", &self.namespace(Node::Client)])
            .arg(tool("setpriv").unwrap())
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
            .arg(program)
            .args(arguments)
            .env_remove("NO_COLOR")
            .env_remove("XDG_CONFIG_HOME")
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs `work` in the network of a node, in a thread of its own.
    pub fn inside<T: Send>(&self, node: Node, work: impl FnOnce() -> T + Send) -> T {
        let handle = File::open(Path::new("/var/run/netns").join(self.namespace(node))).unwrap();
        thread::scope(|scope| {
            let working = scope.spawn(move || {
                setns(handle, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            working.join().unwrap()
        })
    }

    /// The name of a node's namespace.
    pub fn namespace(&self, node: Node) -> String {
        let suffix = match node {
            Node::Client => "c",
            Node::Router1 => "r1",
            Node::Router2 => "r2",
            Node::Server => "s",
        };
        format!("{}-{suffix}", self.name)
    }

    /// A simulated KMS host; port 443 stands for a port that should pass.
    fn serve(&self) -> Server {
        let listen = SERVER.iter().flat_map(|address| {
            let address = address.parse().unwrap();
            [1688, 443].map(|port| SocketAddr::new(address, port))
        });
        let config = ServeConfig {
            listen: listen.collect(),
            workers: NonZeroUsize::MIN,
            ..ServeConfig::default()
        };
        // Threads inherit the network of the thread that starts them.
        self.inside(Node::Server, move || Server::start(config).unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.host = None;
        if let Some(mut bridge) = self.bridge.take() {
            drop(bridge.child.stdin.take());
            let _ended_already = bridge.child.wait();
        }
        for node in Node::ALL {
            let _may_not_have_been_made = Command::new(tool("ip").unwrap_or_default())
                .args(["netns", "delete", &self.namespace(node)])
                .stderr(Stdio::null())
                .status();
        }
    }
}

impl Node {
    const ALL: [Self; 4] = [Self::Client, Self::Router1, Self::Router2, Self::Server];

    fn is_router(self) -> bool {
        matches!(self, Self::Router1 | Self::Router2)
    }
}

/// The build's own folder may be closed to others.
fn anybodys_copy(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("kms-probe");
    if fs::hard_link(program, &copy).is_err() {
        fs::copy(program, &copy).unwrap();
    }
    for path in [folder, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

#[track_caller]
fn ip(arguments: &[&str]) {
    let output = Command::new(tool("ip").unwrap()).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}: {errors}");
}

/// Below `/proc/sys/net`: routers forward and do not ration ICMP; addresses are usable at once.
const SETTINGS: [(&str, &str); 6] = [
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
];

static NEXT: AtomicU32 = AtomicU32::new(0);
