//! Sockets around the [`Hub`]: a task for each connection, which reads frames in whatever pieces they come and writes each
//! in one go, as the older program reads one with one `recv`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info};

use super::hub::{Action, Hub, Sent};
use super::kept::Waiting;
use super::link::LinkId;
use super::link::Why;
use super::message::MAX_TEXT_LEN;
use crate::porch::{Incoming, IntoRoom, Outgoing};
use crate::{Counters, cut};

mod task;

/// What was refused reads its answer within this time; so does everybody when we stop.
pub const FLUSH: Duration = Duration::from_millis(500);
/// Closed links that the log tells of; the others only at the level of debugging.
const LOGGED_PER_S: NonZeroU32 = NonZeroU32::new(10).unwrap();
const LOGGED_AT_ONCE: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Where our own dialling stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calling {
    /// Nobody is dialled.
    No,
    /// No answer yet.
    Now,
    /// The host has this id.
    Joined(i64),
    /// It did not come to a link.
    Failed(String),
    /// The host has gone.
    Lost,
}

/// Tells the room of a message once every frame that carries it was written or dropped.
struct Receipt {
    done: Mutex<Option<oneshot::Sender<Result<(), String>>>>,
    written: AtomicBool,
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let written = self.written.load(Ordering::Relaxed);
        let result = if written { Ok(()) } else { Err("nobody outside could be given the message".to_owned()) };
        if let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The room may no longer want to know.
            let _ = done.send(result);
        }
    }
}

struct Outbound {
    frame: Vec<u8>,
    ours: bool,
    receipt: Option<Arc<Receipt>>,
}

/// The hub's hold on a connection's task. Dropped whole, it ends the task at once.
struct Outlet {
    /// `None` once nothing more is to be sent: the task ends when all is written.
    frames: Option<mpsc::UnboundedSender<Outbound>>,
    _kill: oneshot::Sender<()>,
    address: SocketAddr,
}

struct State {
    hub: Hub,
    outlets: BTreeMap<LinkId, Outlet>,
}

/// What all connections share.
pub struct Net {
    state: Mutex<State>,
    counters: Arc<Counters>,
    into_room: IntoRoom,
    began: Instant,
    lingering: AtomicUsize,
    /// A flood of connections is none of the log.
    words: DefaultDirectRateLimiter,
    /// Where our own dialling stands.
    pub calling: watch::Sender<Calling>,
}

impl Net {
    /// Nobody is there yet.
    pub fn new(id: i64, counters: Arc<Counters>, into_room: IntoRoom) -> Self {
        let state = State { hub: Hub::new(id, Arc::clone(&counters)), outlets: BTreeMap::new() };
        Self {
            state: Mutex::new(state),
            counters,
            into_room,
            began: Instant::now(),
            lingering: AtomicUsize::new(0),
            words: RateLimiter::direct(Quota::per_second(LOGGED_PER_S).allow_burst(LOGGED_AT_ONCE)),
            calling: watch::Sender::new(Calling::No),
        }
    }

    /// Lets the hub do something and does what it says. What is for us comes back.
    fn act<R>(
        &self,
        receipt: Option<&Arc<Receipt>>,
        event: impl FnOnce(&mut Hub, Duration, &mut Vec<Action>) -> R,
    ) -> (R, Option<Incoming>) {
        let mut actions = Vec::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = event(&mut state.hub, self.began.elapsed(), &mut actions);
        (result, self.apply(&mut state, actions, receipt))
    }

    fn apply(&self, state: &mut State, actions: Vec<Action>, receipt: Option<&Arc<Receipt>>) -> Option<Incoming> {
        let mut for_us = None;
        for action in actions {
            match action {
                Action::Send { link, frame, ours } => {
                    let outlet = state.outlets.get(&link).and_then(|outlet| outlet.frames.as_ref());
                    // The hub bounds what waits here. Where nobody takes it the connection has ended.
                    let _ = outlet.map(|frames| frames.send(Outbound { frame, ours, receipt: receipt.cloned() }));
                }
                Action::Close { link, flush, why } => self.close(state, link, flush, &why),
                Action::Joined(host) => drop(self.calling.send_replace(Calling::Joined(host))),
                Action::Deliver { from, text } => {
                    for_us = Some(Incoming { claimed: from.to_string(), text, from: None });
                }
            }
        }
        for_us
    }

    fn close(&self, state: &mut State, link: LinkId, flush: bool, why: &Why) {
        let Some(outlet) = state.outlets.get_mut(&link) else { return };
        if self.words.check().is_ok() {
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
    pub fn give(&self, outgoing: Outgoing) {
        let receipt = Arc::new(Receipt { done: Mutex::new(outgoing.done), written: AtomicBool::new(false) });
        if outgoing.to.is_some() {
            // Peers have ids here, and no addresses.
            return Counters::one(&self.counters.dropped_out);
        }
        let (text, is_cut) = cut::cut(&outgoing.line, MAX_TEXT_LEN);
        if is_cut {
            Counters::one(&self.counters.cut);
            info!("protobuf-peer: a message of {} bytes was cut to {}", outgoing.line.len(), text.len());
        }
        let (receivers, _) = self.act(Some(&receipt), |hub, _, out| hub.say_all(&text, out));
        if receivers == 0 {
            Counters::one(&self.counters.dropped_out);
        }
    }

    /// A message to one id, from the console.
    pub fn say(&self, to: i64, text: String) -> Sent {
        self.act(None, |hub, now, out| hub.say(to, text, now, out)).0
    }

    /// Each known id with the peer that leads to it.
    pub fn table(&self) -> Vec<(i64, i64)> {
        self.act(None, |hub, _, _| hub.table()).0
    }

    /// What is kept.
    pub fn buffer(&self) -> Vec<Waiting> {
        self.act(None, |hub, _, _| hub.buffer().cloned().collect()).0
    }

    /// Time goes by.
    pub fn tick(&self) {
        self.act(None, |hub, now, out| hub.tick(now, out));
    }

    /// Every connection ends once what waits there is written.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.outlets.values_mut().for_each(|outlet| outlet.frames = None);
    }
}
