//! A link: frames in, frames out, with bounds and deadlines on both (docs/protocol.md, F).

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rumormill_wire::NodeId;
use rumormill_wire::native::{ALPN, LENGTH_LEN, MAX_FRAME_LEN, WireError, frame_len};
use rustls::{NamedGroup, ProtocolVersion};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::endpoint::Opened;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::trust::Trust;

/// Bytes read ahead of the frame in hand.
const READ_AHEAD: usize = 32 * 1024;
/// Bytes put together before they are given to TLS; what is longer goes by itself.
const COALESCE: usize = 64 * 1024;
/// Plain bytes that TLS may hold before the socket takes them.
const TLS_BUFFER: usize = 256 * 1024;

/// Bounds on a link. Rates are for a node id, over all its links.
#[derive(Debug, Clone, Copy)]
pub struct LinkLimits {
    /// Frames a second, and as many at once.
    pub frames_per_s: NonZeroU32,
    /// Bytes a second, and as many at once; at least the longest frame.
    pub bytes_per_s: NonZeroU32,
    /// Without a frame for so long, the link ends.
    pub idle: Duration,
    /// A peer that takes nothing for so long loses the link.
    pub write: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            frames_per_s: NonZeroU32::MIN.saturating_add(49_999),
            bytes_per_s: NonZeroU32::MIN.saturating_add(256 * 1024 * 1024 - 1),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
        }
    }
}

#[derive(Debug)]
struct NodeRates {
    frames: DefaultDirectRateLimiter,
    bytes: DefaultDirectRateLimiter,
}

/// The rates of all nodes that have links.
#[derive(Debug)]
pub(crate) struct Limits {
    limits: LinkLimits,
    nodes: Mutex<BTreeMap<NodeId, Weak<NodeRates>>>,
    metrics: Arc<Metrics>,
}

impl Limits {
    pub(crate) fn new(limits: LinkLimits, metrics: Arc<Metrics>) -> Self {
        let least = NonZeroU32::MIN.saturating_add(u32::try_from(MAX_FRAME_LEN).unwrap_or(u32::MAX));
        let limits = LinkLimits { bytes_per_s: limits.bytes_per_s.max(least), ..limits };
        Self { limits, nodes: Mutex::new(BTreeMap::new()), metrics }
    }

    /// Bounded by the links that are open: a node without one is forgotten here.
    fn rates(&self, node: NodeId) -> Arc<NodeRates> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|_, rates| rates.strong_count() > 0);
        if let Some(rates) = nodes.get(&node).and_then(Weak::upgrade) {
            return rates;
        }
        let rates = Arc::new(NodeRates {
            frames: RateLimiter::direct(Quota::per_second(self.limits.frames_per_s)),
            bytes: RateLimiter::direct(Quota::per_second(self.limits.bytes_per_s)),
        });
        nodes.insert(node, Arc::downgrade(&rates));
        rates
    }
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection.
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    /// The peer's fault: a length that no frame has.
    #[error("bad frame: {0}")]
    Frame(WireError),
    /// The peer's fault: it ended in the middle of a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// Nothing came for too long.
    #[error("nothing was heard for {0:?}")]
    Idle(Duration),
    /// The peer takes nothing.
    #[error("the peer took nothing for {0:?}")]
    Stalled(Duration),
}

/// How a link is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// The key exchange group, `X25519MLKEM768` or `X25519`.
    pub group: String,
}

/// Who is at the other end. Only a finished handshake makes one.
#[derive(Debug, Clone)]
pub struct AuthenticatedPeer {
    node: NodeId,
    name: String,
    certificate: Bytes,
    addr: SocketAddr,
    tls: TlsInfo,
}

impl AuthenticatedPeer {
    /// Its node id.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }
    /// Its name, by certificate or pin file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Its certificate in DER.
    #[must_use]
    pub const fn certificate(&self) -> &Bytes {
        &self.certificate
    }
    /// Its address.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// Version and group.
    #[must_use]
    pub const fn tls(&self) -> &TlsInfo {
        &self.tls
    }
}

/// Either end's TLS stream.
pub(crate) enum Stream {
    Client(tokio_rustls::client::TlsStream<TcpStream>),
    Server(tokio_rustls::server::TlsStream<TcpStream>),
}

impl Stream {
    fn session(&self) -> &rustls::CommonState {
        match self {
            Self::Client(stream) => stream.get_ref().1,
            Self::Server(stream) => stream.get_ref().1,
        }
    }
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Client($stream) => $call,
            Stream::Server($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// Makes a link of a finished handshake.
pub(crate) fn open(mut stream: Stream, addr: SocketAddr, trust: &Trust, limits: &Limits) -> Result<Opened, Refusal> {
    match &mut stream {
        Stream::Client(s) => s.get_mut().1.set_buffer_limit(Some(TLS_BUFFER)),
        Stream::Server(s) => s.get_mut().1.set_buffer_limit(Some(TLS_BUFFER)),
    }
    let session = stream.session();
    if session.alpn_protocol() != Some(ALPN) {
        return Err(Refusal::Alpn);
    }
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Err(Refusal::TlsVersion);
    }
    let certificate = session.peer_certificates().and_then(<[_]>::first).ok_or(Refusal::NoCertificate)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let info = trust.check_link(certificate, UnixTime::since_unix_epoch(since))?;
    let group = session.negotiated_key_exchange_group().map(|group| group.name());
    let peer = AuthenticatedPeer {
        node: info.node,
        name: info.name,
        certificate: Bytes::copy_from_slice(certificate),
        addr,
        tls: TlsInfo { version: "TLSv1.3", group: group.map_or_else(String::new, group_name) },
    };
    let (read, write) = tokio::io::split(stream);
    let reader = LinkReader {
        stream: read,
        buffer: BytesMut::with_capacity(READ_AHEAD),
        rates: limits.rates(info.node),
        owed: Owed::default(),
        idle: limits.limits.idle,
        metrics: Arc::clone(&limits.metrics),
    };
    let writer = LinkWriter {
        stream: write,
        together: Vec::with_capacity(1_024),
        deadline: limits.limits.write,
        metrics: Arc::clone(&limits.metrics),
    };
    Ok(Opened { reader, writer, peer })
}

fn group_name(group: NamedGroup) -> String {
    group.as_str().map_or_else(|| format!("{group:?}"), str::to_owned)
}

/// The half that frames come out of.
#[derive(Debug)]
pub struct LinkReader {
    stream: ReadHalf<Stream>,
    buffer: BytesMut,
    rates: Arc<NodeRates>,
    owed: Owed,
    idle: Duration,
    metrics: Arc<Metrics>,
}

/// What the last frame cost and is not paid yet.
#[derive(Debug, Default)]
struct Owed {
    frame: bool,
    bytes: Option<NonZeroU32>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl LinkReader {
    /// The next frame: kind and payload, without the length. `None` at a clean end. A node over its rate gets its frame,
    /// and then waits before the next is read. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`LinkError`]; the link is then over.
    pub async fn next_frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        self.pay().await;
        let frame = match timeout(self.idle, self.read_frame()).await {
            Ok(frame) => frame?,
            Err(_) => return Err(LinkError::Idle(self.idle)),
        };
        if let Some(frame) = &frame {
            self.owed = Owed { frame: true, bytes: u32::try_from(frame.len()).ok().and_then(NonZeroU32::new) };
            Metrics::add(&self.metrics.bytes_in, frame.len().saturating_add(LENGTH_LEN));
        }
        Ok(frame)
    }

    async fn read_frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            let length = frame_len(&self.buffer).map_err(LinkError::Frame)?;
            match length {
                Some(total) if self.buffer.len() >= total => {
                    // A buffer of its own: a frame that is kept must not keep its neighbours.
                    let frame = self.buffer.get(LENGTH_LEN..total).map(Bytes::copy_from_slice);
                    self.buffer.advance(total);
                    return Ok(frame);
                }
                Some(total) => self.buffer.reserve(total.saturating_sub(self.buffer.len())),
                None => self.buffer.reserve(READ_AHEAD),
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(LinkError::Truncated) };
            }
        }
    }

    async fn pay(&mut self) {
        if self.owed.frame {
            if self.rates.frames.check().is_err() {
                Metrics::add(&self.metrics.slowed, 1);
                self.rates.frames.until_ready().await;
            }
            self.owed.frame = false;
        }
        if let Some(bytes) = self.owed.bytes {
            if !matches!(self.rates.bytes.check_n(bytes), Ok(Ok(()))) {
                Metrics::add(&self.metrics.slowed, 1);
                let _ = self.rates.bytes.until_n_ready(bytes).await;
            }
            self.owed.bytes = None;
        }
    }
}

/// The half that frames go into.
#[derive(Debug)]
pub struct LinkWriter {
    stream: WriteHalf<Stream>,
    together: Vec<u8>,
    deadline: Duration,
    metrics: Arc<Metrics>,
}

impl LinkWriter {
    /// Sends pieces in order, short ones put together, and flushes. Whole frames or parts of them, as the caller likes.
    ///
    /// # Errors
    /// [`LinkError::Stalled`] if the peer takes nothing; the link is then over.
    pub async fn send<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<usize, LinkError> {
        let mut bytes = 0;
        for piece in pieces {
            bytes += piece.len();
            if self.together.len() + piece.len() > COALESCE {
                self.push().await?;
            }
            if piece.len() >= COALESCE {
                Self::within(self.deadline, self.stream.write_all(piece)).await?;
            } else {
                self.together.extend_from_slice(piece);
            }
        }
        self.push().await?;
        Self::within(self.deadline, self.stream.flush()).await?;
        self.together.shrink_to(4 * 1_024);
        Metrics::add(&self.metrics.bytes_out, bytes);
        Ok(bytes)
    }

    async fn push(&mut self) -> Result<(), LinkError> {
        if !self.together.is_empty() {
            Self::within(self.deadline, self.stream.write_all(&self.together)).await?;
            self.together.clear();
        }
        Ok(())
    }

    async fn within(deadline: Duration, act: impl Future<Output = io::Result<()>>) -> Result<(), LinkError> {
        match timeout(deadline, act).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(LinkError::Stalled(deadline)),
        }
    }

    /// Says goodbye to TLS and closes.
    pub async fn close(mut self) {
        let _ = Self::within(self.deadline.min(Duration::from_secs(1)), self.stream.shutdown()).await;
    }
}
