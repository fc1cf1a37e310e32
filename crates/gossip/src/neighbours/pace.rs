//! The pace of each author (docs/protocol.md, P-G6): what is over it is not taken now and asked for again as soon as a good run
//! of it may come, and to each neighbour no author's messages go faster than it takes them.

use rumormill_wire::{NodeId, Origin, Seq};

use super::Neighbours;
use super::timer::Timer;
use crate::bundle::RawBundle;
use crate::config::EngineConfig;
use crate::ingress::queue::Sender;
use crate::io::LinkId;
use crate::pacer::Pacer;
use crate::replica::Replica;
use crate::stats::Why;

/// Of what is taken of an author at once, this part is given to a neighbour at once: two that send it the same author at a
/// time, or what a link brought late, is then still taken.
const FEED_SHARE: u64 = 4;
/// A cursor that was over the pace goes on when this part of what goes at once may go.
const STEPS: u64 = 8;

/// What one neighbour is given of each author.
pub(super) fn feed_pacer(config: &EngineConfig) -> Pacer {
    Pacer::new(config.pace_bytes_per_s, config.pace_burst_bytes / FEED_SHARE)
}

/// So many bytes of an author make it worth while to go on with it.
pub(super) fn feed_step(config: &EngineConfig) -> u64 {
    config.pace_burst_bytes / FEED_SHARE / STEPS
}

impl Neighbours {
    /// A bundle is not taken for its author's pace. A neighbour hears of that at once, not a little later: what it still sends
    /// until then is sent in vain.
    pub(super) fn drop_paced(&mut self, replica: &Replica, sender: Sender, origin: Origin, next: Seq) {
        let told = self.claims.get(sender.link, &origin).is_some_and(|behind| behind.why == Some(Why::OverPace));
        self.note_ahead(replica, sender.link, origin, next, Some(Why::OverPace));
        if !told {
            self.say(sender.link, origin, self.now);
        }
        self.dropped(replica, sender, origin);
    }

    /// Something of this author waits for its pace: it is asked for in time.
    pub(super) fn ask_in_pace(&mut self, replica: &Replica, node: NodeId) {
        if !self.timers.is_armed(&Timer::Pace(node)) {
            let at = replica.ingress().in_pace_at(&node, self.now);
            self.timers.set(Timer::Pace(node), Some(at));
        }
    }

    /// Asks every neighbour for what it has of an author whose pace allows a good run again.
    pub(super) fn ask_for_paced(&mut self, replica: &Replica, node: NodeId) {
        let mut held = self.claims.of_node(node);
        held.retain(|(origin, link)| self.claims.get(*link, origin).is_some_and(|b| b.why == Some(Why::OverPace)));
        if replica.ingress().is_in_pace_again(&node, self.now) {
            held.into_iter().for_each(|(origin, link)| self.ask_if(link, origin, Why::OverPace, self.now));
        } else if !held.is_empty() {
            // Another link brought some of it meanwhile.
            self.ask_in_pace(replica, node);
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
        while let Some(left) = bundles.get(part).and_then(|bundle| room.checked_sub(bundle.pace_cost())) {
            (room, part) = (left, part.saturating_add(1));
        }
        bundles.truncate(part.max(1));
    }
}
