//! What a store takes on its disk: all pages of the file, whatever they hold, and the log beside it.

use std::path::Path;

use rusqlite::Connection;

use super::beside;
use super::open::{LOG_BYTES, LOG_PAGES};
use super::tables::PAGE;
use crate::error::StoreError;

/// The log's share of a bounded store.
const LOG_SHARE: u64 = 8;

/// Bytes of the file with what the open change adds, and of the log as it is.
pub(super) fn used(db: &Connection, path: &Path) -> Result<u64, StoreError> {
    let pages: i64 = db.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    let file = u64::try_from(pages).unwrap_or(0).saturating_mul(u64::from(PAGE));
    let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |about| about.len());
    Ok(file.saturating_add(log))
}

/// Keeps the log to its share of a small bound.
pub(super) fn hold_log(db: &Connection, max_bytes: u64) -> Result<(), StoreError> {
    if max_bytes == 0 {
        return Ok(());
    }
    let share = max_bytes / LOG_SHARE;
    let pages = (share / u64::from(PAGE)).clamp(8, u64::from(LOG_PAGES));
    db.pragma_update(None, "wal_autocheckpoint", i64::try_from(pages).unwrap_or(i64::MAX))?;
    let bytes = share.min(u64::from(LOG_BYTES));
    db.pragma_update(None, "journal_size_limit", i64::try_from(bytes).unwrap_or(i64::MAX))?;
    Ok(())
}
