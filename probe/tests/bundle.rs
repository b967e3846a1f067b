//! `kms-probe bundle`: made against a real host and DNS, verified, redacted, read again, and archives
//! that somebody has tampered with or made to do harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kms_probe::bundle::archive::{Limits, Opened};
use kms_simulator::dns::{DnsServer, HostRecord, Zone};
use kms_simulator::serve::{ServeConfig, Server};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// A host and its DNS, and a folder.
struct Lab {
    _host: Server,
    dns: DnsServer,
    folder: TempDir,
}

impl Lab {
    fn start() -> Self {
        let host = Server::start(ServeConfig {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            workers: NonZeroUsize::MIN,
            ..ServeConfig::default()
        })
        .unwrap();
        let record = HostRecord {
            name: "kms-secret".to_owned(),
            port: host.addresses().first().unwrap().port(),
            priority: 0,
            weight: 0,
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
        };
        let zone = Zone::new("contoso.test").unwrap().host(record).unwrap();
        let dns = DnsServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), zone).unwrap();
        Self { _host: host, dns, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes a bundle of the domain with these further arguments.
    fn bundle(&self, output: &Path, arguments: &[&str]) -> Output {
        let resolver = self.dns.address().to_string();
        let output = output.to_str().unwrap();
        let first = ["bundle", "contoso.test", "--resolver", &resolver, "--output", output];
        probe(&[&first[..], arguments].concat())
    }
}

fn probe(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
    command.args(arguments).env("KMS_PROBE_CONFIG", "").output().unwrap()
}

fn text(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(all).unwrap()
}

fn entries(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut zip = ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut entries = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        entries.insert(entry.name().to_owned(), bytes);
    }
    entries
}

fn archive(path: &Path, entries: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

const EVENTS: &str = "0x0,25,pc-secret,42dac7ea-a0a2-4343-847e-996c23427764,2026/1/5 0:13,0,5,0,\
    7e5b90ff-6c8e-5775-9dc3-4538d0e15940\n";

#[test]
fn a_bundle_holds_every_answer_is_verified_and_read_again() {
    let lab = Lab::start();
    let log = lab.file("host events.txt", EVENTS.as_bytes());
    let output = lab.path("kms.zip");
    let made = lab.bundle(&output, &["--log", log.to_str().unwrap(), "--trace", "always"]);
    assert!(made.status.success(), "{}", text(&made));
    let entries = entries(&output);
    for name in [
        "README.txt",
        "check.json",
        "check.txt",
        "discover.json",
        "discover.txt",
        "trace.json",
        "trace.txt",
        "machine.txt",
        "settings.txt",
        "analyze.json",
        "analyze.txt",
        "logs/01-host_events.txt",
        "manifest.json",
    ] {
        assert!(entries.contains_key(name), "{name} is not in {:?}", entries.keys());
    }
    assert_eq!(entries.get("logs/01-host_events.txt").unwrap(), EVENTS.as_bytes());
    let check: serde_json::Value =
        serde_json::from_slice(entries.get("check.json").unwrap()).unwrap();
    assert_eq!(check.get("verdict").unwrap(), "rpc.ok");
    let verified = probe(&["bundle", "verify", output.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    let analyzed = text(&probe(&["analyze", output.to_str().unwrap()]));
    for part in ["kms.zip/logs/01-host_events.txt", "kms.zip/check.json", "1 events"] {
        assert!(analyzed.contains(part), "{part} is not in\n{analyzed}");
    }
}

#[test]
fn no_name_and_no_address_is_left_in_a_redacted_bundle() {
    let lab = Lab::start();
    let log = lab.file("pc-secret.txt", EVENTS.as_bytes());
    let utf16: Vec<u8> = format!("\u{feff}{EVENTS}seen from 192.0.2.77\r\n")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let wide = lab.file("wide.txt", &utf16);
    let binary = lab.file("binary.evtx", b"ElfFile\0 PC-SECRET");
    let output = lab.path("kms.zip");
    let mapping = lab.path("map.json");
    let logs = [&log, &wide, &binary].map(|path| path.to_str().unwrap());
    let made = lab.bundle(
        &output,
        &[
            "--redact",
            "--redact-name",
            "Contoso",
            "--mapping",
            mapping.to_str().unwrap(),
            "--log",
            logs[0],
            "--log",
            logs[1],
            "--log",
            logs[2],
        ],
    );
    assert!(made.status.success(), "{}", text(&made));
    let entries = entries(&output);
    for (name, bytes) in &entries {
        let shown = format!("{name}\n{}", String::from_utf8_lossy(bytes)).to_lowercase();
        for secret in ["contoso", "kms-secret", "pc-secret", "192.0.2.77"] {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
    assert!(!entries.keys().any(|name| name.ends_with(".evtx")), "{:?}", entries.keys());
    let manifest = String::from_utf8(entries.get("manifest.json").unwrap().clone()).unwrap();
    assert!(manifest.contains("a binary log"), "{manifest}");
    // The same machine has the same pseudonym in every part.
    let mapped: BTreeMap<String, String> =
        serde_json::from_slice(&fs::read(&mapping).unwrap()).unwrap();
    let (pseudonym, _) = mapped.iter().find(|(_, name)| *name == "pc-secret").unwrap();
    let (pseudonym, mut holding) = (pseudonym.to_lowercase(), 0);
    for bytes in entries.values() {
        holding += usize::from(String::from_utf8_lossy(bytes).contains(&pseudonym));
    }
    assert!(holding >= 4, "both logs and both forms of the analysis, not {holding}");
    assert_eq!(fs::metadata(&mapping).unwrap().permissions().mode() & 0o777, 0o600);
    let again = lab.bundle(&output, &["--redact", "--mapping", mapping.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again).contains("is there already"), "{}", text(&again));
    let verified = probe(&["bundle", "verify", output.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
}

#[test]
fn what_was_changed_added_or_taken_away_is_named() {
    let lab = Lab::start();
    let output = lab.path("kms.zip");
    assert!(lab.bundle(&output, &[]).status.success());
    let whole = entries(&output);
    let changed = lab.path("changed.zip");
    for (change, expected) in [
        ("content", "`check.txt` has another content"),
        ("length", "`check.txt` has 3 bytes, not"),
        ("missing", "`check.txt` is there 0 times, not once"),
        ("extra", "`extra.txt` is not in the manifest"),
    ] {
        let mut parts = whole.clone();
        match change {
            "content" => *parts.get_mut("check.txt").unwrap().first_mut().unwrap() ^= 1,
            "length" => *parts.get_mut("check.txt").unwrap() = b"abc".to_vec(),
            "missing" => drop(parts.remove("check.txt")),
            _ => drop(parts.insert("extra.txt".to_owned(), b"x".to_vec())),
        }
        let parts: Vec<(&str, &[u8])> =
            parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        archive(&changed, &parts);
        let verified = probe(&["bundle", "verify", changed.to_str().unwrap()]);
        assert_eq!(verified.status.code(), Some(1), "{change}: {}", text(&verified));
        assert!(text(&verified).contains(expected), "{change}: {}", text(&verified));
    }
}

#[test]
fn what_is_no_bundle_is_refused_and_nothing_is_half_written() {
    let lab = Lab::start();
    let bytes = fs::read({
        let output = lab.path("kms.zip");
        assert!(lab.bundle(&output, &[]).status.success());
        output
    })
    .unwrap();
    let cut = lab.file("cut.zip", bytes.get(..bytes.len() / 2).unwrap());
    let text_file = lab.file("text.zip", b"hello");
    let other = lab.path("other.zip");
    archive(&other, &[("a.txt", b"a")]);
    let foreign = lab.path("foreign.zip");
    archive(&foreign, &[("manifest.json", b"{\"a\":1}")]);
    let absent = lab.path("absent.zip");
    for (file, expected) in [
        (&cut, "not a ZIP archive"),
        (&text_file, "not a ZIP archive"),
        (&other, "not a bundle of kms-probe"),
        (&foreign, "manifest.json"),
        (&absent, "No such file"),
    ] {
        let verified = probe(&["bundle", "verify", file.to_str().unwrap()]);
        assert_eq!(verified.status.code(), Some(2), "{}", text(&verified));
        assert!(text(&verified).contains(expected), "{}", text(&verified));
    }
    let output = lab.path("never.zip");
    for (arguments, expected) in [
        (&["--log", absent.to_str().unwrap()][..], "--log: cannot read"),
        (&["--log", lab.folder.path().to_str().unwrap()], "is no file"),
        (&["--mapping", "x"], "--redact"),
    ] {
        let made = lab.bundle(&output, arguments);
        assert_eq!(made.status.code(), Some(2), "{}", text(&made));
        assert!(text(&made).contains(expected), "{}", text(&made));
        let left: Vec<_> = fs::read_dir(lab.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("never"))
            .collect();
        assert_eq!(left, [""; 0]);
    }
    assert_eq!(probe(&["bundle", "contoso.test"]).status.code(), Some(2), "no --output");
}

#[test]
fn an_archive_that_means_harm_is_refused_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.zip");
    let refused = |entries: &[(&str, &[u8])], expected: &str| {
        archive(&path, entries);
        let analyzed = probe(&["analyze", path.to_str().unwrap()]);
        assert_eq!(analyzed.status.code(), Some(2), "{}", text(&analyzed));
        assert!(text(&analyzed).contains(expected), "{}", text(&analyzed));
    };
    refused(&[("../../etc/passwd", b"x")], "leads out of the archive");
    refused(&[("/etc/passwd", b"x")], "leads out of the archive");
    refused(&[("a\\..\\b", b"x")], "leads out of the archive");
    refused(&[("c:x", b"x")], "leads out of the archive");
    // 64 MiB of zeros in 64 KiB.
    refused(&[("zeros.txt", &vec![0; 64 << 20])], "it was not read on");
    // An archive in an archive is named, not followed.
    archive(&path, &[("a.txt", b"x")]);
    let inner = fs::read(&path).unwrap();
    archive(&path, &[("inner.zip", &inner)]);
    let analyzed = text(&probe(&["analyze", path.to_str().unwrap()]));
    assert!(analyzed.contains("a ZIP archive in another"), "{analyzed}");
}

#[test]
fn the_bounds_of_an_archive_hold_at_their_edges() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.zip");
    archive(&path, &[("a", &[1; 100]), ("b", &[2; 100])]);
    let copy = |limits: Limits| {
        let mut opened = Opened::open(&path, limits)?;
        opened.copy("a", &mut std::io::sink())?;
        opened.copy("b", &mut std::io::sink())
    };
    let enough = Limits { entries: 2, entry_bytes: 100, total_bytes: 200, ratio: 1_000 };
    assert_eq!(copy(enough).unwrap().0, 100);
    assert!(copy(Limits { entries: 1, ..enough }).is_err());
    assert!(copy(Limits { entry_bytes: 99, ..enough }).is_err());
    assert!(copy(Limits { total_bytes: 199, ..enough }).is_err());
}
