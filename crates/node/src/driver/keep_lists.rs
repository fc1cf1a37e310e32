//! Parts of the revocation list go to the store by themselves: before all that waits there, at a full store too, and again until
//! they are there. Only then does the engine take them: a list that is in force, shown or passed on is durable.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_gossip::Input;
use rumormill_store::{Record, StoreError};
use rumormill_wire::native::ListPart;

use super::lists::ListParts;
use super::state::{Driver, State};
use crate::counters::Counters;
use crate::disk::Handed;
use crate::lock;

/// How often in a row the store may fail to take a list, once a second, before the node stops as with all else that it cannot keep: whom
/// the list names has its links for as long.
const TRIES: u32 = 10;

impl Driver {
    pub(super) fn keep_list(&self, state: &mut State, part: Arc<ListPart>) {
        state.lists.wait(part);
        // What has failed is tried again once a second, however many more come.
        if state.lists.failed == 0 {
            self.hand_over_lists(state);
        }
    }

    /// Tries again what could not be kept.
    pub(crate) fn keep_lists(&self) {
        let mut state = lock(&self.state);
        self.hand_over_lists(&mut state);
        let jobs = self.feed_answers(&mut state);
        drop(state);
        self.spawn_finish(jobs);
    }

    fn hand_over_lists(&self, state: &mut State) {
        if state.lists.busy || state.lists.waiting.is_empty() {
            return;
        }
        let parts = core::mem::take(&mut state.lists.waiting);
        let record = |part: &Arc<ListPart>| Record::Revocations {
            place: part.place(),
            bytes: Bytes::copy_from_slice(part.bytes()),
        };
        let records = parts.values().map(record).collect();
        let (me, given) = (self.me.clone(), parts.clone());
        let done = move |result: Result<(), Arc<StoreError>>| {
            if let Some(driver) = me.upgrade() {
                driver.lists_stored(given, result);
            }
        };
        state.lists.busy = true;
        match self.disk.commit_first(records, done) {
            Handed::Done(result) => self.settle_lists(state, parts, result.map_err(Arc::new)),
            Handed::Back(_) => (state.lists.waiting, state.lists.busy) = (parts, false),
            Handed::Queued => {}
        }
    }

    /// The store's thread says what became of parts.
    fn lists_stored(&self, parts: ListParts, result: Result<(), Arc<StoreError>>) {
        let mut state = lock(&self.state);
        self.settle_lists(&mut state, parts, result);
        let jobs = self.feed_answers(&mut state);
        drop(state);
        self.spawn_finish(jobs);
    }

    fn settle_lists(&self, state: &mut State, parts: ListParts, result: Result<(), Arc<StoreError>>) {
        state.lists.busy = false;
        match result {
            Ok(()) => {
                state.lists.failed = 0;
                state.answers.extend(parts.into_values().map(|part| Input::RevocationsKept { part }));
                self.hand_over_lists(state);
            }
            Err(error) => {
                Counters::add(&self.counters.lists_not_kept, 1);
                parts.into_values().for_each(|part| state.lists.wait(part));
                state.lists.failed = state.lists.failed.saturating_add(1);
                if state.lists.failed < TRIES {
                    tracing::error!(%error, "a revocation list cannot be kept, and is not in force before it is; trying again");
                } else {
                    tracing::error!(%error, "a revocation list cannot be kept: this node stops");
                    self.store_failed(state, &error);
                }
            }
        }
    }
}
