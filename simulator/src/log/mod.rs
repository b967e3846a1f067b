//! The log: one line per event, as text or JSON, which never makes a worker wait for a slow reader.
//!
//! Lines go to a bounded queue that a thread of its own writes out. When the queue is full, lines
//! are dropped, counted, and the count is logged as soon as there is room.

mod line;
mod queue;

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

pub use line::Format;
pub use queue::{QUEUE_BYTES_MAX, Queue};

/// Sends the events of this process at `level` and above to `output`, until the returned queue is
/// dropped, which writes out what is left.
///
/// # Errors
/// The thread that writes could not be started, or this process has a log already.
pub fn start(
    level: LevelFilter,
    format: Format,
    output: impl io::Write + Send + 'static,
) -> io::Result<Queue> {
    let queue = Queue::start(output, format)?;
    let lines = tracing_subscriber::fmt::layer()
        .event_format(line::Line::new(format))
        .with_writer(queue.writer());
    let subscriber = tracing_subscriber::registry().with(level).with(lines);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    Ok(queue)
}
