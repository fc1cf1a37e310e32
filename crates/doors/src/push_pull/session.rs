//! One connection: a request, its reply, and a close that the client sees as an end and not as an error.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::push_pull::{PUSH, Reply, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::config::Config;
use super::doubts::Doubts;
use super::given::Given;
use super::places::ClientPlace;
use super::request::{Read, check, is_more, read};
use crate::counters::Counters;
use crate::lock::lock;
use crate::service_error::ServiceError;
use crate::services::Letters;

/// A client that takes no byte for so long is dropped.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);
/// The node stores a letter within this, or the client hears FAIL.
const PUSH_DEADLINE: Duration = Duration::from_secs(10);
/// After the reply the client's end is waited for so long.
const LINGER: Duration = Duration::from_secs(1);
/// PULLs that are being given something at once. One more hears FAIL.
pub(super) const MAX_PULLS: u32 = 16;

/// What all connections share.
pub(super) struct Server<L: Letters> {
    pub(super) config: Config,
    pub(super) letters: L,
    pub(super) counters: Arc<Counters>,
    /// Clients of PULL that may have died.
    pub(super) doubts: Doubts,
    pub(super) pulls: Semaphore,
    pub(super) given: Given<L::Taken>,
    /// True once the door closes.
    pub(super) closing: watch::Sender<bool>,
    said: LastFailure,
}

/// Why a PUSH failed, as it was said last: a client hears FAIL and no reason, so the log has it, once for each.
#[derive(Default)]
struct LastFailure(std::sync::Mutex<String>);

impl LastFailure {
    fn fail(&self, why: &str) {
        let mut said = lock(&self.0);
        if *said == why {
            debug!(why, "push-pull: a PUSH failed");
        } else {
            warn!(why, "push-pull: a PUSH failed");
            why.clone_into(&mut said);
        }
    }
}

impl<L: Letters> Server<L> {
    pub(super) fn new(config: Config, letters: L, counters: Arc<Counters>) -> Self {
        Self {
            config,
            letters,
            given: Given::new(Arc::clone(&counters)),
            closing: watch::Sender::new(false),
            counters,
            doubts: Doubts::default(),
            pulls: Semaphore::new(MAX_PULLS as usize),
            said: LastFailure::default(),
        }
    }

    pub(super) async fn serve(&self, mut stream: TcpStream, place: &ClientPlace) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let Read::Request(bytes) = read(&mut stream, self.config.idle, &self.counters).await? else { return Ok(()) };
        place.served(true);
        if let Err(stranger) = check(&bytes) {
            warn!("push-pull: {stranger}; the connection is closed");
            Counters::one(&self.counters.malformed);
            return Ok(());
        }
        let reply = match Request::parse(&bytes) {
            Ok(Request::Pull) => return self.pull(stream, place).await,
            Ok(Request::Push { destination, contents }) => self.push(destination, contents).await,
            Err(why) => {
                Counters::one(&self.counters.malformed);
                // Its user hears FAIL, and may not know that a letter is one line and has an end.
                if bytes.starts_with(PUSH.as_bytes()) {
                    Counters::one(&self.counters.dropped_in);
                    self.said.fail(&format!("{}; nothing of it is sent", why.reason));
                } else {
                    debug!(%why, "push-pull: no request");
                }
                Reply::Fail
            }
        };
        self.reply(&mut stream, reply).await?;
        place.served(false);
        // What is left unread would make the system send a reset, which takes the reply back.
        if end(&mut stream).await? == Ended::ByMore && reply == Reply::Success {
            // A line end or a pause was taken for its end, and the reply is said.
            Counters::one(&self.counters.malformed);
            warn!("push-pull: what came behind the end of a request was not taken; a request is one line");
        }
        Ok(())
    }

    async fn push(&self, destination: &str, contents: &str) -> Reply {
        match within(PUSH_DEADLINE, self.letters.push(destination, contents)).await {
            Ok(()) => {
                Counters::one(&self.counters.messages_in);
                Reply::Success
            }
            Err(why) => {
                Counters::one(&self.counters.dropped_in);
                if matches!(why, ServiceError::OverShare { .. }) {
                    Counters::one(&self.counters.over_share);
                }
                self.said.fail(&why.to_string());
                Reply::Fail
            }
        }
    }

    pub(super) async fn reply(&self, stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        self.write(stream, &bytes).await
    }

    /// One write, which the client takes with one read.
    pub(super) async fn write(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        timeout(WRITE_DEADLINE, stream.write_all(bytes)).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        Counters::add(&self.counters.bytes_out, bytes.len());
        Ok(())
    }
}

/// How a client ended after the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It closed, or stays and says nothing.
    Well,
    /// It said something more, which has no answer.
    ByMore,
}

/// Says that nothing more comes and waits for the client's end, but not long: one that stays is well.
pub(super) async fn end(stream: &mut TcpStream) -> std::io::Result<Ended> {
    stream.shutdown().await?;
    timeout(LINGER, ended(stream)).await.unwrap_or(Ok(Ended::Well))
}

/// Waits for the client's end, or until it asks for something more. An error is the client's: it died with something unread.
pub(super) async fn ended(stream: &mut TcpStream) -> std::io::Result<Ended> {
    let mut scrap = [0; 4_096];
    loop {
        let read = stream.read(&mut scrap).await?;
        if read == 0 {
            break;
        }
        // A line end may still belong to its request.
        if scrap.get(..read).is_some_and(is_more) {
            return Ok(Ended::ByMore);
        }
    }
    // A client that had closed its sending half before it died shows its end first and the reset behind it.
    stream.take_error()?.map_or(Ok(Ended::Well), Err)
}

/// Waits no longer than `deadline`; then it is [`ServiceError::TooSlow`].
pub(super) async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, ServiceError>> + Send,
) -> Result<T, ServiceError> {
    timeout(deadline, work).await.unwrap_or(Err(ServiceError::TooSlow))
}
