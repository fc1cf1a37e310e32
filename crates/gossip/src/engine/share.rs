//! What a neighbour is given (docs/protocol.md, P-G5): over each link once what we keep and what is new, and beyond that a
//! share that fills again, for all links of its node together.
//!
//! A frame of 60 bytes can ask for 64 KiB, for a list of all origins or for the whole log, as often as frames come. So what
//! goes out is counted by its bytes, whatever asked for it; that needs no memory of what was sent. Messages and lists are
//! counted apart: who lacks much needs many lists, and what it lacks is not paid for with them. Over its share a neighbour
//! waits: nothing of it is forgotten, nobody is thought a liar, and what is new goes on.

use rumormill_wire::{NodeId, Seq};

use super::Engine;
use super::answers::Answers;
use crate::bundle::VerifiedBundle;
use crate::io::LinkId;
use crate::link::Link;
use crate::stats::bump;

/// A node is given so many whole logs at once over fresh links: a process that is tried out a few times, in a network with a
/// log of any size.
const WHOLE_LOGS: u64 = 4;
/// What a read of the store counts for, beside what it brings.
const READ_COST: usize = 4 * 1024;
/// What it counts for to compare one origin of ours with a list.
const WALK_COST: usize = 8;
/// The longest line of a STATUS, and what stands before the lines.
const LINE_LEN: usize = 77;
const STATUS_LEN: usize = 128;
/// Length, kind and flags of a RUMOR, length, kind and node id of a MEMBER.
const OVERHEAD: usize = 40;
/// What lists may cost for each bundle that a link is given, or brings, for the first time: whoever has many bundles to come
/// compares some of its origins again meanwhile, each line a few times.
const LISTS_FOR_BUNDLE: u64 = 512;
/// Nobody saves up more than so many lists of everything.
const SAVED_LISTS: u64 = 4;

/// What may still go over a link because it became new since it was up, when that is so much since the start.
const fn new_left(link: &Link, new_bytes: u64) -> u64 {
    link.new.saturating_add(new_bytes.saturating_sub(link.new_at))
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Engine {
    fn answers(&mut self, peer: NodeId) -> &mut Answers {
        let config = &self.config;
        self.answers.entry(peer).or_insert_with(|| Answers::new(config.answer_bytes, config.answer_bytes_per_s))
    }

    /// All that we keep, with frames, certificates and the revocation list.
    fn whole_log(&self) -> u64 {
        let certificate = self.member_bytes.checked_div(self.members.len()).unwrap_or(0);
        let by_origin = as_u64(certificate.saturating_add(OVERHEAD).saturating_mul(self.chains.len()));
        let revocations = self.revocations.parts().map(|part| part.bytes().len()).fold(0, usize::saturating_add);
        // The frames around the bundles, and a copy here and there that did not hold.
        let bundles = self.kept_bytes.saturating_add(self.kept_bytes / 16);
        bundles.saturating_add(by_origin).saturating_add(as_u64(revocations))
    }

    /// A list of everything, asked for and compared with another.
    fn whole_list(&self) -> u64 {
        as_u64(LINE_LEN.saturating_mul(2).saturating_mul(self.chains.len()))
    }

    /// What goes over a new link at no charge: all that we keep, and lists of it, for a newcomer or one that has lost its
    /// store. What goes so over all links of a node comes out of a share of its own, so who comes again and again is given
    /// four logs at once and then some MiB a second.
    pub(super) fn first_time(&mut self, peer: NodeId) -> (u64, u64) {
        let (log, lists, now) = (self.whole_log(), self.whole_list(), self.now);
        let all = log.saturating_add(lists);
        let (burst, per_s) =
            (self.config.fresh_bytes.max(all.saturating_mul(WHOLE_LOGS)), self.config.fresh_bytes_per_s);
        let fresh = &mut self.answers(peer).fresh;
        fresh.resize(burst, per_s, now);
        let left = fresh.left(now);
        let lists = lists.min(left);
        fresh.take(lists, now);
        bump(&mut self.stats.links_not_fresh, u64::from(left < all));
        (log, lists)
    }

    /// A bundle is new here: it may go to everybody once, whatever they were given before.
    pub(super) fn new_for_all(&mut self, bundle: &VerifiedBundle, from: &[LinkId]) {
        let mut bytes = bundle.bytes().len().saturating_add(OVERHEAD);
        if bundle.header().first == Seq::FIRST {
            let certificate = self.members.get(&bundle.header().origin.node).map_or(0, |evidence| evidence.bytes.len());
            bytes = bytes.saturating_add(certificate).saturating_add(OVERHEAD);
        }
        // It is counted once for all. For those who have it, what is left is taken down before that.
        let before = self.new_bytes;
        self.new_bytes = before.saturating_add(as_u64(bytes));
        for id in from {
            if let Some(link) = self.links.get_mut(id) {
                (link.new, link.new_at) = (new_left(link, before), self.new_bytes);
            }
            self.earn_lists(*id);
        }
    }

    /// A bundle went over a link for the first time, whoever gave it: there may be lists of it.
    fn earn_lists(&mut self, id: LinkId) {
        let most = self.whole_list().saturating_mul(SAVED_LISTS).max(self.config.answer_bytes);
        if let Some(link) = self.links.get_mut(&id) {
            link.lists = link.lists.saturating_add(LISTS_FOR_BUNDLE).min(most.max(link.lists));
        }
    }

    /// What may still go over a link at no charge: what became new, and what we kept when it came up.
    fn first_left(&self, id: LinkId) -> u64 {
        let Some(link) = self.links.get(&id) else { return 0 };
        let fresh = self.answers.get(&link.peer).map_or(0, |answers| answers.fresh.left(self.now));
        new_left(link, self.new_bytes).saturating_add(link.first.min(fresh))
    }

    /// So many bytes of messages, certificates or revocations go to a neighbour.
    pub(super) fn charge(&mut self, id: LinkId, bytes: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (bytes, new) = (as_u64(bytes), new_left(link, self.new_bytes));
        (link.new, link.new_at) = (new.saturating_sub(bytes), self.new_bytes);
        let (kept, peer, now) = (link.first, link.peer, self.now);
        let mut over = bytes.saturating_sub(new);
        if over > 0 {
            let answers = self.answers(peer);
            // It may be overdrawn by what was begun, or each bit that fills again would let a whole bundle through.
            let free = if answers.fresh.left(now) > 0 { over.min(kept) } else { 0 };
            answers.fresh.take(free, now);
            over = over.saturating_sub(free);
            answers.bytes.take(over, now);
            if let Some(link) = self.links.get_mut(&id) {
                link.first = kept.saturating_sub(free);
            }
        }
    }

    /// A bundle goes to a neighbour.
    pub(super) fn charge_bundle(&mut self, id: LinkId, bytes: usize) {
        let first_time = self.first_left(id) > 0;
        self.charge(id, bytes);
        if first_time {
            self.earn_lists(id);
        }
    }

    /// The store is read for a neighbour: what is new to it costs no more than its bytes.
    pub(super) fn charge_read(&mut self, id: LinkId) {
        if self.first_left(id) == 0 {
            self.charge(id, READ_COST);
        }
    }

    /// The store is searched for a neighbour, which is given nothing of it.
    pub(super) fn charge_search(&mut self, id: LinkId) {
        self.charge_lists(id, READ_COST);
    }

    /// So many bytes of lists go to a neighbour.
    pub(super) fn charge_lists(&mut self, id: LinkId, bytes: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let over = as_u64(bytes).saturating_sub(link.lists);
        link.lists = link.lists.saturating_sub(as_u64(bytes));
        let (peer, now) = (link.peer, self.now);
        if over > 0 {
            self.answers(peer).bytes.take(over, now);
        }
    }

    /// A neighbour is sent so many lines of a list that it asked for.
    pub(super) fn charge_list(&mut self, id: LinkId, lines: usize) {
        self.charge_lists(id, lines.saturating_mul(LINE_LEN).saturating_add(STATUS_LEN));
    }

    /// So many origins were compared with what a neighbour listed.
    pub(super) fn charge_walk(&mut self, id: LinkId, origins: usize) {
        self.charge_lists(id, origins.saturating_mul(WALK_COST));
    }

    /// How much of a read a neighbour may be given now.
    pub(super) fn share_left(&self, id: LinkId) -> usize {
        let Some(link) = self.links.get(&id) else { return 0 };
        let left = self.answers.get(&link.peer).map_or(self.config.answer_bytes, |share| share.bytes.left(self.now));
        usize::try_from(left.saturating_add(self.first_left(id))).unwrap_or(usize::MAX)
    }

    /// How long a neighbour has to wait for its share; `None` if there is some of it.
    fn share_wait_us(&self, id: LinkId) -> Option<u64> {
        let link = self.links.get(&id).filter(|_| self.first_left(id) == 0)?;
        let answers = self.answers.get(&link.peer)?;
        let wait = answers.bytes.wait_us(self.now)?;
        let fresh = answers.fresh.wait_us(self.now).filter(|_| link.first > 0);
        Some(fresh.map_or(wait, |fresh| fresh.min(wait)))
    }

    /// Whether a neighbour has had its share.
    pub(super) fn is_over(&self, id: LinkId) -> bool {
        self.share_wait_us(id).is_some()
    }

    /// How long a neighbour has to wait for lists; `None` if there is some of its share for them.
    fn lists_wait_us(&self, id: LinkId) -> Option<u64> {
        let link = self.links.get(&id)?;
        let share = &self.answers.get(&link.peer)?.bytes;
        // A list is begun while there is anything at no charge, however long it is, and what that lacks overdraws the share. One that
        // comes again and again would have a little of that each time.
        let free = link.lists > 0 && !share.is_deep(self.now);
        share.wait_us(self.now).filter(|_| !free)
    }

    /// Whether a neighbour has had its share of lists.
    pub(super) fn lists_are_over(&self, id: LinkId) -> bool {
        self.lists_wait_us(id).is_some()
    }

    /// Whether a comparison with a neighbour waits for its share of lists. The timer is set for when there is more.
    pub(super) fn lists_wait(&mut self, id: LinkId) -> bool {
        let Some(wait) = self.lists_wait_us(id) else { return false };
        let at = self.now.plus(wait);
        if let Some(link) = self.links.get_mut(&id) {
            link.waits = true;
            link.feed_at = Some(link.feed_at.map_or(at, |old| old.min(at)));
        }
        true
    }

    /// Whether something is to go to a neighbour that has had its share. The timer is set for when there is more.
    pub(super) fn waits_for_share(&mut self, id: LinkId) -> bool {
        let Some(wait) = self.share_wait_us(id) else {
            if let Some(link) = self.links.get_mut(&id) {
                link.waits = false;
            }
            return false;
        };
        let Some(link) = self.links.get_mut(&id) else { return false };
        // What it asked for by number it can ask for again. What is new goes before that.
        let ranges = core::mem::take(&mut link.pulls).len();
        bump(&mut self.stats.ranges_dropped, as_u64(ranges));
        let owed = link.overflow || link.told.waiting || ranges > 0;
        if owed || link.next_pass().is_some() || link.has_cursor() {
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
