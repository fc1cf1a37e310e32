//! The classroom proxy: reads commands, starts processes, passes lines on, prints what `get chatLog` answers. The lines are
//! those of [`rumormill_wire::classroom`].
//!
//! Standard output has the payloads and nothing else, in the order of the requests: a command waits until the one before it
//! is done, and each has a deadline. What goes wrong is said on standard error with the number of the line, and the proxy
//! goes on; then its exit code is not 0.
//!
//! A log is printed once it shows what was said before through this proxy, to whomever that can have come (`expected`), or
//! after [`SHOWN`], and then it is said what is missing. A process is told to crash once those beside it show what was said to
//! it, or after the same time.

mod config;
mod expected;
mod input;
mod launch;
mod process;
mod session;
mod signals;
mod store;

use std::io::Write;

use rumormill_wire::Foreign;
use tokio::io::AsyncRead;

pub use config::{Config, LineError, MAX_PROCESSES, SHOWN};
pub use launch::Launch;
pub use process::ProcessError;
pub use session::{QUIET, STOP_DEADLINE};

use input::Lines;
use session::Session;
use signals::Signals;
use store::SessionStore;

/// Characters of one line on standard error.
const MAX_TOLD: usize = 4_096;

/// Reads commands until `exit`, the end of the input or a signal to end (SIGINT, SIGTERM, SIGHUP), then ends all processes.
/// The exit code: 0 if all went well, 1 if a line failed, or `stopall` (the processes are then killed).
///
/// Needs a runtime with io and time enabled. Processes run in the working directory.
pub async fn run<R, W, E>(config: Config, input: R, out: &mut W, err: &mut E) -> u8
where
    R: AsyncRead + Unpin,
    W: Write,
    E: Write,
{
    let store = SessionStore::create_in(&std::env::temp_dir());
    if let Err(why) = &store {
        tell(err, format_args!("warning: no directory for this session's logs: {why}; a process alone loses its log"));
    }
    let mut session = Session::new(config, store.as_ref().ok().map(SessionStore::path));
    let mut lines = Lines::new(input);
    let mut signals = Signals::listen();
    let mut failed = false;
    loop {
        let line = tokio::select! {
            biased;
            () = signals.next() => break,
            line = lines.next() => line,
        };
        let Some(line) = line else { break };
        let done = tokio::select! {
            biased;
            () = signals.next() => break,
            done = session.line(lines.number(), line, out) => done,
        };
        match done {
            Ok(true) => break,
            Ok(false) => {}
            Err(why) => {
                failed = true;
                tell(err, format_args!("error: line {}: {why}", lines.number()));
            }
        }
        for note in session.notes() {
            tell(err, format_args!("note: line {}: {note}", lines.number()));
        }
    }
    match session.end().await {
        Ok(()) => u8::from(failed),
        Err(why) => {
            tell(err, format_args!("error: {why}; the processes of this session were killed"));
            1
        }
    }
}

/// Nobody to hear it is no reason to stop. What is said may quote a line of the input, or an answer.
fn tell(err: &mut impl Write, what: std::fmt::Arguments<'_>) {
    let what = what.to_string();
    let what = Foreign::new(&what).first(MAX_TOLD);
    let _ = writeln!(err, "{what}").and_then(|()| err.flush());
}
