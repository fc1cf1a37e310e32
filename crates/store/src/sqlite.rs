//! The store in a SQLite file: WAL, one row a bundle (design: Store).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};
use rusqlite::{CachedStatement, Connection, OpenFlags, OptionalExtension, params};

use crate::error::StoreError;
use crate::merge::{Merge, Opened, Place, Source};
use crate::row::Facts;
use crate::salvage;
use crate::types::{BundleRow, ChainHead, Damage, Durability, Entry, OrderKey, Reader, Record, Recovered, Store};

/// "RuMi" in the file's header: whose file it is.
pub(crate) const APPLICATION_ID: i64 = 0x5275_4d69;
/// The version of the tables below.
const FORMAT: i64 = 1;
/// Bundles handed to the merge at a time.
const AHEAD: usize = 16;

const TABLES: &str = "
    CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE members(node BLOB PRIMARY KEY, evidence BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE proofs(origin BLOB PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE origins(id INTEGER PRIMARY KEY, origin BLOB NOT NULL UNIQUE);
    CREATE TABLE bundles(id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
        first_clock INTEGER NOT NULL, last_clock INTEGER NOT NULL, received INTEGER NOT NULL, digest BLOB NOT NULL,
        data BLOB NOT NULL);
    CREATE UNIQUE INDEX by_number ON bundles(origin, first);
    CREATE INDEX by_clock ON bundles(first_clock, last_clock);
";

/// A store in a file, locked for this process.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    db: Connection,
    _lock: File,
    max_bytes: u64,
    bytes: u64,
    heads: BTreeMap<Origin, (i64, Seq)>,
    damage: Vec<Damage>,
    clean: bool,
    boot_changed: bool,
}

/// Clocks keep their order as SQLite's signed integers.
pub(crate) fn clock_to_sql(clock: Clock) -> i64 {
    (clock.0 ^ (1 << 63)).cast_signed()
}

fn clock_of_sql(value: i64) -> Clock {
    Clock(value.cast_unsigned() ^ (1 << 63))
}

fn seq_to_sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(crate) fn origin_to_sql(origin: &Origin) -> [u8; 40] {
    let mut out = [0; 40];
    let (node, incarnation) = out.split_at_mut(32);
    node.copy_from_slice(origin.node.as_bytes());
    incarnation.copy_from_slice(&origin.incarnation.0.to_be_bytes());
    out
}

fn origin_of_sql(bytes: &[u8]) -> Option<Origin> {
    let (node, incarnation) = bytes.split_first_chunk::<32>()?;
    Some(Origin { node: NodeId(*node), incarnation: Incarnation(u64::from_be_bytes(incarnation.try_into().ok()?)) })
}

impl SqliteStore {
    /// Opens or makes a store. A damaged file is put aside and what it still holds goes to a new one.
    ///
    /// # Errors
    /// It is in use, not ours, too new, or cannot be made.
    pub fn open(path: &Path, durability: Durability, max_bytes: u64) -> Result<Self, StoreError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { action, path, source }
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(io("make", dir))?;
        }
        let lock_path = path.with_extension("lock");
        let lock = File::create(&lock_path).map_err(io("make", &lock_path))?;
        lock.try_lock().map_err(|_| StoreError::InUse(path.to_owned()))?;
        let mut damage = Vec::new();
        let (db, clean, boot_changed) = match prepare(path, durability) {
            Ok(ready) => ready,
            Err(why) if salvage::is_damage(&why) => {
                damage = salvage::salvage(path, &why.to_string(), |path| prepare(path, durability).map(|(db, ..)| db))?;
                let (db, ..) = prepare(path, durability)?;
                (db, false, false)
            }
            Err(why) => return Err(why),
        };
        let heads = BTreeMap::new();
        Ok(Self { path: path.to_owned(), db, _lock: lock, max_bytes, bytes: 0, heads, damage, clean, boot_changed })
    }

    fn walk(&mut self) -> Result<Vec<ChainHead>, StoreError> {
        let mut chains: BTreeMap<Origin, ChainHead> = BTreeMap::new();
        let mut bytes = 0_u64;
        let mut broken = None;
        let mut statement = self.db.prepare("SELECT digest, data FROM bundles ORDER BY origin, first")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let digest = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let good = Facts::read(data).ok().filter(|facts| facts.digest.as_bytes() == digest);
            let fits = good.filter(|facts| {
                let head = chains.get(&facts.origin());
                let next = head.map_or(Seq::FIRST, |head| head.next);
                let previous = head.map_or(rumormill_wire::Digest::ZERO, |head| head.head);
                facts.first() == next && facts.signed.header.previous == previous
            });
            let Some(facts) = fits else {
                broken = Some("a bundle is no longer what was written");
                break;
            };
            bytes = bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            chains.insert(facts.origin(), facts.head());
        }
        drop(rows);
        drop(statement);
        if let Some(reason) = broken {
            return Err(salvage::damaged(reason));
        }
        self.bytes = bytes;
        self.load_heads(&chains)?;
        Ok(chains.into_values().collect())
    }

    fn load_heads(&mut self, chains: &BTreeMap<Origin, ChainHead>) -> Result<(), StoreError> {
        let mut statement = self.db.prepare("SELECT id, origin FROM origins")?;
        let mut rows = statement.query([])?;
        self.heads.clear();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if let Some(origin) = origin_of_sql(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?) {
                let next = chains.get(&origin).map_or(Seq::FIRST, |head| head.next);
                self.heads.insert(origin, (id, next));
            }
        }
        Ok(())
    }

    fn rest(&self) -> Result<Recovered, StoreError> {
        let bytes = |row: &rusqlite::Row<'_>, n: usize| row.get::<_, Vec<u8>>(n).map(Bytes::from);
        let mut out = Recovered::default();
        let mut statement = self.db.prepare("SELECT node, evidence FROM members ORDER BY node")?;
        for row in statement.query_map([], |row| Ok((row.get::<_, [u8; 32]>(0)?, bytes(row, 1)?)))? {
            let (node, evidence) = row?;
            out.members.push((NodeId(node), evidence));
        }
        let mut statement = self.db.prepare("SELECT origin, bytes FROM proofs ORDER BY origin")?;
        for row in statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, bytes(row, 1)?)))? {
            let (origin, proof) = row?;
            out.proofs.extend(origin_of_sql(&origin).map(|origin| (origin, proof)));
        }
        let mut statement = self.db.prepare("SELECT key, value FROM meta ORDER BY key")?;
        for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, bytes(row, 1)?)))? {
            let (key, value) = row?;
            match key.strip_prefix("node.") {
                Some(key) => out.meta.push((key.to_owned(), value)),
                None if key == "revocations" => out.revocations = Some(value),
                None => {}
            }
        }
        Ok(out)
    }
}

/// Opens the file, sets it up, and checks what can be checked at once. Says whether it had been closed, and whether the
/// machine was started anew since.
fn prepare(path: &Path, durability: Durability) -> Result<(Connection, bool, bool), StoreError> {
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
        db.pragma_update(None, "page_size", 8_192)?;
    }
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    debug_assert_eq!(mode, "wal");
    db.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
    db.pragma_update(None, "wal_autocheckpoint", 2_000)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    db.pragma_update(None, "cache_size", -2_048)?;
    db.set_prepared_statement_cache_capacity(32);
    if fresh {
        let change = db.transaction()?;
        change.execute_batch(TABLES)?;
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", FORMAT)?;
        change.commit()?;
    }
    let clean = fresh || meta(&db, "clean")?.is_some();
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot_changed = !fresh && meta(&db, "boot")?.is_some_and(|old| old != boot);
    if !clean {
        let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(salvage::damaged(&verdict));
        }
    }
    db.execute("DELETE FROM meta WHERE key = 'clean'", [])?;
    db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES ('boot', ?1)", params![boot])?;
    Ok((db, clean, boot_changed))
}

fn meta(db: &Connection, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?)
}

impl Store for SqliteStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let walked = self.walk().and_then(|chains| Ok((chains, self.rest()?)));
        let (chains, rest) = match walked {
            Err(why) if salvage::is_damage(&why) => {
                let durability: i64 = self.db.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
                let durability = if durability == 2 { Durability::Full } else { Durability::Normal };
                // The connection must be gone before its file is put aside.
                self.db = Connection::open_in_memory()?;
                let open = |path: &Path| prepare(path, durability).map(|(db, ..)| db);
                self.damage.extend(salvage::salvage(&self.path, &why.to_string(), open)?);
                self.db = open(&self.path)?;
                self.clean = false;
                (self.walk()?, self.rest()?)
            }
            other => other?,
        };
        for damage in &self.damage {
            tracing::warn!(target: "rumormill::store", "{damage}");
        }
        let (damage, clean, boot_changed) = (self.damage.clone(), self.clean, self.boot_changed);
        Ok(Recovered { chains, damage, clean, boot_changed, bytes: self.bytes, ..rest })
    }

    fn commit(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        let mut heads: BTreeMap<Origin, (i64, Seq)> = BTreeMap::new();
        let mut added = 0;
        let change = self.db.transaction()?;
        {
            let mut insert = change.prepare_cached(
                "INSERT INTO bundles(origin, first, next, first_clock, last_clock, received, digest, data)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for record in batch {
                match record {
                    Record::Bundle(row) => {
                        let facts = Facts::read(&row.bytes)?;
                        let origin = facts.origin();
                        let known = heads.get(&origin).or_else(|| self.heads.get(&origin)).copied();
                        let (id, next) = match known {
                            Some(known) => known,
                            None => (new_origin(&change, &origin)?, Seq::FIRST),
                        };
                        if facts.first() != next {
                            return Err(StoreError::NotNext { origin, first: facts.first(), next });
                        }
                        insert_row(&mut insert, id, &facts, row)?;
                        heads.insert(origin, (id, facts.next()));
                        added += u64::try_from(row.bytes.len()).unwrap_or(u64::MAX);
                    }
                    other => keep(&change, other)?,
                }
            }
        }
        let used = self.bytes.saturating_add(added);
        if self.max_bytes != 0 && added > 0 && used > self.max_bytes {
            return Err(StoreError::Full { used: self.bytes, most: self.max_bytes });
        }
        change.commit()?;
        self.bytes = used;
        self.heads.extend(heads);
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        db.pragma_update(None, "cache_size", -1_024)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Box::new(SqliteReader { db, merge: Merge::default() }))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES ('clean', x'01')", [])?;
        self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

pub(crate) fn new_origin(db: &Connection, origin: &Origin) -> Result<i64, StoreError> {
    db.execute("INSERT OR IGNORE INTO origins(origin) VALUES (?1)", [origin_to_sql(origin)])?;
    Ok(db.query_row("SELECT id FROM origins WHERE origin = ?1", [origin_to_sql(origin)], |row| row.get(0))?)
}

fn insert_row(insert: &mut CachedStatement<'_>, id: i64, facts: &Facts, row: &BundleRow) -> Result<(), StoreError> {
    insert.execute(params![
        id,
        seq_to_sql(facts.first()),
        seq_to_sql(facts.next()),
        clock_to_sql(facts.first_clock),
        clock_to_sql(facts.last_clock),
        i64::try_from(row.received_us).unwrap_or(i64::MAX),
        facts.digest.as_bytes(),
        &row.bytes[..],
    ])?;
    Ok(())
}

pub(crate) fn keep(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match record {
        Record::Bundle(_) => Ok(0),
        Record::Member { node, evidence } => db.execute(
            "INSERT OR REPLACE INTO members(node, evidence) VALUES (?1, ?2)",
            params![node.as_bytes(), &evidence[..]],
        ),
        Record::Proof { origin, bytes } => db.execute(
            "INSERT OR REPLACE INTO proofs(origin, bytes) VALUES (?1, ?2)",
            params![origin_to_sql(origin), &bytes[..]],
        ),
        Record::Revocations(bytes) => {
            db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES ('revocations', ?1)", params![&bytes[..]])
        }
        Record::Meta { key, value } => db.execute(
            "INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)",
            params![format!("node.{key}"), &value[..]],
        ),
    }?;
    Ok(())
}

struct SqliteReader {
    db: Connection,
    merge: Merge,
}

fn checked(data: Vec<u8>, digest: &[u8]) -> Result<Bytes, StoreError> {
    match Facts::read(&data) {
        Ok(facts) if facts.digest.as_bytes() == digest => Ok(Bytes::from(data)),
        Ok(facts) => Err(StoreError::Damaged { origin: facts.origin(), seq: facts.first() }),
        Err(_) => Err(StoreError::Damaged { origin: Origin::MIN, seq: Seq(0) }),
    }
}

fn opened(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Place, u64, Vec<u8>, Vec<u8>)> {
    let place = (clock_of_sql(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned());
    Ok((place, row.get::<_, i64>(2)?.cast_unsigned(), row.get(3)?, row.get(4)?))
}

impl Source for Connection {
    fn after(&mut self, place: Option<Place>) -> Result<Vec<Opened>, StoreError> {
        let (clock, id) = place.map_or((i64::MIN, -1), |(clock, id)| (clock_to_sql(clock), row_id(id)));
        let mut statement = self.prepare_cached(
            "SELECT first_clock, id, received, digest, data FROM bundles WHERE (first_clock, id) > (?1, ?2)
             ORDER BY first_clock, id LIMIT ?3",
        )?;
        let rows = statement.query_map(params![clock, id, i64::try_from(AHEAD).unwrap_or(1)], opened)?;
        collect(rows)
    }

    fn spanning(&mut self, clock: Clock) -> Result<Vec<Opened>, StoreError> {
        let mut statement = self.prepare_cached(
            "SELECT first_clock, id, received, digest, data FROM bundles WHERE first_clock <= ?1 AND last_clock >= ?1",
        )?;
        let rows = statement.query_map([clock_to_sql(clock)], opened)?;
        collect(rows)
    }
}

fn row_id(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn collect(
    rows: impl Iterator<Item = rusqlite::Result<(Place, u64, Vec<u8>, Vec<u8>)>>,
) -> Result<Vec<Opened>, StoreError> {
    rows.map(|row| {
        let (place, received_us, digest, data) = row?;
        Ok(Opened { place, bytes: checked(data, &digest)?, received_us })
    })
    .collect()
}

impl Reader for SqliteReader {
    fn range(&mut self, origin: Origin, from: Seq, until: Seq, max_bytes: usize) -> Result<Vec<BundleRow>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT received, digest, data FROM bundles WHERE origin = (SELECT id FROM origins WHERE origin = ?1)
             AND first >= coalesce((SELECT max(first) FROM bundles
                 WHERE origin = (SELECT id FROM origins WHERE origin = ?1) AND first <= ?2), 0)
             AND first < ?3 AND next > ?2 ORDER BY first",
        )?;
        let until = until.max(Seq(from.0.saturating_add(1)));
        let mut rows = statement.query(params![origin_to_sql(&origin), seq_to_sql(from), seq_to_sql(until)])?;
        let mut bytes = 0;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let data: Vec<u8> = row.get(2)?;
            bytes += data.len();
            let received_us = row.get::<_, i64>(0)?.cast_unsigned();
            let good = checked(data, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?);
            out.push(BundleRow { bytes: good.map_err(|_| StoreError::Damaged { origin, seq: from })?, received_us });
            if bytes >= max_bytes {
                break;
            }
        }
        // What does not begin at or before `from` is no answer.
        let holds = out
            .first()
            .and_then(|row| Facts::read(&row.bytes).ok())
            .is_some_and(|facts| facts.first() <= from && from < facts.next());
        Ok(if holds { out } else { Vec::new() })
    }

    fn page(&mut self, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.merge.page(&mut self.db, after, max)
    }
}
