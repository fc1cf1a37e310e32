//! What was signed outside of the engines.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::Origin;
use rumormill_wire::native::SignedHeader;

use crate::bundle::VerifiedBundle;

/// What was signed outside of the engines.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub branches: BTreeMap<(Origin, u8), Vec<Arc<VerifiedBundle>>>,
    pub headers: BTreeMap<Origin, Vec<SignedHeader>>,
    all: Vec<Arc<VerifiedBundle>>,
}

impl Book {
    /// One of all bundles that were signed.
    pub(super) fn bundle(&self, which: u8) -> Option<&Arc<VerifiedBundle>> {
        self.all.get(usize::from(which) % self.all.len().max(1))
    }

    pub(super) fn note(&mut self, bundle: &Arc<VerifiedBundle>) {
        self.headers.entry(bundle.header().origin).or_default().push(*bundle.signed_header());
        self.all.push(Arc::clone(bundle));
    }
}
