//! How a proxy runs, and why a line is not carried out.

use std::time::Duration;

use rumormill_wire::classroom::ClassroomError;

use super::launch::Launch;
use super::process::ProcessError;

/// How many processes of a proxy run at once, at most.
pub const MAX_PROCESSES: usize = 1_000;
/// How long is waited for a log to show what was said before: links come up and processes start while others have the cores.
pub const SHOWN: Duration = Duration::from_secs(10);

/// How a proxy runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// How many processes the short `start` assumes; else the highest id it was told of, and one.
    pub n: Option<u32>,
    /// What `start` runs.
    pub process: Launch,
    /// What `exit` runs.
    pub stopall: Launch,
    /// How long a log is waited for that lacks what was said before; [`SHOWN`].
    pub shown: Duration,
    /// Logs are printed on a terminal: what would be hidden there is made visible. A program gets them as they were typed, less
    /// their control characters.
    pub on_terminal: bool,
}

/// Why a line was not carried out. What it says ends with what to do next, where that is not plain.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It does not parse, or is too long.
    #[error("{0}; nothing was sent")]
    Form(#[from] ClassroomError),
    /// A line is for a process that was not started, or has ended.
    #[error("process {0} is not running; start it with `{0} start`")]
    NotRunning(u32),
    /// `start` names a process that has not ended.
    #[error("process {0} runs already; end it with `{0} crash`")]
    Running(u32),
    /// `start` would make more than [`MAX_PROCESSES`].
    #[error("there are {MAX_PROCESSES} processes already; end one with `crash`")]
    TooMany,
    /// A log was printed that lacks something.
    #[error(
        "process {id} does not show {count} of the messages said before, after {within:?}: what line {first} said is the \
         first; ask again"
    )]
    Incomplete {
        /// The process whose log it is.
        id: u32,
        /// How many messages it lacks.
        count: usize,
        /// The line of input, from 1, that said the first of them.
        first: u64,
        /// How long it was waited for.
        within: Duration,
    },
    /// A process crashed, and one beside it lacks something.
    #[error(
        "process {id} has crashed; {count} of the messages said to it did not come to process {beside} within {within:?}"
    )]
    LastWords {
        /// The process that crashed.
        id: u32,
        /// How many messages said to it are lacking there.
        count: usize,
        /// The process whose log lacks them.
        beside: u32,
        /// How long they were waited for.
        within: Duration,
    },
    /// A process cannot be started, does not answer or does not end.
    #[error("process {id}: {why}")]
    Process {
        /// The process, by its number in the line.
        id: u32,
        /// What is wrong with it.
        why: ProcessError,
    },
}
