//! Places for links that have ended their handshake and not yet their greeting. They count in `max-links` with those that
//! are up, so that nobody holds descriptors by a handshake and then silence.

use std::sync::{Arc, Mutex};

use rumormill_limits::{Room, Slots};
use rumormill_wire::NodeId;
use tokio::task::AbortHandle;

use crate::lock;

/// Links of one member that greet at once. One is enough; two let a member that comes again not wait for what it left.
pub(crate) const PER_NODE: usize = 2;
/// Links that may greet when all of `max-links` are up: a member whose old link is dead may replace it, and others are told
/// that there is no room.
pub(crate) const SPARE: usize = 8;

/// The table of links that greet.
#[derive(Debug, Default)]
pub(crate) struct Greetings(Mutex<Slots<NodeId, (), AbortHandle>>);

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
    /// Takes a link in, whose task this is; `room` is what links that are up leave of `max-links`. A greeting takes
    /// milliseconds, so the oldest is one that stalls: it makes room, first of the same member, then of the one with most.
    /// Says how many were ended.
    pub(crate) fn enter(self: &Arc<Self>, node: NodeId, task: AbortHandle, room: usize) -> (Seat, u64) {
        let (mut table, mut ended) = (lock(&self.0), 0_u64);
        let mut end = |table: &mut Slots<_, _, _>, number| {
            ended = ended.saturating_add(table.remove(number).inspect(AbortHandle::abort).map_or(0, |_| 1));
        };
        while let Room::InPlaceOf(oldest) = table.room(&node, PER_NODE, usize::MAX) {
            end(&mut table, oldest);
        }
        while table.len() >= room.max(SPARE)
            && let Some(oldest) = table.first_of_fullest(|_| true)
        {
            end(&mut table, oldest);
        }
        let number = table.add(node, (), task);
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
        let _other = table.enter(node(2), other.abort_handle(), 100);
        let mut seats: Vec<_> = tasks.iter().map(|task| table.enter(node(1), task.abort_handle(), 100)).collect();
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
            seats.push(table.enter(node(n), task.abort_handle(), 20).0);
            assert!(table.count() <= 20);
        }
        let honest = stall();
        seats.push(table.enter(node(250), honest.abort_handle(), 0).0);
        assert_eq!(table.count(), SPARE, "no room is left by links that are up");
        assert!(!honest.is_finished(), "the newest is in");
    }

    #[tokio::test]
    async fn who_has_most_makes_room_first() {
        let table = Arc::new(Greetings::default());
        let stall = || tokio::spawn(std::future::pending::<()>());
        let alone = stall();
        let mut seats = vec![table.enter(node(9), alone.abort_handle(), SPARE).0];
        for n in 0..10 {
            seats.push(table.enter(node(n / 2), stall().abort_handle(), SPARE).0);
        }
        assert_eq!(table.count(), SPARE);
        assert!(!alone.is_finished(), "though it is the oldest");
    }
}
