//! The engine: the small machines joined.

mod acks;
mod allowance;
mod authoring;
mod due;
mod entries;
mod equivocation;
mod feed;
mod given;
mod heard;
mod lists;
#[cfg(feature = "fuzz")]
pub mod measure;
mod pace;
mod timer;
mod told;

mod links;

mod certificates;

mod forks;

mod held;

mod pass;

mod revoked;

mod rumor;

mod set_back;

mod shares;

mod spreading;

mod status;

mod verdict;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rand::Rng;
use rumormill_wire::native::MAX_STATUS_ENTRIES;
use rumormill_wire::{NodeId, Origin, Seq};

use crate::acks::Acks;
use crate::author::{self, Author};
use crate::bundle::Signer;
use crate::claims::Claims;
use crate::config::{EngineConfig, Recovered};
use crate::fork::Search;
use crate::ingress::Ingress;
use crate::io::{Event, Input, Keep, Output, Reject, Timestamp};
use crate::links::Links;
use crate::logs::Logs;
use crate::members::{self, Members};
use crate::proofs::{self, Proofs};
use crate::reconcile::{self, Reconcile};
use crate::revocation::{self, Revocation};
use crate::share::Shares;
use crate::spread::Spread;
use crate::stats::{Stats, bump};
use crate::timers::Timers;

use self::timer::Timer;

/// A peer that sends what no honest node sends is not taken again for so long.
const BAN_US: u64 = 60_000_000;

/// A difference older than this means "not in sync" (docs/protocol.md, S).
const SYNC_AGE_US: u64 = 2_000_000;

/// The protocol of one node.
///
/// The driver's contract and a run loop stand in front of the [crate].
pub struct Engine {
    config: EngineConfig,
    rng: Box<dyn Rng + Send>,
    now: Timestamp,
    wall_offset: i64,
    logs: Logs,
    members: Members,
    proofs: Proofs,
    /// Authors that were told to be over their rate.
    told_greedy: BTreeSet<NodeId>,
    shares: Shares,
    revocation: Revocation,
    links: Links,
    acks: Acks,
    claims: Claims,
    timers: Timers<Timer>,
    ingress: Ingress,
    author: Author,
    /// The append of the bundle of our own that is on its way to the store.
    own_append: Option<u64>,
    search: Search,
    looking_up: BTreeSet<(Origin, Seq)>,
    unfound: BTreeSet<Origin>,
    spread: Spread,
    reconcile: Reconcile<Origin>,
    output: VecDeque<Output>,
    stats: Stats,
}

impl Engine {
    /// A machine that knows what the store knows.
    #[must_use]
    pub fn new(config: EngineConfig, signer: Box<dyn Signer>, recovered: Recovered, rng: Box<dyn Rng + Send>) -> Self {
        let mut engine = Self {
            now: Timestamp(0),
            wall_offset: 0,
            logs: Logs::new(&config, recovered.bytes),
            members: Members::new(recovered.members),
            proofs: Proofs::default(),
            told_greedy: BTreeSet::new(),
            shares: Shares::new(&config),
            revocation: Revocation::default(),
            links: Links::default(),
            acks: Acks::default(),
            claims: Claims::default(),
            timers: Timers::default(),
            ingress: Ingress::new(&config),
            author: Author::new(recovered.me, signer, &config),
            own_append: None,
            search: Search::default(),
            looking_up: BTreeSet::new(),
            unfound: BTreeSet::new(),
            spread: Spread::new(&config),
            reconcile: Reconcile::new(config.anti_entropy_us, reconcile::MAX_TURNS, MAX_STATUS_ENTRIES),
            output: VecDeque::new(),
            stats: Stats::default(),
            config,
            rng,
        };
        for chain in &recovered.chains {
            engine.logs.chains.restore(&chain.head, chain.last_clock, chain.kept);
        }
        for proof in recovered.proofs {
            engine.restore_proof(proof);
        }
        for part in recovered.revocations.parts() {
            engine.put_in_force(Arc::clone(part));
        }
        engine.restore_author();
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
        self.look_up_more();
        self.feed_touched();
        self.timers.set(Timer::Acks, self.acks.next_timeout());
        Ok(())
    }

    fn dispatch(&mut self, input: Input) -> Result<(), Reject> {
        match input {
            Input::WallOffset(offset) => self.set_wall_offset(offset),
            Input::Start(ask) => {
                self.tell_reconcile(reconcile::Input::Start);
                self.tell_author(author::Input::Start(ask));
            }
            Input::LinkUp { link, peer, named } => self.link_up(link, peer, named),
            Input::LinkDown { link } => self.link_down(link),
            Input::Frame { link, bytes } => return self.frame(link, &bytes),
            Input::Writable { link, bytes } => self.writable(link, bytes),
            Input::Window { link, bytes } => self.set_window(link, bytes),
            Input::Verified { check, verdict } => self.verified(check, verdict),
            Input::MemberVerdict { link, node, evidence, verdict } => {
                self.tell_members(members::Input::Verdict { link, node, evidence, verdict });
            }
            Input::ProofVerdict { link, verdict } => self.tell_proofs(proofs::Input::Verdict(link, verdict)),
            Input::Admit { node, evidence } => {
                self.tell_members(members::Input::Admit { node, evidence, from: None });
            }
            Input::Revoked { link, part } => self.tell_revocation(revocation::Input::Holds(link, part)),
            Input::RevocationsKept { part } => self.tell_revocation(revocation::Input::Kept(part)),
            // Trust is pinned here: whoever sent a part may go by a CA, and no honest node is blamed for that (P-G7).
            Input::RevocationsVoid { .. } => bump(&mut self.stats.revocations_void, 1),
            // Whoever passed it on did not check it.
            Input::RevocationsRefused { link } => self.misbehaved(link, "a revocation list that the CA did not sign"),
            Input::Submit { ticket, kind, room, body } => {
                return self.ask_author(author::Input::Submit { ticket, kind, room, body });
            }
            Input::Committed { appends } => self.commit(appends),
            Input::Leaving => {
                self.tell_author(author::Input::Leaving);
                self.give_own();
            }
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
        self.timers.next()
    }

    /// Our wall clock in microseconds.
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        self.now.0.saturating_add_signed(self.wall_offset)
    }

    fn keep(&mut self, keep: Keep) {
        self.output.push_back(Output::Keep(keep));
    }

    fn event(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }
}
