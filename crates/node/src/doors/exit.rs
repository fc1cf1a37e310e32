//! A door's way out: what waits for it, and how much it is given before it has brought that to its peers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumormill_doors::port::Author;
use rumormill_doors::{Outgoing, WayOut};
use rumormill_limits::Turns;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;

use crate::lock;

/// Messages that wait for one door. Authors take turns here, and in the door's own queues for each of its peers.
const MAX_WAITING: usize = 1_024;
/// Their bytes in all: 256 of the longest messages.
const MAX_BYTES: usize = 8 << 20;
/// Messages that a door has and has not brought out, fewer than its own queues hold for one peer. The rest waits here.
const AT_THE_DOOR: usize = 32;
/// For one of them so long at most: a peer of the door that takes nothing does not hold up what its other peers are told.
const PATIENCE: Duration = Duration::from_secs(2);

/// Messages for one door, of which it is given a bounded number at a time.
pub(super) struct Exit {
    pub(super) name: String,
    way: WayOut,
    turns: Mutex<Turns<Author, Outgoing>>,
    more: Notify,
}

impl Exit {
    pub(super) fn new(name: String, way: WayOut) -> Self {
        Self { name, way, turns: Mutex::new(Turns::new(MAX_WAITING, MAX_BYTES)), more: Notify::new() }
    }

    /// A message is to go out. What is lost for it is counted.
    pub(super) fn offer(&self, outgoing: Outgoing) {
        let bytes = outgoing.text.len().saturating_add(outgoing.line.len());
        let (lost, waiting) = {
            let mut turns = lock(&self.turns);
            (turns.push(outgoing.author, outgoing, bytes).len(), turns.len())
        };
        self.way.missed(lost);
        self.way.waits(waiting);
        self.more.notify_one();
    }

    /// So many messages that should have gone out never came here.
    pub(super) fn missed(&self, messages: usize) {
        self.way.missed(messages);
    }

    /// Gives the door what waits, as fast as it brings it out. Until the door has closed.
    pub(super) async fn run(self: Arc<Self>) {
        let places = Arc::new(Semaphore::new(AT_THE_DOOR));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let mut outgoing = loop {
                let more = self.more.notified();
                let next = lock(&self.turns).pop();
                match next {
                    Some(outgoing) => break outgoing,
                    None => more.await,
                }
            };
            let (done, brought) = oneshot::channel();
            outgoing.done = Some(done);
            if !self.way.give_in_time(outgoing).await {
                return;
            }
            tokio::spawn(async move {
                let _ = timeout(PATIENCE, brought).await;
                drop(place);
            });
        }
    }

    /// The node stops: what still waits is given without waiting.
    pub(super) fn end(&self) {
        for outgoing in lock(&self.turns).drain() {
            let _ = self.way.give(outgoing);
        }
    }
}
