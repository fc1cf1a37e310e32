//! What `process` leaves behind so that `stopall` ends exactly the processes started in its directory.
//!
//! A session directory is `./.rumormill` if it is there or can be made and is nobody else's; otherwise it is in the state
//! directory, under a name made of the working directory's path. Processes record their process id with its start time,
//! since ids are reused.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getppid, kill_process};

/// How long a process has to leave before it is ended.
pub const LEAVE_DEADLINE: Duration = Duration::from_secs(3);
/// How long a process waits for those that a dead proxy left behind.
const DESERTED_DEADLINE: Duration = Duration::from_millis(400);
/// Records read at most.
const MAX_RECORDS: usize = 10_000;
/// With so many records, those of processes that have gone are removed.
const MANY_RECORDS: usize = 256;
const PROCESSES: &str = "processes";

/// Why there is no session directory.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Neither place can be used.
    #[error("no place for certificates and records: {first}; nor {}: {second}", fallback.display())]
    NoPlace {
        /// What is wrong with `./.rumormill`.
        first: String,
        /// The other place.
        fallback: PathBuf,
        /// What is wrong with it.
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
    let about = fs::symlink_metadata(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let me = rustix::process::geteuid().as_raw();
    if !about.is_dir() {
        return Err(format!("{} is not a directory", path.display()));
    }
    if about.uid() != me {
        return Err(format!("{} belongs to another user", path.display()));
    }
    if about.mode() & 0o022 != 0 {
        return Err(format!("{} can be written by others", path.display()));
    }
    Ok(())
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The directory of this session: certificates, records, incarnations.
///
/// # Errors
/// [`SessionError`] says what is wrong with each place.
pub fn session_dir() -> Result<PathBuf, SessionError> {
    let here = std::env::current_dir().map_err(SessionError::NoDirectory)?;
    let local = here.join(".rumormill");
    let made = match DirBuilder::new().mode(0o700).create(&local) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(format!("{}: {why}", local.display())),
        _ => check_ours(&local),
    };
    // A directory that is there may still be on a file system that takes nothing.
    let usable = made.and_then(|()| probe(&local).map_err(|why| format!("{}: {why}", local.display())));
    let first = match usable {
        Ok(()) => return Ok(local),
        Err(why) => why,
    };
    let home = rumormill_transport::default_home().map_err(|_| SessionError::NoHome(first.clone()))?;
    let fallback = home.join("sessions").join(key_of(&here));
    let no_place = |second| SessionError::NoPlace { first: first.clone(), fallback: fallback.clone(), second };
    make_private(&fallback).map_err(no_place)?;
    check_ours(&fallback).map_err(|why| no_place(io::Error::other(why)))?;
    Ok(fallback)
}

fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".probe-{}", std::process::id()));
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    fs::remove_file(path)
}

/// A name for a working directory: the FNV-1a hash of its path (it needs to differ, not to be secret).
fn key_of(path: &Path) -> String {
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// When a process started, in clock ticks since the machine did: field 22 of `/proc/<pid>/stat`.
fn start_time(pid: u32) -> Option<u64> {
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
    make_private(&dir)?;
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
    let deadline = Instant::now() + DESERTED_DEADLINE;
    while Instant::now() < deadline {
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

/// What [`stop_all`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Processes that left when asked.
    pub left: usize,
    /// Processes that had to be ended.
    pub killed: usize,
    /// Records of processes that had gone before.
    pub gone: usize,
}

/// The numbers of a record: process id, start time, process of the session, starter's process id, its start time.
fn read_record(path: &Path) -> Option<[u64; 5]> {
    let text = fs::read_to_string(path).ok()?;
    let numbers: Vec<u64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

struct Running {
    pid: u32,
    start: u64,
}

impl Running {
    /// What a record names, if it is one.
    fn read(path: &Path) -> Option<Self> {
        let [pid, start, ..] = read_record(path)?;
        Some(Self { pid: u32::try_from(pid).ok()?, start })
    }

    fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw).filter(|_| self.is_alive()) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Ends the processes recorded in a session, waits until they are gone, and removes the records. A new session in the same
/// directory then starts with empty logs; certificates stay.
///
/// # Errors
/// The records cannot be read.
pub fn stop_all(session: &Path) -> io::Result<Stopped> {
    let dir = session.join(PROCESSES);
    let entries = match fs::read_dir(&dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Stopped::default()),
        other => other?,
    };
    let mut stopped = Stopped::default();
    let mut running = Vec::new();
    let mut files = Vec::new();
    for entry in entries.take(MAX_RECORDS) {
        let path = entry?.path();
        match Running::read(&path).filter(Running::is_alive) {
            Some(process) => running.push(process),
            None => stopped.gone += 1,
        }
        files.push(path);
    }
    running.iter().for_each(|process| process.signal(Signal::TERM));
    stopped.left = running.len() - wait_gone(&mut running, LEAVE_DEADLINE);
    stopped.killed = running.len();
    running.iter().for_each(|process| process.signal(Signal::KILL));
    if wait_gone(&mut running, LEAVE_DEADLINE) > 0 {
        return Err(io::Error::other("a process did not end even when killed"));
    }
    for path in files {
        let _ = fs::remove_file(path);
    }
    Ok(stopped)
}

/// Waits for processes to be gone; says how many are not.
fn wait_gone(running: &mut Vec<Running>, at_most: Duration) -> usize {
    let deadline = Instant::now() + at_most;
    loop {
        running.retain(Running::is_alive);
        if running.is_empty() || Instant::now() >= deadline {
            return running.len();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn child(dir: &Path, script: &str) -> std::process::Child {
        let child = Command::new("sh").args(["-c", script]).arg(dir.join("deaf")).spawn().unwrap();
        let pid = child.id();
        make_private(&dir.join(PROCESSES)).unwrap();
        let record = format!("{pid} {} 0 0 0\n", start_time(pid).unwrap());
        fs::write(dir.join(PROCESSES).join(pid.to_string()), record).unwrap();
        child
    }

    #[test]
    fn recorded_processes_end_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut mine = child(dir.path(), "exec sleep 60");
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        // A record whose process id went to somebody else since.
        let record = format!("{} 1 5 0 0\n", other.id());
        fs::write(dir.path().join(PROCESSES).join("reused"), record).unwrap();
        let stopped = stop_all(dir.path()).unwrap();
        assert_eq!(stopped, Stopped { left: 1, killed: 0, gone: 1 });
        assert!(!mine.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "the other one lives");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(stop_all(dir.path()).unwrap(), Stopped::default(), "the records are gone");
    }

    #[test]
    fn one_that_does_not_leave_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut deaf = child(dir.path(), "trap '' TERM; echo deaf > $0; while :; do sleep 0.1; done");
        let deadline = Instant::now() + LEAVE_DEADLINE;
        while !dir.path().join("deaf").exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(stop_all(dir.path()).unwrap(), Stopped { left: 0, killed: 1, gone: 0 });
        assert!(!deaf.wait().unwrap().success());
    }

    #[test]
    fn those_whose_starter_died_are_waited_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let mut left = child(dir.path(), "exec sleep 60");
        record(dir.path(), 1).unwrap();
        let path = dir.path().join(PROCESSES).join(left.id().to_string());
        let (pid, start) = (left.id(), start_time(left.id()).unwrap());
        let waits = |starter: u32, since: u64| {
            fs::write(&path, format!("{pid} {start} 0 {starter} {since}\n")).unwrap();
            let begun = Instant::now();
            outlast_deserted(dir.path());
            begun.elapsed() >= DESERTED_DEADLINE
        };
        let me = std::process::id();
        assert!(!waits(me, start_time(me).unwrap()), "its starter lives");
        assert!(!waits(0, 0), "nobody knows its starter");
        assert!(waits(me, 1), "its starter's process id is another's now");
        left.kill().unwrap();
        assert!(!waits(me, 1), "it has gone, though nobody waited for it");
        left.wait().unwrap();
    }

    #[test]
    fn records_of_processes_that_have_gone_do_not_gather() {
        let dir = tempfile::tempdir().unwrap();
        let records = dir.path().join(PROCESSES);
        make_private(&records).unwrap();
        for n in 0..MANY_RECORDS {
            fs::write(records.join(format!("old-{n}")), format!("{} 1 5 0 0\n", std::process::id())).unwrap();
        }
        record(dir.path(), 3).unwrap();
        let left: Vec<_> = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [std::process::id().to_string().as_str()]);
        let process = Running::read(&records.join(&left[0])).unwrap();
        assert!(process.is_alive(), "this one");
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(check_ours(&path).unwrap_err().contains("written by others"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(check_ours(&path).is_ok());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(check_ours(&link).unwrap_err().contains("not a directory"));
    }
}
