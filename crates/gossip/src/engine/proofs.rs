//! Equivocation proofs: which are of use, who gets them, and what they may cost (docs/protocol.md, E).

use rumormill_wire::native::{EntryState, Frame, Proof, StatusEntry};
use rumormill_wire::{Origin, Seq};

use super::Engine;
use super::rumor::STATUS_DELAY_US;
use crate::author;
use crate::fork;
use crate::io::{Event, Keep, LinkId, Output};
use crate::proof::{RawProof, VerifiedProof};
use crate::stats::bump;

/// Proofs that wait for messages on their way through the verifier, for all neighbours and for each whatever the others
/// do.
const MAX_EARLY: usize = 64;
const EARLY_SHARE: usize = 4;

/// A neighbour that may not be sent a proof now hears of it after so long, in microseconds, and then again while that is so.
const UNSENT_US: u64 = 1_000_000;

/// What a proof is good for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It ends a chain of which we have messages, at its place or before.
    Needed,
    /// Messages of its origin are being checked: then it is seen.
    Later,
    /// It would lower a place, and those of its author have fallen too often (P-E4).
    Greedy,
    /// We have no message that it is about (P-E1), or a lower place.
    None,
}

impl Engine {
    fn use_of(&self, origin: &Origin, place: Seq) -> Use {
        let reached = self.chains.get(origin).filter(|chain| chain.next > Seq::FIRST && place <= chain.next);
        let Some(chain) = reached else {
            return if self.ingress.has_origin(*origin) { Use::Later } else { Use::None };
        };
        match chain.fork.as_ref().map(|fork| fork.place()) {
            None => Use::Needed,
            Some(ours) if ours <= place => Use::None,
            Some(_) if self.ingress.quota.allows_place(&origin.node, self.now) => Use::Needed,
            Some(_) => Use::Greedy,
        }
    }

    /// A proof came: nothing of it is checked or kept unless it is needed.
    pub(super) fn proof(&mut self, id: LinkId, proof: Proof) {
        let Some(peer) = self.peer(id) else { return };
        let place = proof.a.header.first.min(proof.b.header.first);
        match self.use_of(&proof.a.header.origin, place) {
            Use::Needed if self.accounts.begin_proof(id, peer) => {
                return self.output.push_back(Output::CheckProof { link: id, raw: Box::new(RawProof(proof)) });
            }
            // Once there is room again, they hear that we still want it.
            Use::Needed => self.say_after(STATUS_DELAY_US, id, proof.a.header.origin),
            Use::Later if self.room_for_early(id) => return self.early_proofs.push((id, proof)),
            Use::Greedy => {
                bump(&mut self.stats.proofs_greedy, 1);
                // Unchecked, as a claim of a STATUS is.
                let (origin, ours, now) = (proof.a.header.origin, self.end_of(&proof.a.header.origin), self.now);
                if let Some(link) = self.links.get_mut(&id) {
                    link.note_end(origin, Some(place), ours, now);
                }
            }
            _ => bump(&mut self.stats.proofs_vain, 1),
        }
        if !self.accounts.may_send_in_vain(peer, self.now) {
            self.misbehaved(id, "more proofs in vain than an honest node sends");
        }
    }

    fn room_for_early(&self, id: LinkId) -> bool {
        let of_peer = self.early_proofs.iter().filter(|(link, _)| self.peer(*link) == self.peer(id)).count();
        self.early_proofs.len() < MAX_EARLY || of_peer < EARLY_SHARE
    }

    /// Messages of an origin have a verdict: proofs that came while they were being checked are looked at again.
    pub(super) fn early_proofs_of(&mut self, origin: Origin) {
        for (id, proof) in self.early_proofs.extract_if(.., |(_, p)| p.a.header.origin == origin).collect::<Vec<_>>() {
            self.proof(id, proof);
        }
    }

    pub(super) fn proof_verdict(&mut self, id: LinkId, verdict: Option<Box<VerifiedProof>>) {
        self.accounts.end_proof(id);
        match verdict {
            Some(proof) => self.take_proof(*proof, Some(id)),
            None => self.misbehaved(id, "a proof that proves nothing"),
        }
    }

    pub(super) fn fork_place(&self, origin: &Origin) -> Option<Seq> {
        self.chains.get(origin).and_then(|chain| chain.fork.as_ref()).map(|fork| fork.place())
    }

    /// Remembers where a chain ends.
    pub(super) fn set_fork(&mut self, proof: VerifiedProof) {
        self.chains.update(proof.origin(), |chain| chain.fork = Some(Box::new(proof)));
        self.tell_search(fork::Input::Proven(proof.origin()));
    }

    /// A proof that a store kept; nothing is told or written.
    pub(super) fn restore_proof(&mut self, proof: VerifiedProof) {
        if self.use_of(&proof.origin(), proof.place()) == Use::Needed {
            self.set_fork(proof);
        }
    }

    /// Takes a proof that holds, if it is needed, and passes it on.
    pub(super) fn take_proof(&mut self, proof: VerifiedProof, from: Option<LinkId>) {
        let (origin, place) = (proof.origin(), proof.place());
        match self.use_of(&origin, place) {
            Use::Needed => {}
            Use::Greedy => return bump(&mut self.stats.proofs_greedy, 1),
            Use::Later | Use::None => return,
        }
        if self.fork_place(&origin).is_some() {
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
            self.say_after(STATUS_DELAY_US, id, origin);
        }
    }

    /// A neighbour is told where we stand on an origin, after so long.
    fn say_after(&mut self, delay_us: u64, id: LinkId, origin: Origin) {
        if let Some(link) = self.links.get_mut(&id) {
            link.say(origin, self.now.plus(delay_us));
        }
    }

    /// Sends a proof, unless this neighbour got many already (P-E5): then it hears where the chain ends here, and asks for it.
    pub(super) fn send_proof(&mut self, id: LinkId, proof: &VerifiedProof) {
        let Some(peer) = self.peer(id) else { return };
        if self.accounts.may_send_proof(peer, self.now) {
            self.send(id, &Frame::Proof(*proof.proof()));
            return;
        }
        bump(&mut self.stats.proofs_unsent, 1);
        self.say_after(UNSENT_US, id, proof.origin());
    }

    /// Where our chain of an origin ends, if it does.
    pub(super) fn end_of(&self, origin: &Origin) -> Option<Seq> {
        let chain = self.chains.get(origin)?;
        chain.limit().filter(|limit| chain.next >= *limit)
    }

    /// Remembers whether a chain ends elsewhere at a neighbour than here. Who has not come so far yet only lags.
    pub(super) fn compare_ends(&mut self, id: LinkId, entry: &StatusEntry) {
        let theirs = (entry.state == EntryState::Forked).then_some(entry.next);
        let ours = self.end_of(&entry.origin);
        let next = self.chains.get(&entry.origin).map_or(Seq::FIRST, |chain| chain.next);
        let comes_later = match (theirs, ours) {
            (None, Some(place)) => entry.next < place,
            (Some(place), None) => next < place,
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
        let Some(chain) = self.chains.get(&entry.origin) else { return false };
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
