//! STATUS and BUCKETS: who has what (docs/protocol.md, S).
//!
//! A comparison begins with a summary: the fingerprint alone, 40 bytes with its frame. In sync, it is answered by one of
//! the same size. Otherwise the answer lists the frontier, or the fingerprints of 256 parts when that is long, and each side then sends
//! what the other lacks and names what it lacks itself.

use rumormill_wire::native::{
    Buckets, Coverage, EntryState, Frame, MAX_STATUS_ENTRIES, Status, StatusEntries, StatusEntry,
};
use rumormill_wire::{HeadHash, Incarnation, Origin, Seq};

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

    /// Compares one line with ours. Says whether we lack something that the neighbour can give.
    fn compare_entry(&mut self, id: LinkId, entry: &StatusEntry) -> bool {
        let origin = entry.origin;
        let ours = self.chains.get(&origin).and_then(|chain| chain.entry(origin));
        let next = ours.as_ref().map_or(Seq::FIRST, |ours| ours.next);
        let proof_wanted = self.offer_proof(id, entry);
        self.compare_ends(id, entry);
        let (now, limit) = (self.now, self.config.max_cursors);
        let Some(link) = self.links.get_mut(&id) else { return false };
        if entry.next < next {
            // What is still on its way is not missing (P-S2).
            let on_its_way = link.last_sent.get(&origin).is_some_and(|last| last.next > entry.next);
            if entry.state == EntryState::Forked {
                // Its chain ends there: it takes nothing more.
                link.cursors.remove(&origin);
            } else if entry.state == EntryState::Hold || link.hold {
                self.note_held(id, origin, entry.next);
            } else if !on_its_way && !link.note_lacks(origin, entry.next, now, limit) {
                bump(&mut self.stats.cursor_overflow, 1);
            }
            return proof_wanted;
        }
        link.note_has(origin, entry.next, next);
        if self.store_full {
            self.pass_again(id, entry);
        }
        if entry.next == next {
            self.claims.remove(id, &origin);
            let branches = |ours: &StatusEntry| {
                let said = ours.head != HeadHash::ZERO && entry.head != HeadHash::ZERO;
                let alike = (ours.state == EntryState::Forked) == (entry.state == EntryState::Forked);
                said && alike && ours.head != entry.head
            };
            if ours.as_ref().is_some_and(branches) {
                self.heads_differ(id, origin, next);
            }
            return proof_wanted;
        }
        let ended = self.limit_of(&origin).is_some_and(|limit| next >= limit);
        let refusal = self.refusal_to(id, &origin);
        if !ended {
            // What is not taken now is missing all the same.
            self.note_ahead(id, origin, entry.next, refusal);
            if let Some(behind) = self.claims.get_mut(id, &origin) {
                behind.ended = entry.state == EntryState::Forked;
            }
        }
        (!ended && refusal.is_none()) || proof_wanted
    }

    /// What is not listed is not there. A chain that ends early here may have been withdrawn whole there, so it is named
    /// in the answer instead of being sent.
    fn unlisted_are_lacking(
        &mut self,
        id: LinkId,
        low: Origin,
        high: Origin,
        entries: &StatusEntries<'_>,
        named: &mut Vec<Origin>,
    ) {
        let mut listed = entries.iter().map(|entry| entry.origin).peekable();
        let (now, mut walked) = (self.now, 0_usize);
        let Some(link) = self.links.get_mut(&id) else { return };
        for (origin, chain) in self.chains.range(low, high) {
            walked = walked.saturating_add(1);
            while listed.next_if(|other| other < origin).is_some() {}
            if listed.peek() == Some(origin) || chain.wanted() == Seq::FIRST || link.holds(origin) {
                continue;
            }
            if link.last_sent.contains_key(origin) && !link.hold {
                continue;
            }
            if chain.fork.is_some() {
                named.push(*origin);
            } else if link.hold {
                if !link.note_held(*origin, Seq::FIRST, now, self.config.max_cursors) {
                    bump(&mut self.stats.differences_overflow, 1);
                }
            } else if !link.note_lacks(*origin, Seq::FIRST, now, self.config.max_cursors) {
                bump(&mut self.stats.cursor_overflow, 1);
            }
        }
        self.charge_walk(id, walked);
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

    /// What we have from `low` to `high`, in as many frames as it takes.
    fn send_range_status(&mut self, id: LinkId, low: Origin, high: Origin) {
        let entries = self.range_entries(id, low, high);
        let mut from = low;
        let mut rest = entries.as_slice();
        loop {
            let (now, later) = rest.split_at(rest.len().min(MAX_STATUS_ENTRIES));
            self.charge_list(id, now.len());
            let to = if later.is_empty() { high } else { now.last().map_or(high, |entry| entry.origin) };
            let sent = self.send_status(id, Coverage::Range { low: from, high: to }, now, false);
            self.compare_later_unless(id, sent);
            rest = later;
            if rest.is_empty() {
                return;
            }
            from = Origin { incarnation: Incarnation(to.incarnation.0.saturating_add(1)), ..to };
        }
    }

    /// What we have of these origins; unknown ones are named as wanted from the start.
    fn send_listed_status(&mut self, id: LinkId, origins: &[Origin]) {
        let mut entries: Vec<_> = origins.iter().map(|origin| self.listed_entry(id, *origin)).collect();
        entries.sort_unstable_by_key(|entry| entry.origin);
        entries.dedup_by_key(|entry| entry.origin);
        for some in entries.chunks(MAX_STATUS_ENTRIES) {
            let sent = self.send_status(id, Coverage::Listed, some, false);
            self.compare_later_unless(id, sent);
        }
    }

    /// A neighbour that does not read now is told later, by a comparison.
    fn compare_later_unless(&mut self, id: LinkId, sent: bool) {
        if let Some(link) = self.links.get_mut(&id).filter(|_| !sent) {
            link.overflow = true;
        }
    }

    fn send_status(&mut self, id: LinkId, coverage: Coverage, entries: &[StatusEntry], want_status: bool) -> bool {
        let heard = self.links.get(&id).map_or(0, crate::link::Link::heard);
        let ours = self.chains.fingerprint();
        let status = Status {
            want_status,
            hold: self.store_full,
            heard,
            fingerprint: ours.whole(),
            origins: ours.entries(),
            coverage,
            entries: StatusEntries::from(entries),
        };
        let sent = self.send(id, &Frame::Status(status));
        bump(&mut self.stats.status_sent, u64::from(sent));
        self.told_heard(id, heard, want_status && sent);
        sent
    }

    /// The fingerprint alone.
    pub(super) fn send_summary(&mut self, id: LinkId, want_status: bool) {
        self.send_status(id, Coverage::Listed, &[], want_status);
    }

    /// Asks what the neighbour has of our own node, whatever the incarnation.
    pub(super) fn ask_own(&mut self, id: LinkId) {
        let node = self.author.origin().node;
        let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
        let entries: Vec<_> = self.chains.entries(low, high).take(MAX_STATUS_ENTRIES).collect();
        let high = if entries.len() < MAX_STATUS_ENTRIES { high } else { entries.last().map_or(high, |e| e.origin) };
        self.send_status(id, Coverage::Range { low, high }, &entries, true);
    }

    /// Asks one neighbour where it stands on an origin.
    pub(super) fn ask_status(&mut self, id: LinkId, origin: Origin) {
        let entry = self.listed_entry(id, origin);
        self.send_status(id, Coverage::Listed, &[entry], true);
    }

    pub(super) fn flush_status(&mut self) {
        let due = |link: &crate::link::Link| {
            !link.dirty.is_empty()
                && ((link.status_wanted && link.open.is_empty()) || link.dirty_at.is_some_and(|at| at <= self.now))
        };
        let touched = self.links.touched().iter();
        let ready: Vec<_> = touched.filter(|id| self.links.get(id).is_some_and(due)).copied().collect();
        for id in ready {
            let Some(link) = self.links.get_mut(&id) else { continue };
            let origins: Vec<_> = core::mem::take(&mut link.dirty).into_iter().collect();
            link.dirty_at = None;
            link.status_wanted = false;
            let over = core::mem::take(&mut link.dirty_over);
            self.send_listed_status(id, &origins);
            if over {
                bump(&mut self.stats.status_overflow, 1);
                self.send_summary(id, true);
            }
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
