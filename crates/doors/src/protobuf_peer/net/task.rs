//! One connection, from its first byte to its last.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rumormill_limits::{Rate, Timestamp};
use rumormill_wire::protobuf_peer::{LENGTH_LEN, frame_len};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout, timeout_at};
use tracing::{debug, info};

use super::super::framed::Framed;
use super::super::link::LinkId;
use super::super::message::ProtocolMessage;
use super::super::router::Input;
use super::{FLUSH, Net, Outbound, Outlet};
use crate::counters::Counters;

/// A peer that takes no byte for so long is dropped.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// A frame is whole so long after its first byte.
const FRAME_DEADLINE: Duration = Duration::from_secs(10);
/// Frames of one connection, 500 a second and 1,500 at once, as a host hands over all it kept. Who sends faster waits: TCP tells him
/// so, and the others go on.
const FRAMES: Rate = Rate::new(1_500, 500);
/// Connections that are read to their end only so that the refusal arrives.
const MAX_LINGERING: usize = 32;
/// Bytes read at once.
const READ_SIZE: usize = 8 * 1_024;
/// So that the longest frame goes into the socket at once.
const SEND_BUFFER: usize = 512 * 1_024;

impl Net {
    /// Serves one connection to its end.
    pub(crate) async fn link(self: Arc<Self>, stream: TcpStream, called: bool) -> io::Result<()> {
        let address = stream.peer_addr()?;
        let socket = socket2::SockRef::from(&stream);
        socket.set_tcp_nodelay(true)?;
        socket.set_keepalive(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        let (kill, mut killed) = oneshot::channel();
        let (link, waiting) = self.opened(address, called, kill);
        let (mut read, write) = stream.into_split();
        let mut writer = std::pin::pin!(self.write(link, write, waiting));
        let refused = tokio::select! {
            biased;
            _ = &mut killed => false,
            ended = self.read(link, &mut read) => {
                if let Err(why) = ended {
                    debug!(peer = %address, "protobuf-peer: a link ended: {why}");
                }
                self.is_refused(link)
            }
            ended = &mut writer => {
                if let Err(why) = ended {
                    info!(peer = %address, "protobuf-peer: a link is closed: it takes nothing: {why}");
                }
                false
            }
        };
        if refused && timeout(FLUSH, writer).await.is_ok() {
            self.linger(&mut read).await;
        }
        // The router may have closed it before.
        let _ = self.feed(Input::Closed { link });
        self.state().outlets.remove(&link);
        Ok(())
    }

    fn opened(
        &self,
        address: SocketAddr,
        called: bool,
        kill: oneshot::Sender<()>,
    ) -> (LinkId, mpsc::UnboundedReceiver<Outbound>) {
        let (frames, waiting) = mpsc::unbounded_channel();
        let mut state = self.state();
        let link = state.next;
        state.next = state.next.saturating_add(1);
        state.outlets.insert(link, Outlet { frames: Some(frames), _kill: kill, address });
        let _ = self.feed_in(&mut state, Input::Opened { link, address: address.ip().to_canonical(), called });
        (link, waiting)
    }

    /// Whether the router wants a link closed once all is written.
    fn is_refused(&self, link: LinkId) -> bool {
        self.state().outlets.get(&link).is_some_and(|outlet| outlet.frames.is_none())
    }

    /// What was refused has its answer; closed with bytes unread, the connection might lose it.
    async fn linger(&self, read: &mut OwnedReadHalf) {
        if self.lingering.fetch_add(1, Ordering::Relaxed) < MAX_LINGERING {
            let mut rest = [0; 512];
            let _ = timeout(FLUSH, async { while matches!(read.read(&mut rest).await, Ok(1..)) {} }).await;
        }
        self.lingering.fetch_sub(1, Ordering::Relaxed);
    }

    async fn read(&self, link: LinkId, read: &mut OwnedReadHalf) -> io::Result<()> {
        let mut frames = FRAMES;
        let mut buffer = Vec::with_capacity(READ_SIZE);
        let mut deadline = None;
        loop {
            let mut used = 0;
            while let Some(rest) = buffer.get(used..) {
                let len = match frame_len(rest) {
                    Ok(Some(len)) if len <= rest.len() => len,
                    Ok(_) => break,
                    Err(why) => return self.unreadable(link, why.to_string()),
                };
                let body = rest.get(LENGTH_LEN..len).unwrap_or_default();
                let pause = frames.spend(1, Timestamp::at(self.began.elapsed()));
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                if !self.frame(link, body).await {
                    return Ok(());
                }
                used = used.saturating_add(len);
            }
            buffer.drain(..used);
            if buffer.is_empty() {
                (buffer, deadline) = (Vec::with_capacity(READ_SIZE), None);
            } else if used > 0 || deadline.is_none() {
                deadline = tokio::time::Instant::now().checked_add(FRAME_DEADLINE);
            }
            buffer.reserve_exact(READ_SIZE);
            let got = match deadline {
                None => read.read_buf(&mut buffer).await?,
                Some(deadline) => match timeout_at(deadline, read.read_buf(&mut buffer)).await {
                    Ok(got) => got?,
                    Err(_) => return self.unreadable(link, "a frame takes too long".into()),
                },
            };
            Counters::add(&self.counters.bytes_in, got);
            if got == 0 {
                let whole = buffer.is_empty();
                return if whole { Ok(()) } else { self.unreadable(link, "it ends inside a frame".into()) };
            }
        }
    }

    /// The end of a link whose bytes are no frames.
    fn unreadable(&self, link: LinkId, why: String) -> io::Result<()> {
        let _ = self.feed(Input::Unreadable { link, why });
        Ok(())
    }

    /// One frame; whether the link goes on.
    async fn frame(&self, link: LinkId, body: &[u8]) -> bool {
        let said = match ProtocolMessage::decode(body) {
            Ok(said) => said,
            Err(why) => return self.unreadable(link, why.to_string()).is_err(),
        };
        let ours = self.feed(Input::Frame { link, said }).ok().and_then(|led| led.for_us);
        let open = self.state().router.is_open(link);
        match ours {
            Some(incoming) => open && self.into_room.send(incoming).await,
            None => open,
        }
    }

    async fn write(
        &self,
        link: LinkId,
        mut write: OwnedWriteHalf,
        mut waiting: mpsc::UnboundedReceiver<Outbound>,
    ) -> io::Result<()> {
        while let Some(Outbound { frame, ours, report }) = waiting.recv().await {
            timeout(WRITE_DEADLINE, write_frame(&mut write, &frame)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            Counters::add(&self.counters.bytes_out, frame.len());
            if ours {
                Counters::one(&self.counters.messages_out);
            }
            if let Some(report) = report {
                report.written.store(true, Ordering::Relaxed);
            }
            let _ = self.feed(Input::Written { link, bytes: frame.len() });
        }
        write.shutdown().await
    }
}

/// Writes a frame, in one go where the socket has room for it.
async fn write_frame(write: &mut OwnedWriteHalf, frame: &Framed) -> io::Result<()> {
    let mut written = 0_usize;
    while written < frame.len() {
        match write.write_vectored(&frame.rest(written).map(IoSlice::new)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => written = written.saturating_add(more),
        }
    }
    Ok(())
}
