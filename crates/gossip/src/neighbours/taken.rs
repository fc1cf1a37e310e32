//! What became of what neighbours sent, as they hear it (docs/protocol.md, P-S2, P-S6 and P-S8).

use rumormill_wire::native::BundleHeader;
use rumormill_wire::{NodeId, Origin};

use super::{NeighbourOutput, Neighbours, STATUS_DELAY_US};
use crate::acks;
use crate::bundle::VerifiedBundle;
use crate::ingress::Dropped;
use crate::ingress::queue::Sender;
use crate::io::LinkId;
use crate::reconcile;
use crate::replica::Replica;
use crate::spread;
use crate::stats::Why;

impl Neighbours {
    /// A RUMOR frame of so many bytes came.
    pub(crate) fn received(&mut self, link: LinkId, peer: NodeId, bytes: usize, want_status: bool) -> Sender {
        self.acks.handle(self.now, acks::Input::Received(link));
        Sender { link, peer, ordinal: self.acks.received(link), bytes, want_status }
    }

    /// A bundle joined its chain.
    pub(super) fn accepted(&mut self, replica: &Replica, bundle: &VerifiedBundle, senders: &[Sender]) {
        let header = bundle.header();
        let (origin, ours) = (header.origin, replica.logs().chains.wanted(&header.origin));
        for sender in senders {
            self.note_sender_has(replica, sender.link, bundle);
            self.judged(replica, *sender, origin);
        }
        for id in self.claims.who_has(origin) {
            let Some(behind) = self.claims.get(id, &origin).copied().filter(|behind| behind.next <= ours) else {
                continue;
            };
            self.claims.remove(id, &origin);
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.note_has(origin, ours, ours, self.now);
            if behind.ended {
                // It stopped here: it is told where we are and gives its reason.
                self.say(id, origin, self.now.plus(STATUS_DELAY_US));
            }
        }
        let from: Vec<_> = senders.iter().map(|sender| sender.link).collect();
        self.new_for_all(replica, bundle, &from);
        self.spread(replica, origin, header.first, &from);
    }

    /// Whoever sent a bundle has it, unless it keeps nothing and only passed it on.
    fn note_sender_has(&mut self, replica: &Replica, id: LinkId, bundle: &VerifiedBundle) {
        let header = bundle.header();
        let (origin, ours) = (header.origin, replica.logs().chains.wanted(&header.origin));
        let Some(link) = self.links.get_mut(&id) else { return };
        let claimed = self.claims.has(id, &origin, header.next());
        if !link.hold || claimed {
            link.note_has(origin, header.next(), ours, self.now);
        } else if !link.cursors.contains_key(&origin) {
            self.note_held(id, origin, header.first);
        }
    }

    /// A bundle is not taken now: that is remembered where it can be asked for again, and the sender hears where we stand.
    pub(super) fn not_taken(&mut self, replica: &Replica, sender: Sender, header: &BundleHeader, dropped: Dropped) {
        let (origin, next) = (header.origin, header.next());
        let why = match dropped {
            Dropped::OverPace => return self.drop_paced(replica, sender, origin, next),
            Dropped::Withdrawn => return self.dropped(replica, sender, origin),
            // One that keeps nothing passes on what it has no more a moment later.
            Dropped::Gap if self.links.get(&sender.link).is_some_and(|link| link.hold) => {
                return self.dropped(replica, sender, origin);
            }
            Dropped::Gap => self.refusal_to(replica, sender.link, &origin),
            Dropped::Committing | Dropped::QueueFull => None,
            Dropped::SetBack => Some(Why::SetBack),
            Dropped::NoPlace => Some(Why::NoPlace),
            Dropped::NotAdmitted => Some(Why::NotAdmitted),
            Dropped::OverRate => Some(Why::OverRate),
        };
        self.note_ahead(replica, sender.link, origin, next, why);
        self.dropped(replica, sender, origin);
    }

    /// A link brought what was here already.
    pub(super) fn duplicate(&mut self, replica: &Replica, sender: Sender, header: &BundleHeader) {
        let (link, origin) = (sender.link, header.origin);
        let ours = replica.logs().chains.wanted(&origin);
        let withdrawn = replica.logs().limit_of(&origin).is_some_and(|limit| header.next() > limit);
        // One that keeps nothing may only have passed it on.
        if let Some(link) = self.links.get_mut(&link).filter(|link| !link.hold) {
            link.note_has(origin, header.next(), ours, self.now);
        }
        if withdrawn {
            // It does not know that yet (P-E2).
            self.say(link, origin, self.now.plus(STATUS_DELAY_US));
        }
        self.tell_spread(replica, spread::Input::Duplicate { link, origin });
        if replica.logs().full {
            // Whether it is here or only passed before: each that gives it hears that (P-S8).
            return self.not_kept(replica, sender, header);
        }
        self.judged(replica, sender, origin);
    }

    /// A bundle was not taken: the sender is told where we stand, a little later, so that it can rewind.
    pub(super) fn dropped(&mut self, replica: &Replica, sender: Sender, origin: Origin) {
        self.say(sender.link, origin, self.now.plus(STATUS_DELAY_US));
        self.judged(replica, sender, origin);
    }

    /// The verdict on a frame is in, whatever it was.
    pub(super) fn judged(&mut self, replica: &Replica, sender: Sender, origin: Origin) {
        if self.peer(sender.link).is_none() {
            return;
        }
        self.links.touch(sender.link);
        let ask = sender.want_status.then(|| self.now.plus(STATUS_DELAY_US));
        let Sender { link, ordinal, .. } = sender;
        self.acks.handle(self.now, acks::Input::Verdict { link, ordinal, origin, ask });
        self.tell_reconcile(replica, reconcile::Input::Judged(link));
        self.output.push_back(NeighbourOutput::Credit(sender));
    }
}
