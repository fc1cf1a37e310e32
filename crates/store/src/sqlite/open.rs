//! Opening: lock, look at the log, connect, check, and save what can be saved if that fails.

use std::collections::BTreeMap;
use std::path::Path;

use rumormill_wire::Origin;
use rusqlite::Connection;

use super::chains::Head;
use super::connection::{checkpoint, connect};
use super::damage::is_damage;
use super::lock::{Left, Lock};
use super::names::beside;
use super::{check, damage_report, key_value, quarantine, salvage, wal};
use crate::error::StoreError;
use crate::types::{Damage, Durability, Recovered};

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
    if left == Left::Never {
        lock.made()?
    } else {
        lock.opened()?
    }
    let Checked { db, state, boot_changed } = match check(path, durability, left) {
        Err(why) if is_damage(&why) => {
            salvage::salvage(path, &why.to_string())?;
            check(path, durability, Left::Open)?
        }
        other => other?,
    };
    if left == Left::Never {
        lock.opened()?;
    }
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
    let damage = |path: &Path, reason: &str, quarantine| Damage::File {
        path: path.to_owned(),
        reason: reason.into(),
        quarantine,
    };
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        let quarantine = quarantine::name(path);
        quarantine::put(path, &quarantine)?;
        return Ok(Some(damage(path, "it is empty", quarantine)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_store_for_which_there_was_no_room_is_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        // A directory in the place of its log keeps the library from making the store.
        std::fs::create_dir(beside(&path, "-wal")).unwrap();
        assert!(open(&path, Durability::Normal).is_err());
        std::fs::remove_dir(beside(&path, "-wal")).unwrap();
        std::fs::write(&path, "").unwrap();
        let made = open(&path, Durability::Normal).unwrap();
        assert!(made.recovered.damage.is_empty() && made.recovered.clean, "{:?}", made.recovered.damage);
        drop(made);
        // Once it was made an empty one has lost what was there.
        for extra in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&path, extra));
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(open(&path, Durability::Normal).unwrap().recovered.damage.len(), 1);
    }

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
