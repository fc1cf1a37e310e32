//! The classroom control port over a node ([`rumormill_doors::classroom`]).

use std::sync::Arc;

use rumormill_doors::{Chat, Counters, Durable, LogPart, classroom};
use rumormill_gossip::Reject;
use rumormill_wire::native::MessageKind;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::doors::{BYTES_PER_DAY, Share};
use crate::handle::{ChatPlace, NodeHandle};
use crate::hub::SubmitError;

/// Parts of logs that are read at once, for all connections of all these ports. Nobody keeps a turn while a client reads:
/// one that reads nothing holds up no other.
static READERS: Semaphore = Semaphore::const_new(4);
/// Of a reply, a connection has about this in memory, and at most the longest message more.
const PART_BYTES: usize = 128 * 1_024;

/// What a message costs of the day's share beside its text: it is signed and stored in a bundle, if need be of its own.
const MESSAGE_COST: usize = 256;

/// Whether a client may end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Once what it said before has had its effect, with no farewell: only `process` offers it.
    Offered,
    /// The command does nothing.
    Refused,
}

/// The node may still be starting: a port that listens from the first moment is what old proxies ask for.
#[derive(Clone)]
pub(crate) struct Desk {
    node: watch::Receiver<Option<NodeHandle>>,
    crash: Crash,
    share: Arc<Share>,
}

impl Desk {
    pub(crate) fn new(node: watch::Receiver<Option<NodeHandle>>, crash: Crash) -> Self {
        Self { node, crash, share: Arc::new(Share::new()) }
    }

    async fn node(&self) -> Result<NodeHandle, String> {
        let mut node = self.node.clone();
        let started = node.wait_for(Option::is_some).await.map_err(|_| "the node did not start".to_owned())?;
        started.clone().ok_or_else(|| "the node did not start".to_owned())
    }
}

impl Chat for Desk {
    async fn say(&self, text: String) -> Result<Durable, String> {
        let node = self.node().await?;
        // Not by the second as at other doors: a session says all it has at once, and asks for the log then.
        if !self.share.takes_bytes(text.len().saturating_add(MESSAGE_COST)) {
            return Err(format!("this port has brought its share of {BYTES_PER_DAY} bytes a day"));
        }
        let pending = node.submit(MessageKind::CHAT, "", text).await;
        let pending = pending.map_err(|error| match error {
            SubmitError::Rejected(Reject::Invalid(reason)) => reason.to_string(),
            other => other.to_string(),
        })?;
        Ok(Box::pin(async move {
            if let Err(error) = pending.await {
                tracing::warn!(%error, "a message was taken and is not durable");
            }
        }))
    }

    type Place = ChatPlace;

    async fn chat_part(&self, from: ChatPlace) -> Result<LogPart<ChatPlace>, String> {
        let node = self.node().await?;
        // They come in turn.
        let _reading = READERS.acquire().await.map_err(|error| error.to_string())?;
        let (texts, next) = node.chat_part(from, PART_BYTES).await.map_err(|error| error.to_string())?;
        Ok(LogPart { texts, next })
    }

    async fn crash(&self, said: &mut Vec<Durable>) {
        if self.crash == Crash::Offered {
            // A node that is still starting was told nothing.
            let node = self.node.borrow().clone();
            if let Some(node) = node {
                let said = std::mem::take(said);
                node.last_words(async {
                    for durable in said {
                        durable.await;
                    }
                })
                .await;
            }
            die();
        }
        tracing::info!("control port: crash is not offered here");
    }

    fn deserted(&self) {
        // At once: a farewell would hand this log to the next session.
        if self.crash == Crash::Offered {
            die();
        }
    }
}

/// Serves until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, node: watch::Receiver<Option<NodeHandle>>, crash: Crash) {
    classroom::serve(listener, Desk::new(node, crash), Arc::new(Counters::default())).await;
}

/// Ends the process here and now.
fn die() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort();
}
