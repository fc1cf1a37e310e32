//! The revocation list at a neighbour: what it said that it has, and what we sent it (docs/protocol.md, R).

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::native::ListPart;

pub use rumormill_wire::native::Revocations;

/// What became of a part that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The CA signed it.
    Holds(Arc<ListPart>),
    /// Nobody here can say: trust is pinned, there is no CA. Whoever sent it may go by one.
    Void,
    /// Its form does not hold, or the CA did not sign it.
    False,
}

/// Which parts a neighbour has, with their numbers. Bounded by the places of the list.
#[derive(Debug, Default)]
pub struct Told {
    /// It has said what it has; nothing is sent before.
    heard: bool,
    /// Something may be owed that the window had no room for.
    pub waiting: bool,
    theirs: BTreeMap<u8, u64>,
    sent: BTreeMap<u8, u64>,
}

fn raise(map: &mut BTreeMap<u8, u64>, place: u8, number: u64) {
    let held = map.entry(place).or_default();
    *held = number.max(*held);
}

impl Told {
    /// It has said what it has.
    pub const fn hear(&mut self) {
        self.heard = true;
    }

    /// It has this part, or says so.
    pub fn learn(&mut self, place: u8, number: u64) {
        raise(&mut self.theirs, place, number);
    }

    /// It was sent this part: once, whatever it says later.
    pub fn sent(&mut self, place: u8, number: u64) {
        raise(&mut self.sent, place, number);
    }

    /// Whether it has this part, by its own word.
    #[must_use]
    pub fn has(&self, place: u8, number: u64) -> bool {
        self.theirs.get(&place).is_some_and(|theirs| *theirs >= number)
    }

    /// The first part that it lacks and that was not sent to it.
    #[must_use]
    pub fn owed<'a>(&self, list: &'a Revocations) -> Option<&'a Arc<ListPart>> {
        let sent = |part: &ListPart| self.sent.get(&part.place()).is_some_and(|sent| *sent >= part.number());
        list.parts().find(|part| self.heard && !self.has(part.place(), part.number()) && !sent(part))
    }

    /// The number of its list: the highest that it named; `None` before it has named any.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.heard.then(|| self.theirs.values().copied().max().unwrap_or(0))
    }
}
