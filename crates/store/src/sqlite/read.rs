//! Reading: ranges of a chain for links that are behind, pages of the log for people.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rumormill_wire::{Clock, Origin, Seq};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::damage::{damaged, is_damage};
use super::tables::{blob, clock_of_sql, clock_to_sql, origin_of_sql, origin_to_sql, seq_to_sql};
use crate::error::StoreError;
use crate::merge::{AHEAD, Each, Merge, Place, PlacedBundle, Source};
use crate::row::Facts;
use crate::types::{BundleRow, Entry, OrderKey, Reader};

const RANGE: &str = "
    SELECT received, seal, data FROM bundles
    WHERE origin = ?1 AND first < ?3 AND first >= (
        SELECT max(first) FROM bundles WHERE origin = ?1 AND first <= ?2)
    ORDER BY first";
const AFTER: &str = "
    SELECT first_clock, id, received, seal, data FROM bundles
    WHERE (first_clock, id) > (?1, ?2) ORDER BY first_clock, id LIMIT ?3";
const AGAIN: &str = "SELECT first_clock, id, received, seal, data FROM bundles WHERE id = ?1";
const SPANNING: &str = "
    SELECT first_clock, id, received, seal, data FROM bundles WHERE first_clock <= ?1 AND last_clock >= ?1";
const LATE: &str = "
    SELECT first_clock, id, received, seal, data FROM bundles
    WHERE id > ?1 AND (first_clock, id) <= (?2, ?3) AND last_clock >= ?4";

pub(super) struct SqliteReader {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    pub(super) merge: Merge,
    pub(super) suspect: Arc<AtomicBool>,
}

impl SqliteReader {
    /// Names the file, and sees to it that damage is looked for the next time the store is opened.
    fn tell<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(|why| {
            if matches!(why, StoreError::Damaged { .. }) || is_damage(&why) {
                self.suspect.store(true, Ordering::Relaxed);
            }
            why.at(&self.path)
        })
    }
}

impl Reader for SqliteReader {
    fn range(&mut self, origin: Origin, from: Seq, until: Seq, max_bytes: usize) -> Result<Vec<BundleRow>, StoreError> {
        let rows = range(&self.db, origin, from, until, max_bytes);
        self.tell(rows)
    }

    fn page(&mut self, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError> {
        let page = page(&self.db, &mut self.merge, after, max);
        self.tell(page)
    }
}

fn range(
    db: &Connection,
    origin: Origin,
    from: Seq,
    until: Seq,
    max_bytes: usize,
) -> Result<Vec<BundleRow>, StoreError> {
    let mut number = db.prepare_cached("SELECT id FROM origins WHERE origin = ?1")?;
    let Some(number) = number.query_row([origin_to_sql(&origin)], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(Vec::new());
    };
    let mut statement = db.prepare_cached(RANGE)?;
    let until = until.max(Seq(from.0.saturating_add(1)));
    let mut rows = statement.query(params![number, seq_to_sql(from), seq_to_sql(until)])?;
    let (mut out, mut bytes, mut next) = (Vec::new(), 0_usize, None);
    while let Some(row) = rows.next()? {
        let (received_us, data) = (row.get::<_, i64>(0)?.cast_unsigned(), blob(row, 2)?);
        let facts = Facts::sealed(data, received_us, blob(row, 1)?).filter(|facts| facts.origin() == origin);
        let facts = facts.ok_or(StoreError::Damaged { origin, seq: next.unwrap_or(from) })?;
        if next.is_none() && facts.next() <= from {
            break;
        }
        if next.is_some_and(|next| facts.first() != next) {
            return Err(StoreError::Damaged { origin, seq: next.unwrap_or(from) });
        }
        next = Some(facts.next());
        bytes = bytes.saturating_add(data.len());
        out.push(BundleRow { bytes: Bytes::copy_from_slice(data), received_us });
        if bytes >= max_bytes {
            break;
        }
    }
    Ok(out)
}

fn page(db: &Connection, merge: &mut Merge, after: Option<OrderKey>, max: usize) -> Result<Vec<Entry>, StoreError> {
    // One moment for all queries of a page.
    let moment = db.unchecked_transaction()?;
    let page = merge.page(&mut Rows(&moment), after, max);
    moment.finish()?;
    page
}

/// The bundles as the merge wants them.
struct Rows<'a>(&'a Connection);

impl Rows<'_> {
    fn placed(&self, row: &Row<'_>) -> Result<PlacedBundle, StoreError> {
        let (clock, id) = (clock_of_sql(row.get(0)?), row.get::<_, i64>(1)?);
        let (received_us, data) = (row.get::<_, i64>(2)?.cast_unsigned(), blob(row, 4)?);
        let facts = Facts::sealed(data, received_us, blob(row, 3)?).filter(|facts| facts.first_clock == clock);
        match facts {
            Some(_) => Ok(PlacedBundle {
                place: (clock, id.cast_unsigned()),
                bytes: Bytes::copy_from_slice(data),
                received_us,
            }),
            None => Err(self.damaged(id)),
        }
    }

    /// Which bundle a row should hold.
    fn damaged(&self, id: i64) -> StoreError {
        let sql = "SELECT o.origin, b.first FROM bundles b JOIN origins o ON o.id = b.origin WHERE b.id = ?1";
        let name = |row: &Row<'_>| Ok((origin_of_sql(blob(row, 0)?), row.get::<_, i64>(1)?.cast_unsigned()));
        match self.0.query_row(sql, [id], name) {
            Ok((Some(origin), first)) => StoreError::Damaged { origin, seq: Seq(first) },
            Ok((None, _)) => damaged("an origin is not what was written"),
            Err(why) => why.into(),
        }
    }

    fn query(&self, sql: &str, params: impl rusqlite::Params, each: Each<'_>) -> Result<(), StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            each(self.placed(row)?)?;
        }
        Ok(())
    }
}

fn row_id(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

impl Source for Rows<'_> {
    fn newest(&mut self) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT coalesce(max(id), 0) FROM bundles")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    fn after(&mut self, place: Option<Place>) -> Result<Vec<PlacedBundle>, StoreError> {
        let (clock, id) = place.map_or((i64::MIN, -1), |(clock, id)| (clock_to_sql(clock), row_id(id)));
        let mut out = Vec::new();
        self.query(AFTER, params![clock, id, i64::try_from(AHEAD).unwrap_or(1)], &mut |bundle| {
            out.push(bundle);
            Ok(())
        })?;
        Ok(out)
    }

    fn again(&mut self, place: Place) -> Result<PlacedBundle, StoreError> {
        let mut found = None;
        self.query(AGAIN, [row_id(place.1)], &mut |bundle| {
            found = Some(bundle);
            Ok(())
        })?;
        found.ok_or_else(|| damaged("a bundle is not there any more"))
    }

    fn spanning(&mut self, clock: Clock, each: Each<'_>) -> Result<(), StoreError> {
        self.query(SPANNING, [clock_to_sql(clock)], each)
    }

    fn late(&mut self, behind: u64, until: Place, clock: Clock, each: Each<'_>) -> Result<(), StoreError> {
        let (until_clock, until_id) = (clock_to_sql(until.0), row_id(until.1));
        self.query(LATE, params![row_id(behind), until_clock, until_id, clock_to_sql(clock)], each)
    }
}
