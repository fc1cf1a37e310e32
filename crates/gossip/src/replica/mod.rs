//! What this node has: the logs, and whatever decides what joins them.
//!
//! [`Replica`] joins the machines that take in ([`ingress`](crate::ingress), [`members`](crate::members), [`proofs`](crate::proofs)), that
//! write ([`author`](crate::author)) and that search for forks ([`fork`](crate::fork)) to the chains. It knows no links but by name: what
//! neighbours are to be given and told of what happens here is for [`neighbours`](crate::neighbours), which read it and change nothing.

mod advance;
mod authoring;
mod certificates;
mod cuts;
mod equivocation;
mod forks;
mod full;
mod incoming;
mod io;
mod set_back;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rumormill_wire::{NodeId, Origin, Seq};

pub(crate) use self::io::ReplicaOutput;

use crate::author::{self, Author};
use crate::bundle::Signer;
use crate::config::{EngineConfig, Recovered};
use crate::fork::{self, Search};
use crate::ingress::{Dropped, Ingress};
use crate::io::{self as driver, Event, Persist, Timestamp};
use crate::logs::Logs;
use crate::members::Members;
use crate::proofs::Proofs;
use crate::share::LogSize;
use crate::stats::{Stats, Why};

/// All that a node has, and what of it is on its way in.
pub(crate) struct Replica {
    now: Timestamp,
    wall_offset: i64,
    logs: Logs,
    members: Members,
    proofs: Proofs,
    ingress: Ingress,
    author: Author,
    search: Search,
    /// Authors that were told to be over their rate.
    told_over_quota: BTreeSet<NodeId>,
    /// The append of the bundle of our own that is on its way to the store.
    own_append: Option<u64>,
    /// Chains of which more that holds may have its turn.
    settled: VecDeque<Origin>,
    looking_up: BTreeSet<(Origin, Seq)>,
    unfound: BTreeSet<Origin>,
    output: VecDeque<ReplicaOutput>,
    stats: Stats,
}

impl Replica {
    /// What the store knows.
    pub(crate) fn new(config: &EngineConfig, signer: Box<dyn Signer>, recovered: Recovered) -> Self {
        let mut replica = Self {
            now: Timestamp(0),
            wall_offset: 0,
            logs: Logs::new(config, recovered.bytes),
            members: Members::new(recovered.members),
            proofs: Proofs::default(),
            ingress: Ingress::new(config),
            author: Author::new(recovered.me, signer, config),
            search: Search::default(),
            told_over_quota: BTreeSet::new(),
            own_append: None,
            settled: VecDeque::new(),
            looking_up: BTreeSet::new(),
            unfound: BTreeSet::new(),
            output: VecDeque::new(),
            stats: Stats::default(),
        };
        for chain in &recovered.chains {
            replica.logs.chains.restore(&chain.head, chain.last_clock, chain.kept);
        }
        for proof in recovered.proofs {
            replica.restore_proof(proof);
        }
        for part in recovered.revocations.parts() {
            replica.put_in_force(Arc::clone(part));
        }
        replica.restore_author();
        replica
    }

    /// It is so late now.
    pub(crate) const fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Time has come to what waits here, or may have.
    pub(crate) fn timeout(&mut self) {
        if self.next_timeout().is_some_and(|at| at <= self.now) {
            self.tell_author(author::Input::Timeout);
        }
    }

    /// When the wait for something ends here.
    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.author.next_timeout()
    }

    /// What is to be done and told; drain it until `None`. A chain goes on by one bundle at a time, so that whoever hears of it finds the
    /// logs as they are with that bundle.
    pub(crate) fn poll_output(&mut self) -> Option<ReplicaOutput> {
        while self.output.is_empty()
            && let Some(origin) = self.settled.pop_front()
        {
            self.advance(origin);
        }
        self.output.pop_front()
    }

    /// A round of comparisons begins: searches that stand still end, and what the store did not give is asked for again.
    pub(crate) fn round(&mut self) {
        self.tell_search(fork::Input::Comparison);
        self.look_up_again();
    }

    /// Our wall clock in microseconds.
    pub(crate) fn wall_us(&self) -> u64 {
        self.now.0.saturating_add_signed(self.wall_offset)
    }

    /// Why nothing more of this origin is taken now.
    pub(crate) fn refusal(&self, origin: &Origin) -> Option<Why> {
        let fresh = self.logs.is_new(origin);
        if self.logs.full {
            Some(Why::StoreFull)
        } else if self.logs.no_place(origin, self.members.len()) {
            Some(Why::NoPlace)
        } else {
            self.ingress.refusal(&origin.node, fresh, self.now).map(|why| match why {
                Dropped::OverPace => Why::OverPace,
                _ => Why::OverRate,
            })
        }
    }

    /// How much there is to be given to a newcomer.
    pub(crate) fn kept(&self) -> LogSize {
        LogSize {
            bundles: self.logs.bytes,
            origins: self.logs.chains.len(),
            certificates: self.members.bytes(),
            members: self.members.len(),
            revocations: self.logs.revocations.parts().map(|part| part.bytes().len()).fold(0, usize::saturating_add),
        }
    }

    pub(crate) const fn logs(&self) -> &Logs {
        &self.logs
    }

    pub(crate) const fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) const fn ingress(&self) -> &Ingress {
        &self.ingress
    }

    pub(crate) const fn author(&self) -> &Author {
        &self.author
    }

    pub(crate) const fn search(&self) -> &Search {
        &self.search
    }

    #[cfg(feature = "fuzz")]
    pub(crate) const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Counters of what happened here.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.stats;
        (stats.submit_busy, stats.clocks_not_followed) = self.author.counts();
        stats.searches_full = stats.searches_full.saturating_add(self.search.full());
        stats
    }

    fn persist(&mut self, record: Persist) {
        self.drive(driver::Output::Persist(record));
    }

    fn event(&mut self, event: Event) {
        self.drive(driver::Output::Event(event));
    }

    fn drive(&mut self, output: driver::Output) {
        self.output.push_back(ReplicaOutput::Drive(output));
    }
}
