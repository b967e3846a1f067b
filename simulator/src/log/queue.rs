//! The bounded queue between those who log and the thread that writes.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use tracing_subscriber::fmt::MakeWriter;

use super::line::{self, Format};

/// The queue of a process's log; writes out what is left when dropped.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
}

/// A writer that takes one whole line per call and never blocks on the output.
#[derive(Clone, Debug)]
pub struct QueueWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    stopping: bool,
    stopped: bool,
}

impl Queue {
    /// A queue of [`QUEUE_BYTES_MAX`] in front of `output`; lost lines are reported in `format`.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(output: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        Self::with_capacity(QUEUE_BYTES_MAX, output, format)
    }

    fn with_capacity(
        bytes_max: usize,
        output: impl Write + Send + 'static,
        format: Format,
    ) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), bytes_max });
        let for_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || for_thread.write_out(output, format))?;
        Ok(Self { shared })
    }

    /// A writer for this queue.
    #[must_use]
    pub fn writer(&self) -> QueueWriter {
        QueueWriter(Arc::clone(&self.shared))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        self.shared.changed.notify_all();
        // A reader that takes nothing must not keep the process alive: hence no join.
        drop(self.shared.changed.wait_timeout_while(state, LAST_WRITE_TIMEOUT, |s| !s.stopped));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + line.len() > self.bytes_max {
            state.dropped += 1;
            return;
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.changed.notify_all();
        }
    }

    fn write_out(&self, mut output: impl Write, format: Format) {
        let mut batch = Vec::new();
        let mut batches = 0;
        while let Some(dropped) = self.take_batch(&mut batch, batches) {
            batches += 1;
            // There is nobody to tell when the log itself cannot be written.
            output.write_all(&batch).ok();
            if dropped > 0 {
                output.write_all(lines_dropped(dropped, format).as_bytes()).ok();
            }
            output.flush().ok();
        }
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits for lines and swaps them for the empty `batch`; `None` at the end. All but the first
    /// batch gather lines for a moment, so that a busy log costs few system calls.
    fn take_batch(&self, batch: &mut Vec<u8>, batches: u64) -> Option<u64> {
        batch.clear();
        let idle = |state: &mut State| state.lines.is_empty() && !state.stopping;
        let mut state =
            self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if batches > 0 && !state.stopping {
            state = self
                .changed
                .wait_timeout_while(state, GATHER_TIME, |state| !state.stopping)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::swap(&mut state.lines, batch);
        let dropped = std::mem::take(&mut state.dropped);
        (!batch.is_empty() || dropped > 0).then_some(dropped)
    }
}

impl<'a> MakeWriter<'a> for QueueWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lines_dropped(count: u64, format: Format) -> String {
    let time = line::Timestamp(SystemTime::now());
    match format {
        Format::Text => {
            format!("{time}  WARN log lines dropped: the reader is too slow count={count}\n")
        }
        Format::Json => format!(
            "{{\"time\":\"{time}\",\"level\":\"WARN\",\
             \"message\":\"log lines dropped: the reader is too slow\",\"count\":{count}}}\n"
        ),
    }
}

/// Bytes that wait to be written, at most.
pub const QUEUE_BYTES_MAX: usize = 8 << 20;

const GATHER_TIME: Duration = Duration::from_millis(5);

/// How long the end of the process waits for the last lines to be taken.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn everything_queued_is_written_before_the_queue_is_gone() {
        let output = Output::default();
        let queue = Queue::start(output.clone(), Format::Text).unwrap();
        for number in 0..1000 {
            writeln!(queue.writer(), "line {number}").unwrap();
        }
        drop(queue);
        let text = output.text();
        assert_eq!(text.lines().count(), 1000);
        assert!(text.ends_with("line 999\n"));
    }

    #[test]
    fn a_slow_reader_loses_whole_lines_and_is_told_how_many() {
        for format in [Format::Text, Format::Json] {
            let output = Output::default();
            let (entered, entered_rx) = mpsc::channel();
            let (release, release_rx) = mpsc::channel::<()>();
            let slow = Slow { output: output.clone(), entered, release: release_rx };
            let queue = Queue::with_capacity(10, slow, format).unwrap();
            queue.writer().write_all(b"first\n").unwrap();
            entered_rx.recv().unwrap(); // the thread is now stuck in its output
            queue.writer().write_all(b"123456789\n").unwrap();
            queue.writer().write_all(b"x\n").unwrap();
            queue.writer().write_all(b"y\n").unwrap();
            drop(release); // every further write returns at once
            drop(queue);
            let text = output.text();
            assert!(text.starts_with("first\n123456789\n"), "{text}");
            assert!(text.contains("count=2") || text.contains("\"count\":2}"), "{text}");
            assert!(!text.contains("x\n"), "{text}");
        }
    }

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Output {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Slow {
        output: Output,
        entered: mpsc::Sender<()>,
        release: mpsc::Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.entered.send(()).ok();
            self.release.recv().ok();
            self.output.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
