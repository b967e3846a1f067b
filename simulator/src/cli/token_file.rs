//! The file that holds the token of an admin API.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

use crate::admin::{TOKEN_BYTES_MAX, Token};

/// # Errors
/// The file cannot be read, or holds no token. The message never shows what it holds.
pub(super) fn read(path: &Path) -> anyhow::Result<Token> {
    let name = path.display().to_string();
    let name = name.escape_debug();
    // Surrounding white space is no part of a token; a little more of it is read than there may be.
    let limit = u64::try_from(TOKEN_BYTES_MAX + 64)?;
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .with_context(|| format!("cannot read the token file `{name}`"))?;
    Token::parse(&text).with_context(|| format!("token file `{name}`"))
}
