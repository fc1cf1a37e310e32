//! Logs by `tracing` to standard error, for people or as JSON. A standard error that cannot be written to ends nobody.
//! Each record is one line, whatever stands in it (`record`), and there are only so many (`limit`).

mod layer;
mod limit;
mod record;

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;
use crate::{fold, log_filter};
use layer::{Log, LogLayer};

/// Standard error, whose failures are nobody's business: `process` may be given one that is read-only.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    /// Records are folded where it is a terminal.
    folds: bool,
}

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut err = io::stderr().lock();
        let _ = match fold::width(&err).filter(|_| self.folds) {
            Some(width) => err.write_all(fold::fold(&String::from_utf8_lossy(bytes), width).as_bytes()),
            None => err.write_all(bytes),
        };
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().lock().flush();
        Ok(())
    }
}

impl MakeWriter<'_> for Quiet {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        *self
    }
}

/// A process has one subscriber, and so one log.
static LOG: OnceLock<Arc<Log<Quiet>>> = OnceLock::new();

/// Begins to log; the second call in a process changes nothing. Without a `level` that somebody set, `RUST_LOG` counts as far
/// as it is meant for us, else `usual`.
pub fn init(format: LogFormat, level: Option<&str>, usual: &str) {
    let (filter, wrong) = log_filter::filter(level, usual);
    let colour = format == LogFormat::Human && crate::terminal::colour(&io::stderr());
    let log = Arc::new(Log::new(format, colour, Quiet { folds: format == LogFormat::Human }));
    let done = tracing_subscriber::registry().with(filter).with(LogLayer(Arc::clone(&log))).try_init();
    // A host that has set up its own logging keeps it.
    if done.is_ok() {
        let _ = LOG.set(log);
    }
    if let Some(why) = wrong {
        tracing::warn!(why, "RUST_LOG is no filter; the usual level holds");
    }
}

/// Says what the log's bounds have left out, if it is time for it; `at_once` at the end.
pub(crate) fn tell_left_out(at_once: bool) {
    if let Some(log) = LOG.get() {
        log.tell_left_out(at_once);
    }
}

/// Lines that the log's bounds have left out since the start.
pub(crate) fn left_out() -> u64 {
    LOG.get().map_or(0, |log| log.left_out())
}
