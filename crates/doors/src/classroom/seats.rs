//! Places for clients. A newcomer to a full port gets the place of the one that has been silent longest, if that is long
//! enough; while places are free, silence costs nobody theirs, and one whose request is open keeps it always.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumormill_limits::{Clock, Room, Slots, Timestamp};
use tokio::sync::Notify;

use crate::counters::Counters;

/// Connections to a control port at once.
pub const MAX_CLIENTS: usize = 64;

/// A client's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    of: Arc<Seats>,
    lost: Arc<Notify>,
}

/// All places. The rank of a silent one is since when no byte has come.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<Slots<(), Timestamp, Arc<Notify>>>,
    /// So long a silent one is left alone.
    idle: Duration,
    clock: Clock,
    counters: Arc<Counters>,
}

impl Seats {
    pub(super) fn new(idle: Duration, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), idle, clock: Clock::start(), counters })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Slots<(), Timestamp, Arc<Notify>>) -> T) -> T {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut taken);
        Counters::set(&self.counters.open, taken.len());
        done
    }

    /// A place for a newcomer, if need be that of another.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let (number, lost) = self.with(|taken| {
            let (room, now) = (taken.room(&(), usize::MAX, MAX_CLIENTS), self.clock.now());
            if room != Room::Free {
                Counters::one(&self.counters.refused_full);
                let Room::InPlaceOf(longest) = room else { return None };
                taken.rank(longest).filter(|since| now.elapsed(**since) >= self.idle)?;
                taken.remove(longest)?.notify_one();
            }
            let lost = Arc::new(Notify::new());
            Some((taken.add((), now, Arc::clone(&lost)), lost))
        })?;
        Counters::one(&self.counters.opened);
        Some(Seat { number, of: Arc::clone(self), lost })
    }
}

impl Seat {
    /// Bytes have come: nobody takes the place until they are dealt with. False if somebody has it already.
    pub(super) fn serve(&self) -> bool {
        self.of.with(|taken| taken.serve(self.number))
    }

    /// All that came is dealt with.
    pub(super) fn wait(&self) -> bool {
        self.of.with(|taken| taken.idle(self.number, self.of.clock.now()))
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
    fn the_longest_silent_one_makes_room_and_one_that_is_served_never() {
        let seats = Seats::new(Duration::ZERO, Arc::default());
        let all: Vec<_> = (0..MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        assert!(all[0].serve() && all[1].wait());
        // The first is served and the second has just spoken.
        let newcomer = seats.take().unwrap();
        assert!(!all[2].serve(), "it was silent longest");
        assert!(all[0].wait() && all[1].serve());
        assert_eq!(all.iter().chain([&newcomer]).filter(|seat| seat.serve()).count(), MAX_CLIENTS);
        assert!(seats.take().is_none(), "all are served");
        drop(all);
        assert!(seats.take().is_some());
    }

    #[test]
    fn silence_that_is_short_costs_nobody_a_place() {
        let seats = Seats::new(Duration::from_secs(3_600), Arc::default());
        let all: Vec<_> = (0..MAX_CLIENTS).map(|_| seats.take().unwrap()).collect();
        assert!(seats.take().is_none() && all.iter().all(Seat::wait));
    }
}
