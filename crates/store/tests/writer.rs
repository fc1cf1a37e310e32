//! The writer's thread: groups, order, bounds, and one bad job among good ones.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use common::{Chain, log, open, sorted};
use rumormill_store::{
    BundleRow, Durability, Job, Kind, MemoryStore, OpenConfig, QUEUE, QUEUE_BYTES, Reader, Record, Recovered, Store,
    StoreError, TrySubmitError, Writer,
};

/// No test waits longer.
const DEADLINE: Duration = Duration::from_secs(20);

type Told = (usize, Result<(), Arc<StoreError>>);

fn job(n: usize, records: Vec<Record>, told: &Sender<Told>) -> Job {
    let told = told.clone();
    Job { records, done: Box::new(move |result| told.send((n, result)).unwrap()) }
}

fn meta(len: usize) -> Vec<Record> {
    vec![Record::Meta { key: "k".into(), value: Bytes::from(vec![0; len]) }]
}

/// A store that says how much it is to commit, and goes on when it is told to.
struct Slow {
    inner: MemoryStore,
    groups: Sender<usize>,
    go: Receiver<()>,
}

impl Store for Slow {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.inner.recover()
    }
    fn commit(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        self.groups.send(batch.len()).unwrap();
        self.go.recv_timeout(DEADLINE).unwrap();
        self.inner.commit(batch)
    }
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.inner.reader()
    }
    fn abandon(&mut self) {
        self.inner.abandon();
    }
    fn close(&mut self) -> Result<(), StoreError> {
        self.inner.close()
    }
}

/// A writer over a slow store, which has begun to commit one record; the size of each group; and what lets it go on.
fn busy(told: &Sender<Told>) -> (Writer, Receiver<usize>, Sender<()>) {
    let ((groups, sizes), (go, wait)) = (channel(), channel());
    let writer = Writer::start(Box::new(Slow { inner: MemoryStore::new(0), groups, go: wait })).unwrap();
    writer.try_submit(job(0, meta(1), told)).unwrap();
    assert_eq!(sizes.recv_timeout(DEADLINE).unwrap(), 1);
    (writer, sizes, go)
}

#[test]
fn what_waits_is_committed_together_and_told_in_order() {
    let (told, heard) = channel();
    let (writer, sizes, go) = busy(&told);
    for n in 1..100 {
        writer.try_submit(job(n, meta(n), &told)).unwrap();
    }
    go.send(()).unwrap();
    assert_eq!(sizes.recv_timeout(DEADLINE).unwrap(), 99);
    go.send(()).unwrap();
    for n in 0..100 {
        let (found, result) = heard.recv_timeout(DEADLINE).unwrap();
        assert_eq!(found, n);
        result.unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn a_group_is_bounded() {
    let (told, _heard) = channel();
    let (writer, sizes, go) = busy(&told);
    for n in 1..=12 {
        writer.try_submit(job(n, meta(1 << 17), &told)).unwrap();
    }
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    let groups: Vec<_> = (0..2).map(|_| sizes.recv_timeout(DEADLINE).unwrap()).collect();
    assert_eq!(groups, [8, 4]);
    writer.close().unwrap();
}

#[test]
fn a_full_queue_gives_the_job_back_at_once() {
    let (told, _heard) = channel();
    let (writer, _sizes, go) = busy(&told);
    for n in 0..QUEUE {
        writer.try_submit(job(n, meta(1), &told)).unwrap();
    }
    match writer.try_submit(job(7, meta(3), &told)) {
        Err(TrySubmitError::Full(job)) => {
            assert!(matches!(&job.records[..], [Record::Meta { value, .. }] if value.len() == 3))
        }
        other => panic!("{other:?}"),
    }
    (0..QUEUE).for_each(|_| go.send(()).unwrap());
    writer.close().unwrap();
}

#[test]
fn bytes_that_wait_are_bounded_and_room_comes_back() {
    let (told, heard) = channel();
    let (writer, sizes, go) = busy(&told);
    writer.try_submit(job(1, meta(QUEUE_BYTES + 1), &told)).unwrap();
    for _ in 0..3 {
        assert!(matches!(writer.try_submit(job(2, meta(1), &told)), Err(TrySubmitError::Full(_))));
    }
    go.send(()).unwrap();
    assert_eq!(sizes.recv_timeout(DEADLINE).unwrap(), 1, "the large one has left the queue");
    writer.try_submit(job(2, meta(1), &told)).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    (0..3).for_each(|_| heard.recv_timeout(DEADLINE).unwrap().1.unwrap());
    writer.close().unwrap();
}

#[test]
fn one_bad_job_harms_no_other() {
    let (told, heard) = channel();
    let (writer, sizes, go) = busy(&told);
    let (mut chain, mut other) = (Chain::new(1), Chain::new(2));
    let good = [chain.bundle(&[1], 9), other.bundle(&[2], 9), chain.bundle(&[3], 9)];
    let bad = BundleRow { bytes: Bytes::from_static(b"no bundle"), received_us: 0 };
    let rows = [good[0].clone(), bad, good[1].clone(), good[2].clone()];
    for (n, row) in (1..).zip(rows) {
        writer.try_submit(job(n, vec![Record::Bundle(row)], &told)).unwrap();
    }
    (0..6).for_each(|_| go.send(()).unwrap());
    assert_eq!(sizes.recv_timeout(DEADLINE).unwrap(), 4);
    for n in 0..5 {
        let (found, result) = heard.recv_timeout(DEADLINE).unwrap();
        assert_eq!((found, result.is_ok()), (n, n != 2), "{result:?}");
    }
    writer.close().unwrap();
}

#[test]
fn behind_one_that_found_no_room_only_what_is_vital_is_taken() {
    let (told, heard) = channel();
    let mut store = MemoryStore::new(40_000);
    let mut chain = Chain::new(1);
    let rows: Vec<_> = [10_000, 30_000, 10].iter().zip(1..).map(|(len, n)| chain.bundle(&[n], *len)).collect();
    let other = Chain::new(2).bundle(&[4], 10);
    store.commit(&[]).unwrap();
    let writer = Writer::start(Box::new(store)).unwrap();
    let records = rows
        .into_iter()
        .chain([other])
        .map(Record::Bundle)
        .chain([Record::Revocations { place: 0, bytes: Bytes::new() }]);
    for (n, record) in records.enumerate() {
        writer.try_submit(job(n, vec![record], &told)).unwrap();
    }
    writer.close().unwrap();
    let results: Vec<_> = heard.try_iter().map(|(_, result)| result.is_ok()).collect();
    assert_eq!(results, [true, false, false, false, true], "the small one of another chain would still fit");
}

#[test]
fn what_goes_first_is_committed_before_all_that_waits_and_finds_room_whatever_waits() {
    let (told, heard) = channel();
    let (writer, sizes, go) = busy(&told);
    for n in 1..=8 {
        writer.try_submit(job(n, meta(QUEUE_BYTES / 8 - 64), &told)).unwrap();
    }
    assert!(matches!(writer.try_submit(job(9, meta(1), &told)), Err(TrySubmitError::Full(_))), "there is no room");
    writer.submit_first(job(99, vec![Record::Revocations { place: 7, bytes: Bytes::new() }; 3], &told)).unwrap();
    go.send(()).unwrap();
    assert_eq!(sizes.recv_timeout(DEADLINE).unwrap(), 3, "by itself");
    (0..9).for_each(|_| go.send(()).unwrap_or_default());
    let order: Vec<_> = (0..10).map(|_| heard.recv_timeout(DEADLINE).unwrap().0).collect();
    assert_eq!(order, [0, 99, 1, 2, 3, 4, 5, 6, 7, 8]);
    // Nothing waits, and the thread sleeps.
    writer.submit_first(job(100, vec![Record::Revocations { place: 7, bytes: Bytes::new() }], &told)).unwrap();
    go.send(()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap().0, 100);
    writer.close().unwrap();
}

#[test]
fn closing_commits_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let (told, heard) = channel();
    let mut chain = Chain::new(1);
    let rows: Vec<_> = (1..=300).map(|n| chain.bundle(&[n], 300)).collect();
    let writer = Writer::start(open(&path)).unwrap();
    for (n, row) in rows.iter().enumerate() {
        writer.try_submit(job(n, vec![Record::Bundle(row.clone())], &told)).unwrap();
    }
    drop(writer);
    assert_eq!(heard.try_iter().filter(|(_, result)| result.is_ok()).count(), rows.len());
    let mut store = open(&path);
    assert!(store.recover().unwrap().clean);
    assert_eq!(log(store.reader().unwrap().as_mut(), 100), sorted(&rows));
}

#[test]
fn a_store_that_is_given_up_takes_nothing_more_and_leaves_its_files_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let config = OpenConfig { kind: Kind::Sqlite { path: path.clone() }, durability: Durability::Normal, max_bytes: 0 };
    let (told, heard) = channel();
    let writer = Writer::start(rumormill_store::open(&config).unwrap()).unwrap();
    writer.try_submit(job(0, meta(1), &told)).unwrap();
    assert!(heard.recv_timeout(DEADLINE).unwrap().1.is_ok());
    for name in ["log.db", "log.db-wal"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name), "another's").unwrap();
    }
    writer.abandon();
    for name in ["log.db", "log.db-wal"] {
        assert_eq!(std::fs::read(dir.path().join(name)).unwrap(), b"another's", "{name}");
    }
    let mark = std::fs::read_to_string(dir.path().join("log.db-lock")).unwrap();
    assert!(!mark.contains("closed"), "it does not vouch for another's file: {mark}");
}
