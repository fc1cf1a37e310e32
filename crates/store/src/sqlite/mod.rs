//! The store in a SQLite file: WAL, one row a bundle.

mod chains;
mod check;
mod checkpointer;
mod connection;
mod damage;
mod damage_report;
mod key_value;
mod lock;
mod names;
mod open;
mod quarantine;
mod read;
mod salvage;
mod size;
mod tables;
mod wal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rumormill_wire::Origin;
use rusqlite::Connection;

use crate::error::StoreError;
use crate::merge::Merge;
use crate::types::{Damage, Durability, Reader, Record, Recovered, Store, bound};
use chains::{Head, fill};
use checkpointer::Checkpointer;
pub use connection::LOG_BYTES;
use connection::{checkpoint, connect_reader};
use damage::is_damage;
use lock::Lock;
use open::Opened;
use size::{LogBound, Room};

/// A store in a file, locked for this process.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    // Above the lock, so that both are closed before the lock is given back.
    checkpointer: Checkpointer,
    db: Connection,
    lock: Lock,
    max_bytes: u64,
    log: LogBound,
    room: Room,
    heads: BTreeMap<Origin, Head>,
    /// What was found on opening, until it is told or something is committed: it may be large, and it grows old.
    recovered: Option<Recovered>,
    /// Of what was found broken.
    damage: Vec<Damage>,
    clean: bool,
    boot_changed: bool,
    /// Somebody read what was not written: the next to open it looks at everything.
    suspect: Arc<AtomicBool>,
    closed: bool,
}

impl SqliteStore {
    /// Opens or makes a store. A damaged file is put aside and what it still holds goes to a new one.
    ///
    /// # Errors
    /// It is in use, not ours, too new, or cannot be made.
    pub fn open(path: &Path, durability: Durability, max_bytes: u64) -> Result<Self, StoreError> {
        let Opened { mut db, lock, recovered, heads } = open::open(path, durability).map_err(|why| why.at(path))?;
        let (log, pages) = size::hold_log(&db, max_bytes).map_err(|why| why.at(path))?;
        let checkpointer = Checkpointer::start(&mut db, path, durability, pages).map_err(|why| why.at(path))?;
        for damage in &recovered.damage {
            tracing::warn!(target: "rumormill::store", "{damage}");
        }
        Ok(Self {
            path: path.to_owned(),
            checkpointer,
            db,
            lock,
            max_bytes,
            log,
            room: Room::default(),
            heads,
            damage: recovered.damage.clone(),
            clean: recovered.clean,
            boot_changed: recovered.boot_changed,
            recovered: Some(recovered),
            suspect: Arc::default(),
            closed: false,
        })
    }

    fn write(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        self.log.keep(&self.db, &self.checkpointer, &self.path, batch)?;
        if self.try_write(batch)? {
            return Ok(());
        }
        // What the log holds twice may be the room that lacks.
        let paused = self.checkpointer.pause();
        checkpoint(&self.db)?;
        drop(paused);
        if self.try_write(batch)? {
            return Ok(());
        }
        Err(StoreError::Full { used: size::used(&self.db, &self.path)?, most: self.max_bytes })
    }

    /// False if there is no room; nothing changed then.
    fn try_write(&mut self, batch: &[Record]) -> Result<bool, StoreError> {
        let mut heads = BTreeMap::new();
        let change = self.db.transaction()?;
        fill(&change, batch, &self.heads, &mut heads)?;
        if !self.damage.is_empty() {
            damage_report::forget(&change)?;
        }
        if self.max_bytes != 0 && !self.room.take(batch) {
            let (used, most) = (size::used(&change, &self.path)?, bound(self.max_bytes, batch));
            if used > most {
                return Ok(false);
            }
            self.room.measured(used.saturating_add(size::most(batch)), self.max_bytes);
        }
        change.commit()?;
        self.recovered = None;
        self.damage.clear();
        self.heads.extend(heads);
        Ok(true)
    }
}

impl Store for SqliteStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        if self.closed {
            return Err(StoreError::Closed);
        }
        if let Some(found) = self.recovered.take() {
            return Ok(found);
        }
        let state = check::heads(&self.db).map_err(|why| why.at(&self.path))?;
        let (damage, clean, boot_changed) = (self.damage.clone(), self.clean, self.boot_changed);
        Ok(Recovered { damage, clean, boot_changed, ..state.recovered })
    }

    fn commit(&mut self, batch: &[Record]) -> Result<(), StoreError> {
        let written = self.write(batch).map_err(|why| why.at(&self.path));
        if written.as_ref().is_err_and(is_damage) {
            self.suspect.store(true, Ordering::Relaxed);
        }
        written
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        let db = connect_reader(&self.path).map_err(|why| why.at(&self.path))?;
        let suspect = Arc::clone(&self.suspect);
        Ok(Box::new(read::SqliteReader { db, path: self.path.clone(), merge: Merge::default(), suspect }))
    }

    fn abandon(&mut self) {
        self.checkpointer.end();
        // Closed by the end of the process, which removes nothing.
        if let (false, Ok(nothing)) = (self.closed, Connection::open_in_memory()) {
            core::mem::forget(core::mem::replace(&mut self.db, nothing));
        }
        self.closed = true;
    }

    fn close(&mut self) -> Result<(), StoreError> {
        if core::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        self.checkpointer.end();
        let db = core::mem::replace(&mut self.db, Connection::open_in_memory()?);
        checkpoint(&db).map_err(|why| why.at(&self.path))?;
        db.close().map_err(|(_, why)| StoreError::Sqlite(why).at(&self.path))?;
        if self.suspect.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.lock.closed(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_full_disk_is_said_and_costs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let mut store = SqliteStore::open(&path, Durability::Full, 0).unwrap();
        let record = |key: &str, len| Record::Meta { key: key.into(), value: Bytes::from(vec![1; len]) };
        store.commit(&[record("a", 10)]).unwrap();
        let pages: i64 = store.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = |store: &SqliteStore, most: i64| {
            store.db.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(limit(&store, pages), pages);
        let why = store.commit(&[record("b", 10), record("c", 100_000)]).unwrap_err();
        let text = why.to_string();
        assert!(text.contains("make room") && text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(store.recover().unwrap().meta, [("a".to_owned(), Bytes::from(vec![1; 10]))]);
        limit(&store, 1_000_000);
        store.commit(&[record("c", 100_000)]).unwrap();
        store.close().unwrap();
        drop(store);
        let mut again = SqliteStore::open(&path, Durability::Full, 0).unwrap();
        let found = again.recover().unwrap();
        assert!(found.clean && found.meta.len() == 2);
    }
}
