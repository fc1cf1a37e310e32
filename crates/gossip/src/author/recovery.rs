//! What neighbours said about our own origins before the first append.

use std::collections::BTreeSet;

use rumormill_limits::{DAY_S, MAX_INCARNATION_AHEAD_S};
use rumormill_wire::native::StatusEntry;
use rumormill_wire::{NodeId, Origin, Seq};

use crate::io::Ask;

/// Own incarnations of a day after which a neighbour's bare word moves us no more: others take 32 of one author a day (P-G1), and a
/// neighbour that lies at each start is not to use them up (P-S11).
const MAX_BELIEVED: usize = 16;

/// Before its first append a node asks its neighbours what they have of its own chain, and waits for all of them or for its
/// time (P-S11).
#[derive(Debug, Default)]
pub(super) struct Recovery {
    started: bool,
    over: bool,
    /// How many named neighbours are waited for; `None` before the start, and where nobody ends the wait.
    wanted: Option<usize>,
    /// Those of them that have had their word. Bounded by `wanted`.
    answered: BTreeSet<NodeId>,
    ahead: bool,
    highest: u64,
    /// The latest incarnations that we have ourselves.
    own: BTreeSet<u64>,
}

impl Recovery {
    /// Begins to wait.
    pub(super) fn start(&mut self, ask: Ask) {
        self.wanted = match ask {
            Ask::Nobody => Some(0),
            Ask::Neighbours(0) => None,
            Ask::Neighbours(named) => Some(named),
        };
        self.started = true;
    }

    /// One line of a neighbour's, beside our own of the chain that we write.
    pub(super) fn hear(&mut self, me: Origin, wall_s: u64, ours: Option<StatusEntry>, theirs: &StatusEntry) {
        let believed = wall_s.saturating_add(MAX_INCARNATION_AHEAD_S);
        let incarnation = theirs.origin.incarnation.0;
        if incarnation <= believed {
            self.highest = self.highest.max(incarnation);
        }
        let next = ours.map_or(Seq::FIRST, |entry| entry.next);
        let forked = ours.is_some_and(|entry| entry.next == theirs.next && entry.head != theirs.head);
        self.ahead |= (theirs.origin == me && (theirs.next > next || forked))
            || (incarnation > me.incarnation.0 && incarnation <= believed);
    }

    /// A named neighbour has said all that it knows. However often it does so, over however many links, it is one.
    pub(super) fn answered(&mut self, node: NodeId) {
        if !self.over && self.wanted.is_some_and(|wanted| self.answered.len() < wanted) {
            self.answered.insert(node);
        }
    }

    /// We have this incarnation ourselves.
    pub(super) fn have(&mut self, incarnation: u64) {
        self.highest = self.highest.max(incarnation);
        self.own.insert(incarnation);
        if self.own.len() > MAX_BELIEVED {
            self.own.pop_first();
        }
    }

    /// Whether neighbours say that they know more of our chain, and their bare word has been reason too often to leave it. Who tells the
    /// truth can show a bundle of ours.
    pub(super) fn wants_proof(&self, wall_s: u64) -> bool {
        let today = self.own.first().is_some_and(|first| first.saturating_add(DAY_S) > wall_s);
        self.ahead && today && self.own.len() >= MAX_BELIEVED
    }

    /// The highest incarnation of our node that is known.
    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether it waits for nobody any more, and has not ended yet.
    pub(super) fn is_complete(&self) -> bool {
        self.started && !self.over && self.wanted.is_some_and(|wanted| self.answered.len() >= wanted)
    }

    /// Ends. Says whether neighbours know more of our chain than we.
    pub(super) const fn end(&mut self) -> bool {
        self.over = true;
        self.ahead
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}
