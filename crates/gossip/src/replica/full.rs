//! A store that takes no more: the chains go back to what is durable, own messages are refused, and what is new passes without being
//! kept (docs/protocol.md, P-S8).

use std::sync::Arc;

use rumormill_wire::{Digest, Origin, Seq};

use super::{Replica, ReplicaOutput};
use crate::author;
use crate::bundle::VerifiedBundle;
use crate::ingress::queue::Sender;
use crate::passing::Head;
use crate::stats::bump;

impl Replica {
    /// What was given to the store since the last commit is lost, and so is all that comes. Neighbours are told at once.
    pub(crate) fn on_store_full(&mut self) {
        if core::mem::replace(&mut self.logs.full, true) {
            return;
        }
        for (origin, end) in self.logs.uncommitted.give_up() {
            let Some(was) = self.logs.chains.get(&origin).map(|chain| Head::of(&chain.end())) else { continue };
            self.logs.passing.set_head(origin, was);
            self.logs.chains.go_back(origin, &end);
            self.output.push_back(ReplicaOutput::Lost { origin, from: end.next, to: was.next });
        }
        self.output.push_back(ReplicaOutput::FellBack);
        self.logs.cache.commit(u64::MAX);
        self.release_credit();
        self.own_append = None;
        self.tell_author(author::Input::Full);
        self.output.push_back(ReplicaOutput::Full);
    }

    /// With a full store: lets the lowest number that holds pass. What lies between may be missing: whoever lacks it gets it by another
    /// way, or not. Says whether there was one.
    pub(super) fn pass_next(&mut self, origin: Origin) -> bool {
        let Some((id, bundle)) = self.ingress.lowest(origin) else { return false };
        let senders = self.ingress.take(id, self.logs.next_of(&origin));
        self.pass_one(&bundle, senders);
        true
    }

    fn pass_one(&mut self, bundle: &Arc<VerifiedBundle>, senders: Vec<Sender>) {
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
        self.output.extend(senders.iter().map(|sender| ReplicaOutput::NotKept(*sender, header)));
        bump(&mut self.stats.bundles_set_back, u64::from(set_back));
        if !good || set_back {
            return;
        }
        let fresh = self.logs.is_new(&origin);
        self.ingress.charge(bundle, fresh, self.now);
        self.note_own(origin);
        bump(&mut self.stats.bundles_passed, 1);
        self.logs.passing.take(Arc::clone(bundle));
        self.output.push_back(ReplicaOutput::Passes(Arc::clone(bundle), senders));
    }
}
