//! Places for links that have ended their handshake and not yet their greeting. They count in `max-links` with those that
//! are up, so that nobody holds descriptors by a handshake and then silence.

use rumormill_limits::Slots;
use rumormill_wire::NodeId;

/// Links of one member that greet at once. One is enough; two let a member that comes again not wait for what it left.
const PER_NODE: usize = 2;
/// Links that may greet when all of `max-links` are up: a member whose old link is dead may replace it, and others are told
/// that there is no room.
const SPARE: usize = 8;

/// Where a link may greet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Among so many others: what links that are up leave of `max-links`.
    Shared(usize),
    /// Beside them: a named neighbour has its place, and nobody ends its greeting but itself.
    Own,
}

/// The table of links that greet: whose, whether they have their own room, and how whoever keeps the table finds each.
#[derive(Debug)]
pub(crate) struct Greetings<T>(Slots<(NodeId, bool), (), T>);

impl<T> Default for Greetings<T> {
    fn default() -> Self {
        Self(Slots::new())
    }
}

impl<T> Greetings<T> {
    /// Takes a link in: its number, and the links that are to be ended for it. A greeting takes milliseconds, so the oldest is one that
    /// stalls: it makes room, first of the same member, then of the one with most.
    pub(crate) fn enter(&mut self, node: NodeId, link: T, room: Room) -> (u64, Vec<T>) {
        let (key, mut ended) = ((node, room == Room::Own), Vec::new());
        while let Some(oldest) = self.makes_room_for_its_own(node) {
            ended.extend(self.0.remove(oldest));
        }
        let table = &mut self.0;
        if let Room::Shared(room) = room {
            while table.count(|(_, own)| !own) >= room.max(SPARE)
                && let Some(oldest) = table.first_of_fullest(|(_, own)| !own)
            {
                ended.extend(table.remove(oldest));
            }
        }
        (table.add(key, (), link), ended)
    }

    /// The oldest of a member that has all of its own; whether it had its own room then or not, for one that is named by address alone has it
    /// from when it is known who it is.
    fn makes_room_for_its_own(&self, node: NodeId) -> Option<u64> {
        let mut own = self.0.iter().filter(|(_, (other, _), _)| *other == node);
        let oldest = own.next().map(|(number, ..)| number);
        oldest.filter(|_| own.count() >= PER_NODE.saturating_sub(1))
    }

    /// Links that greet in the room of all.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> usize {
        self.0.count(|(_, own)| !own)
    }

    /// One is up, or has ended.
    pub(crate) fn leave(&mut self, number: u64) {
        self.0.remove(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId([n; 32])
    }

    #[test]
    fn a_member_has_two_and_its_oldest_makes_room() {
        let mut table = Greetings::default();
        table.enter(node(2), 'x', Room::Shared(100));
        let entered = ['a', 'b', 'c'].map(|link| table.enter(node(1), link, Room::Shared(100)));
        assert_eq!(entered.each_ref().map(|(_, ended)| ended.as_slice()), [&[][..], &[], &['a']]);
        assert_eq!(table.0.len(), 3);
        table.leave(entered[2].0);
        assert_eq!(table.0.len(), 2, "a place ends with its link");
    }

    #[test]
    fn one_that_turns_out_to_be_a_named_neighbour_has_two_all_the_same() {
        let mut table = Greetings::default();
        "ab".chars().for_each(|link| drop(table.enter(node(1), link, Room::Shared(100))));
        let ended = ['c', 'd'].map(|link| table.enter(node(1), link, Room::Own).1);
        assert_eq!((ended, table.0.len()), ([vec!['a'], vec!['b']], 2));
    }

    #[test]
    fn all_together_have_the_room_that_links_leave_and_a_few_more() {
        let mut table = Greetings::default();
        for n in 0..200 {
            table.enter(node(n), n, Room::Shared(20));
            assert!(table.0.len() <= 20);
        }
        let (_, ended) = table.enter(node(250), 250, Room::Shared(0));
        assert_eq!((table.0.len(), ended.len()), (SPARE, 20 - SPARE + 1), "no room is left by links that are up");
        assert!(!ended.contains(&250), "the newest is in");
    }

    #[test]
    fn who_has_most_makes_room_first() {
        let mut table = Greetings::default();
        table.enter(node(9), 9, Room::Shared(SPARE));
        let ended: Vec<_> = (0..10).flat_map(|n| table.enter(node(n / 2), n, Room::Shared(SPARE)).1).collect();
        assert_eq!(table.0.len(), SPARE);
        assert!(!ended.contains(&9), "though it is the oldest");
    }

    #[test]
    fn nobody_ends_the_greeting_of_a_named_neighbour_but_itself() {
        let mut table = Greetings::default();
        table.enter(node(250), 250, Room::Own);
        for n in 0..100 {
            let (_, ended) = table.enter(node(n), n, Room::Shared(0));
            assert!(!ended.contains(&250));
            assert!(table.0.len() <= 1 + SPARE, "it takes no place of others either");
        }
        let ended: Vec<_> = (0..PER_NODE).flat_map(|_| table.enter(node(250), 251, Room::Own).1).collect();
        assert_eq!(ended, [250], "the oldest of its own");
        assert_eq!(table.0.len(), PER_NODE + SPARE);
    }
}
