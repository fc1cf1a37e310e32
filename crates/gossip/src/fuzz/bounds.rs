//! What holds after every input: nothing grows without a bound, and no answer is much larger than its question.

use rumormill_wire::native::MAX_BUNDLE_MESSAGES;

use super::cast::{self, ENDS, HONEST};
use super::finding::{Finding, claim};
use super::liar::MAX_UNJUDGED;
use super::ops::Switches;
use super::world::World;
use crate::acks::MAX_LINES;
use crate::config::MIN_ORIGINS;
use crate::cost;
use crate::ingress::queue::{MAX_SENDERS, SHARE};
use crate::link::{MAX_BEHIND, MAX_RANGE_REQUESTS};
use crate::unacked::{MAX_NEWS, MAX_RUNS};

/// Lines in the log for one input, beside one for each message of ours.
const MAX_EVENTS: usize = 8;
/// A STATUS without entries, or any other small frame.
const SMALL_FRAME: usize = 160;
/// An origin in a STATUS, its proof, and its author's certificate.
const PER_ORIGIN: usize = 90 + 361 + 90;
/// The largest bundle here, with its frame.
const BUNDLE: usize = 1_536;

impl World<'_> {
    pub(super) fn bounds(&mut self, end: usize) -> Result<(), Finding> {
        self.sizes(end)?;
        self.answers(end)?;
        self.allowances(end)?;
        self.honest_chains(end)
    }

    fn sizes(&self, end: usize) -> Result<(), Finding> {
        let (held, config) = (self.nodes[end].engine.held(), &self.config);
        let readers = held.links * (MAX_UNJUDGED + BUNDLE);
        // What one member fills is not what another needs: each has a share beside the room for all.
        let shares = SHARE.min(config.max_checks) * held.links;
        let origins = config.max_origins + held.members * MIN_ORIGINS.min(config.max_origins_per_node);
        // Our own incarnations are ours to make.
        let own: usize = self.nodes[end].disk.bundles.keys().filter(|o| o.node == cast::id(ENDS[end])).count();
        let bounds = [
            ("bundles being checked", held.checks, config.max_checks + shares),
            ("origins", held.origins, origins + own),
            ("proofs", held.proofs, origins + own),
            ("members", held.members, cast::members().count()),
            ("certificates being checked", held.member_checks, 256 + 32 * (1 + held.links)),
            ("searches", held.suspects, 64 + 4 * held.links),
            ("early proofs", held.early_proofs, 64 + 4 * held.links),
            ("bytes that readers wait for", held.owed_bytes, readers),
            ("bytes not yet committed", held.uncommitted, config.backlog_bytes + readers + config.max_pending_bytes),
            ("messages of ours", held.waiting, config.max_pending),
            ("links", held.links, 5 + self.nodes[end].jobs.len()),
            ("cursors", held.link.cursors, config.max_cursors),
            ("claims", held.link.behind, MAX_BEHIND),
            ("origins sent", held.link.last_sent, origins + own),
            ("runs and origins not yet heard", held.link.unacked, MAX_RUNS + MAX_NEWS),
            ("frames without a verdict", held.link.open, (config.max_checks + shares) * MAX_SENDERS),
            ("ranges asked for", held.link.range_requests, MAX_RANGE_REQUESTS),
            ("origins to say something about", held.link.dirty, MAX_LINES),
        ];
        for (what, is, most) in bounds {
            claim(is <= most, || format!("{what}: {is} of at most {most}"))?;
        }
        Ok(())
    }

    /// What one input makes an engine say, and what a peer that does not read can make it hold.
    fn answers(&self, end: usize) -> Result<(), Finding> {
        let origins = self.nodes[end].engine.sizes().1;
        let buckets = if self.spent.buckets { 256 } else { 0 };
        let most = (8 + buckets) * SMALL_FRAME + origins * PER_ORIGIN;
        for bytes in self.spent.control.values() {
            claim(*bytes <= most, || format!("{bytes} bytes of answer to one frame, of at most {most}"))?;
        }
        claim(self.spent.events <= MAX_EVENTS, || format!("{} lines in the log for one input", self.spent.events))?;
        for slot in self.slots.iter().flatten().filter(|slot| slot.end == end) {
            let most = 2 * self.config.link_window + BUNDLE + SMALL_FRAME + PER_ORIGIN;
            claim(slot.unread <= most, || format!("{} bytes for a peer that does not read, of {most}", slot.unread))?;
        }
        Ok(())
    }

    /// What each author may add.
    fn allowances(&self, end: usize) -> Result<(), Finding> {
        let node = &self.nodes[end];
        // More than this and our own origin moves whenever somebody wants it to.
        let moves = node.events.get("new incarnation").copied().unwrap_or(0);
        let most = 1 + node.steps + u64::from(self.copied[end]) * 64;
        claim(moves <= most, || format!("{moves} incarnations of our own, of at most {most}"))?;
        let accused = node.events.get("misbehaviour").copied().unwrap_or(0);
        claim(accused <= self.last_link, || "a link was accused twice".to_owned())?;
        if self.config.quota_bytes_per_day == 0 {
            return Ok(());
        }
        let days = as_usize(self.now / 86_400_000_000) + 1;
        // What was being checked already when the last of the allowance went.
        let late = if self.switches.has(Switches::PROMPT) { 2 } else { 4 * self.config.max_checks };
        let largest = as_usize(cost::charged(BUNDLE, MAX_BUNDLE_MESSAGES));
        for (cost, origins) in node.taken.values() {
            let most = as_usize(self.config.quota_bytes_per_day) * days + late * largest;
            claim(as_usize(*cost) <= most, || format!("{cost} bytes' worth of one author, of at most {most}"))?;
            let most = as_usize(self.config.quota_incarnations_per_day) * days + late;
            claim(origins.len() <= most, || format!("{} incarnations of one author, of {most}", origins.len()))?;
        }
        Ok(())
    }

    /// Nobody can end the chain of one that keeps to the protocol, but the CA.
    fn honest_chains(&self, end: usize) -> Result<(), Finding> {
        for (origin, limit) in self.nodes[end].engine.limits() {
            let copied = (0..2).any(|end| self.copied[end] && origin.node == cast::id(ENDS[end]));
            let honest = [HONEST, ENDS[0], ENDS[1]].map(cast::id).contains(&origin.node) && !copied;
            claim(!honest || self.revoked(&origin.node), || {
                format!("the chain of an honest node ends at {}", limit.0)
            })?;
        }
        Ok(())
    }
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
