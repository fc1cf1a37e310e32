//! The end: faults stop, the liar goes, everything is delivered, time passes. Then both honest nodes have the same.

use super::cast::{self, ENDS};
use super::finding::{Finding, claim};
use super::world::World;
use crate::stats::Why;

/// Rounds of waiting until the two have to agree. Each is until an engine's next time-out.
const ROUNDS: usize = 400;
/// Frames from one end to the other within one instant.
const MAX_FRAMES: usize = 4_096;

impl World<'_> {
    pub(super) fn settle(&mut self) -> Result<(), Finding> {
        if self.last_link == 0 {
            return Ok(());
        }
        for slot in 0..4 {
            self.hang_up(slot)?;
        }
        self.link()?;
        let apart = self.revoked(&cast::id(ENDS[0])) || self.revoked(&cast::id(ENDS[1]));
        self.quiet()?;
        let mut rounds = 0;
        while !self.agreed() && rounds < if apart || self.held_back() { ROUNDS / 10 } else { ROUNDS } {
            self.wait_for_timeout()?;
            self.quiet()?;
            rounds += 1;
        }
        for node in &self.nodes {
            let held = node.engine.held();
            claim(held.checks == 0 && held.owed == 0, || "a check was left behind".to_owned())?;
            claim(node.unjudged.values().all(|bytes| *bytes == 0), || "a frame was never judged".to_owned())?;
        }
        for end in 0..2 {
            claim(!self.waiting(end), || format!("{} messages of ours were lost", self.nodes[end].tickets.len()))?;
        }
        if !apart && !self.held_back() {
            claim(self.agreed(), || format!("the two do not agree: {}", self.describe()))?;
            self.reach("agreed");
        }
        if self.nodes.iter().any(|node| node.engine.stats().bundles_set_back > 0) {
            self.reach("dropped, set back");
        }
        self.same_certificates()?;
        // One that took less than was there says so, and so does the other.
        let differ = self.nodes[0].engine.fingerprint() != self.nodes[1].engine.fingerprint();
        claim(!differ || !self.in_sync(), || format!("in sync, and not alike: {}", self.describe()))?;
        if differ {
            self.reach("not in sync");
        }
        Ok(())
    }

    /// Of each member that both know, both go by the same certificate.
    fn same_certificates(&mut self) -> Result<(), Finding> {
        let [a, b] = &self.nodes;
        let unread =
            [a, b].iter().any(|node| node.engine.stats().replies_dropped + node.engine.stats().answers_over > 0);
        if self.wire.is_none() || unread {
            return Ok(());
        }
        for (_, node) in cast::members() {
            if let (Some(one), Some(other)) = (a.engine.certificate(&node), b.engine.certificate(&node)) {
                claim(one == other, || format!("two certificates of {node} count: {one:?} {other:?}"))?;
            }
        }
        if [a, b].iter().any(|node| node.engine.stats().certificates_replaced > 0) {
            self.reach("a certificate replaced");
        }
        Ok(())
    }

    /// Whether somebody took less than was there, for a reason: then the two may differ. One that has just used up its rate is not even
    /// sent more.
    fn held_back(&self) -> bool {
        (0..2).any(|end| {
            let node = &self.nodes[end];
            let link = self.wire.as_ref().and_then(|wire| node.engine.link_stats(wire.links[end]));
            let over_rate = link.is_some_and(|link| link.why == Some(Why::OverRate));
            let stats = node.engine.stats();
            node.full || over_rate || stats.bundles_over_quota > 0 || stats.origins_full > 0
        })
    }

    fn agreed(&self) -> bool {
        let [a, b] = &self.nodes;
        a.engine.fingerprint() == b.engine.fingerprint() && self.in_sync() && !self.waiting(0) && !self.waiting(1)
    }

    /// Whether something that was taken is still not durable, without a reason.
    fn waiting(&self, end: usize) -> bool {
        let node = &self.nodes[end];
        let me = node.engine.me();
        let ended = node.engine.limits().any(|(origin, _)| origin == me) || self.revoked(&me.node);
        !node.tickets.is_empty() && !ended && !node.full
    }

    /// Whether both say that they are in sync.
    fn in_sync(&self) -> bool {
        let Some(wire) = &self.wire else { return false };
        (0..2).all(|end| self.nodes[end].engine.link_stats(wire.links[end]).is_some_and(|stats| stats.in_sync))
    }

    /// Everything that is to be done without waiting.
    fn quiet(&mut self) -> Result<(), Finding> {
        let mut frames = 0;
        loop {
            let mut busy = self.all_work()?;
            for from in 0..2 {
                let arrived = self.deliver(from, MAX_FRAMES)?;
                frames += arrived;
                busy |= arrived > 0;
            }
            claim(frames <= MAX_FRAMES, || "the two talk without end".to_owned())?;
            if !busy {
                return Ok(());
            }
        }
    }

    fn wait_for_timeout(&mut self) -> Result<(), Finding> {
        let next = self.nodes.iter().filter_map(|node| node.engine.next_timeout()).min();
        let until = next.map_or(self.now + 1_000_000, |at| at.0.max(self.now + 1_000));
        self.wait(until - self.now)
    }

    pub(super) fn describe(&self) -> String {
        let mut out = String::new();
        for (end, node) in self.nodes.iter().enumerate() {
            let frontier: Vec<_> = node.engine.frontier().map(|e| (e.origin, e.next.0, e.state)).collect();
            let stats = self.wire.as_ref().and_then(|wire| node.engine.link_stats(wire.links[end]));
            out += &format!("\n{end}: {frontier:?}\n   {stats:?}\n   {:?}", node.engine.stats());
        }
        out
    }
}
