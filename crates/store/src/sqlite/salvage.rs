//! A damaged file: what it still holds goes to a new one, which takes its place.
//!
//! Rows are fetched one by one by their id, so that one bad page costs the rows on it and no others. A chain is kept up to
//! its first row that is missing, is not what was written, or does not follow.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rumormill_wire::{Digest, Origin, Seq};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::connection::{checkpoint, connect};
use super::names::beside;
use super::tables::{INSERT, PAGE, blob, insert_row, new_origin};
use super::{damage_report, key_value, quarantine};
use crate::error::StoreError;
use crate::row::Facts;
use crate::types::{BundleRow, Damage, Durability};

/// So many ids in a row that give nothing end the search where the last one is not known.
const MISSES: i64 = 100_000;
/// No bundle takes less room than this, so a file has no more ids than its length allows.
const MIN_ROW: u64 = 256;
/// The new file while it is being made.
const SUFFIX: &str = ".salvage";
/// Where SQLite's header keeps the count of changes, by which it decides whether to believe its count of pages.
const CHANGES_AT: usize = 24;

/// Makes a new file of what the damaged one holds and of what is to be told of it, puts that one aside and the new one in
/// its place. Killed at any moment, it begins again or is ended by [`finish`].
pub(super) fn salvage(path: &Path, reason: &str) -> Result<(), StoreError> {
    tracing::warn!(target: "rumormill::store", path = %path.display(), reason, "the store is damaged; saving what can be read");
    let io = |source| StoreError::Io { action: "save", path: path.to_owned(), source };
    let beside_it = beside(path, SUFFIX);
    for extra in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&beside_it, extra));
    }
    let quarantine = quarantine::name(path);
    let mut new = connect(&beside_it, Durability::Normal)?;
    checkpoint(&new)?;
    let (old, first_page) = open_old(path, &new, &beside_it);
    // Until it is ready it is nobody's store, so nothing goes through a log, which would need its room a third time.
    let _: String = new.query_row("PRAGMA journal_mode = MEMORY", [], |row| row.get(0))?;
    new.pragma_update(None, "synchronous", "OFF")?;
    let change = new.transaction()?;
    let mut cut = Vec::new();
    if let Some(old) = &old {
        key_value::salvage(old, &change)?;
        cut = copy_chains(old, &change, most_rows(path))?;
    }
    let mut damage = damage_report::read(&change)?;
    damage.push(Damage::File { path: path.to_owned(), reason: reason.to_owned(), quarantine: quarantine.clone() });
    damage.append(&mut cut);
    damage_report::keep(&change, &damage)?;
    change.commit()?;
    drop(old);
    if let Some(page) = first_page {
        write_first_page(path, &page).map_err(io)?;
    }
    new.close().map_err(|(_, why)| why)?;
    OpenOptions::new().write(true).open(&beside_it).and_then(|file| file.sync_all()).map_err(io)?;
    quarantine::put(path, &quarantine)?;
    finish(path)
}

/// Puts a finished new file in the place of one that was put aside already.
pub(super) fn finish(path: &Path) -> Result<(), StoreError> {
    let new = beside(path, SUFFIX);
    if path.exists() || !new.exists() {
        return Ok(());
    }
    quarantine::put_stray_extras(path)?;
    let io = |source| StoreError::Io { action: "put in its place", path: new.clone(), source };
    std::fs::rename(&new, path).and_then(|()| quarantine::sync_dir(path)).map_err(io)
}

/// Opens the damaged file so that what is left of it can be read. Gives its first page too if another had to be put in
/// its place: it is to be kept as it was found.
fn open_old(path: &Path, new: &Connection, new_path: &Path) -> (Option<Connection>, Option<Vec<u8>>) {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let old = Connection::open_with_flags(path, flags)?;
        // It is kept as it was found.
        old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        old.pragma_update(None, "cell_size_check", true)?;
        Ok(old)
    };
    let wanted = tables(new);
    match open() {
        Ok(old) if tables(&old).is_ok_and(|found| wanted.as_ref() == Ok(&found)) => return (Some(old), None),
        _ => {}
    }
    // The first page holds SQLite's header and the list of tables, which are the same in every store: another's serves.
    let first_page = replace_first_page(path, new_path).ok();
    (open().ok(), first_page)
}

fn tables(db: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    let mut statement =
        db.prepare("SELECT name || coalesce(sql, ''), rootpage FROM sqlite_schema ORDER BY rootpage")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Puts the first page of a good store in the place of a bad one, which is given.
fn replace_first_page(path: &Path, from: &Path) -> std::io::Result<Vec<u8>> {
    let mut page = first_page(from)?;
    // Counts of changes that differ from one another make SQLite go by the length of the file.
    page.iter_mut().skip(CHANGES_AT).take(4).for_each(|byte| *byte = 0xff);
    let old = first_page(path)?;
    // A file of less than a page has nothing to save.
    if old.len() == page.len() {
        write_first_page(path, &page)?;
    }
    Ok(old)
}

fn first_page(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    std::fs::File::open(path)?.take(u64::from(PAGE)).read_to_end(&mut page)?;
    Ok(page)
}

fn write_first_page(path: &Path, page: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(page)?;
    file.sync_all()
}

/// How many rows the files can hold at most.
fn most_rows(path: &Path) -> i64 {
    let len = |path: PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    let bytes = len(path.to_owned()).saturating_add(len(beside(path, "-wal")));
    i64::try_from(bytes / MIN_ROW).unwrap_or(i64::MAX)
}

fn fetch(old: &Connection, id: i64) -> rusqlite::Result<Option<(Facts, BundleRow)>> {
    let mut statement = old.prepare_cached("SELECT received, seal, data FROM bundles WHERE id = ?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        let received_us = row.get::<_, i64>(0)?.cast_unsigned();
        let (seal, data) = (blob(row, 1)?, blob(row, 2)?);
        let facts = Facts::sealed(data, received_us, seal);
        Ok(facts.map(|facts| (facts, BundleRow { bytes: data.to_vec().into(), received_us })))
    };
    Ok(statement.query_row([id], read).optional()?.flatten())
}

/// Where the good rows are.
#[derive(Default)]
struct Found {
    /// Origin (its place in `ends`), first number, id.
    rows: Vec<(usize, Seq, i64)>,
    /// The highest next number seen of each origin, to know what was lost.
    ends: Vec<(Origin, Seq)>,
}

fn find(old: &Connection, most: i64) -> Found {
    let last: Option<i64> = old.query_row("SELECT max(id) FROM bundles", [], |row| row.get(0)).ok().flatten();
    let (mut found, mut places) = (Found::default(), BTreeMap::new());
    let mut misses = 0_i64;
    for id in 1..=last.unwrap_or(i64::MAX).min(most) {
        let Ok(Some((facts, _))) = fetch(old, id) else {
            misses = misses.saturating_add(1);
            if last.is_none() && misses > MISSES {
                break;
            }
            continue;
        };
        misses = 0;
        let place = *places.entry(facts.origin()).or_insert_with(|| {
            found.ends.push((facts.origin(), Seq::FIRST));
            found.ends.len().saturating_sub(1)
        });
        if let Some((_, end)) = found.ends.get_mut(place) {
            *end = facts.next().max(*end);
        }
        found.rows.push((place, facts.first(), id));
    }
    found.rows.sort_unstable();
    found
}

/// Copies the healthy beginning of each chain. Gives the chains that are known to have had more.
fn copy_chains(old: &Connection, new: &Connection, most: i64) -> Result<Vec<Damage>, StoreError> {
    let found = find(old, most);
    let mut insert = new.prepare_cached(INSERT)?;
    let mut cut = Vec::new();
    let mut rows = found.rows.iter().peekable();
    for (place, (origin, end)) in found.ends.iter().enumerate() {
        let (mut number, mut next, mut digest) = (None, Seq::FIRST, Digest::ZERO);
        while let Some((_, _, id)) = rows.next_if(|(of, ..)| *of == place) {
            let Ok(Some((facts, row))) = fetch(old, *id) else { continue };
            if facts.follows(next, &digest).is_err() {
                continue;
            }
            let number = match number {
                Some(number) => number,
                None => *number.insert(new_origin(new, origin)?),
            };
            insert_row(&mut insert, number, &facts, &row)?;
            (next, digest) = (facts.next(), facts.digest);
        }
        if next < *end {
            cut.push(Damage::Chain { origin: *origin, kept: next });
        }
    }
    Ok(cut)
}
