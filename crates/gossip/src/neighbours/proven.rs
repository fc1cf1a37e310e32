//! Where chains end here and at neighbours: who is sent which proof, and what differs (docs/protocol.md, E and P-S7).

use rumormill_wire::native::{EntryState, Frame, StatusEntry};
use rumormill_wire::{Origin, Seq};

use super::{NeighbourOutput, Neighbours, STATUS_DELAY_US};
use crate::fork::Difference;
use crate::io::LinkId;
use crate::proof::VerifiedProof;
use crate::replica::Replica;
use crate::stats::bump;

/// A neighbour that may not be sent a proof now hears of it after so long, in microseconds, and then again while that is so.
const UNSENT_US: u64 = 1_000_000;
/// A PROOF frame: its length, its kind and two signed headers.
const PROOF_BYTES: u64 = 5 + 2 * 178;

impl Neighbours {
    /// A proof ends a chain here: everybody hears of it.
    pub(super) fn pass_proof(&mut self, proof: &VerifiedProof, from: Option<LinkId>) {
        for id in self.links.everybody().into_iter().filter(|id| Some(*id) != from) {
            self.owe_proof(id, proof.origin());
        }
        // Whoever gave it learns that we end there too.
        if let Some(id) = from {
            self.say(id, proof.origin(), self.now.plus(STATUS_DELAY_US));
        }
    }

    /// A neighbour is to get the proof that a chain has forked, in its author's turn.
    fn owe_proof(&mut self, id: LinkId, origin: Origin) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(no_room) = link.owe_proof(origin) {
            self.proof_unsent(id, no_room);
        }
    }

    /// It hears where the chain ends here, and asks for the proof.
    fn proof_unsent(&mut self, id: LinkId, origin: Origin) {
        bump(&mut self.stats.proofs_unsent, 1);
        self.say(id, origin, self.now.plus(UNSENT_US));
    }

    /// Sends a proof whose turn has come, unless this neighbour got many already (P-E5).
    pub(super) fn serve_proof(&mut self, replica: &Replica, id: LinkId, origin: Origin) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.proofs.remove(&origin);
        let Some(proof) = replica.logs().chains.get(&origin).and_then(|chain| chain.fork.as_deref()) else { return };
        if !self.proofs_sent.may_send(link.peer, self.now) {
            return self.proof_unsent(id, origin);
        }
        link.turns.charge(origin.node, PROOF_BYTES);
        self.send(id, &Frame::Proof(*proof.proof()));
    }

    /// The same for one that waits for its share: proofs have a bound of their own. Says whether there was one.
    pub(super) fn serve_any_proof(&mut self, replica: &Replica, id: LinkId) -> bool {
        let first = self.links.get(&id).and_then(|link| link.proofs.iter().next()).map(|(origin, ())| *origin);
        if let Some(origin) = first {
            self.serve_proof(replica, id, origin);
        }
        first.is_some()
    }

    /// A neighbour says that a chain ends at this place, and it may not fall there now. Unchecked, as a claim of a STATUS is.
    pub(super) fn ends_lower(&mut self, replica: &Replica, id: LinkId, origin: Origin, place: Seq) {
        let (ours, now) = (replica.logs().end_of(&origin), self.now);
        if let Some(link) = self.links.get_mut(&id) {
            link.note_end(origin, Some(place), ours, now);
        }
    }

    /// Remembers whether a chain ends elsewhere at a neighbour than here. Who has not come so far yet only lags, and where one has just what
    /// the other lets stand, nothing is missing: whose key is revoked says nothing more, and who has no CA never hears of the end.
    pub(super) fn compare_ends(&mut self, replica: &Replica, id: LinkId, entry: &StatusEntry) {
        let theirs = (entry.state == EntryState::Forked).then_some(entry.next);
        let ours = replica.logs().end_of(&entry.origin);
        let next = replica.logs().next_of(&entry.origin);
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
    pub(super) fn offer_proof(&mut self, replica: &Replica, id: LinkId, entry: &StatusEntry) -> bool {
        let Some(chain) = replica.logs().chains.get(&entry.origin) else { return false };
        let theirs = (entry.state == EntryState::Forked).then_some(entry.next);
        let limit = chain.limit();
        if let Some(ours) = chain.fork.as_deref()
            && theirs.map_or(ours.place() <= entry.next, |place| ours.place() < place)
        {
            self.owe_proof(id, entry.origin);
            return false;
        }
        theirs.is_some_and(|place| place <= chain.next && limit.is_none_or(|limit| place < limit))
    }

    /// The neighbour's head is not ours, at the same number.
    pub(super) fn heads_differ(&mut self, replica: &Replica, id: LinkId, origin: Origin, next: Seq) {
        let Some(at) = next.0.checked_sub(1).filter(|at| *at > 0) else { return };
        if let Some(link) = self.links.get_mut(&id) {
            link.branches = true;
        }
        let Some(peer) = self.peer(id) else { return };
        let ours = replica.logs().chains.get(&origin).and_then(|chain| chain.head);
        let proven = replica.logs().fork_place(&origin).is_some();
        let seen = Difference { origin, at: Seq(at), ours, theirs: None, link: id, peer, proven };
        self.differs(replica, Box::new(seen));
    }

    /// A neighbour has another branch of a chain, as its word or a bundle shows.
    pub(super) fn differs(&mut self, replica: &Replica, seen: Box<Difference>) {
        if self.peer(seen.link).is_none() {
            return;
        }
        if !replica.search().is_searching(&seen.origin) && self.lists_are_over(seen.link) {
            return bump(&mut self.stats.searches_full, 1);
        }
        self.output.push_back(NeighbourOutput::Search(seen));
    }
}
