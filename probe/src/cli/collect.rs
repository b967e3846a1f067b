//! `kms-probe collect`.

use std::io::Write;

use anyhow::bail;
use clap::Args;

use super::{Outcome, write_text};

/// `collect`.
#[derive(Debug, Args)]
#[command(after_help = "\
The script runs in PowerShell 5 or later on a Windows client or host and changes nothing: it reads
DNS, the path to TCP 1688, slmgr and ospp, the events of the last 30 days, the clock and the licensing
keys of the registry, and prints what `kms-probe analyze` reads.

Examples:
  kms-probe collect --script > collect.ps1
  kms-probe collect --script --output collect.ps1

and on the Windows machine:
  powershell -ExecutionPolicy Bypass -File collect.ps1 > collected.txt")]
pub(super) struct CollectArgs {
    /// Print the collector script
    #[arg(long)]
    script: bool,
    /// File to write to, whole or not at all
    #[arg(long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
}

/// Runs `collect`.
pub(super) fn run(args: &CollectArgs, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    if !args.script {
        bail!("--script is wanted: this program does not collect from Windows machines itself");
    }
    match args.output.as_deref() {
        None => write_text(out, SCRIPT)?,
        path => super::emit::Destination::open("--output", path, out)?.finish(SCRIPT.as_bytes())?,
    }
    Ok(Outcome::Healthy)
}

const SCRIPT: &str = include_str!("collect.ps1");

#[cfg(test)]
mod tests {
    use super::SCRIPT;

    #[test]
    fn the_script_reads_only_and_begins_as_the_reader_expects() {
        assert!(SCRIPT.contains("# kms-probe collect"));
        let small = SCRIPT.to_lowercase();
        for verb in [
            "set-",
            "new-",
            "remove-",
            "restart-",
            "stop-",
            "start-",
            "enable-",
            "disable-",
            "invoke-webrequest",
            "/ipk",
            "/ato",
            "/skms",
            "/rearm",
            "reg add",
            "out-file",
        ] {
            let found = small.lines().any(|line| {
                let line = line.trim();
                !line.starts_with('#') && line.contains(verb)
            });
            assert!(!found, "{verb}");
        }
    }
}
