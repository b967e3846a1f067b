//! Golden vectors: commented hex files in `tests/vectors/`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// The golden vector `name`, from `tests/vectors/<name>.hex`: `#` begins a comment.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(name).with_extension("hex")).expect(name);
    let digits: Vec<u8> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).expect(name)).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2), "{name}: half a byte");
    digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

/// Names of all vectors that begin with `prefix`, in order.
pub(crate) fn names(prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().file_stem()?.to_str().map(str::to_owned))
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}
