//! Opening: lock, look at the log, connect, check, and save what can be saved if that fails.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rumormill_wire::Origin;
use rusqlite::{Connection, OpenFlags};

use super::lock::{Left, Lock};
use super::tables::{APPLICATION_ID, FORMAT, PAGE, TABLES};
use super::{Head, beside, check, damage_report, key_value, quarantine, salvage, wal};
use crate::error::StoreError;
use crate::types::{Damage, Durability, Recovered};

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

pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) lock: Lock,
    pub(super) recovered: Recovered,
    pub(super) heads: BTreeMap<Origin, Head>,
}

pub(super) fn open(path: &Path, durability: Durability) -> Result<Opened, StoreError> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        let io = |source| StoreError::Io { action: "make", path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
    }
    let mut lock = Lock::take(path)?;
    salvage::finish(path)?;
    let left = lock.left(path)?;
    let seen = if left == Left::Open { look_at_files(path)? } else { None };
    lock.opened()?;
    let Checked { db, state, boot_changed } = match check(path, durability, left) {
        Err(why) if quarantine::is_damage(&why) => {
            salvage::salvage(path, &why.to_string())?;
            check(path, durability, Left::Open)?
        }
        other => other?,
    };
    let mut damage = damage_report::read(&db)?;
    if let Some(seen) = seen {
        damage.push(seen);
        damage_report::keep(&db, &damage)?;
        // The log is begun anew, so that its damage is not found again.
        checkpoint(&db)?;
    }
    let clean = left != Left::Open && damage.is_empty();
    let recovered = Recovered { damage, clean, boot_changed, ..state.recovered };
    Ok(Opened { db, lock, recovered, heads: state.heads })
}

/// What SQLite would pass over in silence: a file of no length, a log that was written over.
fn look_at_files(path: &Path) -> Result<Option<Damage>, StoreError> {
    let damage =
        |path: &Path, reason: &str, aside| Damage::File { path: path.to_owned(), reason: reason.into(), aside };
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        let aside = quarantine::name(path);
        quarantine::put(path, &aside)?;
        return Ok(Some(damage(path, "it is empty", aside)));
    }
    let log = beside(path, "-wal");
    let fault = wal::fault(&log).map_err(|source| StoreError::Io { action: "read", path: log.clone(), source })?;
    match fault {
        Some(reason) => Ok(Some(damage(&log, reason, quarantine::copy_log(path, &log)?))),
        None => Ok(None),
    }
}

struct Checked {
    db: Connection,
    state: check::State,
    boot_changed: bool,
}

/// Connects and checks: everything, or the ends of the chains if the file is as a close left it. Writes, too: a header
/// that forbids it is found here.
fn check(path: &Path, durability: Durability, left: Left) -> Result<Checked, StoreError> {
    let db = connect(path, durability)?;
    let state = if left == Left::Open { check::everything(&db)? } else { check::heads(&db)? };
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot_changed = key_value::own(&db, key_value::BOOT)?.is_some_and(|old| old != boot);
    key_value::keep_own(&db, key_value::BOOT, &boot)?;
    Ok(Checked { db, state, boot_changed })
}

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
    db.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
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
        Ok(Some(sealed)) if sealed == FORMAT.to_be_bytes() => quarantine::damaged("its header names another format"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_boot_is_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let first = open(&path, Durability::Normal).unwrap();
        assert!(!first.recovered.boot_changed);
        key_value::keep_own(&first.db, key_value::BOOT, b"another").unwrap();
        drop(first);
        assert!(open(&path, Durability::Normal).unwrap().recovered.boot_changed);
        assert!(!open(&path, Durability::Normal).unwrap().recovered.boot_changed);
    }
}
