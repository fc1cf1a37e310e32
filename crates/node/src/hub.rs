//! The engine and everybody who feeds it.
//!
//! The engine stands behind a mutex that is held for microseconds and never across a wait. Whoever has an input (a
//! link's reader, the timer, the store's callback, a person) feeds it and does at once what comes out: puts frames into
//! outboxes, hands records to the store's thread. Checks of signatures come back to the feeder, who does them without
//! the lock and feeds the verdict. So a message costs one task switch a hop, not four.

mod blame;
mod breach;
mod clocks;
mod commits;
mod due;
mod gone;
mod last_words;
mod lists;
mod news;
mod perform;

mod links;

mod people;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};

use rumormill_gossip::{Engine, Input, LinkId, Reject, Timestamp, VerifiedBundle};
use rumormill_store::Record;
use rumormill_transport::Bans;
use rumormill_wire::{Clock, NodeId, Origin, Seq};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};

use crate::check::{Checker, Job};
use crate::clock::{NodeClock, WALL_STEP_US};
use crate::counters::Counters;
use crate::disk::Disk;
use crate::incarnation::Incarnations;
use crate::link::Link;
use crate::link::neighbours::Neighbours;
use crate::lock;
use crate::pace::Pace;
use clocks::Clocks;
use due::Due;
use lists::Lists;
use news::Followers;

pub(crate) use commits::{INCARNATION_KEY, incarnation_record};

pub(crate) use due::Fence;
pub(crate) use last_words::{FIRST_LINKS, LAST_COMMIT, LAST_WORDS, LastWords};
pub(crate) use links::{Admission, BANNED};
pub use news::{News, Told};

/// A step of the wall clock by more than this, in microseconds, may change which certificates are valid.
const CERTIFICATE_STEP_US: u64 = 60_000_000;

/// What a submitted message became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Under which origin it was written.
    pub origin: Origin,
    /// Its number there.
    pub seq: Seq,
    /// Its clock.
    pub clock: Clock,
}

/// A bundle that is durable here.
#[derive(Debug)]
pub struct Committed {
    /// The bundle.
    pub bundle: Arc<VerifiedBundle>,
    /// When it came or was written, by our wall clock in microseconds.
    pub received_us: u64,
    /// Messages of it with a later clock are told when their time has come.
    pub until_us: u64,
}

/// Why a message was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The caller's fault or the store's bound; see [`Reject`].
    #[error("{0}")]
    Rejected(Reject),
    /// Longer than this node's `max-message`.
    #[error("the message has {len} bytes; max-message allows {max}")]
    TooLong {
        /// Bytes of the message.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The store failed, and the node stops because of it.
    #[error("the store failed, and the node stops: {reason}")]
    StoreFailed {
        /// What the store said.
        reason: String,
    },
    /// The node shuts down.
    #[error("the node is stopping")]
    Stopping,
}

/// Whoever waits for a message hears how it ended.
pub(crate) type Waiting = oneshot::Sender<Result<Receipt, SubmitError>>;
/// The other end of [`Waiting`].
pub(crate) type Outcome = oneshot::Receiver<Result<Receipt, SubmitError>>;

/// What the lock guards.
struct State {
    engine: Engine,
    links: HashMap<LinkId, Arc<Link>>,
    bans: Bans,
    tickets: HashMap<u64, Waiting>,
    /// Why no message is taken any more, if it is more than a stop.
    failure: Option<SubmitError>,
    last_ticket: u64,
    last_link: u64,
    appends: u64,
    /// Those of them that are durable.
    stored: u64,
    pace: Pace,
    uncommitted: VecDeque<Committed>,
    due: Due,
    clocks: Clocks,
    /// Up to where followers were told of our own chain.
    own_told: Option<(Origin, Seq)>,
    records: Vec<Record>,
    lists: Lists,
    /// Answers that the engine gets before the lock is given back.
    answers: VecDeque<Input>,
    armed: Option<Timestamp>,
    wall_offset: i64,
    incarnations: Option<Incarnations>,
    store_full: bool,
}

/// The engine and everybody who feeds it.
pub(crate) struct Hub {
    me: Weak<Hub>,
    pub(crate) clock: NodeClock,
    pub(crate) checker: Checker,
    pub(crate) disk: Disk,
    pub(crate) counters: Counters,
    pub(crate) neighbours: Neighbours,
    pub(crate) runtime: Handle,
    state: Mutex<State>,
    timer: Notify,
    space: Notify,
    links_changed: watch::Sender<u64>,
    followers: Followers,
    /// What was due is told.
    told: Notify,
    stopping: watch::Sender<bool>,
    failed: AtomicBool,
    /// Nothing new is taken any more: see [`last_words`].
    sealed: AtomicBool,
    /// Who was told all then, and gets no further link.
    told_all: Mutex<BTreeSet<NodeId>>,
    /// What the engine was last told of the wall clock; looked at without the lock.
    wall_offset: AtomicI64,
}

/// What a hub is made of.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) clock: NodeClock,
    pub(crate) checker: Checker,
    pub(crate) disk: Disk,
    pub(crate) incarnations: Option<Incarnations>,
    pub(crate) runtime: Handle,
}

impl Hub {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { engine, clock, checker, disk, incarnations, runtime } = parts;
        let wall_offset = clock.wall_offset();
        let state = State {
            engine,
            links: HashMap::new(),
            bans: Bans::default(),
            tickets: HashMap::new(),
            failure: None,
            last_ticket: 0,
            last_link: 0,
            appends: 0,
            stored: 0,
            pace: Pace::default(),
            uncommitted: VecDeque::new(),
            due: Due::new(clock.wall.now_us()),
            clocks: Clocks::default(),
            own_told: None,
            records: Vec::new(),
            lists: Lists::default(),
            answers: VecDeque::new(),
            armed: None,
            wall_offset,
            incarnations,
            store_full: false,
        };
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            clock,
            checker,
            disk,
            counters: Counters::default(),
            neighbours: Neighbours::default(),
            runtime,
            state: Mutex::new(state),
            timer: Notify::new(),
            space: Notify::new(),
            links_changed: watch::Sender::new(0),
            followers: Followers::new(),
            told: Notify::new(),
            stopping: watch::Sender::new(false),
            failed: AtomicBool::new(false),
            sealed: AtomicBool::new(false),
            told_all: Mutex::default(),
            wall_offset: AtomicI64::new(wall_offset),
        })
    }

    /// Feeds an input and does all that comes of it, checks included.
    pub(crate) fn drive(&self, input: Input) -> Result<(), Reject> {
        let (result, jobs) = self.feed(input);
        self.finish(jobs);
        result
    }

    /// Does work until none comes of it any more.
    fn finish(&self, mut jobs: VecDeque<Job>) {
        while let Some(job) = jobs.pop_front() {
            if let Some(answer) = self.checker.run(job) {
                jobs.extend(self.feed(answer).1);
            }
        }
    }

    /// The same for threads that must not be held up by checks: they go to the runtime.
    pub(crate) fn spawn_drive(&self, input: Input) {
        let (_, jobs) = self.feed(input);
        self.spawn_finish(jobs);
    }

    fn spawn_finish(&self, jobs: VecDeque<Job>) {
        if jobs.is_empty() {
            return;
        }
        if let Some(hub) = self.me.upgrade() {
            self.runtime.spawn(async move { hub.finish(jobs) });
        }
    }

    fn feed(&self, input: Input) -> (Result<(), Reject>, VecDeque<Job>) {
        let mut state = lock(&self.state);
        self.feed_locked(&mut state, input)
    }

    /// Feeds answers that came while nothing was fed.
    fn feed_answers(&self, state: &mut State) -> VecDeque<Job> {
        match state.answers.pop_front() {
            Some(input) => self.feed_locked(state, input).1,
            None => VecDeque::new(),
        }
    }

    fn feed_locked(&self, state: &mut State, input: Input) -> (Result<(), Reject>, VecDeque<Job>) {
        let mut jobs = VecDeque::new();
        if self.is_sealed() && last_words::is_new(&input) {
            return (Ok(()), jobs);
        }
        let now = self.clock.now();
        let result = state.engine.handle(now, input);
        loop {
            self.perform_all(state, &mut jobs);
            if let Some(appends) = state.pace.due(now) {
                let _ = state.engine.handle(now, Input::Committed { appends });
                self.perform_all(state, &mut jobs);
                state.pace.sent(state.links.values());
            }
            let Some(input) = state.answers.pop_front().or_else(|| self.hand_over(state)) else { break };
            let _ = state.engine.handle(now, input);
        }
        let next = [state.engine.next_timeout(), state.pace.deadline()].into_iter().flatten().min();
        if let Some(at) = next.filter(|at| state.armed.is_none_or(|armed| *at < armed)) {
            state.armed = Some(at);
            self.timer.notify_one();
        }
        (result, jobs)
    }

    /// Sleeps until the engine wants to be woken, and wakes it.
    pub(crate) async fn run_timer(&self) {
        let mut stopping = self.stopping();
        loop {
            let armed = lock(&self.state).armed;
            let sleep = async {
                match armed {
                    Some(at) => tokio::time::sleep_until(self.clock.instant(at).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {
                    lock(&self.state).armed = None;
                    let _ = self.drive(Input::Timeout);
                }
                () = self.timer.notified() => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Tells the engine when the wall clock has been set.
    pub(crate) fn check_wall(&self) {
        let offset = self.clock.wall_offset();
        if offset.abs_diff(self.wall_offset.load(Relaxed)) <= WALL_STEP_US {
            return;
        }
        let (moved, far) = {
            let mut state = lock(&self.state);
            let step = offset.abs_diff(state.wall_offset);
            let moved = step > WALL_STEP_US;
            if moved {
                state.wall_offset = offset;
                self.wall_offset.store(offset, Relaxed);
                Counters::set(&self.counters.own_clock_suspected, 0);
                state.clocks.forget();
            }
            (moved, step > CERTIFICATE_STEP_US)
        };
        if moved {
            let _ = self.drive(Input::WallOffset(offset));
        }
        if far {
            // A certificate that was not valid by the wrong clock may be now.
            self.neighbours.try_again();
        }
    }
}
