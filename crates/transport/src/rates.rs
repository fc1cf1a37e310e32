//! How much a link may bring: rates by node id. Over them a link is read more slowly, never refused.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rumormill_limits::{Clock, Rate};
use rumormill_wire::NodeId;
use rumormill_wire::native::{MAX_FRAME_LEN, kind};

use crate::metrics::Metrics;

/// A frame that brings no messages counts as so many: it is handled by the one task that serves everybody, while messages are
/// checked elsewhere and have their author's pace. An honest node sends some 50 of them a second on a link, and this leaves 5,000.
const CONTROL_FRAMES: usize = 4;
/// So many bytes of such a frame count as one frame more, as each line of a list is looked up and compared. That is about four
/// lines of a STATUS.
const CONTROL_BYTES: usize = 256;

/// Bounds on a link. Rates are for a node id, over all its links.
#[derive(Debug, Clone, Copy)]
pub struct LinkLimits {
    /// Frames a second, and as many at once. One that brings no messages counts as four, and once more for each 256 bytes.
    pub frames_per_s: NonZeroU32,
    /// Bytes a second, and as many at once; at least the longest frame.
    pub bytes_per_s: NonZeroU32,
    /// Without a byte for so long, the link ends.
    pub idle: Duration,
    /// A frame has as much time beyond that as it takes at so many bytes a second: who brings it more slowly never ends it.
    pub slowest_bytes_per_s: NonZeroU32,
    /// A peer that takes nothing for so long loses the link.
    pub write: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            // 50,000 and 256 MiB: twice what a network of 1 Gbit/s brings, so only a flood is slowed. A node sets its own.
            frames_per_s: NonZeroU32::MIN.saturating_add(49_999),
            bytes_per_s: NonZeroU32::MIN.saturating_add(256 * 1024 * 1024 - 1),
            // Six pings of a node that pings after 5 s: it says goodbye before.
            idle: Duration::from_secs(30),
            // The longest frame in a minute and a half: an eighth of a telephone line.
            slowest_bytes_per_s: NonZeroU32::MIN.saturating_add(1_023),
            // Linux sends again after 0.2, 0.6, 1.4, 3, 6.2 and 12.6 s, so a wire that was cut for some seconds loses no link, and neither does
            // one of several connections that share a line too narrow for all.
            write: Duration::from_secs(20),
        }
    }
}

/// The rates of one node, shared by its links.
#[derive(Debug)]
pub(crate) struct NodeRates {
    clock: Clock,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    frames: Rate,
    bytes: Rate,
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
        let second = |amount: NonZeroU32| Rate::new(amount.get().into(), amount.get().into());
        let left = Left { frames: second(self.limits.frames_per_s), bytes: second(self.limits.bytes_per_s) };
        let rates = Arc::new(NodeRates { clock: Clock::start(), left: Mutex::new(left) });
        nodes.insert(node, Arc::downgrade(&rates));
        rates
    }
}

/// What the last frame of a link cost and is not paid yet.
#[derive(Debug)]
pub(crate) struct Payer {
    rates: Arc<NodeRates>,
    owed: Owed,
}

#[derive(Debug, Default)]
struct Owed {
    frames: u64,
    bytes: u64,
}

impl NodeRates {
    /// Pays what can be paid. The first thing that cannot says how long it has to wait.
    fn pay(&self, owed: &mut Owed) -> Option<Duration> {
        let now = self.clock.now();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Left { frames, bytes } = &mut *left;
        [(frames, &mut owed.frames), (bytes, &mut owed.bytes)].into_iter().find_map(|(rate, owed)| {
            let wait = (*owed > 0).then(|| rate.take_n(*owed, now).err()).flatten();
            if wait.is_none() {
                *owed = 0;
            }
            wait
        })
    }
}

impl Payer {
    pub(crate) const fn new(rates: Arc<NodeRates>) -> Self {
        Self { rates, owed: Owed { frames: 0, bytes: 0 } }
    }

    pub(crate) fn owe(&mut self, frame: &[u8]) {
        let control = || CONTROL_FRAMES.saturating_add(frame.len() / CONTROL_BYTES);
        let frames = if frame.first() == Some(&kind::RUMOR) { 1 } else { control() };
        let count = |amount: usize| u64::try_from(amount).unwrap_or(u64::MAX);
        self.owed = Owed { frames: count(frames), bytes: count(frame.len()) };
    }

    /// Waits until it is paid. Dropping the future loses nothing: what was not paid is still owed.
    pub(crate) async fn pay(&mut self, metrics: &Metrics) {
        let mut waited = None;
        while let Some(wait) = self.rates.pay(&mut self.owed) {
            // Each of the two counts once, however often others came first.
            let for_frame = self.owed.frames > 0;
            if waited.replace(for_frame) != Some(for_frame) {
                Metrics::add(&metrics.slowed, 1);
            }
            tokio::time::sleep(wait).await;
        }
    }
}
