//! One connection, from its first byte to its last.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rumormill_wire::protobuf_peer::{LENGTH_LEN, frame_len};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout, timeout_at};
use tracing::{debug, info};

use super::super::link::LinkId;
use super::super::message::Said;
use super::super::pace::Pace;
use super::{FLUSH, Net, Outbound, Outlet};
use crate::Counters;

/// A peer that takes no byte for so long is dropped.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// A frame is whole so long after its first byte.
const FRAME_DEADLINE: Duration = Duration::from_secs(10);
/// Connections that are read to their end only so that the refusal arrives.
const MAX_LINGERING: usize = 32;
const READ_SIZE: usize = 8 * 1_024;
/// So that the longest frame goes into the socket at once.
const SEND_BUFFER: usize = 512 * 1_024;

impl Net {
    /// Serves one connection to its end.
    pub async fn link(self: Arc<Self>, stream: TcpStream, called: bool) -> io::Result<()> {
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
        self.act(None, |hub, _, out| hub.closed(link, out));
        self.state.lock().unwrap_or_else(PoisonError::into_inner).outlets.remove(&link);
        Ok(())
    }

    fn opened(
        &self,
        address: SocketAddr,
        called: bool,
        kill: oneshot::Sender<()>,
    ) -> (LinkId, mpsc::UnboundedReceiver<Outbound>) {
        let (frames, waiting) = mpsc::unbounded_channel();
        let mut actions = Vec::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let link = state.hub.opened(address.ip().to_canonical(), called, self.began.elapsed(), &mut actions);
        state.outlets.insert(link, Outlet { frames: Some(frames), _kill: kill, address });
        self.apply(&mut state, actions, None);
        (link, waiting)
    }

    /// Whether the hub wants a link closed once all is written.
    fn is_refused(&self, link: LinkId) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.outlets.get(&link).is_some_and(|outlet| outlet.frames.is_none())
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
        let mut pace = Pace::new(self.began.elapsed());
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
                if let Some(pause) = pace.frame(self.began.elapsed()) {
                    sleep(pause).await;
                }
                if !self.frame(link, body).await {
                    return Ok(());
                }
                used += len;
            }
            buffer.drain(..used);
            if buffer.is_empty() {
                (buffer, deadline) = (Vec::with_capacity(READ_SIZE), None);
            } else if used > 0 || deadline.is_none() {
                deadline = Some(tokio::time::Instant::now() + FRAME_DEADLINE);
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
        self.act(None, |hub, _, out| hub.unreadable(link, why, out));
        Ok(())
    }

    /// One frame; whether the link goes on.
    async fn frame(&self, link: LinkId, body: &[u8]) -> bool {
        let said = match Said::decode(body) {
            Ok(said) => said,
            Err(why) => return self.unreadable(link, why.to_string()).is_err(),
        };
        let (open, ours) = self.act(None, |hub, now, out| {
            hub.heard(link, said, now, out);
            hub.is_open(link)
        });
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
        while let Some(Outbound { frame, ours, receipt }) = waiting.recv().await {
            timeout(WRITE_DEADLINE, write.write_all(&frame)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            Counters::add(&self.counters.bytes_out, frame.len());
            if ours {
                Counters::one(&self.counters.messages_out);
            }
            if let Some(receipt) = receipt {
                receipt.written.store(true, Ordering::Relaxed);
            }
            self.act(None, |hub, _, _| hub.wrote(link, frame.len()));
        }
        write.shutdown().await
    }
}
