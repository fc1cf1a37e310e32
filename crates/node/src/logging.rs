//! Logs by `tracing` to standard error, for people or as JSON. A standard error that cannot be written to ends nobody.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

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

/// Begins to log; the second call in a process changes nothing. `RUST_LOG`, if set, is used in place of `level`.
pub fn init(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Quiet);
    let done = match format {
        LogFormat::Human => {
            let colour = io::IsTerminal::is_terminal(&io::stderr());
            builder.with_ansi(colour).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A host that has set up its own logging keeps it.
    drop(done);
}

/// Says something to the person who started a program; no more than that.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
