//! What a file holds: the ends of its chains, or everything from end to end.

use std::collections::BTreeMap;

use rumormill_wire::{Digest, Origin, Seq};
use rusqlite::{Connection, Row};

use super::chains::Head;
use super::damage::damaged;
use super::key_value;
use super::tables::{blob, clock_to_sql, origin_of_sql, seq_to_sql};
use crate::error::StoreError;
use crate::row::Facts;
use crate::types::Recovered;

/// After so many bytes a long check says how far it is.
const REPORT_BYTES: u64 = 1 << 30;

/// What a check has read from the file: all that a node begins with, and where each chain goes on.
#[derive(Default)]
pub(super) struct State {
    pub(super) recovered: Recovered,
    pub(super) heads: BTreeMap<Origin, Head>,
}

impl State {
    fn head(&mut self, id: i64, facts: &Facts) {
        let head = Head { id, next: facts.next(), digest: facts.digest };
        self.heads.insert(facts.origin(), head);
    }
}

/// The last bundle of each chain, and all that is not a bundle. For a file that was closed in order.
pub(super) fn heads(db: &Connection) -> Result<State, StoreError> {
    let mut state = State::default();
    let mut statement = db.prepare(
        "SELECT o.id, o.origin, b.received, b.seal, b.data FROM origins o JOIN bundles b ON b.id =
         (SELECT id FROM bundles WHERE origin = o.id ORDER BY first DESC LIMIT 1) ORDER BY o.origin",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let facts =
            read(row, [2, 3, 4])?.ok_or_else(|| damaged("the last bundle of a chain is not what was written"))?;
        if origin_of_sql(blob(row, 1)?) != Some(facts.origin()) {
            return Err(damaged("a chain has another author than its bundles"));
        }
        state.head(row.get(0)?, &facts);
        state.recovered.chains.push(facts.head());
    }
    let bytes: i64 = db.query_row("SELECT coalesce(sum(length(data)), 0) FROM bundles", [], |row| row.get(0))?;
    state.recovered.bytes = bytes.cast_unsigned();
    key_value::load(db, &mut state.recovered)?;
    Ok(state)
}

/// Everything: SQLite's own check, then each bundle in the order in which they came.
pub(super) fn everything(db: &Connection) -> Result<State, StoreError> {
    // Looks at the indexes too, which decide what is shown and sent.
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(&verdict));
    }
    let names = names(db)?;
    let mut chains = BTreeMap::new();
    let mut state = State::default();
    let mut report = REPORT_BYTES;
    let mut statement = db.prepare(
        "SELECT received, seal, data, origin, first, next, first_clock, last_clock, id FROM bundles ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let facts = read(row, [0, 1, 2])?.filter(|facts| columns_agree(row, facts, &names).unwrap_or(false));
        let Some(facts) = facts else {
            return Err(damaged(&format!("bundle {} is not what was written", row.get::<_, i64>(8)?)));
        };
        let (next, digest) =
            state.heads.get(&facts.origin()).map_or((Seq::FIRST, Digest::ZERO), |head| (head.next, head.digest));
        facts.follows(next, &digest).map_err(|why| damaged(&why.to_string()))?;
        state.head(row.get(3)?, &facts);
        chains.insert(facts.origin(), facts.head());
        let len = u64::try_from(blob(row, 2)?.len()).unwrap_or(u64::MAX);
        state.recovered.bytes = state.recovered.bytes.saturating_add(len);
        if state.recovered.bytes >= report {
            report = report.saturating_add(REPORT_BYTES);
            tracing::info!(target: "rumormill::store", bytes = state.recovered.bytes, "checking the store");
        }
    }
    state.recovered.chains = chains.into_values().collect();
    key_value::load(db, &mut state.recovered)?;
    Ok(state)
}

fn names(db: &Connection) -> Result<BTreeMap<i64, Origin>, StoreError> {
    let mut statement = db.prepare("SELECT id, origin FROM origins")?;
    let mut rows = statement.query([])?;
    let mut names = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let origin = origin_of_sql(blob(row, 1)?).ok_or_else(|| damaged("an origin is not what was written"))?;
        names.insert(row.get(0)?, origin);
    }
    Ok(names)
}

/// The columns that queries go by say the same as the bundle.
fn columns_agree(row: &Row<'_>, facts: &Facts, names: &BTreeMap<i64, Origin>) -> rusqlite::Result<bool> {
    Ok(names.get(&row.get(3)?) == Some(&facts.origin())
        && row.get::<_, i64>(4)? == seq_to_sql(facts.first())
        && row.get::<_, i64>(5)? == seq_to_sql(facts.next())
        && row.get::<_, i64>(6)? == clock_to_sql(facts.first_clock)
        && row.get::<_, i64>(7)? == clock_to_sql(facts.last_clock))
}

/// `received, seal, data` in these columns, if they are what was written.
fn read(row: &Row<'_>, [received, seal, data]: [usize; 3]) -> rusqlite::Result<Option<Facts>> {
    let received = row.get::<_, i64>(received)?.cast_unsigned();
    Ok(Facts::sealed(blob(row, data)?, received, blob(row, seal)?))
}
