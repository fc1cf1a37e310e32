//! Logs by `tracing` to standard error, for people or as JSON. A standard error that cannot be written to ends nobody.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;
use crate::log_filter;

/// Standard error, whose failures are nobody's business: `process` may be given one that is read-only.
#[derive(Debug, Clone, Copy)]
struct Quiet;

impl Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
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

/// Begins to log; the second call in a process changes nothing. Without a `level` that somebody set, `RUST_LOG` counts as far
/// as it is meant for us, else `usual`.
pub fn init(format: LogFormat, level: Option<&str>, usual: &str) {
    let (filter, wrong) = log_filter::filter(level, usual);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Quiet);
    let done = match format {
        LogFormat::Human => {
            let colour = crate::terminal::colour(&io::stderr());
            builder.with_ansi(colour).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A host that has set up its own logging keeps it.
    drop(done);
    if let Some(why) = wrong {
        tracing::warn!(why, "RUST_LOG is no filter; the usual level holds");
    }
}

/// Says something to the person who started a program; no more than that.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
