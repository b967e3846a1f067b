//! `kms-probe bundle`: one archive for whoever supports this network.
//!
//! `gather` asks every question once, [`redact`] makes pseudonyms, [`archive`] writes and reads what
//! is hashed in the [`manifest`], [`verify`] compares.

pub mod archive;
mod gather;
mod machine;
pub mod manifest;
pub mod redact;
pub mod verify;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context as _, ensure};

use self::archive::Writer;
use self::gather::{Content, Gathered, Part};
pub use self::gather::{Wanted, When};
use self::manifest::{LeftOut, Manifest, SCHEMA_VERSION, Tool};
use self::redact::Redactor;
use crate::analyze::readers::encoding::Decoded;
use crate::analyze::readers::{self, Encoding};
use crate::dns::system::SystemConfig;
use crate::report::escape;
use crate::verdict::Severity;

/// A bundle that was made.
pub struct Made {
    /// What is in it.
    pub manifest: Manifest,
    /// Of the check.
    pub severity: Severity,
    /// Pseudonyms and what they stand for, where there are any.
    pub redactor: Option<Redactor>,
}

/// Makes a bundle in `out`. With `redact` all names that the parts mention, and those of the list,
/// become pseudonyms.
///
/// # Errors
/// This program's own failures, a log that cannot be read or is too long.
pub fn make(
    wanted: &Wanted,
    redact: Option<&[String]>,
    out: &mut File,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<Made> {
    measure(&wanted.logs)?;
    let Gathered { parts, mut left_out, names, domains, made, severity } =
        gather::gather(wanted, say)?;
    let mut redactor = redact.map(|further| knowing(names.iter().chain(further), &domains));
    say("writing");
    let mut writer = Writer::new(out);
    let about = about(redactor.is_some());
    writer.add("README.txt", "what this is", |out| Ok(out.write_all(about.as_bytes())?))?;
    for part in &parts {
        add(&mut writer, part, redactor.as_mut(), &mut left_out)?;
    }
    if let Some(redactor) = &mut redactor {
        for left in &mut left_out {
            left.why = redactor.text(&left.why);
        }
    }
    let redacted = redactor.is_some();
    let manifest = writer.finish(|parts| Manifest {
        schema_version: SCHEMA_VERSION,
        tool: Tool {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        made,
        redacted,
        parts,
        left_out,
    })?;
    Ok(Made { manifest, severity, redactor })
}

/// A log that is not there, or longer than makes sense, is known before anything is sent.
fn measure(logs: &[std::path::PathBuf]) -> anyhow::Result<()> {
    ensure!(logs.len() <= LOGS_MAX, "--log: at most {LOGS_MAX} logs go into a bundle");
    let mut total = 0;
    for log in logs {
        let name = escape(&log.display().to_string()).into_owned();
        let file = File::open(log).with_context(|| format!("--log: cannot read `{name}`"))?;
        let meta = file.metadata().with_context(|| format!("--log: cannot read `{name}`"))?;
        ensure!(meta.is_file(), "--log: `{name}` is no file");
        ensure!(
            meta.len() <= LOG_BYTES_MAX,
            "--log: `{name}` has {} bytes, and at most {LOG_BYTES_MAX} go into a bundle",
            meta.len()
        );
        total += meta.len();
    }
    ensure!(
        total <= LOGS_BYTES_MAX,
        "--log: the logs have {total} bytes together, and at most {LOGS_BYTES_MAX} go into a bundle"
    );
    Ok(())
}

fn knowing<'a>(names: impl Iterator<Item = &'a String>, domains: &[String]) -> Redactor {
    let mut redactor = Redactor::default();
    domains.iter().for_each(|domain| redactor.know_domain(domain));
    names.for_each(|name| redactor.know(name));
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    redactor.know(&machine);
    if let Ok(system) = SystemConfig::load() {
        for suffix in &system.search {
            redactor.know_domain(&suffix.to_string());
        }
    }
    redactor
}

fn add(
    writer: &mut Writer<&mut File>,
    part: &Part,
    redactor: Option<&mut Redactor>,
    left_out: &mut Vec<LeftOut>,
) -> anyhow::Result<()> {
    match (&part.content, redactor) {
        (Content::Text(text), None) => {
            writer.add(&part.name, part.what, |out| Ok(out.write_all(text.as_bytes())?))
        }
        (Content::Text(text), Some(redactor)) => {
            let text = redactor.text(text);
            writer.add(&part.name, part.what, |out| Ok(out.write_all(text.as_bytes())?))
        }
        (Content::Log(path), None) => writer.add(&part.name, part.what, |out| {
            io::copy(&mut open(path)?.take(LOG_BYTES_MAX), out)?;
            Ok(())
        }),
        (Content::Log(path), Some(redactor)) => {
            let name = redactor.text(&part.name);
            if is_binary(path)? {
                let why = "a binary log, in which names cannot be replaced; analyze.json has what it \
                           says";
                left_out.push(LeftOut { name, why: why.to_owned() });
                return Ok(());
            }
            writer.add(&name, part.what, |out| redacted_log(path, redactor, out))
        }
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    let name = escape(&path.display().to_string()).into_owned();
    File::open(path).with_context(|| format!("--log: cannot read `{name}`"))
}

fn is_binary(path: &Path) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    open(path)?.take(START_BYTES).read_to_end(&mut start)?;
    Ok(readers::is_binary(&start))
}

/// A text log with pseudonyms, as UTF-8, line by line.
fn redacted_log(path: &Path, redactor: &mut Redactor, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut start = Vec::new();
    open(path)?.take(START_BYTES).read_to_end(&mut start)?;
    let (encoding, _) = Encoding::of(&start);
    let mut text = BufReader::new(Decoded::new(open(path)?, encoding, LOG_BYTES_MAX));
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = Read::by_ref(&mut text).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        out.write_all(redactor.text(&String::from_utf8_lossy(&line)).as_bytes())?;
    }
}

fn about(redacted: bool) -> String {
    let names = match redacted {
        true => {
            "Names and addresses are pseudonyms, the same one for the same name in every part. What they\n\
                 stand for is in a file that is not in here.\n"
        }
        false => {
            "Names and addresses are as they were found: look through it before you hand it on.\n"
        }
    };
    format!(
        "A bundle of kms-probe {}: what a check of KMS hosts, DNS, path, clock and logs found.\n\n\
         {names}\n\
         check.txt      the check: begin here\n\
         discover.txt   what every DNS server says\n\
         trace.txt      where on the path a SYN stops\n\
         machine.txt    the machine that this was run on\n\
         settings.txt   the settings of kms-probe in effect\n\
         analyze.txt    what the logs say together\n\
         logs/          the logs\n\
         manifest.json  a list of all this with SHA-256, and of what was left out and why\n\n\
         kms-probe bundle verify FILE   compares the parts with the manifest\n\
         kms-probe analyze FILE         reads the logs in it\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Logs of one bundle.
pub const LOGS_MAX: usize = 100;
/// Bytes of one log.
pub const LOG_BYTES_MAX: u64 = 512 << 20;
/// Bytes of all logs.
pub const LOGS_BYTES_MAX: u64 = 2 << 30;
const START_BYTES: u64 = 64 << 10;
/// A longer line is redacted in pieces.
const LINE_BYTES_MAX: u64 = 1 << 20;
