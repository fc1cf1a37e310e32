//! Letters: what PUSH leaves goes sealed to one node's key into the log (docs/protocol.md, L), or to an older node by the
//! door for those; what comes for us waits in a file of our own until a PULL takes it.
//!
//! The log is where letters wait that find no room here, and what makes them durable on their way: [`read`] takes them
//! from it in the order of each author's numbers, and [`inbox`] remembers how far.

mod address;
mod desk;
mod inbox;
mod journal;
mod keys;
mod read;
mod record;
mod relay;
mod seal;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rumormill_doors::{Incoming, Outgoing};
use rumormill_wire::{NetworkId, NodeId};
use tokio::sync::{Notify, mpsc};

use crate::clock::Wall;
use crate::handle::NodeHandle;
use crate::lock;
use crate::start::error::StartError;
use inbox::Inbox;
use seal::Seal;

/// What letters need from the disk.
pub(crate) struct Kept {
    seal: Seal,
    inbox: Inbox,
}

impl Kept {
    /// Opens the files in the state directory, or makes them; without a directory nothing is kept. Waits for the disk.
    pub(crate) fn open(state: Option<&Path>, network: &NetworkId, me: NodeId, wall: Wall) -> Result<Self, StartError> {
        let Some(state) = state else {
            let seal = Seal::fresh(network, me).map_err(StartError::io("make", "a key for letters"))?;
            return Ok(Self { seal, inbox: Inbox::new(wall) });
        };
        crate::files::state_dir(state).map_err(StartError::io("use the directory", state.display()))?;
        let (key, file) = (state.join("letters.key"), state.join("letters.jsonl"));
        let seal = Seal::open_or_make(&key, network, me).map_err(StartError::io("use", key.display()))?;
        let inbox = Inbox::open(&file, wall).map_err(StartError::io("use", file.display()))?;
        Ok(Self { seal, inbox })
    }
}

/// Where letters are left and wait; clones share it.
#[derive(Clone)]
pub(crate) struct LettersDesk(Arc<Post>);

struct Post {
    node: NodeHandle,
    seal: Seal,
    inbox: Mutex<Inbox>,
    /// There is room again for letters that wait in the log.
    room: Notify,
    /// A letter to an older node waits, or one is known to be there.
    to_relay: Notify,
    /// Which are known to be there: what waits for them goes out now.
    there: Mutex<BTreeSet<IpAddr>>,
    /// The door to older nodes.
    relay: Option<mpsc::Sender<Outgoing>>,
}

impl LettersDesk {
    /// Begins to read the log for letters, and to send what waits for older nodes, until the node stops.
    pub(crate) fn start(kept: Kept, node: &NodeHandle, relay: Option<mpsc::Sender<Outgoing>>) -> Self {
        let Kept { seal, inbox } = kept;
        let (room, to_relay) = (Notify::new(), Notify::new());
        let post =
            Post { node: node.clone(), seal, inbox: Mutex::new(inbox), room, to_relay, there: Mutex::default(), relay };
        let desk = Self(Arc::new(post));
        let coming = node.0.hub.follow();
        tokio::spawn(read::run(desk.clone(), coming));
        if let Some(door) = desk.0.relay.clone() {
            tokio::spawn(relay::run(desk.clone(), door));
        }
        desk
    }

    /// Keeps as letters what comes in by the door to older nodes.
    pub(crate) async fn take_from(self, mut door: mpsc::Receiver<Incoming>) {
        while let Some(Incoming { text, from, .. }) = door.recv().await {
            let Some(from) = from else { continue };
            if let Err(why) = self.with_inbox(move |inbox| inbox.take_from(from, text)).await {
                tracing::warn!(%from, %why, "a letter from an older node was not kept; it is in the room only");
            }
            self.is_there(from);
        }
    }

    /// An older node can be reached: what waits for it does not wait for its next time.
    fn is_there(&self, older: IpAddr) {
        if self.0.relay.is_some() {
            lock(&self.0.there).insert(older);
            self.0.to_relay.notify_one();
        }
    }

    /// Works with the inbox where one may wait for the disk. The work is done even if the future is dropped.
    async fn with_inbox<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inbox) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let post = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&mut lock(&post.inbox))).await;
        done.map_err(|why| why.to_string())?.map_err(|why| why.to_string())
    }
}
