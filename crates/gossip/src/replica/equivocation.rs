//! PROOF: what the machine that takes proofs says, done; and where chains end (docs/protocol.md, E).

use rumormill_wire::native::Proof;
use rumormill_wire::{NodeId, Origin, Seq};

use super::{Replica, ReplicaOutput};
use crate::author;
use crate::fork;
use crate::io::{self as driver, Event, LinkId, Persist};
use crate::proof::VerifiedProof;
use crate::proofs::{ForkState, Input, Output, Use};
use crate::stats::bump;

impl Replica {
    /// What is known of the chain that a proof is about.
    fn standing(&self, origin: &Origin) -> ForkState {
        let chain = self.logs.chains.get(origin);
        ForkState {
            next: chain.map_or(Seq::FIRST, |chain| chain.next),
            fork: self.logs.fork_place(origin),
            checking: self.ingress.has_origin(*origin),
            may_fall: self.ingress.quota.allows_place(&origin.node, self.now),
        }
    }

    /// A proof came: nothing of it is checked or kept unless it is needed.
    pub(crate) fn proof(&mut self, (link, peer): (LinkId, NodeId), proof: Box<Proof>) {
        let standing = self.standing(&proof.a.header.origin);
        self.tell_proofs(Input::Came { link, peer, proof, standing });
    }

    /// Tells the machine that takes proofs, and does what it says.
    pub(crate) fn tell_proofs(&mut self, input: Input) {
        self.proofs.handle(self.now, input);
        while let Some(output) = self.proofs.poll_output() {
            match output {
                Output::Check(link, raw) => self.drive(driver::Output::CheckProof { link, raw }),
                Output::Again(from, proof) => self.proof(from, proof),
                Output::Holds(link, proof) => self.take_proof(*proof, Some(link)),
                // Once there is room again, they hear that we still want it.
                Output::NoRoom(link, origin) => self.output.push_back(ReplicaOutput::Say(link, origin)),
                Output::Lower(link, origin, place) => {
                    bump(&mut self.stats.proofs_over_quota, 1);
                    self.output.push_back(ReplicaOutput::Lower(link, origin, place));
                }
                Output::Vain => bump(&mut self.stats.proofs_vain, 1),
                Output::Misbehaved(link, why) => self.output.push_back(ReplicaOutput::Misbehaved(link, why)),
            }
        }
    }

    /// Remembers where a chain ends.
    fn set_fork(&mut self, proof: VerifiedProof) {
        self.logs.chains.update(proof.origin(), |chain| chain.fork = Some(Box::new(proof)));
        self.output.push_back(ReplicaOutput::FellBack);
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
            Use::OverQuota => return bump(&mut self.stats.proofs_over_quota, 1),
            Use::Later | Use::None => return,
        }
        if self.logs.fork_place(&origin).is_some() {
            self.ingress.quota.charge_place(&origin.node, self.now);
        }
        self.set_fork(proof);
        bump(&mut self.stats.proofs, 1);
        self.persist(Persist::Proof(Box::new(proof)));
        self.event(Event::Equivocation { origin, place });
        if origin == self.author.origin() {
            self.tell_author(author::Input::Forked);
        }
        self.output.push_back(ReplicaOutput::Proven(Box::new(proof), from));
    }
}
