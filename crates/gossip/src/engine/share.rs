//! What a neighbour is given (docs/protocol.md, P-G5): over each link once what we keep and what is new, and beyond that a
//! share that fills again, for all links of its node together.
//!
//! A frame of 60 bytes can ask for 64 KiB, for a list of all origins or for the whole log, as often as frames come. So what
//! goes out is counted by its bytes, whatever asked for it; that needs no memory of what was sent. Over its share a
//! neighbour waits: nothing of it is forgotten, nobody is thought a liar, and what is new goes on.

use rumormill_wire::{NodeId, Seq};

use super::Engine;
use super::answers::{Answers, FRESH_LINK_S};
use crate::bundle::VerifiedBundle;
use crate::io::LinkId;
use crate::link::Link;
use crate::stats::bump;

/// What a read of the store counts for, beside what it brings.
const READ_COST: usize = 4 * 1024;
/// What it counts for to compare one origin of ours with a list.
const WALK_COST: usize = 8;
/// The longest line of a STATUS, and what stands before the lines.
const LINE_LEN: usize = 77;
const STATUS_LEN: usize = 128;
/// Length, kind and flags of a RUMOR, length, kind and node id of a MEMBER.
const OVERHEAD: usize = 40;
/// What may still go over a link at no charge, when so many bytes have become new since the start.
const fn first_left(link: &Link, new_bytes: u64) -> u64 {
    link.first.saturating_add(new_bytes.saturating_sub(link.first_at))
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Engine {
    fn answers(&mut self, peer: NodeId) -> &mut Answers {
        let (burst, per_s) = (self.config.answer_bytes, self.config.answer_bytes_per_s);
        self.answers.entry(peer).or_insert_with(|| Answers::new(burst, per_s))
    }

    /// What goes over a new link at no charge: all that we keep, with lists and certificates, for a newcomer or one that has
    /// lost its store. Who comes again and again begins with nothing.
    pub(super) fn first_time(&mut self, peer: NodeId) -> u64 {
        let now = self.now;
        if !self.answers(peer).links.take_whole(FRESH_LINK_S, now) {
            bump(&mut self.stats.links_not_fresh, 1);
            return 0;
        }
        let certificate = self.member_bytes.checked_div(self.members.len()).unwrap_or(0);
        let by_origin = certificate.saturating_add(OVERHEAD).saturating_add(LINE_LEN.saturating_mul(2));
        let lists = as_u64(by_origin.saturating_mul(self.chains.len()));
        let revocations = self.revocations.parts().map(|part| part.bytes().len()).fold(0, usize::saturating_add);
        // The frames around the bundles, and a copy here and there that did not hold.
        let bundles = self.kept_bytes.saturating_add(self.kept_bytes / 16);
        bundles.saturating_add(lists).saturating_add(as_u64(revocations))
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
                (link.first, link.first_at) = (first_left(link, before), self.new_bytes);
            }
        }
    }

    /// So many bytes go to a neighbour.
    pub(super) fn charge(&mut self, id: LinkId, bytes: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let left = first_left(link, self.new_bytes);
        let over = as_u64(bytes).saturating_sub(left);
        (link.first, link.first_at) = (left.saturating_sub(as_u64(bytes)), self.new_bytes);
        let (peer, now) = (link.peer, self.now);
        if over > 0 {
            self.answers(peer).bytes.take(over, now);
        }
    }

    /// The store is read for a neighbour: what is new to it costs no more than its bytes.
    pub(super) fn charge_read(&mut self, id: LinkId) {
        if self.links.get(&id).is_some_and(|link| first_left(link, self.new_bytes) == 0) {
            self.charge(id, READ_COST);
        }
    }

    /// A neighbour is sent so many lines of a list that it asked for.
    pub(super) fn charge_list(&mut self, id: LinkId, lines: usize) {
        self.charge(id, lines.saturating_mul(LINE_LEN).saturating_add(STATUS_LEN));
    }

    /// So many origins were compared with what a neighbour listed.
    pub(super) fn charge_walk(&mut self, id: LinkId, origins: usize) {
        self.charge(id, origins.saturating_mul(WALK_COST));
    }

    /// How much of a read a neighbour may be given now.
    pub(super) fn share_left(&self, id: LinkId) -> usize {
        let Some(link) = self.links.get(&id) else { return 0 };
        let left = self.answers.get(&link.peer).map_or(self.config.answer_bytes, |share| share.bytes.left(self.now));
        usize::try_from(left.saturating_add(first_left(link, self.new_bytes))).unwrap_or(usize::MAX)
    }

    /// How long a neighbour has to wait for its share; `None` if there is some of it.
    fn share_wait_us(&self, id: LinkId) -> Option<u64> {
        let link = self.links.get(&id).filter(|link| first_left(link, self.new_bytes) == 0)?;
        self.answers.get(&link.peer)?.bytes.wait_us(self.now)
    }

    /// Whether a neighbour has had its share.
    pub(super) fn is_over(&self, id: LinkId) -> bool {
        self.share_wait_us(id).is_some()
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

    /// A neighbour that has had its share asks for a list: a comparison follows when there is more. Says whether it did.
    pub(super) fn answer_later(&mut self, id: LinkId) -> bool {
        let over = self.is_over(id);
        if let Some(link) = self.links.get_mut(&id).filter(|_| over) {
            (link.overflow, link.waits) = (true, true);
            bump(&mut self.stats.answers_over, 1);
        }
        over
    }
}
