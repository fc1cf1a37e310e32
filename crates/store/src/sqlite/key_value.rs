//! All that is not a bundle, in one table: members, proofs, the revocation list, named values. Each row has a seal of its
//! own, so that one that was written over is not believed.

use bytes::Bytes;
use rumormill_wire::NodeId;
use rusqlite::{Connection, OptionalExtension, params};

use super::damage::damaged;
use super::tables::{origin_of_sql, origin_to_sql};
use crate::error::StoreError;
use crate::types::{Record, Recovered};

/// The store's own: [`BOOT`], [`DAMAGE`], [`FORMAT_KEY`].
const OWN: i64 = 0;
const MEMBER: i64 = 1;
const PROOF: i64 = 2;
const REVOCATIONS: i64 = 3;
const META: i64 = 4;

/// The boot id of the machine when the store was last opened.
pub(super) const BOOT: &str = "boot";
/// What was found broken and not yet acted on; see the module `damage_report`.
pub(super) const DAMAGE: &str = "damage";
/// The format once more, where a stray bit does not make a newer version of it.
pub(super) const FORMAT_KEY: &str = "format";

fn seal(kind: i64, key: &[u8], value: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&kind.to_be_bytes());
    hasher.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    out
}

fn put(db: &Connection, kind: i64, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    db.prepare_cached("INSERT OR REPLACE INTO kept(kind, key, value, seal) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![kind, key, value, seal(kind, key, value)])?;
    Ok(())
}

/// Writes what is not a bundle; of a bundle, nothing.
pub(super) fn keep(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match record {
        Record::Bundle(_) => Ok(()),
        Record::Member { node, evidence } => put(db, MEMBER, node.as_bytes(), evidence),
        Record::Proof { origin, bytes } => put(db, PROOF, &origin_to_sql(origin), bytes),
        Record::DropProof(origin) => {
            db.prepare_cached("DELETE FROM kept WHERE kind = ?1 AND key = ?2")?
                .execute(params![PROOF, &origin_to_sql(origin)[..]])?;
            Ok(())
        }
        Record::Revocations { place, bytes } => put(db, REVOCATIONS, &[*place], bytes),
        Record::Meta { key, value } => put(db, META, key.as_bytes(), value),
    }
}

/// Keeps a value of the store's own.
pub(super) fn keep_own(db: &Connection, key: &str, value: &[u8]) -> Result<(), StoreError> {
    put(db, OWN, key.as_bytes(), value)
}

/// Forgets a value of the store's own.
pub(super) fn forget_own(db: &Connection, key: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM kept WHERE kind = ?1 AND key = ?2", params![OWN, key.as_bytes()])?;
    Ok(())
}

/// A value of the store's own, if it is what was written.
pub(super) fn own(db: &Connection, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>, Vec<u8>)> = db
        .query_row("SELECT value, seal FROM kept WHERE kind = ?1 AND key = ?2", params![OWN, key.as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(row.filter(|(value, found)| seal(OWN, key.as_bytes(), value)[..] == found[..]).map(|(value, _)| value))
}

/// All rows but the store's own, into `out`.
///
/// # Errors
/// One of them is not what was written.
pub(super) fn load(db: &Connection, out: &mut Recovered) -> Result<(), StoreError> {
    let mut statement = db.prepare("SELECT kind, key, value, seal FROM kept ORDER BY kind, key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match sealed(row) {
            Ok((OWN, ..)) => {}
            Ok((kind, key, value)) if take(out, kind, &key, &value).is_some() => {}
            _ => return Err(damaged("a certificate, a proof or a value is not what was written")),
        }
    }
    Ok(())
}

fn sealed(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, Vec<u8>, Bytes)> {
    let (kind, key, value, found): (i64, Vec<u8>, Vec<u8>, Vec<u8>) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    if seal(kind, &key, &value)[..] == found[..] {
        Ok((kind, key, value.into()))
    } else {
        Err(rusqlite::Error::QueryReturnedNoRows)
    }
}

fn take(out: &mut Recovered, kind: i64, key: &[u8], value: &Bytes) -> Option<()> {
    let value = value.clone();
    match kind {
        MEMBER => out.members.push((NodeId(key.try_into().ok()?), value)),
        PROOF => out.proofs.push((origin_of_sql(key)?, value)),
        REVOCATIONS => out.revocations.push(value),
        META => out.meta.push((String::from_utf8(key.to_vec()).ok()?, value)),
        _ => return None,
    }
    Some(())
}

/// Copies each row that can be read, from both ends, so that a page that cannot be read hides only what is on it.
pub(super) fn salvage(old: &Connection, new: &Connection) -> Result<(), StoreError> {
    for direction in ["ASC", "DESC"] {
        let sql = format!("SELECT kind, key, value, seal FROM kept ORDER BY kind {direction}, key {direction}");
        let Ok(mut statement) = old.prepare(&sql) else { return Ok(()) };
        let Ok(mut rows) = statement.query([]) else { return Ok(()) };
        while let Ok(Some(row)) = rows.next() {
            if let Ok((kind, key, value)) = sealed(row) {
                put(new, kind, &key, &value)?;
            }
        }
    }
    Ok(())
}
