//! The boundary: nothing made here can pass for the real thing, and no one can make it so from
//! outside. These tests read the sources and manifests, because what must not exist cannot be called.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use kms_protocol::kms::Epid;

#[test]
fn the_epid_says_lab_in_a_form_that_no_host_can_have() {
    let text = Epid::LAB.to_string();
    assert_eq!(text, "LAB01-00001-000-000001-03-1033-00000.0000-0012026");
    let groups: Vec<_> = text.split('-').collect();
    assert_eq!(groups.len(), 8);
    assert!(groups[0].parse::<u32>().is_err(), "a real platform id is a number");
    assert_eq!(groups[6], "00000.0000", "no Windows has build 0");
}

#[test]
fn the_public_api_shows_no_cipher_mac_or_derived_key() {
    let forbidden = [
        "Aes",
        "Cmac",
        "Hmac",
        "HmacKey",
        "MacKey",
        "CipherKey",
        "Protection",
        "Cipher",
        "Digest",
        "Sha256",
        "BlockMode",
        "KeyInit",
        "hazmat",
    ];
    let found = offending(|signature| forbidden.iter().any(|name| has_word(signature, name)));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_public_can_be_plugged_in() {
    let pluggable = |signature: &str| {
        has_word(signature, "trait") || has_word(signature, "dyn") || signature.contains("impl Fn")
    };
    let found = offending(pluggable);
    assert!(found.is_empty(), "{found:#?}");
}

/// Only what was received has an ePID or a hardware id of its own, and it goes one way: out of
/// `open_response`.
#[test]
fn nothing_public_takes_an_epid_or_a_hardware_id() {
    let names = ["Epid", "epid", "hwid", "hardware_id"];
    let mut found = offending(|signature| {
        let takes = signature
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'))
            .is_some_and(|(parameters, _)| names.iter().any(|name| has_word(parameters, name)));
        takes && has_word(signature, "fn")
    });
    // Nor is there a way to make an ePID from something else.
    for signature in public_signatures(&source("protocol/src/kms/epid.rs")) {
        let makes = has_word(&signature, "fn") && signature.contains("-> Self");
        if makes || signature.contains("-> Result<Self") {
            found.push(signature);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    // What is sealed has no such field at all.
    let sealed = source("protocol/src/kms/response.rs");
    assert!(names[1..].iter().all(|name| !sealed.contains(&format!("pub {name}"))));
    // The one struct that has both is the result of opening, and no function takes it.
    let found = offending(|signature| {
        has_word(signature, "fn") && signature.contains(": OpenResponse")
            || signature.contains("&OpenResponse")
    });
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn this_scan_sees_what_it_is_meant_to_see() {
    let text = "/// docs\npub fn seal(\n    epid: &Epid,\n) -> usize {\n}\n    pub(super) fn hidden() {}\n\
                pub struct A {\n    pub epid: Epid,\n}\n    pub const fn one(self) -> u8 { 1 }\n";
    let signatures = public_signatures(text);
    assert_eq!(
        signatures,
        [
            "pub fn seal( epid: &Epid, ) -> usize",
            "pub struct A",
            "pub epid: Epid,",
            "pub const fn one(self) -> u8"
        ]
    );
    assert!(has_word(&signatures[0], "Epid") && !has_word(&signatures[0], "Epi"));
    // The real sources are found, and hold the functions that the other tests reason about.
    let all: Vec<_> = kms_sources().iter().flat_map(|(_, text)| public_signatures(text)).collect();
    for name in ["fn seal_response", "fn open_response", "struct LabKey", "struct Epid"] {
        assert!(all.iter().any(|signature| signature.contains(name)), "{name}");
    }
}

#[test]
fn only_the_lab_crypto_module_touches_the_primitives() {
    let primitives = ["aes", "cbc", "cmac", "hmac", "sha2"];
    let mut users = Vec::new();
    for path in rust_files(&root().join("protocol/src")) {
        let text = fs::read_to_string(&path).unwrap();
        let uses = |name: &str| {
            text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains(&format!("{name}::"))
            })
        };
        if primitives.iter().any(|name| uses(name)) {
            users.push(path.strip_prefix(root()).unwrap().display().to_string());
        }
    }
    users.sort();
    assert_eq!(users, ["protocol/src/kms/crypto.rs"]);
}

#[test]
fn no_other_crate_has_a_block_cipher_and_none_has_hazmat() {
    for member in ["protocol", "simulator", "probe", "tests", "benches"] {
        let manifest = manifest(&format!("{member}/Cargo.toml"));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(names) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for name in ["aes", "cbc", "cmac", "cipher"] {
                let allowed = member == "protocol" && section == "dependencies";
                assert!(allowed || !names.contains_key(name), "{member} {section} has {name}");
            }
        }
    }
    for path in ["Cargo.toml", "protocol/Cargo.toml"] {
        assert!(!source(path).contains("hazmat"), "{path} names hazmat");
    }
}

#[test]
fn deny_toml_bans_the_hazmat_feature_of_aes() {
    let deny = manifest("deny.toml");
    let rules = deny["bans"]["features"].as_array().expect("bans.features is a list");
    let bans_hazmat = rules.iter().any(|rule| {
        let name = rule.get("crate").or_else(|| rule.get("name")).and_then(toml::Value::as_str);
        let denied = rule.get("deny").and_then(toml::Value::as_array);
        // No version requirement: the rule has to hold for every aes.
        name == Some("aes")
            && denied.is_some_and(|features| features.iter().any(|f| f.as_str() == Some("hazmat")))
    });
    assert!(bans_hazmat, "{rules:#?}");
}

/// Public signatures of the KMS modules that `is_offence` objects to, with their file.
fn offending(is_offence: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in kms_sources() {
        for signature in public_signatures(&text) {
            if is_offence(&signature) {
                found.push(format!("{}: {signature}", path.display()));
            }
        }
    }
    found
}

/// Every item or field that starts with `pub`, up to its body or end, in one line.
fn public_signatures(text: &str) -> Vec<String> {
    let mut signatures = Vec::new();
    let mut current: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with("//") {
            continue;
        }
        let signature = match current.take() {
            Some(begun) => format!("{begun} {line}"),
            None if line.starts_with("pub ") => line.to_owned(),
            None => continue,
        };
        let is_field = !["fn ", "struct ", "enum ", "trait ", "const ", "mod ", "use ", "type "]
            .iter()
            .any(|keyword| signature.contains(keyword));
        match signature.find(['{', ';']) {
            Some(end) => signatures.push(signature[..end].trim().to_owned()),
            None if is_field => signatures.push(signature),
            None => current = Some(signature),
        }
    }
    signatures
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

fn kms_sources() -> Vec<(PathBuf, String)> {
    rust_files(&root().join("protocol/src/kms"))
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

fn manifest(path: &str) -> toml::Table {
    source(path).parse().expect(path)
}
