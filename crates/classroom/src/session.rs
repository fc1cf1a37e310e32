//! What `process` leaves behind so that `stopall` ends exactly the processes started in its directory.
//!
//! A session directory is `./.rumormill` if it is there or can be made and is nobody else's; otherwise it is in the state
//! directory, under a name made of the working directory's path. Where processes run, the others of their session go there, and `stopall`
//! looks in both: whether a directory takes something may have changed since. Processes record their process id with its start time,
//! since ids are reused.

mod running;
mod stop;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rumormill_limits::file::create_dir;
use rustix::process::getppid;

use running::{MAX_RECORDS, PROCESSES, Running, has_running, read_record, start_time};

use stop::stop_all;

pub use stop::{LEAVE_DEADLINE, Stopped};

/// How long a process waits for those that a dead proxy left behind.
const DESERTED_DEADLINE: Duration = Duration::from_millis(400);

/// With so many records, those of processes that have gone are removed.
const MANY_RECORDS: usize = 256;

/// Why there is no session directory.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Neither place can be used.
    #[error("no place for certificates and records: {first}; nor {}: {second}", fallback.display())]
    NoPlace {
        /// What is wrong with `./.rumormill`.
        first: String,
        /// The directory of the same session in the state directory.
        fallback: PathBuf,
        /// Why that cannot be made or used.
        second: io::Error,
    },
    /// The working directory has no path.
    #[error("the working directory cannot be found: {0}")]
    NoDirectory(io::Error),
    /// Nothing names a state directory.
    #[error("./.rumormill cannot be used ({0}), and neither RUMORMILL_HOME, XDG_STATE_HOME nor HOME is set")]
    NoHome(String),
}

/// Whether a directory is ours alone to write.
fn check_ours(path: &Path) -> Result<(), String> {
    rumormill_limits::file::check_dir(path).map_err(|why| format!("{}: {why}", path.display()))
}

/// Where the sessions of a working directory may be.
#[derive(Debug)]
struct Places {
    local: PathBuf,
    /// Nothing if nothing names a state directory.
    fallback: Option<PathBuf>,
}

impl Places {
    fn here() -> Result<Self, SessionError> {
        let here = std::env::current_dir().map_err(SessionError::NoDirectory)?;
        Ok(Self::of(&here, rumormill_node::config::default_home().ok().as_deref()))
    }

    fn of(here: &Path, home: Option<&Path>) -> Self {
        let fallback = home.map(|home| home.join("sessions").join(key_of(here)));
        Self { local: here.join(".rumormill"), fallback }
    }

    /// Those that are there and nobody else's.
    fn there(&self) -> impl Iterator<Item = &Path> {
        let all = [Some(&self.local), self.fallback.as_ref()].into_iter().flatten();
        all.map(PathBuf::as_path).filter(|dir| check_ours(dir).is_ok())
    }

    /// Where the processes of this session are, or where the first of them goes.
    fn session(&self) -> Result<PathBuf, SessionError> {
        if let Some(dir) = self.there().find(|dir| has_running(dir)) {
            return Ok(dir.to_owned());
        }
        let local = &self.local;
        let made = match DirBuilder::new().mode(0o700).create(local) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(format!("{}: {why}", local.display())),
            _ => check_ours(local),
        };
        // A directory that is there may still be on a file system that takes nothing.
        let usable = made.and_then(|()| probe(local).map_err(|why| format!("{}: {why}", local.display())));
        let first = match usable {
            Ok(()) => return Ok(local.clone()),
            Err(why) => why,
        };
        let Some(fallback) = &self.fallback else { return Err(SessionError::NoHome(first)) };
        let no_place = |second| SessionError::NoPlace { first: first.clone(), fallback: fallback.clone(), second };
        create_dir(fallback).map_err(no_place)?;
        check_ours(fallback).map_err(|why| no_place(io::Error::other(why)))?;
        Ok(fallback.clone())
    }

    fn stop(&self) -> Result<Stopped, StopError> {
        let mut all = Stopped::default();
        for dir in self.there() {
            let Stopped { left, killed, gone } =
                stop_all(dir).map_err(|why| StopError::Session { session: dir.to_owned(), why })?;
            all = Stopped {
                left: all.left.saturating_add(left),
                killed: all.killed.saturating_add(killed),
                gone: all.gone.saturating_add(gone),
            };
        }
        Ok(all)
    }
}

/// The directory of this session: certificates, records, incarnations.
///
/// # Errors
/// [`SessionError`] says what is wrong with each place.
pub fn session_dir() -> Result<PathBuf, SessionError> {
    Places::here()?.session()
}

/// Why `stopall` did not end all.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// Nobody knows where to look.
    #[error(transparent)]
    NoPlace(#[from] SessionError),
    /// The records of a session cannot be read, or a process of it does not end.
    #[error("the session in {}: {why}", session.display())]
    Session {
        /// The directory of the session.
        session: PathBuf,
        /// Why its records cannot be read, or which process does not end.
        why: io::Error,
    },
}

/// Ends the processes that were started in the working directory, wherever they recorded themselves.
///
/// # Errors
/// [`StopError`] says which session.
pub fn stop_here() -> Result<Stopped, StopError> {
    Places::here()?.stop()
}

fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".probe-{}", std::process::id()));
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    fs::remove_file(path)
}

/// A name for a working directory: the 64-bit FNV-1a hash of its path (it needs to differ, not to be secret). It stays this one, weaker than the
/// BLAKE3 of all else: `stopall` has to find the directory in which processes of an earlier version recorded themselves.
fn key_of(path: &Path) -> String {
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// The process that started this one, while it lives.
fn starter() -> Option<Running> {
    let pid = u32::try_from(getppid()?.as_raw_nonzero().get()).ok()?;
    Some(Running { pid, start: start_time(pid)? })
}

/// Records this process as process `id` of the session, with who started it.
///
/// # Errors
/// The record cannot be written.
pub fn record(session: &Path, id: u32) -> io::Result<()> {
    let pid = std::process::id();
    let start = start_time(pid).ok_or_else(|| io::Error::other("/proc does not show this process"))?;
    let dir = session.join(PROCESSES);
    create_dir(&dir)?;
    prune(&dir);
    let beside = dir.join(format!(".new-{pid}"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let Running { pid: starter, start: since } = starter().unwrap_or(Running { pid: 0, start: 0 });
    writeln!(file, "{pid} {start} {id} {starter} {since}")?;
    fs::rename(beside, dir.join(pid.to_string()))
}

/// Waits until the processes of a proxy that died without `stopall` have gone; at most for a while, since one whose starter
/// ended may be meant to stay. They would hand the log of that session to this one.
pub fn outlast_deserted(session: &Path) {
    let began = Instant::now();
    while began.elapsed() < DESERTED_DEADLINE {
        let Ok(entries) = fs::read_dir(session.join(PROCESSES)) else { return };
        let mut paths = entries.take(MAX_RECORDS).flatten().map(|entry| entry.path());
        if !paths.any(|path| is_deserted(&path)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_deserted(record: &Path) -> bool {
    let Some(text) = read_record(record) else { return false };
    let [pid, start, _, starter, since] = text;
    let alive = |pid, start| u32::try_from(pid).is_ok_and(|pid| Running { pid, start }.is_alive());
    starter != 0 && alive(pid, start) && !alive(starter, since)
}

/// Where `stopall` is never run, records must not gather. What cannot be removed now is left for another time.
fn prune(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let paths: Vec<_> = entries.take(MAX_RECORDS).flatten().map(|entry| entry.path()).collect();
    if paths.len() < MANY_RECORDS {
        return;
    }
    for path in paths {
        // One without a process may be on its way to get one.
        if Running::read(&path).is_some_and(|process| !process.is_alive()) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests;
