//! The chat log as it stands in replies, rendered once for all who ask for it. It is kept in parts, each by the place behind
//! which it begins: many who ask at once share what one of them has read, and who asks later has only what is new read.
//!
//! Order is by clock, so a bundle may come that belongs into the middle: the parts that it touches are dropped, and no others. What a
//! fork or a revocation withdraws drops all. So what is given is always what a reading of the whole store would give.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use rumormill_wire::classroom::RenderedMessages;
use rumormill_wire::{Origin, Seq};
use tokio::sync::{Mutex as Turns, MutexGuard as Turn};

use crate::lock;
use crate::view::{MAX_AHEAD_US, Place, Rules};

/// A part has about so many bytes, and at most the longest message more.
pub(crate) const PART_BYTES: usize = 128 << 10;
/// For a part, no more messages than this are looked at, whatever of them is shown.
pub(crate) const PART_LOOKED: usize = 8_192;
/// Bytes of all parts that are kept. Of a longer log the parts that were read first give way.
pub(crate) const MAX_KEPT: usize = 32 << 20;
/// Their number: those of a few messages count too.
pub(crate) const MAX_PARTS: usize = 512;

/// A part of the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// Its messages, rendered for replies; one rendering is shared by all who ask.
    pub(crate) messages: Arc<RenderedMessages>,
    /// The place of the last message that was looked at, or the one behind which the part begins.
    pub(crate) end: Option<Place>,
    /// It grows no more: what follows is in the next one.
    pub(crate) full: bool,
    /// Behind its end stood a message whose time had not come when it was read.
    pub(crate) waits: bool,
    /// Commits when it was read.
    as_of: u64,
}

impl Part {
    /// The part that begins behind a place, with nothing in it yet.
    pub(crate) fn behind(from: Option<Place>) -> Self {
        Self { end: from, ..Self::default() }
    }
}

/// What is kept, and who reads.
#[derive(Debug, Default)]
pub(crate) struct ChatLog {
    kept: Mutex<PartCache>,
    turns: Turns<()>,
}

/// The parts that are kept, and by what it is seen that they still hold.
#[derive(Debug, Default)]
struct PartCache {
    parts: BTreeMap<Option<Place>, Part>,
    /// In the order in which they were read: the first gives way first.
    order: VecDeque<Option<Place>>,
    bytes: usize,
    /// What was withdrawn when they were read.
    limits: Arc<BTreeMap<Origin, Seq>>,
    /// Bundles committed since the start: a part read before the last of them may lack what it brought.
    commits: u64,
    /// From where to where bundles were committed since the reading of a part began.
    touched: Option<(Place, Place)>,
}

impl ChatLog {
    /// The part behind a place, and whether it is all that there is of it. Otherwise it is to be read on from its end, in turn.
    pub(crate) fn find(&self, rules: &Rules, from: Option<Place>) -> Option<(Part, bool)> {
        let mut kept = lock(&self.kept);
        kept.hold_to(rules);
        // Our clock was put back: what had come is to come.
        let until = rules.wall_us.saturating_add(MAX_AHEAD_US);
        let part = kept.parts.get(&from).filter(|part| part.end.is_none_or(|end| end.clock.0 <= until))?;
        let whole = part.full || part.as_of == kept.commits && !part.waits;
        Some((part.clone(), whole))
    }

    /// Waits for the turn to read: one does at a time, in the order in which they came.
    pub(crate) async fn turn(&self) -> Turn<'_, ()> {
        self.turns.lock().await
    }

    /// Notes that a part is read from now on. Who does has the turn.
    pub(crate) fn begin(&self, part: &mut Part) {
        let mut kept = lock(&self.kept);
        kept.touched = None;
        part.as_of = kept.commits;
    }

    /// Keeps a part that was read by these rules, unless it was overtaken meanwhile.
    pub(crate) fn keep(&self, rules: &Rules, from: Option<Place>, part: Part) {
        let mut kept = lock(&self.kept);
        let overtaken =
            kept.touched.is_some_and(|touched| touches(from, part.end, touched)) || kept.limits != rules.limits;
        if !overtaken {
            kept.put(from, part);
        }
    }

    /// A bundle is durable, and nobody has been told so yet.
    pub(crate) fn committed(&self, first: Place, last: Place) {
        let mut kept = lock(&self.kept);
        kept.commits = kept.commits.saturating_add(1);
        kept.touched = Some(match kept.touched {
            Some((from, to)) => (from.min(first), to.max(last)),
            None => (first, last),
        });
        let touched: Vec<_> = kept
            .parts
            .range(..Some(last))
            .filter(|(from, part)| touches(**from, part.end, (first, last)))
            .map(|(from, _)| *from)
            .collect();
        touched.into_iter().for_each(|from| kept.drop_part(from));
    }

    /// Bytes of all parts that are kept, for the metrics.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.kept).bytes
    }
}

/// Whether messages from `touched.0` to `touched.1` may stand in a part behind `from` up to `end`.
fn touches(from: Option<Place>, end: Option<Place>, touched: (Place, Place)) -> bool {
    from < Some(touched.1) && Some(touched.0) <= end
}

impl PartCache {
    fn hold_to(&mut self, rules: &Rules) {
        if !Arc::ptr_eq(&self.limits, &rules.limits) && self.limits != rules.limits {
            (self.parts, self.order, self.bytes) = Default::default();
        }
        self.limits = Arc::clone(&rules.limits);
    }

    fn put(&mut self, from: Option<Place>, part: Part) {
        self.drop_part(from);
        self.bytes = self.bytes.saturating_add(part.messages.len());
        self.parts.insert(from, part);
        self.order.push_back(from);
        while self.bytes > MAX_KEPT || self.parts.len() > MAX_PARTS {
            let Some(oldest) = self.order.front().copied() else { return };
            self.drop_part(oldest);
        }
    }

    fn drop_part(&mut self, from: Option<Place>) {
        if let Some(part) = self.parts.remove(&from) {
            self.bytes = self.bytes.saturating_sub(part.messages.len());
            self.order.retain(|other| *other != from);
        }
    }
}

#[cfg(test)]
#[path = "chat_log_tests.rs"]
mod tests;
