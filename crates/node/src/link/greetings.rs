//! Places for links that have ended their handshake and not yet their greeting. They count in `max-links` with those that
//! are up, so that nobody holds descriptors by a handshake and then silence.

use std::sync::{Arc, Mutex};

use rumormill_limits::{Room as Place, Slots};
use rumormill_wire::NodeId;
use tokio::task::AbortHandle;

use crate::lock;

/// Links of one member that greet at once. One is enough; two let a member that comes again not wait for what it left.
pub(crate) const PER_NODE: usize = 2;
/// Links that may greet when all of `max-links` are up: a member whose old link is dead may replace it, and others are told
/// that there is no room.
pub(crate) const SPARE: usize = 8;

/// Where a link may greet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Among so many others: what links that are up leave of `max-links`.
    Shared(usize),
    /// Beside them: a named neighbour has its place, and nobody ends its greeting but itself.
    Own,
}

/// The table of links that greet: whose, and whether they have their own room.
#[derive(Debug, Default)]
pub(crate) struct Greetings(Mutex<Slots<(NodeId, bool), (), AbortHandle>>);

/// A place in it, which ends with this.
#[derive(Debug)]
pub(crate) struct Seat {
    table: Arc<Greetings>,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.table.0).remove(self.number);
    }
}

impl Greetings {
    /// Takes a link in, whose task this is. A greeting takes milliseconds, so the oldest is one that stalls: it makes room,
    /// first of the same member, then of the one with most. Says how many were ended.
    pub(crate) fn enter(self: &Arc<Self>, node: NodeId, task: AbortHandle, room: Room) -> (Seat, u64) {
        let key = (node, room == Room::Own);
        let (mut table, mut ended) = (lock(&self.0), 0_u64);
        let mut end = |table: &mut Slots<_, _, _>, number| {
            ended = ended.saturating_add(table.remove(number).inspect(AbortHandle::abort).map_or(0, |_| 1));
        };
        while let Place::InPlaceOf(oldest) = table.room(&key, PER_NODE, usize::MAX) {
            end(&mut table, oldest);
        }
        if let Room::Shared(room) = room {
            while table.count(|(_, own)| !own) >= room.max(SPARE)
                && let Some(oldest) = table.first_of_fullest(|(_, own)| !own)
            {
                end(&mut table, oldest);
            }
        }
        let number = table.add(key, (), task);
        (Seat { table: Arc::clone(self), number }, ended)
    }

    /// Links that greet now.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        lock(&self.0).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId([n; 32])
    }

    #[tokio::test]
    async fn a_member_has_two_and_its_oldest_makes_room() {
        let table = Arc::new(Greetings::default());
        let stall = || tokio::spawn(std::future::pending::<()>());
        let (other, tasks) = (stall(), [stall(), stall(), stall()]);
        let _other = table.enter(node(2), other.abort_handle(), Room::Shared(100));
        let mut seats: Vec<_> =
            tasks.iter().map(|task| table.enter(node(1), task.abort_handle(), Room::Shared(100))).collect();
        assert_eq!(seats.iter().map(|(_, ended)| ended).sum::<u64>(), 1);
        assert_eq!(table.count(), 3);
        let [first, second, third] = tasks;
        assert!(first.await.unwrap_err().is_cancelled());
        assert!(!second.is_finished() && !third.is_finished() && !other.is_finished());
        seats.pop();
        assert_eq!(table.count(), 2, "a place ends with its seat");
        seats.clear();
        assert_eq!(table.count(), 1);
    }

    #[tokio::test]
    async fn all_together_have_the_room_that_links_leave_and_a_few_more() {
        let table = Arc::new(Greetings::default());
        let stall = || tokio::spawn(std::future::pending::<()>());
        let mut seats = Vec::new();
        for n in 0..200 {
            let task = stall();
            seats.push(table.enter(node(n), task.abort_handle(), Room::Shared(20)).0);
            assert!(table.count() <= 20);
        }
        let honest = stall();
        seats.push(table.enter(node(250), honest.abort_handle(), Room::Shared(0)).0);
        assert_eq!(table.count(), SPARE, "no room is left by links that are up");
        assert!(!honest.is_finished(), "the newest is in");
    }

    #[tokio::test]
    async fn who_has_most_makes_room_first() {
        let table = Arc::new(Greetings::default());
        let stall = || tokio::spawn(std::future::pending::<()>());
        let alone = stall();
        let mut seats = vec![table.enter(node(9), alone.abort_handle(), Room::Shared(SPARE)).0];
        for n in 0..10 {
            seats.push(table.enter(node(n / 2), stall().abort_handle(), Room::Shared(SPARE)).0);
        }
        assert_eq!(table.count(), SPARE);
        assert!(!alone.is_finished(), "though it is the oldest");
    }

    #[tokio::test]
    async fn nobody_ends_the_greeting_of_a_named_neighbour_but_itself() {
        let table = Arc::new(Greetings::default());
        let stall = || tokio::spawn(std::future::pending::<()>());
        let named = stall();
        let mut seats = vec![table.enter(node(250), named.abort_handle(), Room::Own).0];
        for n in 0..100 {
            seats.push(table.enter(node(n), stall().abort_handle(), Room::Shared(0)).0);
            assert!(table.count() <= 1 + SPARE, "it takes no place of others either");
        }
        tokio::task::yield_now().await;
        assert!(!named.is_finished());
        for _ in 0..PER_NODE {
            seats.push(table.enter(node(250), stall().abort_handle(), Room::Own).0);
        }
        assert!(named.await.unwrap_err().is_cancelled(), "the oldest of its own");
        assert_eq!(table.count(), PER_NODE + SPARE);
    }
}
