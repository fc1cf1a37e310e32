//! Rumor mongering (Demers et al. 1987, 1.4): a new message goes to one random neighbour; its STATUS says what it lacks; in
//! sync or on time-out a coin decides between another neighbour and stopping.
//!
//! One round runs a neighbour at a time; what becomes new meanwhile joins it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{Rng, RngExt};
use rumormill_wire::Origin;

use crate::io::{LinkId, Timestamp};

/// Origins in one round; what is over is left to anti-entropy.
pub const MAX_ROUND_ORIGINS: usize = 1_024;

/// What the machine is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// An origin has something new, which came by this link (none for our own).
    Fresh {
        /// Whose.
        origin: Origin,
        /// Where it came from.
        from: Option<LinkId>,
    },
    /// A STATUS came: whether the neighbour has all of the round's origins.
    Status {
        /// From where.
        link: LinkId,
        /// Whether nothing is missing there.
        in_sync: bool,
    },
    /// A neighbour is there.
    LinkUp(LinkId),
    /// A neighbour is gone.
    LinkDown(LinkId),
    /// Time passed.
    Timeout,
}

/// What it wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Bring this neighbour up to date on this origin and ask for a STATUS at the end.
    Monger {
        /// Whom.
        link: LinkId,
        /// On what.
        origin: Origin,
    },
}

#[derive(Debug)]
struct Round {
    origins: BTreeSet<Origin>,
    deadline: Timestamp,
}

/// The machine.
#[derive(Debug)]
pub struct Mongering {
    timeout_us: u64,
    links: BTreeSet<LinkId>,
    rounds: BTreeMap<LinkId, Round>,
    output: VecDeque<Output>,
    /// Rounds begun.
    pub begun: u64,
    /// Rounds that ended by time-out.
    pub timed_out: u64,
}

impl Mongering {
    /// A machine that waits so long for a STATUS.
    #[must_use]
    pub const fn new(timeout_us: u64) -> Self {
        Self {
            timeout_us,
            links: BTreeSet::new(),
            rounds: BTreeMap::new(),
            output: VecDeque::new(),
            begun: 0,
            timed_out: 0,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Timestamp, rng: &mut dyn Rng, input: Input) {
        match input {
            Input::LinkUp(link) => {
                self.links.insert(link);
            }
            Input::LinkDown(link) => {
                self.links.remove(&link);
                // Its rumors are as good as unsent.
                if let Some(round) = self.rounds.remove(&link) {
                    self.pass_on(now, rng, round.origins, None);
                }
            }
            Input::Fresh { origin, from } => self.pass_on(now, rng, BTreeSet::from([origin]), from),
            Input::Status { link, in_sync: true } => {
                if let Some(round) = self.rounds.remove(&link) {
                    self.flip(now, rng, round.origins, link);
                }
            }
            Input::Status { link, in_sync: false } => {
                if let Some(round) = self.rounds.get_mut(&link) {
                    round.deadline = now.plus(self.timeout_us);
                    self.output.extend(round.origins.iter().map(|origin| Output::Monger { link, origin: *origin }));
                }
            }
            Input::Timeout => self.expire(now, rng),
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When it wants [`Input::Timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.rounds.values().map(|round| round.deadline).min()
    }

    /// Whether a round with this neighbour is open.
    #[must_use]
    pub fn in_round(&self, link: LinkId, origin: &Origin) -> bool {
        self.rounds.get(&link).is_some_and(|round| round.origins.contains(origin))
    }

    fn expire(&mut self, now: Timestamp, rng: &mut dyn Rng) {
        let due: Vec<_> = self.rounds.iter().filter(|(_, r)| r.deadline <= now).map(|(link, _)| *link).collect();
        for link in due {
            if let Some(round) = self.rounds.remove(&link) {
                self.timed_out = self.timed_out.saturating_add(1);
                self.flip(now, rng, round.origins, link);
            }
        }
    }

    fn flip(&mut self, now: Timestamp, rng: &mut dyn Rng, origins: BTreeSet<Origin>, not: LinkId) {
        if rng.random_bool(0.5) {
            self.pass_on(now, rng, origins, Some(not));
        }
    }

    fn pass_on(&mut self, now: Timestamp, rng: &mut dyn Rng, origins: BTreeSet<Origin>, not: Option<LinkId>) {
        let choice: Vec<_> = self.links.iter().copied().filter(|link| Some(*link) != not).collect();
        if choice.is_empty() {
            return;
        }
        let Some(link) = choice.get(rng.random_range(0..choice.len())).copied() else { return };
        let deadline = now.plus(self.timeout_us);
        let round = self.rounds.entry(link).or_insert_with(|| {
            self.begun = self.begun.saturating_add(1);
            Round { origins: BTreeSet::new(), deadline }
        });
        round.deadline = deadline;
        for origin in origins {
            if round.origins.len() < MAX_ROUND_ORIGINS || round.origins.contains(&origin) {
                round.origins.insert(origin);
                self.output.push_back(Output::Monger { link, origin });
            }
        }
    }
}
