//! Standard output, whose errors say what could not be written to.

use std::io::{self, StdoutLock, Write};

/// Standard output, locked.
pub(super) struct StandardOutput(StdoutLock<'static>);

impl StandardOutput {
    pub(super) fn lock() -> Self {
        Self(io::stdout().lock())
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// The same kind of error, for writers look at it.
fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{FAILED}: {error}"))
}

/// What failed.
pub(super) const FAILED: &str = "cannot write to standard output";
