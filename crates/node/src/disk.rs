//! The store: one thread commits in groups (in memory none is needed), one reads ranges for links that are behind.
//!
//! Nobody waits for either: commits report back by a callback, and so does what was read.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use rumormill_gossip::{Input, RawBundle, Read};
use rumormill_store::{Job, Reader, Record, Store, StoreError, TrySubmitError, Writer};
use rumormill_wire::Seq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lock;

/// Reads that may wait besides one a link.
const MAX_LOOK_UPS: usize = 256;

/// Who commits: what the store waits for decides it.
pub(crate) enum Writing {
    /// A thread, for a store that waits for the disk.
    Thread(Writer),
    /// Whoever has records, for a store in memory: it takes less time than waking a thread.
    Here(Box<dyn Store>),
}

/// What became of records that were handed to the store.
pub(crate) enum Handed {
    /// They are committed, or could not be.
    Done(Result<(), StoreError>),
    /// The store's thread has them and will say when they are durable.
    Queued,
    /// Too much waits for the thread: whoever gave them gives them again later.
    Back(Vec<Record>),
}

/// The store as the node uses it.
pub(crate) struct Disk {
    writing: Mutex<Option<Writing>>,
    reads: Mutex<Option<SyncSender<Read>>>,
    pages: Arc<Mutex<Box<dyn Reader>>>,
    /// Whose turn it is to read a page of what was.
    turn: Arc<Semaphore>,
}

impl Disk {
    /// Takes the two ends of a store. The reading thread begins with [`Disk::serve`].
    pub(crate) fn new(writing: Writing, pages: Box<dyn Reader>, max_links: usize) -> (Self, Receiver<Read>) {
        let (reads, waiting) = sync_channel(max_links.saturating_add(MAX_LOOK_UPS));
        let pages = Arc::new(Mutex::new(pages));
        let turn = Arc::new(Semaphore::new(1));
        (Self { writing: Mutex::new(Some(writing)), reads: Mutex::new(Some(reads)), pages, turn }, waiting)
    }

    /// Commits records: at once in memory, otherwise on the writer's thread, which then runs `done`.
    pub(crate) fn commit(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<(), Arc<StoreError>>) + Send + 'static,
    ) -> Handed {
        match &mut *lock(&self.writing) {
            Some(Writing::Here(store)) => Handed::Done(store.commit(&records)),
            Some(Writing::Thread(writer)) => match writer.try_submit(Job { records, done: Box::new(done) }) {
                Ok(()) => Handed::Queued,
                Err(TrySubmitError::Full(job) | TrySubmitError::Closed(job)) => Handed::Back(job.records),
            },
            None => Handed::Queued,
        }
    }

    /// Commits records by themselves, before all that waits, and whatever waits.
    pub(crate) fn commit_first(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<(), Arc<StoreError>>) + Send + 'static,
    ) -> Handed {
        match &mut *lock(&self.writing) {
            Some(Writing::Here(store)) => Handed::Done(store.commit(&records)),
            Some(Writing::Thread(writer)) => match writer.submit_first(Job { records, done: Box::new(done) }) {
                Ok(()) => Handed::Queued,
                Err(job) => Handed::Back(job.records),
            },
            None => Handed::Queued,
        }
    }

    /// Asks for a read; the answer comes to the engine. If there is no room, an answer of nothing is given at once.
    pub(crate) fn read(&self, read: Read) -> Option<Input> {
        match &*lock(&self.reads) {
            Some(reads) => match reads.try_send(read) {
                Ok(()) => None,
                Err(TrySendError::Full(read) | TrySendError::Disconnected(read)) => Some(read.nothing()),
            },
            None => Some(read.nothing()),
        }
    }

    /// The connection for pages of the log. Locked by one caller at a time, on a thread that may wait.
    pub(crate) fn pages(&self) -> Arc<Mutex<Box<dyn Reader>>> {
        Arc::clone(&self.pages)
    }

    /// Waits for the turn to read a page of what was. Those who follow begin no task before: as many tasks would be as many
    /// threads that wait for one lock, and the memory that each has used stays with it.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).acquire_owned().await.ok()
    }

    /// Leaves the store as it is, without closing it: its files are not those under their names any more.
    pub(crate) fn abandon(&self) {
        drop(lock(&self.reads).take());
        let writing = lock(&self.writing).take();
        match writing {
            Some(Writing::Thread(writer)) => writer.abandon(),
            Some(Writing::Here(mut store)) => store.abandon(),
            None => {}
        }
    }

    /// Commits what waits and closes the store as clean. Waits for the disk.
    pub(crate) fn close(&self) -> Result<(), StoreError> {
        drop(lock(&self.reads).take());
        match lock(&self.writing).take() {
            Some(Writing::Thread(writer)) => writer.close(),
            Some(Writing::Here(mut store)) => store.close(),
            None => Ok(()),
        }
    }
}

/// What a read gave: for the engine, and the error if there was one.
pub(crate) struct Answer {
    pub(crate) input: Input,
    pub(crate) failed: Option<StoreError>,
}

/// The reading thread: until the disk is closed, or `give` says by false that nobody wants answers any more.
pub(crate) fn serve(waiting: &Receiver<Read>, reader: &mut dyn Reader, mut give: impl FnMut(Answer) -> bool) {
    while let Ok(read) = waiting.recv() {
        let answer = match read {
            Read::Range { link, origin, from, until, max_bytes } => {
                let (rows, failed) = parted(reader.range(origin, from, until, max_bytes));
                let bundles = rows.into_iter().map_while(|row| RawBundle::peek(row.bytes).ok()).collect();
                // The engine gives them to the link: nothing leaves before it has counted it (P-S2).
                Answer { input: Input::RangeRead { link, origin, bundles }, failed }
            }
            Read::LookUp { origin, at } => {
                let (rows, failed) = parted(reader.range(origin, at, Seq(at.0.saturating_add(1)), 1));
                let bundle = rows.into_iter().next().and_then(|row| RawBundle::peek(row.bytes).ok());
                Answer { input: Input::LookedUp { origin, at, bundle }, failed }
            }
        };
        if !give(answer) {
            return;
        }
    }
}

/// After an error whoever asked gets nothing, and other neighbours have it.
fn parted<T>(read: Result<Vec<T>, StoreError>) -> (Vec<T>, Option<StoreError>) {
    match read {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(error)),
    }
}
