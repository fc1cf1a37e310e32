//! RUMOR: what the machine that takes bundles in says, done (docs/protocol.md, F and B).

use bytes::Bytes;
use rumormill_wire::native::{BundleHeader, Rumor};
use rumormill_wire::{NodeId, Seq};

use super::{Replica, ReplicaOutput};
use crate::bundle::RawBundle;
use crate::ingress::queue::Sender;
use crate::ingress::{ChainState, Dropped, Input, Output};
use crate::io::{self as driver, Event, LinkId};
use crate::proofs;
use crate::stats::bump;

impl Replica {
    pub(crate) fn rumor(&mut self, sender: Sender, rumor: &Rumor<'_>, frame: &Bytes) {
        let raw = RawBundle::from_parts(rumor.header, frame.slice_ref(rumor.bundle));
        let (header, searched) = (rumor.header, rumor.answers_range && self.search.wants(&rumor.header));
        let origin = header.origin;
        let chain = self.logs.chains.get(&origin);
        let next = chain.map_or(Seq::FIRST, |chain| chain.next);
        let fresh = self.logs.is_new(&origin);
        let standing = ChainState {
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

    pub(super) fn ingress_outputs(&mut self) {
        while let Some(output) = self.ingress.poll_output() {
            match output {
                Output::Verify { check, raw } => self.drive(driver::Output::Verify { check, raw }),
                Output::Open(sender) => self.output.push_back(ReplicaOutput::InFlight(sender)),
                Output::Duplicate { sender, header } => {
                    bump(&mut self.stats.messages_duplicate, u64::from(header.count));
                    self.output.push_back(ReplicaOutput::Duplicate(sender, header));
                }
                Output::Dropped { sender, header, why } => self.dropped(sender, header, why),
                Output::Evidence { bundle, senders } => {
                    for sender in senders {
                        self.output.push_back(ReplicaOutput::Judged(sender, bundle.header().origin));
                        self.evidence(&bundle, &sender);
                    }
                }
                // Everybody checks before passing on, so whoever sent these bytes is at fault, not only their author.
                Output::Invalid { origin, senders } => {
                    bump(&mut self.stats.bundles_invalid, 1);
                    for sender in senders {
                        self.output.push_back(ReplicaOutput::Judged(sender, origin));
                        self.output.push_back(ReplicaOutput::Misbehaved(sender.link, "a bundle that does not hold"));
                    }
                }
                Output::Void { origin, senders } => {
                    for sender in senders {
                        bump(&mut self.stats.bundles_unadmitted, 1);
                        self.output.push_back(ReplicaOutput::Judged(sender, origin));
                    }
                    self.tell_proofs(proofs::Input::Settled(origin));
                }
                Output::Settled(origin) => self.settled.push_back(origin),
            }
        }
    }

    /// A bundle is not taken now: that is counted, and its sender hears where we stand.
    pub(super) fn dropped(&mut self, sender: Sender, header: BundleHeader, why: Dropped) {
        if why == Dropped::OverRate {
            self.tell_over_quota(header.origin.node);
        }
        let counter = match why {
            Dropped::OverPace => &mut self.stats.bundles_paced,
            Dropped::SetBack => &mut self.stats.bundles_set_back,
            Dropped::Withdrawn => &mut self.stats.bundles_withdrawn,
            Dropped::Gap => &mut self.stats.bundles_gap,
            Dropped::Committing | Dropped::NoPlace => &mut self.stats.origins_full,
            Dropped::NotAdmitted => &mut self.stats.bundles_unadmitted,
            Dropped::OverRate => &mut self.stats.bundles_over_quota,
            Dropped::QueueFull => &mut self.stats.bundles_check_full,
        };
        bump(counter, 1);
        self.output.push_back(ReplicaOutput::Dropped(sender, header, why));
    }

    /// An author is over its rate: told once a start.
    pub(super) fn tell_over_quota(&mut self, node: NodeId) {
        if self.told_over_quota.insert(node) {
            self.event(Event::OverQuota { node });
        }
    }

    /// There is a verdict on a frame of a link that is up: its reader may go on, unless commits lag.
    pub(crate) fn give_credit(&mut self, sender: Sender) {
        if self.ingress.credit.judged(sender.link, sender.bytes, self.logs.cache.uncommitted()) {
            self.drive(driver::Output::Credit { link: sender.link, bytes: sender.bytes });
        } else {
            bump(&mut self.stats.backlog_held, 1);
        }
    }

    /// Commits have caught up: the readers that were held back may go on.
    pub(super) fn release_credit(&mut self) {
        for (link, bytes) in self.ingress.credit.committed(self.logs.cache.uncommitted()) {
            self.drive(driver::Output::Credit { link, bytes });
        }
    }

    /// A link is gone: what was under way for it ends.
    pub(crate) fn link_down(&mut self, id: LinkId) {
        self.tell_search(crate::fork::Input::LinkDown(id));
        self.tell_proofs(proofs::Input::LinkDown(id));
        self.ingress.credit.forget(id);
    }
}
