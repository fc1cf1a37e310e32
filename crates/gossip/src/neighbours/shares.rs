//! Who has had its share waits (docs/protocol.md, P-G5): the ledger joined to links and chains.

use rumormill_wire::Seq;

use super::Neighbours;
use crate::bundle::VerifiedBundle;
use crate::io::LinkId;
use crate::replica::Replica;
use crate::stats::bump;

impl Neighbours {
    /// A bundle is new here: it may go to everybody once, but to those who gave it.
    pub(super) fn new_for_all(&mut self, replica: &Replica, bundle: &VerifiedBundle, from: &[LinkId]) {
        let header = bundle.header();
        let certificate = (header.first == Seq::FIRST)
            .then(|| replica.members().get(&header.origin.node).map_or(0, |evidence| evidence.bytes.len()));
        self.shares.new_for_all(bundle.bytes().len(), certificate, from, replica.logs().chains.len());
    }

    /// So many bytes of messages, certificates or revocations go to a neighbour.
    pub(super) fn charge(&mut self, id: LinkId, bytes: usize) {
        self.shares.charge(id, bytes, self.now);
    }

    /// A neighbour is sent so many lines of a list that it asked for.
    pub(super) fn charge_list(&mut self, id: LinkId, lines: usize) {
        self.shares.charge_list(id, lines, self.now);
    }

    /// Whether a neighbour has had its share.
    pub(super) fn is_over(&self, id: LinkId) -> bool {
        self.shares.wait_us(id, self.now).is_some()
    }

    /// Whether a neighbour has had its share of lists.
    pub(super) fn lists_are_over(&self, id: LinkId) -> bool {
        self.shares.lists_wait_us(id, self.now).is_some()
    }

    /// Whether a comparison with a neighbour waits for its share of lists. The timer is set for when there is more.
    pub(super) fn lists_wait(&mut self, id: LinkId) -> bool {
        let Some(wait) = self.shares.lists_wait_us(id, self.now) else { return false };
        let at = self.now.plus(wait);
        if let Some(link) = self.links.get_mut(&id) {
            link.waits = true;
            link.feed_at = Some(link.feed_at.map_or(at, |old| old.min(at)));
        }
        true
    }

    /// Whether something is to go to a neighbour that has had its share. The timer is set for when there is more.
    pub(super) fn waits_for_share(&mut self, id: LinkId) -> bool {
        let wait = self.shares.wait_us(id, self.now);
        let Some(link) = self.links.get_mut(&id) else { return wait.is_some() };
        let Some(wait) = wait else {
            link.waits = false;
            return false;
        };
        // What it asked for by number it can ask for again. What is new goes before that.
        let ranges = core::mem::take(&mut link.range_requests).len();
        bump(&mut self.stats.ranges_dropped, u64::try_from(ranges).unwrap_or(u64::MAX));
        let owed = link.overflow || self.revocation.owes(id) || ranges > 0;
        if owed || link.has_feed() {
            if !core::mem::replace(&mut link.waits, true) {
                bump(&mut self.stats.answers_over, 1);
            }
            link.feed_at = Some(self.now.plus(wait));
        }
        true
    }

    /// A neighbour that has had its share asks for a list: a comparison follows when there is more.
    pub(super) fn answer_later(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            (link.overflow, link.waits) = (true, true);
            bump(&mut self.stats.answers_over, 1);
        }
    }
}
