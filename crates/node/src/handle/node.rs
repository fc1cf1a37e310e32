//! A running node, for those who use it: doors, the local socket, tests.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use rumormill_store::StoreError;
use rumormill_transport::Endpoint;
use rumormill_wire::native::MessageKind;
use rumormill_wire::{NodeId, Origin};
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::LogError;
use crate::driver::{Driver, FIRST_LINKS, LAST_COMMIT, LAST_WORDS, LastWords};
use crate::keeper::{self, Keeper};
use crate::open_door::OpenDoor;
use crate::outcome::SubmitError;

pub use crate::outcome::Pending;

/// How long a node takes to drain and leave.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// A node that runs. Clones share it; the node stops with [`NodeHandle::shutdown`].
#[derive(Clone)]
pub struct NodeHandle(pub(crate) Arc<Inner>);

impl std::fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeHandle")
            .field("name", &self.0.name)
            .field("addr", &self.0.local_addr)
            .finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) driver: Arc<Driver>,
    pub(crate) endpoint: Endpoint,
    pub(crate) local_addr: SocketAddr,
    pub(crate) name: String,
    pub(crate) max_message: usize,
    pub(crate) doors: Mutex<Vec<OpenDoor>>,
    /// Doors, with the port of `--control`, among which what they may bring is divided.
    pub(crate) ways_in: usize,
    /// Its other end goes when the doors have said goodbye.
    pub(crate) doors_closed: OnceLock<watch::Receiver<()>>,
    /// What is beside a store on disk.
    pub(crate) keeper: Option<Arc<Keeper>>,
}

impl NodeHandle {
    /// Where it listens for neighbours.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local_addr
    }

    /// Its name in the network, as its certificate has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its node id: the public key in its certificate, which renewals keep.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.driver.checker.me
    }

    /// Under which origin it writes now.
    #[must_use]
    pub fn me(&self) -> Origin {
        self.0.driver.with_engine(rumormill_gossip::Engine::me)
    }

    fn check_length(&self, body: &Bytes) -> Result<(), SubmitError> {
        let (len, max) = (body.len(), self.0.max_message);
        if len > max { Err(SubmitError::TooLong { len, max }) } else { Ok(()) }
    }

    /// Takes a message; waits while too many wait before it. Messages are written in the order in which this returns.
    ///
    /// # Errors
    /// It can be no message, the store is full, or the node stops.
    pub async fn submit(&self, kind: MessageKind, room: &str, body: impl Into<Bytes>) -> Result<Pending, SubmitError> {
        let body = body.into();
        self.check_length(&body)?;
        self.0.driver.submit(kind, room, body).await
    }

    /// The same without waiting: [`rumormill_gossip::Reject::Busy`] if too many wait.
    ///
    /// # Errors
    /// As [`NodeHandle::submit`], or busy.
    pub fn try_submit(&self, kind: MessageKind, room: &str, body: impl Into<Bytes>) -> Result<Pending, SubmitError> {
        let body = body.into();
        self.check_length(&body)?;
        self.0.driver.try_submit(kind, room, body)
    }

    /// Before the process ends without a farewell: what was `said` is durable and has left for the neighbours, within bounds,
    /// those that have no link yet and can be reached among them, and nothing new is passed on from here on. Only the end of
    /// the process can follow.
    pub async fn last_words(&self, said: impl Future<Output = ()>) {
        let LastWords { durable, late, settled } = self.0.driver.last_words(said).await;
        if !durable {
            tracing::warn!("crash: what was said before is not durable after {LAST_COMMIT:?}");
        }
        if !settled {
            tracing::warn!(
                "crash: a neighbour that is there had no link within {FIRST_LINKS:?} and may lack what was said"
            );
        }
        if late > 0 {
            tracing::warn!(
                links = late,
                "crash: neighbours that did not read within {LAST_WORDS:?} may lack what was said"
            );
        }
    }

    /// Resolves when the node begins to stop, whoever asked for it.
    pub async fn stopped(&self) {
        let _ = self.0.driver.stopping().wait_for(|stop| *stop).await;
    }

    /// Asks the node to stop; [`NodeHandle::shutdown`] then does the work.
    pub fn stop(&self) {
        self.0.driver.stop();
    }

    /// Takes no more, makes durable what was taken, says goodbye and closes the store as clean; within
    /// [`SHUTDOWN_DEADLINE`].
    ///
    /// # Errors
    /// The store could not be closed.
    pub async fn shutdown(&self) -> Result<(), LogError> {
        let driver = Arc::clone(&self.0.driver);
        driver.stop();
        tokio::join!(driver.drain(SHUTDOWN_DEADLINE), self.doors_closed());
        let keeper = self.0.keeper.clone();
        let close = move || {
            driver.disk.close()?;
            if let Some(keeper) = keeper {
                keeper::end(&keeper, driver.own_told());
            }
            Ok::<_, StoreError>(())
        };
        let closed = tokio::task::spawn_blocking(close).await;
        Ok(closed.map_err(|why| LogError::Ended(why.to_string()))??)
    }

    /// Resolves when the doors of a node that stops have said goodbye, or had the time for it.
    async fn doors_closed(&self) {
        if let Some(closed) = self.0.doors_closed.get() {
            // Nothing is ever sent: the other end goes.
            let _ = timeout(SHUTDOWN_DEADLINE, closed.clone().changed()).await;
        }
    }
}
