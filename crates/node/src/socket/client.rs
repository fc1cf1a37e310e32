//! The client's end of the local socket: what the command line uses.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rumormill_wire::NodeId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Info, MAX_LINE, Reply, Request, Sent};
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
    /// The connection broke.
    #[error("the node went away: {0}")]
    Io(#[from] io::Error),
    /// The node says no.
    #[error("{0}")]
    Refused(String),
    /// The node speaks another version.
    #[error("the node's answer makes no sense here; are both of one version?")]
    Answer,
}

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
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// No node answers there.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).await;
        let stream = stream.map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(super) async fn put(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
        line.push(b'\n');
        Ok(self.stream.get_mut().write_all(&line).await?)
    }

    pub(super) async fn next(&mut self) -> Result<Reply, ClientError> {
        let mut line = Vec::new();
        // A reply to `peers` or `metrics` is longer than a message.
        let most = u64::try_from(MAX_LINE.saturating_mul(64)).unwrap_or(u64::MAX);
        let read = (&mut self.stream).take(most).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match serde_json::from_slice(&line).map_err(|_| ClientError::Answer)? {
            Reply::Error(reason) => Err(ClientError::Refused(reason)),
            reply => Ok(reply),
        }
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.put(request).await?;
        self.next().await
    }

    /// Writes a message to a room (empty: the common one) and waits until it is durable.
    ///
    /// # Errors
    /// The node refuses it, or went away.
    pub async fn send(&mut self, text: &str, room: &str) -> Result<Sent, ClientError> {
        let request = Request::Send { text: text.to_owned(), room: room.to_owned(), kind: None };
        match self.ask(&request).await? {
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
        self.put(&Request::Log { follow, room: room.map(str::to_owned), last, mark: false }).await?;
        loop {
            let event = match self.next().await? {
                Reply::Line(line) => LogEvent::Line(Box::new(line)),
                Reply::Missed { bundles } => LogEvent::Missed(bundles),
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
