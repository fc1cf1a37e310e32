//! What is not taken now: why, how neighbours are told, and what is remembered of it (docs/protocol.md, P-S6 and P-S8).

use rumormill_wire::native::{EntryState, StatusEntry};
use rumormill_wire::{HeadHash, NodeId, Origin, Seq};

use super::{Neighbours, STATUS_DELAY_US};
use crate::io::{LinkId, Timestamp};
use crate::link::Parked;
use crate::reconcile;
use crate::replica::Replica;
use crate::stats::{Why, bump};

impl Neighbours {
    /// Why nothing more of this origin is taken now, as this neighbour should hear it: it may have sent what nobody vouched for.
    /// And what was over its rate is not asked for before a whole bundle may come: a little more each time would bring the
    /// same bundle again and again.
    pub(super) fn refusal_to(&self, replica: &Replica, id: LinkId, origin: &Origin) -> Option<Why> {
        let known = self.claims.get(id, origin).and_then(|behind| behind.why);
        let fresh = replica.logs().is_new(origin);
        let still = known.filter(|why| match why {
            Why::NotAdmitted => true,
            Why::OverPace => !replica.ingress().is_in_pace_again(&origin.node, self.now),
            Why::OverRate => !replica.ingress().is_in_rate_again(&origin.node, fresh, self.now),
            Why::SetBack => replica.logs().stands_at_set_back(origin),
            _ => false,
        });
        still.or_else(|| replica.refusal(origin))
    }

    /// A line of ours, on hold if nothing more of it is taken now.
    fn said(&self, replica: &Replica, id: LinkId, mut entry: StatusEntry) -> StatusEntry {
        if entry.state == EntryState::Normal && self.refusal_to(replica, id, &entry.origin).is_some() {
            entry.state = EntryState::Hold;
        }
        entry
    }

    /// Our line of an origin; an unknown one is named as wanted from the start.
    pub(super) fn listed_entry(&self, replica: &Replica, id: LinkId, origin: Origin) -> StatusEntry {
        let known = replica.logs().chains.get(&origin).and_then(|chain| chain.entry(origin));
        self.said(replica, id, known.unwrap_or_else(|| self.unknown_entry(replica, origin)))
    }

    /// What is not known is wanted, unless a revocation leaves nothing of it (P-S6).
    fn unknown_entry(&self, replica: &Replica, origin: Origin) -> StatusEntry {
        let nothing_counts = replica.logs().end_of(&origin).is_some();
        let state = if nothing_counts { EntryState::Forked } else { EntryState::Normal };
        StatusEntry { state, ..unknown(origin) }
    }

    /// Our lines from `low` to `high`, in order; among them those of origins that this neighbour has and we do not take.
    pub(super) fn range_entries(&self, replica: &Replica, id: LinkId, low: Origin, high: Origin) -> Vec<StatusEntry> {
        let mut entries: Vec<_> =
            replica.logs().chains.entries(low, high).map(|entry| self.said(replica, id, entry)).collect();
        if replica.logs().full {
            // The whole STATUS says so.
            return entries;
        }
        let behind = self.claims.range(id, low, high);
        let refused =
            behind.filter(|(origin, behind)| behind.why.is_some() && replica.logs().chains.get(origin).is_none());
        let refused = refused.filter(|(origin, _)| self.refusal_to(replica, id, origin).is_some());
        let before = entries.len();
        entries.extend(refused.map(|(origin, _)| StatusEntry { state: EntryState::Hold, ..unknown(*origin) }));
        if entries.len() > before {
            entries.sort_unstable_by_key(|entry| entry.origin);
        }
        entries
    }

    /// A neighbour says whether it keeps anything more.
    pub(super) fn note_hold(&mut self, replica: &Replica, id: LinkId, hold: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if core::mem::replace(&mut link.hold, hold) == hold {
            return;
        }
        // What either was told before was for sending what lacks.
        self.note_reconcile(replica, reconcile::Input::Unsent(id));
        let Some(link) = self.links.get_mut(&id) else { return };
        if !hold {
            return link.unpark(Parked::Peer);
        }
        // What was to go to it and is still in memory is new: that passes.
        for (&origin, cursor) in link.cursors.clone().iter() {
            let recent = replica.logs().cache.holding(origin, cursor.next).map(|_| cursor.next);
            let recent = recent.or_else(|| replica.logs().cache.first_from(origin, cursor.next));
            if cursor.parked.is_none() && recent.is_some_and(|first| !link.pass(origin, first)) {
                bump(&mut self.stats.passing_full, 1);
            }
        }
        link.hold_all();
    }

    /// Our messages of this origin from `next` on are lacking at a neighbour that does not want them now.
    pub(super) fn note_held(&mut self, id: LinkId, origin: Origin, next: Seq) {
        let (now, limit) = (self.now, self.config.max_cursors);
        if self.links.get_mut(&id).is_some_and(|link| !link.note_held(origin, next, now, limit)) {
            bump(&mut self.stats.differences_overflow, 1);
        }
    }

    pub(super) fn note_ahead(&mut self, replica: &Replica, id: LinkId, origin: Origin, next: Seq, why: Option<Why>) {
        let now = self.now;
        if why == Some(Why::OverPace) {
            self.ask_in_pace(replica, origin.node);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        if !self.claims.note(id, origin, (next, now), why, link.max_behind) {
            link.unsure = true;
            bump(&mut self.stats.differences_overflow, 1);
        }
    }

    /// An author belongs to the network: what was not taken for want of its certificate is asked for.
    pub(super) fn ask_for_admitted(&mut self, node: &NodeId) {
        let at = self.now.plus(STATUS_DELAY_US);
        for (origin, id) in self.claims.of_node(*node) {
            self.ask_if(id, origin, Why::NotAdmitted, at);
        }
    }

    /// A neighbour is asked for what it has of an origin, if it was not taken for just this reason.
    pub(super) fn ask_if(&mut self, id: LinkId, origin: Origin, why: Why, at: Timestamp) {
        let held = self.claims.get(id, &origin).is_some_and(|behind| behind.why == Some(why));
        if held {
            self.ask_for(id, origin, at);
        }
    }

    /// What this neighbour has and was not taken may be taken by now: the rate of an author fills again.
    pub(super) fn ask_for_released(&mut self, replica: &Replica, id: LinkId) {
        let refused = self.claims.of_link(id).filter(|(_, behind)| behind.why.is_some()).map(|(origin, _)| *origin);
        let released: Vec<_> = refused.filter(|origin| self.refusal_to(replica, id, origin).is_none()).collect();
        let at = self.now.plus(STATUS_DELAY_US);
        released.into_iter().for_each(|origin| self.ask_for(id, origin, at));
    }

    /// Asks a neighbour for what it has of an origin. What finds no room on the STATUS is still not taken, so a later turn asks for it.
    fn ask_for(&mut self, id: LinkId, origin: Origin, at: Timestamp) {
        if !self.acks.can_say(id, &origin) {
            return;
        }
        self.say(id, origin, at);
        if let Some(behind) = self.claims.get_mut(id, &origin) {
            behind.why = None;
        }
    }
}

const fn unknown(origin: Origin) -> StatusEntry {
    StatusEntry { origin, next: Seq::FIRST, head: HeadHash::ZERO, kept: Seq::FIRST, state: EntryState::Normal }
}
