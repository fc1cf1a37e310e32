//! One chain for each origin, and the frontier over all of them (docs/protocol.md, B and S).

use std::collections::BTreeMap;

use rumormill_wire::native::{EntryState, SignedHeader, StatusEntry};
use rumormill_wire::{Clock, Digest, HeadHash, Origin, Seq};

use crate::bundle::{VerifiedBundle, bundle_digest};
use crate::frontier::{Fingerprint, entry_hash};
use crate::proof::{VerifiedProof, is_lowest};

/// The end of a chain: what the next bundle is checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The number wanted next.
    pub next: Seq,
    /// The last bundle.
    pub head: Option<SignedHeader>,
    /// Its digest; zero for an empty chain.
    pub digest: Digest,
    /// Clock of its last message.
    pub last_clock: Clock,
}

impl End {
    /// Behind nothing.
    pub const EMPTY: Self = Self { next: Seq::FIRST, head: None, digest: Digest::ZERO, last_clock: Clock(0) };

    /// Behind this bundle.
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
    pub fork: Option<VerifiedProof>,
    /// The digest of our chain just before the place of the fork, once it is known.
    pub before: Option<HeadHash>,
    /// The first number that a revocation leaves out.
    pub cut: Option<Seq>,
    hash: Option<u128>,
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
            hash: None,
        }
    }

    /// The first number that does not count: the place of a fork or the cut of a revocation.
    #[must_use]
    pub fn limit(&self) -> Option<Seq> {
        let place = self.fork.as_ref().map(VerifiedProof::place);
        match (place, self.cut) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Where it ends.
    #[must_use]
    pub const fn end(&self) -> End {
        End { next: self.next, head: self.head, digest: self.digest, last_clock: self.last_clock }
    }

    /// The number wanted next as others should see it: never beyond the limit.
    #[must_use]
    pub fn wanted(&self) -> Seq {
        self.limit().map_or(self.next, |limit| limit.min(self.next))
    }

    /// The place of a fork that may part earlier than its proof shows.
    #[must_use]
    pub fn open_place(&self) -> Option<Seq> {
        let open = self.fork.as_ref().filter(|fork| !is_lowest(&fork.proof().a, &fork.proof().b))?;
        Some(open.place())
    }

    /// What an ended chain shows in place of its head (P-S7): our digest just before the place of an open fork, so that
    /// nodes on two branches do not look alike and search on; zero otherwise.
    fn ended_head(&self) -> HeadHash {
        let decides = |place: &Seq| self.cut.is_none_or(|cut| *place < cut);
        self.open_place().filter(decides).and(self.before).unwrap_or(HeadHash::ZERO)
    }

    /// This chain's line in a STATUS. An empty one has a line only when a fork is known.
    #[must_use]
    pub fn entry(&self, origin: Origin) -> Option<StatusEntry> {
        let ended = self.limit().filter(|limit| self.next >= *limit);
        let forked = self.fork.is_some();
        let (next, head, state) = match ended {
            Some(limit) => (limit, self.ended_head(), EntryState::Forked),
            None => (self.next, self.digest.head(), EntryState::Normal),
        };
        (next > Seq::FIRST || (forked && ended.is_some())).then_some(StatusEntry {
            origin,
            next,
            head,
            kept: self.kept,
            state,
        })
    }
}

/// All chains.
#[derive(Debug, Default)]
pub struct Chains {
    map: BTreeMap<Origin, Chain>,
    fingerprint: Fingerprint,
}

impl Chains {
    /// One chain.
    #[must_use]
    pub fn get(&self, origin: &Origin) -> Option<&Chain> {
        self.map.get(origin)
    }

    /// What is wanted next of an origin, known or not.
    #[must_use]
    pub fn wanted(&self, origin: &Origin) -> Seq {
        self.map.get(origin).map_or(Seq::FIRST, Chain::wanted)
    }

    /// Changes one chain, made if it is new, and keeps the fingerprint right.
    pub fn update<T>(&mut self, origin: Origin, change: impl FnOnce(&mut Chain) -> T) -> T {
        let chain = self.map.entry(origin).or_insert_with(Chain::empty);
        let result = change(chain);
        let hash = chain.entry(origin).map(|entry| entry_hash(&entry));
        self.fingerprint.change(&origin, chain.hash, hash);
        chain.hash = hash;
        result
    }

    /// A bundle joins its chain.
    pub fn advance(&mut self, signed: &SignedHeader, digest: Digest, last_clock: Clock) {
        self.update(signed.header.origin, |chain| {
            chain.next = signed.header.next();
            chain.head = Some(*signed);
            chain.digest = digest;
            chain.last_clock = last_clock;
            if chain.open_place() == Some(chain.next) {
                chain.before = Some(digest.head());
            }
        });
    }

    /// A chain goes back to where it ended before; one that was empty and of which nothing else is known goes.
    pub fn go_back(&mut self, origin: Origin, end: &End) {
        let empty = self.update(origin, |chain| {
            chain.next = end.next;
            chain.head = end.head;
            chain.digest = end.digest;
            chain.last_clock = end.last_clock;
            if chain.open_place() == Some(chain.next) {
                chain.before = Some(chain.digest.head());
            }
            chain.next == Seq::FIRST && chain.fork.is_none()
        });
        if empty {
            self.map.remove(&origin);
        }
    }

    /// A chain from the store.
    pub fn restore(&mut self, head: &SignedHeader, last_clock: Clock, kept: Seq) {
        let digest = bundle_digest(&head.header, &head.body);
        self.advance(head, digest, last_clock);
        self.update(head.header.origin, |chain| chain.kept = kept);
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
        self.range(low, high).filter_map(|(origin, chain)| chain.entry(*origin))
    }

    /// The fingerprint of all entries.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}
