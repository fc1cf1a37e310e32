//! Sockets around the [`Router`]: a task for each connection, which reads frames in whatever pieces they come and writes each
//! in one go, as the legacy program reads one with one `recv`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rumormill_limits::{Rate, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use super::framed::Framed;
use super::link::{LinkId, Why};
use super::message::MAX_TEXT_LEN;
use super::router::{Input, Output, Reject, Router, SendOutcome};
use super::store_and_forward::Waiting;
use crate::counters::Counters;
use crate::cut;
use crate::lock::lock;
use crate::port::{Done, Incoming, IntoRoom, Outgoing};
use crate::unsent::Unsent;

mod task;

/// What was refused reads its answer within this time; so does everybody when we stop.
pub(super) const FLUSH: Duration = Duration::from_millis(500);
/// Closed links and forged senders that the log tells of, 100 at once and 10 a second; the others only at the level of debugging.
const LOGGED: Rate = Rate::new(100, 10);

/// Where our own dialling stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Calling {
    /// Nobody is to be dialled: we wait for others.
    No,
    /// The host is being dialled, or has not answered yet.
    Now,
    /// The host has this id.
    Joined(i64),
    /// It did not come to a link.
    Failed(String),
    /// The host has gone.
    Lost,
}

/// Tells the room of a message once every frame that carries it was written or dropped.
struct DeliveryReport {
    done: Mutex<Option<Done>>,
    written: AtomicBool,
}

impl Drop for DeliveryReport {
    fn drop(&mut self) {
        let written = self.written.load(Ordering::Relaxed);
        let result = if written { Ok(()) } else { Err(Unsent::Nobody("nobody outside could be given the message")) };
        if let Some(done) = lock(&self.done).take() {
            // The room may no longer want to know.
            let _ = done.send(result);
        }
    }
}

struct Outbound {
    frame: Framed,
    ours: bool,
    report: Option<Arc<DeliveryReport>>,
}

/// The router's hold on a connection's task. Dropped whole, it ends the task at once.
struct Outlet {
    /// `None` once nothing more is to be sent: the task ends when all is written.
    frames: Option<mpsc::UnboundedSender<Outbound>>,
    _kill: oneshot::Sender<()>,
    address: SocketAddr,
}

struct State {
    router: Router<Arc<DeliveryReport>>,
    outlets: BTreeMap<LinkId, Outlet>,
    next: LinkId,
}

/// What an input led to.
#[derive(Default)]
struct Led {
    for_us: Option<Incoming>,
    sent: Option<SendOutcome>,
    receivers: usize,
}

/// What all connections share.
pub(super) struct Net {
    state: Mutex<State>,
    counters: Arc<Counters>,
    into_room: IntoRoom,
    began: Instant,
    lingering: AtomicUsize,
    /// A flood of connections is none of the log.
    words: Mutex<Rate>,
    /// Where our own dialling stands.
    pub calling: watch::Sender<Calling>,
    /// When [`Net::timeout`] is due.
    pub due: watch::Sender<Option<Instant>>,
}

impl Net {
    /// Nobody is there yet.
    pub(super) fn new(id: i64, counters: Arc<Counters>, into_room: IntoRoom) -> Self {
        let state = State { router: Router::new(id, Arc::clone(&counters)), outlets: BTreeMap::new(), next: 0 };
        Self {
            state: Mutex::new(state),
            counters,
            into_room,
            began: Instant::now(),
            lingering: AtomicUsize::new(0),
            words: Mutex::new(LOGGED),
            calling: watch::Sender::new(Calling::No),
            due: watch::Sender::new(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Feeds the router and does what it says.
    fn feed(&self, input: Input<'_, Arc<DeliveryReport>>) -> Result<Led, Reject> {
        self.feed_in(&mut self.state(), input)
    }

    fn feed_in(&self, state: &mut State, input: Input<'_, Arc<DeliveryReport>>) -> Result<Led, Reject> {
        state.router.handle(Timestamp::at(self.began.elapsed()), input)?;
        let mut led = Led::default();
        while let Some(output) = state.router.poll_output() {
            self.act(state, output, &mut led);
        }
        let due = state.router.next_timeout().and_then(|at| self.began.checked_add(at.since_zero()));
        self.due.send_if_modified(|before| std::mem::replace(before, due) != due);
        Ok(led)
    }

    fn act(&self, state: &mut State, output: Output<Arc<DeliveryReport>>, led: &mut Led) {
        match output {
            Output::Send { link, frame, ours, ticket } => {
                let outlet = state.outlets.get(&link).and_then(|outlet| outlet.frames.as_ref());
                // The router bounds what waits here. Where nobody takes it the connection has ended.
                let _ = outlet.map(|frames| frames.send(Outbound { frame, ours, report: ticket }));
            }
            Output::Forged { link, from } => self.forged(state, link, from),
            Output::Close { link, flush, why } => self.close(state, link, flush, &why),
            Output::Joined(host) => drop(self.calling.send_replace(Calling::Joined(host))),
            Output::Deliver { from, text } => {
                led.for_us = Some(Incoming { claimed: from.to_string(), text, from: None });
            }
            Output::Sent(sent) => led.sent = Some(sent),
            Output::Receivers(count) => led.receivers = count,
        }
    }

    fn forged(&self, state: &State, link: LinkId, from: i64) {
        let Some(outlet) = state.outlets.get(&link) else { return };
        let said = "protobuf-peer: a text is not taken: its sender has a link of its own; further ones by this link are only counted";
        if self.has_words() {
            warn!(peer = %outlet.address, id = from, "{said}");
        } else {
            debug!(peer = %outlet.address, id = from, "{said}");
        }
    }

    /// Whether the log has a line for what a link did.
    fn has_words(&self) -> bool {
        let now = Timestamp::at(self.began.elapsed());
        lock(&self.words).take(now)
    }

    fn close(&self, state: &mut State, link: LinkId, flush: bool, why: &Why) {
        let Some(outlet) = state.outlets.get_mut(&link) else { return };
        if self.has_words() {
            info!(peer = %outlet.address, "protobuf-peer: a link is closed: {why}");
        } else {
            debug!(peer = %outlet.address, "protobuf-peer: a link is closed: {why}");
        }
        if matches!(why, Why::Refused) {
            self.calling.send_replace(Calling::Failed(why.to_string()));
        }
        if flush {
            outlet.frames = None;
        } else {
            state.outlets.remove(&link);
        }
    }

    /// A message of the room, to everybody.
    pub(super) fn give(&self, outgoing: Outgoing) {
        let report = Arc::new(DeliveryReport { done: Mutex::new(outgoing.done), written: AtomicBool::new(false) });
        if outgoing.to.is_some() {
            // Peers have ids here, and no addresses.
            return Counters::one(&self.counters.dropped_out);
        }
        let (text, is_cut) = cut::cut(&outgoing.line, MAX_TEXT_LEN);
        if is_cut {
            Counters::one(&self.counters.cut);
            info!("protobuf-peer: a message of {} bytes was cut to {}", outgoing.line.len(), text.len());
        }
        let led = self.feed(Input::Broadcast { author: outgoing.author, text: &text, ticket: Some(report) });
        if led.map_or(0, |led| led.receivers) == 0 {
            Counters::one(&self.counters.dropped_out);
        }
    }

    /// A message to one id, from the console.
    pub(super) fn send(&self, to: i64, text: String) -> Result<SendOutcome, Reject> {
        Ok(self.feed(Input::Send { to, text })?.sent.unwrap_or(SendOutcome::Dropped))
    }

    /// Each known id with the peer that leads to it.
    pub(super) fn table(&self) -> Vec<(i64, i64)> {
        self.state().router.table()
    }

    /// What waits for its receiver.
    pub(super) fn buffer(&self) -> Vec<Waiting> {
        self.state().router.buffer().cloned().collect()
    }

    /// The time of [`Net::due`] has come.
    pub(super) fn timeout(&self) {
        let _ = self.feed(Input::Timeout);
    }

    /// Every connection ends once what waits there is written.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        let _ = self.feed_in(&mut state, Input::Finish);
        state.outlets.values_mut().for_each(|outlet| outlet.frames = None);
    }
}
