//! What a neighbour is given (docs/protocol.md, P-G5): over each link once what we keep and what is new, and beyond that a
//! share that fills again, for all links of its node together.
//!
//! A frame of 60 bytes can ask for 64 KiB, for a list of all origins or for the whole log, as often as frames come. So what
//! goes out is counted by its bytes, whatever asked for it; that needs no memory of what was sent. Messages and lists are
//! counted apart: who lacks much needs many lists, and what it lacks is not paid for with them. Over its share a neighbour
//! waits: nothing of it is forgotten, nobody is thought a liar, and what is new goes on.
//!
//! [`Shares`] is a ledger: it says nothing by itself. Whoever sends says so, and asks before that whether it may.

mod bucket;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rumormill_wire::NodeId;

use self::bucket::Answers;
use crate::config::EngineConfig;
use crate::io::{LinkId, Timestamp};

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

/// How much we keep, in bytes but for the counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogSize {
    /// All bundles.
    pub bundles: u64,
    /// How many origins have some.
    pub origins: usize,
    /// All certificates.
    pub certificates: usize,
    /// How many those are.
    pub members: usize,
    /// The revocation list.
    pub revocations: usize,
}

impl LogSize {
    /// All of it, with frames.
    fn whole_log(&self) -> u64 {
        let certificate = self.certificates.checked_div(self.members).unwrap_or(0);
        let by_origin = as_u64(certificate.saturating_add(OVERHEAD).saturating_mul(self.origins));
        // The frames around the bundles, and a copy here and there that did not hold.
        let bundles = self.bundles.saturating_add(self.bundles / 16);
        bundles.saturating_add(by_origin).saturating_add(as_u64(self.revocations))
    }
}

/// A list of everything, asked for and compared with another.
fn whole_list(origins: usize) -> u64 {
    as_u64(LINE_LEN.saturating_mul(2).saturating_mul(origins))
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What may still go over a link at no charge.
#[derive(Debug)]
struct Given {
    peer: NodeId,
    /// Bytes of what was kept when it came up.
    first: u64,
    /// Bytes of what became new since, but for what became new after `new_at`.
    new: u64,
    /// All that had become new until then, in bytes.
    new_at: u64,
    /// Bytes of lists.
    lists: u64,
}

impl Given {
    /// What may still go because it became new since the link was up, when that is so much since the start.
    const fn new_left(&self, new_bytes: u64) -> u64 {
        self.new.saturating_add(new_bytes.saturating_sub(self.new_at))
    }
}

/// What all neighbours were given, as far as it counts.
#[derive(Debug)]
pub struct Shares {
    answers: (u64, u64),
    fresh: (u64, u64),
    /// By node: who links again and again has one share.
    nodes: BTreeMap<NodeId, Answers>,
    links: BTreeMap<LinkId, Given>,
    /// All that became new here since the start, in bytes, as it counts for each link.
    new_bytes: u64,
}

impl Shares {
    /// Nobody was given anything yet.
    #[must_use]
    pub const fn new(config: &EngineConfig) -> Self {
        Self {
            answers: (config.answer_bytes, config.answer_bytes_per_s),
            fresh: (config.fresh_bytes, config.fresh_bytes_per_s),
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            new_bytes: 0,
        }
    }

    fn of(&mut self, peer: NodeId) -> &mut Answers {
        let (burst, per_s) = self.answers;
        self.nodes.entry(peer).or_insert_with(|| Answers::new(burst, per_s))
    }

    /// A link is up. At no charge goes over it all that we keep, and lists of it, for a newcomer or one that has lost its
    /// store. What goes so over all links of a node comes out of a share of its own, so who comes again and again is given
    /// four logs at once and then some MiB a second. Says whether there is enough of that share for all.
    pub fn link_up(&mut self, id: LinkId, peer: NodeId, kept: &LogSize, now: Timestamp) -> bool {
        let (log, lists) = (kept.whole_log(), whole_list(kept.origins));
        let all = log.saturating_add(lists);
        let (burst, per_s) = self.fresh;
        let fresh = &mut self.of(peer).fresh;
        fresh.resize(burst.max(all.saturating_mul(WHOLE_LOGS)), per_s, now);
        let left = fresh.left(now);
        let lists = lists.min(left);
        fresh.take(lists, now);
        self.links.insert(id, Given { peer, first: log, new: 0, new_at: self.new_bytes, lists });
        left >= all
    }

    /// A link is gone. What its node was given counts on.
    pub fn link_down(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    /// A bundle of so many bytes is new here: it may go to everybody once, whatever they were given before. With the first of an origin goes
    /// a certificate of so many bytes. For those who gave it, it is not; `origins` are known.
    pub fn new_for_all(&mut self, bundle: usize, certificate: Option<usize>, from: &[LinkId], origins: usize) {
        let mut bytes = bundle.saturating_add(OVERHEAD);
        if let Some(certificate) = certificate {
            bytes = bytes.saturating_add(certificate).saturating_add(OVERHEAD);
        }
        // It is counted once for all. For those who have it, what is left is taken down before that.
        let before = self.new_bytes;
        self.new_bytes = before.saturating_add(as_u64(bytes));
        for id in from {
            if let Some(link) = self.links.get_mut(id) {
                (link.new, link.new_at) = (link.new_left(before), self.new_bytes);
            }
            self.earn_lists(*id, origins);
        }
    }

    /// A bundle went over a link for the first time, whoever gave it: there may be lists of it.
    fn earn_lists(&mut self, id: LinkId, origins: usize) {
        let most = whole_list(origins).saturating_mul(SAVED_LISTS).max(self.answers.0);
        if let Some(link) = self.links.get_mut(&id) {
            link.lists = link.lists.saturating_add(LISTS_FOR_BUNDLE).min(most.max(link.lists));
        }
    }

    /// What may still go over a link at no charge: what became new, and what we kept when it came up.
    fn first_left(&self, id: LinkId, now: Timestamp) -> u64 {
        let Some(link) = self.links.get(&id) else { return 0 };
        let fresh = self.nodes.get(&link.peer).map_or(0, |answers| answers.fresh.left(now));
        link.new_left(self.new_bytes).saturating_add(link.first.min(fresh))
    }

    /// So many bytes of messages, certificates or revocations go to a neighbour.
    pub fn charge(&mut self, id: LinkId, bytes: usize, now: Timestamp) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (bytes, new) = (as_u64(bytes), link.new_left(self.new_bytes));
        (link.new, link.new_at) = (new.saturating_sub(bytes), self.new_bytes);
        let (kept, peer) = (link.first, link.peer);
        let over = bytes.saturating_sub(new);
        if over == 0 {
            return;
        }
        let answers = self.of(peer);
        // It may be overdrawn by what was begun, or each bit that fills again would let a whole bundle through.
        let free = if answers.fresh.left(now) > 0 { over.min(kept) } else { 0 };
        answers.fresh.take(free, now);
        answers.bytes.take(over.saturating_sub(free), now);
        if let Some(link) = self.links.get_mut(&id) {
            link.first = kept.saturating_sub(free);
        }
    }

    /// A bundle goes to a neighbour, where so many origins are known.
    pub fn charge_bundle(&mut self, id: LinkId, bytes: usize, origins: usize, now: Timestamp) {
        let first_time = self.first_left(id, now) > 0;
        self.charge(id, bytes, now);
        if first_time {
            self.earn_lists(id, origins);
        }
    }

    /// The store is read for a neighbour: what is new to it costs no more than its bytes.
    pub fn charge_read(&mut self, id: LinkId, now: Timestamp) {
        if self.first_left(id, now) == 0 {
            self.charge(id, READ_COST, now);
        }
    }

    /// The store is searched for a neighbour, which is given nothing of it.
    pub fn charge_search(&mut self, id: LinkId, now: Timestamp) {
        self.charge_lists(id, READ_COST, now);
    }

    /// So many bytes of lists go to a neighbour.
    pub fn charge_lists(&mut self, id: LinkId, bytes: usize, now: Timestamp) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let over = as_u64(bytes).saturating_sub(link.lists);
        link.lists = link.lists.saturating_sub(as_u64(bytes));
        let peer = link.peer;
        if over > 0 {
            self.of(peer).bytes.take(over, now);
        }
    }

    /// A neighbour is sent so many lines of a list that it asked for.
    pub fn charge_list(&mut self, id: LinkId, lines: usize, now: Timestamp) {
        self.charge_lists(id, lines.saturating_mul(LINE_LEN).saturating_add(STATUS_LEN), now);
    }

    /// So many origins were compared with what a neighbour listed.
    pub fn charge_walk(&mut self, id: LinkId, origins: usize, now: Timestamp) {
        self.charge_lists(id, origins.saturating_mul(WALK_COST), now);
    }

    /// How much of a read a neighbour may be given now, in bytes.
    #[must_use]
    pub fn left(&self, id: LinkId, now: Timestamp) -> usize {
        let Some(link) = self.links.get(&id) else { return 0 };
        let left = self.nodes.get(&link.peer).map_or(self.answers.0, |share| share.bytes.left(now));
        usize::try_from(left.saturating_add(self.first_left(id, now))).unwrap_or(usize::MAX)
    }

    /// How long a neighbour has to wait for its share, in microseconds; `None` if there is some of it.
    #[must_use]
    pub fn wait_us(&self, id: LinkId, now: Timestamp) -> Option<u64> {
        let link = self.links.get(&id).filter(|_| self.first_left(id, now) == 0)?;
        let answers = self.nodes.get(&link.peer)?;
        let wait = answers.bytes.wait_us(now)?;
        let fresh = answers.fresh.wait_us(now).filter(|_| link.first > 0);
        Some(fresh.map_or(wait, |fresh| fresh.min(wait)))
    }

    /// How long a neighbour has to wait for lists, in microseconds; `None` if there is some of its share for them.
    #[must_use]
    pub fn lists_wait_us(&self, id: LinkId, now: Timestamp) -> Option<u64> {
        let link = self.links.get(&id)?;
        let share = &self.nodes.get(&link.peer)?.bytes;
        // A list is begun while there is anything at no charge, however long it is, and what that lacks overdraws the share. One that
        // comes again and again would have a little of that each time.
        let free = link.lists > 0 && !share.is_deep(now);
        share.wait_us(now).filter(|_| !free)
    }
}
