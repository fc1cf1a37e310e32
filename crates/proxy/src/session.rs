//! The processes of one proxy, and what each command does to them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use rumormill_wire::Foreign;
use rumormill_wire::classroom::{ClassroomError, ProcessLine, ProxyLine, StartPlace};
use tokio::time::{Instant, sleep_until, timeout};

use crate::process::{Patience, Process, free_port};
use crate::{Config, LineError};

/// Processes at once.
pub const MAX_PROCESSES: usize = 1_000;
/// A `get chatLog` comes so long after the last line that changes something, so that the messages have spread.
pub const QUIET: Duration = Duration::from_secs(1);
/// `stopall` may take so long.
pub const STOP_DEADLINE: Duration = Duration::from_secs(15);
/// Names, for our own `process`, a directory that lives as long as the proxy: a process alone then keeps its log over a
/// crash.
pub const SESSION_STORE: &str = "RUMORMILL_SESSION_STORE";

/// Why the processes did not end as they should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopError {
    #[error("stopall cannot be run: {0}; give its path with --stopall")]
    Run(std::io::Error),
    #[error("stopall ended with {0}")]
    Failed(std::process::ExitStatus),
    #[error("stopall did not end within {} s", STOP_DEADLINE.as_secs())]
    Slow,
}

pub(crate) struct Session {
    config: Config,
    processes: BTreeMap<u32, Process>,
    /// The highest id that was ever started.
    highest: u32,
    /// When something last changed that a log may show.
    changed: Instant,
    store: Option<PathBuf>,
}

impl Session {
    pub fn new(config: Config, store: Option<PathBuf>) -> Self {
        Self { config, processes: BTreeMap::new(), highest: 0, changed: Instant::now(), store }
    }

    /// Carries out a line. Says whether it was the last.
    pub async fn line(
        &mut self,
        line: Result<Vec<u8>, ClassroomError>,
        out: &mut impl Write,
    ) -> Result<bool, LineError> {
        let line = line?;
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(false);
        }
        match ProxyLine::parse(&line)? {
            ProxyLine::Exit => return Ok(true),
            ProxyLine::Start { id, place } => self.start(id, place).await?,
            ProxyLine::To { id, line: ProcessLine::GetChatLog } => {
                let payload = self.chat_log(id).await?;
                // Nobody to print to is no reason to leave processes behind.
                let shown = Foreign::new(&payload).typed();
                let _ = writeln!(out, "{shown}").and_then(|()| out.flush());
            }
            ProxyLine::To { id, line } => self.pass_on(id, line).await?,
        }
        Ok(false)
    }

    async fn start(&mut self, id: u32, place: Option<StartPlace>) -> Result<(), LineError> {
        let failed = |why| LineError::Process { id, why };
        if self.processes.get_mut(&id).is_some_and(Process::is_running) {
            return Err(LineError::Running(id));
        }
        self.processes.remove(&id);
        if self.processes.len() >= MAX_PROCESSES {
            return Err(LineError::TooMany);
        }
        self.highest = self.highest.max(id);
        let place = match place {
            Some(place) => place,
            None => {
                let n = self.config.n.unwrap_or(0).max(self.highest.saturating_add(1));
                StartPlace { n, port: free_port().await.map_err(failed)? }
            }
        };
        let mut command = self.config.process.command(&[id.to_string(), place.n.to_string(), place.port.to_string()]);
        if let Some(store) = &self.store {
            command.env(SESSION_STORE, store);
        }
        // Known before it listens: should a signal end this session meanwhile, the process is ended too.
        let process = Process::spawn(command, place.port, Patience::default()).await.map_err(failed)?;
        self.processes.insert(id, process);
        let listens = self.process(id)?.listens().await;
        if listens.is_err() {
            self.processes.remove(&id);
        }
        self.changed = Instant::now();
        listens.map_err(failed)
    }

    async fn pass_on(&mut self, id: u32, line: ProcessLine<'_>) -> Result<(), LineError> {
        let mut bytes = Vec::new();
        line.encode(&mut bytes)?;
        let process = self.process(id)?;
        let mut done = process.send(&bytes).await;
        if matches!(line, ProcessLine::Crash { .. }) {
            done = done.and(process.ended_by_itself().await);
            self.processes.remove(&id);
        }
        self.changed = Instant::now();
        done.map_err(|why| LineError::Process { id, why })
    }

    async fn chat_log(&mut self, id: u32) -> Result<String, LineError> {
        let changed = self.changed;
        let process = self.process(id)?;
        sleep_until(changed + QUIET).await;
        process.chat_log().await.map_err(|why| LineError::Process { id, why })
    }

    fn process(&mut self, id: u32) -> Result<&mut Process, LineError> {
        self.processes.get_mut(&id).ok_or(LineError::NotRunning(id))
    }

    /// Runs `stopall`, then makes sure that every child has ended and was waited for.
    pub async fn end(mut self) -> Result<(), StopError> {
        let mut stopall = self.config.stopall.command(&[]);
        let stopped = match timeout(STOP_DEADLINE, stopall.status()).await {
            Err(_) => Err(StopError::Slow),
            Ok(Err(why)) => Err(StopError::Run(why)),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(StopError::Failed(status)),
        };
        for process in self.processes.values_mut() {
            process.kill().await;
        }
        stopped
    }
}
