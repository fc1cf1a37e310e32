//! What the engine and everybody who feeds it share.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, Weak};

use rumormill_gossip::{Engine, Input, LinkId, Timestamp};
use rumormill_machine::Machine;
use rumormill_peering::{NeighbourId, Peering};
use rumormill_store::Record;
use rumormill_wire::{Origin, Seq};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::clocks::Clocks;
use super::due::Due;
use super::lists::Lists;
use super::news::Followers;
use crate::chat_log::ChatLog;
use crate::check::Checker;
use crate::clock::NodeClock;
use crate::committed::Committed;
use crate::counters::Counters;
use crate::disk::Disk;
use crate::incarnation::Incarnations;
use crate::link::{Link, Opening};
use crate::outcome::{OutcomeSender, SubmitError};

/// The engine and what changes with it, under one lock: an input and all that it brings about is one step.
pub(crate) struct State {
    pub(super) machine: Machine,
    pub(super) links: HashMap<LinkId, Arc<Link>>,
    /// Whom link policy wants dialled: each neighbour once at most.
    pub(super) dials: Vec<NeighbourId>,
    /// Links that are not up yet.
    pub(super) openings: Vec<Opening>,
    pub(super) tickets: HashMap<u64, OutcomeSender>,
    /// Why no message is taken any more, if it is more than a stop.
    pub(super) failure: Option<SubmitError>,
    pub(super) last_ticket: u64,
    pub(super) last_link: u64,
    pub(super) appends: u64,
    /// Those of them that are durable.
    pub(super) stored: u64,
    pub(super) uncommitted: VecDeque<Committed>,
    pub(super) due: Due,
    pub(super) clocks: Clocks,
    /// Up to where followers were told of our own chain.
    pub(super) own_told: Option<(Origin, Seq)>,
    pub(super) records: Vec<Record>,
    pub(super) lists: Lists,
    /// Answers that the engine gets before the lock is given back.
    pub(super) answers: VecDeque<Input>,
    pub(super) armed: Option<Timestamp>,
    /// Link policy knows that this node stops.
    pub(super) stop_told: bool,
    /// Links that were up when this node stopped and whose peers did not close after our farewell. Bounded by those links.
    pub(super) farewells_unread: BTreeSet<LinkId>,
    pub(super) wall_offset: i64,
    pub(super) incarnations: Option<Incarnations>,
    pub(super) store_full: bool,
}

impl State {
    /// A link that is not up yet.
    pub(super) fn opening(&mut self, link: LinkId) -> Option<&mut Opening> {
        self.openings.iter_mut().find(|opening| opening.id == link)
    }

    /// It is up, or its task has ended.
    pub(super) fn end_opening(&mut self, link: LinkId) -> Option<Opening> {
        let place = self.openings.iter().position(|opening| opening.id == link)?;
        Some(self.openings.swap_remove(place))
    }
}

/// The engine and everybody who feeds it.
pub(crate) struct Driver {
    pub(super) me: Weak<Driver>,
    pub(crate) clock: NodeClock,
    pub(crate) checker: Checker,
    pub(crate) disk: Disk,
    /// The chat log as it was read last.
    pub(crate) chat_log: ChatLog,
    pub(crate) counters: Counters,
    pub(crate) runtime: Handle,
    pub(super) state: Mutex<State>,
    pub(super) timer: Notify,
    /// Somebody is to be dialled.
    pub(super) to_dial: Notify,
    pub(super) space: Notify,
    pub(super) links_changed: watch::Sender<u64>,
    pub(super) followers: Followers,
    /// What was due is told.
    pub(super) told: Notify,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) failed: AtomicBool,
    /// Nothing new is taken any more: see `last_words`.
    pub(super) sealed: AtomicBool,
    /// What was written has gone to the neighbours, as far as that goes: the engine has nothing to be woken for any more.
    pub(super) drained: watch::Sender<bool>,
    /// What the engine was last told of the wall clock; looked at without the lock.
    pub(super) wall_offset: AtomicI64,
    /// Why nothing of the revocation list in the file is in force, where that is so.
    pub(crate) list_file: Mutex<Option<String>>,
}

/// What a driver is made of.
pub(crate) struct DriverParts {
    pub(crate) engine: Engine,
    pub(crate) peering: Peering,
    pub(crate) clock: NodeClock,
    pub(crate) checker: Checker,
    pub(crate) disk: Disk,
    pub(crate) incarnations: Option<Incarnations>,
    pub(crate) runtime: Handle,
}

impl Driver {
    pub(crate) fn new(parts: DriverParts) -> Arc<Self> {
        let DriverParts { engine, peering, clock, checker, disk, incarnations, runtime } = parts;
        let wall_offset = clock.wall_offset();
        let state = State {
            machine: Machine::new(engine, peering),
            links: HashMap::new(),
            dials: Vec::new(),
            openings: Vec::new(),
            tickets: HashMap::new(),
            failure: None,
            last_ticket: 0,
            last_link: 0,
            appends: 0,
            stored: 0,
            uncommitted: VecDeque::new(),
            due: Due::new(clock.wall.now_us()),
            clocks: Clocks::default(),
            own_told: None,
            records: Vec::new(),
            lists: Lists::default(),
            answers: VecDeque::new(),
            armed: None,
            stop_told: false,
            farewells_unread: BTreeSet::new(),
            wall_offset,
            incarnations,
            store_full: false,
        };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            clock,
            checker,
            disk,
            chat_log: ChatLog::default(),
            counters: Counters::default(),
            runtime,
            state: Mutex::new(state),
            timer: Notify::new(),
            to_dial: Notify::new(),
            space: Notify::new(),
            links_changed: watch::Sender::new(0),
            followers: Followers::new(),
            told: Notify::new(),
            stopping: watch::Sender::new(false),
            failed: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            drained: watch::Sender::new(false),
            wall_offset: AtomicI64::new(wall_offset),
            list_file: Mutex::default(),
        })
    }
}
