//! The processes of one proxy, and what each command does to them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use rumormill_wire::classroom::{ClassroomError, ProcessLine, ProxyLine, StartPlace};
use rumormill_wire::{Foreign, plain};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::config::{Config, LineError, MAX_PROCESSES};
use super::expected::{Expected, MAX_REMEMBERED, Missing};
use super::process::{Patience, Process, ProcessError, after, free_port};
use crate::process::SESSION_STORE;

/// A `get chatLog` comes so long after the last line that changes something, so that the messages have spread.
pub const QUIET: Duration = Duration::from_secs(1);
/// Between two looks at a log that lacks something, at first and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));
/// `stopall` may take so long.
pub const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Why the program `stopall` did not end the processes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopallError {
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
    expected: Expected,
    notes: Vec<String>,
    /// It was said that no more is remembered.
    told_full: bool,
}

impl Session {
    pub(crate) fn new(config: Config, store: Option<PathBuf>) -> Self {
        Self {
            config,
            processes: BTreeMap::new(),
            highest: 0,
            changed: Instant::now(),
            store,
            expected: Expected::default(),
            notes: Vec::new(),
            told_full: false,
        }
    }

    /// What is worth saying about the last line, though it did not fail.
    pub(crate) fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Carries out a line. Says whether it was the last.
    pub(crate) async fn line(
        &mut self,
        number: u64,
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
                let (payload, missing) = self.chat_log(id).await?;
                // Nobody to print to is no reason to leave processes behind.
                let shown = if self.config.on_terminal {
                    writeln!(out, "{}", Foreign::new(&payload).typed())
                } else {
                    writeln!(out, "{}", plain(&payload))
                };
                let _ = shown.and_then(|()| out.flush());
                self.judge(id, &missing)?;
            }
            ProxyLine::To { id, line: ProcessLine::Crash { suffix } } => self.crash(id, suffix).await?,
            ProxyLine::To { id, line } => self.pass_on(number, id, line).await?,
        }
        Ok(false)
    }

    async fn start(&mut self, id: u32, place: Option<StartPlace>) -> Result<(), LineError> {
        let failed = |why| LineError::Process { id, why };
        if self.processes.get_mut(&id).is_some_and(Process::is_running) {
            return Err(LineError::Running(id));
        }
        self.processes.remove(&id);
        self.expected.ended(id);
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
            // Our own `process` alone then keeps its log over a crash.
            command.env(SESSION_STORE, store);
        }
        // Known before it listens: should a signal end this session meanwhile, the process is ended too.
        let process = Process::spawn(command, place.port, Patience::default()).await.map_err(failed)?;
        self.processes.insert(id, process);
        let listens = self.process(id)?.listens().await;
        match &listens {
            Ok(()) => self.expected.started(id),
            Err(_) => drop(self.processes.remove(&id)),
        }
        self.changed = Instant::now();
        listens.map_err(failed)
    }

    async fn pass_on(&mut self, number: u64, id: u32, line: ProcessLine<'_>) -> Result<(), LineError> {
        let mut bytes = Vec::new();
        line.encode(&mut bytes)?;
        self.process(id)?.send(&bytes).await.map_err(|why| LineError::Process { id, why })?;
        self.changed = Instant::now();
        if let ProcessLine::Msg { text, .. } = line {
            let remembered = self.expected.said(id, number, text);
            if !remembered && !std::mem::replace(&mut self.told_full, true) {
                let mib = MAX_REMEMBERED >> 20;
                self.notes.push(format!("{mib} MiB were said; what is said now is not looked for in the logs"));
            }
        }
        Ok(())
    }

    /// Tells a process to crash, once those beside it have what was said to it: whoever types fast loses nothing.
    async fn crash(&mut self, id: u32, suffix: &str) -> Result<(), LineError> {
        let mut bytes = Vec::new();
        ProcessLine::Crash { suffix }.encode(&mut bytes)?;
        self.process(id)?;
        self.notice_ends();
        let within = self.config.shown;
        let deadline = after(Instant::now(), within);
        let mut lacking = None;
        for beside in self.expected.witnesses(id) {
            // One that does not answer is another line's matter.
            if let Ok((_, missing)) = self.look(beside, deadline).await {
                let count = self.expected.of(id, &missing);
                lacking = lacking.or((count > 0).then_some(LineError::LastWords { id, count, beside, within }));
            }
        }
        let failed = |why| LineError::Process { id, why };
        let process = self.process(id)?;
        let sent = process.send(&bytes).await;
        let done = sent.and(process.ended_by_itself().await);
        self.processes.remove(&id);
        self.expected.ended(id);
        self.changed = Instant::now();
        done.map_err(failed)?;
        lacking.map_or(Ok(()), Err)
    }

    /// The log of a process, and what it lacks of what was said before.
    async fn chat_log(&mut self, id: u32) -> Result<(String, Missing), LineError> {
        let changed = self.changed;
        self.process(id)?;
        sleep_until(after(changed, QUIET)).await;
        self.notice_ends();
        self.look(id, after(Instant::now(), self.config.shown)).await.map_err(|why| LineError::Process { id, why })
    }

    /// Looks at a log until it shows what was said before, or the deadline.
    async fn look(&mut self, id: u32, deadline: Instant) -> Result<(String, Missing), ProcessError> {
        let (mut pause, longest) = LOOK;
        loop {
            let Some(process) = self.processes.get_mut(&id) else { return Ok(Default::default()) };
            let payload = process.chat_log().await?;
            let missing = self.expected.missing(id, &payload);
            if !self.expected.worth_waiting(id, &missing) || Instant::now() >= deadline {
                return Ok((payload, missing));
            }
            sleep(pause).await;
            pause = longest.min(pause.saturating_mul(2));
        }
    }

    /// Says what a printed log lacks.
    fn judge(&mut self, id: u32, missing: &Missing) -> Result<(), LineError> {
        if let Some(first) = missing.apart.first() {
            self.notes.push(format!(
                "process {id} cannot show {} of the messages said before, since no line of running processes joined it \
                 with where they were said; what line {} said is the first",
                missing.apart.len(),
                self.expected.line_number(*first)
            ));
        }
        let Some(first) = missing.late.first() else { return Ok(()) };
        self.expected.give_up(id, missing);
        let (count, first) = (missing.late.len(), self.expected.line_number(*first));
        Err(LineError::Incomplete { id, count, first, within: self.config.shown })
    }

    /// Processes that ended by themselves carry nothing on.
    fn notice_ends(&mut self) {
        for (id, process) in &mut self.processes {
            if !process.is_running() {
                self.expected.ended(*id);
            }
        }
    }

    fn process(&mut self, id: u32) -> Result<&mut Process, LineError> {
        self.processes.get_mut(&id).ok_or(LineError::NotRunning(id))
    }

    /// Runs `stopall`, then makes sure that every child has ended and was waited for.
    pub(crate) async fn end(mut self) -> Result<(), StopallError> {
        let mut stopall = self.config.stopall.command(&[]);
        let stopped = match timeout(STOP_DEADLINE, stopall.status()).await {
            Err(_) => Err(StopallError::Slow),
            Ok(Err(why)) => Err(StopallError::Run(why)),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(StopallError::Failed(status)),
        };
        for process in self.processes.values_mut() {
            process.kill().await;
        }
        stopped
    }
}
