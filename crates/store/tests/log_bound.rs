//! The write-ahead log has a bound, whoever reads meanwhile.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use common::{Chain, open, origin};
use rumormill_store::{BundleRow, Job, LOG_BYTES, Reader, Record, TrySubmitError, Writer};
use rumormill_wire::Seq;

/// What is poured in: an author's allowance of a day.
const POURED: usize = 64 << 20;
/// What the writer commits at once takes no more than this, pages and indexes included.
const GROUP: u64 = 4 << 20;

/// Reads as links that are behind do, and as people do, until it is told to stop.
fn reads(mut reader: Box<dyn Reader>, ranges: bool, stop: &AtomicBool) -> usize {
    let mut read = 0;
    let (mut from, mut after) = (Seq::FIRST, None);
    while !stop.load(Ordering::Relaxed) {
        if ranges {
            let rows = reader.range(origin(1), from, Seq(u64::MAX), 256 * 1024).unwrap();
            from = if rows.is_empty() { Seq::FIRST } else { Seq(from.0 + 4) };
            read += rows.len();
        } else {
            let page = reader.page(after, 1_000).unwrap();
            after = page.last().map(|entry| entry.key);
            read += page.len();
        }
    }
    read
}

fn pour(path: &Path, rows: &[BundleRow]) -> u64 {
    let log = {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        std::path::PathBuf::from(name)
    };
    let store = open(path);
    let stop = AtomicBool::new(false);
    let readers: Vec<_> = (0..4).map(|_| store.reader().unwrap()).collect();
    let writer = Writer::start(store).unwrap();
    let (told, heard) = channel();
    thread::scope(|scope| {
        let reading: Vec<_> = (0..)
            .zip(readers)
            .map(|(n, reader)| {
                let stop = &stop;
                scope.spawn(move || reads(reader, n % 2 == 0, stop))
            })
            .collect();
        let mut longest = 0;
        for row in rows {
            let (told, log) = (told.clone(), log.clone());
            let look = move |result: Result<(), Arc<_>>| {
                result.unwrap();
                told.send(std::fs::metadata(&log).unwrap().len()).unwrap();
            };
            let mut job = Job { records: vec![Record::Bundle(row.clone())], done: Box::new(look) };
            while let Err(why) = writer.try_submit(job) {
                let TrySubmitError::Full(back) = why else { panic!("{why:?}") };
                job = back;
                longest = longest.max(heard.recv().unwrap());
            }
        }
        writer.close().unwrap();
        longest = heard.try_iter().fold(longest, u64::max);
        stop.store(true, Ordering::Relaxed);
        assert!(reading.into_iter().all(|reads| reads.join().unwrap() > 0), "all have read");
        longest
    })
}

#[test]
fn an_allowance_poured_in_at_full_speed_while_readers_work_keeps_the_log_to_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::new(1);
    let rows: Vec<_> = (1..=POURED as u64 / 62_000).map(|n| chain.bundle(&[2 * n, 2 * n + 1], 31_000)).collect();
    let longest = pour(&dir.path().join("log.db"), &rows);
    assert!(longest <= LOG_BYTES + GROUP, "{longest}");
    assert!(longest > GROUP, "the log was looked at: {longest}");
}

/// What one record may add to the file, and to the log as much, beside its bytes: what is not measured for each group stands on it.
const RECORD_MOST: u64 = 512 * 1024;

#[test]
fn a_record_adds_no_more_than_is_counted_on_and_the_store_is_never_past_its_bound() {
    const BOUND: u64 = 24 << 20;
    let dir = common::new_dir();
    let path = dir.path().join("log.db");
    let size = || {
        let len = |end: &str| std::fs::metadata(format!("{}{end}", path.display())).map_or(0, |file| file.len());
        (len(""), len("-wal"))
    };
    let config = rumormill_store::OpenConfig { max_bytes: BOUND, ..common::config(&path) };
    let mut store = rumormill_store::open(&config).unwrap();
    let mut chains: Vec<_> = (0..32).map(Chain::new).collect();
    let mut before = size();
    for n in 0_u64.. {
        let chain = &mut chains[usize::try_from(n * 7 % 32).unwrap()];
        let clock = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (1 << 40) + (n << 41);
        let row = chain.bundle(&[clock], [10, 300, 5_000, 31_000][usize::try_from(n / 3 % 4).unwrap()]);
        let most = RECORD_MOST + u64::try_from(row.bytes.len()).unwrap() + 64;
        let told = store.commit(&[Record::Bundle(row)]);
        let after = size();
        // What the last change adds to the log is not there yet when the size is looked at.
        assert!(after.0 + after.1 <= BOUND + most, "{after:?}");
        assert!(
            after.0.saturating_sub(before.0) <= most + before.1 && after.1.saturating_sub(before.1) <= most,
            "{before:?} {after:?}"
        );
        before = after;
        match told {
            Ok(()) => {}
            Err(rumormill_store::StoreError::Full { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(before.0 + before.1 > BOUND / 2, "it was filled: {before:?}");
}
