//! How much a link may bring: governor limits by node id. Over them a link is read more slowly, never refused.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rumormill_wire::NodeId;
use rumormill_wire::native::MAX_FRAME_LEN;

use crate::metrics::Metrics;

/// Bounds on a link. Rates are for a node id, over all its links.
#[derive(Debug, Clone, Copy)]
pub struct LinkLimits {
    /// Frames a second, and as many at once.
    pub frames_per_s: NonZeroU32,
    /// Bytes a second, and as many at once; at least the longest frame.
    pub bytes_per_s: NonZeroU32,
    /// Without a frame for so long, the link ends.
    pub idle: Duration,
    /// A peer that takes nothing for so long loses the link.
    pub write: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            frames_per_s: NonZeroU32::MIN.saturating_add(49_999),
            bytes_per_s: NonZeroU32::MIN.saturating_add(256 * 1024 * 1024 - 1),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
        }
    }
}

/// The rates of one node, shared by its links.
#[derive(Debug)]
pub(crate) struct NodeRates {
    frames: DefaultDirectRateLimiter,
    bytes: DefaultDirectRateLimiter,
}

/// The rates of all nodes that have links.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) limits: LinkLimits,
    nodes: Mutex<BTreeMap<NodeId, Weak<NodeRates>>>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Limits {
    pub(crate) fn new(limits: LinkLimits, metrics: Arc<Metrics>) -> Self {
        let least = NonZeroU32::MIN.saturating_add(u32::try_from(MAX_FRAME_LEN).unwrap_or(u32::MAX));
        let limits = LinkLimits { bytes_per_s: limits.bytes_per_s.max(least), ..limits };
        Self { limits, nodes: Mutex::new(BTreeMap::new()), metrics }
    }

    /// Bounded by the links that are open: a node without one is forgotten here.
    pub(crate) fn rates(&self, node: NodeId) -> Arc<NodeRates> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|_, rates| rates.strong_count() > 0);
        if let Some(rates) = nodes.get(&node).and_then(Weak::upgrade) {
            return rates;
        }
        let rates = Arc::new(NodeRates {
            frames: RateLimiter::direct(Quota::per_second(self.limits.frames_per_s)),
            bytes: RateLimiter::direct(Quota::per_second(self.limits.bytes_per_s)),
        });
        nodes.insert(node, Arc::downgrade(&rates));
        rates
    }
}

/// What the last frame of a link cost and is not paid yet.
#[derive(Debug)]
pub(crate) struct Payer {
    rates: Arc<NodeRates>,
    frame: bool,
    bytes: Option<NonZeroU32>,
}

impl Payer {
    pub(crate) const fn new(rates: Arc<NodeRates>) -> Self {
        Self { rates, frame: false, bytes: None }
    }

    pub(crate) fn owe(&mut self, bytes: usize) {
        self.frame = true;
        self.bytes = u32::try_from(bytes).ok().and_then(NonZeroU32::new);
    }

    /// Waits until it is paid. Dropping the future loses nothing: what was not paid is still owed.
    pub(crate) async fn pay(&mut self, metrics: &Metrics) {
        if self.frame {
            if self.rates.frames.check().is_err() {
                Metrics::add(&metrics.slowed, 1);
                self.rates.frames.until_ready().await;
            }
            self.frame = false;
        }
        if let Some(bytes) = self.bytes {
            if !matches!(self.rates.bytes.check_n(bytes), Ok(Ok(()))) {
                Metrics::add(&metrics.slowed, 1);
                let _ = self.rates.bytes.until_n_ready(bytes).await;
            }
            self.bytes = None;
        }
    }
}
