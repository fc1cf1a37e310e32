//! The classroom proxy: reads commands, starts processes, passes lines on, prints what `get chatLog` answers. The lines are
//! those of [`rumormill_wire::classroom`].
//!
//! Standard output has the payloads and nothing else, in the order of the requests: a command waits until the one before it
//! is done, and each has a deadline. What goes wrong is said on standard error with the number of the line, and the proxy
//! goes on.
#![forbid(unsafe_code)]

mod input;
mod launch;
mod process;
mod session;
mod signals;
mod store;

use std::io::Write;

use rumormill_wire::classroom::ClassroomError;
use tokio::io::AsyncRead;

pub use launch::Launch;
pub use process::ProcessError;
pub use session::{MAX_PROCESSES, QUIET, SESSION_STORE, STOP_DEADLINE};

use input::Lines;
use session::Session;
use signals::Signals;
use store::SessionStore;

/// How a proxy runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// How many processes the short `start` assumes; else the highest id it was told of, and one.
    pub n: Option<u32>,
    /// What `start` runs.
    pub process: Launch,
    /// What `exit` runs.
    pub stopall: Launch,
}

/// Why a line was not carried out. What it says ends with what to do next, where that is not plain.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It does not parse, or is too long.
    #[error("{0}; nothing was sent")]
    Form(#[from] ClassroomError),
    /// No such process.
    #[error("process {0} is not running; start it with `{0} start`")]
    NotRunning(u32),
    /// It runs already.
    #[error("process {0} runs already; end it with `{0} crash`")]
    Running(u32),
    /// Too many.
    #[error("there are {MAX_PROCESSES} processes already; end one with `crash`")]
    TooMany,
    /// A process.
    #[error("process {id}: {why}")]
    Process {
        /// Which.
        id: u32,
        /// What is wrong with it.
        why: ProcessError,
    },
}

/// Reads commands until `exit`, the end of the input or a signal to end (SIGINT, SIGTERM, SIGHUP), then ends all processes.
/// The exit code: 0, or 1 if `stopall` failed (the processes are then killed).
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
            done = session.line(line, out) => done,
        };
        match done {
            Ok(true) => break,
            Ok(false) => {}
            Err(why) => tell(err, format_args!("error: line {}: {why}", lines.number())),
        }
    }
    match session.end().await {
        Ok(()) => 0,
        Err(why) => {
            tell(err, format_args!("error: {why}; the processes of this session were killed"));
            1
        }
    }
}

/// Nobody to hear it is no reason to stop.
fn tell(err: &mut impl Write, what: std::fmt::Arguments<'_>) {
    let _ = writeln!(err, "{what}").and_then(|()| err.flush());
}
