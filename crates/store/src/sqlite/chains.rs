//! Where the chains go on, and how a batch continues them.

use std::collections::BTreeMap;

use rumormill_wire::{Digest, Origin, Seq};
use rusqlite::Transaction;

use super::key_value;
use super::tables::{INSERT, insert_row, new_origin};
use crate::error::StoreError;
use crate::row::Facts;
use crate::types::Record;

/// Where a chain goes on: its number in the file, the next number, the digest of its last bundle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) id: i64,
    pub(super) next: Seq,
    pub(super) digest: Digest,
}

/// Writes a batch into a change. `heads` says where the chains in it go on.
pub(super) fn fill(
    change: &Transaction<'_>,
    batch: &[Record],
    before: &BTreeMap<Origin, Head>,
    heads: &mut BTreeMap<Origin, Head>,
) -> Result<(), StoreError> {
    let mut insert = change.prepare_cached(INSERT)?;
    for record in batch {
        let Record::Bundle(row) = record else {
            key_value::keep(change, record)?;
            continue;
        };
        let facts = Facts::read(&row.bytes)?;
        let origin = facts.origin();
        let head = match heads.get(&origin).or_else(|| before.get(&origin)) {
            Some(head) => *head,
            None => Head { id: 0, next: Seq::FIRST, digest: Digest::ZERO },
        };
        facts.follows(head.next, &head.digest)?;
        let id = if head.id == 0 { new_origin(change, &origin)? } else { head.id };
        insert_row(&mut insert, id, &facts, row)?;
        heads.insert(origin, Head { id, next: facts.next(), digest: facts.digest });
    }
    Ok(())
}
