//! Connections to the file, for the writer and for readers, and what makes the write-ahead log begin anew.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::damage::damaged;
use super::key_value;
use super::tables::{APPLICATION_ID, FORMAT, PAGE, TABLES};
use crate::error::StoreError;
use crate::types::Durability;

/// Pages that the log may hold before they go to the main file, 16 MiB: with 4 MiB small commits take twice as long.
pub(super) const LOG_PAGES: u32 = 2_048;
/// Bytes that the log's file may have; it keeps them when it begins anew. SQLite begins it anew only in a moment without readers, so
/// before a group finds it longer the writer waits for such a moment: it is longer by one group at most.
pub const LOG_BYTES: u64 = 20 * 1024 * 1024;
/// How long the writer waits for readers that are at work. None of ours takes as long: they wait for nobody while they read.
const LOG_WAIT: Duration = Duration::from_secs(5);
/// How often it looks meanwhile: a reader is done within milliseconds, and SQLite's own pauses grow.
const LOOK: Duration = Duration::from_micros(200);
/// The writer's page cache, in KiB: a group of the writer's fits.
const WRITER_CACHE_KIB: i32 = 2_048;
/// A reader's page cache, in KiB.
const READER_CACHE_KIB: i32 = 512;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 16;

/// Opens the file and sets it up, making the tables if it is new.
pub(super) fn connect(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    make_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    let application: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = tables == 0 && application == 0 && format == 0;
    if !fresh && (application != APPLICATION_ID || format != FORMAT) {
        return Err(whose(&db, path, application, format));
    }
    if fresh {
        db.pragma_update(None, "page_size", PAGE)?;
    }
    let _: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    set_durability(&db, durability)?;
    db.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    db.pragma_update(None, "journal_size_limit", i64::try_from(LOG_BYTES).unwrap_or(i64::MAX))?;
    db.busy_handler(Some(wait_for_readers))?;
    db.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    if fresh {
        let change = db.transaction()?;
        change.execute_batch(TABLES)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", FORMAT)?;
        key_value::keep_own(&change, key_value::FORMAT_KEY, &FORMAT.to_be_bytes())?;
        change.commit()?;
    }
    Ok(db)
}

/// The header names another program or version. If the sealed format within does not, a bit fell over.
fn whose(db: &Connection, path: &Path, application: i64, format: i64) -> StoreError {
    let path = path.to_owned();
    match key_value::own(db, key_value::FORMAT_KEY) {
        Ok(Some(sealed)) if sealed == FORMAT.to_be_bytes() => damaged("its header names another format"),
        _ if application != APPLICATION_ID => StoreError::Foreign(path),
        _ => StoreError::Newer { path, found: format, known: FORMAT },
    }
}

/// What is in a log is nobody else's business; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::Io { action: "open", path: path.to_owned(), source })
}

/// A connection of a reader's own.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// A connection that only copies the log into the main file.
pub(super) fn connect_checkpointer(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    set_durability(&db, durability)?;
    Ok(db)
}

fn set_durability(db: &Connection, durability: Durability) -> Result<(), StoreError> {
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    Ok(db.pragma_update(None, "synchronous", synchronous)?)
}

/// Copies what the log holds into the main file, beside the writer and readers.
pub(super) fn copy_log(db: &Connection) -> Result<(), StoreError> {
    Ok(db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
}

/// Brings the log into the main file and empties it, as far as readers let it.
pub(super) fn checkpoint(db: &Connection) -> Result<(), StoreError> {
    Ok(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// Whether to look once more.
fn wait_for_readers(looked: i32) -> bool {
    std::thread::sleep(LOOK);
    LOOK.saturating_mul(u32::try_from(looked).unwrap_or(0)) < LOG_WAIT
}

/// Brings the log into the main file, so that the next group begins it anew. False if readers did not let it.
pub(super) fn begin_log_anew(db: &Connection) -> Result<bool, StoreError> {
    Ok(db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0))? == 0)
}
