//! Rumor mongering (Demers et al. 1987, 1.4): a new message goes to one random neighbour; its STATUS says what it lacks; in
//! sync or on time-out a coin decides between another neighbour and stopping.
//!
//! One round runs a neighbour at a time; what becomes new meanwhile joins it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{Rng, RngExt};
use rumormill_wire::Origin;

use super::io::{Input, Output};
use crate::io::{LinkId, Timestamp};
use crate::picker::Picker;
use crate::timers::Timers;

/// Origins in one round; what is over is left to anti-entropy.
pub const MAX_ROUND_ORIGINS: usize = 1_024;

/// The machine.
#[derive(Debug)]
pub struct Mongering {
    timeout_us: u64,
    links: Picker,
    rounds: BTreeMap<LinkId, BTreeSet<Origin>>,
    deadlines: Timers<LinkId>,
    output: VecDeque<Output>,
    begun: u64,
    timed_out: u64,
}

impl Mongering {
    /// A machine that waits so long for a STATUS.
    pub(super) fn new(timeout_us: u64) -> Self {
        Self {
            timeout_us,
            links: Picker::default(),
            rounds: BTreeMap::new(),
            deadlines: Timers::default(),
            output: VecDeque::new(),
            begun: 0,
            timed_out: 0,
        }
    }

    /// Takes one input.
    pub(super) fn handle(&mut self, now: Timestamp, rng: &mut dyn Rng, input: Input) {
        match input {
            Input::LinkUp(link) => self.links.insert(link),
            Input::LinkDown(link) => {
                self.links.remove(link);
                // Its rumors are as good as unsent.
                if let Some(origins) = self.end(link) {
                    self.pass_on(now, rng, origins, None);
                }
            }
            Input::Fresh { origin, from, .. } => {
                self.pass_on(now, rng, BTreeSet::from([origin]), from.first().copied());
            }
            Input::Duplicate { .. } => {}
            Input::Status { link, in_sync: true } => {
                if let Some(origins) = self.end(link) {
                    self.flip(now, rng, origins, link);
                }
            }
            Input::Status { link, in_sync: false } => {
                if let Some(origins) = self.rounds.get(&link) {
                    self.deadlines.set(link, Some(now.plus(self.timeout_us)));
                    self.output.extend(origins.iter().map(|origin| Output::Monger { link, origin: *origin }));
                }
            }
            Input::Timeout => self.expire(now, rng),
        }
    }

    /// What is to be done; drain it until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When it wants [`Input::Timeout`].
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    /// Whether a round with this neighbour is open.
    pub(super) fn in_round(&self, link: LinkId, origin: &Origin) -> bool {
        self.rounds.get(&link).is_some_and(|origins| origins.contains(origin))
    }

    /// Rounds begun, and those that ended by time-out.
    pub(super) const fn rounds(&self) -> (u64, u64) {
        (self.begun, self.timed_out)
    }

    fn expire(&mut self, now: Timestamp, rng: &mut dyn Rng) {
        for link in self.deadlines.take_due(now) {
            if let Some(origins) = self.end(link) {
                self.timed_out = self.timed_out.saturating_add(1);
                self.flip(now, rng, origins, link);
            }
        }
    }

    /// Ends the round with a neighbour.
    fn end(&mut self, link: LinkId) -> Option<BTreeSet<Origin>> {
        self.deadlines.set(link, None);
        self.rounds.remove(&link)
    }

    fn flip(&mut self, now: Timestamp, rng: &mut dyn Rng, origins: BTreeSet<Origin>, not: LinkId) {
        if rng.random_bool(0.5) {
            self.pass_on(now, rng, origins, Some(not));
        }
    }

    fn pass_on(&mut self, now: Timestamp, rng: &mut dyn Rng, origins: BTreeSet<Origin>, not: Option<LinkId>) {
        let Some(link) = self.links.pick(rng, not) else { return };
        self.deadlines.set(link, Some(now.plus(self.timeout_us)));
        let round = self.rounds.entry(link).or_insert_with(|| {
            self.begun = self.begun.saturating_add(1);
            BTreeSet::new()
        });
        for origin in origins {
            if round.len() < MAX_ROUND_ORIGINS || round.contains(&origin) {
                round.insert(origin);
                self.output.push_back(Output::Monger { link, origin });
            }
        }
    }
}
