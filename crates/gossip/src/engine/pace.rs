//! The pace of each author (docs/protocol.md, P-G6): what is over it is not taken now and asked for again as soon as a good run
//! of it may come, and to each neighbour no author's messages go faster than it takes them.

use rumormill_wire::native::MAX_BUNDLE_LEN;
use rumormill_wire::{NodeId, Origin, Seq};

use super::Engine;
use super::timer::Timer;
use crate::bundle::RawBundle;
use crate::config::EngineConfig;
use crate::cost;
use crate::ingress::queue::Sender;
use crate::io::LinkId;
use crate::pacer::Pacer;
use crate::stats::{Why, bump};

/// Of what is taken of an author at once, this part is given to a neighbour at once: two that send it the same author at a
/// time, or what a link brought late, is then still taken.
const FEED_SHARE: u64 = 4;
/// A cursor that was over the pace goes on when this part of what goes at once may go.
const STEPS: u64 = 8;

/// A bundle counts for so much at least: its signature is to be checked and its row to be written, however short it is. An
/// honest node closes no more than a thousand in a second.
const MIN_COST: u64 = 2_048;

/// Each message counts for a part of what keeping it costs: ten thousand short ones that people's programs write at once go
/// nearly at once, and messages without content come at some 30,000 a second, which followers take, not at half a million.
const MESSAGE_COST: u64 = cost::MESSAGE as u64 / 4;

/// What a bundle of so many bytes and messages counts for.
pub(super) fn pace_cost(bytes: usize, messages: u16) -> u64 {
    let messages = MESSAGE_COST.saturating_mul(messages.into());
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(messages).max(MIN_COST)
}

/// What this bundle counts for.
pub(super) fn pace_of(bundle: &RawBundle) -> u64 {
    pace_cost(bundle.bytes().len(), bundle.header().count)
}

/// What one neighbour is given of each author.
pub(super) fn feed_pacer(config: &EngineConfig) -> Pacer {
    Pacer::new(config.pace_bytes_per_s, config.pace_burst_bytes / FEED_SHARE)
}

/// So many bytes of an author make it worth while to go on with it.
pub(super) fn feed_step(config: &EngineConfig) -> u64 {
    config.pace_burst_bytes / FEED_SHARE / STEPS
}

impl Engine {
    /// What was over the pace is asked for when so much of it may come, which is a whole bundle at least.
    fn run_bytes(&self) -> u64 {
        let bundle = u64::try_from(MAX_BUNDLE_LEN).unwrap_or(u64::MAX);
        (self.config.pace_burst_bytes / 2).max(bundle)
    }

    /// Whether this much of this author may be taken now.
    pub(super) fn in_pace(&self, node: &NodeId, cost: u64) -> bool {
        self.pacer.allows(node, cost, self.now)
    }

    /// Whether a good run of this author's may be taken now.
    pub(super) fn in_pace_again(&self, node: &NodeId) -> bool {
        self.pacer.allows(node, self.run_bytes(), self.now)
    }

    pub(super) fn charge_pace(&mut self, node: &NodeId, cost: u64) {
        self.pacer.charge(node, cost, self.now);
    }

    /// A bundle is not taken for its author's pace. A neighbour hears of that at once, not a little later: what it still sends
    /// until then is sent in vain.
    pub(super) fn drop_paced(&mut self, sender: Sender, origin: Origin, next: Seq) {
        bump(&mut self.stats.bundles_paced, 1);
        let told = self.claims.get(sender.link, &origin).is_some_and(|behind| behind.why == Some(Why::OverPace));
        self.note_ahead(sender.link, origin, next, Some(Why::OverPace));
        if let Some(link) = self.links.get_mut(&sender.link).filter(|_| !told) {
            link.say(origin, self.now);
        }
        self.dropped(sender, origin);
    }

    /// Something of this author waits for its pace: it is asked for in time.
    pub(super) fn ask_in_pace(&mut self, node: NodeId) {
        if !self.timers.is_armed(&Timer::Pace(node)) {
            let at = self.pacer.at(&node, self.run_bytes(), self.now);
            self.timers.set(Timer::Pace(node), Some(at));
        }
    }

    /// Asks every neighbour for what it has of an author whose pace allows a good run again.
    pub(super) fn ask_for_paced(&mut self, node: NodeId) {
        let mut held = self.claims.of_node(node);
        held.retain(|(origin, link)| self.claims.get(*link, origin).is_some_and(|b| b.why == Some(Why::OverPace)));
        if self.in_pace_again(&node) {
            held.into_iter().for_each(|(origin, link)| self.ask_if(link, origin, Why::OverPace, self.now));
        } else if !held.is_empty() {
            // Another link brought some of it meanwhile.
            self.ask_in_pace(node);
        }
    }

    fn feed_room(&self, id: LinkId, node: &NodeId) -> u64 {
        let room = self.links.get(&id).map_or(0, |link| link.pace.room(node, self.now));
        room.max(feed_step(&self.config))
    }

    /// How much of an author a read for this link may bring.
    pub(super) fn paced_read(&self, id: LinkId, node: &NodeId, most: usize) -> usize {
        usize::try_from(self.feed_room(id, node)).unwrap_or(usize::MAX).min(most)
    }

    /// Of what a read brought, what goes now, one at least: many messages count for more than their bytes.
    pub(super) fn paced_part(&self, id: LinkId, node: &NodeId, bundles: &mut Vec<RawBundle>) {
        let (mut room, mut part) = (self.feed_room(id, node), 0);
        while let Some(left) = bundles.get(part).and_then(|bundle| room.checked_sub(pace_of(bundle))) {
            (room, part) = (left, part.saturating_add(1));
        }
        bundles.truncate(part.max(1));
    }
}
