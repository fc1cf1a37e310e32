//! Keeping the members over a restart: one write at a time, off the door's task, since a disk may take its time. What fails is tried
//! again, ever less often, and said once until it is mended.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rumormill_limits::{Backoff, Timestamp};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::state::{self, Members};

/// Between two writes of the members: a crowd that comes at once is written twice or so.
pub(super) const SAVE_GAP: Duration = Duration::from_millis(500);
/// For members that came just now there may be more to write in a moment.
const SOON: Duration = Duration::from_millis(50);
/// The longest time between two tries where the file cannot be written.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// When to look again while nothing is to be written.
const LATER: Duration = Duration::from_secs(60);

/// What the directory counts its changes by.
type Revision = (u64, u64);

/// Writes the members into their file, if they have one.
#[derive(Debug)]
pub(super) struct Saver {
    path: Option<PathBuf>,
    /// What the file has, or is being given; `None` if that failed.
    saved: Option<Revision>,
    /// Before this the file is not written again.
    free_at: Timestamp,
    writing: Option<JoinHandle<io::Result<()>>>,
    retry: Backoff,
}

impl Saver {
    /// The file has what the directory has now.
    pub(super) const fn new(path: Option<PathBuf>, revision: Revision) -> Self {
        let retry = Backoff::new(SAVE_GAP, MAX_RETRY);
        Self { path, saved: Some(revision), free_at: Timestamp::ZERO, writing: None, retry }
    }

    /// When [`Saver::save`] is to be called again.
    pub(super) fn due(&self, now: Timestamp, revision: Revision) -> Timestamp {
        let wanted = self.path.is_some() && self.saved != Some(revision);
        match (&self.writing, wanted) {
            (Some(_), _) => now.after(SAVE_GAP),
            (None, true) => self.free_at.max(now.after(SOON)),
            (None, false) => now.after(LATER),
        }
    }

    /// Begins to write the members if they changed and the time has come.
    pub(super) fn save(&mut self, now: Timestamp, revision: Revision, members: impl FnOnce() -> Members) {
        self.look(now);
        let Some(path) = self.path.clone() else { return };
        if self.writing.is_some() || self.saved == Some(revision) || now < self.free_at {
            return;
        }
        (self.saved, self.free_at) = (Some(revision), now.after(SAVE_GAP));
        let members = members();
        self.writing = Some(tokio::task::spawn_blocking(move || state::store(&path, &members)));
    }

    /// Writes what changed since, for the last time.
    pub(super) async fn last(mut self, now: Timestamp, revision: Revision, members: impl FnOnce() -> Members) {
        self.end(now).await;
        self.free_at = Timestamp::ZERO;
        self.save(now, revision, members);
        self.end(now).await;
    }

    async fn end(&mut self, now: Timestamp) {
        if let Some(writing) = self.writing.take() {
            let done = writing.await.unwrap_or_else(|why| Err(io::Error::other(why)));
            let _ = self.ended(now, done);
        }
    }

    /// Whether the last write has ended, and how.
    fn look(&mut self, now: Timestamp) {
        let Some(writing) = &mut self.writing else { return };
        let Poll::Ready(done) = Pin::new(writing).poll(&mut Context::from_waker(Waker::noop())) else { return };
        self.writing = None;
        let _ = self.ended(now, done.unwrap_or_else(|why| Err(io::Error::other(why))));
    }

    /// A write has ended; whether that was worth a line in the log.
    fn ended(&mut self, now: Timestamp, done: io::Result<()>) -> bool {
        let before = self.retry.is_fresh();
        match done {
            Ok(()) => self.retry.reset(),
            Err(ref why) => {
                if before {
                    warn!(%why, "udp-mesh: the members are not kept; trying again");
                }
                self.saved = None;
                self.free_at = now.after(self.retry.step());
            }
        }
        if done.is_ok() && !before {
            info!("udp-mesh: the members are kept again");
        }
        before != done.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries and lines of an hour in which the members change all the time.
    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_tried_ever_less_often_and_then_kept_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gone/members");
        let mut saver = Saver::new(Some(path.clone()), (0, 0));
        let (mut now, mut tries, mut changes, mut lines) = (Timestamp::ZERO, 0, 0, 0);
        let hour = Timestamp::ZERO.after(Duration::from_secs(3_600));
        while now < hour {
            changes += 1;
            saver.save(now, (0, changes), Members::default);
            if let Some(writing) = saver.writing.take() {
                tries += 1;
                lines += usize::from(saver.ended(now, writing.await.unwrap()));
            }
            now = saver.due(now, (0, changes + 1)).max(now.after(SOON));
        }
        assert!((60..80).contains(&tries), "{tries}");
        assert_eq!(lines, 1, "it is said once");
        std::fs::create_dir(dir.path().join("gone")).unwrap();
        // Nothing changes any more: it is written all the same.
        now = now.after(MAX_RETRY);
        saver.save(now, (0, changes), Members::default);
        let done = saver.writing.take().unwrap().await.unwrap();
        assert!(saver.ended(now, done) && path.is_file());
        saver.save(now.after(MAX_RETRY), (0, changes + 1), Members::default);
        let done = saver.writing.take().unwrap().await.unwrap();
        assert!(!saver.ended(now, done), "that it goes well is said once too");
        changes += 1;
        assert_eq!(saver.due(now, (0, changes)), now.after(LATER));
    }
}
