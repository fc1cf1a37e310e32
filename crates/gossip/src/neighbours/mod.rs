//! What each neighbour has, by its own word, and what it is given and told (docs/protocol.md, S).
//!
//! [`Neighbours`] joins the machines that compare ([`reconcile`]), that spread ([`spread`]), that acknowledge ([`acks`]) and that pass the
//! revocation list on ([`revocation`]) to the links. They read the [`Replica`] and change nothing there: what follows from the word of a
//! neighbour for what we have comes out as [`NeighbourOutput`].

mod acknowledging;
mod certificates;
mod due;
mod entries;
mod feed;
mod given;
mod held;
mod inspect;
mod io;
mod known;
mod links;
mod lists;
mod pace;
mod pass;
mod proven;
mod revoked;
mod shares;
mod spreading;
mod status;
mod taken;
mod timer;

use std::collections::VecDeque;

use rand::Rng;
use rumormill_wire::Origin;
use rumormill_wire::native::{Frame, MAX_STATUS_ENTRIES, RangeRequest};

pub(crate) use self::io::NeighbourOutput;

use self::timer::Timer;
use crate::acks::{self, Acks};
use crate::claims::Claims;
use crate::config::EngineConfig;
use crate::io::{self as driver, Timestamp};
use crate::links::Links;
use crate::proofs::Sent;
use crate::reconcile::{self, Reconcile};
use crate::replica::{Replica, ReplicaOutput as Happened};
use crate::revocation::Revocation;
use crate::share::Shares;
use crate::spread::Spread;
use crate::stats::Stats;
use crate::timers::Timers;

/// A STATUS that asks for a rewind waits so long for others to join it, in microseconds.
const STATUS_DELAY_US: u64 = 20_000;

/// All neighbours.
pub(crate) struct Neighbours {
    config: EngineConfig,
    rng: Box<dyn Rng + Send>,
    now: Timestamp,
    links: Links,
    shares: Shares,
    claims: Claims,
    acks: Acks,
    revocation: Revocation,
    proofs_sent: Sent,
    spread: Spread,
    reconcile: Reconcile<Origin>,
    timers: Timers<Timer>,
    output: VecDeque<NeighbourOutput>,
    stats: Stats,
}

impl Neighbours {
    /// Nobody is there yet.
    pub(crate) fn new(config: EngineConfig, rng: Box<dyn Rng + Send>) -> Self {
        Self {
            now: Timestamp(0),
            links: Links::default(),
            shares: Shares::new(&config),
            claims: Claims::default(),
            acks: Acks::default(),
            revocation: Revocation::default(),
            proofs_sent: Sent::default(),
            spread: Spread::new(&config),
            reconcile: Reconcile::new(config.anti_entropy_us, reconcile::MAX_TURNS, MAX_STATUS_ENTRIES),
            timers: Timers::default(),
            output: VecDeque::new(),
            stats: Stats::default(),
            config,
            rng,
        }
    }

    /// It is so late now.
    pub(crate) const fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The node begins: comparisons begin by timer.
    pub(crate) fn start(&mut self, replica: &Replica) {
        self.tell_reconcile(replica, reconcile::Input::Start);
    }

    /// Something happened to what we have, or is to be done by the driver.
    pub(crate) fn hear(&mut self, replica: &Replica, happened: Happened) {
        match happened {
            Happened::Drive(output) => self.drive(output),
            Happened::InFlight(sender) => {
                self.acks.handle(self.now, acks::Input::InFlight(sender.link, sender.ordinal));
            }
            Happened::Judged(sender, origin) => self.judged(replica, sender, origin),
            Happened::Duplicate(sender, header) => self.duplicate(replica, sender, &header),
            Happened::Dropped(sender, header, why) => self.not_taken(replica, sender, &header, why),
            Happened::Refused(sender, origin) => self.dropped(replica, sender, origin),
            Happened::NotKept(sender, header) => self.not_kept(replica, sender, &header),
            Happened::Accepted(bundle, senders) => self.accepted(replica, &bundle, &senders),
            Happened::Own(bundle) => {
                self.new_for_all(replica, &bundle, &[]);
                self.spread(replica, bundle.header().origin, bundle.header().first, &[]);
            }
            Happened::Passes(bundle, senders) => self.passes(replica, &bundle, &senders),
            Happened::Lost { origin, from, to } => self.lost(replica, origin, from, to),
            Happened::Full => {
                for id in self.links.everybody() {
                    self.send_summary(replica, id, false);
                }
            }
            Happened::FellBack => self.note_reconcile(replica, reconcile::Input::FellBack),
            Happened::Proven(proof, from) => self.pass_proof(&proof, from),
            Happened::Say(link, origin) => self.say(link, origin, self.now.plus(STATUS_DELAY_US)),
            Happened::Lower(link, origin, place) => self.ends_lower(replica, link, origin, place),
            Happened::Differs(seen) => self.differs(replica, seen),
            Happened::Searched(link) => self.shares.charge_search(link, self.now),
            Happened::Ask(link, origin, from) => {
                let until = rumormill_wire::Seq(from.0.saturating_add(1));
                self.send(link, &Frame::Range(RangeRequest { origin, from, until }));
            }
            Happened::SearchRoom(link) => {
                self.tell_reconcile(replica, reconcile::Input::Again { link, lacks_more: false });
            }
            Happened::Introduce { node, from } => {
                for id in self.links.everybody().into_iter().filter(|id| Some(*id) != from) {
                    self.introduce(replica, id, node);
                }
            }
            Happened::Admitted(node) => self.ask_for_admitted(&node),
            Happened::Misbehaved(link, why) => self.misbehaved(replica, link, why),
        }
    }

    /// What is to be done; drain it until `None`.
    pub(crate) fn poll_output(&mut self) -> Option<NeighbourOutput> {
        self.output.pop_front()
    }

    /// When the wait for something ends here.
    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    fn drive(&mut self, output: driver::Output) {
        self.output.push_back(NeighbourOutput::Drive(output));
    }
}
