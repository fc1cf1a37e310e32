//! Feeding links from their cursors (design: Spreading). Nothing here waits for a peer: a link whose window is used up
//! is passed over until it has taken something.

use rumormill_wire::native::{Frame, Member, RangeRequest};
use rumormill_wire::{Origin, Seq};

use super::Engine;
use crate::io::{LinkId, Output};
use crate::link::{Cursor, MAX_PULLS, RangeInFlight};
use crate::mongering::{Mongering, Output as MongerOutput};
use crate::stats::bump;

/// Bytes asked of the store in one read.
const READ_BYTES: usize = 256 * 1024;
/// Length, kind and flags before a bundle.
const RUMOR_OVERHEAD: usize = 6;

impl Engine {
    pub(super) fn feed_all(&mut self) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            while self.feed_one(id) {}
        }
    }

    /// Gives a link one thing, if it can take it. Says whether to go on.
    fn feed_one(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        if link.closing || link.window <= 0 || link.reading.is_some() {
            return false;
        }
        if let Some(request) = link.pulls.pop_front() {
            self.serve_pull(id, request);
            return true;
        }
        if let Some((origin, cursor)) = link.next_cursor() {
            link.turn = origin;
            self.serve_cursor(id, origin, cursor);
            return true;
        }
        if link.overflow {
            link.overflow = false;
            self.send_summary(id, true);
        }
        false
    }

    fn serve_cursor(&mut self, id: LinkId, origin: Origin, cursor: Cursor) {
        let ours = self.chains.wanted(&origin);
        if cursor.next >= ours {
            if let Some(link) = self.links.get_mut(&id) {
                link.cursors.remove(&origin);
            }
            return;
        }
        if cursor.next == Seq::FIRST {
            self.introduce(id, origin);
        }
        if let Some(bundle) = self.cache.holding(origin, cursor.next).cloned() {
            let next = bundle.header().next();
            let want_status = self.ends_round(id, origin, next);
            self.give(id, Output::SendBundle { link: id, bundle, want_status, answers_range: false });
            if let Some(link) = self.links.get_mut(&id) {
                link.note_sent(origin, next, 1);
                match link.cursors.get_mut(&origin) {
                    Some(cursor) if next < ours => cursor.next = next,
                    _ => drop(link.cursors.remove(&origin)),
                }
            }
            return;
        }
        let until = self.cache.first_from(origin, cursor.next).map_or(ours, |cached| cached.min(ours));
        let want_status = self.ends_round(id, origin, until);
        self.read(id, RangeRequest { origin, from: cursor.next, until }, want_status, false);
    }

    /// An author's certificate goes before its first bundle.
    pub(super) fn introduce(&mut self, id: LinkId, origin: Origin) {
        if let Some(evidence) = self.members.get(&origin.node).filter(|evidence| !evidence.is_empty()).cloned() {
            self.send(id, &Frame::Member(Member { node: origin.node, evidence: &evidence }));
        }
    }

    fn ends_round(&self, id: LinkId, origin: Origin, next: Seq) -> bool {
        let in_round = self.mongering.as_ref().is_some_and(|m| m.in_round(id, &origin));
        in_round && next >= self.chains.wanted(&origin)
    }

    fn read(&mut self, id: LinkId, range: RangeRequest, want_status: bool, pull: bool) {
        let RangeRequest { origin, from, until } = range;
        let Some(link) = self.links.get_mut(&id) else { return };
        link.reading = Some(RangeInFlight { origin, from, pull });
        let max_bytes = usize::try_from(link.window).unwrap_or(0).min(READ_BYTES);
        self.output.push_back(Output::SendRange {
            link: id,
            origin,
            from,
            until,
            max_bytes,
            want_status,
            answers_range: pull,
        });
    }

    fn give(&mut self, id: LinkId, output: Output) {
        let bytes = match &output {
            Output::SendBundle { bundle, .. } => bundle.bytes().len().saturating_add(RUMOR_OVERHEAD),
            _ => 0,
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.window = link.window.saturating_sub_unsigned(bytes);
            bump(&mut self.stats.rumors_sent, 1);
            self.output.push_back(output);
        }
    }

    pub(super) fn range_sent(&mut self, id: LinkId, origin: Origin, next: Seq, bytes: usize, frames: u64) {
        bump(&mut self.stats.rumors_sent, frames);
        let ours = self.chains.wanted(&origin);
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(reading) = link.reading.take_if(|reading| reading.origin == origin) else { return };
        link.window = link.window.saturating_sub_unsigned(bytes);
        if reading.pull {
            link.sent = link.sent.saturating_add(frames);
            return;
        }
        if frames > 0 {
            link.note_sent(origin, next, frames);
        }
        let Some(cursor) = link.cursors.get_mut(&origin).filter(|cursor| cursor.next == reading.from) else { return };
        if next >= ours {
            link.cursors.remove(&origin);
        } else if next > reading.from {
            cursor.next = next;
        } else {
            // The store gave nothing: asking again at once would only spin. A STATUS sets it free.
            cursor.parked = true;
        }
    }

    pub(super) fn range_request(&mut self, id: LinkId, request: RangeRequest) {
        let known = self.chains.get(&request.origin).is_some_and(|chain| request.from < chain.next);
        if let Some(link) = self.links.get_mut(&id).filter(|link| known && link.pulls.len() < MAX_PULLS) {
            link.pulls.push_back(request);
        }
    }

    /// What a RANGE asks for, out of the store, one read's worth: even behind a fork, for evidence.
    fn serve_pull(&mut self, id: LinkId, request: RangeRequest) {
        let next = self.chains.get(&request.origin).map_or(Seq::FIRST, |chain| chain.next);
        let until = request.until.min(next);
        if request.from >= until {
            return;
        }
        if let Some(bundle) = self.cache.holding(request.origin, request.from).cloned() {
            let reached = bundle.header().next();
            self.give(id, Output::SendBundle { link: id, bundle, want_status: false, answers_range: true });
            if let Some(link) = self.links.get_mut(&id) {
                link.sent = link.sent.saturating_add(1);
                if reached < until {
                    link.pulls.push_front(RangeRequest { from: reached, ..request });
                }
            }
            return;
        }
        self.read(id, RangeRequest { until, ..request }, false, true);
    }

    /// What the mongering machine wants sent.
    pub(super) fn run_mongering(&mut self) {
        while let Some(MongerOutput::Monger { link: id, origin }) =
            self.mongering.as_mut().and_then(Mongering::poll_output)
        {
            let ours = self.chains.wanted(&origin);
            let first = self.chains.get(&origin).and_then(|chain| chain.head).map(|head| head.header.first);
            let (now, limit) = (self.now, self.config.max_cursors);
            let Some(link) = self.links.get_mut(&id) else { continue };
            let has = link.behind.get(&origin).is_some_and(|behind| behind.next >= ours);
            let on_its_way = link.last_sent.get(&origin).is_some_and(|last| last.next >= ours);
            match link.cursors.get_mut(&origin) {
                Some(cursor) => cursor.parked = false,
                None if has || on_its_way => self.ask_status(id, origin),
                None => {
                    if let Some(first) = first {
                        link.note_lacks(origin, first.min(ours), now, limit);
                    }
                }
            }
        }
    }
}
