//! The engine: the small machines joined.

mod allowance;
mod feed;
mod given;
#[cfg(feature = "fuzz")]
pub mod measure;
mod pace;
mod proofs;
mod told;

mod links;

mod members;

mod forks;

mod held;

mod own;

mod pass;

mod revoked;

mod rumor;

mod set_back;

mod share;

mod status;

mod verdict;

#[cfg(feature = "fuzz")]
pub(crate) use allowance::MIN_ORIGINS;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::{Rng, RngExt};
use rumormill_wire::native::InvalidMessage;
use rumormill_wire::{NodeId, Origin, Seq};

use crate::author::Author;
use crate::bundle::Signer;
use crate::cache::Cache;
use crate::chain::Chains;
use crate::checks::Checks;
use crate::clock::HybridClock;
use crate::config::{Dissemination, EngineConfig, Recovered};
use crate::greed::Greed;
use crate::io::{Event, Input, Keep, LinkId, Output, Timestamp};
use crate::link::Link;
use crate::members::Evidence;
use crate::mongering::{self, Mongering};
use crate::pacer::Pacer;
use crate::passing::Passing;
use crate::revocation::Revocations;
use crate::stats::Stats;
use crate::uncommitted::Uncommitted;

/// A peer that sends what no honest node sends is not taken again for so long.
const BAN_US: u64 = 60_000_000;

/// A difference older than this means "not in sync" (docs/protocol.md, S).
const SYNC_AGE_US: u64 = 2_000_000;

/// Why an input was not taken. Nothing changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The driver's fault: it named a link that is not up.
    #[error("no such link")]
    UnknownLink,
    /// The driver's fault: time went back.
    #[error("time went back")]
    TimeWentBack,
    /// The caller's fault: this can be no message.
    #[error("not a message: {0}")]
    Invalid(InvalidMessage),
    /// Nobody's fault: too many messages of ours wait; try again when some are durable.
    #[error("too many messages wait to be written; try again")]
    Busy,
    /// The store takes no more.
    #[error("the store is full: this node keeps no more messages; start it with a larger store-max")]
    StoreFull,
    /// The network took this node's certificate back.
    #[error("this node's certificate is revoked: no other node would take its messages")]
    Revoked,
}

/// The protocol of one node.
///
/// The driver's contract: give [`Input::WallOffset`], [`Input::Admit`] for itself and [`Input::Start`] first. After every
/// [`Engine::handle`], drain [`Engine::poll_output`] until `None` and do what it says. Give [`Input::Timeout`] when
/// [`Engine::next_timeout`] has come. Time never goes back. The same inputs with the same generator give the same
/// outputs.
pub struct Engine {
    config: EngineConfig,
    signer: Box<dyn Signer>,
    rng: Box<dyn Rng + Send>,
    now: Timestamp,
    wall_offset: i64,
    clock: HybridClock,
    chains: Chains,
    members: BTreeMap<NodeId, Evidence>,
    accounts: allowance::Accounts,
    answers: BTreeMap<NodeId, share::Answers>,
    kept_bytes: u64,
    share_at: Option<Timestamp>,
    revocations: Arc<Revocations>,
    /// The newest part of each place that is on its way to the store. Bounded by the places of the list.
    keeping: BTreeMap<u8, u64>,
    links: BTreeMap<LinkId, Link>,
    checks: Checks,
    cache: Cache,
    greed: Greed,
    pacer: Pacer,
    /// When what waits for the pace of its author is asked for.
    paced: BTreeMap<NodeId, Timestamp>,
    author: Author,
    appends: u64,
    committed: u64,
    store_full: bool,
    uncommitted: Uncommitted,
    passing: Passing,
    recovery: own::Recovery,
    suspects: BTreeMap<Origin, forks::Suspect>,
    looking_up: BTreeSet<(Origin, Seq)>,
    unfound: BTreeSet<Origin>,
    early_proofs: Vec<(LinkId, rumormill_wire::native::Proof)>,
    mongering: Option<Mongering>,
    compare_at: Option<Timestamp>,
    owed: Vec<(LinkId, usize)>,
    output: VecDeque<Output>,
    stats: Stats,
}

impl Engine {
    /// A machine that knows what the store knows.
    #[must_use]
    pub fn new(config: EngineConfig, signer: Box<dyn Signer>, recovered: Recovered, rng: Box<dyn Rng + Send>) -> Self {
        let mongering =
            (config.dissemination == Dissemination::Mongering).then(|| Mongering::new(config.monger_timeout_us));
        let mut engine = Self {
            now: Timestamp(0),
            wall_offset: 0,
            clock: HybridClock::default(),
            chains: Chains::default(),
            members: recovered.members.into_iter().collect(),
            accounts: allowance::Accounts::default(),
            answers: BTreeMap::new(),
            kept_bytes: recovered.bytes,
            share_at: None,
            revocations: Arc::new(Revocations::default()),
            keeping: BTreeMap::new(),
            links: BTreeMap::new(),
            checks: Checks::new(config.max_checks),
            cache: Cache::new(config.cache_bytes),
            greed: Greed::new(
                config.greedy_bytes_per_day,
                config.greedy_incarnations_per_day,
                config.greedy_places_per_day,
            ),
            pacer: Pacer::new(config.pace_bytes_per_s, config.pace_burst_bytes),
            paced: BTreeMap::new(),
            author: Author::new(recovered.me, config.max_pending, config.max_pending_bytes),
            appends: 0,
            committed: 0,
            store_full: false,
            uncommitted: Uncommitted::default(),
            passing: Passing::new(config.cache_bytes),
            recovery: own::Recovery::default(),
            suspects: BTreeMap::new(),
            looking_up: BTreeSet::new(),
            unfound: BTreeSet::new(),
            early_proofs: Vec::new(),
            mongering,
            compare_at: None,
            owed: Vec::new(),
            output: VecDeque::new(),
            stats: Stats::default(),
            config,
            signer,
            rng,
        };
        for chain in &recovered.chains {
            engine.chains.restore(&chain.head, chain.last_clock, chain.kept);
        }
        for proof in recovered.proofs {
            engine.restore_proof(proof);
        }
        for part in recovered.revocations.parts() {
            engine.put_in_force(Arc::clone(part));
        }
        engine
    }

    /// Takes one input. What is to be done then comes out of [`Engine::poll_output`].
    ///
    /// # Errors
    /// [`Reject`]: the input was not taken, and nothing changed.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<(), Reject> {
        if now < self.now {
            return Err(Reject::TimeWentBack);
        }
        self.now = now;
        self.dispatch(input)?;
        self.run_timers();
        self.run_mongering();
        self.close_own_bundle();
        self.look_up_more();
        self.feed_all();
        Ok(())
    }

    fn dispatch(&mut self, input: Input) -> Result<(), Reject> {
        match input {
            Input::WallOffset(offset) => self.set_wall_offset(offset),
            Input::Start { neighbours } => self.start(neighbours),
            Input::LinkUp { link, peer } => self.link_up(link, peer),
            Input::LinkDown { link } => self.link_down(link),
            Input::Frame { link, bytes } => return self.frame(link, &bytes),
            Input::Writable { link, bytes } => self.writable(link, bytes),
            Input::Verified { check, verdict } => self.verified(check, verdict),
            Input::MemberVerdict { link, node, evidence, verdict } => {
                self.member_verdict(link, node, &evidence, verdict);
            }
            Input::ProofVerdict { link, verdict } => self.proof_verdict(link, verdict),
            Input::Admit { node, evidence } => self.admit(node, evidence, None),
            Input::Revoked { link, part } => self.revoked(link, part),
            Input::RevocationsKept { part } => self.revocations_kept(part),
            Input::RevocationsRefused { link } => self.revocations_refused(link),
            Input::Submit { ticket, kind, room, body } => return self.submit(ticket, kind, room, body),
            Input::Committed { appends } => self.commit(appends),
            Input::StoreFull => self.on_store_full(),
            Input::RangeRead { link, origin, bundles } => self.range_read(link, origin, bundles),
            Input::LookedUp { origin, at, bundle } => self.looked_up(origin, at, bundle.as_ref()),
            Input::Timeout => {}
        }
        Ok(())
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When the engine wants [`Input::Timeout`] at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let dirty = self.links.values().filter_map(|link| link.dirty_at).min();
        let monger = self.mongering.as_ref().and_then(Mongering::next_timeout);
        let timers = [dirty, monger, self.compare_at, self.recovery.deadline(), self.share_at, self.pace_deadline()];
        timers.into_iter().flatten().min()
    }

    fn run_timers(&mut self) {
        self.end_recovery_on_time();
        if self.compare_at.is_some_and(|at| at <= self.now) {
            self.compare_with_somebody();
        }
        self.ask_for_paced();
        self.flush_status();
        if let Some(mongering) = self.mongering.as_mut().filter(|m| m.next_timeout().is_some_and(|at| at <= self.now)) {
            mongering.handle(self.now, self.rng.as_mut(), mongering::Input::Timeout);
        }
    }

    fn set_wall_offset(&mut self, offset: i64) {
        let before = self.wall_us();
        self.wall_offset = offset;
        let wall = self.wall_us();
        let put_right = self.clock.put_back(before, wall);
        for (origin, chain) in self.chains.range(Origin::MIN, Origin::MAX) {
            if *origin == self.author.origin {
                self.clock.resume(chain.last_clock, wall);
            } else {
                self.clock.observe(chain.last_clock, wall);
            }
        }
        if put_right {
            self.clock_put_right(wall);
        }
    }

    /// Our wall clock in microseconds.
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        self.now.0.saturating_add_signed(self.wall_offset)
    }

    fn monger_input(&mut self, input: mongering::Input) {
        if let Some(mongering) = self.mongering.as_mut() {
            mongering.handle(self.now, self.rng.as_mut(), input);
        }
    }

    /// A time at random around the period, so that nodes do not fall into step.
    fn arm_comparison(&mut self) {
        let period = self.config.anti_entropy_us.max(2);
        let half = period.checked_div(2).unwrap_or(1);
        let delay = self.rng.random_range(half..=period.saturating_add(half));
        self.compare_at = Some(self.now.plus(delay));
    }

    fn keep(&mut self, keep: Keep) {
        self.output.push_back(Output::Keep(keep));
    }

    fn event(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }
}
