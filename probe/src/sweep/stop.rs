//! The wish to end early: Ctrl-C or SIGTERM.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::platform::signals;

/// Says whether to stop. Clones say the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Stops when this process is interrupted (SIGINT, or Ctrl-C) or asked to end (SIGTERM), which
    /// from now on do nothing else.
    ///
    /// # Errors
    /// When the system does not let this process know.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        let told = stop.clone();
        signals::on_first(move || told.set())?;
        Ok(stop)
    }

    /// Asks to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
