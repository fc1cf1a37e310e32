//! The revocation list on its way: which parts are taken, kept and passed on (docs/protocol.md, R).
//!
//! [`Revocation`] is a machine of its own. The list in force belongs to the logs, which it cuts; it comes with each input. A part counts for
//! nothing before it is durable: [`Output::InForce`] follows [`Input::Kept`].

mod peer_parts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{ListPart, RevocationPart};

use peer_parts::PeerParts;
pub use rumormill_wire::native::Revocations;

use crate::io::LinkId;

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

/// What the machine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A link is up: both sides say which parts they have.
    LinkUp(LinkId),
    /// It is gone.
    LinkDown(LinkId),
    /// A neighbour says which parts it has, by place and number (P-R4).
    Theirs(LinkId, Vec<(u8, u64)>),
    /// A neighbour sends a part, unchecked.
    Part(LinkId, Bytes),
    /// A part whose signature holds, from a neighbour or from a file.
    Holds(Option<LinkId>, Arc<ListPart>),
    /// A part is durable.
    Kept(Arc<ListPart>),
    /// A part is in force; who was named by it and linked is not any more.
    InForce(Arc<ListPart>),
    /// The neighbour may be sent one more part now.
    Room(LinkId),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Say which parts we have.
    Ours(LinkId, Vec<(u8, u64)>),
    /// Check the part, and tell [`Input::Holds`] if it does.
    Check(LinkId, Bytes),
    /// Make the part durable, and tell [`Input::Kept`].
    Persist(Arc<ListPart>),
    /// The part counts from now on: put it into the list, and tell [`Input::InForce`].
    InForce(Arc<ListPart>),
    /// Something waits for a neighbour: tell [`Input::Room`] as it can take more.
    Owed(LinkId),
    /// Send the part.
    Send(LinkId, Arc<ListPart>),
    /// A part that was known came again.
    Known,
    /// A neighbour sends what no honest one does.
    Misbehaved(LinkId, &'static str),
}

/// The machine that takes the revocation list and passes it on.
#[derive(Debug, Default)]
pub struct Revocation {
    links: BTreeMap<LinkId, PeerParts>,
    /// The newest part of each place that is on its way to the store. Bounded by the places of the list.
    keeping: BTreeMap<u8, u64>,
    output: VecDeque<Output>,
}

impl Revocation {
    /// Takes one input, with the list in force. What is to be done then comes out of [`Revocation::poll_output`].
    pub fn handle(&mut self, list: &Revocations, input: Input) {
        match input {
            Input::LinkUp(id) => {
                self.links.insert(id, PeerParts::default());
                let ours = list.parts().map(|part| (part.place(), part.number())).collect();
                self.output.push_back(Output::Ours(id, ours));
            }
            Input::LinkDown(id) => drop(self.links.remove(&id)),
            Input::Theirs(id, theirs) => {
                let Some(told) = self.links.get_mut(&id) else { return };
                told.hear();
                theirs.into_iter().for_each(|(place, number)| told.learn(place, number));
                self.look(id, list);
            }
            Input::Part(id, bytes) => self.part(id, bytes, list),
            Input::Holds(from, part) => self.holds(from, part, list),
            Input::Kept(part) => {
                let (place, number) = (part.place(), part.number());
                if self.keeping.get(&place).is_some_and(|kept| *kept <= number) {
                    self.keeping.remove(&place);
                }
                if number > list.number_of(place) {
                    self.output.push_back(Output::InForce(part));
                }
            }
            Input::InForce(part) => self.in_force(&part, list),
            Input::Room(id) => self.send(id, list),
        }
    }

    /// What is to be done next; `None` once that is all.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Whether a neighbour lacks a part that it could be sent.
    #[must_use]
    pub fn owes(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|told| told.waiting)
    }

    /// The number of a neighbour's list: the highest that it named; `None` before it has named any.
    #[must_use]
    pub fn number_at(&self, id: LinkId) -> Option<u64> {
        self.links.get(&id).and_then(PeerParts::number)
    }

    fn is_being_kept(&self, place: u8, number: u64) -> bool {
        self.keeping.get(&place).is_some_and(|kept| number <= *kept)
    }

    fn learn(&mut self, id: LinkId, place: u8, number: u64) {
        if let Some(told) = self.links.get_mut(&id) {
            told.learn(place, number);
        }
    }

    /// What we have is not checked again, anything else before it counts (P-R7).
    fn part(&mut self, id: LinkId, bytes: Bytes, list: &Revocations) {
        let Ok(part) = RevocationPart::parse(&bytes) else {
            return self.output.push_back(Output::Misbehaved(id, "a revocation list that breaks the form"));
        };
        let (place, number) = (part.place(), part.number());
        if self.is_being_kept(place, number) {
            self.output.push_back(Output::Known);
            self.learn(id, place, number);
        } else if number > list.number_of(place) {
            self.output.push_back(Output::Check(id, bytes));
        } else {
            self.output.push_back(Output::Known);
            self.confirm(id, place, number, list);
        }
    }

    /// The neighbour has this part, and hears which one we have.
    fn confirm(&mut self, id: LinkId, place: u8, number: u64, list: &Revocations) {
        self.learn(id, place, number);
        self.output.push_back(Output::Ours(id, vec![(place, list.number_of(place))]));
    }

    /// It is nothing yet but on its way to the store (P-R7).
    fn holds(&mut self, from: Option<LinkId>, part: Arc<ListPart>, list: &Revocations) {
        let (place, number) = (part.place(), part.number());
        if number <= list.number_of(place) {
            if let Some(id) = from {
                self.confirm(id, place, number, list);
            }
            return;
        }
        if let Some(id) = from {
            self.learn(id, place, number);
        }
        if !self.is_being_kept(place, number) {
            self.keeping.insert(place, number);
            self.output.push_back(Output::Persist(part));
        }
    }

    /// Neighbours hear of a part: those that have it that we do, too.
    fn in_force(&mut self, part: &ListPart, list: &Revocations) {
        let (place, number) = (part.place(), part.number());
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            if self.links.get(&id).is_some_and(|told| told.has(place, number)) {
                self.output.push_back(Output::Ours(id, vec![(place, number)]));
            } else {
                self.look(id, list);
            }
        }
    }

    fn look(&mut self, id: LinkId, list: &Revocations) {
        let Some(told) = self.links.get_mut(&id) else { return };
        told.waiting = told.owed(list).is_some();
        if told.waiting {
            self.output.push_back(Output::Owed(id));
        }
    }

    /// Sends the first part that a neighbour lacks: each once, whatever it says later.
    fn send(&mut self, id: LinkId, list: &Revocations) {
        let Some(told) = self.links.get_mut(&id) else { return };
        if let Some(part) = told.owed(list).cloned() {
            told.sent(part.place(), part.number());
            self.output.push_back(Output::Send(id, part));
        }
        told.waiting = told.owed(list).is_some();
    }
}
