//! What this node has: the chains, the bundles of them in memory, what of them is durable, what passes while the store is full, and
//! where each chain ends by a fork or by the revocation list.

use std::sync::Arc;

use rumormill_wire::native::SignedHeader;
use rumormill_wire::{Origin, Seq};

use crate::bundle::VerifiedBundle;
use crate::cache::Cache;
use crate::chain::{Chain, Chains};
use crate::config::{EngineConfig, MIN_ORIGINS};
use crate::passing::Passing;
use crate::revocation::Revocations;
use crate::uncommitted::Uncommitted;

/// All of it. Bounded by the origins that it takes, and by the bytes of its caches.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) chains: Chains,
    pub(crate) cache: Cache,
    pub(crate) uncommitted: Uncommitted,
    pub(crate) passing: Passing,
    /// The list in force.
    pub(crate) revocations: Arc<Revocations>,
    /// The store takes no more.
    pub(crate) full: bool,
    /// Bundles given to the store since the start.
    pub(crate) appends: u64,
    /// Bytes of all bundles in the store.
    pub(crate) bytes: u64,
    max_origins: usize,
    max_origins_per_node: usize,
}

impl Logs {
    /// Nothing yet, but so many bytes in the store.
    pub(crate) fn new(config: &EngineConfig, bytes: u64) -> Self {
        Self {
            chains: Chains::default(),
            cache: Cache::new(config.cache_bytes),
            uncommitted: Uncommitted::default(),
            passing: Passing::new(config.cache_bytes),
            revocations: Arc::new(Revocations::default()),
            full: false,
            appends: 0,
            bytes,
            max_origins: config.max_origins,
            max_origins_per_node: config.max_origins_per_node,
        }
    }

    /// The number wanted next of an origin, whatever of it counts.
    pub(crate) fn next_of(&self, origin: &Origin) -> Seq {
        self.chains.get(origin).map_or(Seq::FIRST, |chain| chain.next)
    }

    /// The first number of an origin that does not count, by a fork or a revocation.
    pub(crate) fn limit_of(&self, origin: &Origin) -> Option<Seq> {
        let chain = self.chains.get(origin).and_then(Chain::limit);
        let cut = self.revocations.limit(origin);
        match (chain, cut) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Where our chain of an origin ends, if it does. One of a revoked node that we do not have may end before it begins.
    pub(crate) fn end_of(&self, origin: &Origin) -> Option<Seq> {
        self.limit_of(origin).filter(|limit| self.next_of(origin) >= *limit)
    }

    /// Where a proof ends a chain.
    pub(crate) fn fork_place(&self, origin: &Origin) -> Option<Seq> {
        self.chains.get(origin).and_then(|chain| chain.fork.as_ref()).map(|fork| fork.place())
    }

    /// Whether the number that we want next was signed with a clock that does not rise.
    pub(crate) fn stands_at_set_back(&self, origin: &Origin) -> bool {
        self.chains.get(origin).is_some_and(|chain| chain.set_back.is_some())
    }

    /// The number of this origin up to which all was kept or has passed.
    pub(crate) fn passed_to(&self, origin: &Origin) -> Seq {
        let kept = self.next_of(origin);
        self.passing.head(origin).map_or(kept, |head| head.next.max(kept))
    }

    /// The first bundle of this origin in memory that ends behind `at`.
    pub(crate) fn in_memory(&self, origin: Origin, at: Seq) -> Option<&Arc<VerifiedBundle>> {
        let first = self.cache.first_from(origin, at);
        let cached = self.cache.holding(origin, at).or_else(|| self.cache.holding(origin, first?));
        match (cached, self.passing.from(origin, at)) {
            (Some(a), Some(b)) => Some(if a.header().first <= b.header().first { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    /// What the store cannot give yet is in the cache.
    pub(crate) fn cached(&self, origin: Origin, at: Seq) -> Option<SignedHeader> {
        self.cache.holding(origin, at).map(|bundle| *bundle.signed_header())
    }

    /// Whether there is a place for one more origin of this node among so many members (P-G2). Each member keeps some, whatever others do.
    fn room_for(&self, origin: &Origin, members: usize) -> bool {
        let of_node = self.chains.of_node(&origin.node);
        let share = self.max_origins.checked_div(members).unwrap_or(0).max(MIN_ORIGINS);
        of_node < self.max_origins_per_node && (self.chains.len() < self.max_origins || of_node < share)
    }

    /// Whether the CA's list names an origin, and lets some of it stand. It counts by that list, which bounds how many there are, and is the
    /// same everywhere: else what its author's other origins took, and what of them is withdrawn now, would keep logs apart for good.
    fn is_named(&self, origin: &Origin) -> bool {
        self.revocations.limit(origin).is_some_and(|limit| limit > Seq::FIRST)
    }

    /// Whether a new origin has no place here, and an old one has its own.
    pub(crate) fn no_place(&self, origin: &Origin, members: usize) -> bool {
        self.chains.get(origin).is_none() && !self.room_for(origin, members) && !self.is_named(origin)
    }

    /// Whether a bundle of this origin counts as one more incarnation of its author.
    pub(crate) fn is_new(&self, origin: &Origin) -> bool {
        self.chains.get(origin).is_none() && self.passing.head(origin).is_none() && !self.is_named(origin)
    }

    /// One more bundle goes to the store.
    pub(crate) fn append(&mut self, bundle: &VerifiedBundle) {
        self.appends = self.appends.saturating_add(1);
        let bytes = u64::try_from(bundle.bytes().len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// All appends up to this one are durable.
    pub(crate) fn commit(&mut self, appends: u64) {
        self.uncommitted.commit(appends);
        self.cache.commit(appends);
    }
}
