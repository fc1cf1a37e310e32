//! What passes through a node whose store is full: bundles that are checked and given to those who lack them, and not kept
//! (docs/protocol.md, P-S8).
//!
//! Its memory is bounded, and shared by authors: whoever has most there loses first, so that one who writes much takes
//! nothing from others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rumormill_wire::{Clock, Digest, NodeId, Origin, Seq};

use crate::bundle::VerifiedBundle;
use crate::chain::End;
use crate::shared_map::SharedMap;

/// Origins whose place is remembered, so that nothing passes twice.
pub const MAX_HEADS: usize = 4_096;

/// Up to where an origin has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number after the last bundle.
    pub next: Seq,
    /// The digest of that bundle; zero if there is none.
    pub digest: Digest,
    /// Clock of its last message.
    pub last_clock: Clock,
}

impl Head {
    /// Behind this end of a chain.
    #[must_use]
    pub const fn of(end: &End) -> Self {
        Self { next: end.next, digest: end.digest, last_clock: end.last_clock }
    }
}

#[derive(Debug, Default)]
struct AuthorShare {
    bytes: usize,
    order: VecDeque<(Origin, Seq, usize)>,
}

/// An author that has nothing is in no order.
fn move_to(order: &mut BTreeSet<(usize, NodeId)>, node: NodeId, from: usize, to: usize) {
    if from != to {
        order.remove(&(from, node));
        if to > 0 {
            order.insert((to, node));
        }
    }
}

/// The places and the recent bundles.
#[derive(Debug)]
pub struct Passing {
    limit: usize,
    bytes: usize,
    heads: SharedMap<Head>,
    bundles: BTreeMap<(Origin, Seq), Arc<VerifiedBundle>>,
    shares: BTreeMap<NodeId, AuthorShare>,
    /// Authors by their bytes: the last one has most.
    by_bytes: BTreeSet<(usize, NodeId)>,
}

impl Passing {
    /// Room for about so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            heads: SharedMap::default(),
            bundles: BTreeMap::new(),
            shares: BTreeMap::new(),
            by_bytes: BTreeSet::new(),
        }
    }

    /// Up to where this origin has passed, if it has.
    #[must_use]
    pub fn head(&self, origin: &Origin) -> Option<&Head> {
        self.heads.get(origin)
    }

    /// This origin has passed up to here.
    pub fn set_head(&mut self, origin: Origin, head: Head) {
        self.heads.put_anyway(origin, head, MAX_HEADS);
    }

    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut AuthorShare)) {
        let share = self.shares.entry(node).or_default();
        let before = share.bytes;
        change(share);
        move_to(&mut self.by_bytes, node, before, share.bytes);
        if share.order.is_empty() {
            self.shares.remove(&node);
        }
    }

    /// A bundle passes.
    pub fn take(&mut self, bundle: Arc<VerifiedBundle>) {
        let header = *bundle.header();
        let (origin, bytes) = (header.origin, bundle.bytes().len());
        self.set_head(origin, Head::of(&End::after(&bundle)));
        if self.bundles.insert((origin, header.first), bundle).is_none() {
            self.change(origin.node, |share| {
                share.bytes = share.bytes.saturating_add(bytes);
                share.order.push_back((origin, header.first, bytes));
            });
            self.bytes = self.bytes.saturating_add(bytes);
        }
        while self.bytes > self.limit {
            let Some((_, node)) = self.by_bytes.last().copied() else { return };
            let Some((origin, first, bytes)) = self.shares.get_mut(&node).and_then(|share| share.order.pop_front())
            else {
                return;
            };
            self.bundles.remove(&(origin, first));
            self.bytes = self.bytes.saturating_sub(bytes);
            self.change(node, |share| share.bytes = share.bytes.saturating_sub(bytes));
        }
    }

    /// The first bundle of this origin that is here and ends behind `at`.
    #[must_use]
    pub fn from(&self, origin: Origin, at: Seq) -> Option<&Arc<VerifiedBundle>> {
        let before = self.bundles.range((origin, Seq(0))..=(origin, at)).next_back();
        let holds = before.filter(|(_, bundle)| bundle.header().next() > at);
        let after = || self.bundles.range((origin, at)..=(origin, Seq(u64::MAX))).next();
        holds.or_else(after).map(|(_, bundle)| bundle)
    }

    /// Origins with a place, bytes of bundles.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.heads.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::{BundleBuilder, MessageKind};
    use rumormill_wire::{Incarnation, NetworkId};

    use super::*;
    use crate::bundle::seal;
    use crate::test_signers::Anybody;

    fn origin(node: u8, incarnation: u64) -> Origin {
        Origin { node: NodeId([node; 32]), incarnation: Incarnation(incarnation) }
    }

    fn bundle(origin: Origin, first: u64, len: usize) -> Arc<VerifiedBundle> {
        let mut builder = BundleBuilder::new(origin, Seq(first), Digest([u8::from(first > 1); 32]));
        builder.push(Clock(first), MessageKind::CHAT, "", &vec![b'x'; len]).unwrap();
        seal(builder, Clock(first), &Anybody(origin.node), &NetworkId([0; 32]))
    }

    #[test]
    fn whoever_has_most_loses_first() {
        let mut passing = Passing::new(20_000);
        passing.take(bundle(origin(1, 1), 1, 100));
        for n in 1..200 {
            passing.take(bundle(origin(2, 1), n, 1_000));
        }
        assert!(passing.from(origin(1, 1), Seq(1)).is_some(), "one that writes much took another's place");
        assert!(passing.sizes().1 <= 20_000);
        assert_eq!(
            passing.from(origin(2, 1), Seq(1)).map(|b| b.header().first > Seq(150)),
            Some(true),
            "the newest stay"
        );
        assert_eq!(passing.head(&origin(2, 1)).map(|head| head.next), Some(Seq(200)));
    }

    #[test]
    fn one_author_with_many_incarnations_takes_no_other_place() {
        let mut passing = Passing::new(0);
        passing.take(bundle(origin(1, 1), 1, 1));
        for n in 0..=u64::try_from(MAX_HEADS).unwrap() {
            passing.take(bundle(origin(2, n), 1, 1));
        }
        assert_eq!(passing.sizes(), (MAX_HEADS, 0));
        assert!(passing.head(&origin(1, 1)).is_some());
        assert!(passing.head(&origin(2, 0)).is_none(), "its own oldest goes");
    }
}
