//! What passes a full store without being kept: what was lost of it, and who is given what is still in memory (docs/protocol.md, P-S8).

use std::sync::Arc;

use rumormill_wire::native::{BundleHeader, EntryState, StatusEntry};
use rumormill_wire::{Origin, Seq};

use super::Neighbours;
use crate::bundle::{RawBundle, VerifiedBundle};
use crate::ingress::queue::Sender;
use crate::io::LinkId;
use crate::link::MAX_INTRODUCED;
use crate::replica::Replica;
use crate::stats::{Why, bump};

impl Neighbours {
    /// What was taken of this origin from one number up to another is lost again. What neighbours were about to be given still goes to them,
    /// while it is in memory. Their turn may not have come yet.
    pub(super) fn lost(&mut self, replica: &Replica, origin: Origin, from: Seq, to: Seq) {
        for id in self.links.everybody() {
            self.tell_lost(replica, id, origin, to);
            let Some(link) = self.links.get_mut(&id) else { continue };
            let sent = || link.unacked.on_its_way(&origin).unwrap_or(from);
            let later = || self.spread.leaves_out().then(sent);
            let next = link.cursors.get(&origin).map(|cursor| cursor.next).or_else(later);
            let Some(next) = next else { continue };
            if next < to && !link.pass(origin, next.max(from)) {
                bump(&mut self.stats.passing_full, 1);
            }
        }
    }

    /// Whoever is not known to lack what is lost has it, as far as anybody can know; and it is to hear that we have it no more.
    fn tell_lost(&mut self, replica: &Replica, id: LinkId, origin: Origin, next: Seq) {
        let now = self.now;
        self.say(id, origin, now);
        if self.links.get(&id).is_some_and(|link| !link.cursors.contains_key(&origin)) {
            self.note_ahead(replica, id, origin, next, Some(Why::StoreFull));
        }
    }

    /// A bundle passes: everybody gets it who is not known to have it.
    pub(super) fn passes(&mut self, replica: &Replica, bundle: &Arc<VerifiedBundle>, senders: &[Sender]) {
        let header = bundle.header();
        let from: Vec<_> = senders.iter().map(|sender| sender.link).collect();
        self.new_for_all(replica, bundle, &from);
        for id in self.links.everybody() {
            let has = self.claims.has(id, &header.origin, header.next());
            let Some(link) = self.links.get_mut(&id) else { continue };
            if !has && !from.contains(&id) && !link.pass(header.origin, header.first) {
                bump(&mut self.stats.passing_full, 1);
            }
        }
    }

    /// With a full store: what a neighbour gave is not kept, and it hears where we stand.
    pub(super) fn not_kept(&mut self, replica: &Replica, sender: Sender, header: &BundleHeader) {
        let lacks = header.next() > replica.logs().next_of(&header.origin);
        // One that keeps nothing either lets it pass: what it has it lists.
        if lacks && self.links.get(&sender.link).is_some_and(|link| !link.hold) {
            self.note_ahead(replica, sender.link, header.origin, header.next(), Some(Why::StoreFull));
        }
        self.dropped(replica, sender, header.origin);
    }

    /// With a full store: a neighbour wants what passed. While it is in memory, it can be had again.
    pub(super) fn pass_again(&mut self, replica: &Replica, id: LinkId, entry: &StatusEntry) {
        let origin = entry.origin;
        if entry.state != EntryState::Normal || entry.next >= replica.logs().passed_to(&origin) {
            return;
        }
        // What is still on its way is not missing (P-S2).
        let on_its_way = self.links.get(&id).and_then(|link| link.unacked.on_its_way(&origin));
        if on_its_way.is_none_or(|next| next <= entry.next) {
            self.pass_from(replica, id, origin, entry.next);
        }
    }

    /// A neighbour gets what passed from this number on, if just that is in memory.
    pub(super) fn pass_from(&mut self, replica: &Replica, id: LinkId, origin: Origin, from: Seq) {
        let here = replica.logs().in_memory(origin, from).is_some_and(|bundle| bundle.header().first <= from);
        let Some(link) = self.links.get_mut(&id).filter(|link| here && !link.hold) else { return };
        let room = link.pass(origin, from);
        if let Some(first) = link.passing.get_mut(&origin) {
            *first = from;
        }
        bump(&mut self.stats.passing_full, u64::from(!room));
    }

    /// Gives a link the next of what passes to it. Only memory has it.
    pub(super) fn serve_pass(&mut self, replica: &Replica, id: LinkId, origin: Origin, from: Seq) {
        let bundle = replica.logs().in_memory(origin, from).map(|bundle| RawBundle::of(bundle));
        let reached = bundle.as_ref().map(|bundle| bundle.header().next());
        let next = reached.filter(|next| replica.logs().in_memory(origin, *next).is_some());
        let Some(link) = self.links.get_mut(&id) else { return };
        match (next, link.passing.get_mut(&origin)) {
            (Some(next), Some(first)) => *first = next,
            _ => drop(link.passing.remove(&origin)),
        }
        let (Some(bundle), Some(reached)) = (bundle, reached) else { return };
        if link.introduced.len() >= MAX_INTRODUCED {
            link.introduced.clear();
        }
        if link.introduced.insert(origin.node) {
            self.introduce(replica, id, origin.node);
        }
        self.give(replica, id, bundle, false, false);
        if let Some(link) = self.links.get_mut(&id) {
            link.unacked.sent(origin, reached);
        }
    }
}
