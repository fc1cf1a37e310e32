//! A connection to a running node: one question after another.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rumormill_wire::NodeId;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use crate::door::DoorInfo;
use crate::error::ClientError;
use crate::patience::Patience;
use crate::peer::{NeighbourInfo, PeerInfo};
use crate::reply::{Frontier, Info, Reply, RevocationPart, Sent};
use crate::request::Request;
use crate::socket::MAX_LINE;
use crate::whose::{self, Whose};

/// Between two tries to connect where there is no place yet.
const RETRY: Duration = Duration::from_millis(20);

/// A connection to a running node.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    pub(crate) path: PathBuf,
    pub(crate) patience: Patience,
    /// The process that listened there.
    pub(crate) node: Option<i32>,
}

impl Client {
    /// Connects to the node whose local socket is `path`, with the usual times to wait.
    ///
    /// # Errors
    /// No node answers there, one that hangs, or another user's.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_with(path, Patience::default()).await
    }

    /// [`Client::connect`], with other times for how long is waited.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_with(path: &Path, patience: Patience) -> Result<Self, ClientError> {
        Self::connect_to(path, Whose::Own, patience).await
    }

    /// [`Client::connect_with`], where the node may be another user's.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_to(path: &Path, whose: Whose, patience: Patience) -> Result<Self, ClientError> {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => {
                    whose::look(&stream, path, whose)?;
                    let node = stream.peer_cred()?.pid();
                    return Ok(Self { stream: BufReader::new(stream), path: path.to_owned(), patience, node });
                }
                // As many wait there as may, and the node takes none of them.
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    if begun.elapsed() >= patience.answer {
                        return Err(ClientError::Hangs { path: path.to_owned(), waited: patience.answer });
                    }
                    sleep(RETRY).await;
                }
                Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(ClientError::Denied { path: path.to_owned(), source });
                }
                Err(source) => return Err(ClientError::Connect { path: path.to_owned(), source }),
            }
        }
    }

    pub(crate) async fn put(&mut self, request: &Request) -> Result<(), ClientError> {
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
    pub(crate) async fn next(&mut self, begins: Option<Duration>) -> Result<Reply, ClientError> {
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

    /// All links that are up, those that neighbours began too.
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

    /// All doors that are open, by kind, with what they counted.
    ///
    /// # Errors
    /// The node went away.
    pub async fn doors(&mut self) -> Result<Vec<DoorInfo>, ClientError> {
        match self.ask(&Request::Doors).await? {
            Reply::Doors(doors) => Ok(doors),
            _ => Err(ClientError::Answer),
        }
    }

    /// All counters and gauges of the node, by name; counters begin at 0 with each start.
    ///
    /// # Errors
    /// The node went away.
    pub async fn metrics(&mut self) -> Result<BTreeMap<String, u64>, ClientError> {
        match self.ask(&Request::Metrics).await? {
            Reply::Metrics(metrics) => Ok(metrics),
            _ => Err(ClientError::Answer),
        }
    }

    /// Asks who the node is ([`Request::Info`]).
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
    pub async fn frontier(&mut self, node: &NodeId) -> Result<Frontier, ClientError> {
        match self.ask(&Request::Frontier { node: node.to_string() }).await? {
            Reply::Frontier(frontier) => Ok(frontier),
            _ => Err(ClientError::Answer),
        }
    }

    /// The part of its revocation list for node ids with this first byte.
    ///
    /// # Errors
    /// The node went away.
    pub async fn revocation_part(&mut self, place: u8) -> Result<RevocationPart, ClientError> {
        match self.ask(&Request::RevocationPart { place }).await? {
            Reply::RevocationPart(part) => Ok(part),
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
