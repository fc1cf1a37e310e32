//! Where two branches of one chain part (docs/protocol.md, E).
//!
//! Two branches show themselves as a bundle that overlaps ours, one whose "previous" is not our head, or a STATUS with our number and
//! another head. From there [`Search`] walks down, a bundle of each branch at a time, to where they part, so that all nodes end with the
//! same place. It is a machine of its own: it knows no chains, no store and no links, only headers that were checked. It has no timer: a
//! search that stands still ends with the next comparison, or makes room for another.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use rumormill_wire::native::{BundleHeader, SignedHeader};
use rumormill_wire::{NodeId, Origin, Seq};

use crate::io::{LinkId, Timestamp};
use crate::proof::{VerifiedProof, from_checked, is_lowest};

/// Searches at once for all neighbours, and for each whatever the others do; over this, a fork is found at a later
/// comparison.
const MAX_SEARCHES: usize = 64;
const SEARCH_SHARE: usize = 4;

/// A neighbour that has not led a search to its end after so long makes room for another, in microseconds.
const SEARCH_US: u64 = 2_000_000;

/// That two branches differ, as it was seen.
#[derive(Debug, Clone, Copy)]
pub struct Difference {
    /// The chain that has two branches.
    pub origin: Origin,
    /// At which number at the latest.
    pub at: Seq,
    /// Our bundle that holds it, if it is at hand.
    pub ours: Option<SignedHeader>,
    /// The bundle of the other branch that holds it, if its header is at hand.
    pub theirs: Option<SignedHeader>,
    /// Who has the other branch.
    pub link: LinkId,
    /// The node on that link.
    pub peer: NodeId,
    /// A fork of this chain has been proven already: only a lower place is of use.
    pub proven: bool,
}

/// What the machine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// Two branches differ. Begins a search, or moves one on.
    Differs(Box<Difference>),
    /// The answer to [`Output::LookUp`].
    Ours {
        /// The chain that was looked in.
        origin: Origin,
        /// The number asked for.
        at: Seq,
        /// Our bundle that holds it, if there is one.
        bundle: Option<SignedHeader>,
    },
    /// A fork of this chain is proven now.
    Proven(Origin),
    /// A neighbour is gone: what a search with it has found counts.
    LinkDown(LinkId),
    /// A comparison begins: searches that stand still end.
    Comparison,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Look up our own bundle that holds this number, and answer with [`Input::Ours`].
    LookUp {
        /// The chain to look in.
        origin: Origin,
        /// A number that the bundle holds.
        at: Seq,
        /// The neighbour that it is looked up for.
        link: LinkId,
    },
    /// Ask this neighbour for its bundle that holds this number.
    Ask {
        /// The neighbour that has the other branch.
        link: LinkId,
        /// The chain that it is of.
        origin: Origin,
        /// A number that the bundle holds.
        at: Seq,
    },
    /// A proof, and the neighbour that led to it.
    Found {
        /// What was found, checked: no need to check it again.
        proof: Box<VerifiedProof>,
        /// The neighbour that the search was led with.
        link: LinkId,
    },
    /// Searches with this neighbour were not begun for want of room, and all of its others have ended: a comparison shows what is left.
    Room(LinkId),
}

/// How far the search for one origin has come.
#[derive(Debug, Clone, Copy)]
struct Step {
    seen: Difference,
    since: Timestamp,
    /// The lowest proof so far, unless it was the first: steps on the way are nobody else's business.
    found: Option<VerifiedProof>,
}

/// All searches, bounded for all together and for each neighbour.
#[derive(Debug, Default)]
pub struct Search {
    by_origin: BTreeMap<Origin, Step>,
    /// Searches that were not begun for want of room.
    full: u64,
    /// With whom, until there is room for them; one a link, so bounded by the links.
    waiting: BTreeMap<LinkId, NodeId>,
    output: VecDeque<Output>,
}

impl Search {
    /// Takes what happened; what is to be done about it comes from [`Search::poll_output`].
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Differs(seen) => self.differs(now, *seen),
            Input::Ours { origin, at, bundle } => self.ours(origin, at, bundle),
            Input::Proven(origin) => {
                if let Some(step) = self.by_origin.get_mut(&origin) {
                    step.seen.proven = true;
                }
            }
            Input::LinkDown(link) => {
                self.waiting.remove(&link);
                self.end_those(|step| step.seen.link == link);
            }
            Input::Comparison => self.end_those(|step| now.since(step.since) >= SEARCH_US),
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Whether a search waits for this bundle of the other branch.
    #[must_use]
    pub fn wants(&self, header: &BundleHeader) -> bool {
        let step = self.by_origin.get(&header.origin);
        step.is_some_and(|step| step.seen.theirs.is_none() && holds(header, step.seen.at))
    }

    /// Whether a search for this chain is under way.
    #[must_use]
    pub fn is_searching(&self, origin: &Origin) -> bool {
        self.by_origin.contains_key(origin)
    }

    /// Searches under way, one an origin.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_origin.len()
    }

    /// Whether no search is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_origin.is_empty()
    }

    /// Searches that were not begun because too many were under way.
    #[must_use]
    pub const fn full(&self) -> u64 {
        self.full
    }

    fn differs(&mut self, now: Timestamp, seen: Difference) {
        let old = self.by_origin.get(&seen.origin);
        let better = old.is_none_or(|old| {
            let stands = old.seen.link != seen.link && now.since(old.since) >= SEARCH_US;
            seen.at < old.seen.at || (seen.at == old.seen.at && seen.theirs.is_some()) || stands
        });
        if !better {
            return;
        }
        if old.is_none() && !self.has_room(&seen.peer) {
            self.full = self.full.saturating_add(1);
            self.waiting.insert(seen.link, seen.peer);
            return;
        }
        let found = old.and_then(|old| old.found);
        let ours = seen.ours.or_else(|| old.and_then(|old| old.seen.ours));
        let proven = seen.proven || old.is_some_and(|old| old.seen.proven);
        self.by_origin.insert(seen.origin, Step { seen: Difference { ours, proven, ..seen }, since: now, found });
        self.walk(seen.origin);
    }

    fn has_room(&self, peer: &NodeId) -> bool {
        self.len() < MAX_SEARCHES || self.of_peer(peer) < SEARCH_SHARE
    }

    fn of_peer(&self, peer: &NodeId) -> usize {
        self.by_origin.values().filter(|step| step.seen.peer == *peer).count()
    }

    /// One of this neighbour's searches has ended. The last one lets those begin that found no room.
    fn let_in(&mut self, peer: &NodeId) {
        if !self.waiting.is_empty() && self.of_peer(peer) == 0 {
            let output = &mut self.output;
            self.waiting.retain(|link, of| {
                if of == peer {
                    output.push_back(Output::Room(*link));
                }
                of != peer
            });
        }
    }

    fn ours(&mut self, origin: Origin, at: Seq, bundle: Option<SignedHeader>) {
        let waits = |step: &&mut Step| step.seen.at == at && step.seen.ours.is_none();
        let Some(step) = self.by_origin.get_mut(&origin).filter(waits) else { return };
        step.seen.ours = bundle.filter(|bundle| holds(&bundle.header, at));
        if step.seen.ours.is_none() {
            return self.end(origin);
        }
        self.walk(origin);
    }

    /// As far down as what is at hand leads.
    fn walk(&mut self, origin: Origin) {
        while let Some(step) = self.by_origin.get_mut(&origin) {
            let seen = &mut step.seen;
            seen.ours = seen.ours.filter(|ours| holds(&ours.header, seen.at));
            seen.theirs = seen.theirs.filter(|theirs| holds(&theirs.header, seen.at));
            let (at, link) = (seen.at, seen.link);
            let Some(ours) = seen.ours else {
                return self.output.push_back(Output::LookUp { origin, at, link });
            };
            let Some(theirs) = seen.theirs else {
                return self.output.push_back(Output::Ask { link, origin, at });
            };
            let Some(proof) = from_checked(ours, theirs) else { return self.end(origin) };
            if seen.proven {
                step.found = Some(proof);
            } else {
                // The first is news to everybody, wherever the search leads.
                seen.proven = true;
                self.output.push_back(Output::Found { proof: Box::new(proof), link });
            }
            let place = ours.header.first.min(theirs.header.first);
            let below = if ours.header.first == theirs.header.first { place.0.saturating_sub(1) } else { place.0 };
            seen.at = Seq(below);
            if is_lowest(&ours, &theirs) || below == 0 {
                return self.end(origin);
            }
        }
    }

    /// A search led to its end, or leads no further: what it found counts.
    fn end(&mut self, origin: Origin) {
        let Some(step) = self.by_origin.remove(&origin) else { return };
        if let Some(proof) = step.found {
            self.output.push_back(Output::Found { proof: Box::new(proof), link: step.seen.link });
        }
        self.let_in(&step.seen.peer);
    }

    fn end_those(&mut self, ends: impl Fn(&Step) -> bool) {
        let ending: Vec<_> = self.by_origin.iter().filter(|(_, step)| ends(step)).map(|(origin, _)| *origin).collect();
        ending.into_iter().for_each(|origin| self.end(origin));
    }
}

fn holds(header: &BundleHeader, at: Seq) -> bool {
    header.first <= at && at < header.next()
}
