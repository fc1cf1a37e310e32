//! What the shells do with outputs, and what may never come out.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::{ByeCode, rumor_prefix};

use super::cast::{self, ENDS};
use super::finding::{Finding, claim};
use super::job::Job;
use super::world::World;
use crate::bundle::{RawBundle, VerifiedBundle};
use crate::io::{Event, Input, LinkId};

/// Times that one bundle goes over one honest link: what was dropped for want of room comes again, up to 17 times in what
/// random operations have shown. One that is refused and sent again without end passes any figure.
const MAX_GIVEN: usize = 48;

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To the other honest node.
    Wire,
    /// To the liar.
    Slot(usize),
}

impl World<'_> {
    /// Where a link leads; `None` if it is down or was closed.
    pub(super) fn place(&self, end: usize, link: LinkId) -> Option<Place> {
        if self.wire.as_ref().is_some_and(|wire| wire.links[end] == link) {
            return Some(Place::Wire);
        }
        let at = self.slots.iter().position(|slot| slot.as_ref().is_some_and(|slot| slot.link == link))?;
        Some(Place::Slot(at))
    }

    pub(super) fn transmit_bundle(
        &mut self,
        end: usize,
        link: LinkId,
        bundle: &RawBundle,
        want_status: bool,
        answers_range: bool,
    ) -> Result<(), Finding> {
        let prefix = rumor_prefix(want_status, answers_range, bundle.bytes().len());
        let prefix = prefix.map_err(|why| Finding(format!("a bundle that fits no frame: {why}")))?;
        let frame = [prefix.as_slice(), bundle.bytes()].concat();
        if let Some(Place::Slot(at)) = self.place(end, link)
            && let Some(slot) = &mut self.slots[at]
        {
            slot.rumors += 1;
        }
        if let Some(wire) = self.wire.as_mut().filter(|wire| wire.links[end] == link && !answers_range) {
            let often = wire.given.entry((end, bundle.header().origin, bundle.header().first)).or_default();
            *often += 1;
            claim(*often <= MAX_GIVEN, || format!("one bundle was sent {often} times from honest to honest"))?;
        }
        self.transmit(end, link, Bytes::from(frame))
    }

    pub(super) fn transmit(&mut self, end: usize, link: LinkId, frame: Bytes) -> Result<(), Finding> {
        match self.place(end, link) {
            Some(Place::Wire) => {
                if let Some(wire) = &mut self.wire {
                    wire.queues[end].push_back(frame);
                }
                Ok(())
            }
            Some(Place::Slot(at)) => {
                let Some(slot) = &mut self.slots[at] else { return Ok(()) };
                slot.unread += frame.len();
                Ok(())
            }
            None if self.nodes[end].lost.contains(&link) => Ok(()),
            None => Err(Finding("sent on a link that is down".to_owned())),
        }
    }

    pub(super) fn append(&mut self, end: usize, bundle: Arc<VerifiedBundle>) -> Result<(), Finding> {
        let node = &mut self.nodes[end];
        let header = *bundle.header();
        let own = header.origin.node == cast::id(ENDS[end]);
        claim(own || node.verified.contains(&bundle.digest()), || "appended what nobody had checked".to_owned())?;
        let next = node.next.get(&header.origin).copied();
        let (seq, previous, clock) =
            next.unwrap_or((rumormill_wire::Seq::FIRST, rumormill_wire::Digest::ZERO, rumormill_wire::Clock(0)));
        claim((header.first, header.previous) == (seq, previous), || "appended out of order".to_owned())?;
        claim(next.is_none() || bundle.first_clock() > clock, || "appended a clock that does not rise".to_owned())?;
        node.next.insert(header.origin, (header.next(), bundle.digest(), bundle.last_clock()));
        if !own {
            let (cost, origins) = node.taken.entry(header.origin.node).or_default();
            *cost += bundle.cost();
            if next.is_none() {
                origins.insert(header.origin);
            }
        }
        node.appends += 1;
        node.appended.push_back(bundle);
        Ok(())
    }

    pub(super) fn close(&mut self, end: usize, link: LinkId, code: ByeCode, reason: &str) -> Result<(), Finding> {
        match self.place(end, link) {
            Some(Place::Wire) => {
                claim(code == ByeCode::REVOKED, || format!("honest closed honest: {reason}"))?;
                self.reach("honest links closed by a revocation");
                let Some(wire) = self.wire.take() else { return Ok(()) };
                self.nodes[1 - end].lost.insert(wire.links[1 - end]);
                for (end, link) in wire.links.into_iter().enumerate() {
                    self.nodes[end].unjudged.remove(&link);
                    self.nodes[end].jobs.push_back(Job::Down { link });
                }
            }
            Some(Place::Slot(at)) => {
                self.slots[at] = None;
                self.nodes[end].unjudged.remove(&link);
                self.nodes[end].jobs.push_back(Job::Down { link });
                self.reach(if code == ByeCode::REVOKED { "the liar revoked" } else { "the liar thrown out" });
            }
            None => {
                let lost = self.nodes[end].lost.remove(&link);
                claim(lost, || "closed a link that is down".to_owned())?;
            }
        }
        Ok(())
    }

    pub(super) fn release(&mut self, end: usize, link: LinkId, bytes: usize) -> Result<(), Finding> {
        let Some(unjudged) = self.nodes[end].unjudged.get_mut(&link) else { return Ok(()) };
        *unjudged = unjudged.checked_sub(bytes).ok_or_else(|| Finding("released more than was given".to_owned()))?;
        Ok(())
    }

    pub(super) fn event(&mut self, end: usize, event: Event) -> Result<(), Finding> {
        let kind = match &event {
            Event::Durable { ticket, .. } => {
                let waited = self.nodes[end].tickets.remove(&ticket.0);
                return claim(waited, || "durable twice, or what was not submitted".to_owned());
            }
            Event::NotWritten { ticket, reason } => {
                let waited = self.nodes[end].tickets.remove(&ticket.0);
                let true_one = self.nodes[end].full || *reason == crate::Reject::Revoked;
                return claim(waited && true_one, || format!("not written without need: {reason}"));
            }
            Event::Misbehaviour { peer, reason } => {
                let honest = ENDS.map(cast::id).contains(peer);
                claim(!honest, || format!("honest accused honest: {reason}"))?;
                "misbehaviour"
            }
            Event::NewIncarnation { .. } => "new incarnation",
            Event::Equivocation { .. } => "equivocation",
            Event::OverQuota { .. } => "greedy",
            Event::Revocations { list } => {
                let durable = &self.nodes[end].disk.list;
                let kept = list.parts().all(|part| part.number() <= durable.number_of(part.place()));
                claim(kept, || "a list was in force before it was durable".to_owned())?;
                "revocations"
            }
        };
        self.spent.events += 1;
        *self.nodes[end].events.entry(kind).or_default() += 1;
        self.reach(kind);
        Ok(())
    }

    /// So many appends are durable.
    pub(super) fn commit(&mut self, end: usize, count: usize) -> Result<(), Finding> {
        let node = &mut self.nodes[end];
        let count = count.min(node.appended.len());
        if count == 0 {
            return Ok(());
        }
        for bundle in node.appended.drain(..count) {
            let header = *bundle.header();
            if header.origin.node == cast::id(ENDS[end]) {
                for seq in header.first.0..header.next().0 {
                    let before = self.own.insert((header.origin, rumormill_wire::Seq(seq)), bundle.digest());
                    let same = before.is_none_or(|before| before == bundle.digest());
                    claim(same || self.copied[end], || "a number was used twice".to_owned())?;
                }
            }
            node.disk.bundles.entry(header.origin).or_default().push(bundle);
        }
        let appends = node.appends - u64::try_from(node.appended.len()).unwrap_or(0);
        self.give(end, Input::Committed { appends })
    }
}
