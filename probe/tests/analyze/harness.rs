//! Runs of the program over files of a folder, and the JSON Schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with files.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// `kms-probe analyze` on files.
pub(crate) fn run(files: &[&Path], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kms-probe"));
    command.arg("analyze").args(files).args(arguments).env("KMS_PROBE_CONFIG", "");
    command.stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A report of `--format json` that its schema describes.
#[track_caller]
pub(crate) fn json(files: &[&Path], arguments: &[&str]) -> Value {
    let mut all = vec!["--format", "json"];
    all.extend(arguments);
    let output = run(files, &all);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let path = "../docs/schema/analyze.schema.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&report).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    report
}

/// The codes of all findings, with their severities.
pub(crate) fn findings(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|one| (one["code"].as_str().unwrap(), one["severity"].as_str().unwrap())).collect()
}

/// An event as `wevtutil qe /f:xml` prints it.
pub(crate) fn event(id: u32, record: u32, time: &str, computer: &str, data: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='Microsoft-Windows-Security-SPP' \
         Guid='{{E23B33B0-C8C9-472C-A5F9-F2BDFEA0F156}}' EventSourceName='Software Protection \
         Platform Service'/><EventID Qualifiers='16384'>{id}</EventID><Version>0</Version>\
         <Level>4</Level><TimeCreated SystemTime='{time}'/><EventRecordID>{record}</EventRecordID>\
         <Channel>Application</Channel><Computer>{computer}</Computer><Security/></System>\
         <EventData><Data>{data}</Data></EventData></Event>"
    )
}

pub(crate) const CMID: &str = "36f27b39-2fd5-440b-be67-a09996d27a38";
pub(crate) const SKU: &str = "68531fb9-5511-4989-97be-d11a0f55633f";
