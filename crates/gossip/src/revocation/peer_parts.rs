//! The revocation list at a neighbour: what it said that it has, and what we sent it (docs/protocol.md, R).

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::native::{ListPart, Revocations};

/// Which parts a neighbour has, with their numbers. Bounded by the places of the list.
#[derive(Debug, Default)]
pub(super) struct PeerParts {
    /// It has said what it has; nothing is sent before.
    heard: bool,
    /// It lacks something that was not sent to it.
    pub(super) waiting: bool,
    theirs: BTreeMap<u8, u64>,
    sent: BTreeMap<u8, u64>,
}

fn raise(map: &mut BTreeMap<u8, u64>, place: u8, number: u64) {
    let held = map.entry(place).or_default();
    *held = number.max(*held);
}

impl PeerParts {
    /// It has said what it has.
    pub(super) const fn hear(&mut self) {
        self.heard = true;
    }

    /// It has this part, or says so.
    pub(super) fn learn(&mut self, place: u8, number: u64) {
        raise(&mut self.theirs, place, number);
    }

    /// It was sent this part: once, whatever it says later.
    pub(super) fn sent(&mut self, place: u8, number: u64) {
        raise(&mut self.sent, place, number);
    }

    /// Whether it has this part, by its own word.
    #[must_use]
    pub(super) fn has(&self, place: u8, number: u64) -> bool {
        self.theirs.get(&place).is_some_and(|theirs| *theirs >= number)
    }

    /// The first part that it lacks and that was not sent to it.
    #[must_use]
    pub(super) fn owed<'a>(&self, list: &'a Revocations) -> Option<&'a Arc<ListPart>> {
        let sent = |part: &ListPart| self.sent.get(&part.place()).is_some_and(|sent| *sent >= part.number());
        list.parts().find(|part| self.heard && !self.has(part.place(), part.number()) && !sent(part))
    }

    /// The number of its list: the highest that it named; `None` before it has named any.
    #[must_use]
    pub(super) fn number(&self) -> Option<u64> {
        self.heard.then(|| self.theirs.values().copied().max().unwrap_or(0))
    }
}
