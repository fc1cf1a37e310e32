//! The tables, and how our values stand in them.

use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};
use rusqlite::{CachedStatement, Connection, Row, params};

use crate::error::StoreError;
use crate::row::Facts;
use crate::types::BundleRow;

/// "RuMi" in the file's header: whose file it is.
pub(super) const APPLICATION_ID: i64 = 0x5275_4d69;
/// The version of the tables below.
pub(super) const FORMAT: i64 = 1;
/// Bytes of a page: measured, see benches/commit.rs.
pub(super) const PAGE: u32 = 8_192;

/// `kept` holds all that is not a bundle; see the module `key_value`. Rows of `bundles` are never removed, so the newest
/// has the highest id.
pub(super) const TABLES: &str = "
    CREATE TABLE kept(kind INTEGER, key BLOB, value BLOB NOT NULL, seal BLOB NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID;
    CREATE TABLE origins(id INTEGER PRIMARY KEY, origin BLOB NOT NULL UNIQUE);
    CREATE TABLE bundles(id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL,
        first_clock INTEGER NOT NULL, last_clock INTEGER NOT NULL, received INTEGER NOT NULL, seal BLOB NOT NULL,
        data BLOB NOT NULL);
    CREATE UNIQUE INDEX by_number ON bundles(origin, first);
    CREATE INDEX by_clock ON bundles(first_clock, id, last_clock);
";

pub(super) const INSERT: &str = "
    INSERT INTO bundles(origin, first, next, first_clock, last_clock, received, seal, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// Clocks keep their order as SQLite's signed integers.
pub(super) const fn clock_to_sql(clock: Clock) -> i64 {
    (clock.0 ^ (1 << 63)).cast_signed()
}

pub(super) const fn clock_of_sql(value: i64) -> Clock {
    Clock(value.cast_unsigned() ^ (1 << 63))
}

/// Chains begin at 1 and have no gaps, so none gets as far as the bound here; what is asked for may.
pub(super) fn seq_to_sql(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

pub(super) fn origin_to_sql(origin: &Origin) -> [u8; Origin::LEN] {
    let mut out = [0; Origin::LEN];
    let (node, incarnation) = out.split_at_mut(32);
    node.copy_from_slice(origin.node.as_bytes());
    incarnation.copy_from_slice(&origin.incarnation.0.to_be_bytes());
    out
}

pub(super) fn origin_of_sql(bytes: &[u8]) -> Option<Origin> {
    let (node, incarnation) = bytes.split_first_chunk::<32>()?;
    Some(Origin { node: NodeId(*node), incarnation: Incarnation(u64::from_be_bytes(incarnation.try_into().ok()?)) })
}

/// The bytes of a column.
///
/// # Errors
/// It holds something else.
pub(super) fn blob<'a>(row: &'a Row<'_>, at: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(at)?.as_blob()?)
}

/// Gives an origin its number in the file.
pub(super) fn new_origin(db: &Connection, origin: &Origin) -> Result<i64, StoreError> {
    db.prepare_cached("INSERT INTO origins(origin) VALUES (?1)")?.execute([origin_to_sql(origin)])?;
    Ok(db.last_insert_rowid())
}

/// Writes one bundle by [`INSERT`].
pub(super) fn insert_row(
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
        facts.seal(row.received_us),
        &row.bytes[..],
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_origins_come_back_and_keep_their_order() {
        let clocks = [0, 1, (1 << 63) - 1, 1 << 63, u64::MAX].map(Clock);
        assert!(clocks.map(clock_to_sql).is_sorted());
        assert_eq!(clocks.map(clock_to_sql).map(clock_of_sql), clocks);
        for origin in [Origin::MIN, Origin::MAX, Origin { node: NodeId([3; 32]), incarnation: Incarnation(259) }] {
            assert_eq!(origin_of_sql(&origin_to_sql(&origin)), Some(origin));
        }
        assert_eq!(origin_of_sql(&[0; 39]), None);
        assert_eq!(origin_of_sql(&[0; 41]), None);
        assert_eq!(seq_to_sql(Seq(u64::MAX)), i64::MAX);
    }
}
