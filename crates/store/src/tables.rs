//! The tables of the SQLite file, and how things are written to them (design: Store).
//!
//! What is not a bundle has no digest of its own, so its row carries a sum: SQLite keeps none of its pages.

use std::io::Read;
use std::path::Path;

use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::error::StoreError;
use crate::row::Facts;
use crate::salvage::damaged;
use crate::types::{BundleRow, Durability, Record};

/// "RuMi" in the file's header: whose file it is.
const APPLICATION_ID: i64 = 0x5275_4d69;
/// The version of the tables below.
const FORMAT: i64 = 1;
/// Bytes of a page, by measurement (docs/decisions/0002-store.md).
const PAGE_SIZE: i64 = 8_192;
/// Pages in the write-ahead log before they are moved to the file.
const CHECKPOINT_PAGES: i64 = 2_000;
/// The write-ahead log is cut to this after a burst.
const LOG_BYTES: i64 = 64 * 1024 * 1024;
/// Memory of the writer for pages, in KiB.
const CACHE_KIB: i64 = 2_048;
/// The first bytes of the file that say how to read it.
const HEADER_LEN: usize = 20;

const TABLES: &str = "
    CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE kept(kind INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, sum BLOB NOT NULL,
        PRIMARY KEY(kind, key)) WITHOUT ROWID;
    CREATE TABLE origins(id INTEGER PRIMARY KEY, origin BLOB NOT NULL UNIQUE);
    CREATE TABLE bundles(id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
        first_clock INTEGER NOT NULL, last_clock INTEGER NOT NULL, received INTEGER NOT NULL, digest BLOB NOT NULL,
        data BLOB NOT NULL);
    CREATE UNIQUE INDEX by_number ON bundles(origin, first);
    CREATE INDEX by_clock ON bundles(first_clock, id, last_clock);
";

/// What a row of `kept` is.
pub(crate) mod kind {
    pub const MEMBER: i64 = 1;
    pub const PROOF: i64 = 2;
    pub const REVOCATIONS: i64 = 3;
    pub const META: i64 = 4;
}

/// Clocks keep their order as SQLite's signed integers.
pub(crate) fn clock_to_sql(clock: Clock) -> i64 {
    (clock.0 ^ (1 << 63)).cast_signed()
}

pub(crate) fn clock_of_sql(value: i64) -> Clock {
    Clock(value.cast_unsigned() ^ (1 << 63))
}

pub(crate) fn seq_to_sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(crate) fn origin_to_sql(origin: &Origin) -> [u8; 40] {
    let mut out = [0; 40];
    let (node, incarnation) = out.split_at_mut(32);
    node.copy_from_slice(origin.node.as_bytes());
    incarnation.copy_from_slice(&origin.incarnation.0.to_be_bytes());
    out
}

pub(crate) fn origin_of_sql(bytes: &[u8]) -> Option<Origin> {
    let (node, incarnation) = bytes.split_first_chunk::<32>()?;
    Some(Origin { node: NodeId(*node), incarnation: Incarnation(u64::from_be_bytes(incarnation.try_into().ok()?)) })
}

/// Opens a file and makes the tables in an empty one. In one that has them nothing is changed.
pub(crate) fn prepare(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    check_header(path)?;
    let mut db = Connection::open(path)?;
    let application: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = tables == 0 && application == 0;
    if !fresh && application != APPLICATION_ID {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    if format > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), found: format, known: FORMAT });
    }
    if fresh {
        db.pragma_update(None, "page_size", PAGE_SIZE)?;
    }
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    db.pragma_update(None, "cache_size", CACHE_KIB.saturating_neg())?;
    db.set_prepared_statement_cache_capacity(32);
    if fresh {
        let change = db.transaction()?;
        change.execute_batch(TABLES)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", FORMAT)?;
        set_state(&change, "clean", &[1])?;
        change.commit()?;
    }
    Ok(db)
}

/// SQLite takes an empty file for a new one, and one of a later format for one that must not be written.
fn check_header(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { action: "read", path: path.to_owned(), source };
    let mut header = [0; HEADER_LEN];
    let mut file = match std::fs::File::open(path) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(io)?,
    };
    match file.read_exact(&mut header) {
        Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => Err(damaged("it is empty")),
        other => {
            other.map_err(io)?;
            let [.., write, read] = header;
            if write > 2 || read > 2 { Err(damaged("its header is none")) } else { Ok(()) }
        }
    }
}

pub(crate) fn state(db: &Connection, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(db.query_row("SELECT value FROM state WHERE key = ?1", [key], |row| row.get(0)).optional()?)
}

pub(crate) fn set_state(db: &Connection, key: &str, value: &[u8]) -> Result<(), StoreError> {
    db.execute("INSERT OR REPLACE INTO state(key, value) VALUES (?1, ?2)", params![key, value])?;
    Ok(())
}

pub(crate) fn clear_state(db: &Connection, key: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM state WHERE key = ?1", [key])?;
    Ok(())
}

/// The number of an origin, given to it now if it has none.
pub(crate) fn new_origin(db: &Connection, origin: &Origin) -> Result<i64, StoreError> {
    db.execute("INSERT OR IGNORE INTO origins(origin) VALUES (?1)", [origin_to_sql(origin)])?;
    Ok(db.query_row("SELECT id FROM origins WHERE origin = ?1", [origin_to_sql(origin)], |row| row.get(0))?)
}

/// The statement that [`insert_row`] runs.
pub(crate) fn insert(db: &Connection) -> Result<CachedStatement<'_>, StoreError> {
    Ok(db.prepare_cached(
        "INSERT INTO bundles(origin, first, next, first_clock, last_clock, received, digest, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?)
}

pub(crate) fn insert_row(
    insert: &mut CachedStatement<'_>,
    origin: i64,
    facts: &Facts,
    row: &BundleRow,
) -> Result<(), StoreError> {
    insert.execute(params![
        origin,
        seq_to_sql(facts.first()),
        seq_to_sql(facts.next()),
        clock_to_sql(facts.first_clock),
        clock_to_sql(facts.last_clock),
        row.received_us.cast_signed(),
        facts.digest.as_bytes(),
        &row.bytes[..],
    ])?;
    Ok(())
}

/// Writes what is not a bundle.
pub(crate) fn keep(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match record {
        Record::Bundle(_) => Ok(()),
        Record::Member { node, evidence } => put(db, kind::MEMBER, node.as_bytes(), evidence),
        Record::Proof { origin, bytes } => put(db, kind::PROOF, &origin_to_sql(origin), bytes),
        Record::Revocations(bytes) => put(db, kind::REVOCATIONS, &[], bytes),
        Record::Meta { key, value } => put(db, kind::META, key.as_bytes(), value),
    }
}

/// Writes one row of `kept`.
pub(crate) fn put(db: &Connection, kind: i64, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO kept(kind, key, value, sum) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![kind, key, value, sum(kind, key, value)])?;
    Ok(())
}

/// What a row of `kept` adds up to.
pub(crate) fn sum(kind: i64, key: &[u8], value: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&kind.to_be_bytes());
    hasher.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(key).update(value);
    *hasher.finalize().as_bytes()
}
