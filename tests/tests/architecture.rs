//! ARCHITECTURE.md and the tree say the same: what the page names exists, and no crate or
//! top-level module is missing from it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kms_tests::skip::workspace_root;

#[test]
fn every_path_that_the_page_names_exists() {
    let page = page();
    let named = named_paths(&page);
    assert!(named.len() > 20, "the page names few paths, so is it read rightly? {named:?}");
    let gone: Vec<_> = named.iter().filter(|path| !workspace_root().join(path).exists()).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names what does not exist: {gone:?}");
}

#[test]
fn every_crate_and_top_level_module_is_on_the_page() {
    let page = page();
    let named = named_paths(&page);
    let modules = crates().into_iter().flat_map(|member| with_modules(&member));
    let missing: Vec<_> = modules.filter(|path| !named.contains(path)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name: {missing:?}");
}

#[test]
fn a_path_in_a_code_span_or_a_link_is_recognised() {
    let text =
        "see `a/b.rs`, `c/`, [d](e/f.md#part), `kms_probe::cli`, `GET /x y` and `Cargo.toml`";
    let expected = ["Cargo.toml", "a/b.rs", "c", "e/f.md"];
    assert_eq!(named_paths(text), expected.map(str::to_owned).into());
}

fn page() -> String {
    fs::read_to_string(workspace_root().join("ARCHITECTURE.md")).unwrap()
}

/// Code spans that look like a path, and link targets; without a trailing slash.
fn named_paths(text: &str) -> BTreeSet<String> {
    let spans = text.split('`').skip(1).step_by(2);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    spans
        .chain(links)
        .filter(|span| is_path(span))
        .map(|span| span.trim_end_matches('/').to_owned())
        .collect()
}

fn is_path(span: &str) -> bool {
    let known_ending = [".rs", ".toml", ".md", ".json"].iter().any(|end| span.ends_with(end));
    let plain = !span.contains(|c: char| c.is_whitespace() || "<>*:".contains(c));
    plain && !span.starts_with('/') && (span.contains('/') || known_ending)
}

/// The members of the workspace and the crates that it excludes, as the manifest lists them.
fn crates() -> Vec<String> {
    let manifest = fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap();
    let lists = manifest
        .lines()
        .filter(|line| line.starts_with("members = [") || line.starts_with("exclude = ["));
    let crates: Vec<String> =
        lists.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect();
    assert!(crates.len() >= 5, "the workspace's members were not recognised: {crates:?}");
    crates
}

/// `member`, and each module directly below its `src` folder.
fn with_modules(member: &str) -> Vec<String> {
    let mut found = vec![member.to_owned()];
    let source = Path::new(member).join("src");
    for entry in fs::read_dir(workspace_root().join(&source)).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_root = ["lib.rs", "main.rs", "tests.rs"].contains(&name.as_str());
        // A module is named once: `a.rs` stands for the folder `a` of its children too.
        let has_file = workspace_root().join(&source).join(format!("{name}.rs")).exists();
        if !is_root && !has_file {
            found.push(source.join(name).to_str().unwrap().to_owned());
        }
    }
    found
}
