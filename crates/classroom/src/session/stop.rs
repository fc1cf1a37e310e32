//! Ending what a session started.

use std::fs;
use std::io::{self};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::running::{MAX_RECORDS, PROCESSES, Running};

/// How long a process has to leave before it is ended.
pub const LEAVE_DEADLINE: Duration = Duration::from_secs(3);

/// What became of the processes of a session, or of more than one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Processes that left when asked.
    pub left: usize,
    /// Processes that had to be ended.
    pub killed: usize,
    /// Records of processes that had gone before.
    pub gone: usize,
}

/// Ends the processes recorded in a session, waits until they are gone, and removes the records. A new session in the same
/// directory then starts with empty logs; certificates stay.
///
/// # Errors
/// The records cannot be read.
pub(super) fn stop_all(session: &Path) -> io::Result<Stopped> {
    let dir = session.join(PROCESSES);
    let entries = match fs::read_dir(&dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Stopped::default()),
        other => other?,
    };
    let mut running = Vec::new();
    let mut files = Vec::new();
    for entry in entries.take(MAX_RECORDS) {
        let path = entry?.path();
        running.extend(Running::read(&path).filter(Running::is_alive));
        files.push(path);
    }
    running.iter().for_each(|process| process.signal(Signal::TERM));
    let alive = running.len();
    let killed = wait_gone(&mut running, LEAVE_DEADLINE);
    let (left, gone) = (alive.saturating_sub(killed), files.len().saturating_sub(alive));
    running.iter().for_each(|process| process.signal(Signal::KILL));
    if wait_gone(&mut running, LEAVE_DEADLINE) > 0 {
        return Err(io::Error::other("a process did not end even when killed"));
    }
    for path in files {
        let _ = fs::remove_file(path);
    }
    Ok(Stopped { left, killed, gone })
}

/// Waits for processes to be gone; says how many are not.
pub(super) fn wait_gone(running: &mut Vec<Running>, at_most: Duration) -> usize {
    let began = Instant::now();
    loop {
        running.retain(Running::is_alive);
        if running.is_empty() || began.elapsed() >= at_most {
            return running.len();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
