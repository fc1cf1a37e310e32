//! Equivocation proofs on their way in and out: which are looked at, and what they may cost (docs/protocol.md, P-E1 to P-E5).
//!
//! [`Proofs`] is a machine of its own. It knows no chains: what is known of the chain that a proof is about comes with it
//! ([`ForkState`]). Nothing of a proof is checked or kept unless it is of use, and what is not counts for whoever sent it.

mod counts;
mod sent;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use rumormill_wire::native::Proof;
use rumormill_wire::{NodeId, Origin, Seq};

pub use self::sent::Sent;

use self::counts::Counts;
use crate::io::{LinkId, Timestamp};
use crate::proof::{RawProof, VerifiedProof};

/// Proofs that wait for messages on their way through the verifier, for all neighbours and for each whatever the others
/// do.
const MAX_EARLY: usize = 64;
const EARLY_SHARE: usize = 4;

/// What is known of a proof's chain when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkState {
    /// The number wanted next; the first where we have none.
    pub next: Seq,
    /// Where another proof has ended it.
    pub fork: Option<Seq>,
    /// Messages of it are being checked.
    pub checking: bool,
    /// That place may fall once more (P-E4).
    pub may_fall: bool,
}

/// What a proof is good for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It ends a chain of which we have messages, at its place or before.
    Needed,
    /// Messages of its origin are being checked: then it is seen.
    Later,
    /// It would lower a place, and those of its author have fallen too often (P-E4).
    OverQuota,
    /// We have no message that it is about (P-E1), or a lower place.
    None,
}

impl ForkState {
    /// What a proof with this place is good for.
    #[must_use]
    pub fn use_of(&self, place: Seq) -> Use {
        if self.next == Seq::FIRST || place > self.next {
            return if self.checking { Use::Later } else { Use::None };
        }
        match self.fork {
            None => Use::Needed,
            Some(ours) if ours <= place => Use::None,
            Some(_) if self.may_fall => Use::Needed,
            Some(_) => Use::OverQuota,
        }
    }
}

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A link is up: its node may have been started anew, and counts what it sends us from the beginning.
    LinkUp(NodeId),
    /// A link is gone.
    LinkDown(LinkId),
    /// A neighbour sends a proof.
    Came {
        /// The link that it came over.
        link: LinkId,
        /// The node at its other end.
        peer: NodeId,
        /// Unchecked.
        proof: Box<Proof>,
        /// What is known of its chain.
        standing: ForkState,
    },
    /// Messages of an origin have a verdict.
    Settled(Origin),
    /// A proof was checked; `None` if it proves nothing.
    Verdict(LinkId, Option<Box<VerifiedProof>>),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Check it, and tell [`Input::Verdict`].
    Check(LinkId, Box<RawProof>),
    /// One that waited may be of use by now: tell [`Input::Came`] once more.
    Again((LinkId, NodeId), Box<Proof>),
    /// It holds.
    Holds(LinkId, Box<VerifiedProof>),
    /// There is no room to check it. The neighbour is to hear where we stand, so that it sends it again.
    NoRoom(LinkId, Origin),
    /// A neighbour says that a chain ends at this place, and it may not fall there now. Unchecked.
    Lower(LinkId, Origin, Seq),
    /// It is of no use here.
    Vain,
    /// A neighbour sends what no honest one does.
    Misbehaved(LinkId, &'static str),
}

/// The machine that takes proofs.
#[derive(Debug, Default)]
pub struct Proofs {
    counts: Counts,
    /// Those that wait for messages of their origin, and who sent them.
    early: Vec<(LinkId, NodeId, Box<Proof>)>,
    output: VecDeque<Output>,
}

impl Proofs {
    /// Takes one input. What is to be done then comes out of [`Proofs::poll_output`].
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::LinkUp(peer) => self.counts.new_link(peer),
            Input::LinkDown(gone) => self.early.retain(|(link, ..)| *link != gone),
            Input::Came { link, peer, proof, standing } => self.came(now, (link, peer), proof, standing),
            Input::Settled(origin) => {
                let settled = self.early.extract_if(.., |(_, _, proof)| proof.a.header.origin == origin);
                self.output.extend(settled.map(|(link, peer, proof)| Output::Again((link, peer), proof)));
            }
            Input::Verdict(link, verdict) => {
                self.counts.end(link);
                self.output.push_back(match verdict {
                    Some(proof) => Output::Holds(link, proof),
                    None => Output::Misbehaved(link, "a proof that proves nothing"),
                });
            }
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    fn came(&mut self, now: Timestamp, (link, peer): (LinkId, NodeId), proof: Box<Proof>, standing: ForkState) {
        let origin = proof.a.header.origin;
        let place = proof.a.header.first.min(proof.b.header.first);
        match standing.use_of(place) {
            Use::Needed if self.counts.begin(link, peer) => {
                return self.output.push_back(Output::Check(link, Box::new(RawProof(*proof))));
            }
            Use::Needed => self.output.push_back(Output::NoRoom(link, origin)),
            Use::Later if self.room_for_early(peer) => return self.early.push((link, peer, proof)),
            Use::OverQuota => self.output.push_back(Output::Lower(link, origin, place)),
            Use::Later | Use::None => self.output.push_back(Output::Vain),
        }
        if !self.counts.may_send_in_vain(peer, now) {
            let why = "more proofs in vain than an honest node sends";
            self.output.push_back(Output::Misbehaved(link, why));
        }
    }

    fn room_for_early(&self, peer: NodeId) -> bool {
        let of_peer = self.early.iter().filter(|(_, other, _)| *other == peer).count();
        self.early.len() < MAX_EARLY || of_peer < EARLY_SHARE
    }

    /// How many wait for messages of their origin.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.early.len()
    }
}
