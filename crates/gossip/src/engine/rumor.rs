//! RUMOR: what the machine that takes bundles in says, done (docs/protocol.md, F and B).

use bytes::Bytes;
use rumormill_wire::native::{BundleHeader, Rumor};
use rumormill_wire::{Origin, Seq};

use super::Engine;
use crate::acks;
use crate::bundle::RawBundle;
use crate::ingress::queue::Sender;
use crate::ingress::{Dropped, Input, Output, Standing};
use crate::io::{self, LinkId};
use crate::proofs;
use crate::reconcile;
use crate::spread;
use crate::stats::{Why, bump};

/// A STATUS that asks for a rewind waits so long for others to join it.
pub(super) const STATUS_DELAY_US: u64 = 20_000;

impl Engine {
    pub(super) fn rumor(&mut self, id: LinkId, rumor: &Rumor<'_>, frame: &Bytes) {
        let Some(peer) = self.peer(id) else { return };
        self.acks.handle(self.now, acks::Input::Received(id));
        let sender = Sender {
            link: id,
            peer,
            ordinal: self.acks.received(id),
            bytes: frame.len(),
            want_status: rumor.want_status,
        };
        let raw = RawBundle::from_parts(rumor.header, frame.slice_ref(rumor.bundle));
        let (header, searched) = (rumor.header, rumor.answers_range && self.search.wants(&rumor.header));
        let origin = header.origin;
        let chain = self.logs.chains.get(&origin);
        let next = chain.map_or(Seq::FIRST, |chain| chain.next);
        let fresh = self.logs.is_new(&origin);
        let standing = Standing {
            next,
            reached: if self.logs.full { self.logs.passed_to(&origin) } else { next },
            limit: self.logs.limit_of(&origin),
            ours: (header.next() <= next)
                .then(|| self.logs.cache.holding(origin, header.first))
                .flatten()
                .map(|ours| &**ours),
            set_back: chain.and_then(|chain| chain.set_back.as_deref()),
            searched,
            fresh,
            has_place: !fresh || !self.logs.no_place(&origin, self.members.len()),
            committing: self.author.is_committing(&origin),
            admission: self.members.admission(&origin.node),
            store_full: self.logs.full,
        };
        self.ingress.handle(self.now, Input::Bundle { raw, sender, standing: &standing });
        self.ingress_outputs();
    }

    /// Tells the machine that takes bundles in, and does what it says.
    pub(super) fn tell_ingress(&mut self, input: Input<'_>) {
        self.ingress.handle(self.now, input);
        self.ingress_outputs();
    }

    fn ingress_outputs(&mut self) {
        while let Some(output) = self.ingress.poll_output() {
            match output {
                Output::Verify { check, raw } => self.output.push_back(io::Output::Verify { check, raw }),
                Output::Open(Sender { link, ordinal, .. }) => {
                    self.acks.handle(self.now, acks::Input::InFlight(link, ordinal));
                }
                Output::Duplicate { sender, header } => self.duplicate(sender, &header),
                Output::Dropped { sender, header, why } => self.not_taken(sender, &header, why),
                Output::Evidence { bundle, senders } => {
                    for sender in senders {
                        self.judged(sender, bundle.header().origin);
                        self.evidence(&bundle, sender.link);
                    }
                }
                // Everybody checks before passing on, so whoever sent these bytes is at fault, not only their author.
                Output::Invalid { origin, senders } => {
                    bump(&mut self.stats.bundles_invalid, 1);
                    for sender in senders {
                        self.judged(sender, origin);
                        self.misbehaved(sender.link, "a bundle that does not hold");
                    }
                }
                Output::Void { origin, senders } => {
                    for sender in senders {
                        bump(&mut self.stats.bundles_unadmitted, 1);
                        self.judged(sender, origin);
                    }
                    self.tell_proofs(proofs::Input::Settled(origin));
                }
                Output::Settled(origin) => {
                    self.advance(origin);
                    self.tell_proofs(proofs::Input::Settled(origin));
                }
            }
        }
    }

    /// A bundle is not taken now: that is counted, remembered where it can be asked for again, and the sender hears where we
    /// stand.
    fn not_taken(&mut self, sender: Sender, header: &BundleHeader, dropped: Dropped) {
        let origin = header.origin;
        let (counter, why) = match dropped {
            Dropped::OverPace => return self.drop_paced(sender, origin, header.next()),
            Dropped::SetBack => return self.drop_set_back(sender, header),
            Dropped::Withdrawn => {
                bump(&mut self.stats.bundles_withdrawn, 1);
                return self.dropped(sender, origin);
            }
            Dropped::Gap => {
                // One that keeps nothing passes on what it has no more a moment later.
                if self.links.get(&sender.link).is_some_and(|link| link.hold) {
                    bump(&mut self.stats.bundles_gap, 1);
                    return self.dropped(sender, origin);
                }
                let why = self.refusal_to(sender.link, &origin);
                (&mut self.stats.bundles_gap, why)
            }
            Dropped::Committing => (&mut self.stats.origins_full, None),
            Dropped::NoPlace => (&mut self.stats.origins_full, Some(Why::NoPlace)),
            Dropped::NotAdmitted => (&mut self.stats.bundles_unadmitted, Some(Why::NotAdmitted)),
            Dropped::OverRate => {
                self.tell_greedy(origin.node);
                (&mut self.stats.bundles_greedy, Some(Why::OverRate))
            }
            Dropped::QueueFull => (&mut self.stats.bundles_check_full, None),
        };
        bump(counter, 1);
        self.note_ahead(sender.link, origin, header.next(), why);
        self.dropped(sender, origin);
    }

    fn duplicate(&mut self, sender: Sender, header: &BundleHeader) {
        bump(&mut self.stats.messages_duplicate, u64::from(header.count));
        let ours = self.logs.chains.wanted(&header.origin);
        let withdrawn = self.logs.limit_of(&header.origin).is_some_and(|limit| header.next() > limit);
        if let Some(link) = self.links.get_mut(&sender.link) {
            // One that keeps nothing may only have passed it on.
            if !link.hold {
                link.note_has(header.origin, header.next(), ours);
            }
        }
        if withdrawn {
            // It does not know that yet (P-E2).
            self.say(sender.link, header.origin, self.now.plus(STATUS_DELAY_US));
        }
        self.tell_spread(spread::Input::Duplicate { link: sender.link, origin: header.origin });
        if self.logs.full {
            // Whether it is here or only passed before: each that gives it hears that (P-S8).
            return self.not_kept(sender, header);
        }
        self.judged(sender, header.origin);
    }

    /// A bundle was not taken: the sender is told where we stand, a little later, so that it can rewind.
    pub(super) fn dropped(&mut self, sender: Sender, origin: Origin) {
        self.say(sender.link, origin, self.now.plus(STATUS_DELAY_US));
        self.judged(sender, origin);
    }

    /// The verdict on a frame is in, whatever it was.
    pub(super) fn judged(&mut self, sender: Sender, origin: Origin) {
        if self.peer(sender.link).is_none() {
            return;
        }
        self.links.touch(sender.link);
        let ask = sender.want_status.then(|| self.now.plus(STATUS_DELAY_US));
        let Sender { link, ordinal, .. } = sender;
        self.acks.handle(self.now, acks::Input::Verdict { link, ordinal, origin, ask });
        self.tell_reconcile(reconcile::Input::Judged(sender.link));
        if self.ingress.credit.judged(sender.link, sender.bytes, self.logs.cache.uncommitted()) {
            self.output.push_back(io::Output::Release { link: sender.link, bytes: sender.bytes });
        } else {
            bump(&mut self.stats.backlog_held, 1);
        }
    }

    /// Commits have caught up: the readers that were held back may go on.
    pub(super) fn release_credit(&mut self) {
        let back = self.ingress.credit.committed(self.logs.cache.uncommitted());
        self.output.extend(back.into_iter().map(|(link, bytes)| io::Output::Release { link, bytes }));
    }
}
