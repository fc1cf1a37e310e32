//! Verdicts: bundles join their chains, one at a time and in order.

use std::sync::Arc;

use rumormill_wire::{Digest, Origin, Seq};

use super::{Replica, ReplicaOutput};
use crate::author;
use crate::bundle::{Invalid, VerifiedBundle};
use crate::chain::{Chain, End};
use crate::clock::MAX_AHEAD_US;
use crate::ingress::queue::Sender;
use crate::ingress::{Dropped, Input};
use crate::io::{self as driver, CheckId};
use crate::proofs;
use crate::stats::bump;

impl Replica {
    pub(crate) fn verified(&mut self, check: CheckId, verdict: Result<Arc<VerifiedBundle>, Invalid>) {
        let Some(origin) = self.ingress.origin_of(check) else { return };
        let next = self.logs.next_of(&origin);
        self.tell_ingress(Input::Verified { check, verdict, next });
    }

    /// Lets the next that holds and whose turn it is join the chain. Comes back to it as long as there is one.
    pub(super) fn advance(&mut self, origin: Origin) {
        let moved = if self.logs.full { self.pass_next(origin) } else { self.join_next(origin) };
        if moved {
            self.settled.push_front(origin);
        } else {
            let stale =
                if self.logs.full { Vec::new() } else { self.ingress.take_stale(origin, self.logs.next_of(&origin)) };
            for sender in stale {
                bump(&mut self.stats.bundles_gap, 1);
                self.output.push_back(ReplicaOutput::Refused(sender, origin));
            }
            self.tell_proofs(proofs::Input::Settled(origin));
        }
        self.ingress_outputs();
    }

    fn join_next(&mut self, origin: Origin) -> bool {
        let Some((id, bundle)) = self.ingress.turn(origin, self.logs.next_of(&origin)) else { return false };
        let before = self.logs.chains.get(&origin).map_or(End::EMPTY, Chain::end);
        // The chain moves first, so that another copy of this place is then seen as evidence.
        let accepted = self.join(&bundle);
        let senders = self.ingress.take(id, self.logs.next_of(&origin));
        match accepted {
            Ok(()) => self.accepted(&bundle, senders, before),
            Err(refusal) => self.refused(&bundle, senders, refusal),
        }
        true
    }

    fn join(&mut self, bundle: &Arc<VerifiedBundle>) -> Result<(), Refusal> {
        let header = bundle.header();
        let origin = header.origin;
        if self.logs.limit_of(&origin).is_some_and(|limit| header.first >= limit) {
            return Err(Refusal::Withdrawn);
        }
        let fresh = self.logs.is_new(&origin);
        let chain = self.logs.chains.get(&origin);
        let (digest, last_clock) = chain.map_or((Digest::ZERO, None), |chain| (chain.digest, Some(chain.last_clock)));
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

    fn accepted(&mut self, bundle: &Arc<VerifiedBundle>, senders: Vec<Sender>, before: End) {
        let header = bundle.header();
        let origin = header.origin;
        bump(&mut self.stats.bundles_accepted, 1);
        bump(&mut self.stats.messages_accepted, u64::from(header.count));
        let wall = self.wall_us();
        self.tell_author(author::Input::Seen(bundle.last_clock()));
        let unseen = bundle.last_clock().0 > wall.saturating_add(MAX_AHEAD_US);
        bump(&mut self.stats.clocks_ahead, u64::from(unseen));
        self.append(bundle);
        self.logs.uncommitted.push(self.logs.appends, Arc::clone(bundle), before);
        self.logs.cache.insert(Arc::clone(bundle), self.logs.appends);
        let copies = u64::try_from(senders.len().saturating_sub(1)).unwrap_or(u64::MAX);
        bump(&mut self.stats.messages_duplicate, copies.saturating_mul(u64::from(header.count)));
        self.output.push_back(ReplicaOutput::Accepted(Arc::clone(bundle), senders));
        if self.logs.stands_at_set_back(&origin) {
            let other = self.logs.chains.update(origin, |chain| chain.set_back.take());
            self.is_second(other, *bundle.signed_header(), None);
        }
    }

    fn refused(&mut self, bundle: &Arc<VerifiedBundle>, senders: Vec<Sender>, refusal: Refusal) {
        let header = *bundle.header();
        let origin = header.origin;
        for sender in senders {
            match refusal {
                Refusal::Held => {
                    self.tell_over_quota(origin.node);
                    bump(&mut self.stats.bundles_over_quota, 1);
                    self.output.push_back(ReplicaOutput::Refused(sender, origin));
                }
                Refusal::Clock => self.set_back(bundle, sender),
                Refusal::Paced => self.dropped(sender, header, Dropped::OverPace),
                Refusal::Withdrawn => {
                    self.output.push_back(ReplicaOutput::Judged(sender, origin));
                    bump(&mut self.stats.bundles_withdrawn, 1);
                }
                Refusal::Fork => {
                    self.output.push_back(ReplicaOutput::Judged(sender, origin));
                    self.evidence(bundle, &sender);
                }
            }
        }
    }

    pub(super) fn append(&mut self, bundle: &Arc<VerifiedBundle>) {
        self.logs.append(bundle);
        self.drive(driver::Output::Append { bundle: Arc::clone(bundle) });
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
