//! The classroom proxy: reads commands, starts processes, passes lines on, prints what `get chatLog` answers.
//!
//! Standard output has the payloads and nothing else, in the order of the requests. What goes wrong is said on standard error
//! with the number of the line, and the proxy goes on.
#![forbid(unsafe_code)]

mod launch;
mod process;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rumormill_wire::classroom::{ClassroomError, MAX_LINE_LEN, ProcessLine, ProxyLine, StartPlace, line_len};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

pub use launch::Launch;
use process::Process;
pub use process::ProcessError;

/// Processes at once.
pub const MAX_PROCESSES: usize = 1_000;
/// A `get chatLog` comes so long after the last line that changes something, so that the messages have spread.
pub const QUIET: Duration = Duration::from_secs(1);
/// Names, for our own `process`, a directory that lives as long as the proxy: a process alone then keeps its log over a
/// crash.
pub const SESSION_STORE: &str = "RUMORMILL_SESSION_STORE";
/// Read from standard input at once.
const READ: usize = 16 * 1_024;

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

/// Why a line was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It does not parse.
    #[error("{0}")]
    Form(#[from] ClassroomError),
    /// No such process.
    #[error("process {0} was not started; start it with `{0} start`")]
    NotStarted(u32),
    /// It runs already.
    #[error("process {0} runs already; `{0} crash` ends it")]
    Running(u32),
    /// Too many.
    #[error("there are {MAX_PROCESSES} processes already")]
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

/// A proxy at work.
struct Proxy<'a, W> {
    config: Config,
    out: &'a mut W,
    processes: BTreeMap<u32, Process>,
    highest: u32,
    changed: Instant,
    store: Option<PathBuf>,
}

/// Reads commands until `exit` or the end of the input, then ends all processes. The exit code: 0, or 1 if `stopall` failed.
pub async fn run<R, W, E>(config: Config, mut input: R, out: &mut W, err: &mut E) -> u8
where
    R: AsyncRead + Unpin,
    W: Write,
    E: Write,
{
    let store = tempfile::Builder::new().prefix("rumormill-session-").tempdir();
    if let Err(why) = &store {
        let _ =
            writeln!(err, "warning: no directory for this session's logs: {why}; a process alone will lose its log");
    }
    let path = store.as_ref().ok().map(|dir| dir.path().to_owned());
    let mut proxy = Proxy { config, out, processes: BTreeMap::new(), highest: 0, changed: Instant::now(), store: path };
    let mut buffer = Vec::new();
    let mut number = 0_u64;
    let mut skipping = false;
    'input: loop {
        loop {
            let length = match line_len(&buffer) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(_) => {
                    skip(&mut buffer, &mut skipping);
                    break;
                }
            };
            let line: Vec<_> = buffer.drain(..length).take(length.saturating_sub(1)).collect();
            number += 1;
            if std::mem::take(&mut skipping) {
                let _ = writeln!(err, "error: line {number}: longer than {MAX_LINE_LEN} bytes; it was not carried out");
                continue;
            }
            match proxy.line(&line).await {
                Ok(true) => break 'input,
                Ok(false) => {}
                Err(why) => drop(writeln!(err, "error: line {number}: {why}")),
            }
        }
        match read(&mut input, &mut buffer).await {
            0 if buffer.is_empty() => break,
            // The last line may lack its end.
            0 => buffer.push(b'\n'),
            _ => {}
        }
    }
    proxy.end(err).await
}

/// Throws away what is certainly no line, and remembers to say so at its end.
fn skip(buffer: &mut Vec<u8>, skipping: &mut bool) {
    *skipping = true;
    let end = buffer.iter().position(|byte| *byte == b'\n').unwrap_or(buffer.len());
    buffer.drain(..end);
}

async fn read(input: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> usize {
    buffer.reserve(READ);
    input.read_buf(buffer).await.unwrap_or(0)
}

impl<W: Write> Proxy<'_, W> {
    /// Carries out a line. Says whether it was the last.
    async fn line(&mut self, line: &[u8]) -> Result<bool, LineError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(false);
        }
        match ProxyLine::parse(line)? {
            ProxyLine::Exit => return Ok(true),
            ProxyLine::Start { id, place } => self.start(id, place).await?,
            ProxyLine::To { id, line: ProcessLine::GetChatLog } => self.get(id).await?,
            ProxyLine::To { id, line } => self.pass_on(id, line).await?,
        }
        Ok(false)
    }

    async fn start(&mut self, id: u32, place: Option<StartPlace>) -> Result<(), LineError> {
        let failed = |why| LineError::Process { id, why };
        if self.processes.get_mut(&id).is_some_and(Process::is_running) {
            return Err(LineError::Running(id));
        }
        if self.processes.len() >= MAX_PROCESSES {
            return Err(LineError::TooMany);
        }
        self.highest = self.highest.max(id);
        let place = match place {
            Some(place) => place,
            None => {
                let n = self.config.n.unwrap_or(0).max(self.highest.saturating_add(1));
                StartPlace { n, port: process::free_port().await.map_err(failed)? }
            }
        };
        let process = Process::start(&self.config.process, id, place, self.store.as_deref()).await.map_err(failed)?;
        self.processes.insert(id, process);
        self.changed = Instant::now();
        Ok(())
    }

    fn process(&mut self, id: u32) -> Result<&mut Process, LineError> {
        self.processes.get_mut(&id).ok_or(LineError::NotStarted(id))
    }

    async fn pass_on(&mut self, id: u32, line: ProcessLine<'_>) -> Result<(), LineError> {
        let failed = |why| LineError::Process { id, why };
        let mut bytes = Vec::new();
        line.encode(&mut bytes)?;
        self.changed = Instant::now();
        let process = self.process(id)?;
        process.send(&bytes).await.map_err(failed)?;
        if matches!(line, ProcessLine::Crash { .. }) {
            let ended = process.wait_end().await;
            self.processes.remove(&id);
            ended.map_err(failed)?;
        }
        Ok(())
    }

    async fn get(&mut self, id: u32) -> Result<(), LineError> {
        tokio::time::sleep_until(self.changed + QUIET).await;
        let payload = self.process(id)?.chat_log().await.map_err(|why| LineError::Process { id, why })?;
        // Nobody to print to is no reason to leave processes behind.
        let _ = writeln!(self.out, "{payload}").and_then(|()| self.out.flush());
        Ok(())
    }

    async fn end(mut self, err: &mut impl Write) -> u8 {
        let stopped = self.config.stopall.command(&[], Path::new(".")).status().await;
        let code = match stopped {
            Ok(status) if status.success() => 0,
            Ok(status) => {
                let _ = writeln!(
                    err,
                    "error: stopall ended with {status}; processes that this proxy started are ended by it"
                );
                1
            }
            Err(why) => {
                let _ = writeln!(err, "error: stopall cannot be run: {why}; give its path with --stopall");
                1
            }
        };
        for process in self.processes.values_mut() {
            process.end().await;
        }
        code
    }
}
