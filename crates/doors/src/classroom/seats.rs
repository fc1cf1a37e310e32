//! Places for clients. A newcomer to a full port gets the place of the one that has got on with nothing for longest: of those that never
//! have, at once, or whoever connects again and again and says nothing would keep all others out; of the others, if that is long enough.
//! While places are free, that costs nobody theirs. To get on is to give a whole command or to take a whole part of a reply: bytes alone
//! are nothing, or a byte a minute were enough to stay for good. One for whom we do something keeps its place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumormill_limits::{Clock, Room, Slots, Timestamp};
use tokio::sync::Notify;

use crate::counters::Counters;
use crate::lock::lock;

/// Connections to a control port at once.
pub const MAX_CLIENTS: usize = 64;

/// Whether a client ever got on with something, and when it last did; at first, when it came. The least one makes room first.
type Rank = (bool, Timestamp);

/// A client's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    rank: Rank,
    of: Arc<Seats>,
    lost: Arc<Notify>,
}

/// All [`MAX_CLIENTS`] places, and who has them.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<Slots<(), Rank, Arc<Notify>>>,
    /// So long one that has got on with something is left alone.
    idle: Duration,
    clock: Clock,
    counters: Arc<Counters>,
}

impl Seats {
    pub(super) fn new(idle: Duration, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), idle, clock: Clock::start(), counters })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Slots<(), Rank, Arc<Notify>>) -> T) -> T {
        let mut taken = lock(&self.taken);
        let done = work(&mut taken);
        Counters::set(&self.counters.open, taken.len());
        done
    }

    /// A place for a newcomer, if need be that of another.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let now = self.clock.now();
        let (number, lost) = self.with(|taken| {
            let room = taken.room(&(), usize::MAX, MAX_CLIENTS);
            if room != Room::Free {
                Counters::one(&self.counters.refused_full);
                let Room::InPlaceOf(longest) = room else { return None };
                taken.rank(longest).filter(|(has_got_on, since)| !has_got_on || now.elapsed(*since) >= self.idle)?;
                taken.remove(longest)?.notify_one();
            }
            let lost = Arc::new(Notify::new());
            Some((taken.add((), (false, now), Arc::clone(&lost)), lost))
        })?;
        Counters::one(&self.counters.opened);
        Some(Seat { number, rank: (false, now), of: Arc::clone(self), lost })
    }
}

impl Seat {
    /// Something is done for the client: nobody takes the place meanwhile. False if somebody has it already.
    pub(super) fn serve(&self) -> bool {
        self.of.with(|taken| taken.serve(self.number))
    }

    /// The client has given a whole command, or taken a whole part of its reply.
    pub(super) fn got_on(&mut self) {
        self.rank = (true, self.of.clock.now());
    }

    /// From now on it is the client that is waited for. False if somebody has its place already.
    pub(super) fn wait(&self) -> bool {
        self.of.with(|taken| taken.idle(self.number, self.rank))
    }

    /// Once somebody else has the place.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.with(|taken| taken.remove(self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_got_on_with_nothing_for_longest_makes_room_and_one_that_is_served_never() {
        let seats = Seats::new(Duration::ZERO, Arc::default());
        let mut all: Vec<_> = (0..MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        // The first is served, the second has just got on with something, and of the third bytes came.
        all[1].got_on();
        assert!(all[0].serve() && all[1].wait() && all[2].serve() && all[2].wait());
        let newcomer = seats.take().unwrap();
        assert!(!all[2].serve(), "bytes alone keep no place");
        assert!(all[0].wait() && all[1].serve());
        assert_eq!(all.iter().chain([&newcomer]).filter(|seat| seat.serve()).count(), MAX_CLIENTS);
        assert!(seats.take().is_none(), "all are served");
        drop(all);
        assert!(seats.take().is_some());
    }

    #[test]
    fn a_short_time_with_nothing_costs_nobody_a_place_that_ever_gave_a_command() {
        let seats = Seats::new(Duration::from_secs(3_600), Arc::default());
        let mut all: Vec<_> = (0..MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        all.iter_mut().for_each(Seat::got_on);
        assert!(all.iter().all(Seat::wait) && seats.take().is_none());
    }

    #[test]
    fn who_comes_again_and_again_and_says_nothing_keeps_nobody_out() {
        let seats = Seats::new(Duration::from_secs(3_600), Arc::default());
        let mut all: Vec<_> = (0..MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        // One spoke; all others that come displace those that did not.
        all[0].got_on();
        assert!(all[0].serve() && all[0].wait());
        let crowd: Vec<_> = (0..3 * MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        let mut newcomer = seats.take().unwrap();
        let _more: Vec<_> = (1..MAX_CLIENTS / 2).map(|_| seats.take().unwrap()).collect();
        assert!(newcomer.serve(), "it has the time in which half of all places are taken anew");
        newcomer.got_on();
        assert!(newcomer.wait());
        let _rest: Vec<_> = (0..3 * MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        assert!(newcomer.serve() && all[0].serve(), "who gave a command stays");
        assert!(!crowd.iter().any(Seat::serve));
    }
}
