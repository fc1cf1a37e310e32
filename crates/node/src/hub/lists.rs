//! Parts of the revocation list go to the store by themselves: before all that waits here, at a full store too, and again until
//! they are there.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_store::{Record, StoreError};
use rumormill_wire::native::ListPart;

use super::{Hub, State};
use crate::counters::Counters;
use crate::disk::Handed;
use crate::lock;

impl Hub {
    pub(super) fn keep_list(&self, state: &mut State, part: &ListPart) {
        let bytes = Bytes::copy_from_slice(part.bytes());
        state.lists.push(Record::Revocations { place: part.place(), bytes });
        self.hand_over_lists(state);
    }

    /// Tries again what could not be kept.
    pub(crate) fn keep_lists(&self) {
        self.hand_over_lists(&mut lock(&self.state));
    }

    fn hand_over_lists(&self, state: &mut State) {
        if state.lists.is_empty() {
            return;
        }
        let records = core::mem::take(&mut state.lists);
        let (me, again) = (self.me.clone(), records.clone());
        let done = move |result: Result<(), Arc<StoreError>>| {
            if let (Some(hub), Err(error)) = (me.upgrade(), result) {
                hub.list_not_kept(&mut lock(&hub.state), again, &error);
            }
        };
        match self.disk.commit(records.clone(), done) {
            Handed::Done(Err(error)) => self.list_not_kept(state, records, &error),
            Handed::Back(records) => state.lists = records,
            Handed::Done(Ok(())) | Handed::Queued => {}
        }
    }

    /// An older part must not come behind a newer one of its place.
    fn list_not_kept(&self, state: &mut State, mut records: Vec<Record>, error: &StoreError) {
        Counters::add(&self.counters.lists_not_kept, 1);
        tracing::error!(%error, "a revocation list is in force but cannot be kept; trying again");
        records.append(&mut state.lists);
        state.lists = records;
    }
}
