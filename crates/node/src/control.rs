//! The classroom control port over a node ([`rumormill_doors::classroom`]): the door, the port of `--control`, and that of a
//! program which is a classroom process ([`serve`]).

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use rumormill_doors::{Chat, Durable, LogPart, ServiceError, classroom};
use rumormill_gossip::Reject;
use rumormill_wire::native::MessageKind;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::door_share::Share;
use crate::handle::{ChatPlace, NodeHandle};
use crate::lock;
use crate::network_mark::NetworkMark;
use crate::open_door::OpenDoor;
use crate::outcome::SubmitError;
use crate::start_error::StartError;

pub use rumormill_doors::Counters;
pub use rumormill_doors::listen::BACKLOG;

/// Whether a client may end the process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    /// By this, once what it said before has had its effect, with no farewell: only `process` offers it.
    Offered(fn(&Counters)),
    /// The command does nothing: the process is not this client's alone.
    Refused,
}

/// The node may still be starting: a port that listens from the first moment is what old proxies ask for.
#[derive(Clone)]
pub(crate) struct Desk {
    node: watch::Receiver<Option<NodeHandle>>,
    crash: Crash,
    share: Arc<Share>,
    counters: Arc<Counters>,
    /// Why messages that were taken were not written, as it was said last.
    said: Arc<Mutex<String>>,
}

impl Desk {
    pub(crate) fn new(
        node: watch::Receiver<Option<NodeHandle>>,
        crash: Crash,
        share: Arc<Share>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { node, crash, share, counters, said: Arc::default() }
    }

    /// A message was taken and then could not be written: counted, and said once for each reason.
    fn not_written(&self, why: &str) {
        Counters::one(&self.counters.dropped_in);
        let mut said = lock(&self.said);
        if *said != why {
            tracing::warn!(why, "control port: a message was taken and is not written");
            why.clone_into(&mut said);
        }
    }

    async fn node(&self) -> Result<NodeHandle, ServiceError> {
        let mut node = self.node.clone();
        let started = node.wait_for(Option::is_some).await.map_err(|_| ServiceError::NotStarted)?;
        started.clone().ok_or(ServiceError::NotStarted)
    }
}

impl Chat for Desk {
    async fn say(&self, text: String) -> Result<Durable, ServiceError> {
        let node = self.node().await?;
        // What this network sent out comes in again by no way.
        if NetworkMark::of(&node.0.endpoint.network()).is_on(&text) {
            Counters::one(&self.counters.echoes);
            return Ok(Box::pin(std::future::ready(())));
        }
        // Not by the second as at other doors: a session says all it has at once, and asks for the log then.
        self.share.charge(text.len())?;
        let pending = node.submit(MessageKind::CHAT, "", text).await;
        let pending = pending.map_err(|error| match error {
            SubmitError::Rejected(Reject::Invalid(reason)) => ServiceError::Invalid(reason.to_string()),
            other => other.into(),
        })?;
        let this = self.clone();
        // Watched from now on: a client need not ask for the log, or be there, for it to be counted and said.
        let watched = tokio::spawn(async move {
            if let Err(error) = pending.await {
                this.not_written(&error.to_string());
            }
        });
        Ok(Box::pin(async move {
            let _ = watched.await;
        }))
    }

    type Cursor = ChatPlace;

    async fn chat_part(&self, from: ChatPlace) -> Result<LogPart<ChatPlace>, ServiceError> {
        let node = self.node().await?;
        let (texts, next) = node.chat_part(from).await.map_err(|error| ServiceError::Failed(error.to_string()))?;
        Ok(LogPart { texts, next })
    }

    async fn crash(&self, said: &mut Vec<Durable>) {
        if let Crash::Offered(end) = self.crash {
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
            end(&self.counters);
        }
        tracing::info!("control port: crash is not offered here");
    }

    fn deserted(&self) {
        // At once: a farewell would hand this log to the next session.
        if let Crash::Offered(end) = self.crash {
            end(&self.counters);
        }
    }
}

/// What the port of `--control` is called among the doors of its node.
const NAME: &str = "control";

/// Serves the port of `--control` of a running node until the runtime ends. It is shown with the doors.
pub(crate) fn open(node: &NodeHandle, listener: TcpListener) -> Result<(), StartError> {
    let listen = listener.local_addr().map_err(StartError::io("listen for", NAME))?;
    let counters = Arc::new(Counters::default());
    lock(&node.0.doors).push(OpenDoor { name: NAME.to_owned(), listen, counters: Arc::clone(&counters) });
    let (_, started) = watch::channel(Some(node.clone()));
    let share = Arc::new(Share::of_each(node.0.ways_in));
    let desk = Desk::new(started, Crash::Refused, share, Arc::clone(&counters));
    tokio::spawn(classroom::serve(listener, desk, counters));
    Ok(())
}

/// Serves the port of a process, whose node may still be starting, until the runtime ends. A client that says `crash`, or that goes
/// together with whoever started this process, has `end` called with what was counted: it is to end the process with no farewell.
#[must_use]
#[inline(never)]
pub fn serve(
    listener: TcpListener,
    node: watch::Receiver<Option<NodeHandle>>,
    counters: Arc<Counters>,
    end: fn(&Counters),
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // Nothing else can be said there: no door and no local socket.
    let share = Arc::new(Share::of_the_only_way_in());
    let desk = Desk::new(node, Crash::Offered(end), share, Arc::clone(&counters));
    Box::pin(classroom::serve(listener, desk, counters))
}
