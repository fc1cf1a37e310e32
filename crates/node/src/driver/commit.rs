//! Records go to the store, and what became of them comes back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use rumormill_gossip::Input;
use rumormill_store::{Class, Record, StoreError};
use rumormill_wire::{Incarnation, Seq};

use super::news::News;
use super::state::{Driver, State};
use crate::committed::Committed;
use crate::counters::Counters;
use crate::disk::Handed;
use crate::lock;
use crate::outcome::SubmitError;
use crate::view::Place;

/// Under which name the store keeps the incarnation that we write under.
pub(crate) const INCARNATION_KEY: &str = "incarnation";

/// What records are given to the store together.
#[derive(Debug, Clone, Copy)]
enum Handing {
    /// Of one class that a full store keeps. None of them is an append.
    Small(Class),
    /// With all appends up to this one.
    UpTo(u64),
}

impl Driver {
    /// Gives the store records of the shell's own.
    pub(crate) fn keep(&self, records: Vec<Record>) {
        let mut state = lock(&self.state);
        state.records.extend(records);
        let _ = self.hand_over(&mut state);
    }

    /// Gives the store what has come together. If too much waits there, it goes with the next. What a store in memory has
    /// taken at once is for the engine to hear.
    ///
    /// What must be kept whatever the bound goes by itself, before the rest, and proofs after it: they are not refused with a
    /// bundle that finds no room, and a full store takes them.
    pub(super) fn hand_over(&self, state: &mut State) -> Option<Input> {
        if state.records.is_empty() {
            return None;
        }
        let (bulk, small): (Vec<_>, Vec<_>) =
            core::mem::take(&mut state.records).into_iter().partition(|record| record.class() == Class::Bulk);
        let (vital, evidence): (Vec<_>, Vec<_>) = small.into_iter().partition(|record| record.class() == Class::Vital);
        for (class, records) in [(Class::Vital, vital), (Class::Evidence, evidence)] {
            if records.is_empty() {
                continue;
            }
            let waits = !state.records.is_empty();
            state.records.extend(records);
            if !waits {
                // Nothing of it is an append, so the engine has nothing to hear.
                let _ = self.give_records(state, Handing::Small(class));
            }
        }
        if state.store_full {
            state.uncommitted.clear();
            return None;
        }
        let waits = !state.records.is_empty();
        state.records.extend(bulk);
        if waits || state.records.is_empty() {
            // What is vital found the queue full: all of it goes with the next, in this order.
            return None;
        }
        let appends = state.appends;
        self.give_records(state, Handing::UpTo(appends))
    }

    /// Gives the store all records that wait.
    fn give_records(&self, state: &mut State, handing: Handing) -> Option<Input> {
        let me = self.me.clone();
        let done = move |result: Result<(), Arc<StoreError>>| {
            if let Some(driver) = me.upgrade() {
                driver.stored(handing, result);
            }
        };
        match self.disk.commit(core::mem::take(&mut state.records), done) {
            Handed::Done(result) => self.settle(state, handing, result.map_err(Arc::new)),
            Handed::Queued => None,
            Handed::Back(records) => {
                state.records = records;
                None
            }
        }
    }

    /// The store's thread says what became of records.
    fn stored(&self, handing: Handing, result: Result<(), Arc<StoreError>>) {
        let mut state = lock(&self.state);
        let Some(input) = self.settle(&mut state, handing, result) else { return };
        let (_, jobs) = self.feed_locked(&mut state, input);
        drop(state);
        self.spawn_finish(jobs);
    }

    fn settle(&self, state: &mut State, handing: Handing, result: Result<(), Arc<StoreError>>) -> Option<Input> {
        let error = match (result, handing) {
            // Behind the one that found no room, nothing counts.
            (_, Handing::UpTo(_)) if state.store_full => return None,
            (Ok(()), Handing::UpTo(appends)) => return Some(self.committed(state, appends)),
            (Ok(()), Handing::Small(_)) => return None,
            (Err(error), _) => error,
        };
        match (&*error, handing) {
            (StoreError::Full { used, most }, Handing::UpTo(_)) => return Some(self.full(state, *used, *most)),
            (StoreError::Full { .. }, Handing::Small(Class::Evidence)) => {
                Counters::add(&self.counters.proofs_not_kept, 1);
                tracing::warn!(
                    "a proof finds no room in the store: after a restart it is missing until a neighbour sends it"
                );
                return None;
            }
            (StoreError::Full { .. }, Handing::Small(_)) => {
                tracing::error!(%error, "what must be kept finds no room: this node stops");
            }
            _ => tracing::error!(%error, "the store failed: this node stops"),
        }
        self.store_failed(state, &error);
        None
    }

    /// Whoever waits hears why, and the node stops.
    pub(super) fn store_failed(&self, state: &mut State, error: &StoreError) {
        let why = SubmitError::StoreFailed { reason: error.to_string() };
        state.failure = Some(why.clone());
        for (_, waiting) in state.tickets.drain() {
            Counters::add(&self.counters.submits_not_written, 1);
            let _ = waiting.send(Err(why.clone()));
        }
        self.failed.store(true, Relaxed);
        self.stop();
    }

    /// The store takes no more. What it took before is told first.
    fn full(&self, state: &mut State, used: u64, most: u64) -> Input {
        tracing::error!(
            used,
            most,
            "the store is full: this node keeps no more messages and writes none; what is new passes through it. \
             Start it with a larger store-max to go on"
        );
        Counters::set(&self.counters.store_full, 1);
        Counters::set(&self.counters.store_bytes, used);
        Counters::set(&self.counters.store_max, most);
        state.store_full = true;
        state.records.retain(|record| record.class() != Class::Bulk);
        state.uncommitted.clear();
        state.answers.push_back(Input::StoreFull);
        Input::Committed { appends: state.stored }
    }

    fn committed(&self, state: &mut State, appends: u64) -> Input {
        state.stored = state.stored.max(appends);
        let open = usize::try_from(state.appends.saturating_sub(appends)).unwrap_or(usize::MAX);
        let done = state.uncommitted.len().saturating_sub(open);
        let followed = self.followers.count() > 0;
        let mut messages = 0_u64;
        self.mind_our_clock(state);
        let until_us = state.due.until(self.wall_us());
        let mut seen = Vec::new();
        for news in state.uncommitted.drain(..done) {
            let header = news.bundle.header();
            messages = messages.saturating_add(u64::from(header.count));
            state.due.note(news.bundle.first_clock(), news.bundle.last_clock());
            let (first, next) = (header.first, header.next());
            let place = |clock, seq| Place { clock, origin: header.origin, seq };
            let last = place(news.bundle.last_clock(), Seq(next.0.saturating_sub(1)));
            self.chat_log.committed(place(news.bundle.first_clock(), first), last);
            let off_us = news.bundle.last_clock().0.cast_signed().saturating_sub_unsigned(news.received_us);
            if header.origin.node == self.checker.me {
                state.own_told = Some((header.origin, header.next()));
            } else if state.clocks.wants(&header.origin.node, off_us) {
                seen.push((header.origin.node, off_us));
            }
            if followed {
                self.followers.tell(News::Committed(Arc::new(Committed { until_us, ..news })));
            }
        }
        self.compare_clocks(state, seen);
        Counters::add(&self.counters.commits, 1);
        Counters::add(&self.counters.messages_committed, messages);
        Input::Committed { appends }
    }
}

/// Stands in the store before the first bundle under this incarnation.
pub(crate) fn incarnation_record(incarnation: Incarnation) -> Record {
    let value = Bytes::copy_from_slice(&incarnation.0.to_be_bytes());
    Record::Meta { key: INCARNATION_KEY.to_owned(), value }
}
