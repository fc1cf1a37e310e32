//! Records of processes, and the processes that they name.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Bytes of a record: five numbers.
const MAX_RECORD: u64 = 256;

/// Records read at most.
pub(super) const MAX_RECORDS: usize = 10_000;

pub(super) const PROCESSES: &str = "processes";

/// When a process started, in clock ticks since the machine did: field 22 of `/proc/<pid>/stat`.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything: count from its end.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // A zombie has ended; only its parent still has to hear of it.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The numbers of a record: process id, start time, process of the session, starter's process id, its start time.
pub(super) fn read_record(path: &Path) -> Option<[u64; 5]> {
    let text = String::from_utf8(rumormill_limits::file::read_regular(path, MAX_RECORD).ok()?).ok()?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) start: u64,
}

/// Whether a process of this session runs.
pub(super) fn has_running(session: &Path) -> bool {
    let entries = fs::read_dir(session.join(PROCESSES)).into_iter().flatten().take(MAX_RECORDS).flatten();
    entries.filter_map(|entry| Running::read(&entry.path())).any(|process| process.is_alive())
}

impl Running {
    /// What a record names, if it is one.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let [pid, start, ..] = read_record(path)?;
        Some(Self { pid: u32::try_from(pid).ok()?, start })
    }

    pub(super) fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw).filter(|_| self.is_alive()) {
            let _ = kill_process(pid, signal);
        }
    }
}
