//! The revocation list: the machine that takes it and passes it on, joined to the chains that it cuts (docs/protocol.md, R).

use std::sync::Arc;

use rumormill_wire::native::{ByeCode, Frame, ListPart, Revisions};
use rumormill_wire::{NodeId, Origin};

use super::Engine;
use crate::author;
use crate::io::{self, Event, Keep, LinkId};
use crate::reconcile;
use crate::revocation::{Input, Output};
use crate::stats::bump;

impl Engine {
    /// Tells the machine, and does what it says.
    pub(super) fn tell_revocation(&mut self, input: Input) {
        self.revocation.handle(&self.logs.revocations, input);
        while let Some(output) = self.revocation.poll_output() {
            match output {
                Output::Ours(link, ours) => drop(self.send(link, &Frame::Revisions(ours.as_slice().into()))),
                Output::Check(link, bytes) => self.output.push_back(io::Output::CheckRevocations { link, bytes }),
                Output::Keep(part) => self.keep(Keep::Revocations(part)),
                Output::InForce(part) => self.comes_into_force(&part),
                Output::Owed(link) => self.links.touch(link),
                Output::Send(link, part) => {
                    self.charge(link, part.bytes().len());
                    self.send(link, &Frame::Revoked(part.bytes()));
                }
                Output::Known => bump(&mut self.stats.revocations_known, 1),
                Output::Misbehaved(link, reason) => self.misbehaved(link, reason),
            }
        }
    }

    /// A neighbour said which parts it has (P-R4).
    pub(super) fn revisions(&mut self, id: LinkId, revisions: &Revisions<'_>) {
        self.tell_revocation(Input::Theirs(id, revisions.iter().collect()));
    }

    /// A part is durable: it comes into force, links of those that it names end, and neighbours hear of it.
    fn comes_into_force(&mut self, part: &Arc<ListPart>) {
        self.put_in_force(Arc::clone(part));
        bump(&mut self.stats.revocation_parts, 1);
        let list = Arc::clone(&self.logs.revocations);
        self.event(Event::Revocations { list: Arc::clone(&list) });
        for id in self.links.everybody() {
            if self.peer(id).is_some_and(|peer| list.revokes(&peer)) {
                self.close(id, ByeCode::REVOKED, "its certificate is revoked", 0);
            }
        }
        self.revocation.handle(&list, Input::InForce(Arc::clone(part)));
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
