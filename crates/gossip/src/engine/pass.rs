//! A store that takes no more: the chains go back to what is durable, own messages are refused, and what is new still
//! passes to those who lack it (docs/protocol.md, P-S8).

use std::sync::Arc;

use rumormill_wire::native::{BundleHeader, EntryState, StatusEntry};
use rumormill_wire::{Digest, Origin, Seq};

use super::Engine;
use crate::author;
use crate::bundle::{RawBundle, VerifiedBundle};
use crate::ingress::queue::Sender;
use crate::io::LinkId;
use crate::link::MAX_INTRODUCED;
use crate::passing::Head;
use crate::reconcile;
use crate::stats::{Why, bump};

impl Engine {
    /// What was given to the store since the last commit is lost, and so is all that comes. Neighbours are told at once.
    pub(super) fn on_store_full(&mut self) {
        if core::mem::replace(&mut self.logs.full, true) {
            return;
        }
        for (origin, end) in self.logs.uncommitted.give_up() {
            let Some(was) = self.logs.chains.get(&origin).map(|chain| Head::of(&chain.end())) else { continue };
            self.logs.passing.set_head(origin, was);
            self.logs.chains.go_back(origin, &end);
            for id in self.links.everybody() {
                self.tell_lost(id, origin, was.next);
                let Some(link) = self.links.get_mut(&id) else { continue };
                // What neighbours were about to be given still goes to them, while it is in memory. Their turn may
                // not have come yet.
                let sent = || link.unheard.on_its_way(&origin).unwrap_or(end.next);
                let later = || self.spread.leaves_out().then(sent);
                let next = link.cursors.get(&origin).map(|cursor| cursor.next).or_else(later);
                let Some(next) = next else { continue };
                if next < was.next && !link.pass(origin, next.max(end.next)) {
                    bump(&mut self.stats.passing_full, 1);
                }
            }
        }
        self.note_reconcile(reconcile::Input::FellBack);
        self.logs.cache.commit(u64::MAX);
        self.release_credit();
        self.own_append = None;
        self.tell_author(author::Input::Full);
        for id in self.links.everybody() {
            self.send_summary(id, false);
        }
    }

    /// What was taken of this origin up to `next` is lost again. Whoever is not known to lack it has it, as far as anybody can know; and it
    /// is to hear that we have it no more.
    fn tell_lost(&mut self, id: LinkId, origin: Origin, next: Seq) {
        let now = self.now;
        self.say(id, origin, now);
        if self.links.get(&id).is_some_and(|link| !link.cursors.contains_key(&origin)) {
            self.note_ahead(id, origin, next, Some(Why::StoreFull));
        }
    }

    /// With a full store: lets pass what holds, the lowest number first. What lies between may be missing: whoever lacks
    /// it gets it by another way, or not.
    pub(super) fn pass_all(&mut self, origin: Origin) {
        while let Some((id, bundle)) = self.ingress.lowest(origin) {
            let senders = self.ingress.take(id, self.logs.next_of(&origin));
            self.pass_one(&bundle, &senders);
        }
    }

    fn pass_one(&mut self, bundle: &Arc<VerifiedBundle>, senders: &[Sender]) {
        let header = *bundle.header();
        let origin = header.origin;
        let ended = self.logs.limit_of(&origin).is_some_and(|limit| header.first >= limit);
        let old = header.first < self.logs.passed_to(&origin);
        let (digest, last_clock) = match (self.logs.passing.head(&origin), self.logs.chains.get(&origin)) {
            (Some(head), _) if head.next == header.first => (head.digest, Some(head.last_clock)),
            (None, Some(chain)) if chain.next == header.first => (chain.digest, Some(chain.last_clock)),
            _ if header.first == Seq::FIRST => (Digest::ZERO, None),
            // What comes before is not known here.
            _ => (header.previous, None),
        };
        let good = !ended && !old && header.previous == digest;
        let set_back = good && last_clock.is_some_and(|last| bundle.first_clock() <= last);
        senders.iter().for_each(|sender| self.not_kept(*sender, &header));
        bump(&mut self.stats.bundles_set_back, u64::from(set_back));
        if !good || set_back {
            return;
        }
        let fresh = self.logs.is_new(&origin);
        self.ingress.charge(bundle, fresh, self.now);
        self.note_own(origin);
        bump(&mut self.stats.bundles_passed, 1);
        self.logs.passing.take(Arc::clone(bundle));
        let from: Vec<_> = senders.iter().map(|sender| sender.link).collect();
        self.new_for_all(bundle, &from);
        for id in self.links.everybody() {
            let has = self.claims.has(id, &origin, header.next());
            let Some(link) = self.links.get_mut(&id) else { continue };
            if !has && !from.contains(&id) && !link.pass(origin, header.first) {
                bump(&mut self.stats.passing_full, 1);
            }
        }
    }

    /// With a full store: what a neighbour gave is not kept, and it hears where we stand.
    pub(super) fn not_kept(&mut self, sender: Sender, header: &BundleHeader) {
        let lacks = header.next() > self.logs.next_of(&header.origin);
        // One that keeps nothing either lets it pass: what it has it lists.
        if lacks && self.links.get(&sender.link).is_some_and(|link| !link.hold) {
            self.note_ahead(sender.link, header.origin, header.next(), Some(Why::StoreFull));
        }
        self.dropped(sender, header.origin);
    }

    /// With a full store: a neighbour wants what passed. While it is in memory, it can be had again.
    pub(super) fn pass_again(&mut self, id: LinkId, entry: &StatusEntry) {
        let origin = entry.origin;
        if entry.state != EntryState::Normal || entry.next >= self.logs.passed_to(&origin) {
            return;
        }
        // What is still on its way is not missing (P-S2).
        let on_its_way = self.links.get(&id).and_then(|link| link.unheard.on_its_way(&origin));
        if on_its_way.is_none_or(|next| next <= entry.next) {
            self.pass_from(id, origin, entry.next);
        }
    }

    /// A neighbour gets what passed from this number on, if just that is in memory.
    pub(super) fn pass_from(&mut self, id: LinkId, origin: Origin, from: Seq) {
        let here = self.logs.in_memory(origin, from).is_some_and(|bundle| bundle.header().first <= from);
        let Some(link) = self.links.get_mut(&id).filter(|link| here && !link.hold) else { return };
        let room = link.pass(origin, from);
        if let Some(first) = link.passing.get_mut(&origin) {
            *first = from;
        }
        bump(&mut self.stats.passing_full, u64::from(!room));
    }

    /// Gives a link the next of what passes to it. Only memory has it.
    pub(super) fn serve_pass(&mut self, id: LinkId, origin: Origin, from: Seq) {
        let bundle = self.logs.in_memory(origin, from).map(|bundle| RawBundle::of(bundle));
        let reached = bundle.as_ref().map(|bundle| bundle.header().next());
        let next = reached.filter(|next| self.logs.in_memory(origin, *next).is_some());
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
            self.introduce(id, origin.node);
        }
        self.give(id, bundle, false, false);
        if let Some(link) = self.links.get_mut(&id) {
            link.unheard.sent(origin, reached);
        }
    }
}
