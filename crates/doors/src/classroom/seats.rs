//! Places for clients. A newcomer to a full port gets the place of the one that has been silent longest, if that is long
//! enough; while places are free, silence costs nobody theirs, and one whose request is open keeps it always.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::counters::Counters;

/// Connections to a control port at once.
pub const MAX_CLIENTS: usize = 64;

#[derive(Debug)]
enum State {
    /// A request is open.
    Served,
    /// No byte has come since then.
    Silent(Instant),
}

/// A client's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    of: Arc<Seats>,
    lost: Arc<Notify>,
}

/// All places.
#[derive(Debug)]
pub(super) struct Seats {
    taken: Mutex<Taken>,
    /// So long a silent one is left alone.
    idle: Duration,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Taken {
    by_number: BTreeMap<u64, (State, Arc<Notify>)>,
    next: u64,
}

impl Seats {
    pub(super) fn new(idle: Duration, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), idle, counters })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Taken) -> T) -> T {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut taken);
        Counters::set(&self.counters.open, taken.by_number.len());
        done
    }

    /// A place for a newcomer, if need be that of another.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let (number, lost) = self.with(|taken| {
            if taken.by_number.len() >= MAX_CLIENTS {
                Counters::one(&self.counters.refused_full);
                let (_, lost) = taken.by_number.remove(&taken.longest_silent(self.idle)?)?;
                lost.notify_one();
            }
            let (number, lost) = (taken.next, Arc::new(Notify::new()));
            taken.next = taken.next.saturating_add(1);
            taken.by_number.insert(number, (State::Silent(Instant::now()), Arc::clone(&lost)));
            Some((number, lost))
        })?;
        Counters::one(&self.counters.opened);
        Some(Seat { number, of: Arc::clone(self), lost })
    }
}

impl Taken {
    fn longest_silent(&self, idle: Duration) -> Option<u64> {
        let silent = self.by_number.iter().filter_map(|(number, (state, _))| match state {
            State::Silent(since) if since.elapsed() >= idle => Some((*since, *number)),
            _ => None,
        });
        silent.min().map(|(_, number)| number)
    }
}

impl Seat {
    /// Bytes have come: nobody takes the place until they are dealt with. False if somebody has it already.
    pub(super) fn serve(&self) -> bool {
        self.set(State::Served)
    }

    /// All that came is dealt with.
    pub(super) fn wait(&self) -> bool {
        self.set(State::Silent(Instant::now()))
    }

    fn set(&self, state: State) -> bool {
        self.of.with(|taken| taken.by_number.get_mut(&self.number).map(|seat| seat.0 = state).is_some())
    }

    /// Once somebody else has the place.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.with(|taken| taken.by_number.remove(&self.number));
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
