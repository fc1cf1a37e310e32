//! Bundles on their way in: what their numbers decide, which are checked and in which order, and what their author may add
//! (docs/protocol.md, B and G).
//!
//! [`Ingress`] is a machine of its own. It knows no chains, links or frames: what is known of a bundle's chain comes with the bundle
//! ([`ChainState`]), and what holds is taken out in the order of its chain ([`Ingress::turn`]). Of one place one copy at a time is
//! checked, and bundles of an author without a certificate wait for that, so that what cannot hold costs nothing.

pub mod credit;
mod io;
mod numbers;
pub mod queue;
pub mod quota;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use rumormill_wire::native::{MAX_BUNDLE_LEN, MAX_BUNDLE_MESSAGES};
use rumormill_wire::{NodeId, Origin, Seq};

pub use self::io::{ChainState, Dropped, Input, Output};

use self::credit::Credit;
use self::numbers::{ByNumber, by_number};
use self::queue::{Entered, Progress, Purpose, Sender, VerifyQueue};
use self::quota::Quota;
use crate::bundle::{Invalid, RawBundle, VerifiedBundle};
use crate::config::EngineConfig;
use crate::cost;
use crate::io::{Admission, CheckId, Timestamp};
use crate::pacer::Pacer;

/// The machine that takes bundles in.
#[derive(Debug)]
pub struct Ingress {
    /// What is being checked.
    queue: VerifyQueue,
    /// What each author may add, by the day.
    pub(crate) quota: Quota,
    /// How fast each author's bundles are taken.
    pacer: Pacer,
    /// What was over the pace is asked for when so many bytes may come.
    run_bytes: u64,
    /// Credit of links that is given back once commits have caught up.
    pub(crate) credit: Credit,
    output: VecDeque<Output>,
}

impl Ingress {
    /// A machine with nothing on its way.
    #[must_use]
    pub fn new(config: &EngineConfig) -> Self {
        let bundle = u64::try_from(MAX_BUNDLE_LEN).unwrap_or(u64::MAX);
        Self {
            queue: VerifyQueue::new(config.max_checks),
            quota: config.quota(),
            pacer: Pacer::new(config.pace_bytes_per_s, config.pace_burst_bytes),
            // A whole bundle at least.
            run_bytes: (config.pace_burst_bytes / 2).max(bundle),
            credit: Credit::new(config.backlog_bytes),
            output: VecDeque::new(),
        }
    }

    /// Takes what happened; what is to be done about it comes from `poll_output`.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        match input {
            Input::Bundle { raw, sender, standing } => self.bundle(now, raw, sender, standing),
            Input::Verified { check, verdict, next } => self.verified(check, verdict, next),
            Input::Admitted(node) => {
                for check in self.queue.waiting_for(&node) {
                    self.run(check);
                }
                self.queue.admit(&node);
            }
            Input::Void(node) => self.void(node),
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    fn bundle(&mut self, now: Timestamp, raw: RawBundle, sender: Sender, standing: &ChainState<'_>) {
        let header = *raw.header();
        match by_number(&raw, standing, &self.queue) {
            ByNumber::Duplicate => self.output.push_back(Output::Duplicate { sender, header }),
            ByNumber::Dropped(why) => self.output.push_back(Output::Dropped { sender, header, why }),
            ByNumber::Check(purpose) => match self.bar(now, &raw, standing) {
                Some(why) => self.output.push_back(Output::Dropped { sender, header, why }),
                None => self.enter(raw, sender, purpose, standing.admission == Admission::Admitted),
            },
        }
    }

    /// What keeps a bundle out before anything of it is checked.
    fn bar(&self, now: Timestamp, raw: &RawBundle, standing: &ChainState<'_>) -> Option<Dropped> {
        let node = raw.header().origin.node;
        if standing.committing {
            Some(Dropped::Committing)
        } else if !standing.store_full && !standing.has_place {
            Some(Dropped::NoPlace)
        } else if standing.admission == Admission::Unknown {
            Some(Dropped::NotAdmitted)
        } else if !self.quota.allows(&node, raw.cost(), standing.fresh, now) {
            Some(Dropped::OverRate)
        } else if !self.in_pace(&node, raw.pace_cost(), now) {
            Some(Dropped::OverPace)
        } else {
            None
        }
    }

    fn enter(&mut self, raw: RawBundle, sender: Sender, purpose: Purpose, admitted: bool) {
        let header = *raw.header();
        let entered = self.queue.enter(raw, sender, purpose, admitted);
        if entered == Entered::Full {
            return self.output.push_back(Output::Dropped { sender, header, why: Dropped::QueueFull });
        }
        self.output.push_back(Output::Open(sender));
        if let Entered::First(check) = entered
            && admitted
        {
            self.run(check);
        }
    }

    fn run(&mut self, id: CheckId) {
        if let Some(check) = self.queue.get_mut(id) {
            check.progress = Progress::Running;
            self.output.push_back(Output::Verify { check: id, raw: check.raw.clone() });
        }
    }

    fn verified(&mut self, id: CheckId, verdict: Result<Arc<VerifiedBundle>, Invalid>, next: Seq) {
        let Some(check) = self.queue.get_mut(id) else { return };
        let origin = check.raw.header().origin;
        match (verdict, check.purpose) {
            (Ok(bundle), Purpose::Chain) => check.progress = Progress::Done(bundle),
            (Ok(bundle), Purpose::Evidence) => {
                let senders = self.take(id, next);
                self.output.push_back(Output::Evidence { bundle, senders });
            }
            (Err(_), _) => {
                let senders = self.take(id, next);
                self.output.push_back(Output::Invalid { origin, senders });
            }
        }
        self.output.push_back(Output::Settled(origin));
    }

    /// A copy behind another of its place comes to the front when that is gone: all go, or they would hold their places in
    /// the queue for ever.
    fn void(&mut self, node: NodeId) {
        loop {
            let waiting = self.queue.waiting_for(&node);
            if waiting.is_empty() {
                return;
            }
            for check in waiting {
                let origin = self.origin_of(check).unwrap_or(Origin { node, ..Origin::MIN });
                let senders = self.take(check, Seq::FIRST);
                self.output.push_back(Output::Void { origin, senders });
            }
        }
    }
}

/// What holds, in the order of its chain.
impl Ingress {
    /// The chain of a copy that is here still.
    #[must_use]
    pub fn origin_of(&self, check: CheckId) -> Option<Origin> {
        self.queue.get(check).map(|check| check.raw.header().origin)
    }

    /// The bundle that holds and begins with this number, if its turn has come. [`Ingress::take`] takes it out.
    #[must_use]
    pub fn turn(&self, origin: Origin, next: Seq) -> Option<(CheckId, Arc<VerifiedBundle>)> {
        self.queue.done_at(origin, next)
    }

    /// The lowest bundle of a chain, if it holds: what a full store lets pass.
    #[must_use]
    pub fn lowest(&self, origin: Origin) -> Option<(CheckId, Arc<VerifiedBundle>)> {
        self.queue.done_lowest(origin)
    }

    /// Takes a copy out, runs the next one of its place, and says who sent it. `next` is the number wanted next of its chain: what lies
    /// before it can only be evidence.
    pub fn take(&mut self, id: CheckId, next: Seq) -> Vec<Sender> {
        let Some((check, following)) = self.queue.remove(id) else { return Vec::new() };
        if let Some(following) = following
            && let Some(copy) = self.queue.get_mut(following)
        {
            if check.raw.header().first < next {
                copy.purpose = Purpose::Evidence;
            }
            if copy.admitted {
                self.run(following);
            }
        }
        check.senders
    }

    /// Takes out what holds and whose place is not wanted any more.
    pub fn take_stale(&mut self, origin: Origin, next: Seq) -> Vec<Sender> {
        let stale = self.queue.stale(origin, next);
        stale.into_iter().flat_map(|id| self.take(id, next)).collect()
    }

    /// Whether messages of this origin are being checked.
    #[must_use]
    pub fn has_origin(&self, origin: Origin) -> bool {
        self.queue.has_origin(origin)
    }

    /// How many copies are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// What an author may add.
impl Ingress {
    /// Whether a bundle may join its chain now. Several of its author's were being checked at once: what is kept is counted one
    /// by one.
    #[must_use]
    pub fn may_join(&self, bundle: &VerifiedBundle, fresh: bool, now: Timestamp) -> Option<Dropped> {
        let node = bundle.header().origin.node;
        if !self.quota.allows(&node, bundle.cost(), fresh, now) {
            return Some(Dropped::OverRate);
        }
        (!self.in_pace(&node, bundle.pace_cost(), now)).then_some(Dropped::OverPace)
    }

    /// Charges its author with a bundle that is kept or passed on.
    pub fn charge(&mut self, bundle: &VerifiedBundle, fresh: bool, now: Timestamp) {
        let node = bundle.header().origin.node;
        self.pacer.charge(&node, bundle.pace_cost(), now);
        self.quota.charge(&node, bundle.cost(), fresh, now);
    }

    /// Why nothing more of this author is taken now, not even the least. `fresh` is of a new origin.
    #[must_use]
    pub fn refusal(&self, node: &NodeId, fresh: bool, now: Timestamp) -> Option<Dropped> {
        if !self.quota.allows(node, cost::charged(1, 1), fresh, now) {
            return Some(Dropped::OverRate);
        }
        (!self.in_pace(node, cost::paced(1, 1), now)).then_some(Dropped::OverPace)
    }

    /// Whether the longest bundle of this author is within its rate.
    #[must_use]
    pub fn is_in_rate_again(&self, node: &NodeId, fresh: bool, now: Timestamp) -> bool {
        self.quota.allows(node, cost::charged(MAX_BUNDLE_LEN, MAX_BUNDLE_MESSAGES), fresh, now)
    }

    fn in_pace(&self, node: &NodeId, cost: u64, now: Timestamp) -> bool {
        self.pacer.allows(node, cost, now)
    }

    /// Whether a good run of this author's may be taken now.
    #[must_use]
    pub fn is_in_pace_again(&self, node: &NodeId, now: Timestamp) -> bool {
        self.pacer.allows(node, self.run_bytes, now)
    }

    /// When a good run of this author's may be taken.
    #[must_use]
    pub fn in_pace_at(&self, node: &NodeId, now: Timestamp) -> Timestamp {
        self.pacer.at(node, self.run_bytes, now)
    }
}
