//! What one line of a neighbour's list means, or that an origin is not on it (docs/protocol.md, P-S2 to P-S8).

use rumormill_wire::native::{EntryState, StatusEntries, StatusEntry};
use rumormill_wire::{HeadHash, Origin, Seq};

use super::Neighbours;
use crate::io::LinkId;
use crate::replica::Replica;
use crate::stats::bump;

impl Neighbours {
    /// Compares one line with ours. Says whether we lack something that the neighbour can give.
    pub(super) fn compare_entry(&mut self, replica: &Replica, id: LinkId, entry: &StatusEntry) -> bool {
        let origin = entry.origin;
        let ours = replica.logs().chains.get(&origin).and_then(|chain| chain.entry(origin));
        let next = ours.as_ref().map_or(Seq::FIRST, |ours| ours.next);
        let proof_wanted = self.offer_proof(replica, id, entry);
        self.compare_ends(replica, id, entry);
        if entry.next <= next {
            self.takes_back(id, &origin, next);
        }
        let (now, limit) = (self.now, self.config.max_cursors);
        let Some(link) = self.links.get_mut(&id) else { return false };
        if entry.next < next {
            // What is still on its way is not missing (P-S2).
            let on_its_way = link.unacked.on_its_way(&origin).is_some_and(|next| next > entry.next);
            if entry.state == EntryState::Forked {
                // Its chain ends there: it takes nothing more.
                link.cursors.remove(&origin);
            } else if entry.state == EntryState::Hold || link.hold {
                self.note_held(id, origin, entry.next);
            } else if !on_its_way && !link.says_lacks(origin, entry.next, now, limit) {
                bump(&mut self.stats.cursor_overflow, 1);
            }
            return proof_wanted;
        }
        link.note_has(origin, entry.next, next);
        if replica.logs().full {
            self.pass_again(replica, id, entry);
        }
        if entry.next == next {
            let branches = |ours: &StatusEntry| {
                let said = ours.head != HeadHash::ZERO && entry.head != HeadHash::ZERO;
                let alike = (ours.state == EntryState::Forked) == (entry.state == EntryState::Forked);
                said && alike && ours.head != entry.head
            };
            if ours.as_ref().is_some_and(branches) {
                self.heads_differ(replica, id, origin, next);
            }
            return proof_wanted;
        }
        let ended = replica.logs().limit_of(&origin).is_some_and(|limit| next >= limit);
        let refusal = self.refusal_to(replica, id, &origin);
        if !ended {
            // What is not taken now is missing all the same.
            self.note_ahead(replica, id, origin, entry.next, refusal);
            if let Some(behind) = self.claims.get_mut(id, &origin) {
                // What it gave and does not list it let pass.
                behind.next = entry.next;
                behind.ended = entry.state == EntryState::Forked;
            }
        }
        (!ended && refusal.is_none()) || proof_wanted
    }

    /// The neighbour has no more of this origin than we. If it said that it has before, that was not true.
    fn takes_back(&mut self, id: LinkId, origin: &Origin, ours: Seq) {
        let more = self.claims.remove(id, origin).is_some_and(|behind| behind.next > ours);
        if let Some(link) = self.links.get_mut(&id).filter(|_| more) {
            link.wavered_at = Some(self.now);
        }
    }

    /// What is not listed is not there. A chain that ends early here may have been withdrawn whole there, so it is named
    /// in the answer instead of being sent.
    pub(super) fn unlisted_are_lacking(
        &mut self,
        replica: &Replica,
        id: LinkId,
        low: Origin,
        high: Origin,
        entries: &StatusEntries<'_>,
        named: &mut Vec<Origin>,
    ) {
        let mut listed = entries.iter().map(|entry| entry.origin).peekable();
        let (now, mut walked) = (self.now, 0_usize);
        let Some(link) = self.links.get_mut(&id) else { return };
        for (origin, chain) in replica.logs().chains.range(low, high) {
            walked = walked.saturating_add(1);
            while listed.next_if(|other| other < origin).is_some() {}
            if listed.peek() == Some(origin) || chain.wanted() == Seq::FIRST {
                continue;
            }
            if link.holds(origin) {
                if link.hold {
                    // It keeps nothing of what it was given meanwhile.
                    link.note_held(*origin, Seq::FIRST, now, self.config.max_cursors);
                }
                continue;
            }
            if link.unacked.on_its_way(origin).is_some() && !link.hold {
                continue;
            }
            // The neighbour said so, or a proof of ours may have come there.
            let said = link.disputed.get(origin).is_some_and(|disputed| disputed.place == Some(Seq::FIRST));
            let withdrawn = said || chain.fork.is_some();
            if withdrawn {
                named.push(*origin);
            }
            if link.hold {
                // One that has withdrawn it whole says so when it is named.
                if !link.note_held(*origin, Seq::FIRST, now, self.config.max_cursors) {
                    bump(&mut self.stats.differences_overflow, 1);
                }
            } else if !withdrawn && !link.says_lacks(*origin, Seq::FIRST, now, self.config.max_cursors) {
                bump(&mut self.stats.cursor_overflow, 1);
            }
        }
        self.shares.charge_walk(id, walked, self.now);
    }

    /// What a neighbour said to have and does not list it has withdrawn whole (P-E3), or lost.
    pub(super) fn unlisted_are_not_there(
        &mut self,
        replica: &Replica,
        id: LinkId,
        low: Origin,
        high: Origin,
        entries: &StatusEntries<'_>,
    ) {
        let mut listed = entries.iter().map(|entry| entry.origin).peekable();
        let claimed = self.claims.range(id, low, high).map(|(origin, _)| *origin);
        let gone: Vec<_> = claimed
            .filter(|origin| {
                while listed.next_if(|other| other < origin).is_some() {}
                listed.peek() != Some(origin)
            })
            .collect();
        for origin in gone {
            let ours = replica.logs().chains.wanted(&origin);
            self.takes_back(id, &origin, ours);
        }
    }
}
