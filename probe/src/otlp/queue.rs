//! Sending beside the work: what finds no place is dropped, and that is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::drawn_trace;
use super::send::Endpoint;
use crate::check::Report;

/// A thread that sends, and what waits for it.
pub struct Queue {
    waiting: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// Starts the thread; `say` is told of what could not be sent.
    ///
    /// # Errors
    /// No resources for a thread.
    pub fn start(endpoint: Endpoint, say: impl Fn(&str) + Send + 'static) -> std::io::Result<Self> {
        let (waiting, coming) = sync_channel::<Vec<u8>>(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        thread::Builder::new().name("traces".to_owned()).spawn(move || {
            for body in coming {
                if let Err(error) = endpoint.send_body(&body) {
                    say(&format!("{error:#}"));
                }
                match lost.swap(0, Ordering::Relaxed) {
                    0 => {}
                    count => say(&format!("{count} traces were dropped: {endpoint} is too slow")),
                }
            }
        })?;
        Ok(Self { waiting, dropped })
    }

    /// Sends the trace of a check, or drops it where too many wait.
    pub fn offer(&self, report: &Report) {
        let body = serde_json::to_vec(&drawn_trace(report));
        let is_sent = body.is_ok_and(|body| self.waiting.try_send(body).is_ok());
        if !is_sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Traces that wait, of some kilobytes each.
const WAITING_MAX: usize = 256;
