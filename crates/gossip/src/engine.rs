//! The engine: what we have and what neighbours have, joined.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use rand::Rng;
use rumormill_wire::native::{Frame, StatusEntry};
use rumormill_wire::{NodeId, Origin, Seq};

use crate::author;
use crate::bundle::Signer;
use crate::config::{EngineConfig, Recovered};
use crate::io::{Input, LinkId, Output, Reject, Timestamp};
#[cfg(feature = "fuzz")]
use crate::measure::Held;
use crate::members::{self, Evidence};
use crate::neighbours::{NeighbourOutput, Neighbours};
use crate::proofs;
use crate::reconcile::Summary;
use crate::replica::Replica;
use crate::revocation::{self, Revocations};
use crate::stats::{LinkStats, Stats};

/// The protocol of one node.
///
/// The driver's contract and a run loop stand in front of the [crate].
pub struct Engine {
    now: Timestamp,
    replica: Replica,
    neighbours: Neighbours,
    output: VecDeque<Output>,
}

impl Engine {
    /// A machine that knows what the store knows.
    #[must_use]
    pub fn new(config: EngineConfig, signer: Box<dyn Signer>, recovered: Recovered, rng: Box<dyn Rng + Send>) -> Self {
        Self {
            now: Timestamp(0),
            replica: Replica::new(&config, signer, recovered),
            neighbours: Neighbours::new(config, rng),
            output: VecDeque::new(),
        }
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
        self.replica.set_now(now);
        self.neighbours.set_now(now);
        let taken = self.dispatch(input);
        self.join();
        if taken.is_ok() {
            self.replica.timeout();
            self.join();
            self.neighbours.timeout(&self.replica);
            self.join();
            self.replica.look_up_more();
            self.join();
            self.neighbours.settle(&self.replica);
            self.join();
        }
        taken
    }

    fn dispatch(&mut self, input: Input) -> Result<(), Reject> {
        let Self { replica, neighbours, .. } = self;
        match input {
            Input::WallOffset(offset) => replica.set_wall_offset(offset),
            Input::Start(ask) => {
                neighbours.start(replica);
                replica.tell_author(author::Input::Start(ask));
            }
            Input::LinkUp { link, peer, named } => {
                replica.tell_proofs(proofs::Input::LinkUp(peer));
                neighbours.link_up(replica, link, peer, named);
            }
            Input::LinkDown { link } => {
                replica.link_down(link);
                self.join();
                self.neighbours.link_down(&self.replica, link);
            }
            Input::Frame { link, bytes } => return self.frame(link, &bytes),
            Input::Writable { link, bytes } => neighbours.writable(link, bytes),
            Input::Window { link, bytes } => neighbours.set_window(link, bytes),
            Input::Verified { check, verdict } => replica.verified(check, verdict),
            Input::MemberVerdict { link, node, evidence, verdict } => {
                replica.tell_members(members::Input::Verdict { link, node, evidence, verdict });
            }
            Input::ProofVerdict { link, verdict } => replica.tell_proofs(proofs::Input::Verdict(link, verdict)),
            Input::Admit { node, evidence } => {
                replica.tell_members(members::Input::Admit { node, evidence, from: None });
            }
            Input::Revoked { link, part } => neighbours.tell_revocation(replica, revocation::Input::Holds(link, part)),
            Input::RevocationsKept { part } => neighbours.tell_revocation(replica, revocation::Input::Kept(part)),
            Input::RevocationsVoid { .. } => neighbours.revocations_void(),
            // Whoever passed it on did not check it.
            Input::RevocationsRefused { link } => {
                neighbours.misbehaved(replica, link, "a revocation list that the CA did not sign");
            }
            Input::Submit { ticket, kind, room, body } => {
                return replica.ask_author(author::Input::Submit { ticket, kind, room, body });
            }
            Input::Committed { appends } => replica.commit(appends),
            Input::Leaving => {
                replica.tell_author(author::Input::Leaving);
                self.join();
                self.neighbours.give_own(&self.replica);
            }
            Input::StoreFull => replica.on_store_full(),
            Input::RangeRead { link, origin, bundles } => neighbours.range_read(replica, link, origin, bundles),
            Input::LookedUp { origin, at, bundle } => replica.looked_up(origin, at, bundle.as_ref()),
            Input::Timeout => {}
        }
        Ok(())
    }

    fn frame(&mut self, link: LinkId, bytes: &Bytes) -> Result<(), Reject> {
        let Self { replica, neighbours, .. } = self;
        let Some(peer) = neighbours.peer(link) else { return Err(Reject::UnknownLink) };
        if neighbours.is_closing(link) {
            return Ok(());
        }
        match Frame::decode(bytes) {
            Ok(Frame::Rumor(rumor)) => {
                let sender = neighbours.received(link, peer, bytes.len(), rumor.want_status);
                replica.rumor(sender, &rumor, bytes);
            }
            Ok(Frame::Status(status)) => neighbours.status(replica, link, &status),
            Ok(Frame::Buckets(buckets)) => neighbours.buckets(replica, link, &buckets),
            Ok(Frame::Range(request)) => neighbours.range_request(replica, link, request),
            Ok(Frame::Member(member)) => {
                let (node, evidence) = (member.node, bytes.slice_ref(member.evidence));
                replica.tell_members(members::Input::Shown { link, peer, node, evidence });
            }
            Ok(Frame::Proof(proof)) => replica.proof((link, peer), Box::new(proof)),
            Ok(Frame::Revoked(part)) => {
                neighbours.tell_revocation(replica, revocation::Input::Part(link, bytes.slice_ref(part)));
            }
            Ok(Frame::Revisions(theirs)) => {
                neighbours.tell_revocation(replica, revocation::Input::Theirs(link, theirs.iter().collect()));
            }
            Ok(Frame::Unknown(_)) => {}
            Ok(_) => neighbours.misbehaved(replica, link, "a frame that has no place after HELLO"),
            Err(_) => neighbours.broke_form(replica, link),
        }
        Ok(())
    }

    /// Tells each half what came of the other, until nothing more does. What follows for us of the word of a neighbour goes before what
    /// happened next.
    fn join(&mut self) {
        loop {
            while let Some(follows) = self.neighbours.poll_output() {
                self.follow(follows);
            }
            let Some(happened) = self.replica.poll_output() else { return };
            self.neighbours.hear(&self.replica, happened);
        }
    }

    fn follow(&mut self, follows: NeighbourOutput) {
        let replica = &mut self.replica;
        match follows {
            NeighbourOutput::Drive(output) => self.output.push_back(output),
            NeighbourOutput::Credit(sender) => replica.give_credit(sender),
            NeighbourOutput::Known { ours, theirs } => replica.tell_author(author::Input::Known { ours, theirs }),
            NeighbourOutput::Answered(peer) => replica.tell_author(author::Input::Answered(peer)),
            NeighbourOutput::Search(seen) => replica.search_for(seen),
            NeighbourOutput::InForce(part) => {
                replica.comes_into_force(&part);
                self.neighbours.in_force(replica, part);
            }
            NeighbourOutput::Round => replica.round(),
        }
    }

    /// What is to be done; drain it until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When the engine wants [`Input::Timeout`] at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.replica.next_timeout().into_iter().chain(self.neighbours.next_timeout()).min()
    }
}

/// What the engine tells about itself.
impl Engine {
    /// Our wall clock in microseconds.
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        self.replica.wall_us()
    }

    /// Under which origin we write now.
    #[must_use]
    pub const fn me(&self) -> Origin {
        self.replica.author().origin()
    }

    /// Whether own messages are being written already, or still wait for neighbours' word.
    #[must_use]
    pub const fn recovered(&self) -> bool {
        self.replica.author().recovered()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.replica.stats().plus(&self.neighbours.stats())
    }

    /// One link, for people, at the time of the last input. `None` if it is not up.
    #[must_use]
    pub fn link_stats(&self, id: LinkId) -> Option<LinkStats> {
        self.link_stats_at(id, self.now)
    }

    /// The same for whoever looks at a later time: nothing comes of a neighbour that is silent.
    #[must_use]
    pub fn link_stats_at(&self, id: LinkId, now: Timestamp) -> Option<LinkStats> {
        self.neighbours.link_stats_at(&self.replica, id, now)
    }

    /// Whether nothing of what this node wrote itself, under any incarnation, is still to be given to a link. A link that is
    /// not up has nothing to get; one on which the neighbour has not said yet what it has of us may lack all of it.
    #[must_use]
    pub fn all_given(&self, id: LinkId) -> bool {
        self.neighbours.all_given(&self.replica, id)
    }

    /// Whether a link may lack something of what this node wrote itself: it was not given yet, or the neighbour does not want it now.
    #[must_use]
    pub fn lacks_own(&self, id: LinkId) -> bool {
        self.neighbours.lacks_own(&self.replica, id)
    }

    /// Whether a link was given something of what this node wrote itself that the neighbour has not said to have judged.
    #[must_use]
    pub fn unconfirmed_own(&self, id: LinkId) -> bool {
        self.neighbours.unconfirmed_own(&self.replica, id)
    }

    /// Which certificate of a node counts here.
    #[must_use]
    pub fn certificate(&self, node: &NodeId) -> Option<&Evidence> {
        self.replica.members().get(node)
    }

    /// The revocation list in force.
    #[must_use]
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.replica.logs().revocations
    }

    /// The origins whose messages from some number on do not count, with that number: forks and revocations.
    pub fn limits(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.replica.logs().chains.limits().iter().map(|(origin, limit)| (*origin, *limit))
    }

    /// All of them at this moment. It costs nothing while they do not change.
    #[must_use]
    pub fn limits_now(&self) -> Arc<BTreeMap<Origin, Seq>> {
        Arc::clone(self.replica.logs().chains.limits())
    }

    /// What this node has: origin, next number, 16 bytes of the head (docs/protocol.md, "Words").
    pub fn frontier(&self) -> impl Iterator<Item = StatusEntry> {
        self.replica.logs().chains.entries(Origin::MIN, Origin::MAX)
    }

    /// Of each origin, the number wanted next, whatever of it counts.
    pub fn ends(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.replica.logs().chains.range(Origin::MIN, Origin::MAX).map(|(origin, chain)| (*origin, chain.next))
    }

    /// The fingerprint of all that.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.replica.logs().chains.whole().fingerprint
    }

    /// Whether the store takes no more.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.replica.logs().full
    }

    /// With a full store: origins whose place is remembered, and bytes in memory of what passes.
    #[must_use]
    pub fn passing(&self) -> (usize, usize) {
        self.replica.logs().passing.sizes()
    }

    /// Bundles being checked, origins known, members known: what the memory depends on.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.replica.ingress().len(), self.replica.logs().chains.len(), self.replica.members().len())
    }
}

#[cfg(feature = "fuzz")]
impl Engine {
    /// How often a link was looked at since the start, after an input that concerned it or to send to everybody.
    #[must_use]
    pub const fn visits(&self) -> u64 {
        self.neighbours.visits()
    }

    /// Counts everything; of links the most that one holds. Looks at all of them.
    #[must_use]
    pub fn held(&self) -> Held {
        let (links, link) = self.neighbours.held();
        Held { links, link, ..self.replica.held() }
    }
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (checks, origins, members) = self.sizes();
        let mut engine = f.debug_struct("Engine");
        engine.field("me", &self.me()).field("now", &self.now).field("full", &self.is_full());
        engine.field("checks", &checks).field("origins", &origins).field("members", &members).finish_non_exhaustive()
    }
}
