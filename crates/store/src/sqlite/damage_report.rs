//! Damage is kept in the file until something is committed to it. A node that ends before it acted on what was lost, say
//! because its port is taken, must hear of it again: it would go on with numbers that others have seen.

use std::path::Path;

use rumormill_wire::Seq;
use rusqlite::Connection;

use super::key_value;
use super::tables::{origin_of_sql, origin_to_sql};
use crate::error::StoreError;
use crate::types::Damage;

/// What comes before the path, the file put aside and the reason of damage to a file.
const FILE: u8 = 0;
/// What comes before a chain: its origin, then the first number that is gone.
const CUT: u8 = 1;

/// Keeps what was found.
pub(super) fn keep(db: &Connection, damage: &[Damage]) -> Result<(), StoreError> {
    let mut out = Vec::new();
    for found in damage {
        let entry = match found {
            Damage::File { path, reason, quarantine } => {
                let text = format!("{}\0{}\0{reason}", path.display(), quarantine.display());
                [&[FILE], text.as_bytes()].concat()
            }
            Damage::Chain { origin, kept } => [&[CUT], &origin_to_sql(origin)[..], &kept.0.to_be_bytes()].concat(),
        };
        out.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(entry);
    }
    key_value::keep_own(db, key_value::DAMAGE, &out)
}

/// What was found and not acted on; nothing if all is well.
pub(super) fn read(db: &Connection) -> Result<Vec<Damage>, StoreError> {
    let value = key_value::own(db, key_value::DAMAGE)?.unwrap_or_default();
    let mut rest = &value[..];
    let mut out = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        let Some((entry, behind)) = behind.split_at_checked(len) else { break };
        out.extend(parse(entry));
        rest = behind;
    }
    Ok(out)
}

/// Something is committed, so the node has gone on.
pub(super) fn forget(db: &Connection) -> Result<(), StoreError> {
    key_value::forget_own(db, key_value::DAMAGE)
}

fn parse(entry: &[u8]) -> Option<Damage> {
    match entry.split_first()? {
        (&CUT, chain) => {
            let (origin, kept) = chain.split_last_chunk::<8>()?;
            Some(Damage::Chain { origin: origin_of_sql(origin)?, kept: Seq(u64::from_be_bytes(*kept)) })
        }
        (&FILE, text) => {
            let mut parts = std::str::from_utf8(text).ok()?.splitn(3, '\0');
            let (path, quarantine, reason) = (Path::new(parts.next()?), Path::new(parts.next()?), parts.next()?);
            Some(Damage::File { path: path.into(), reason: reason.to_owned(), quarantine: quarantine.into() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::Origin;

    use super::*;
    use crate::sqlite::tables::TABLES;

    #[test]
    fn damage_is_read_as_it_was_kept() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(TABLES).unwrap();
        assert_eq!(read(&db).unwrap(), []);
        let file = Damage::File { path: "/a/ü".into(), reason: "torn\nin two".into(), quarantine: "/a/b".into() };
        let all = [file, Damage::Chain { origin: Origin::MAX, kept: Seq(u64::MAX) }];
        keep(&db, &all).unwrap();
        assert_eq!(read(&db).unwrap(), all);
        forget(&db).unwrap();
        assert_eq!(read(&db).unwrap(), []);
    }
}
