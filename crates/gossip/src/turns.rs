//! Whose turn it is on a link. Authors share it: one of whom much waits does not hold up the others, however many origins it has and however
//! many such authors there are. Who says little is next.
//!
//! Fair queueing that clocks itself (Golestani 1994; Goyal, Vin and Cheng 1996): what an author is given starts, in virtual time, at the end of
//! what it was given before, or now if nothing of it waited; the next is whose end would come first, and now is the latest start so far. How
//! long the next bundle of an author is, is known of a new one; else it is taken to be as long as the last one. In its turn an author's origins take turns.

use std::collections::{BTreeMap, BTreeSet};

use rumormill_wire::{Incarnation, NodeId, Origin};

/// What a bundle costs at least, in bytes of the link: a short one costs a read of the store and a signature to check, too.
const MIN_COST: u64 = 512;

/// Where an author stands.
#[derive(Debug, Clone, Copy)]
struct Turn {
    start: u64,
    /// What its next bundle will cost, as far as anybody knows.
    cost: u64,
    /// Nothing of it waited, or not for the link.
    idle: bool,
    /// Its origin that was given last.
    last: Incarnation,
}

impl Turn {
    const fn key(&self, author: NodeId) -> (u64, NodeId) {
        (self.start.saturating_add(self.cost), author)
    }
}

/// Where the turns of a link's authors stand. There are no more than those of whom something waits, and those that were given something
/// since what they were given first.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    now: u64,
    authors: BTreeMap<NodeId, Turn>,
    order: BTreeSet<(u64, NodeId)>,
}

impl Turns {
    /// Something of an author waits.
    pub(crate) fn wake(&mut self, author: NodeId) {
        let new = Turn { start: self.now, cost: MIN_COST, idle: false, last: Incarnation(u64::MAX) };
        match self.authors.get(&author).copied() {
            None => self.place(author, new),
            Some(turn) if turn.idle => {
                self.place(author, Turn { start: turn.start.max(self.now), idle: false, ..turn });
            }
            Some(_) => {}
        }
    }

    /// The same where it is known how long its next bundle is, unless something of it waits already.
    pub(crate) fn wake_for(&mut self, author: NodeId, bytes: u64) {
        let cost = bytes.max(MIN_COST);
        match self.authors.get(&author).copied() {
            None => self.place(author, Turn { start: self.now, cost, idle: false, last: Incarnation(u64::MAX) }),
            Some(turn) if turn.idle => {
                self.place(author, Turn { start: turn.start.max(self.now), cost, idle: false, ..turn });
            }
            Some(_) => {}
        }
    }

    fn place(&mut self, author: NodeId, turn: Turn) {
        if let Some(before) = self.authors.insert(author, turn) {
            self.order.remove(&before.key(author));
        }
        self.order.insert(turn.key(author));
    }

    /// All of them, the next one first, each with its origin that was given last.
    pub(crate) fn all(&self) -> impl Iterator<Item = Origin> {
        let last = |node: &NodeId| self.authors.get(node).map_or(Incarnation(u64::MAX), |turn| turn.last);
        self.order.iter().map(move |(_, node)| Origin { node: *node, incarnation: last(node) })
    }

    /// Something of an origin is given.
    pub(crate) fn take(&mut self, origin: Origin) {
        self.wake(origin.node);
        if let Some(turn) = self.authors.get_mut(&origin.node) {
            turn.last = origin.incarnation;
            self.now = self.now.max(turn.start);
        }
    }

    /// A bundle of an author is given, of so many bytes.
    pub(crate) fn charge(&mut self, author: NodeId, bytes: u64) {
        if let Some(turn) = self.authors.get(&author).copied() {
            let cost = bytes.max(MIN_COST);
            self.place(author, Turn { start: turn.start.saturating_add(cost), cost, ..turn });
        }
    }

    /// Nothing of this author waits, or its pace allows nothing. It is forgotten once its turn would have come: not before, or it would be
    /// next again and again.
    pub(crate) fn rest(&mut self, author: NodeId, waits: bool) {
        let Some(turn) = self.authors.get(&author).copied() else { return };
        if turn.start > self.now || waits {
            self.place(author, Turn { idle: true, ..turn });
        } else {
            self.authors.remove(&author);
            self.order.remove(&turn.key(author));
        }
    }

    /// Nothing of any author waits.
    pub(crate) fn all_rest(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn author(n: usize) -> NodeId {
        NodeId([u8::try_from(n).unwrap(); 32])
    }

    /// Gives the next of those of whom something waits; says whose it was.
    fn give(turns: &mut Turns, waits: impl Fn(NodeId) -> bool, cost: impl Fn(NodeId) -> u64) -> NodeId {
        let next = turns.all().find(|origin| waits(origin.node)).unwrap();
        turns.take(next);
        turns.charge(next.node, cost(next.node));
        next.node
    }

    fn pour(turns: &mut Turns, times: usize) {
        (0..times).for_each(|_| drop(give(turns, |who| (1..100).any(|n| who == author(n)), |_| 60_000).to_string()));
    }

    #[test]
    fn one_that_talks_beside_many_that_pour_waits_for_what_is_being_given_alone() {
        let mut turns = Turns::default();
        (1..100).for_each(|n| turns.wake(author(n)));
        for round in 0..50 {
            // A word to a hundred long bundles is a small part of the link.
            pour(&mut turns, 100);
            let talker = author(if round % 2 == 0 { 0 } else { 200 });
            turns.wake(talker);
            let others = (0..100).take_while(|_| {
                give(
                    &mut turns,
                    |who| who == talker || (1..100).any(|n| who == author(n)),
                    |who| if who == talker { 2_048 } else { 60_000 },
                ) != talker
            });
            assert!(others.count() <= 1, "round {round}");
            turns.rest(talker, false);
        }
    }

    #[test]
    fn one_that_has_just_been_given_much_is_not_next_because_nothing_of_it_waited() {
        let mut turns = Turns::default();
        (0..100).for_each(|n| turns.wake(author(n)));
        give(&mut turns, |who| who == author(0), |_| 60_000);
        turns.rest(author(0), false);
        turns.wake(author(0));
        let others = (0..200).take_while(|_| give(&mut turns, |_| true, |_| 60_000) != author(0)).count();
        assert_eq!(others, 99);
    }

    #[test]
    fn one_that_begins_with_much_is_not_before_one_that_says_little() {
        let mut turns = Turns::default();
        (0..100).for_each(|n| turns.wake_for(author(n), 64_000));
        let talker = author(100);
        turns.wake_for(talker, 60);
        assert_eq!(give(&mut turns, |_| true, |who| if who == talker { 60 } else { 64_000 }), talker);
    }

    #[test]
    fn what_rests_is_forgotten() {
        let mut turns = Turns::default();
        (0..200).for_each(|n| turns.wake(author(n)));
        for _ in 0..200 {
            give(&mut turns, |_| true, |_| 100);
        }
        (1..200).for_each(|n| turns.rest(author(n), false));
        assert_eq!(turns.authors.len(), 200, "the turn of none would have come");
        for _ in 0..3 {
            give(&mut turns, |_| true, |_| 60_000);
        }
        (0..200).for_each(|n| turns.rest(author(n), false));
        assert!(turns.authors.len() <= 3 && turns.order.len() == turns.authors.len(), "{turns:?}");
        turns.all_rest();
        assert!(turns.all().next().is_none());
    }

    proptest! {
        #[test]
        fn authors_get_the_same_whatever_the_sizes(sizes in prop::collection::vec(1_u64..65_536, 1..6)) {
            let mut turns = Turns::default();
            let mut sent = vec![0; sizes.len()];
            (0..sizes.len()).for_each(|n| turns.wake(author(n)));
            let size = |who: NodeId| sizes[usize::from(who.0[0])].max(MIN_COST);
            for _ in 0..20_000 {
                let who = give(&mut turns, |_| true, size);
                sent[usize::from(who.0[0])] += size(who);
            }
            let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
            prop_assert!(most - least <= 2 * 65_536, "{sent:?}");
        }
    }
}
