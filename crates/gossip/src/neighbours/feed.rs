//! Feeding links from their cursors (ARCHITECTURE.md, "The machine"). Nothing here waits for a peer: a link whose window is used up
//! is passed over until it has taken something.

use rumormill_wire::native::{RUMOR_PREFIX, RangeRequest};
use rumormill_wire::{Origin, Seq};

use super::Neighbours;
use super::pace::feed_step;
use crate::bundle::RawBundle;
use crate::io::{LinkId, Output};
use crate::link::{Cursor, Feed, MAX_RANGE_REQUESTS, Parked, RangeInFlight};
use crate::replica::Replica;
use crate::revocation;
use crate::stats::bump;

/// Bytes asked of the store in one read.
const READ_BYTES: usize = 256 * 1024;

impl Neighbours {
    /// Gives the links that an input concerned what they lack.
    pub(super) fn feed_touched(&mut self, replica: &Replica) {
        while let Some(id) = self.links.first_touched() {
            while self.feed_one(replica, id) {}
            self.ends_first_comparison(replica, id);
            self.arm_link(id);
            self.links.settled(id);
        }
    }

    /// Gives a link one thing, if it can take it. Says whether to go on.
    fn feed_one(&mut self, replica: &Replica, id: LinkId) -> bool {
        let step = feed_step(&self.config);
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.feed_at = None;
        if link.closing || link.window <= 0 || link.reading.is_some() || self.waits_for_share(id) {
            return false;
        }
        let Some(link) = self.links.get_mut(&id) else { return false };
        if self.revocation.owes(id) {
            self.tell_revocation(replica, revocation::Input::Room(id));
            return true;
        }
        if let Some(request) = link.range_requests.pop_front() {
            self.serve_range(replica, id, request);
            return true;
        }
        if let Some(feed) = link.next_feed(step, self.now) {
            match feed {
                Feed::Pass(origin, first) => self.serve_pass(replica, id, origin, first),
                Feed::Cursor(origin, cursor) => self.serve_cursor(replica, id, origin, cursor),
            }
            return true;
        }
        // Where those that stand still leave no room, a comparison would find the same again.
        if link.overflow && link.has_room(self.config.max_cursors) && !self.lists_wait(id) {
            self.compare_again(replica, id);
        }
        false
    }

    fn serve_cursor(&mut self, replica: &Replica, id: LinkId, origin: Origin, cursor: Cursor) {
        let ours = replica.logs().chains.wanted(&origin);
        if cursor.next >= ours {
            if let Some(link) = self.links.get_mut(&id) {
                link.cursors.remove(&origin);
            }
            return;
        }
        if cursor.next == Seq::FIRST {
            self.introduce(replica, id, origin.node);
        }
        if let Some(bundle) = replica.logs().cache.holding(origin, cursor.next).cloned() {
            let next = bundle.header().next();
            let want_status = self.ends_round(replica, id, origin, next);
            self.give(replica, id, RawBundle::of(&bundle), want_status, false);
            if let Some(link) = self.links.get_mut(&id) {
                link.unacked.sent(origin, next);
                match link.cursors.get_mut(&origin) {
                    Some(cursor) if next < ours => cursor.next = next,
                    _ => self.cursor_ends(replica, id, origin),
                }
            }
            return;
        }
        let until = replica.logs().cache.first_from(origin, cursor.next).map_or(ours, |cached| cached.min(ours));
        let want_status = self.ends_round(replica, id, origin, until);
        self.read(id, RangeRequest { origin, from: cursor.next, until }, want_status, false);
    }

    /// A neighbour was given all that we keep; with a full store, what passed since is still in memory.
    fn cursor_ends(&mut self, replica: &Replica, id: LinkId, origin: Origin) {
        let ours = replica.logs().chains.wanted(&origin);
        if let Some(link) = self.links.get_mut(&id) {
            link.cursors.remove(&origin);
            if replica.logs().full && replica.logs().passed_to(&origin) > ours {
                self.pass_from(replica, id, origin, ours);
            }
        }
    }

    fn ends_round(&self, replica: &Replica, id: LinkId, origin: Origin, next: Seq) -> bool {
        self.spread.waits_for_status(id, &origin) && next >= replica.logs().chains.wanted(&origin)
    }

    fn read(&mut self, id: LinkId, range: RangeRequest, want_status: bool, answers_range: bool) {
        let RangeRequest { origin, from, until } = range;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.reading = Some(RangeInFlight { origin, from, answers_range, want_status });
        let window = link.window;
        let most = usize::try_from(window).unwrap_or(0).min(READ_BYTES).min(self.shares.left(id, self.now));
        let max_bytes = if answers_range { most } else { self.paced_read(id, &origin.node, most) };
        self.shares.charge_read(id, self.now);
        self.drive(Output::ReadRange { link: id, origin, from, until, max_bytes });
    }

    /// The one place where a bundle goes to a link: it counts as sent before it can leave (P-S2).
    pub(super) fn give(
        &mut self,
        replica: &Replica,
        id: LinkId,
        bundle: RawBundle,
        want_status: bool,
        answers_range: bool,
    ) {
        let bytes = bundle.bytes().len().saturating_add(RUMOR_PREFIX);
        let (author, now) = (bundle.header().origin.node, self.now);
        if let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) {
            link.window = link.window.saturating_sub_unsigned(bytes);
            link.unacked.given(u32::from(bundle.header().count), now);
            link.pace.charge(&author, bundle.pace_cost(), now);
            link.turns.charge(author, u64::try_from(bytes).unwrap_or(u64::MAX));
            bump(&mut self.stats.rumors_sent, 1);
            self.shares.charge_bundle(id, bytes, replica.logs().chains.len(), now);
            self.drive(Output::SendBundle { link: id, bundle, want_status, answers_range });
        }
    }

    pub(crate) fn range_read(&mut self, replica: &Replica, id: LinkId, origin: Origin, mut bundles: Vec<RawBundle>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(reading) = link.reading.take_if(|reading| reading.origin == origin) else { return };
        if !reading.answers_range {
            self.paced_part(id, &origin.node, &mut bundles);
        }
        let next = bundles.last().map_or(reading.from, |last| last.header().next());
        let count = bundles.len();
        for (n, bundle) in (1..).zip(bundles) {
            self.give(replica, id, bundle, reading.want_status && n == count, reading.answers_range);
        }
        let ours = replica.logs().chains.wanted(&origin);
        let Some(link) = self.links.get_mut(&id).filter(|_| !reading.answers_range) else { return };
        if count > 0 {
            link.unacked.sent(origin, next);
        }
        let Some(cursor) = link.cursors.get_mut(&origin).filter(|cursor| cursor.next == reading.from) else { return };
        if next >= ours {
            self.cursor_ends(replica, id, origin);
        } else if next > reading.from {
            cursor.next = next;
        } else {
            // The store gave nothing: asking again at once would only spin.
            cursor.parked = Some(Parked::Store);
        }
    }

    pub(crate) fn range_request(&mut self, replica: &Replica, id: LinkId, request: RangeRequest) {
        let known = replica.logs().chains.get(&request.origin).is_some_and(|chain| request.from < chain.next);
        let Some(link) = self.links.get_mut(&id).filter(|_| known) else { return };
        if link.range_requests.len() < MAX_RANGE_REQUESTS {
            link.range_requests.push_back(request);
        } else {
            bump(&mut self.stats.ranges_dropped, 1);
        }
    }

    /// What a RANGE asks for, out of the store, one read's worth: even behind a fork, for evidence.
    fn serve_range(&mut self, replica: &Replica, id: LinkId, request: RangeRequest) {
        let next = replica.logs().chains.get(&request.origin).map_or(Seq::FIRST, |chain| chain.next);
        let until = request.until.min(next);
        if request.from >= until {
            return;
        }
        if let Some(bundle) = replica.logs().cache.holding(request.origin, request.from).cloned() {
            let reached = bundle.header().next();
            self.give(replica, id, RawBundle::of(&bundle), false, true);
            if let Some(link) = self.links.get_mut(&id).filter(|_| reached < until) {
                link.range_requests.push_front(RangeRequest { from: reached, ..request });
            }
            return;
        }
        self.read(id, RangeRequest { until, ..request }, false, true);
    }
}
