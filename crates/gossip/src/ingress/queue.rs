//! Bundles on their way through the verifier (docs/protocol.md, B).
//!
//! They are keyed by place, and one copy of a place is checked at a time: another copy waits for the verdict, so a
//! forgery cannot suppress the true one, and a copy with the same bytes costs nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rumormill_wire::{NodeId, Origin, Seq};

use crate::bundle::{RawBundle, VerifiedBundle};
use crate::io::{CheckId, LinkId};

/// Different copies kept for one place.
pub const MAX_COPIES: usize = 4;
/// Links remembered for one copy.
pub const MAX_SENDERS: usize = 16;
/// Copies that a neighbour may always have here, however many others have.
pub const SHARE: usize = 32;

/// Who sent a copy: the link, the number of the RUMOR frame on it, its length, whether a STATUS is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// The link that brought it.
    pub link: LinkId,
    /// Who is at its other end.
    pub peer: NodeId,
    /// The frame's number among the link's RUMOR frames.
    pub ordinal: u64,
    /// The frame's bytes.
    pub bytes: usize,
    /// Whether the frame asked for a STATUS.
    pub want_status: bool,
}

/// Why a bundle is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To join its chain.
    Chain,
    /// Because it overlaps what we have: evidence of a fork, if it holds.
    Evidence,
}

/// How far a copy has come.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Waits for the author's certificate or for the verdict on another copy.
    Waiting,
    /// Given to the verifier, whose verdict is due.
    Running,
    /// It holds, and waits for its predecessor.
    Done(Arc<VerifiedBundle>),
}

/// One copy of a bundle, told from others of its place by its bytes.
#[derive(Debug, Clone)]
pub struct QueuedCopy {
    /// The bundle as it came; only its head was looked at.
    pub raw: RawBundle,
    /// All who sent these bytes, [`MAX_SENDERS`] at most, the first in front: the verdict concerns all of them.
    pub senders: Vec<Sender>,
    /// What it is checked for; so also what a good verdict leads to.
    pub purpose: Purpose,
    /// Its author belongs to the network; before that it is not run.
    pub admitted: bool,
    /// Where it stands now. Of one place, one copy at a time is run.
    pub progress: Progress,
}

/// What became of a copy handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// The same bytes are here already; the sender was added.
    Joined,
    /// It waits behind another copy of this place.
    Waits,
    /// It is the first of its place: to be run.
    First(CheckId),
    /// There is no room.
    Full,
}

/// All copies that are checked or wait, by their places.
#[derive(Debug, Default)]
pub struct VerifyQueue {
    limit: usize,
    last_id: u64,
    copies: BTreeMap<CheckId, QueuedCopy>,
    /// Copies by who sent them first.
    by_peer: BTreeMap<NodeId, usize>,
    places: BTreeMap<(Origin, Seq), VecDeque<CheckId>>,
}

impl VerifyQueue {
    /// Room for so many, and for [`SHARE`] of each neighbour.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Hands in a copy, with whether its author belongs to the network.
    pub fn enter(&mut self, raw: RawBundle, sender: Sender, purpose: Purpose, admitted: bool) -> Entered {
        let place = (raw.header().origin, raw.header().first);
        let ids = self.places.entry(place).or_default();
        for id in ids.iter() {
            if let Some(copy) = self.copies.get_mut(id)
                && copy.raw.bytes() == raw.bytes()
                && copy.senders.len() < MAX_SENDERS
            {
                copy.senders.push(sender);
                return Entered::Joined;
            }
        }
        let held = self.by_peer.get(&sender.peer).copied().unwrap_or(0);
        let room = self.copies.len() < self.limit || held < SHARE.min(self.limit);
        if ids.len() >= MAX_COPIES || !room {
            if ids.is_empty() {
                self.places.remove(&place);
            }
            return Entered::Full;
        }
        self.last_id = self.last_id.saturating_add(1);
        let id = CheckId(self.last_id);
        ids.push_back(id);
        let first = ids.len() == 1;
        self.by_peer.insert(sender.peer, held.saturating_add(1));
        self.copies
            .insert(id, QueuedCopy { raw, senders: vec![sender], purpose, admitted, progress: Progress::Waiting });
        if first { Entered::First(id) } else { Entered::Waits }
    }

    /// A copy that is here still.
    #[must_use]
    pub fn get(&self, id: CheckId) -> Option<&QueuedCopy> {
        self.copies.get(&id)
    }

    /// One copy, to change.
    pub fn get_mut(&mut self, id: CheckId) -> Option<&mut QueuedCopy> {
        self.copies.get_mut(&id)
    }

    /// The number after the unbroken run of copies that starts at `from`.
    #[must_use]
    pub fn run_end(&self, origin: Origin, from: Seq) -> Seq {
        let mut end = from;
        while let Some(copy) = self.front(origin, end) {
            end = copy.raw.header().next();
        }
        end
    }

    /// Whether a copy of this place is here.
    #[must_use]
    pub fn has_place(&self, origin: Origin, first: Seq) -> bool {
        self.places.contains_key(&(origin, first))
    }

    /// Whether a copy of this origin is here.
    #[must_use]
    pub fn has_origin(&self, origin: Origin) -> bool {
        self.places.range((origin, Seq(0))..=(origin, Seq(u64::MAX))).next().is_some()
    }

    fn front(&self, origin: Origin, first: Seq) -> Option<&QueuedCopy> {
        let id = self.places.get(&(origin, first))?.front()?;
        self.copies.get(id)
    }

    /// The copy of this place that holds and whose turn it is, if its verdict is in.
    #[must_use]
    pub fn done_at(&self, origin: Origin, first: Seq) -> Option<(CheckId, Arc<VerifiedBundle>)> {
        let id = *self.places.get(&(origin, first))?.front()?;
        match &self.copies.get(&id)?.progress {
            Progress::Done(bundle) => Some((id, Arc::clone(bundle))),
            _ => None,
        }
    }

    /// The copy at the lowest place of this origin, if it holds.
    #[must_use]
    pub fn done_lowest(&self, origin: Origin) -> Option<(CheckId, Arc<VerifiedBundle>)> {
        let (_, ids) = self.places.range((origin, Seq(0))..=(origin, Seq(u64::MAX))).next()?;
        let id = *ids.front()?;
        match &self.copies.get(&id)?.progress {
            Progress::Done(bundle) => Some((id, Arc::clone(bundle))),
            _ => None,
        }
    }

    /// Takes a copy out. Its place's next copy, if there is one, is to be run.
    pub fn remove(&mut self, id: CheckId) -> Option<(QueuedCopy, Option<CheckId>)> {
        let copy = self.copies.remove(&id)?;
        if let Some(peer) = copy.senders.first().map(|sender| sender.peer)
            && let Some(held) = self.by_peer.get_mut(&peer)
        {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_peer.remove(&peer);
            }
        }
        let place = (copy.raw.header().origin, copy.raw.header().first);
        let next = self.places.get_mut(&place).and_then(|ids| {
            ids.retain(|other| *other != id);
            ids.front().copied()
        });
        if next.is_none() {
            self.places.remove(&place);
        }
        let next = next.filter(|id| self.copies.get(id).is_some_and(|c| matches!(c.progress, Progress::Waiting)));
        Some((copy, next))
    }

    /// The copies of an origin that hold but whose place is no longer wanted: they start below `wanted`, or above it
    /// with no run that leads there.
    #[must_use]
    pub fn stale(&self, origin: Origin, wanted: Seq) -> Vec<CheckId> {
        let end = self.run_end(origin, wanted);
        self.places
            .range((origin, Seq(0))..=(origin, Seq(u64::MAX)))
            .filter(|((_, first), _)| *first < wanted || *first >= end)
            .flat_map(|(_, ids)| ids.iter().copied())
            .filter(|id| self.copies.get(id).is_some_and(|c| matches!(c.progress, Progress::Done(_))))
            .collect()
    }

    fn of_node(&self, node: &NodeId) -> impl Iterator<Item = &VecDeque<CheckId>> {
        let low = Origin { node: *node, ..Origin::MIN };
        let high = Origin { node: *node, ..Origin::MAX };
        self.places.range((low, Seq(0))..=(high, Seq(u64::MAX))).map(|(_, ids)| ids)
    }

    /// The copies that wait at the front of their places for this author's certificate.
    #[must_use]
    pub fn waiting_for(&self, node: &NodeId) -> Vec<CheckId> {
        let fronts = self.of_node(node).filter_map(|ids| ids.front().copied());
        fronts.filter(|id| self.copies.get(id).is_some_and(|c| matches!(c.progress, Progress::Waiting))).collect()
    }

    /// This author belongs to the network.
    pub fn admit(&mut self, node: &NodeId) {
        let all: Vec<_> = self.of_node(node).flatten().copied().collect();
        for id in all {
            if let Some(copy) = self.copies.get_mut(&id) {
                copy.admitted = true;
            }
        }
    }

    /// How many copies are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Whether none is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::BundleHeader;
    use rumormill_wire::{Digest, Incarnation};

    use super::*;

    #[test]
    fn each_neighbour_keeps_a_share_whatever_the_others_send() {
        let mut checks = VerifyQueue::new(100);
        let enter = |checks: &mut VerifyQueue, n: u64, peer: u8| {
            let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(n) };
            let header = BundleHeader { origin, first: Seq::FIRST, count: 1, previous: Digest::ZERO };
            let raw = RawBundle::from_parts(header, bytes::Bytes::new());
            let link = LinkId(n % 3);
            let sender = Sender { link, peer: NodeId([peer; 32]), ordinal: n, bytes: 0, want_status: false };
            checks.enter(raw, sender, Purpose::Chain, true)
        };
        let taken = |entered: &Entered| matches!(entered, Entered::First(_));
        let greedy: Vec<_> = (0..300).map(|n| enter(&mut checks, n, 1)).filter(taken).collect();
        assert_eq!(greedy.len(), 100, "on all its links together");
        assert_eq!((300..600).map(|n| enter(&mut checks, n, 2)).filter(taken).count(), SHARE);
        for entered in greedy {
            if let Entered::First(id) = entered {
                checks.remove(id);
            }
        }
        assert_eq!((600..900).map(|n| enter(&mut checks, n, 1)).filter(taken).count(), 100 - SHARE);
        assert_eq!(checks.len(), 100);
    }
}
