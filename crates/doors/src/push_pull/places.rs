//! Places for connections. A newcomer to a full door gets the place of the one that has been there longest without a
//! whole request, or that only lingers; those being served keep theirs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rumormill_limits::{Room, room};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::counters::Counters;

/// Connections at once, from all addresses together.
pub const MAX_CLIENTS: usize = 128;
/// Connections at once from an address beyond this machine. All clients on this machine may have one address.
pub const MAX_BY_ADDRESS: usize = 16;

/// A connection's place, as its task sees it.
#[derive(Debug)]
pub(super) struct ClientPlace {
    pub(super) number: u64,
    /// Somebody else had to go.
    pub(super) was_full: bool,
    served: Arc<AtomicBool>,
    changed: Arc<Notify>,
}

impl ClientPlace {
    /// Nobody takes the place of one that is being served.
    pub(super) fn served(&self, served: bool) {
        self.served.store(served, Ordering::Release);
        if !served {
            self.changed.notify_one();
        }
    }
}

/// A connection that has a place, as the others see it.
struct Occupant {
    addr: IpAddr,
    served: Arc<AtomicBool>,
    task: Option<AbortHandle>,
}

impl Occupant {
    fn is_idle(&self) -> bool {
        !self.served.load(Ordering::Acquire)
    }
}

/// All places, by number: the lowest has been there longest.
pub(super) struct ClientPlaces {
    seats: BTreeMap<u64, Occupant>,
    next: u64,
    changed: Arc<Notify>,
    counters: Arc<Counters>,
}

impl ClientPlaces {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { seats: BTreeMap::new(), next: 0, changed: Arc::new(Notify::new()), counters }
    }

    /// Whether a newcomer could have no place, whoever it is: all are being served.
    pub(super) fn is_stuck(&self) -> bool {
        self.seats.len() >= MAX_CLIENTS && !self.seats.values().any(Occupant::is_idle)
    }

    /// Until one is no longer being served.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Those that have ended give back their places.
    pub(super) fn clear_ended(&mut self) {
        self.seats.retain(|_, seat| seat.task.as_ref().is_none_or(|task| !task.is_finished()));
        Counters::set(&self.counters.open, self.seats.len());
    }

    /// A place for a newcomer, if need be that of another.
    pub(super) fn take(&mut self, addr: IpAddr) -> Option<ClientPlace> {
        let addr = addr.to_canonical();
        let share = if addr.is_loopback() { usize::MAX } else { MAX_BY_ADDRESS };
        // Of those who are idle the one that came first.
        let all = self.seats.iter().map(|(number, seat)| (*number, seat.addr, seat.is_idle().then_some(())));
        let room = room(all, &addr, share, MAX_CLIENTS);
        let was_full = room != Room::Free;
        if was_full {
            Counters::one(&self.counters.refused_full);
            let Room::InPlaceOf(first) = room else { return None };
            let gone = self.seats.remove(&first);
            gone.and_then(|seat| seat.task).inspect(AbortHandle::abort);
        }
        let (number, served) = (self.next, Arc::new(AtomicBool::new(false)));
        self.next = self.next.saturating_add(1);
        self.seats.insert(number, Occupant { addr, served: Arc::clone(&served), task: None });
        Counters::one(&self.counters.opened);
        Counters::set(&self.counters.open, self.seats.len());
        Some(ClientPlace { number, was_full, served, changed: Arc::clone(&self.changed) })
    }

    /// Whether a connection has its place still.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.seats.contains_key(&number)
    }

    /// Whom to send away if the place is needed.
    pub(super) fn seat(&mut self, number: u64, task: AbortHandle) {
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.task = Some(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> ClientPlaces {
        ClientPlaces::new(Arc::new(Counters::default()))
    }

    #[test]
    fn the_idle_one_that_came_first_makes_room() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut places = places();
        let all: Vec<_> = (0..MAX_CLIENTS).map(|_| places.take(here).unwrap()).collect();
        all[0].served(true);
        assert!(places.take(here).unwrap().was_full);
        assert!(places.seats.contains_key(&0) && !places.seats.contains_key(&1));
        assert_eq!(places.seats.len(), MAX_CLIENTS);
    }

    #[test]
    fn nobody_who_is_served_makes_room() {
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut places = places();
        let all: Vec<_> = (0..MAX_CLIENTS).map(|_| places.take(here).unwrap()).collect();
        all.iter().for_each(|place| place.served(true));
        assert!(places.is_stuck() && places.take(here).is_none());
        all[7].served(false);
        assert!(!places.is_stuck() && places.take(here).is_some());
    }

    #[test]
    fn one_far_address_does_not_push_others_out() {
        let (here, far) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
        let mut places = places();
        let first = places.take(here).unwrap();
        for _ in 0..2 * MAX_CLIENTS {
            let _ = places.take(far).unwrap();
        }
        assert!(places.seats.contains_key(&first.number));
        assert_eq!(places.seats.len(), 1 + MAX_BY_ADDRESS);
    }
}
