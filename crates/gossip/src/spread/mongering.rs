//! Rumor mongering (Demers et al. 1987, 1.4): a new message goes to one random neighbour; its STATUS says what it lacks; in
//! sync a coin decides between another neighbour and stopping, once two nodes were given it (docs/protocol.md, P-S10).
//!
//! One round runs a neighbour at a time; what becomes new meanwhile joins it. Nobody tosses a coin about silence: a rumor that
//! was not answered in time goes to another neighbour, and whoever was silent is chosen last until it answers something. Nor about
//! the word of one node, over however many links: it may say that it has what it passes on to nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{Rng, RngExt};
use rumormill_wire::{NodeId, Origin};

use super::io::{Input, Output};
use crate::io::{LinkId, Timestamp};
use crate::picker::Picker;
use crate::timers::Timers;

/// Origins in one round; what is over is left to anti-entropy.
pub const MAX_ROUND_ORIGINS: usize = 1_024;
/// A round lasts so many time-outs at most, however often the neighbour answers that it lacks something: then its rumors
/// are not held up any longer.
pub const ROUND_TIMEOUTS: u64 = 3;

/// A node that let a round run out is chosen last for a time-out; each time doubles that twice, and each round that it ends by its
/// answer in time halves it. So one that answers each other time, or sends what answers nothing in between, is chosen ever more rarely.
const LAPSE: u32 = 2;
/// It doubles no more often than this: eight time-outs, or one that was away were given little for long after it is back.
const MAX_LAPSES: u32 = 3;

/// How often a node let rounds run out lately.
#[derive(Debug, Clone, Copy)]
struct Lapses {
    count: u32,
    /// Before this nothing that it sends makes it one that answers.
    until: Timestamp,
}

/// What is known of something new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rumor {
    /// The link that it came from, which has it.
    from: Option<LinkId>,
    /// The first node whose round with it ended by what it said.
    word: Option<NodeId>,
}

impl Rumor {
    /// Two of one origin in one round: only what holds for both is known.
    fn join(&mut self, other: &Self) {
        self.from = self.from.filter(|_| self.from == other.from);
        self.word = self.word.filter(|_| self.word == other.word);
    }
}

/// Origins with something new.
type Rumors = BTreeMap<Origin, Rumor>;

/// What a neighbour was given and has not answered yet.
#[derive(Debug)]
struct Round {
    rumors: Rumors,
    begun: Timestamp,
    /// When it was asked first, or answered last.
    heard: Timestamp,
}

/// The rumors, and with whom each is: what P-S10 says.
#[derive(Debug)]
pub struct Mongering {
    timeout_us: u64,
    /// Whose each link is, and the links of each.
    nodes: BTreeMap<LinkId, NodeId>,
    links: BTreeMap<NodeId, BTreeSet<LinkId>>,
    /// Neighbours among which is chosen.
    prompt: Picker,
    /// Those that did not answer in time and have answered nothing since. Each link is here or there.
    silent: BTreeSet<LinkId>,
    /// By node, so that another link makes no difference; of those that are linked or were within their time.
    lapses: BTreeMap<NodeId, Lapses>,
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
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            prompt: Picker::default(),
            silent: BTreeSet::new(),
            lapses: BTreeMap::new(),
            rounds: BTreeMap::new(),
            deadlines: Timers::default(),
            output: VecDeque::new(),
            begun: 0,
            timed_out: 0,
        }
    }

    /// Takes what happened; what is to be done about it comes from `poll_output`.
    pub(super) fn handle(&mut self, now: Timestamp, rng: &mut dyn Rng, input: Input) {
        match input {
            Input::LinkUp { link, node } => {
                self.nodes.insert(link, node);
                self.links.entry(node).or_default().insert(link);
                let links = &self.links;
                self.lapses.retain(|node, lapses| lapses.until > now || links.contains_key(node));
                if self.is_lapsed(link, now) {
                    self.silent.insert(link);
                } else {
                    self.prompt.insert(link);
                }
            }
            Input::LinkDown(link) => {
                self.forget(link);
                // Its rumors are as good as unsent.
                if let Some(rumors) = self.end(link) {
                    self.pass_on(now, rng, rumors, None);
                }
            }
            Input::Fresh { origin, from, .. } => {
                let rumor = Rumor { from: from.first().copied(), word: None };
                self.pass_on(now, rng, Rumors::from([(origin, rumor)]), None);
            }
            Input::Duplicate { .. } => {}
            Input::Status { link, in_sync } => {
                // Where nobody answers, whoever does is as good as any.
                let counts = self.prompt.is_empty() || !self.is_lapsed(link, now);
                if counts && self.silent.remove(&link) {
                    self.prompt.insert(link);
                }
                if !in_sync {
                    self.lacks(now, link);
                } else if let Some(rumors) = self.end(link) {
                    if let Some(lapses) = self.nodes.get(&link).and_then(|node| self.lapses.get_mut(node)) {
                        lapses.count = lapses.count.saturating_sub(1);
                    }
                    self.over(now, rng, rumors, link);
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
            self.lapses(link, now);
            let first = self.silent.insert(link);
            self.prompt.remove(link);
            if now.since(round.heard) < self.timeout_us {
                // It answers, and lacks things for ever.
                self.over(now, rng, round.rumors, link);
            } else if first {
                self.pass_on(now, rng, round.rumors, Some(link));
            } else {
                // It was the last choice: who else is silent was asked beside it.
                self.ask_one(now, rng, round.rumors, Some(link));
            }
        }
    }

    fn is_lapsed(&self, link: LinkId, now: Timestamp) -> bool {
        self.nodes.get(&link).and_then(|node| self.lapses.get(node)).is_some_and(|lapses| now < lapses.until)
    }

    /// It let a round run out.
    fn lapses(&mut self, link: LinkId, now: Timestamp) {
        let Some(node) = self.nodes.get(&link).copied() else { return };
        let lapses = self.lapses.entry(node).or_insert(Lapses { count: 0, until: now });
        lapses.until = now.plus(self.timeout_us.saturating_mul(1 << lapses.count));
        lapses.count = lapses.count.saturating_add(LAPSE).min(MAX_LAPSES);
    }

    /// Ends the round with a neighbour.
    fn end(&mut self, link: LinkId) -> Option<Rumors> {
        self.deadlines.set(link, None);
        self.rounds.remove(&link).map(|round| round.rumors)
    }

    fn forget(&mut self, link: LinkId) {
        self.prompt.remove(link);
        self.silent.remove(&link);
        let Some(node) = self.nodes.remove(&link) else { return };
        if let Some(links) = self.links.get_mut(&node) {
            links.remove(&link);
            if links.is_empty() {
                self.links.remove(&node);
            }
        }
    }

    /// A round has ended by what the neighbour said. Where it is the first node to say so, another one is given the rumor too: nobody
    /// stops at the word of one. After that a coin decides.
    fn over(&mut self, now: Timestamp, rng: &mut dyn Rng, rumors: Rumors, link: LinkId) {
        let node = self.nodes.get(&link).copied();
        let (mut first, later): (Rumors, Rumors) = rumors.into_iter().partition(|(_, rumor)| rumor.word.is_none());
        first.values_mut().for_each(|rumor| rumor.word = node);
        self.pass_on(now, rng, first, Some(link));
        if !later.is_empty() && rng.random_bool(0.5) {
            self.ask_one(now, rng, later, Some(link));
        }
    }

    /// To a neighbour that answers; where there is none, to all that do not: each of them may be alive all the same.
    fn pass_on(&mut self, now: Timestamp, rng: &mut dyn Rng, rumors: Rumors, not: Option<LinkId>) {
        let left = self.ask_one(now, rng, rumors, not);
        for link in self.silent.iter().copied().filter(|link| Some(*link) != not).collect::<Vec<_>>() {
            let node = self.nodes.get(&link).copied();
            let lacks = |rumor: &Rumor| rumor.from != Some(link) && (rumor.word.is_none() || rumor.word != node);
            self.ask(now, link, left.iter().filter(|(_, rumor)| lacks(rumor)));
        }
    }

    /// To a neighbour that answers, other than this one, the one that each came from and the node that has said that it has it.
    /// Gives those back for which there is none.
    fn ask_one(&mut self, now: Timestamp, rng: &mut dyn Rng, rumors: Rumors, not: Option<LinkId>) -> Rumors {
        let mut alike: BTreeMap<Rumor, Rumors> = BTreeMap::new();
        for (origin, rumor) in rumors {
            alike.entry(rumor).or_default().insert(origin, rumor);
        }
        let mut left = Rumors::new();
        for (rumor, rumors) in alike {
            let told = rumor.word.and_then(|node| self.links.get(&node)).into_iter().flatten().copied().map(Some);
            let not: Vec<_> = [not, rumor.from].into_iter().chain(told).collect();
            match self.prompt.pick(rng, &not) {
                Some(link) => self.ask(now, link, rumors.iter()),
                None => left.extend(rumors),
            }
        }
        left
    }

    /// Begins a round, or joins the one that is open. Its deadline stays: who answers nothing does not keep what joins it.
    fn ask<'a>(&mut self, now: Timestamp, link: LinkId, rumors: impl Iterator<Item = (&'a Origin, &'a Rumor)>) {
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
        for (origin, rumor) in rumors {
            let full = round.rumors.len() >= MAX_ROUND_ORIGINS;
            if let Some(before) = round.rumors.get_mut(origin) {
                before.join(rumor);
                self.output.push_back(Output::Monger { link, origin: *origin });
            } else if !full {
                round.rumors.insert(*origin, *rumor);
                self.output.push_back(Output::Monger { link, origin: *origin });
            }
        }
    }
}

#[cfg(test)]
mod tests;
