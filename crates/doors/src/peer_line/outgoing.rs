//! Everything that the door sends: what the room says, the message at launch, the goodbye.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Timestamp;
use rumormill_wire::peer_line::EXIT;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::dial::Dialler;
use super::outbox::{Dial, Input, Outbox, Output, Reject};
use super::shared::{Shared, Sink};
use super::table::MAX_FAILURES;
use crate::counters::Counters;
use crate::port::{Author, Done, Port};
use crate::unsent::Unsent;

/// Everybody is told within this time that we leave.
pub(super) const GOODBYE: Duration = Duration::from_millis(900);

/// Where to, the number of the connection, and whether its message was written.
type DialOutcome = (SocketAddr, u64, bool);

/// The driver of the [`Outbox`]: makes its connections, and tells it how they ended.
pub(super) struct OutboxDriver<S> {
    shared: Shared<S>,
    dialler: Arc<Dialler>,
    outbox: Outbox,
    dials: JoinSet<DialOutcome>,
    /// The connection to an address that is being made, by its number.
    current: BTreeMap<SocketAddr, (u64, AbortHandle)>,
    waiting: BTreeMap<u64, Done>,
    next: u64,
    begun: Instant,
}

impl<S: Sink> OutboxDriver<S> {
    /// Sends to those in the table.
    pub(super) fn new(shared: Shared<S>, dialler: Arc<Dialler>, outbox: Outbox) -> Self {
        let (dials, waiting, begun) = (JoinSet::new(), BTreeMap::new(), Instant::now());
        Self { shared, dialler, outbox, dials, current: BTreeMap::new(), waiting, next: 0, begun }
    }

    /// Until it is told to stop; then says goodbye.
    pub(super) async fn run(mut self, mut port: Port) {
        loop {
            self.fill();
            let (due, wake) = (self.outbox.next_timeout().is_some(), self.wake());
            tokio::select! {
                changed = port.stop.changed() => if changed.is_err() || *port.stop.borrow() { break },
                outgoing = port.from_room.recv() => match outgoing {
                    Some(outgoing) => {
                        let (author, to, text, done) = outgoing.into_parts();
                        self.send(author, to, &text, done);
                    }
                    None => break,
                },
                Some(done) = self.dials.join_next() => self.dialled(done.ok()),
                () = sleep_until(wake), if due => {
                    let taken = self.outbox.handle(self.now(), Input::Timeout { table: &self.shared.table() });
                    self.drain(taken);
                }
            }
        }
        let _ = timeout(GOODBYE, self.goodbye()).await;
    }

    /// When the outbox's timeout is due.
    fn wake(&self) -> Instant {
        let at = self.outbox.next_timeout().unwrap_or_default();
        self.begun.checked_add(at.since_zero()).unwrap_or(self.begun)
    }

    /// Tells everybody that we leave.
    async fn goodbye(&mut self) {
        let taken = self.outbox.handle(self.now(), Input::Clear);
        self.drain(taken);
        self.send(None, None, EXIT, None);
        loop {
            self.fill();
            match self.dials.join_next().await {
                Some(done) => self.dialled(done.ok()),
                None => return,
            }
        }
    }

    fn send(&mut self, author: Author, only: Option<IpAddr>, text: &str, done: Option<Done>) {
        let id = self.next;
        self.next = id.saturating_add(1);
        self.waiting.extend(done.map(|done| (id, done)));
        let now = self.now();
        let taken = self.outbox.handle(now, Input::Send { id, author, only, text, table: &self.shared.table() });
        self.drain(taken);
    }

    /// Makes as many connections as may be made now.
    fn fill(&mut self) {
        let taken = self.outbox.handle(self.now(), Input::Ready { table: &self.shared.table() });
        self.drain(taken);
    }

    fn dialled(&mut self, done: Option<DialOutcome>) {
        let Some((addr, number, delivered)) = done else { return };
        if self.current.get(&addr).is_none_or(|(current, _)| *current != number) {
            // It had given up its place.
            return;
        }
        self.current.remove(&addr);
        let taken = self.outbox.handle(self.now(), Input::Dialled { addr, delivered });
        self.drain(taken);
    }

    fn now(&self) -> Timestamp {
        Timestamp::at(self.begun.elapsed())
    }

    /// Does what the outbox says. It is told of its own dials only, each once, so it takes all.
    fn drain(&mut self, taken: Result<(), Reject>) {
        debug_assert!(taken.is_ok(), "{taken:?}");
        while let Some(output) = self.outbox.poll_output() {
            self.act(output);
        }
        Counters::set(&self.shared.counters.waiting_out, self.outbox.waiting());
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Dial(dial) => {
                let (dialler, shared) = (Arc::clone(&self.dialler), self.shared.clone());
                let (addr, number) = (dial.addr, self.next);
                self.next = number.saturating_add(1);
                let task = async move { (addr, number, deliver(&dialler, &shared, &dial).await) };
                self.current.insert(addr, (number, self.dials.spawn(task)));
            }
            Output::Abort(addr) => {
                if let Some((_, task)) = self.current.remove(&addr) {
                    task.abort();
                }
            }
            Output::Settled { id, reached } => {
                if let Some(done) = self.waiting.remove(&id) {
                    let nobody = Err(Unsent::Nobody("no peer of the menu chat took it"));
                    let _ = done.send(if reached { Ok(()) } else { nobody });
                }
            }
            Output::Dropped(messages) => Counters::add(&self.shared.counters.dropped_out, messages),
            Output::Reached(addr) => {
                // A peer that left meanwhile stays away.
                let mut table = self.shared.table();
                if table.get(addr).is_some() {
                    table.reached(addr, true);
                }
            }
            Output::Failed(addr) => {
                if self.shared.table().failed(addr) {
                    info!(%addr, "peer-line: not reached {MAX_FAILURES} times in a row; it is taken out");
                }
            }
            Output::GaveUp(addr) => warn!(%addr, "peer-line: contact not reached; it is not tried again"),
        }
    }
}

/// One message on one connection; whether it was written.
async fn deliver<S: Sink>(dialler: &Dialler, shared: &Shared<S>, dial: &Dial) -> bool {
    let counters = &shared.counters;
    match dialler.deliver(dial.addr, dial.form, &dial.text).await {
        Ok(delivered) => {
            Counters::one(&counters.messages_out);
            Counters::add(&counters.bytes_out, delivered.bytes);
            if delivered.cut {
                Counters::one(&counters.cut);
                info!(addr = %dial.addr, "peer-line: a message was cut to what the programs of this chat read");
            }
            if dial.greeting {
                // Now: it may keep the connection open for long, and what the room says meanwhile waits for it.
                shared.table().reached(dial.addr, true);
            }
            delivered.closed(dial.contact).await;
            true
        }
        Err(why) => {
            debug!(addr = %dial.addr, %why, "peer-line: not reached");
            false
        }
    }
}
