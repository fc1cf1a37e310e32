//! Everything that the door sends: what the room says, the message at launch, the goodbye.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::peer_line::EXIT;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::dial::Dialler;
use super::hall::{Hall, Sink};
use super::outbox::{After, Dial, Outbox, Settled};
use super::table::MAX_FAILURES;
use crate::{Counters, Outgoing, Porch};

/// Everybody is told within this time that we leave.
pub const GOODBYE: Duration = Duration::from_millis(900);

type Dialled = (SocketAddr, bool);

/// Everything that goes out.
pub struct Sender<S> {
    hall: Hall<S>,
    dialler: Arc<Dialler>,
    outbox: Outbox,
    dials: JoinSet<Dialled>,
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), String>>>,
    begun: Instant,
}

impl<S: Sink> Sender<S> {
    /// Sends to the table of a hall.
    pub fn new(hall: Hall<S>, dialler: Arc<Dialler>, outbox: Outbox) -> Self {
        Self { hall, dialler, outbox, dials: JoinSet::new(), waiting: BTreeMap::new(), begun: Instant::now() }
    }

    /// Until it is told to stop; then says goodbye.
    pub async fn run(mut self, mut porch: Porch) {
        loop {
            self.fill();
            let wake = self.outbox.wake().map(|at| self.begun + at);
            tokio::select! {
                changed = porch.stop.changed() => if changed.is_err() || *porch.stop.borrow() { break },
                outgoing = porch.from_room.recv() => match outgoing {
                    Some(outgoing) => self.post(outgoing),
                    None => break,
                },
                Some(done) = self.dials.join_next() => self.dialled(done.ok()),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        let _ = timeout(GOODBYE, self.goodbye()).await;
    }

    /// Tells everybody that we leave.
    async fn goodbye(&mut self) {
        self.outbox.clear();
        self.outbox.post(&self.hall.table(), None, EXIT);
        loop {
            self.fill();
            match self.dials.join_next().await {
                Some(done) => self.dialled(done.ok()),
                None => return,
            }
        }
    }

    fn post(&mut self, outgoing: Outgoing) {
        let text = if outgoing.to.is_some() { &outgoing.text } else { &outgoing.line };
        let id = self.outbox.post(&self.hall.table(), outgoing.to, text);
        if let Some(done) = outgoing.done {
            self.waiting.insert(id, done);
        }
    }

    /// Makes as many connections as may be made now.
    fn fill(&mut self) {
        loop {
            let dial = self.outbox.dial(&self.hall.table(), self.begun.elapsed());
            let Some(dial) = dial else { break };
            let (dialler, hall) = (Arc::clone(&self.dialler), self.hall.clone());
            self.dials.spawn(async move { (dial.addr, deliver(&dialler, &hall, &dial).await) });
        }
        for Settled { id, reached } in self.outbox.settled() {
            if let Some(done) = self.waiting.remove(&id) {
                let _ = done.send(if reached { Ok(()) } else { Err("no peer of the menu chat took it".to_owned()) });
            }
        }
        let counters = &self.hall.counters;
        Counters::add(&counters.dropped_out, self.outbox.dropped());
        Counters::set(&counters.waiting_out, self.outbox.waiting());
    }

    fn dialled(&mut self, done: Option<Dialled>) {
        let Some((addr, delivered)) = done else { return };
        let now = self.begun.elapsed();
        match self.outbox.dialled(&mut self.hall.table(), addr, delivered, now) {
            After::Nothing => {}
            After::TakenOut => info!(%addr, "peer-line: not reached {MAX_FAILURES} times in a row; it is taken out"),
            After::GaveUp => warn!(%addr, "peer-line: contact not reached; it is not tried again"),
        }
    }
}

/// One message on one connection; whether it was written.
async fn deliver<S: Sink>(dialler: &Dialler, hall: &Hall<S>, dial: &Dial) -> bool {
    let counters = &hall.counters;
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
                hall.table().reached(dial.addr, true);
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
