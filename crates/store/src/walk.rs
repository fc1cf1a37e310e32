//! Reads all that a file holds and checks it: bundles against their digests and chains, all else against its sums, and
//! the indexes against the tables.

use std::collections::BTreeMap;

use bytes::Bytes;
use rumormill_wire::{Digest, NodeId, Origin, Seq};
use rusqlite::Connection;

use crate::error::StoreError;
use crate::row::Facts;
use crate::salvage::damaged;
use crate::tables::{clock_to_sql, kind, origin_of_sql, seq_to_sql, sum};
use crate::types::{ChainHead, Recovered};

/// What the writer remembers of the chains: their number in the tables, and what is next.
pub(crate) type Heads = BTreeMap<Origin, (i64, Seq)>;

/// What a healthy file holds. Any damage is an error that `salvage::is_damage` knows.
pub(crate) fn walk(db: &Connection) -> Result<(Recovered, Heads), StoreError> {
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(&verdict));
    }
    let mut out = Recovered::default();
    let numbers = origins(db)?;
    let chains = chains(db, &numbers, &mut out.bytes)?;
    small(db, &mut out)?;
    let head = |origin: &Origin| chains.get(origin).map_or(Seq::FIRST, |head| head.next);
    let heads = numbers.iter().map(|(id, origin)| (*origin, (*id, head(origin)))).collect();
    out.chains = chains.into_values().collect();
    Ok((out, heads))
}

fn origins(db: &Connection) -> Result<BTreeMap<i64, Origin>, StoreError> {
    let mut statement = db.prepare("SELECT id, origin FROM origins")?;
    let mut rows = statement.query([])?;
    let mut out = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let origin = row.get_ref(1)?.as_blob().ok().and_then(origin_of_sql);
        out.insert(row.get(0)?, origin.ok_or_else(|| damaged("an origin is none"))?);
    }
    Ok(out)
}

/// Rows in the order they were written, which is that of each chain.
fn chains(
    db: &Connection,
    numbers: &BTreeMap<i64, Origin>,
    bytes: &mut u64,
) -> Result<BTreeMap<Origin, ChainHead>, StoreError> {
    let mut chains: BTreeMap<Origin, ChainHead> = BTreeMap::new();
    let mut statement = db.prepare(
        "SELECT digest, data, origin, first, next, first_clock, last_clock FROM bundles ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let digest = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        let columns: [i64; 4] = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
        let of = numbers.get(&row.get(2)?);
        let facts = Facts::read(data)
            .ok()
            .filter(|facts| facts.digest.as_bytes() == digest && of == Some(&facts.origin()) && same(facts, columns))
            .filter(|facts| follows(facts, chains.get(&facts.origin())))
            .ok_or_else(|| damaged("a bundle is no longer what was written"))?;
        *bytes = bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        chains.insert(facts.origin(), facts.head());
    }
    Ok(chains)
}

fn same(facts: &Facts, columns: [i64; 4]) -> bool {
    columns
        == [
            seq_to_sql(facts.first()),
            seq_to_sql(facts.next()),
            clock_to_sql(facts.first_clock),
            clock_to_sql(facts.last_clock),
        ]
}

fn follows(facts: &Facts, head: Option<&ChainHead>) -> bool {
    let (next, previous) = head.map_or((Seq::FIRST, Digest::ZERO), |head| (head.next, head.head));
    facts.first() == next && facts.signed.header.previous == previous
}

fn small(db: &Connection, out: &mut Recovered) -> Result<(), StoreError> {
    let mut statement = db.prepare("SELECT kind, key, value, sum FROM kept ORDER BY kind, key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, key, value): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if row.get::<_, Vec<u8>>(3)? != sum(kind, &key, &value) || !sort(out, kind, &key, value.into()) {
            return Err(damaged("a certificate, proof, list or value is no longer what was written"));
        }
    }
    Ok(())
}

/// Puts a row of `kept` where it belongs. Says whether it is of a known kind and well-formed.
fn sort(out: &mut Recovered, kind: i64, key: &[u8], value: Bytes) -> bool {
    match kind {
        kind::MEMBER => key.try_into().is_ok_and(|node| {
            out.members.push((NodeId(node), value));
            true
        }),
        kind::PROOF => origin_of_sql(key).is_some_and(|origin| {
            out.proofs.push((origin, value));
            true
        }),
        kind::REVOCATIONS => {
            out.revocations = Some(value);
            true
        }
        kind::META => std::str::from_utf8(key).is_ok_and(|key| {
            out.meta.push((key.to_owned(), value));
            true
        }),
        _ => false,
    }
}
