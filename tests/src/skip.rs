//! Skipping a test for want of a tool, where everybody can see it.
//!
//! A test that quietly passes on a machine without `tshark` proves nothing. So a test first says
//! what it [needs](Need); what is absent is printed, appended to the file named by
//! `KMS_TESTS_SKIP_LOG` (the gate counts its lines), and, with `KMS_TESTS_REQUIRE_TOOLS=1`, fails
//! the test instead.
//!
//! This one file depends on `std` alone, so that tests of other crates can share it without a
//! dependency: `#[path = "../../tests/src/skip.rs"] mod skip;`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary that includes this file uses part of it"
)]
#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::env;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something that a test needs from the machine it runs on.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// A program, found by [`tool`].
    Tool(&'static str),
    /// A Python interpreter that can import this module, found by [`python`].
    Python(&'static str),
    /// Effective user id 0.
    Root,
    /// The right to create a network namespace.
    NetworkNamespace,
    /// An IPv6 loopback address.
    Ipv6Loopback,
}

impl Need {
    /// What is absent and how to get it, or `None` where the need is met.
    fn unmet(self) -> Option<String> {
        match self {
            Self::Tool(name) => tool(name).is_none().then(|| format!("program `{name}` is absent")),
            Self::Python(module) => python(module)
                .is_none()
                .then(|| format!("no Python interpreter can import `{module}`")),
            Self::Root => (!is_root()).then(|| "root is needed".to_owned()),
            Self::NetworkNamespace => (!succeeds("unshare", ["--net", "true"]))
                .then(|| "a network namespace cannot be created here".to_owned()),
            Self::Ipv6Loopback => TcpListener::bind((Ipv6Addr::LOCALHOST, 0))
                .err()
                .map(|error| format!("no IPv6 loopback address: {error}")),
        }
    }
}

/// Whether everything that `test` needs is here. Where it is not, the skip has been reported and
/// the caller returns at once.
///
/// # Panics
///
/// With `KMS_TESTS_REQUIRE_TOOLS=1` an unmet need panics: where everything was installed on
/// purpose, a skip would hide a broken installation.
#[must_use]
pub fn require(test: &str, needs: &[Need]) -> bool {
    let unmet: Vec<String> = needs.iter().filter_map(|need| need.unmet()).collect();
    if unmet.is_empty() {
        return true;
    }
    let reason = unmet.join(", ");
    assert!(
        !tools_are_required(),
        "{test}: {reason}: nothing may be skipped under KMS_TESTS_REQUIRE_TOOLS=1"
    );
    skip(test, &reason);
    false
}

/// Report that `test` does not run, for a reason that installing something would not change: a
/// property of the machine that no [`Need`] expresses. It is counted and never fails.
///
/// # Panics
///
/// When the skip cannot be counted.
pub fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED: {test}: {reason}\n");
    // Written to the handle, since the test runner would swallow `eprintln!` of a passing test.
    std::io::stderr().write_all(line.as_bytes()).unwrap_or_default();
    if let Some(log) = env::var_os("KMS_TESTS_SKIP_LOG") {
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            panic!("cannot count a skipped test in `{}`: {error}", Path::new(&log).display());
        }
    }
}

/// The full path of a program: on `PATH`, or in the folders for administrators' programs, which
/// an ordinary user's `PATH` leaves out, or where Debian keeps the RPC server of Samba.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/libexec/samba"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

/// A Python interpreter that can import `module`: the gate's own environment, then the first on
/// `PATH`, then the system's, which is the one that Debian's python3-* packages serve.
#[must_use]
pub fn python(module: &str) -> Option<PathBuf> {
    let gate = Some(workspace_root().join("target/test-venv/bin/python3"));
    [gate, tool("python3"), Some(PathBuf::from("/usr/bin/python3"))]
        .into_iter()
        .flatten()
        .filter(|candidate| is_executable(candidate))
        .find(|candidate| succeeds(candidate, ["-c", &format!("import {module}")]))
}

/// The repository's root; every crate that includes this file is one folder below it.
#[must_use]
pub fn workspace_root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

fn tools_are_required() -> bool {
    env::var_os("KMS_TESTS_REQUIRE_TOOLS").is_some_and(|value| value == "1")
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout == b"0\n")
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn succeeds<P: AsRef<OsStr>, A: AsRef<OsStr>, const N: usize>(
    program: P,
    arguments: [A; N],
) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
