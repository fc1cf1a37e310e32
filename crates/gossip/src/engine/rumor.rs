//! RUMOR: what a bundle's numbers alone decide (docs/protocol.md, F and B). No signature is checked here.

use bytes::Bytes;
use rumormill_wire::native::{BundleHeader, Rumor};
use rumormill_wire::{Origin, Seq};

use super::Engine;
use super::pace::pace_of;
use crate::bundle::RawBundle;
use crate::ingress::queue::{Entered, Progress, Purpose, Sender};
use crate::io::{CheckId, LinkId, Output};
use crate::reconcile::Input;
use crate::spread;
use crate::stats::{Why, bump};

/// A STATUS that asks for a rewind waits so long for others to join it.
pub(super) const STATUS_DELAY_US: u64 = 20_000;

/// What the numbers say of a bundle.
enum ByNumber {
    Duplicate,
    Check(Purpose),
    Gap,
    Withdrawn,
    SetBack,
}

impl Engine {
    pub(super) fn rumor(&mut self, id: LinkId, rumor: &Rumor<'_>, frame: &Bytes) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.received = link.received.saturating_add(1);
        let sender = Sender {
            link: id,
            peer: link.peer,
            ordinal: link.received,
            bytes: frame.len(),
            want_status: rumor.want_status,
        };
        let header = rumor.header;
        let raw = RawBundle::from_parts(header, frame.slice_ref(rumor.bundle));
        match self.by_number(&raw, rumor.answers_range) {
            ByNumber::Duplicate => self.duplicate(sender, &header),
            ByNumber::Gap => {
                bump(&mut self.stats.bundles_gap, 1);
                let why = self.refusal_to(id, &header.origin);
                self.note_ahead(id, header.origin, header.next(), why);
                self.dropped(sender, header.origin);
            }
            ByNumber::Withdrawn => {
                bump(&mut self.stats.bundles_withdrawn, 1);
                self.dropped(sender, header.origin);
            }
            ByNumber::SetBack => self.drop_set_back(sender, &header),
            ByNumber::Check(purpose) => self.enter_check(raw, sender, purpose),
        }
    }

    fn by_number(&self, raw: &RawBundle, answers_range: bool) -> ByNumber {
        let header = raw.header();
        let (origin, first) = (header.origin, header.first);
        let next = self.chains.get(&origin).map_or(Seq::FIRST, |chain| chain.next);
        let limit = self.limit_of(&origin);
        if limit == Some(Seq::FIRST) {
            // No place is lower: more evidence is of no use.
            return ByNumber::Withdrawn;
        }
        if answers_range && self.search.wants(header) {
            return ByNumber::Check(Purpose::Evidence);
        }
        if header.next() <= next {
            let differs = self
                .cache
                .holding(origin, first)
                .is_some_and(|ours| ours.header() != header || ours.bytes() != raw.bytes());
            return if differs { ByNumber::Check(Purpose::Evidence) } else { ByNumber::Duplicate };
        }
        if first < next {
            return ByNumber::Check(Purpose::Evidence);
        }
        if limit.is_some_and(|limit| first >= limit) {
            return ByNumber::Withdrawn;
        }
        if first == next && self.is_set_back(raw) {
            return ByNumber::SetBack;
        }
        if self.store_full {
            let passed = first < self.passed_to(&origin);
            return if passed { ByNumber::Duplicate } else { ByNumber::Check(Purpose::Chain) };
        }
        let known = self.checks.has_place(origin, first) || first <= self.checks.run_end(origin, next);
        if known { ByNumber::Check(Purpose::Chain) } else { ByNumber::Gap }
    }

    /// The first number of an origin that does not count, by a fork or a revocation.
    pub(super) fn limit_of(&self, origin: &Origin) -> Option<Seq> {
        let chain = self.chains.get(origin).and_then(crate::chain::Chain::limit);
        let cut = self.revocations.limit(origin);
        match (chain, cut) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn duplicate(&mut self, sender: Sender, header: &BundleHeader) {
        bump(&mut self.stats.messages_duplicate, u64::from(header.count));
        let ours = self.chains.wanted(&header.origin);
        let withdrawn = self.limit_of(&header.origin).is_some_and(|limit| header.next() > limit);
        if let Some(link) = self.links.get_mut(&sender.link) {
            // One that keeps nothing may only have passed it on.
            if !link.hold {
                link.note_has(header.origin, header.next(), ours);
            }
            if withdrawn {
                // It does not know that yet (P-E2).
                link.say(header.origin, self.now.plus(STATUS_DELAY_US));
            }
        }
        self.tell_spread(spread::Input::Duplicate { link: sender.link, origin: header.origin });
        self.judged(sender, header.origin);
    }

    fn enter_check(&mut self, raw: RawBundle, sender: Sender, purpose: Purpose) {
        let (origin, next) = (raw.header().origin, raw.header().next());
        let in_flight = self.author.is_committing(&origin);
        let fresh = self.chains.get(&origin).is_none() && self.passing.head(&origin).is_none();
        let admitted = self.members.contains_key(&origin.node);
        let full = fresh && !self.store_full && self.no_place(&origin);
        let mut why = None;
        let counter = if in_flight || full {
            why = full.then_some(Why::NoPlace);
            &mut self.stats.origins_full
        } else if !admitted && !self.accounts.checks_member(&origin.node) {
            why = Some(Why::NotAdmitted);
            &mut self.stats.bundles_unadmitted
        } else if !self.greed.allows(&origin.node, raw.cost(), fresh, self.now) {
            self.tell_greedy(origin.node);
            why = Some(Why::OverRate);
            &mut self.stats.bundles_greedy
        } else if !self.in_pace(&origin.node, pace_of(&raw)) {
            return self.drop_paced(sender, origin, next);
        } else {
            match self.checks.enter(raw, sender, purpose) {
                Entered::First(check) => {
                    self.opened(sender);
                    if admitted {
                        self.run_check(check);
                    }
                    return;
                }
                Entered::Joined | Entered::Waits => return self.opened(sender),
                Entered::Full => &mut self.stats.bundles_check_full,
            }
        };
        bump(counter, 1);
        self.note_ahead(sender.link, origin, next, why);
        self.dropped(sender, origin);
    }

    fn opened(&mut self, sender: Sender) {
        if let Some(link) = self.links.get_mut(&sender.link) {
            link.open.insert(sender.ordinal);
        }
    }

    pub(super) fn run_check(&mut self, id: CheckId) {
        if let Some(check) = self.checks.get_mut(id) {
            check.progress = Progress::Running;
            self.output.push_back(Output::Verify { check: id, raw: check.raw.clone() });
        }
    }

    /// A bundle was not taken: the sender is told where we stand, a little later, so that it can rewind.
    pub(super) fn dropped(&mut self, sender: Sender, origin: Origin) {
        if let Some(link) = self.links.get_mut(&sender.link) {
            link.say(origin, self.now.plus(STATUS_DELAY_US));
        }
        self.judged(sender, origin);
    }

    /// The verdict on a frame is in, whatever it was.
    pub(super) fn judged(&mut self, sender: Sender, origin: Origin) {
        let Some(link) = self.links.get_mut(&sender.link) else { return };
        link.open.remove(&sender.ordinal);
        link.note_judged(origin, self.now);
        if sender.want_status {
            link.say(origin, self.now.plus(STATUS_DELAY_US));
            link.status_wanted = true;
        }
        self.tell_reconcile(Input::Judged(sender.link));
        if self.cache.uncommitted() > self.config.backlog_bytes {
            bump(&mut self.stats.backlog_held, 1);
            self.owed.push((sender.link, sender.bytes));
        } else {
            self.output.push_back(Output::Release { link: sender.link, bytes: sender.bytes });
        }
    }

    /// Commits have caught up: the readers that were held back may go on.
    pub(super) fn release_owed(&mut self) {
        if self.cache.uncommitted() <= self.config.backlog_bytes {
            let owed = core::mem::take(&mut self.owed);
            self.output.extend(owed.into_iter().map(|(link, bytes)| Output::Release { link, bytes }));
        }
    }
}
