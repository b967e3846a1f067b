//! Where a scenario comes from: a file, or one that comes with the program.

use std::path::Path;

use anyhow::{Context, anyhow, bail};

use crate::fleet::builtin::Builtin;
use crate::fleet::scenario::{Mistake, Scenario, shape::FILE_BYTES_MAX};

/// The scenario that `source` names: one that comes with the program, or a file.
///
/// # Errors
/// There is none; the file cannot be read; what is wrong with it, a line for each mistake.
pub(super) fn load(source: &str) -> anyhow::Result<Scenario> {
    Scenario::from_toml(&text(source)?).map_err(|mistakes| anyhow!(list(source, &mistakes)))
}

/// The TOML that `source` names.
///
/// # Errors
/// There is none, or the file cannot be read.
pub(super) fn text(source: &str) -> anyhow::Result<String> {
    if let Some(builtin) = Builtin::by_name(source) {
        return Ok(builtin.toml.to_owned());
    }
    let name = source.escape_debug();
    let path = Path::new(source);
    let looks_like_a_name = !source.contains(['/', '.', '\\']);
    if looks_like_a_name && !path.exists() {
        match Builtin::nearest(source) {
            Some(near) => {
                bail!("no such scenario, and no such file: `{name}`; did you mean `{near}`?")
            }
            None => bail!(
                "no such scenario, and no such file: `{name}` (`kms-sim fleet list` prints all \
                 scenarios)"
            ),
        }
    }
    let unreadable = || format!("cannot read the scenario file `{name}`");
    let len = std::fs::metadata(path).with_context(unreadable)?.len();
    if len > FILE_BYTES_MAX as u64 {
        bail!("{name}: longer than {FILE_BYTES_MAX} bytes");
    }
    std::fs::read_to_string(path).with_context(unreadable)
}

/// Mistakes, a line each, up to [`SHOWN_MAX`].
fn list(source: &str, mistakes: &[Mistake]) -> String {
    let name = source.escape_debug();
    let mut lines: Vec<String> = mistakes
        .iter()
        .take(SHOWN_MAX)
        .map(|mistake| {
            let separator = if mistake.place.is_some() { ":" } else { ": " };
            format!("{name}{separator}{mistake}")
        })
        .collect();
    if let Some(more) = mistakes.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        lines.push(format!("{name}: and {more} more mistakes"));
    }
    lines.join("\n")
}

/// Mistakes that are shown of one file.
const SHOWN_MAX: usize = 20;
