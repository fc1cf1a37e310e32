//! Equivocation: found, proved, contained (docs/protocol.md, E).
//!
//! Two branches show themselves as a bundle that overlaps ours, one whose "previous" is not our head, or a STATUS with our
//! number and another head. From there the search walks down, a bundle of each branch at a time, to where they part, so
//! that all nodes end with the same place.

use rumormill_wire::native::{BundleHeader, Frame, Proof, RangeRequest, SignedHeader};
use rumormill_wire::{Digest, Origin, Seq};

use super::Engine;
use super::suspect::Suspect;
use crate::bundle::{RawBundle, VerifiedBundle, bundle_digest};
use crate::io::{LinkId, Output};
use crate::proof::{from_checked, is_lowest};
use crate::stats::bump;

/// Searches at once for all neighbours, and for each whatever the others do; over this, a fork is found at a later
/// comparison.
const MAX_SEARCHES: usize = 64;
const SEARCH_SHARE: usize = 4;

/// A neighbour that has not led a search to its end after so long makes room for another.
const SEARCH_US: u64 = 2_000_000;

/// Bundles looked up at once to learn what ended chains show.
const MAX_LOOK_UPS: usize = 16;

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
        self.suspect(origin, id, Seq(at), ours, None);
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
            self.suspect(origin, id, head.header.first, Some(head), None);
        } else {
            self.suspect(origin, id, theirs.header.first, None, Some(theirs));
        }
    }

    fn suspect(
        &mut self,
        origin: Origin,
        link: LinkId,
        at: Seq,
        ours: Option<SignedHeader>,
        theirs: Option<SignedHeader>,
    ) {
        let old = self.suspects.get(&origin);
        let better = old.is_none_or(|old| {
            let stands = old.link != link && self.now.since(old.since) >= SEARCH_US;
            at < old.at || (at == old.at && theirs.is_some()) || stands
        });
        if !better {
            return;
        }
        if old.is_none() && !self.room_to_search(link) {
            return bump(&mut self.stats.searches_full, 1);
        }
        let found = old.and_then(|old| old.found);
        self.suspects.insert(origin, Suspect { at, ours, theirs, link, since: self.now, found });
        self.search(origin);
    }

    fn room_to_search(&self, link: LinkId) -> bool {
        let peer = self.peer(link);
        let of_peer = self.suspects.values().filter(|s| self.peer(s.link) == peer).count();
        (self.suspects.len() < MAX_SEARCHES || of_peer < SEARCH_SHARE) && !self.lists_are_over(link)
    }

    fn search(&mut self, origin: Origin) {
        while let Some(mut s) = self.suspects.get(&origin).copied() {
            s.ours = s.ours.filter(|h| holds(&h.header, s.at));
            s.theirs = s.theirs.filter(|h| holds(&h.header, s.at));
            self.suspects.insert(origin, s);
            let Some(ours) = s.ours.or_else(|| self.cached(origin, s.at)) else {
                self.charge_search(s.link);
                self.output.push_back(Output::LookUp { origin, at: s.at });
                return;
            };
            let Some(theirs) = s.theirs else {
                let until = Seq(s.at.0.saturating_add(1));
                self.send(s.link, &Frame::Range(RangeRequest { origin, from: s.at, until }));
                return;
            };
            let Some(proof) = from_checked(ours, theirs) else { return self.end_search(origin) };
            if self.fork_place(&origin).is_none() {
                self.take_proof(proof, Some(s.link));
            } else {
                s.found = Some(proof);
            }
            let place = ours.header.first.min(theirs.header.first);
            let below = if ours.header.first == theirs.header.first { place.0.saturating_sub(1) } else { place.0 };
            self.suspects.insert(origin, Suspect { at: Seq(below), ..s });
            if is_lowest(&ours, &theirs) || below == 0 {
                return self.end_search(origin);
            }
        }
    }

    /// A search led to its end, or leads no further: what it found counts.
    fn end_search(&mut self, origin: Origin) {
        let Some(Suspect { found: Some(proof), link, .. }) = self.suspects.remove(&origin) else { return };
        self.take_proof(proof, Some(link));
    }

    /// The searches with a neighbour that is gone, or that have stood still.
    pub(super) fn end_searches(&mut self, gone: Option<LinkId>) {
        let ends = |s: &Suspect| gone.map_or(self.now.since(s.since) >= SEARCH_US, |link| s.link == link);
        for origin in self.suspects.iter().filter(|(_, s)| ends(s)).map(|(origin, _)| *origin).collect::<Vec<_>>() {
            self.end_search(origin);
        }
    }

    pub(super) fn looked_up(&mut self, origin: Origin, at: Seq, bundle: Option<&RawBundle>) {
        let ours = bundle.and_then(signed_header_of);
        self.look_before(origin, at, ours);
        let Some(suspect) = self.suspects.get_mut(&origin).filter(|s| s.at == at && s.ours.is_none()) else { return };
        suspect.ours = ours;
        if suspect.ours.is_none() {
            return self.end_search(origin);
        }
        self.search(origin);
    }

    /// Looks up what ended chains show, a few at a time: the store's queue is short.
    pub(super) fn look_up_more(&mut self) {
        while self.looking_up.len() < MAX_LOOK_UPS {
            let Some((origin, at)) = self.chains.take_unread() else { return };
            match self.cached(origin, at) {
                Some(ours) => self.look_before(origin, at, Some(ours)),
                None if self.looking_up.insert((origin, at)) => self.output.push_back(Output::LookUp { origin, at }),
                None => {}
            }
        }
    }

    /// What the store cannot give yet is in the cache.
    fn cached(&self, origin: Origin, at: Seq) -> Option<SignedHeader> {
        self.cache.holding(origin, at).map(|bundle| *bundle.signed_header())
    }

    /// A store that gave nothing is asked again with the next comparison.
    pub(super) fn look_up_again(&mut self) {
        for origin in core::mem::take(&mut self.unfound) {
            self.chains.read_again(origin);
        }
    }

    /// Our own bundle before the end of a chain: that is what its entry shows (P-S7). If it reaches beyond the place of a
    /// fork it contradicts one of the two.
    fn look_before(&mut self, origin: Origin, at: Seq, ours: Option<SignedHeader>) {
        self.looking_up.remove(&(origin, at));
        let Some(chain) = self.chains.get(&origin) else { return };
        let Some(limit) = chain.limit().filter(|limit| limit.0.checked_sub(1) == Some(at.0)) else { return };
        let Some(ours) = ours else {
            self.unfound.insert(origin);
            return;
        };
        let fork = chain.fork.as_deref().map(|fork| *fork.proof()).filter(|_| ours.header.next() > limit);
        let head = bundle_digest(&ours.header, &ours.body).head();
        self.chains.update(origin, |chain| chain.before = Some((limit, head)));
        let lower = fork.and_then(|Proof { a, b }| from_checked(ours, a).or_else(|| from_checked(ours, b)));
        if let Some(proof) = lower {
            self.take_proof(proof, None);
        }
    }
}

/// Of a bundle that the store has: it was checked when it came.
fn signed_header_of(raw: &RawBundle) -> Option<SignedHeader> {
    let view = rumormill_wire::native::BundleView::parse(raw.bytes()).ok()?;
    let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
    Some(SignedHeader { header: *view.header(), body, signature: *view.signature() })
}
