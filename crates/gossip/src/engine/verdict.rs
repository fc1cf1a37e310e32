//! Verdicts: bundles join their chains and go on to those who lack them.

use std::sync::Arc;

use rumormill_wire::{Origin, Seq};

use super::Engine;
use super::rumor::STATUS_DELAY_US;
use crate::author;
use crate::bundle::{Invalid, VerifiedBundle};
use crate::chain::{Chain, End};
use crate::clock::MAX_AHEAD_US;
use crate::ingress::queue::Sender;
use crate::ingress::{Dropped, Input};
use crate::io::{CheckId, LinkId, Output};
use crate::stats::bump;

impl Engine {
    pub(super) fn verified(&mut self, check: CheckId, verdict: Result<Arc<VerifiedBundle>, Invalid>) {
        let Some(origin) = self.ingress.origin_of(check) else { return };
        let next = self.logs.next_of(&origin);
        self.tell_ingress(Input::Verified { check, verdict, next });
    }

    /// Lets all that hold and whose turn it is join the chain.
    pub(super) fn advance(&mut self, origin: Origin) {
        if self.logs.full {
            return self.pass_all(origin);
        }
        while let Some((id, bundle)) = self.ingress.turn(origin, self.logs.next_of(&origin)) {
            let before = self.logs.chains.get(&origin).map_or(End::EMPTY, Chain::end);
            // The chain moves first, so that another copy of this place is then seen as evidence.
            let accepted = self.join(&bundle);
            let senders = self.ingress.take(id, self.logs.next_of(&origin));
            match accepted {
                Ok(()) => self.accepted(&bundle, &senders, before),
                Err(refusal) => self.refused(&bundle, &senders, refusal),
            }
        }
        for sender in self.ingress.take_stale(origin, self.logs.next_of(&origin)) {
            bump(&mut self.stats.bundles_gap, 1);
            self.dropped(sender, origin);
        }
    }

    fn join(&mut self, bundle: &Arc<VerifiedBundle>) -> Result<(), Refusal> {
        let header = bundle.header();
        let origin = header.origin;
        if self.logs.limit_of(&origin).is_some_and(|limit| header.first >= limit) {
            return Err(Refusal::Withdrawn);
        }
        let fresh = self.logs.is_new(&origin);
        let (digest, last_clock) = self
            .logs
            .chains
            .get(&origin)
            .map_or((rumormill_wire::Digest::ZERO, None), |chain| (chain.digest, Some(chain.last_clock)));
        if header.previous != digest {
            return Err(Refusal::Fork);
        }
        if header.first > Seq::FIRST && last_clock.is_some_and(|last| bundle.first_clock() <= last) {
            return Err(Refusal::Clock);
        }
        let held = self.logs.no_place(&origin, self.members.len()).then_some(Dropped::NoPlace);
        match held.or_else(|| self.ingress.may_join(bundle, fresh, self.now)) {
            Some(Dropped::OverPace) => return Err(Refusal::Paced),
            Some(_) => return Err(Refusal::Held),
            None => self.ingress.charge(bundle, fresh, self.now),
        }
        self.note_own(origin);
        self.logs.chains.advance(bundle.signed_header(), bundle.digest(), bundle.last_clock());
        if let Some(cut) = self.logs.revocations.limit(&origin) {
            self.logs.chains.update(origin, |chain| chain.cut = Some(cut));
        }
        Ok(())
    }

    fn accepted(&mut self, bundle: &Arc<VerifiedBundle>, senders: &[Sender], before: End) {
        let header = bundle.header();
        let (origin, ours) = (header.origin, self.logs.chains.wanted(&header.origin));
        bump(&mut self.stats.bundles_accepted, 1);
        bump(&mut self.stats.messages_accepted, u64::from(header.count));
        let wall = self.wall_us();
        self.tell_author(author::Input::Seen(bundle.last_clock()));
        let unseen = bundle.last_clock().0 > wall.saturating_add(MAX_AHEAD_US);
        bump(&mut self.stats.clocks_ahead, u64::from(unseen));
        self.append(bundle);
        self.logs.uncommitted.push(self.logs.appends, Arc::clone(bundle), before);
        self.logs.cache.insert(Arc::clone(bundle), self.logs.appends);
        for (n, sender) in senders.iter().enumerate() {
            if n > 0 {
                bump(&mut self.stats.messages_duplicate, u64::from(header.count));
            }
            self.note_sender_has(sender.link, bundle);
            self.judged(*sender, origin);
        }
        for id in self.claims.who_has(origin) {
            let Some(behind) = self.claims.get(id, &origin).copied().filter(|behind| behind.next <= ours) else {
                continue;
            };
            self.claims.remove(id, &origin);
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.note_has(origin, ours, ours);
            if behind.ended {
                // It stopped here: it is told where we are and gives its reason.
                self.say(id, origin, self.now.plus(STATUS_DELAY_US));
            }
        }
        let from: Vec<_> = senders.iter().map(|sender| sender.link).collect();
        self.new_for_all(bundle, &from);
        self.spread(origin, header.first, &from);
        if self.logs.stands_at_set_back(&origin) {
            let other = self.logs.chains.update(origin, |chain| chain.set_back.take());
            self.is_second(other, *bundle.signed_header(), None);
        }
    }

    /// Whoever sent a bundle has it, unless it keeps nothing and only passed it on.
    fn note_sender_has(&mut self, id: LinkId, bundle: &VerifiedBundle) {
        let header = bundle.header();
        let (origin, ours) = (header.origin, self.logs.chains.wanted(&header.origin));
        let Some(link) = self.links.get_mut(&id) else { return };
        let claimed = self.claims.has(id, &origin, header.next());
        if !link.hold || claimed {
            link.note_has(origin, header.next(), ours);
        } else if !link.cursors.contains_key(&origin) {
            self.note_held(id, origin, header.first);
        }
    }

    fn refused(&mut self, bundle: &Arc<VerifiedBundle>, senders: &[Sender], refusal: Refusal) {
        let origin = bundle.header().origin;
        for sender in senders {
            if refusal == Refusal::Held {
                self.tell_greedy(origin.node);
                bump(&mut self.stats.bundles_greedy, 1);
                self.dropped(*sender, origin);
                continue;
            }
            if refusal == Refusal::Clock {
                self.set_back(bundle, *sender);
                continue;
            }
            if refusal == Refusal::Paced {
                self.drop_paced(*sender, origin, bundle.header().next());
                continue;
            }
            self.judged(*sender, origin);
            match refusal {
                Refusal::Held | Refusal::Paced | Refusal::Clock => {}
                Refusal::Withdrawn => bump(&mut self.stats.bundles_withdrawn, 1),
                Refusal::Fork => self.evidence(bundle, sender.link),
            }
        }
    }

    pub(super) fn append(&mut self, bundle: &Arc<VerifiedBundle>) {
        self.logs.append(bundle);
        self.output.push_back(Output::Append { bundle: Arc::clone(bundle) });
    }
}

/// Why a bundle that holds does not join its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Withdrawn,
    Held,
    Paced,
    Fork,
    Clock,
}
