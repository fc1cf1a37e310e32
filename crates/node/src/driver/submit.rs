//! What people ask of the engine, and the end.

use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use rumormill_gossip::{Engine, Input, Reject, Stats, Ticket};
use rumormill_wire::native::MessageKind;
use tokio::sync::watch;

use super::news::Coming;
use super::state::Driver;
use crate::counters::Counters;
use crate::lock;
use crate::outcome::{Pending, SubmitError};

impl Driver {
    /// Hands a message to the engine; waits while too many wait before it.
    pub(crate) async fn submit(&self, kind: MessageKind, room: &str, body: Bytes) -> Result<Pending, SubmitError> {
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            space.as_mut().enable();
            match self.try_submit(kind, room, body.clone()) {
                Err(SubmitError::Rejected(Reject::Busy)) => {}
                other => return other,
            }
            let mut stopping = self.stopping();
            tokio::select! {
                () = space => {}
                // Asked once more, it says why.
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// The same without waiting: [`Reject::Busy`] if too many wait.
    pub(crate) fn try_submit(&self, kind: MessageKind, room: &str, body: Bytes) -> Result<Pending, SubmitError> {
        // A clock that was put right a moment ago is not to date this.
        self.check_wall();
        let (sender, pending) = Pending::new();
        let mut state = lock(&self.state);
        if self.is_sealed() || *self.stopping.borrow() {
            return Err(state.failure.clone().unwrap_or(SubmitError::Stopping));
        }
        state.last_ticket = state.last_ticket.saturating_add(1);
        let ticket = Ticket(state.last_ticket);
        state.tickets.insert(ticket.0, sender);
        let input = Input::Submit { ticket, kind, room: room.to_owned(), body };
        let (result, jobs) = self.feed_locked(&mut state, input);
        if let Err(reject) = result {
            state.tickets.remove(&ticket.0);
            return Err(SubmitError::Rejected(reject));
        }
        drop(state);
        self.finish(jobs);
        Ok(pending)
    }

    /// All who still wait are told that it was in vain.
    pub(crate) fn end_tickets(&self, why: &SubmitError) {
        let waiting = core::mem::take(&mut lock(&self.state).tickets);
        Counters::add(&self.counters.submits_not_written, u64::try_from(waiting.len()).unwrap_or(u64::MAX));
        for (_, sender) in waiting {
            let _ = sender.send(Err(why.clone()));
        }
        self.space.notify_waiters();
    }

    /// Messages of ours that are not durable yet.
    pub(crate) fn outstanding(&self) -> usize {
        lock(&self.state).tickets.len()
    }

    /// Bundles as they become durable.
    pub(crate) fn follow(&self) -> Coming {
        self.followers.subscribe()
    }

    /// Looks at the engine under the lock, and changes nothing.
    pub(crate) fn with_engine<T>(&self, look: impl FnOnce(&Engine) -> T) -> T {
        look(lock(&self.state).machine.gossip())
    }

    pub(crate) fn stats(&self) -> Stats {
        self.with_engine(Engine::stats)
    }

    /// Our wall clock in microseconds.
    pub(crate) fn wall_us(&self) -> u64 {
        self.clock.wall.now_us()
    }

    /// Tells all tasks of the node to stop.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Whether the last words of this node are said.
    pub(crate) fn drained(&self) -> watch::Receiver<bool> {
        self.drained.subscribe()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }
}
