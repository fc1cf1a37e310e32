//! Letters: what PUSH leaves goes sealed to one node's key into the log (docs/protocol.md, L), or to an older node by the
//! door for those; what comes for us waits in a file of our own until a PULL takes it.
//!
//! Senders have a share each of the room here and take turns ([`shares`]).
//!
//! The log is where letters wait that find no room here, and what makes them durable on their way: [`read`] takes them
//! from it in the order of each author's numbers, and [`inbox`] remembers how far.

mod address;
mod counting;
mod desk;
mod inbox;
mod journal;
mod keys;
mod post;
mod read;
mod record;
mod relay;
mod seal;
mod shares;
mod waiting;

use std::sync::{Arc, Mutex};

use rumormill_doors::{Counters, Holds, Outgoing};
use tokio::sync::{Notify, mpsc};

use crate::handle::NodeHandle;
use post::Post;

pub(crate) use desk::DoorLetters;
pub(crate) use post::{LetterStore, LettersDesk};

impl LettersDesk {
    /// Begins to read the log for letters, and to send what waits for older nodes, until the node stops.
    pub(crate) fn start(
        kept: LetterStore,
        node: &NodeHandle,
        relay: Option<mpsc::Sender<Outgoing>>,
        counters: Vec<Arc<Counters>>,
    ) -> Self {
        let LetterStore { seal, inbox } = kept;
        let (room, to_relay) = (Notify::new(), Notify::new());
        let post = Post {
            node: node.clone(),
            seal,
            inbox: Mutex::new(inbox),
            holds: Holds::default(),
            room,
            to_relay,
            there: Mutex::default(),
            relay,
            counters,
            asked: Mutex::default(),
        };
        let desk = Self(Arc::new(post));
        let coming = node.0.driver.follow();
        tokio::spawn(read::run(desk.clone(), coming));
        if let Some(door) = desk.0.relay.clone() {
            tokio::spawn(relay::run(desk.clone(), door));
        }
        desk
    }
}
