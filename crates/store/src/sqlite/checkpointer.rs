//! Brings the write-ahead log into the main file beside the writer. SQLite's own way does it within the commit that finds the log
//! long, so that whoever waits for that commit waits for two more writes of some megabytes (SQLite, "Write-Ahead Logging", 2.3).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::connection::{connect_checkpointer, copy_log};
use crate::error::StoreError;
use crate::types::Durability;

/// A thread with a connection of its own. What is committed while it copies would stay behind for ever at a writer that never rests, and
/// the log would begin anew at its bound alone: the first commit after a copy brings in that little itself.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    /// Held while the log is copied: of two at once SQLite refuses one, whatever time that has.
    copying: Arc<Mutex<()>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How far the copy of a long log is.
#[derive(Debug, Default)]
struct Progress {
    /// It was asked for, and has not ended.
    asked: AtomicBool,
    /// It has ended, and no commit has found the log short since.
    copied: AtomicBool,
}

impl Progress {
    /// After each commit: whether the log is to be copied beside the writer now.
    fn found(&self, long: bool) -> Next {
        if !long {
            self.copied.store(false, Ordering::Relaxed);
            Next::Nothing
        } else if self.copied.swap(false, Ordering::Acquire) {
            Next::Rest
        } else if self.asked.swap(true, Ordering::Relaxed) {
            Next::Nothing
        } else {
            Next::Copy
        }
    }

    fn ended(&self) {
        self.copied.store(true, Ordering::Release);
        self.asked.store(false, Ordering::Relaxed);
    }
}

/// What is to be done about the log after a commit.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    /// Wake the thread.
    Copy,
    /// Copy what was committed during the thread's copy.
    Rest,
}

impl Checkpointer {
    /// From now on the log is copied when a commit by `db` finds so many pages in it.
    pub(super) fn start(
        db: &mut Connection,
        path: &Path,
        durability: Durability,
        pages: u32,
    ) -> Result<Self, StoreError> {
        let own = connect_checkpointer(path, durability)?;
        let (wake, woken) = sync_channel(1);
        let (copying, ended) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let progress = Arc::new(Progress::default());
        let thread = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn({
                let (copying, ended, progress) = (Arc::clone(&copying), Arc::clone(&ended), Arc::clone(&progress));
                move || run(&own, &woken, &copying, &ended, &progress)
            })
            .map_err(|source| StoreError::Io {
                action: "start the checkpoint thread of",
                path: path.to_owned(),
                source,
            })?;
        let long = wake.clone();
        db.wal_hook(Some(move |log: &mut Wal, found| {
            match progress.found(u32::try_from(found).is_ok_and(|found| found >= pages)) {
                Next::Nothing => {}
                Next::Copy => drop(long.try_send(())),
                // A commit that stands is not refused for it: the log is as it was, and has its bound.
                Next::Rest => drop(log.checkpoint()),
            }
            Ok(())
        }))?;
        Ok(Self { wake, copying, ended, thread: Some(thread) })
    }

    /// Waits for the copy that is under way; while this is held, there is no other.
    pub(super) fn pause(&self) -> MutexGuard<'_, ()> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the copy that is under way, and closes the connection.
    pub(super) fn end(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.wake.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end();
    }
}

fn run(db: &Connection, woken: &Receiver<()>, copying: &Mutex<()>, ended: &AtomicBool, progress: &Progress) {
    while woken.recv().is_ok() && !ended.load(Ordering::Relaxed) {
        let _copying = copying.lock().unwrap_or_else(PoisonError::into_inner);
        // What stands in the way is in the writer's way too when the log has reached its bound, and is an error there.
        if let Err(why) = copy_log(db) {
            tracing::debug!(target: "rumormill::store", %why, "the write-ahead log was not copied");
        }
        progress.ended();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::sqlite::SqliteStore;
    use crate::types::{Record, Store};

    #[test]
    fn a_commit_that_finds_the_log_long_waits_for_no_copy_of_it() {
        const GROUP: usize = 64 * 1024;
        // An eighth of it is the log's, 512 KiB, and it is copied from four fifths of that on.
        const STORE: u64 = 4 * 1024 * 1024;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let main_file = || std::fs::metadata(&path).unwrap().len();
        let mut store = SqliteStore::open(&path, Durability::Normal, STORE).unwrap();
        let copying = Arc::clone(&store.checkpointer.copying);
        let mut commit = |n: u8| {
            let key = format!("k{n}");
            store.commit(&[Record::Meta { key, value: Bytes::from(vec![n; GROUP]) }]).unwrap();
        };
        let stands = copying.lock().unwrap();
        let before = main_file();
        (0..6).for_each(&mut commit);
        assert_eq!(main_file(), before, "nothing is copied within a commit");
        drop(stands);
        let end = Instant::now() + std::time::Duration::from_secs(60);
        while main_file() == before {
            assert!(Instant::now() < end, "it is copied beside the writer");
            std::thread::yield_now();
        }
    }
    #[test]
    fn what_is_committed_during_a_copy_is_copied_by_the_commit_behind_it() {
        let progress = Progress::default();
        assert_eq!(progress.found(false), Next::Nothing);
        assert_eq!(progress.found(true), Next::Copy);
        assert_eq!(progress.found(true), Next::Nothing, "one copy at a time");
        progress.ended();
        assert_eq!(progress.found(true), Next::Rest);
        assert_eq!(progress.found(true), Next::Copy, "a reader let nothing begin anew");
        progress.ended();
        assert_eq!(progress.found(false), Next::Nothing, "the log began anew");
        assert_eq!(progress.found(true), Next::Copy);
    }
}
