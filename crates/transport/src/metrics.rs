//! Counters of this room.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::refusal::Refusal;

/// Counts since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections taken from the listener.
    pub accepted: AtomicU64,
    /// Handshakes that ended in a link, both ways.
    pub links: AtomicU64,
    /// Handshakes ended to make room for a newer one.
    pub evicted: AtomicU64,
    /// Connections over their prefix's rate.
    pub over_rate: AtomicU64,
    /// Connections that came when only the descriptors kept for files were left, and tries to take one that failed.
    pub descriptors_short: AtomicU64,
    /// Bytes of frames received.
    pub bytes_in: AtomicU64,
    /// Bytes of frames sent.
    pub bytes_out: AtomicU64,
    /// Times a link was read more slowly because its node was over its limit.
    pub slowed: AtomicU64,
    refused: Mutex<BTreeMap<Refusal, u64>>,
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
        let plain = [
            ("connections_accepted", &self.accepted),
            ("links_made", &self.links),
            ("handshakes_evicted", &self.evicted),
            ("connections_over_rate", &self.over_rate),
            ("descriptors_short", &self.descriptors_short),
            ("bytes_in", &self.bytes_in),
            ("bytes_out", &self.bytes_out),
            ("reads_slowed", &self.slowed),
        ];
        let mut out: Vec<_> = plain.map(|(name, n)| (name.to_owned(), n.load(Ordering::Relaxed))).into();
        let refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        out.extend(refused.iter().map(|(reason, n)| (format!("refused_{}", reason.name()), *n)));
        out
    }
}
