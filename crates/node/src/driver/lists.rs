//! Parts of the revocation list on their way to the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::native::ListPart;

/// Parts by their place, so bounded by the places of the list.
pub(super) type ListParts = BTreeMap<u8, Arc<ListPart>>;

/// Parts on their way to the store.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) waiting: ListParts,
    /// The store has some now. The others wait, so that none comes behind a newer one of its place.
    pub(super) busy: bool,
    /// How often in a row the store has failed.
    pub(super) failed: u32,
}

impl Lists {
    /// A newer part of a place stands for an older one.
    pub(super) fn wait(&mut self, part: Arc<ListPart>) {
        if self.waiting.get(&part.place()).is_none_or(|waits| waits.number() < part.number()) {
            self.waiting.insert(part.place(), part);
        }
    }
}
