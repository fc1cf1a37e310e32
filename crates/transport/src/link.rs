//! A link: frames in, frames out, with bounds and deadlines on both (docs/protocol.md, F).

use std::io;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rumormill_wire::NodeId;
use rumormill_wire::native::{ALPN, LENGTH_LEN, WireError, frame_len};
use rustls::{NamedGroup, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout};

use crate::clock::unix;
use crate::metrics::Metrics;
use crate::rates::{Limits, Payer};
use crate::refusal::Refusal;
use crate::stream::{Stream, Wire};
use crate::trust::Trust;

pub use crate::rates::LinkLimits;

/// Bytes read ahead for short frames; a long one is read into its own buffer. An idle link keeps this much, a page of memory.
const READ_AHEAD: usize = 4 * 1024;
/// Bytes put together before they are given to TLS, four of its records (RFC 8446, 5.1); what is longer goes by itself.
const COALESCE: usize = 64 * 1024;
/// Plain bytes that TLS may hold before the socket takes them: as many as a node writes at once.
const TLS_BUFFER: usize = 128 * 1024;

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The connection broke, or ended without a farewell.
    #[error("connection lost: {}", cause(.0))]
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
    /// A frame that had begun was not whole in this time, though some of it kept coming.
    #[error("a frame did not end within {0:?}")]
    Unended(Duration),
    /// The peer takes nothing.
    #[error("the peer took nothing for {0:?}")]
    Stalled(Duration),
}

/// TLS names a page of its documentation for an end without a farewell; here that is a crash or a cut wire.
fn cause(error: &io::Error) -> String {
    let told = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (error.kind(), told) {
        (io::ErrorKind::UnexpectedEof, _) => "it ended without a farewell".to_owned(),
        // A dialler hears here what the other side found wrong with its certificate.
        (_, Some(alert @ rustls::Error::AlertReceived(_))) => Refusal::of_tls(alert).to_string(),
        _ => error.to_string(),
    }
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
    until: SystemTime,
    addr: SocketAddr,
    tls: TlsInfo,
}

impl AuthenticatedPeer {
    /// The public key of its certificate, whose secret half it has shown to have.
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
    /// Until when its certificate is valid.
    #[must_use]
    pub const fn until(&self) -> SystemTime {
        self.until
    }
    /// Where the connection comes from or goes to.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// TLS version and key exchange group that both agreed on.
    #[must_use]
    pub const fn tls(&self) -> &TlsInfo {
        &self.tls
    }
}

/// A link, fresh from its handshake.
#[derive(Debug)]
pub struct Opened {
    /// The half that gives what the peer sends, frame by frame.
    pub reader: LinkReader,
    /// The half that sends frames to the peer.
    pub writer: LinkWriter,
    /// Who is there, proven by the handshake.
    pub peer: AuthenticatedPeer,
    /// Until when the certificate of ours is valid that this link was made with.
    pub ours_until: SystemTime,
}

/// Makes a link of a finished handshake.
pub(crate) fn open(mut stream: Stream, addr: SocketAddr, trust: &Trust, limits: &Limits) -> Result<Opened, Refusal> {
    stream.handshake_done(TLS_BUFFER);
    let session = stream.session();
    if session.alpn_protocol() != Some(ALPN) {
        return Err(Refusal::Alpn);
    }
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Err(Refusal::TlsVersion);
    }
    let certificate = session.peer_certificates().and_then(<[_]>::first).ok_or(Refusal::NoCertificate)?;
    let info = trust.check_link(certificate, unix(SystemTime::now()))?;
    let group = session.negotiated_key_exchange_group().map(|group| group.name());
    let peer = AuthenticatedPeer {
        node: info.node,
        name: info.name,
        certificate: Bytes::copy_from_slice(certificate),
        until: info.not_after,
        addr,
        tls: TlsInfo { version: "TLSv1.3", group: group.map_or_else(String::new, group_name) },
    };
    let wire = stream.wire();
    let (read, write) = tokio::io::split(stream);
    let reader = LinkReader {
        stream: read,
        wire: Arc::clone(&wire),
        ahead: BytesMut::with_capacity(READ_AHEAD),
        partial: None,
        payer: Payer::new(limits.rates(info.node)),
        idle: limits.limits.idle,
        slowest_bytes_per_s: limits.limits.slowest_bytes_per_s,
        metrics: Arc::clone(&limits.metrics),
    };
    let writer = LinkWriter {
        stream: write,
        wire,
        together: Vec::with_capacity(1_024),
        deadline: limits.limits.write,
        metrics: Arc::clone(&limits.metrics),
    };
    let ours_until = peer.until;
    Ok(Opened { reader, writer, peer, ours_until })
}

fn group_name(group: NamedGroup) -> String {
    group.as_str().map_or_else(|| format!("{group:?}"), str::to_owned)
}

/// The half that frames come out of.
#[derive(Debug)]
pub struct LinkReader {
    stream: ReadHalf<Stream>,
    ahead: BytesMut,
    partial: Option<Partial>,
    payer: Payer,
    wire: Arc<Wire>,
    idle: Duration,
    slowest_bytes_per_s: NonZeroU32,
    metrics: Arc<Metrics>,
}

/// What has arrived of a link's bytes, for whoever watches it while another reads.
#[derive(Debug, Clone)]
pub struct Arrivals(Arc<Wire>);

impl Arrivals {
    /// How long nothing has arrived, be it the smallest part of a frame: a frame takes its time on a slow line, and is a sign of life
    /// before it is whole.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        self.0.silent_for()
    }
}

/// A frame that has begun to arrive: one allocation of its exact length.
#[derive(Debug)]
struct Partial {
    bytes: BytesMut,
    missing: usize,
    begun: Instant,
}

impl LinkReader {
    /// The next frame: kind and payload, without the length. `None` at a clean end. A node over its rate gets its frame,
    /// and then waits before the next is read. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`LinkError`]; the link is then over. It is idle if no byte has arrived for so long.
    pub async fn next_frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        self.payer.pay(&self.metrics).await;
        let frame = loop {
            match timeout(self.idle, self.read_frame()).await {
                Ok(frame) => break frame?,
                Err(_) if self.wire.silent_for() >= self.idle => return Err(LinkError::Idle(self.idle)),
                Err(_) => self.may_go_on()?,
            }
        };
        if let Some(frame) = &frame {
            self.payer.owe(frame);
            Metrics::add(&self.metrics.bytes_in, frame.len().saturating_add(LENGTH_LEN));
        }
        Ok(frame)
    }

    /// Whether the frame that has begun has time left.
    fn may_go_on(&self) -> Result<(), LinkError> {
        let Some(Partial { bytes, missing, begun }) = &self.partial else { return Ok(()) };
        let length = u64::try_from(bytes.len().saturating_add(*missing)).unwrap_or(u64::MAX);
        let ms = length.saturating_mul(1_000) / NonZeroU64::from(self.slowest_bytes_per_s);
        let time = self.idle.saturating_add(Duration::from_millis(ms));
        if begun.elapsed() < time { Ok(()) } else { Err(LinkError::Unended(time)) }
    }

    /// What has arrived, for whoever watches meanwhile.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals(Arc::clone(&self.wire))
    }

    async fn read_frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            if self.partial.is_none() {
                self.partial = self.begin()?;
            }
            let read = match &mut self.partial {
                Some(frame) if frame.missing == 0 => return Ok(self.partial.take().map(|frame| frame.bytes.freeze())),
                Some(frame) => {
                    let read = self.stream.read_buf(&mut (&mut frame.bytes).limit(frame.missing)).await?;
                    frame.missing = frame.missing.saturating_sub(read);
                    read
                }
                None => {
                    self.ahead.reserve(READ_AHEAD.saturating_sub(self.ahead.len()));
                    self.stream.read_buf(&mut self.ahead).await?
                }
            };
            if read == 0 {
                let clean = self.ahead.is_empty() && self.partial.is_none();
                return if clean { Ok(None) } else { Err(LinkError::Truncated) };
            }
        }
    }

    /// Takes a length off what was read ahead, and what is there of its frame.
    fn begin(&mut self) -> Result<Option<Partial>, LinkError> {
        let Some(total) = frame_len(&self.ahead).map_err(LinkError::Frame)? else { return Ok(None) };
        self.ahead.advance(LENGTH_LEN);
        let length = total.saturating_sub(LENGTH_LEN);
        // A buffer of its own: a frame that is kept must not keep its neighbours.
        let mut bytes = BytesMut::with_capacity(length);
        let here = self.ahead.split_to(length.min(self.ahead.len()));
        bytes.extend_from_slice(&here);
        Ok(Some(Partial { missing: length.saturating_sub(here.len()), bytes, begun: Instant::now() }))
    }
}

/// The half that frames go into.
#[derive(Debug)]
pub struct LinkWriter {
    stream: WriteHalf<Stream>,
    wire: Arc<Wire>,
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
        let mut bytes = 0usize;
        for piece in pieces {
            bytes = piece.len().saturating_add(bytes);
            if self.together.len().saturating_add(piece.len()) > COALESCE {
                self.push().await?;
            }
            if piece.len() >= COALESCE {
                Self::while_taken(&self.wire, self.deadline, self.stream.write_all(piece)).await?;
            } else {
                self.together.extend_from_slice(piece);
            }
        }
        self.push().await?;
        Self::while_taken(&self.wire, self.deadline, self.stream.flush()).await?;
        self.together.shrink_to(4 * 1_024);
        Metrics::add(&self.metrics.bytes_out, bytes);
        Ok(bytes)
    }

    async fn push(&mut self) -> Result<(), LinkError> {
        if !self.together.is_empty() {
            Self::while_taken(&self.wire, self.deadline, self.stream.write_all(&self.together)).await?;
            self.together.clear();
        }
        Ok(())
    }

    /// Goes on for as long as the system takes something within each such time: a peer that reads slowly is not one that reads nothing.
    async fn while_taken(
        wire: &Wire,
        deadline: Duration,
        act: impl Future<Output = io::Result<()>>,
    ) -> Result<(), LinkError> {
        tokio::pin!(act);
        loop {
            let before = wire.taken.load(Relaxed);
            match timeout(deadline, &mut act).await {
                Ok(result) => return Ok(result?),
                Err(_) if wire.taken.load(Relaxed) == before => return Err(LinkError::Stalled(deadline)),
                Err(_) => {}
            }
        }
    }

    /// Closes our half of the connection without TLS's farewell: the peer reads what was written, and then sees a crash.
    pub async fn cut(mut self) {
        self.wire.mute.store(true, Relaxed);
        let _ = self.stream.shutdown().await;
    }

    /// Says goodbye to TLS and closes.
    pub async fn close(mut self) {
        let _ = timeout(self.deadline.min(Duration::from_secs(1)), self.stream.shutdown()).await;
    }
}
