//! Standard output and standard error: the only place of the command line that prints.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Writes to standard output. A reader that has gone away is not an error.
pub(super) fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

/// Says on standard error, in one line, what is no result.
pub(super) fn note(text: &str) {
    // There is nobody left to tell when standard error is closed.
    writeln!(io::stderr(), "kms-sim: {text}").ok();
}

/// Says on standard error, in one line, what went wrong.
pub(super) fn complain(error: &anyhow::Error) {
    // There is nobody left to tell when standard error is closed.
    writeln!(io::stderr(), "kms-sim: {error:#}").ok();
}
