//! A damaged file: put aside, and what it still holds goes to a new one (design: Store).
//!
//! Rows are fetched one by one by number, so that one bad page costs the rows on it and no others. A chain is kept up to its
//! first row that is missing, does not parse, has another digest than was written, or does not follow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rumormill_wire::{Digest, NodeId, Origin, Seq};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use crate::error::StoreError;
use crate::row::Facts;
use crate::sqlite::{clock_to_sql, keep, new_origin};
use crate::types::{BundleRow, Damage, Record};

/// Damaged files kept aside; the oldest is removed for a new one.
const ASIDE: usize = 3;
/// So many rows in a row that cannot be read end the search where the last number is not known.
const MISSES: i64 = 100_000;

/// An error that says: this file is damaged.
pub(crate) fn damaged(reason: &str) -> StoreError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    StoreError::Sqlite(rusqlite::Error::SqliteFailure(code, Some(reason.to_owned())))
}

/// Whether an error means that the file is damaged, and not that the system refuses.
pub(crate) fn is_damage(why: &StoreError) -> bool {
    match why {
        StoreError::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) => {
            matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown | ErrorCode::TypeMismatch
            ) || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ
        }
        // A table is missing or a column holds another type: somebody wrote over it.
        StoreError::Sqlite(
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows
            | rusqlite::Error::SqlInputError { .. }
            | rusqlite::Error::Utf8Error(..),
        ) => true,
        StoreError::Foreign(_) | StoreError::Newer { .. } => false,
        _ => false,
    }
}

/// Puts the file aside and fills a new one, made by `open`.
pub(crate) fn salvage(
    path: &Path,
    reason: &str,
    open: impl Fn(&Path) -> Result<Connection, StoreError>,
) -> Result<Vec<Damage>, StoreError> {
    let aside = put_aside(path)?;
    let mut new = open(path)?;
    let mut damage = vec![Damage::File { path: path.to_owned(), reason: reason.to_owned(), aside: aside.clone() }];
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if let Ok(old) = Connection::open_with_flags(&aside, flags) {
        let change = new.transaction()?;
        copy_small(&old, &change);
        damage.extend(copy_chains(&old, &change)?);
        change.commit()?;
    }
    Ok(damage)
}

fn put_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let dir = path.parent().unwrap_or(Path::new("."));
    let aside = dir.join(format!("{name}.damaged-{now}"));
    let io = |source| StoreError::Io { action: "put aside", path: path.to_owned(), source };
    std::fs::rename(path, &aside).map_err(io)?;
    for extra in ["-wal", "-shm"] {
        let from = dir.join(format!("{name}{extra}"));
        if from.exists() {
            std::fs::rename(&from, dir.join(format!("{name}.damaged-{now}{extra}"))).map_err(io)?;
        }
    }
    let marker = format!("{name}.damaged-");
    let mut old: Vec<_> = std::fs::read_dir(dir)
        .map_err(io)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&marker)))
        .filter(|p| !p.to_string_lossy().ends_with("-wal") && !p.to_string_lossy().ends_with("-shm"))
        .collect();
    old.sort();
    for gone in old.iter().take(old.len().saturating_sub(ASIDE)) {
        let _ = std::fs::remove_file(gone);
        for extra in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{extra}", gone.display()));
        }
    }
    Ok(aside)
}

/// Members, proofs, the revocation list and named values: each row that can be read.
fn copy_small(old: &Connection, new: &Connection) {
    let each = |sql: &str, take: &dyn Fn(&rusqlite::Row<'_>) -> rusqlite::Result<()>| {
        let _ = old.prepare(sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let _ = take(row);
            }
            Ok(())
        });
    };
    each("SELECT node, evidence FROM members", &|row| {
        let (node, evidence) = (NodeId(row.get(0)?), row.get::<_, Vec<u8>>(1)?.into());
        drop(keep(new, &Record::Member { node, evidence }));
        Ok(())
    });
    each("SELECT origin, bytes FROM proofs", &|row| {
        let sql = "INSERT OR REPLACE INTO proofs(origin, bytes) VALUES (?1, ?2)";
        new.execute(sql, params![row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?]).map(drop)
    });
    each("SELECT key, value FROM meta WHERE key = 'revocations' OR key LIKE 'node.%'", &|row| {
        let sql = "INSERT OR REPLACE INTO meta(key, value) VALUES (?1, ?2)";
        new.execute(sql, params![row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?]).map(drop)
    });
}

/// One row that holds what was written.
struct Found {
    id: i64,
    facts: Facts,
}

fn fetch(old: &Connection, id: i64) -> rusqlite::Result<Option<(Facts, BundleRow)>> {
    let mut statement = old.prepare_cached("SELECT received, digest, data FROM bundles WHERE id = ?1")?;
    let row = statement
        .query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?)))
        .optional()?;
    Ok(row.and_then(|(received, digest, data)| {
        let facts = Facts::read(&data).ok().filter(|facts| facts.digest.as_bytes()[..] == digest)?;
        Some((facts, BundleRow { bytes: data.into(), received_us: received.cast_unsigned() }))
    }))
}

fn copy_chains(old: &Connection, new: &Connection) -> Result<Vec<Damage>, StoreError> {
    let last: Option<i64> = old.query_row("SELECT max(id) FROM bundles", [], |row| row.get(0)).ok().flatten();
    let mut found: BTreeMap<(Origin, Seq), Found> = BTreeMap::new();
    // The last number of each chain that is known of, to say what was lost.
    let mut known: BTreeMap<Origin, Seq> = BTreeMap::new();
    let (mut id, mut misses) = (0, 0);
    while last.map_or(misses < MISSES, |last| id < last) {
        id += 1;
        match fetch(old, id) {
            Ok(Some((facts, _))) => {
                misses = 0;
                let next = known.entry(facts.origin()).or_insert(facts.next());
                *next = (*next).max(facts.next());
                found.insert((facts.origin(), facts.first()), Found { id, facts });
            }
            _ => misses += 1,
        }
    }
    let mut damage = Vec::new();
    let mut end: BTreeMap<Origin, (Seq, Digest)> = BTreeMap::new();
    for ((origin, first), at) in &found {
        let (next, previous) = end.get(origin).copied().unwrap_or((Seq::FIRST, Digest::ZERO));
        if *first != next || at.facts.signed.header.previous != previous {
            continue;
        }
        let Ok(Some((facts, row))) = fetch(old, at.id) else { continue };
        let number = new_origin(new, origin)?;
        write_row(new, number, &facts, &row)?;
        end.insert(*origin, (facts.next(), facts.digest));
    }
    for (origin, next) in known {
        let kept = end.get(&origin).map_or(Seq::FIRST, |(next, _)| *next);
        if kept < next {
            damage.push(Damage::Chain { origin, kept });
        }
    }
    Ok(damage)
}

fn write_row(new: &Connection, origin: i64, facts: &Facts, row: &BundleRow) -> Result<(), StoreError> {
    new.prepare_cached(
        "INSERT INTO bundles(origin, first, next, first_clock, last_clock, received, digest, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        origin,
        i64::try_from(facts.first().0).unwrap_or(i64::MAX),
        i64::try_from(facts.next().0).unwrap_or(i64::MAX),
        clock_to_sql(facts.first_clock),
        clock_to_sql(facts.last_clock),
        row.received_us.cast_signed(),
        facts.digest.as_bytes(),
        &row.bytes[..],
    ])?;
    Ok(())
}
