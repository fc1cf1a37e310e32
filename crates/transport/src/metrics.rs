//! Counters of this room.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::refusal::Refusal;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident = $shown:literal,)*) => {
        /// Counts since the start.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)*
            refused: Mutex<BTreeMap<Refusal, u64>>,
        }

        impl Metrics {
            fn plain(&self) -> Vec<(String, u64)> {
                vec![$(($shown.to_owned(), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

metrics! {
    /// Connections taken from the listener.
    accepted = "connections_accepted",
    /// Handshakes that ended in a link, both ways.
    links = "links_made",
    /// Handshakes ended to make room for a newer one.
    evicted = "handshakes_evicted",
    /// Connections over their prefix's rate.
    over_rate = "connections_over_rate",
    /// Connections that came when only the descriptors kept for files were left, and tries to take one that failed.
    descriptors_short = "descriptors_short",
    /// Bytes of frames received.
    bytes_in = "bytes_in",
    /// Bytes of frames sent.
    bytes_out = "bytes_out",
    /// Times a link was read more slowly because its node was over its limit.
    slowed = "reads_slowed",
}

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, by: usize) {
        counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, reason: Refusal) {
        let mut refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = refused.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    /// Every counter with its name.
    #[must_use]
    pub fn named(&self) -> Vec<(String, u64)> {
        let mut out = self.plain();
        let refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        out.extend(refused.iter().map(|(reason, n)| (format!("refused_{}", reason.name()), *n)));
        out
    }
}
