//! Equivocation: found, proved, contained (design: Data).
//!
//! Two branches show themselves as a bundle that overlaps ours, one whose "previous" is not our head, or a STATUS with our
//! number and another head. From there the search walks down, a bundle of each branch at a time, to where they part, so
//! that all nodes end with the same place.

use rumormill_wire::native::{BundleHeader, Frame, Proof, RangeRequest, SignedHeader};
use rumormill_wire::{Digest, Origin, Seq};

use super::Engine;
use crate::bundle::{RawBundle, VerifiedBundle};
use crate::io::{Event, Keep, LinkId, Output};
use crate::proof::{RawProof, VerifiedProof, from_checked, is_lowest};
use crate::stats::bump;

/// Searches at once; over this, a fork is found at a later comparison.
const MAX_SUSPECTS: usize = 64;

/// A search for the place where two branches part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect {
    at: Seq,
    ours: Option<SignedHeader>,
    theirs: Option<SignedHeader>,
    link: LinkId,
}

fn holds(header: &BundleHeader, at: Seq) -> bool {
    header.first <= at && at < header.next()
}

impl Engine {
    /// Whether a search waits for this bundle of the other branch.
    pub(super) fn suspect_wants(&self, header: &BundleHeader, answers_range: bool) -> bool {
        let suspect = self.suspects.get(&header.origin).filter(|_| answers_range);
        suspect.is_some_and(|s| s.theirs.is_none() && holds(header, s.at))
    }

    /// The neighbour's head is not ours, at the same number.
    pub(super) fn heads_differ(&mut self, id: LinkId, origin: Origin, next: Seq) {
        let Some(at) = next.0.checked_sub(1).filter(|at| *at > 0) else { return };
        let ours = self.chains.get(&origin).and_then(|chain| chain.head);
        self.suspect(origin, Suspect { at: Seq(at), ours, theirs: None, link: id });
    }

    /// A bundle that holds and does not fit ours.
    pub(super) fn evidence(&mut self, bundle: &VerifiedBundle, id: LinkId) {
        let theirs = *bundle.signed_header();
        let origin = theirs.header.origin;
        let Some(chain) = self.chains.get(&origin) else { return };
        let (next, head) = (chain.next, chain.head);
        if let Some(head) = head.filter(|_| theirs.header.first == next) {
            if let Some(proof) = from_checked(head, theirs) {
                self.take_proof(proof, Some(id));
            }
            // Theirs names another predecessor: look at what they have where our head begins.
            self.suspect(origin, Suspect { at: head.header.first, ours: Some(head), theirs: None, link: id });
        } else {
            self.suspect(origin, Suspect { at: theirs.header.first, ours: None, theirs: Some(theirs), link: id });
        }
    }

    fn suspect(&mut self, origin: Origin, suspect: Suspect) {
        let links = &self.links;
        self.suspects.retain(|_, s| links.contains_key(&s.link));
        let better = self.suspects.get(&origin).is_none_or(|old| suspect.theirs.is_some() || suspect.at < old.at);
        if better && (self.suspects.len() < MAX_SUSPECTS || self.suspects.contains_key(&origin)) {
            self.suspects.insert(origin, suspect);
            self.search(origin);
        }
    }

    fn search(&mut self, origin: Origin) {
        while let Some(mut s) = self.suspects.get(&origin).copied() {
            s.ours = s.ours.filter(|h| holds(&h.header, s.at));
            s.theirs = s.theirs.filter(|h| holds(&h.header, s.at));
            self.suspects.insert(origin, s);
            let Some(ours) = s.ours else {
                self.output.push_back(Output::LookUp { origin, at: s.at });
                return;
            };
            let Some(theirs) = s.theirs else {
                let until = Seq(s.at.0.saturating_add(1));
                self.send(s.link, &Frame::Range(RangeRequest { origin, from: s.at, until }));
                return;
            };
            let Some(proof) = from_checked(ours, theirs) else {
                self.suspects.remove(&origin);
                return;
            };
            self.take_proof(proof, Some(s.link));
            let place = ours.header.first.min(theirs.header.first);
            let below = if ours.header.first == theirs.header.first { place.0.saturating_sub(1) } else { place.0 };
            if is_lowest(&ours, &theirs) || below == 0 {
                self.suspects.remove(&origin);
                return;
            }
            self.suspects.insert(origin, Suspect { at: Seq(below), ..s });
        }
    }

    pub(super) fn looked_up(&mut self, origin: Origin, at: Seq, bundle: Option<&RawBundle>) {
        let ours = bundle.and_then(signed_header_of);
        self.look_before(origin, at, ours);
        let Some(suspect) = self.suspects.get_mut(&origin).filter(|s| s.at == at && s.ours.is_none()) else { return };
        suspect.ours = ours;
        if suspect.ours.is_none() {
            self.suspects.remove(&origin);
            return;
        }
        self.search(origin);
    }

    /// Our own bundle at the place of an open fork: what it follows tells our branch, and if it begins earlier it
    /// contradicts one of the two.
    fn look_before(&mut self, origin: Origin, at: Seq, ours: Option<SignedHeader>) {
        let open = self.chains.get(&origin).filter(|chain| chain.open_place() == Some(at));
        let (Some(fork), Some(ours)) = (open.and_then(|chain| chain.fork), ours) else { return };
        if ours.header.first == at {
            self.chains.update(origin, |chain| chain.before = Some(ours.header.previous.head()));
            return;
        }
        let Proof { a, b } = *fork.proof();
        if let Some(proof) = from_checked(ours, a).or_else(|| from_checked(ours, b)) {
            self.take_proof(proof, None);
        }
    }

    /// Remembers a fork and asks for what we have at its place, if it may part earlier.
    pub(super) fn set_fork(&mut self, proof: VerifiedProof) {
        let origin = proof.origin();
        let place = self.chains.update(origin, |chain| {
            chain.fork = Some(proof);
            chain.before = (chain.next == proof.place()).then(|| chain.digest.head());
            chain.open_place().filter(|place| chain.next > *place)
        });
        if let Some(at) = place {
            self.output.push_back(Output::LookUp { origin, at });
        }
    }

    pub(super) fn proof(&mut self, id: LinkId, proof: Proof) {
        let place = proof.a.header.first.min(proof.b.header.first);
        let origin = proof.a.header.origin;
        if self.fork_place(&origin).is_some_and(|ours| ours <= place) {
            return;
        }
        if self.members.contains_key(&origin.node) {
            self.output.push_back(Output::CheckProof { link: id, raw: Box::new(RawProof(proof)) });
        } else if self.member_checks.contains(&origin.node) && self.early_proofs.len() < MAX_SUSPECTS {
            self.early_proofs.push((id, proof));
        }
    }

    /// An author was admitted: proofs against it that came while its certificate was being checked go on.
    pub(super) fn admit_proofs(&mut self) {
        for (id, proof) in core::mem::take(&mut self.early_proofs) {
            self.proof(id, proof);
        }
    }

    /// Sends a proof, behind its author's certificate.
    pub(super) fn send_proof(&mut self, id: LinkId, proof: &VerifiedProof) {
        self.introduce(id, proof.origin());
        self.send(id, &Frame::Proof(*proof.proof()));
    }

    pub(super) fn proof_verdict(&mut self, id: LinkId, verdict: Option<Box<VerifiedProof>>) {
        match verdict {
            Some(proof) => self.take_proof(*proof, Some(id)),
            None => self.misbehaved(id, "a proof that proves nothing"),
        }
    }

    pub(super) fn fork_place(&self, origin: &Origin) -> Option<Seq> {
        self.chains.get(origin).and_then(|chain| chain.fork.as_ref()).map(VerifiedProof::place)
    }

    /// Takes a proof, if it is the first or its place lower, and passes it on.
    pub(super) fn take_proof(&mut self, proof: VerifiedProof, from: Option<LinkId>) {
        let (origin, place) = (proof.origin(), proof.place());
        let room = self.chains.get(&origin).is_some() || self.chains.len() < self.config.max_origins;
        if !room || self.fork_place(&origin).is_some_and(|ours| ours <= place) {
            return;
        }
        self.set_fork(proof);
        bump(&mut self.stats.proofs, 1);
        self.keep(Keep::Proof(Box::new(proof)));
        self.event(Event::Equivocation { origin, place });
        if origin == self.author.origin {
            self.new_incarnation("our chain has two branches");
        }
        let links: Vec<_> = self.links.keys().copied().filter(|id| Some(*id) != from).collect();
        for id in links {
            self.send_proof(id, &proof);
        }
    }
}

/// Of a bundle that the store has: it was checked when it came.
fn signed_header_of(raw: &RawBundle) -> Option<SignedHeader> {
    let view = rumormill_wire::native::BundleView::parse(raw.bytes()).ok()?;
    let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
    Some(SignedHeader { header: *view.header(), body, signature: *view.signature() })
}
