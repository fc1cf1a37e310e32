//! Comparison of what two neighbours have (anti-entropy; Demers et al. 1987, "Epidemic Algorithms for Replicated Database
//! Maintenance", 1.3; docs/protocol.md, S).
//!
//! Anti-entropy finds what any other way to spread has left out: each now and then compares all it has with some random neighbours. The
//! two compare fingerprints of ranges before they list entries (Meyer 2022, "Range-Based Set Reconciliation"), here in two steps at most:
//! the whole map, and 256 parts of it where it is long. Equal maps cost two summaries; otherwise only parts that differ are listed.
//!
//! [`Reconcile`] is a machine of its own. It decides whom to compare with and when, and what a summary or a list is answered with. It
//! knows no chains, cursors or frames: what it compares is a [`Summary`], and what a difference of one entry means is for whoever does
//! what it says.

mod io;
mod partners;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use rand::Rng;

pub use self::io::{Input, Output, Parts, Summary, Whole};
pub use self::schedule::SOON_US;

use self::partners::Partners;
use self::schedule::Schedule;
use crate::io::{LinkId, Timestamp};

/// Neighbours that a round asks at most, so that those that answer nothing do not use up all turns. Ten neighbours that each have
/// something else to show, or nothing, hold up what one honest one has for three rounds.
pub const MAX_TURNS: usize = 4;

/// A list of so many entries is shorter than the fingerprints of all parts, about 60 bytes each beside 4 KiB.
const FEW: usize = 64;

/// Whether a map has so many entries at most.
fn fits(entries: usize, map: Whole) -> bool {
    usize::try_from(map.entries).is_ok_and(|count| count <= entries)
}

/// The machine that compares.
#[derive(Debug)]
pub struct Reconcile<K> {
    short: usize,
    turns: usize,
    links: Partners,
    schedule: Schedule,
    output: VecDeque<Output<K>>,
    equal: u64,
    differ: u64,
}

impl<K: Copy + Ord> Reconcile<K> {
    /// A machine that begins a round with so many neighbours once a period, in microseconds, and lists maps of up to so many entries
    /// without asking for parts.
    #[must_use]
    pub fn new(period_us: u64, turns: usize, short: usize) -> Self {
        Self {
            short,
            turns,
            links: Partners::default(),
            schedule: Schedule::new(period_us),
            output: VecDeque::new(),
            equal: 0,
            differ: 0,
        }
    }

    /// Takes one input. `ours` is what is compared; it is looked at only where something of the neighbour's is compared with it.
    pub fn handle<S>(&mut self, now: Timestamp, rng: &mut dyn Rng, ours: &S, input: Input<K>)
    where
        S: Summary<Key = K>,
    {
        match input {
            Input::Start => self.schedule.next_round(now, rng),
            Input::LinkUp(link) => {
                self.links.insert(link);
                self.output.push_back(Output::Summary { link, ask: true });
            }
            Input::Closing(link) => {
                self.links.close(link);
                self.schedule.not_soon(link);
            }
            Input::LinkDown(link) => {
                self.links.remove(link);
                self.schedule.not_soon(link);
            }
            Input::Asked(link) => self.links.asked(link, now),
            Input::Summary { link, theirs, ask, stands, over } => {
                self.links.answered(link);
                self.summary(link, theirs, ours, ask, stands, over);
            }
            Input::Parts { link, theirs, asks, over } => {
                if self.links.asked_since(link).is_none() {
                    // It was not asked: it goes on where it lacks more than is remembered there.
                    self.links.tell_anew(link);
                }
                self.links.answered(link);
                self.compare_parts(link, &theirs, ours, asks, over);
            }
            Input::List { link, range, over } => {
                self.links.answered(link);
                self.listed::<S>(now, link, range, over);
            }
            Input::Unsent(link) => self.links.told_nothing(link),
            Input::FellBack => self.links.tell_all_anew(),
            Input::Again { link, lacks_more } => {
                // One that lacks more than is remembered lists what it has: that is less than what we have, and nothing of the parts
                // where it has all.
                let by_parts = lacks_more && !fits(self.short, ours.whole());
                let summary = Output::Summary { link, ask: true };
                self.output.push_back(if by_parts { Output::Parts(link) } else { summary });
            }
            Input::Judged(link) => {
                if self.links.begins(link) {
                    self.schedule.soon(link, now);
                }
            }
            Input::Settled(link) => self.finished(link),
            Input::Timeout => {
                if self.schedule.take_due(now) {
                    self.round(now, rng);
                }
            }
        }
    }

    /// What is to be done; drain it until `None`. Whether somebody is asked once more is decided when all else has been done: that may
    /// have asked it.
    pub fn poll_output(&mut self) -> Option<Output<K>> {
        self.output.pop_front().or_else(|| {
            core::iter::from_fn(|| self.schedule.pop_soon())
                .find(|link| self.links.asked_since(*link).is_none())
                .map(|link| Output::Summary { link, ask: true })
        })
    }

    /// When it wants [`Input::Timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.schedule.next()
    }

    /// Whether a comparison with a neighbour has come to its end once (P-S9): the two had the same, or all that differed is settled.
    #[must_use]
    pub fn compared(&self, link: LinkId) -> bool {
        self.links.compared(link)
    }

    /// When a neighbour listed all that it has, while the first comparison with it has not come to its end.
    #[must_use]
    pub fn first_list(&self, link: LinkId) -> Option<Timestamp> {
        self.links.first_list(link)
    }

    /// Since when a neighbour owes an answer.
    #[must_use]
    pub fn asked_since(&self, link: LinkId) -> Option<Timestamp> {
        self.links.asked_since(link)
    }

    /// Summaries that were the same as ours, and those that were not.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.equal, self.differ)
    }

    fn summary<S>(&mut self, link: LinkId, theirs: Whole, ours: &S, ask: bool, stands: bool, over: bool)
    where
        S: Summary<Key = K>,
    {
        let ours = ours.whole();
        if theirs == ours {
            return self.in_sync(link, ask);
        }
        self.differ = self.differ.saturating_add(1);
        if self.puts_off(link, over) {
            return;
        }
        if self.links.list(link, theirs, ours) && stands {
            // It was told already, and lists change nothing: two full lists for ever would cost more than they tell.
            return self.answer(link, ask);
        }
        // What still differs is little of it, or stays: then the parts are shorter than the list.
        let by_parts = self.links.differs(link) && !fits(FEW, ours) || !fits(self.short, ours);
        let (low, high) = S::all();
        self.output.push_back(if by_parts {
            Output::Parts(link)
        } else {
            Output::List { link, low, high, ask: false }
        });
    }

    fn in_sync(&mut self, link: LinkId, ask: bool) {
        self.equal = self.equal.saturating_add(1);
        self.finished(link);
        self.answer(link, ask);
        self.output.push_back(Output::InSync(link));
    }

    /// A summary that asks is answered with one.
    fn answer(&mut self, link: LinkId, ask: bool) {
        if ask {
            self.output.push_back(Output::Summary { link, ask: false });
        }
    }

    /// One that has had its share of lists is answered later. Says whether it is.
    fn puts_off(&mut self, link: LinkId, over: bool) -> bool {
        let later = over.then_some(Output::Later(link));
        self.output.extend(later);
        later.is_some()
    }

    /// The parts that differ are listed.
    fn compare_parts<S>(&mut self, link: LinkId, theirs: &Parts, ours: &S, asks: bool, over: bool)
    where
        S: Summary<Key = K>,
    {
        if self.puts_off(link, over) {
            return;
        }
        let ours = ours.parts();
        let parts = (0..=u8::MAX).zip(ours.iter().zip(theirs));
        for (part, (ours, theirs)) in parts.filter(|(_, (ours, theirs))| ours != theirs) {
            if self.links.part_differs(link, part, *theirs, *ours) {
                let (low, high) = S::part(part);
                self.output.push_back(Output::List { link, low, high, ask: asks });
            }
        }
    }

    /// Some entries are few, and what they are compared with is looked up: a range is walked.
    fn listed<S>(&mut self, now: Timestamp, link: LinkId, range: Option<(K, K)>, over: bool)
    where
        S: Summary<Key = K>,
    {
        if self.puts_off(link, over && range.is_some()) {
            return;
        }
        let all = range == Some(S::all());
        if all {
            self.links.listed_all(link, now);
        }
        self.output.push_back(Output::Entries { link, all });
    }

    /// The first comparison has come to its end.
    fn finished(&mut self, link: LinkId) {
        self.links.finished(link);
        self.schedule.not_soon(link);
    }

    /// The turn of some random neighbours has come, and that of another one beside each that owes an answer already.
    fn round(&mut self, now: Timestamp, rng: &mut dyn Rng) {
        self.schedule.next_round(now, rng);
        self.output.push_back(Output::Round);
        let mut wanted = self.turns;
        for _ in 0..MAX_TURNS.min(self.links.open()) {
            if wanted == 0 {
                return;
            }
            let Some(link) = self.links.pick(rng) else { return };
            self.output.push_back(Output::Turn(link));
            wanted = wanted.saturating_sub(usize::from(self.links.asked_since(link).is_none()));
        }
    }
}
