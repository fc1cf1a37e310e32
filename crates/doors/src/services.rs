//! What a node offers to its doors beside the port: letters, and the log as the node's own people see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rumormill_wire::classroom::RenderedMessages;

use crate::counters::Counters;
use crate::holds::Hold;
use crate::service_error::ServiceError;

/// All of it. A door takes what it needs.
pub trait Services: Clone + Send + Sync + 'static {
    /// Where letters are left and taken.
    type Letters: Letters;
    /// The log as the node's own people read and write it.
    type Chat: Chat;

    /// Where letters are left and wait; there for doors that need it ([`crate::LetterUse::Needed`]).
    fn letters(&self) -> Option<Self::Letters>;

    /// The chat, as the node itself; what becomes of its messages later is counted where the door counts.
    fn chat(&self, counters: &Arc<Counters>) -> Self::Chat;
}

/// A letter that waits, held for whoever asked: no other client is given it as long as this lives.
#[derive(Debug)]
pub struct Letter {
    /// By which it is [handed over](Letters::handed_over).
    pub id: u64,
    /// Who sent it, as it is shown.
    pub source: String,
    /// What it says, opened.
    pub contents: String,
    /// That no other client is given it.
    pub hold: Hold,
}

/// Where letters are left and wait. Each future may be dropped before it is done, if a client or the door goes.
pub trait Letters: Clone + Send + Sync + 'static {
    /// Letters that were handed over, until it is known that their reader has them.
    type Taken: Send;

    /// Queues it durably for delivery. Waits for the rate of the door's messages, first come, first served. After an error
    /// nothing was stored.
    fn push(&self, destination: &str, contents: &str) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// What waits and nobody holds, at most `max`: senders take turns, and of each the oldest comes first. Whoever asks holds it
    /// from then on, so clients who ask at once share what waits.
    fn waiting(&self, max: usize) -> impl Future<Output = Result<Vec<Letter>, ServiceError>> + Send;

    /// These were handed over: durably never to be shown again, unless [brought back](Letters::bring_back).
    fn handed_over(&self, ids: Vec<u64>) -> impl Future<Output = Result<Self::Taken, ServiceError>> + Send;

    /// Whoever they were handed over to had not read them when it died: to be shown again. An error says why that does not outlive
    /// this run.
    fn bring_back(&self, taken: Self::Taken) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Resolves when a message is durable, or never will be.
pub type Durable = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A part of the log.
#[derive(Debug)]
pub struct LogPart<P> {
    /// Its texts, in order, as they stand in a reply: one rendering may be that of many who ask.
    pub texts: Arc<RenderedMessages>,
    /// Where the next part begins, if this one is not the last.
    pub next: Option<P>,
}

/// The chat as the node itself: what the classroom's control port drives.
pub trait Chat: Clone + Send + Sync + 'static {
    /// Takes a message; waits only while too many wait before it. What it gives resolves once the message is durable.
    /// After an error nothing was stored.
    fn say(&self, text: String) -> impl Future<Output = Result<Durable, ServiceError>> + Send;

    /// Where a part of the log begins; the default is where the log does.
    type Cursor: Default + Send;

    /// The next texts of the log, in order. Asked for only once those before are written, so that a reply is never in memory
    /// as a whole.
    fn chat_part(&self, from: Self::Cursor)
    -> impl Future<Output = Result<LogPart<Self::Cursor>, ServiceError>> + Send;

    /// Ends the process once what its client has `said` before has had its effect: it is durable and has left for the neighbours.
    /// From here on nothing new is passed on. Does nothing where that is not offered.
    fn crash(&self, said: &mut Vec<Durable>) -> impl Future<Output = ()> + Send;

    /// A client has gone, and with it the process that had started this one.
    fn deserted(&self) {}
}
