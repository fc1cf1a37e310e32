//! What a store takes on its disk: all pages of the file, whatever they hold, and the log beside it.

use std::path::Path;

use rusqlite::Connection;

use super::checkpointer::Checkpointer;
use super::connection::{LOG_BYTES, LOG_PAGES, begin_log_anew};
use super::names::beside;
use super::tables::PAGE;
use crate::error::StoreError;
use crate::types::Record;
use crate::writer::weight;

/// The log's share of a bounded store.
const LOG_SHARE: u64 = 8;
/// What a record adds at most beside its bytes, to the file and to the log each: the pages of a table and of two indexes that one
/// insert changes, with a split on every level.
const RECORD_MOST: u64 = 64 * PAGE as u64;

/// What a group adds at most to the file, and to the log as much.
pub(super) fn most(batch: &[Record]) -> u64 {
    batch.iter().fold(0, |sum, record| {
        let bytes = u64::try_from(weight(record)).unwrap_or(u64::MAX);
        sum.saturating_add(RECORD_MOST).saturating_add(bytes)
    })
}

/// The room there is for certain, so that not each group has to measure it.
#[derive(Debug, Default)]
pub(super) struct Room(u64);

impl Room {
    /// Whether this group has room for certain. What it takes of it is taken.
    pub(super) fn take(&mut self, batch: &[Record]) -> bool {
        let left = self.0.checked_sub(most(batch).saturating_mul(2));
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// So much is used at most, of so much.
    pub(super) const fn measured(&mut self, used: u64, bound: u64) {
        self.0 = bound.saturating_sub(used);
    }
}

/// Bytes of the file with what the open change adds, and of the log as it is.
pub(super) fn used(db: &Connection, path: &Path) -> Result<u64, StoreError> {
    let pages: i64 = db.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    let file = u64::try_from(pages).unwrap_or(0).saturating_mul(u64::from(PAGE));
    Ok(file.saturating_add(log(path)))
}

/// Bytes of the log's file.
fn log(path: &Path) -> u64 {
    std::fs::metadata(beside(path, "-wal")).map_or(0, |about| about.len())
}

/// How long the log's file may be.
#[derive(Debug)]
pub(super) struct LogBound {
    most: u64,
    /// Where it is waited for next: beyond the bound once readers did not let it begin anew, so that one that stays costs one
    /// wait for each `most`, and not each group one.
    next: u64,
    /// It is no longer than this.
    at_most: u64,
}

impl LogBound {
    pub(super) const fn new(most: u64) -> Self {
        Self { most, next: most, at_most: u64::MAX }
    }

    /// Before a group: a log that is too long is brought into the main file, and the group begins it anew.
    pub(super) fn keep(
        &mut self,
        db: &Connection,
        checkpointer: &Checkpointer,
        path: &Path,
        batch: &[Record],
    ) -> Result<(), StoreError> {
        if self.at_most > self.most {
            self.at_most = log(path);
        }
        let bytes = self.at_most;
        self.at_most = bytes.saturating_add(most(batch));
        if bytes <= self.most {
            self.next = self.most;
        }
        let begins = bytes <= self.next || {
            let _paused = checkpointer.pause();
            begin_log_anew(db)?
        };
        if !begins {
            self.next = bytes.saturating_add(self.most);
            tracing::warn!(target: "rumormill::store", bytes, "a reader keeps the store's log from beginning anew: it grows");
        }
        Ok(())
    }
}

/// Keeps the log to its share of a small bound, and says how long it may be and at how many pages it is copied into the main file.
pub(super) fn hold_log(db: &Connection, max_bytes: u64) -> Result<(LogBound, u32), StoreError> {
    if max_bytes == 0 {
        return Ok((LogBound::new(LOG_BYTES), LOG_PAGES));
    }
    let share = max_bytes / LOG_SHARE;
    // As of the whole: it is copied before it is as long as it may be.
    let pages = share.saturating_mul(u64::from(LOG_PAGES)) / LOG_BYTES;
    let pages = u32::try_from(pages).unwrap_or(LOG_PAGES).clamp(8, LOG_PAGES);
    let bytes = share.min(LOG_BYTES);
    db.pragma_update(None, "journal_size_limit", i64::try_from(bytes).unwrap_or(i64::MAX))?;
    Ok((LogBound::new(bytes), pages))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::sqlite::SqliteStore;
    use crate::types::{Durability, Record, Store};

    #[test]
    fn a_reader_that_stays_costs_one_wait_for_each_bound_and_the_log_begins_anew_behind_it() {
        const MOST: u64 = 128 * 1024;
        const GROUP: usize = 32 * 1024;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let mut store = SqliteStore::open(&path, Durability::Normal, MOST * LOG_SHARE).unwrap();
        store.db.busy_timeout(Duration::from_millis(20)).unwrap();
        let commit = |store: &mut SqliteStore, n: u8| {
            store.commit(&[Record::Meta { key: "k".into(), value: Bytes::from(vec![n; GROUP]) }]).unwrap();
            (log(&path), store.log.next)
        };
        commit(&mut store, 0);
        let stays = Connection::open(&path).unwrap();
        let moment = stays.unchecked_transaction().unwrap();
        moment.query_row("SELECT count(*) FROM kept", [], |row| row.get::<_, i64>(0)).unwrap();
        let grown: Vec<_> = (1..24).map(|n| commit(&mut store, n)).collect();
        let waits = grown.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
        let (longest, _) = *grown.last().unwrap();
        assert!(longest > 4 * MOST, "{longest}");
        assert!((2..=8).contains(&waits), "{waits} waits in {grown:?}");
        moment.finish().unwrap();
        let after: Vec<_> = (30..50).map(|n| commit(&mut store, n)).collect();
        let (bytes, next) = *after.last().unwrap();
        assert!(bytes <= MOST + 2 * GROUP as u64 && next == MOST, "{after:?}");
    }
}
