//! One chain for each origin, and the frontier over all of them (docs/protocol.md, B and S).

use core::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rumormill_wire::native::{EntryState, SignedHeader, StatusEntry};
use rumormill_wire::{Clock, Digest, HeadHash, NodeId, Origin, Seq};

use crate::bundle::{VerifiedBundle, bundle_digest};
use crate::frontier::{Fingerprint, bucket_range, entry_hash};
use crate::proof::VerifiedProof;
use crate::reconcile::{Parts, Summary, Whole};

/// The end of a chain: what the next bundle is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The number wanted next.
    pub next: Seq,
    /// The bundle that ends there; nothing for an empty chain.
    pub head: Option<SignedHeader>,
    /// Its digest; zero for an empty chain.
    pub digest: Digest,
    /// Clock of its last message.
    pub last_clock: Clock,
}

impl End {
    /// The end of a chain of which nothing is here: its first bundle may join.
    pub const EMPTY: Self = Self { next: Seq::FIRST, head: None, digest: Digest::ZERO, last_clock: Clock(0) };

    /// The end of a chain whose last bundle this is.
    #[must_use]
    pub fn after(bundle: &VerifiedBundle) -> Self {
        let signed = *bundle.signed_header();
        Self {
            next: signed.header.next(),
            head: Some(signed),
            digest: bundle.digest(),
            last_clock: bundle.last_clock(),
        }
    }
}

/// What the engine knows of one origin's bundles; the bundles themselves are in the store.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The number wanted next.
    pub next: Seq,
    /// The last bundle, as evidence and as predecessor.
    pub head: Option<SignedHeader>,
    /// Its digest; zero for an empty chain.
    pub digest: Digest,
    /// Clock of the last message.
    pub last_clock: Clock,
    /// The lowest number kept.
    pub kept: Seq,
    /// The proof of a fork, if one is known; the lowest place wins.
    pub fork: Option<Box<VerifiedProof>>,
    /// The digest of our bundle that holds the number before a limit, with that limit: what an ended chain shows.
    pub before: Option<(Seq, HeadHash)>,
    /// The first number that a revocation leaves out.
    pub cut: Option<Seq>,
    /// What its author signed as the next bundle with a clock that does not rise (P-B11).
    pub set_back: Option<Box<SignedHeader>>,
    /// Of the line that the fingerprint holds.
    hash: Cell<Option<[u8; 32]>>,
}

impl Chain {
    const fn empty() -> Self {
        Self {
            next: Seq::FIRST,
            head: None,
            digest: Digest::ZERO,
            last_clock: Clock(0),
            kept: Seq::FIRST,
            fork: None,
            before: None,
            cut: None,
            set_back: None,
            hash: Cell::new(None),
        }
    }

    /// The first number that does not count: the place of a fork or the cut of a revocation.
    #[must_use]
    pub fn limit(&self) -> Option<Seq> {
        let place = self.fork.as_ref().map(|fork| fork.place());
        match (place, self.cut) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What the next bundle has to fit, whether it counts or not.
    #[must_use]
    pub const fn end(&self) -> End {
        End { next: self.next, head: self.head, digest: self.digest, last_clock: self.last_clock }
    }

    /// The number wanted next as others should see it: never beyond the limit.
    #[must_use]
    pub fn wanted(&self) -> Seq {
        self.limit().map_or(self.next, |limit| limit.min(self.next))
    }

    /// Of an ended chain, the number before its limit, while it is not known which bundle of ours holds that.
    fn unread(&self) -> Option<Seq> {
        let limit = self.limit().filter(|limit| *limit > Seq::FIRST && self.next > *limit)?;
        let known = self.before.is_some_and(|(at, _)| at == limit);
        (!known).then_some(Seq(limit.0.saturating_sub(1)))
    }

    /// What an ended chain shows in place of its head (P-S7): nodes on two branches do not look alike, and search on.
    fn ended_head(&self, limit: Seq) -> HeadHash {
        if self.next == limit {
            return self.digest.head();
        }
        self.before.filter(|(at, _)| *at == limit).map_or(HeadHash::ZERO, |(_, head)| head)
    }

    /// This chain's line in an answer about it. One without messages has none.
    #[must_use]
    pub fn entry(&self, origin: Origin) -> Option<StatusEntry> {
        let ended = self.limit().filter(|limit| self.next >= *limit);
        let (next, head, state) = match ended {
            Some(limit) => (limit, self.ended_head(limit), EntryState::Forked),
            None => (self.next, self.digest.head(), EntryState::Normal),
        };
        (self.next > Seq::FIRST).then_some(StatusEntry { origin, next, head, kept: self.kept, state })
    }

    /// This chain's line in the frontier (P-E3): what was withdrawn from the first message on looks like what was never
    /// there.
    #[must_use]
    pub fn counting(&self, origin: Origin) -> Option<StatusEntry> {
        self.entry(origin).filter(|entry| entry.next > Seq::FIRST)
    }

    /// The digest of that line.
    fn line(&self, origin: Origin) -> Option<[u8; 32]> {
        self.counting(origin).map(|entry| entry_hash(&entry))
    }
}

/// A chain's end moves from one clock to another; 0 is that of an empty one.
fn count_clock(clocks: &mut BTreeMap<Clock, usize>, from: Clock, to: Clock) {
    if from == to {
        return;
    }
    if let Some(count) = clocks.get_mut(&from) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            clocks.remove(&from);
        }
    }
    if to > Clock(0) {
        let count = clocks.entry(to).or_default();
        *count = count.saturating_add(1);
    }
}

/// The chains of all origins, found by origin, and what is counted over all of them.
#[derive(Debug, Default)]
pub struct Chains {
    map: BTreeMap<Origin, Chain>,
    of_node: BTreeMap<NodeId, usize>,
    unread: BTreeSet<Origin>,
    /// The limits of those that have one: asked for with each bundle that is shown.
    limits: Arc<BTreeMap<Origin, Seq>>,
    /// The clocks of all ends, and how many chains end with each.
    clocks: BTreeMap<Clock, usize>,
    shown: RefCell<Shown>,
}

/// The fingerprint, worked out when it is asked for and not for each bundle: so whoever only looks at the chains may ask for it.
#[derive(Debug, Default)]
struct Shown {
    fingerprint: Fingerprint,
    /// Changed since it was looked at.
    stale: BTreeSet<Origin>,
}

impl Chains {
    /// The chain of an origin, if anything is known of it.
    #[must_use]
    pub fn get(&self, origin: &Origin) -> Option<&Chain> {
        self.map.get(origin)
    }

    /// What is wanted next of an origin, known or not.
    #[must_use]
    pub fn wanted(&self, origin: &Origin) -> Seq {
        self.map.get(origin).map_or(Seq::FIRST, Chain::wanted)
    }

    /// Changes one chain, made if it is new.
    pub fn update<T>(&mut self, origin: Origin, change: impl FnOnce(&mut Chain) -> T) -> T {
        let chain = self.map.entry(origin).or_insert_with(|| {
            let count = self.of_node.entry(origin.node).or_default();
            *count = count.saturating_add(1);
            Chain::empty()
        });
        let (unread, limit, clock) = (chain.unread(), chain.limit(), chain.last_clock);
        let result = change(chain);
        count_clock(&mut self.clocks, clock, chain.last_clock);
        if chain.limit() != limit {
            let limits = Arc::make_mut(&mut self.limits);
            match chain.limit() {
                Some(limit) => drop(limits.insert(origin, limit)),
                None => drop(limits.remove(&origin)),
            }
        }
        self.shown.get_mut().stale.insert(origin);
        if chain.unread().is_some_and(|at| unread != Some(at)) {
            self.unread.insert(origin);
        }
        result
    }

    /// A bundle joins its chain.
    pub fn advance(&mut self, signed: &SignedHeader, digest: Digest, last_clock: Clock) {
        self.update(signed.header.origin, |chain| {
            chain.next = signed.header.next();
            chain.head = Some(*signed);
            chain.digest = digest;
            chain.last_clock = last_clock;
        });
    }

    /// A chain goes back to where it ended before; one that was empty goes, with what was proven about it (P-E1).
    pub fn go_back(&mut self, origin: Origin, end: &End) {
        let empty = self.update(origin, |chain| {
            chain.next = end.next;
            chain.head = end.head;
            chain.digest = end.digest;
            chain.last_clock = end.last_clock;
            // It may be of a bundle that is lost.
            chain.before = None;
            chain.set_back = None;
            chain.next == Seq::FIRST
        });
        if !empty {
            return;
        }
        if let Some(chain) = self.map.remove(&origin) {
            let shown = self.shown.get_mut();
            shown.stale.remove(&origin);
            shown.fingerprint.change(&origin, chain.hash.get(), None);
            count_clock(&mut self.clocks, chain.last_clock, Clock(0));
            if chain.limit().is_some() {
                Arc::make_mut(&mut self.limits).remove(&origin);
            }
        }
        if let Some(count) = self.of_node.get_mut(&origin.node) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_node.remove(&origin.node);
            }
        }
    }

    /// A chain from the store.
    pub fn restore(&mut self, head: &SignedHeader, last_clock: Clock, kept: Seq) {
        let digest = bundle_digest(&head.header, &head.body);
        self.advance(head, digest, last_clock);
        self.update(head.header.origin, |chain| chain.kept = kept);
    }

    /// An ended chain of which the bundle that holds this number, the one before its limit, has to be read.
    pub fn take_unread(&mut self) -> Option<(Origin, Seq)> {
        while let Some(origin) = self.unread.pop_first() {
            if let Some(at) = self.map.get(&origin).and_then(Chain::unread) {
                return Some((origin, at));
            }
        }
        None
    }

    /// That read gave nothing; it is to be tried again.
    pub fn read_again(&mut self, origin: Origin) {
        self.unread.insert(origin);
    }

    /// The first number that does not count, of each chain that has one.
    #[must_use]
    pub const fn limits(&self) -> &Arc<BTreeMap<Origin, Seq>> {
        &self.limits
    }

    /// The highest clock of a chain's end that is not above this.
    #[must_use]
    pub fn highest_clock(&self, at_most: Clock) -> Option<Clock> {
        self.clocks.range(..=at_most).next_back().map(|(clock, _)| *clock)
    }

    /// How many of them are one node's.
    #[must_use]
    pub fn of_node(&self, node: &NodeId) -> usize {
        self.of_node.get(node).copied().unwrap_or(0)
    }

    /// How many chains there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The chains from `low` to `high`, both included, in order.
    pub fn range(&self, low: Origin, high: Origin) -> impl Iterator<Item = (&Origin, &Chain)> {
        let range = (low <= high).then(|| self.map.range(low..=high));
        range.into_iter().flatten()
    }

    /// The lines of a STATUS from `low` to `high`, both included.
    pub fn entries(&self, low: Origin, high: Origin) -> impl Iterator<Item = StatusEntry> {
        self.range(low, high).filter_map(|(origin, chain)| chain.counting(*origin))
    }

    /// Does something with the fingerprint of all entries as they are now.
    fn with_fingerprint<T>(&self, look: impl FnOnce(&mut Fingerprint) -> T) -> T {
        let Shown { fingerprint, stale } = &mut *self.shown.borrow_mut();
        for origin in core::mem::take(stale) {
            let Some(chain) = self.map.get(&origin) else { continue };
            let hash = chain.line(origin);
            fingerprint.change(&origin, chain.hash.replace(hash), hash);
        }
        look(fingerprint)
    }
}

impl Summary for Chains {
    type Key = Origin;

    fn whole(&self) -> Whole {
        self.with_fingerprint(|all| Whole { fingerprint: all.whole(), entries: all.entries() })
    }

    fn parts(&self) -> Parts {
        self.with_fingerprint(Fingerprint::parts)
    }

    fn part(part: u8) -> (Origin, Origin) {
        bucket_range(part)
    }

    fn all() -> (Origin, Origin) {
        (Origin::MIN, Origin::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rumormill_wire::Incarnation;

    use super::*;

    proptest! {
        /// However often it was looked at between changes, the fingerprint is that of the lines.
        #[test]
        fn the_fingerprint_is_that_of_the_lines(changes in proptest::collection::vec((0..4_u8, 1..5_u64, 0..3_u8), 1..60)) {
            let mut chains = Chains::default();
            for (node, next, then) in changes {
                let origin = Origin { node: NodeId([node; 32]), incarnation: Incarnation(1) };
                chains.update(origin, |chain| chain.next = Seq(next));
                if then == 0 {
                    chains.go_back(origin, &End { next: Seq::FIRST, head: None, digest: Digest::ZERO, last_clock: Clock(0) });
                }
                let mut anew = Fingerprint::default();
                for entry in chains.entries(Origin::MIN, Origin::MAX) {
                    anew.change(&entry.origin, None, Some(entry_hash(&entry)));
                }
                if then == 1 {
                    let whole = Whole { fingerprint: anew.whole(), entries: anew.entries() };
                    prop_assert_eq!((chains.whole(), chains.parts()), (whole, anew.parts()));
                }
            }
        }
    }
}
