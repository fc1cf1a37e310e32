//! Where letters are left and wait.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rumormill_doors::{Counters, Holds, Incoming, Outgoing, ServiceError};
use rumormill_wire::{NetworkId, NodeId};
use tokio::sync::{Notify, mpsc};

use super::counting::Counting;
use super::inbox::Inbox;
use super::seal::Seal;
use crate::clock::Wall;
use crate::files::{LETTERS_FILE, LETTERS_KEY_FILE};
use crate::handle::NodeHandle;
use crate::lock;
use crate::start_error::StartError;

/// What letters need from the disk.
pub(crate) struct LetterStore {
    pub(super) seal: Seal,
    pub(super) inbox: Inbox,
}

impl LetterStore {
    /// Opens the files in the state directory, or makes them; without a directory nothing is kept. Waits for the disk.
    pub(crate) fn open(state: Option<&Path>, network: &NetworkId, me: NodeId, wall: Wall) -> Result<Self, StartError> {
        let Some(state) = state else {
            let seal = Seal::fresh(network, me).map_err(StartError::io("make", "a key for letters"))?;
            return Ok(Self { seal, inbox: Inbox::new(wall) });
        };
        crate::files::state_dir(state).map_err(StartError::io("use the directory", state.display()))?;
        let (key, file) = (state.join(LETTERS_KEY_FILE), state.join(LETTERS_FILE));
        let seal = Seal::open_or_make(&key, network, me).map_err(StartError::io("use", key.display()))?;
        let inbox = Inbox::open(&file, wall).map_err(StartError::io("use", file.display()))?;
        Ok(Self { seal, inbox })
    }
}

/// Where letters are left and wait; clones share it.
#[derive(Clone)]
pub(crate) struct LettersDesk(pub(super) Arc<Post>);

pub(crate) struct Post {
    pub(super) node: NodeHandle,
    pub(super) seal: Seal,
    pub(super) inbox: Mutex<Inbox>,
    /// Letters that clients are being given, by whichever door.
    pub(super) holds: Holds,
    /// There is room again for letters that wait in the log.
    pub(super) room: Notify,
    /// A letter to an older node waits, or one is known to be there.
    pub(super) to_relay: Notify,
    /// Which are known to be there: what waits for them goes out now.
    pub(super) there: Mutex<BTreeSet<IpAddr>>,
    /// The door to older nodes.
    pub(super) relay: Option<mpsc::Sender<Outgoing>>,
    /// Of the doors by which letters are pulled.
    pub(super) counters: Vec<Arc<Counters>>,
    /// By what it was asked last whether all that waits counts.
    pub(super) asked: Mutex<Counting>,
}

impl Post {
    /// Lets go of what does not count any more, and makes that room for others.
    pub(super) fn let_go(&self, inbox: &mut Inbox) {
        let counting = Counting::now(&self.node);
        let letters = inbox.let_go(&counting);
        *lock(&self.asked) = counting;
        if letters > 0 {
            tracing::info!(letters, "letters are not handed out: what they came in was withdrawn");
            self.counters.iter().for_each(|counters| Counters::add(&counters.letters_withdrawn, letters));
            self.room.notify_one();
        }
    }

    /// The same, unless nothing was withdrawn since it was asked last.
    pub(super) fn let_go_again(&self) {
        if !lock(&self.asked).is(&Counting::now(&self.node)) {
            self.let_go(&mut lock(&self.inbox));
        }
    }

    /// Shows how many wait, here and in the log.
    pub(super) fn count(&self, inbox: &Inbox) {
        for counters in &self.counters {
            Counters::set(&counters.waiting_out, inbox.waiting.len());
            Counters::set(&counters.letters_held_back, inbox.held_back());
        }
    }
}

impl LettersDesk {
    /// Keeps as letters what comes in by the door to older nodes, which counts what is not kept.
    pub(crate) async fn take_from(self, mut door: mpsc::Receiver<Incoming>, counters: Arc<Counters>) {
        while let Some(Incoming { text, from, .. }) = door.recv().await {
            let Some(from) = from else { continue };
            if let Err(why) = self.with_inbox(move |inbox| inbox.take_from(from, text)).await {
                Counters::one(&counters.letters_lost);
                tracing::warn!(%from, %why, "a letter from an older node was not kept; it is in the room only");
            }
            self.is_there(from);
        }
    }

    /// An older node can be reached: what waits for it does not wait for its next time.
    pub(super) fn is_there(&self, older: IpAddr) {
        if self.0.relay.is_some() {
            lock(&self.0.there).insert(older);
            self.0.to_relay.notify_one();
        }
    }

    /// Works with the inbox where one may wait for the disk. The work is done even if the future is dropped.
    pub(super) async fn with_inbox<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inbox) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let post = Arc::clone(&self.0);
        let work = move || {
            let mut inbox = lock(&post.inbox);
            let done = work(&mut inbox);
            post.count(&inbox);
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        // What the inbox itself refuses says why; all else is of the disk, or of the task.
        let of_inbox = |why: std::io::Error| why.downcast().unwrap_or_else(|why| ServiceError::Failed(why.to_string()));
        done.map_err(|why| ServiceError::Failed(why.to_string()))?.map_err(of_inbox)
    }
}
