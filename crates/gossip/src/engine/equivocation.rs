//! PROOF: what the machine that takes proofs says, done; who gets them, and where chains end (docs/protocol.md, E).

use rumormill_wire::native::{EntryState, Frame, Proof, StatusEntry};
use rumormill_wire::{Origin, Seq};

use super::Engine;
use super::rumor::STATUS_DELAY_US;
use crate::author;
use crate::fork;
use crate::io::{self, Event, Keep, LinkId};
use crate::proof::VerifiedProof;
use crate::proofs::{Input, Output, Standing, Use};
use crate::reconcile;
use crate::stats::bump;

/// A neighbour that may not be sent a proof now hears of it after so long, in microseconds, and then again while that is so.
const UNSENT_US: u64 = 1_000_000;

impl Engine {
    /// What is known of the chain that a proof is about.
    fn standing(&self, origin: &Origin) -> Standing {
        let chain = self.logs.chains.get(origin);
        Standing {
            next: chain.map_or(Seq::FIRST, |chain| chain.next),
            fork: self.logs.fork_place(origin),
            checking: self.ingress.has_origin(*origin),
            may_fall: self.ingress.quota.allows_place(&origin.node, self.now),
        }
    }

    /// A proof came: nothing of it is checked or kept unless it is needed.
    pub(super) fn proof(&mut self, link: LinkId, proof: Box<Proof>) {
        let Some(peer) = self.peer(link) else { return };
        let standing = self.standing(&proof.a.header.origin);
        self.tell_proofs(Input::Came { link, peer, proof, standing });
    }

    /// Tells the machine that takes proofs, and does what it says.
    pub(super) fn tell_proofs(&mut self, input: Input) {
        self.proofs.handle(self.now, input);
        while let Some(output) = self.proofs.poll_output() {
            match output {
                Output::Check(link, raw) => self.output.push_back(io::Output::CheckProof { link, raw }),
                Output::Again(link, proof) => self.proof(link, proof),
                Output::Holds(link, proof) => self.take_proof(*proof, Some(link)),
                // Once there is room again, they hear that we still want it.
                Output::NoRoom(link, origin) => self.say(link, origin, self.now.plus(STATUS_DELAY_US)),
                Output::Lower(link, origin, place) => {
                    bump(&mut self.stats.proofs_greedy, 1);
                    // Unchecked, as a claim of a STATUS is.
                    let (ours, now) = (self.logs.end_of(&origin), self.now);
                    if let Some(link) = self.links.get_mut(&link) {
                        link.note_end(origin, Some(place), ours, now);
                    }
                }
                Output::Vain => bump(&mut self.stats.proofs_vain, 1),
                Output::Misbehaved(link, why) => self.misbehaved(link, why),
            }
        }
    }

    /// Remembers where a chain ends.
    pub(super) fn set_fork(&mut self, proof: VerifiedProof) {
        self.logs.chains.update(proof.origin(), |chain| chain.fork = Some(Box::new(proof)));
        self.note_reconcile(reconcile::Input::FellBack);
        self.tell_search(fork::Input::Proven(proof.origin()));
    }

    /// A proof that a store kept; nothing is told or written.
    pub(super) fn restore_proof(&mut self, proof: VerifiedProof) {
        if self.standing(&proof.origin()).use_of(proof.place()) == Use::Needed {
            self.set_fork(proof);
        }
    }

    /// Takes a proof that holds, if it is needed, and passes it on.
    pub(super) fn take_proof(&mut self, proof: VerifiedProof, from: Option<LinkId>) {
        let (origin, place) = (proof.origin(), proof.place());
        match self.standing(&origin).use_of(place) {
            Use::Needed => {}
            Use::Greedy => return bump(&mut self.stats.proofs_greedy, 1),
            Use::Later | Use::None => return,
        }
        if self.logs.fork_place(&origin).is_some() {
            self.ingress.quota.charge_place(&origin.node, self.now);
        }
        self.set_fork(proof);
        bump(&mut self.stats.proofs, 1);
        self.keep(Keep::Proof(Box::new(proof)));
        self.event(Event::Equivocation { origin, place });
        if origin == self.author.origin() {
            self.tell_author(author::Input::Forked);
        }
        for id in self.links.everybody().into_iter().filter(|id| Some(*id) != from) {
            self.send_proof(id, &proof);
        }
        // Whoever gave it learns that we end there too.
        if let Some(id) = from {
            self.say(id, origin, self.now.plus(STATUS_DELAY_US));
        }
    }

    /// Sends a proof, unless this neighbour got many already (P-E5): then it hears where the chain ends here, and asks for it.
    pub(super) fn send_proof(&mut self, id: LinkId, proof: &VerifiedProof) {
        let Some(peer) = self.peer(id) else { return };
        if self.proofs.may_send(peer, self.now) {
            self.send(id, &Frame::Proof(*proof.proof()));
            return;
        }
        bump(&mut self.stats.proofs_unsent, 1);
        self.say(id, proof.origin(), self.now.plus(UNSENT_US));
    }

    /// Remembers whether a chain ends elsewhere at a neighbour than here. Who has not come so far yet only lags, and where one has just what
    /// the other lets stand, nothing is missing: whose key is revoked says nothing more, and who has no CA never hears of the end.
    pub(super) fn compare_ends(&mut self, id: LinkId, entry: &StatusEntry) {
        let theirs = (entry.state == EntryState::Forked).then_some(entry.next);
        let ours = self.logs.end_of(&entry.origin);
        let next = self.logs.chains.get(&entry.origin).map_or(Seq::FIRST, |chain| chain.next);
        let comes_later = match (theirs, ours) {
            (None, Some(place)) => entry.next <= place,
            (Some(place), None) => next <= place,
            _ => false,
        };
        let now = self.now;
        if let Some(link) = self.links.get_mut(&id).filter(|_| !comes_later) {
            link.note_end(entry.origin, theirs, ours, now);
        }
    }

    /// Sends our proof to a neighbour that shows messages from its place on, or a higher place (P-E2). Says whether it has
    /// a lower place than we, and we have messages there.
    pub(super) fn offer_proof(&mut self, id: LinkId, entry: &StatusEntry) -> bool {
        let Some(chain) = self.logs.chains.get(&entry.origin) else { return false };
        let theirs = (entry.state == EntryState::Forked).then_some(entry.next);
        let limit = chain.limit();
        if let Some(ours) = chain.fork.as_deref().copied()
            && theirs.map_or(ours.place() <= entry.next, |place| ours.place() < place)
        {
            self.send_proof(id, &ours);
            return false;
        }
        theirs.is_some_and(|place| place <= chain.next && limit.is_none_or(|limit| place < limit))
    }
}
