//! Rumor mongering (Demers et al. 1987, 1.4): a new message goes to one random neighbour; its STATUS says what it lacks; in
//! sync a coin decides between another neighbour and stopping (docs/protocol.md, P-S10).
//!
//! One round runs a neighbour at a time; what becomes new meanwhile joins it. Nobody tosses a coin about silence: a rumor that
//! was not answered in time goes to another neighbour, and whoever was silent is chosen last until it answers something.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{Rng, RngExt};
use rumormill_wire::Origin;

use super::io::{Input, Output};
use crate::io::{LinkId, Timestamp};
use crate::picker::Picker;
use crate::timers::Timers;

/// Origins in one round; what is over is left to anti-entropy.
pub const MAX_ROUND_ORIGINS: usize = 1_024;
/// A round lasts so many time-outs at most, however often the neighbour answers that it lacks something: then its rumors
/// are not held up any longer.
pub const ROUND_TIMEOUTS: u64 = 3;

/// Origins with something new, each with the link that it came from, which has it.
type Rumors = BTreeMap<Origin, Option<LinkId>>;

/// What a neighbour was given and has not answered yet.
#[derive(Debug)]
struct Round {
    rumors: Rumors,
    begun: Timestamp,
    /// When it was asked first, or answered last.
    heard: Timestamp,
}

/// The machine.
#[derive(Debug)]
pub struct Mongering {
    timeout_us: u64,
    /// Neighbours among which is chosen.
    prompt: Picker,
    /// Those that did not answer in time and have answered nothing since. Each link is here or there.
    silent: BTreeSet<LinkId>,
    rounds: BTreeMap<LinkId, Round>,
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
            prompt: Picker::default(),
            silent: BTreeSet::new(),
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
            Input::LinkUp(link) => self.prompt.insert(link),
            Input::LinkDown(link) => {
                self.prompt.remove(link);
                self.silent.remove(&link);
                // Its rumors are as good as unsent.
                if let Some(rumors) = self.end(link) {
                    self.pass_on(now, rng, rumors, None);
                }
            }
            Input::Fresh { origin, from, .. } => {
                self.pass_on(now, rng, Rumors::from([(origin, from.first().copied())]), None);
            }
            Input::Duplicate { .. } => {}
            Input::Status { link, in_sync } => {
                if self.silent.remove(&link) {
                    self.prompt.insert(link);
                }
                if !in_sync {
                    self.lacks(now, link);
                } else if let Some(rumors) = self.end(link) {
                    self.flip(now, rng, rumors, link);
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
        self.rounds.get(&link).is_some_and(|round| round.rumors.contains_key(origin))
    }

    /// Rounds begun, and those that ended by time-out.
    pub(super) const fn rounds(&self) -> (u64, u64) {
        (self.begun, self.timed_out)
    }

    /// Neighbours that are chosen last.
    pub(super) fn silent(&self) -> usize {
        self.silent.len()
    }

    /// It answered, and is brought what it lacks.
    fn lacks(&mut self, now: Timestamp, link: LinkId) {
        let Some(round) = self.rounds.get_mut(&link) else { return };
        round.heard = now;
        let last = round.begun.plus(self.timeout_us.saturating_mul(ROUND_TIMEOUTS));
        self.deadlines.set(link, Some(now.plus(self.timeout_us).min(last)));
        self.output.extend(round.rumors.keys().map(|origin| Output::Monger { link, origin: *origin }));
    }

    fn expire(&mut self, now: Timestamp, rng: &mut dyn Rng) {
        for link in self.deadlines.take_due(now) {
            let Some(round) = self.rounds.remove(&link) else { continue };
            self.timed_out = self.timed_out.saturating_add(1);
            if now.since(round.heard) < self.timeout_us {
                // It answers, and lacks things for ever.
                self.flip(now, rng, round.rumors, link);
            } else if self.silent.insert(link) {
                self.prompt.remove(link);
                self.pass_on(now, rng, round.rumors, Some(link));
            } else {
                // It was the last choice: who else is silent was asked beside it.
                self.ask_one(now, rng, round.rumors, Some(link));
            }
        }
    }

    /// Ends the round with a neighbour.
    fn end(&mut self, link: LinkId) -> Option<Rumors> {
        self.deadlines.set(link, None);
        self.rounds.remove(&link).map(|round| round.rumors)
    }

    fn flip(&mut self, now: Timestamp, rng: &mut dyn Rng, rumors: Rumors, not: LinkId) {
        if rng.random_bool(0.5) {
            self.ask_one(now, rng, rumors, Some(not));
        }
    }

    /// To a neighbour that answers; where there is none, to all that do not: each of them may be alive all the same.
    fn pass_on(&mut self, now: Timestamp, rng: &mut dyn Rng, rumors: Rumors, not: Option<LinkId>) {
        let left = self.ask_one(now, rng, rumors, not);
        for link in self.silent.iter().copied().filter(|link| Some(*link) != not).collect::<Vec<_>>() {
            self.ask(now, link, left.iter().filter(|(_, from)| **from != Some(link)));
        }
    }

    /// To a neighbour that answers, other than this one and the one that each came from. Gives those back for which there
    /// is none.
    fn ask_one(&mut self, now: Timestamp, rng: &mut dyn Rng, rumors: Rumors, not: Option<LinkId>) -> Rumors {
        let mut by_source: BTreeMap<Option<LinkId>, Rumors> = BTreeMap::new();
        for (origin, from) in rumors {
            by_source.entry(from).or_default().insert(origin, from);
        }
        let mut left = Rumors::new();
        for (from, rumors) in by_source {
            match self.prompt.pick(rng, &[not, from]) {
                Some(link) => self.ask(now, link, rumors.iter()),
                None => left.extend(rumors),
            }
        }
        left
    }

    /// Begins a round, or joins the one that is open. Its deadline stays: who answers nothing does not keep what joins it.
    fn ask<'a>(
        &mut self,
        now: Timestamp,
        link: LinkId,
        rumors: impl Iterator<Item = (&'a Origin, &'a Option<LinkId>)>,
    ) {
        let mut rumors = rumors.peekable();
        if rumors.peek().is_none() {
            return;
        }
        if !self.rounds.contains_key(&link) {
            self.begun = self.begun.saturating_add(1);
            self.deadlines.set(link, Some(now.plus(self.timeout_us)));
        }
        let empty = || Round { rumors: Rumors::new(), begun: now, heard: now };
        let round = self.rounds.entry(link).or_insert_with(empty);
        for (origin, from) in rumors {
            if round.rumors.len() < MAX_ROUND_ORIGINS || round.rumors.contains_key(origin) {
                round.rumors.insert(*origin, *from);
                self.output.push_back(Output::Monger { link, origin: *origin });
            }
        }
    }
}

#[cfg(test)]
mod tests;
