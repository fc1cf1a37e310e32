//! The TLS stream of either end, and the count of what comes in before the other end is known.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant};

use crate::refusal::Refusal;

/// Most bytes that a peer may send before we answer: a hello with a post-quantum key share takes 1.5 KiB, a certificate of
/// ours less than 1 KiB. TLS doubles its buffer beyond this, and a stalled handshake is to hold at most 12 KiB.
const MAX_FLIGHT_BYTES: usize = 4 * 1024;

/// What both halves of a link know of the socket below TLS.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Set to close without TLS's farewell.
    pub(crate) mute: AtomicBool,
    /// Bytes that the system took.
    pub(crate) taken: AtomicU64,
    begun: Instant,
    /// When bytes arrived last, in microseconds since it began.
    arrived: AtomicU64,
}

impl Wire {
    fn new() -> Self {
        Self {
            mute: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            begun: Instant::now(),
            arrived: AtomicU64::new(0),
        }
    }

    /// How long nothing has arrived, be it the smallest part of a frame.
    pub(crate) fn silent_for(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_micros(self.arrived.load(Relaxed)))
    }

    fn arrived(&self) {
        self.arrived.store(u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn took(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.taken.fetch_add(u64::try_from(*bytes).unwrap_or(u64::MAX), Relaxed);
        }
    }
}

/// A connection that takes only so many bytes before we answer, until it is told otherwise: TLS buffers what it is sent. We
/// answer twice at most, and only to what was whole.
#[derive(Debug)]
pub(crate) struct Counted {
    tcp: TcpStream,
    left: Option<usize>,
    /// TLS was told that there is nothing more for now.
    waited: bool,
    wire: Arc<Wire>,
}

impl Counted {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self { tcp, left: Some(MAX_FLIGHT_BYTES), waited: false, wire: Arc::new(Wire::new()) }
    }

    /// What came so far was whole.
    fn answered(&mut self) {
        self.left = self.left.map(|_| MAX_FLIGHT_BYTES);
        self.waited = false;
    }

    /// The other end is known; from here on frames are bounded instead.
    pub(crate) const fn stop_counting(&mut self) {
        self.left = None;
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(left) = this.left else {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.tcp).poll_read(cx, buf))?;
            if buf.filled().len() > before {
                this.wire.arrived();
            }
            return Poll::Ready(Ok(()));
        };
        if left == 0 {
            // What comes right behind the last of a handshake is the beginning of a link: if this one has ended, TLS asks no more.
            if core::mem::replace(&mut this.waited, true) {
                return Poll::Ready(Err(io::Error::other(Refusal::TooLong)));
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let most = left.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        this.left = Some(left.saturating_sub(read));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.answered();
        let written = Pin::new(&mut this.tcp).poll_write(cx, buf);
        this.wire.took(&written);
        written
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.answered();
        let written = Pin::new(&mut this.tcp).poll_write_vectored(cx, bufs);
        this.wire.took(&written);
        written
    }
    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// Either end's TLS stream.
pub(crate) enum Stream {
    Client(tokio_rustls::client::TlsStream<Counted>),
    Server(tokio_rustls::server::TlsStream<Counted>),
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    pub(crate) fn session(&self) -> &rustls::CommonState {
        match self {
            Self::Client(stream) => stream.get_ref().1,
            Self::Server(stream) => stream.get_ref().1,
        }
    }

    /// What is known of the socket, for the two halves.
    pub(crate) fn wire(&self) -> Arc<Wire> {
        let tcp = match self {
            Self::Client(stream) => stream.get_ref().0,
            Self::Server(stream) => stream.get_ref().0,
        };
        Arc::clone(&tcp.wire)
    }

    /// From here on it is a link: no count, and room for a bundle between TLS and the socket.
    pub(crate) fn handshake_done(&mut self, buffer: usize) {
        match self {
            Self::Client(stream) => {
                let (io, session) = stream.get_mut();
                io.stop_counting();
                session.set_buffer_limit(Some(buffer));
            }
            Self::Server(stream) => {
                let (io, session) = stream.get_mut();
                io.stop_counting();
                session.set_buffer_limit(Some(buffer));
            }
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
        either!(self, stream => {
            let tcp = &mut *stream.get_mut().0;
            if tcp.wire.mute.load(Relaxed) { Pin::new(tcp).poll_shutdown(cx) } else { Pin::new(stream).poll_shutdown(cx) }
        })
    }
}
