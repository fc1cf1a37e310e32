//! STATUS and BUCKETS: who has what (docs/protocol.md, S).
//!
//! A comparison begins with a summary: the fingerprint alone, 40 bytes with its frame. In sync, it is answered by one of
//! the same size. Otherwise the answer lists the frontier, or the fingerprints of 256 parts when that is long, and each side then sends
//! what the other lacks and names what it lacks itself.

use rumormill_wire::Origin;
use rumormill_wire::native::{Buckets, Coverage, EntryState, Frame, MAX_STATUS_ENTRIES, Status};

use super::Engine;
use crate::fork;
use crate::frontier::bucket_range;
use crate::io::LinkId;
use crate::link::Parked;
use crate::spread;
use crate::stats::bump;

/// Comparisons begun at once, so that neighbours that answer none do not use up all turns.
const MAX_COMPARISONS: usize = 4;
/// A BUCKETS frame.
const BUCKETS_LEN: usize = 5 + 256 * 16;

impl Engine {
    pub(super) fn status(&mut self, id: LinkId, status: &Status<'_>) {
        bump(&mut self.stats.status_received, 1);
        let Some(link) = self.links.get_mut(&id) else { return };
        if status.heard > link.sent {
            return self.misbehaved(id, "a STATUS that heard more than was said");
        }
        link.note_heard(status.heard);
        link.asked = None;
        self.note_hold(id, status.hold);
        if status.entries.is_empty() && status.coverage == Coverage::Listed {
            return self.summary(id, status);
        }
        if status.coverage != Coverage::Listed && self.answer_later(id) {
            return;
        }
        let whole = Coverage::Range { low: Origin::MIN, high: Origin::MAX };
        if let Some(link) = self.links.get_mut(&id).filter(|_| status.coverage == whole) {
            // Whatever was too much to remember is told anew.
            link.unsure = false;
            link.listed_all = link.listed_all.or(Some(self.now));
        }
        let mut wants = Vec::new();
        let mut in_sync = true;
        for entry in status.entries.iter() {
            // What it does not want is not missing to a round of mongering: sent again, it would be refused again.
            let not_wanted = status.hold || matches!(entry.state, EntryState::Hold | EntryState::Forked);
            in_sync &= not_wanted || entry.next >= self.chains.wanted(&entry.origin);
            if self.compare_entry(id, &entry) {
                wants.push(entry.origin);
            }
        }
        if let Coverage::Range { low, high } = status.coverage {
            self.unlisted_are_lacking(id, low, high, &status.entries, &mut wants);
            let me = self.author.origin();
            if low.node <= me.node && me.node <= high.node {
                self.own_known(id, status.entries.iter());
            }
        }
        match status.coverage {
            Coverage::Range { low, high } if status.want_status => self.send_range_status(id, low, high),
            Coverage::Listed if status.want_status => {
                let origins: Vec<_> = status.entries.iter().map(|entry| entry.origin).collect();
                self.send_listed_status(id, &origins);
            }
            _ => self.send_listed_status(id, &wants),
        }
        self.tell_spread(spread::Input::Status { link: id, in_sync });
    }

    fn summary(&mut self, id: LinkId, status: &Status<'_>) {
        let ours = self.chains.fingerprint();
        if status.fingerprint == ours.whole() && status.origins == ours.entries() {
            bump(&mut self.stats.syncs_equal, 1);
            self.claims.clear(id);
            if let Some(link) = self.links.get_mut(&id) {
                link.compared = true;
                link.unsure = false;
                link.unheard.clear();
                link.cursors.clear();
                link.disputed.clear();
            }
            if status.want_status {
                self.send_summary(id, false);
            }
            return self.tell_spread(spread::Input::Status { link: id, in_sync: true });
        }
        bump(&mut self.stats.syncs_differ, 1);
        if self.answer_later(id) {
            return;
        }
        let ours = self.chains.fingerprint();
        let pair = (status.fingerprint, ours.whole());
        let Some(link) = self.links.get_mut(&id) else { return };
        let nothing_new = link.listed.replace(pair) == Some(pair);
        if nothing_new && (self.store_full || link.hold) {
            // It was told already, and a full store changes nothing: two full lists for ever would cost more than they tell.
            if status.want_status {
                self.send_summary(id, false);
            }
            return;
        }
        let ours = self.chains.fingerprint();
        if usize::try_from(ours.entries()).is_ok_and(|entries| entries <= MAX_STATUS_ENTRIES) {
            return self.send_range_status(id, Origin::MIN, Origin::MAX);
        }
        self.send_buckets(id);
    }

    fn send_buckets(&mut self, id: LinkId) -> bool {
        let parts = self.chains.parts();
        self.charge_lists(id, BUCKETS_LEN);
        self.send(id, &Frame::Buckets(Buckets::from(&parts)))
    }

    /// Compares again with a neighbour that differed in too much to remember. One that lacks more than we remember lists what it
    /// has: that is less than what we have, and nothing of the parts where it has all.
    pub(super) fn compare_again(&mut self, id: LinkId) {
        let long = usize::try_from(self.chains.fingerprint().entries()).is_ok_and(|all| all > MAX_STATUS_ENTRIES);
        let full = self.store_full;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.overflow = false;
        let lacks_more = core::mem::take(&mut link.lacks_more) && !link.hold && !full;
        if !(lacks_more && long && self.send_buckets(id)) {
            self.send_summary(id, true);
        }
    }

    /// The neighbour's parts: the parts that differ are listed.
    pub(super) fn buckets(&mut self, id: LinkId, buckets: &Buckets<'_>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.asked = None;
        }
        if self.answer_later(id) {
            return;
        }
        let ours = self.chains.parts();
        let differ = (0..=u8::MAX).zip(ours.iter().zip(buckets.iter())).filter(|(_, (ours, theirs))| **ours != *theirs);
        for (part, _) in differ.collect::<Vec<_>>() {
            let (low, high) = bucket_range(part);
            self.send_range_status(id, low, high);
        }
    }

    /// The comparison by timer: one random neighbour, and another one beside it where that one owes an answer already.
    pub(super) fn compare_with_somebody(&mut self) {
        self.arm_comparison();
        self.tell_search(fork::Input::Comparison);
        self.look_up_again();
        for _ in 0..MAX_COMPARISONS {
            let Some(id) = self.links.pick(self.rng.as_mut()) else { return };
            let Some(link) = self.links.get_mut(&id) else { return };
            let owes = link.asked.is_some();
            link.unpark(Parked::Store);
            self.ask_for_released(id);
            // One that lacks more than we remember is compared with when it has taken what we do.
            if !self.links.get(&id).is_some_and(|link| link.lacks_more && link.has_cursor()) {
                self.send_summary(id, true);
            }
            if !owes {
                return;
            }
        }
    }
}
