//! The revocation list: taken, kept, in force, passed on (docs/protocol.md, R).

use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{ByeCode, Frame, ListPart, Revisions, RevocationPart};
use rumormill_wire::{NodeId, Origin};

use super::Engine;
use crate::author;
use crate::io::{Event, Keep, LinkId, Output};
use crate::reconcile;
use crate::stats::bump;

impl Engine {
    /// Says which parts we have; the neighbour sends what we lack, and says the same.
    pub(super) fn say_revisions(&mut self, id: LinkId) {
        let ours: Vec<_> = self.logs.revocations.parts().map(|part| (part.place(), part.number())).collect();
        self.send(id, &Frame::Revisions(ours.as_slice().into()));
    }

    /// A neighbour said which parts it has (P-R4).
    pub(super) fn revisions(&mut self, id: LinkId, revisions: &Revisions<'_>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.told.hear();
            revisions.iter().for_each(|(place, number)| link.told.learn(place, number));
        }
        self.send_revocations(id);
    }

    /// Sends the parts that a neighbour lacks, each once, as its window allows.
    pub(super) fn send_revocations(&mut self, id: LinkId) {
        let list = Arc::clone(&self.logs.revocations);
        while let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) {
            let owed = link.told.owed(&list);
            link.told.waiting = owed.is_some();
            let room = link.window > 0;
            let Some(part) = owed.filter(|_| room && !self.is_over(id)) else { return };
            self.charge(id, part.bytes().len());
            let Some(link) = self.links.get_mut(&id) else { return };
            link.told.sent(part.place(), part.number());
            self.send(id, &Frame::Revoked(part.bytes()));
        }
    }

    /// A part from a neighbour: what we have is not checked again, anything else before it counts (P-R7).
    pub(super) fn revoked_frame(&mut self, id: LinkId, bytes: Bytes) {
        let Ok(part) = RevocationPart::parse(&bytes) else {
            return self.misbehaved(id, "a revocation list that breaks the form");
        };
        let (place, number) = (part.place(), part.number());
        if self.is_being_kept(place, number) {
            bump(&mut self.stats.revocations_known, 1);
            if let Some(link) = self.links.get_mut(&id) {
                link.told.learn(place, number);
            }
        } else if number > self.logs.revocations.number_of(place) {
            self.output.push_back(Output::CheckRevocations { link: id, bytes });
        } else {
            bump(&mut self.stats.revocations_known, 1);
            self.confirm(id, place, number);
        }
    }

    /// The neighbour has this part, and hears which one we have.
    fn confirm(&mut self, id: LinkId, place: u8, number: u64) {
        let ours = self.logs.revocations.number_of(place);
        if let Some(link) = self.links.get_mut(&id) {
            link.told.learn(place, number);
            self.send(id, &Frame::Revisions([(place, ours)].as_slice().into()));
        }
    }

    /// Trust is pinned here: whoever sent a part may go by a CA, and no honest node is blamed for that (P-G7).
    pub(super) fn revocations_void(&mut self) {
        bump(&mut self.stats.revocations_void, 1);
    }

    /// A part whose signature does not hold: whoever passed it on did not check it.
    pub(super) fn revocations_refused(&mut self, id: LinkId) {
        self.misbehaved(id, "a revocation list that the CA did not sign");
    }

    /// A part whose signature holds, from a neighbour or from a file. It is nothing yet but on its way to the store (P-R7).
    pub(super) fn revoked(&mut self, from: Option<LinkId>, part: Arc<ListPart>) {
        let (place, number) = (part.place(), part.number());
        if number <= self.logs.revocations.number_of(place) {
            if let Some(id) = from {
                self.confirm(id, place, number);
            }
            return;
        }
        if let Some(link) = from.and_then(|id| self.links.get_mut(&id)) {
            link.told.learn(place, number);
        }
        if !self.is_being_kept(place, number) {
            self.keeping.insert(place, number);
            self.keep(Keep::Revocations(part));
        }
    }

    fn is_being_kept(&self, place: u8, number: u64) -> bool {
        self.keeping.get(&place).is_some_and(|kept| number <= *kept)
    }

    /// A part is durable: it comes into force, links of those that it names end, and neighbours hear of it.
    pub(super) fn revocations_kept(&mut self, part: Arc<ListPart>) {
        let (place, number) = (part.place(), part.number());
        if self.keeping.get(&place).is_some_and(|kept| *kept <= number) {
            self.keeping.remove(&place);
        }
        if number <= self.logs.revocations.number_of(place) {
            return;
        }
        self.put_in_force(part);
        bump(&mut self.stats.revocation_parts, 1);
        self.event(Event::Revocations { list: Arc::clone(&self.logs.revocations) });
        let list = Arc::clone(&self.logs.revocations);
        let links = self.links.everybody();
        for id in links.iter().copied() {
            if self.peer(id).is_some_and(|peer| list.revokes(&peer)) {
                self.close(id, ByeCode::REVOKED, "its certificate is revoked", 0);
            }
        }
        for id in links {
            if self.links.get(&id).is_some_and(|link| link.told.has(place, number)) {
                self.send(id, &Frame::Revisions([(place, number)].as_slice().into()));
            } else {
                self.send_revocations(id);
            }
        }
    }

    /// The chains of whom a part names, or the one before it named, are cut anew.
    pub(super) fn put_in_force(&mut self, part: Arc<ListPart>) {
        let before = self.logs.revocations.part(part.place()).cloned();
        let named = part.nodes().keys().chain(before.iter().flat_map(|old| old.nodes().keys()));
        let named: std::collections::BTreeSet<NodeId> = named.copied().collect();
        if !Arc::make_mut(&mut self.logs.revocations).take(part) {
            return;
        }
        for node in named {
            let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
            let origins: Vec<_> = self.logs.chains.range(low, high).map(|(origin, _)| *origin).collect();
            for origin in origins {
                let cut = self.logs.revocations.limit(&origin);
                self.logs.chains.update(origin, |chain| chain.cut = cut);
            }
        }
        self.note_reconcile(reconcile::Input::FellBack);
        self.tell_author(author::Input::Cut(self.logs.revocations.limit(&self.author.origin())));
    }
}
