//! The client's end of the local socket: what the command line uses.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rumormill_wire::NodeId;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Info, MAX_LINE, Patience, Reply, Request, Sent, whose};
use crate::doors::DoorInfo;
use crate::handle::PeerInfo;
use crate::link::neighbours::NeighbourInfo;
use crate::view::LogLine;

/// Why a node could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No node there.
    #[error("no node answers at {}: {source}; is it running, and is this its --state or --socket?", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another user listens there.
    #[error(
        "another user listens at {} (uid {listener}; this runs as {me}); nothing was sent",
        path.display()
    )]
    Stranger {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        listener: u32,
        /// Whose user this runs as.
        me: u32,
    },
    /// It takes a connection, and then nothing comes of it.
    #[error("the node at {} hangs: it did not answer within {} s", path.display(), waited.as_secs_f32())]
    Hangs {
        /// Where.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The same, and what was asked for may have been done.
    #[error(
        "the node at {} did not say within {} s that the message is durable; it may be written yet: look at the log before you \
         send it again",
        path.display(),
        waited.as_secs_f32()
    )]
    Unanswered {
        /// Where.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection broke.
    #[error("the node went away: {0}")]
    Io(#[from] io::Error),
    /// The node says no.
    #[error("{0}")]
    Refused(String),
    /// It was asked for wrongly.
    #[error("{0}")]
    Wrong(String),
    /// The node speaks another version.
    #[error("the node's answer makes no sense here; are both of one version?")]
    Answer,
}

/// Between two tries to connect where there is no place yet.
const RETRY: Duration = Duration::from_millis(20);

/// One step of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// A message.
    Line(Box<LogLine>),
    /// Some were missed because this client was too slow.
    Missed(u64),
}

/// A connection to a running node.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    pub(super) patience: Patience,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// No node answers there, one that hangs, or another user's.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_with(path, Patience::default()).await
    }

    /// The same, with other times.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_with(path: &Path, patience: Patience) -> Result<Self, ClientError> {
        let deadline = Instant::now() + patience.answer;
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => {
                    whose::look(&stream, path)?;
                    return Ok(Self { stream: BufReader::new(stream), path: path.to_owned(), patience });
                }
                // As many wait there as may, and the node takes none of them.
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(ClientError::Hangs { path: path.to_owned(), waited: patience.answer });
                    }
                    sleep(RETRY).await;
                }
                Err(source) => return Err(ClientError::Connect { path: path.to_owned(), source }),
            }
        }
    }

    pub(super) async fn put(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
        line.push(b'\n');
        let (time, path) = (self.patience.answer, self.path.clone());
        let put = timeout(time, self.stream.get_mut().write_all(&line)).await;
        let put = put.map_err(|_| ClientError::Hangs { path, waited: time })?;
        if let Err(why) = put {
            // A node that has no place for us says so and closes before it reads.
            return match self.next(Some(time)).await {
                Err(ClientError::Refused(reason)) => Err(ClientError::Refused(reason)),
                _ => Err(why.into()),
            };
        }
        Ok(())
    }

    /// The next reply, which has to begin within this time, if one is given, and to go on without long pauses.
    pub(super) async fn next(&mut self, begins: Option<Duration>) -> Result<Reply, ClientError> {
        let mut line = Vec::new();
        let mut wait = begins;
        loop {
            let hangs = |waited| ClientError::Hangs { path: self.path.clone(), waited };
            let read = async { self.stream.fill_buf().await.map(<[u8]>::len) };
            let here = match wait {
                Some(waited) => timeout(waited, read).await.map_err(|_| hangs(waited))??,
                None => read.await?,
            };
            if here == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let bytes = self.stream.buffer();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(here, |at| at.saturating_add(1));
            line.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            self.stream.consume(taken);
            if end.is_some() {
                break;
            }
            // A reply to `peers` or `metrics` is longer than a message.
            if line.len() >= MAX_LINE.saturating_mul(64) {
                return Err(ClientError::Answer);
            }
            wait = Some(self.patience.answer);
        }
        match serde_json::from_slice(&line).map_err(|_| ClientError::Answer)? {
            Reply::Error(reason) => Err(ClientError::Refused(reason)),
            Reply::Wrong(reason) => Err(ClientError::Wrong(reason)),
            reply => Ok(reply),
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.put(request).await?;
        self.next(Some(self.patience.answer)).await
    }

    /// Writes a message to a room (empty: the common one) and waits until it is durable.
    ///
    /// # Errors
    /// The node refuses it, or went away.
    pub async fn send(&mut self, text: &str, room: &str) -> Result<Sent, ClientError> {
        let request = Request::Send { text: text.to_owned(), room: room.to_owned(), kind: None };
        self.put(&request).await?;
        let reply = self.next(Some(self.patience.slow)).await.map_err(|why| match why {
            ClientError::Hangs { path, waited } => ClientError::Unanswered { path, waited },
            other => other,
        });
        match reply? {
            Reply::Sent(sent) => Ok(sent),
            _ => Err(ClientError::Answer),
        }
    }

    /// Gives the log line by line, and with `follow` what comes, until `each` says stop by giving false.
    ///
    /// # Errors
    /// The store cannot be read, or the node went away.
    pub async fn log(
        &mut self,
        follow: bool,
        room: Option<&str>,
        last: Option<usize>,
        mut each: impl FnMut(LogEvent) -> bool,
    ) -> Result<(), ClientError> {
        self.put(&Request::Log { follow, room: room.map(str::to_owned), last, mark: follow }).await?;
        // A part of a log may begin far behind.
        let all = room.is_none() && last.is_none();
        let mut begins = Some(if all { self.patience.answer } else { self.patience.slow });
        loop {
            let event = match self.next(begins).await? {
                Reply::Line(line) => LogEvent::Line(Box::new(line)),
                Reply::Current {} => {
                    // What comes now may take any time.
                    begins = None;
                    continue;
                }
                Reply::Missed { messages } => LogEvent::Missed(messages),
                Reply::End {} => return Ok(()),
                _ => return Err(ClientError::Answer),
            };
            if !each(event) {
                return Ok(());
            }
        }
    }

    /// All links.
    ///
    /// # Errors
    /// The node went away.
    pub async fn peers(&mut self) -> Result<Vec<PeerInfo>, ClientError> {
        match self.ask(&Request::Peers).await? {
            Reply::Peers(peers) => Ok(peers),
            _ => Err(ClientError::Answer),
        }
    }

    /// The configured neighbours without a link.
    ///
    /// # Errors
    /// The node went away.
    pub async fn unlinked(&mut self) -> Result<Vec<NeighbourInfo>, ClientError> {
        match self.ask(&Request::Unlinked).await? {
            Reply::Unlinked(neighbours) => Ok(neighbours),
            _ => Err(ClientError::Answer),
        }
    }

    /// All open doors.
    ///
    /// # Errors
    /// The node went away.
    pub async fn doors(&mut self) -> Result<Vec<DoorInfo>, ClientError> {
        match self.ask(&Request::Doors).await? {
            Reply::Doors(doors) => Ok(doors),
            _ => Err(ClientError::Answer),
        }
    }

    /// All counters.
    ///
    /// # Errors
    /// The node went away.
    pub async fn metrics(&mut self) -> Result<BTreeMap<String, u64>, ClientError> {
        match self.ask(&Request::Metrics).await? {
            Reply::Metrics(metrics) => Ok(metrics),
            _ => Err(ClientError::Answer),
        }
    }

    /// Who the node is.
    ///
    /// # Errors
    /// The node went away.
    pub async fn info(&mut self) -> Result<Info, ClientError> {
        match self.ask(&Request::Info).await? {
            Reply::Info(info) => Ok(info),
            _ => Err(ClientError::Answer),
        }
    }

    /// Incarnation and last number of each chain of a node that this one has.
    ///
    /// # Errors
    /// The node went away.
    pub async fn frontier(&mut self, node: &NodeId) -> Result<super::Frontier, ClientError> {
        match self.ask(&Request::Frontier { node: node.to_string() }).await? {
            Reply::Frontier(frontier) => Ok(frontier),
            _ => Err(ClientError::Answer),
        }
    }

    /// Asks the node to drain and leave.
    ///
    /// # Errors
    /// The node went away before it answered.
    pub async fn shutdown(&mut self) -> Result<(), ClientError> {
        match self.ask(&Request::Shutdown).await? {
            Reply::Stopping {} => Ok(()),
            _ => Err(ClientError::Answer),
        }
    }
}
