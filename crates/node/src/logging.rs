//! Logs by `tracing` to standard error, for people or as JSON. A standard error that cannot be written to ends nobody.
//! Each record is one line, whatever stands in it (`record`), and there are only so many (`limit`). One that takes nothing holds
//! up nobody (`outlet`).

mod layer;
mod limit;
mod outlet;
mod record;

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;
use crate::{fold, log_filter};
use layer::{Log, LogLayer};
use outlet::{END_PATIENCE, Outlet};

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

/// Where records go: never a place that waits, but for a system that has no thread to give.
#[derive(Debug, Clone)]
enum Sink {
    Outlet(Arc<Outlet>),
    Direct(Quiet),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Outlet(outlet) => outlet.put(bytes),
            Self::Direct(quiet) => return quiet.write(bytes),
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Sink {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A process has one subscriber, and so one log.
static LOG: OnceLock<Arc<Log<Sink>>> = OnceLock::new();
/// Its way to standard error.
static OUTLET: OnceLock<Arc<Outlet>> = OnceLock::new();

/// Begins to log; the second call in a process changes nothing. Without a `level` that somebody set, `RUST_LOG` counts as far
/// as it is meant for us, else `usual`.
pub fn init(format: LogFormat, level: Option<&str>, usual: &str) {
    let (filter, wrong) = log_filter::filter(level, usual);
    let colour = format == LogFormat::Human && crate::terminal::colour(&io::stderr());
    let quiet = Quiet { folds: format == LogFormat::Human };
    let outlet = match OUTLET.get() {
        Some(outlet) => Ok(Arc::clone(outlet)),
        None => Outlet::start(quiet),
    };
    let sink = outlet.map_or(Sink::Direct(quiet), Sink::Outlet);
    let log = Arc::new(Log::new(format, colour, sink.clone()));
    let done = tracing_subscriber::registry().with(filter).with(LogLayer(Arc::clone(&log))).try_init();
    // A host that has set up its own logging keeps it.
    if done.is_ok() {
        let _ = LOG.set(log);
        if let Sink::Outlet(outlet) = sink {
            let _ = OUTLET.set(outlet);
        }
    }
    if let Some(why) = wrong {
        tracing::warn!(why, "RUST_LOG is no filter; the usual level holds");
    }
}

/// Says what the log's bounds and a standard error that took nothing have left out, if it is time for it; `at_once` at the end,
/// and then what was said last is waited for, for a moment.
pub fn tell_left_out(at_once: bool) {
    if let Some(lines) = OUTLET.get().and_then(|outlet| outlet.to_tell()) {
        tracing::warn!(lines, of = "any", reason = "standard error took nothing", "lines were left out");
    }
    if let Some(log) = LOG.get() {
        log.tell_left_out(at_once);
    }
    if at_once {
        flush();
    }
}

/// Waits a moment for what was logged to be written: for whoever ends the process. A standard error that takes nothing is
/// waited for no longer than that.
pub fn flush() {
    if let Some(outlet) = OUTLET.get() {
        outlet.flush(END_PATIENCE);
    }
}

/// Puts a line behind those of the log, so that it does not wait for longer than they; false where nothing is logged.
pub(crate) fn put(line: &str) -> bool {
    let outlet = OUTLET.get();
    outlet.inspect(|outlet| outlet.put(line.as_bytes())).is_some()
}

/// Lines that the log's bounds, or a standard error that took nothing, have left out since the start.
pub(crate) fn left_out() -> u64 {
    let lost = OUTLET.get().map_or(0, |outlet| outlet.lost());
    LOG.get().map_or(0, |log| log.left_out()).saturating_add(lost)
}
