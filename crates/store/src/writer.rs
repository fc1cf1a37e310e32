//! Group commit: one thread, one transaction for all that waits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::StoreError;
use crate::types::{Class, Record, Store};

/// Jobs that wait for the writer.
pub const QUEUE: usize = 4_096;
/// Bytes that wait for the writer: beyond it no job is taken, unless nothing waits.
pub const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// A transaction takes no more once it has so many bytes. Larger ones outgrow the page cache and are no faster.
const GROUP_BYTES: usize = 1024 * 1024;

/// Records that are committed together, and whom to tell.
pub struct Job {
    /// What to write, in this order; all of it or nothing.
    pub records: Vec<Record>,
    /// Told on the writer's thread once it is durable, or why not; then nothing of it was written.
    pub done: Box<dyn FnOnce(Result<(), Arc<StoreError>>) + Send>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("records", &self.records.len()).finish_non_exhaustive()
    }
}

/// Why a job was not queued. It is given back.
#[derive(Debug)]
pub enum TrySubmitError {
    /// The queue is full.
    Full(Job),
    /// The writer has ended.
    Closed(Job),
}

/// The writer's thread. Dropping it, or [`Writer::close`], commits what waits and closes the store.
#[derive(Debug)]
pub struct Writer {
    /// Nothing is a call to look at `first`.
    jobs: Option<SyncSender<Option<Job>>>,
    first: First,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
    /// Whether the store is to be given up at the end instead of closed.
    abandon: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

/// Jobs that go before all that waits.
type First = Arc<Mutex<Vec<Job>>>;

impl Writer {
    /// Starts the thread, which has the store from now on.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(store: Box<dyn Store>) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (waiting, abandon) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let first = First::default();
        let thread = std::thread::Builder::new().name("store".into()).spawn({
            let (waiting, abandon, first) = (Arc::clone(&waiting), Arc::clone(&abandon), Arc::clone(&first));
            move || run(store, &queue, &first, &waiting, &abandon)
        })?;
        Ok(Self { jobs: Some(jobs), first, waiting, abandon, thread: Some(thread) })
    }

    /// Queues a job without waiting.
    ///
    /// # Errors
    /// It is given back if there is no room.
    pub fn try_submit(&self, job: Job) -> Result<(), TrySubmitError> {
        let Some(jobs) = &self.jobs else { return Err(TrySubmitError::Closed(job)) };
        let bytes = weigh(&job.records);
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let sent = if before > 0 && before.saturating_add(bytes) > QUEUE_BYTES {
            Err(TrySendError::Full(job))
        } else {
            match jobs.try_send(Some(job)) {
                Err(TrySendError::Full(Some(job))) => Err(TrySendError::Full(job)),
                Err(TrySendError::Disconnected(Some(job))) => Err(TrySendError::Disconnected(job)),
                Ok(()) | Err(_) => Ok(()),
            }
        };
        sent.map_err(|why| {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            match why {
                TrySendError::Full(job) => TrySubmitError::Full(job),
                TrySendError::Disconnected(job) => TrySubmitError::Closed(job),
            }
        })
    }

    /// Queues a job that is committed by itself, before all that waits and whatever waits. It is for the caller to have one
    /// of them at a time.
    ///
    /// # Errors
    /// The writer has ended; the job is given back.
    pub fn submit_first(&self, job: Job) -> Result<(), Job> {
        let Some(jobs) = &self.jobs else { return Err(job) };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.push(job);
        match (jobs.try_send(None), first.len()) {
            (Err(TrySendError::Disconnected(_)), 1..) => Err(first.remove(0)),
            // A thread whose queue has no room looks before its next group.
            _ => Ok(()),
        }
    }

    /// Commits what waits and closes the store. Blocks until that is done.
    ///
    /// # Errors
    /// The store could not be closed in order.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.end()
    }

    /// Gives the store up as it is ([`Store::abandon`]). What waits is not committed any more, and its callers are told so.
    pub fn abandon(mut self) {
        self.abandon.store(true, Ordering::Relaxed);
        // There is nothing to be told of a store that is given up.
        let _ = self.end();
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.jobs = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(StoreError::Closed),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn run(
    mut store: Box<dyn Store>,
    queue: &Receiver<Option<Job>>,
    first: &First,
    queued: &AtomicUsize,
    abandon: &AtomicBool,
) -> Result<(), StoreError> {
    let (mut records, mut waiting, mut full) = (Vec::new(), Vec::new(), None);
    while let Ok(mut next) = queue.recv() {
        let mut bytes = 0;
        while let Some(job) = next {
            let weight = weigh(&job.records);
            queued.fetch_sub(weight, Ordering::Relaxed);
            bytes = weight.saturating_add(bytes);
            waiting.push((job.records.len(), job.done));
            records.extend(job.records);
            next = if bytes < GROUP_BYTES { queue.try_recv().ok().flatten() } else { None };
        }
        if abandon.load(Ordering::Relaxed) {
            store.abandon();
        }
        commit_first(store.as_mut(), first);
        if !waiting.is_empty() {
            finish(store.as_mut(), &records, &mut waiting, &mut full);
        }
        records.clear();
        records.shrink_to(64);
    }
    if abandon.load(Ordering::Relaxed) {
        store.abandon();
    }
    store.close()
}

fn commit_first(store: &mut dyn Store, first: &First) {
    let jobs = core::mem::take(&mut *first.lock().unwrap_or_else(PoisonError::into_inner));
    for job in jobs {
        (job.done)(store.commit(&job.records).map_err(Arc::new));
    }
}

type Done = Box<dyn FnOnce(Result<(), Arc<StoreError>>) + Send>;

/// Used and most bytes of a store that found no room.
type Full = Option<(u64, u64)>;

/// Commits a group. If the group as a whole is refused, each job is tried by itself, so that one bad job harms no other.
/// Behind one that found no room, only what a full store keeps is taken: a smaller one that still fits would stand behind a gap.
fn finish(store: &mut dyn Store, records: &[Record], waiting: &mut Vec<(usize, Done)>, full: &mut Full) {
    let whole = match full {
        None => store.commit(records),
        Some(_) => alone(store, records, full),
    };
    let several = waiting.len() > 1;
    let mut rest = records;
    let mut whole = Some(whole);
    for (count, done) in waiting.drain(..) {
        let (mine, others) = rest.split_at(count.min(rest.len()));
        rest = others;
        let result = match &whole {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) if several => alone(store, mine, full),
            _ => whole.take().unwrap_or(Err(StoreError::Closed)),
        };
        if let Err(StoreError::Full { used, most }) = &result {
            *full = Some((*used, *most));
        }
        done(result.map_err(Arc::new));
    }
}

fn alone(store: &mut dyn Store, records: &[Record], full: &Full) -> Result<(), StoreError> {
    match *full {
        Some((used, most)) if records.iter().any(|record| record.class() == Class::Bulk) => {
            Err(StoreError::Full { used, most })
        }
        _ => store.commit(records),
    }
}

fn weigh(records: &[Record]) -> usize {
    records.iter().map(weight).fold(0, usize::saturating_add)
}

/// What a record takes besides its bytes.
pub(crate) const ITSELF: usize = 64;

/// Bytes that a record holds, and a little for itself.
pub(crate) fn weight(record: &Record) -> usize {
    let bytes = match record {
        Record::Bundle(row) => row.bytes.len(),
        Record::Member { evidence, .. } => evidence.len(),
        Record::Proof { bytes, .. } | Record::Revocations { bytes, .. } => bytes.len(),
        Record::DropProof(_) => 0,
        Record::Meta { value, .. } => value.len(),
    };
    bytes.saturating_add(ITSELF)
}
