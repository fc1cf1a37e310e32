//! One link's task: reads texts into the room, writes what it is given, a frame in one write.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumormill_limits::{Clock, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::links::RelayLinkId;
use super::reader::{FrameReader, RelayMessage};
use crate::counters::Counters;
use crate::port::Incoming;
use crate::port::IntoRoom;

/// A peer that takes no byte for so long has gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Only a pause ends a text without a frame.
const BARE_PAUSE: Duration = Duration::from_millis(300);
/// Messages by one link, 500 at once and 100 a second; then it is read more slowly.
const MESSAGES: Rate = Rate::new(500, 100);
/// Bytes read at once.
const READ_LEN: usize = 4_096;
/// That a link is useful is said no more often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What a link's task tells the machine's driver.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// Something of this protocol came.
    Heard(RelayLinkId),
    /// The write is done.
    Written(RelayLinkId),
    /// It is closed, by them or by us. Always the last.
    Ended(RelayLinkId, bool),
}

/// How many messages a link may still bring without being read more slowly ([`MESSAGES`]).
struct ReadBudget {
    left: Rate,
    clock: Clock,
}

/// One link's task, and what it works with.
pub(super) struct LinkTask {
    pub(super) id: RelayLinkId,
    pub(super) ip: IpAddr,
    pub(super) events: mpsc::Sender<LinkEvent>,
    pub(super) into_room: IntoRoom,
    pub(super) counters: Arc<Counters>,
}

impl LinkTask {
    pub(super) async fn run(self, stream: TcpStream, writes: mpsc::Receiver<Vec<u8>>) {
        let (reading, writing) = stream.into_split();
        let by_them = tokio::select! {
            by_them = self.read(reading) => by_them,
            by_them = self.write(writing, writes) => by_them,
        };
        let _ = self.events.send(LinkEvent::Ended(self.id, by_them)).await;
    }

    /// Until they close, or speak something else.
    async fn read(&self, mut stream: OwnedReadHalf) -> bool {
        let mut share = ReadBudget { left: MESSAGES, clock: Clock::start() };
        let (mut reader, mut useful_at, mut faults) = (FrameReader::default(), None, 0);
        let mut paused = false;
        loop {
            while let Some(heard) = match reader.next(paused) {
                Ok(heard) => heard,
                Err(_) => {
                    Counters::one(&self.counters.malformed);
                    warn!(peer = %self.ip, "43110: it speaks another protocol; the link is closed");
                    return false;
                }
            } {
                if !self.take(heard, &mut useful_at, &mut share).await {
                    return false;
                }
            }
            Counters::add(
                &self.counters.malformed,
                usize::try_from(reader.faults.saturating_sub(faults)).unwrap_or(usize::MAX),
            );
            faults = reader.faults;
            // Once paused, always paused, until there is more.
            let pause = if reader.is_within() && !paused { BARE_PAUSE } else { Duration::MAX };
            let most = READ_LEN as u64;
            match timeout(pause, (&mut stream).take(most).read_buf(reader.buffer())).await {
                Err(_) => paused = true,
                Ok(Ok(0) | Err(_)) if paused || !reader.is_within() => return true,
                Ok(Ok(0) | Err(_)) => paused = true,
                Ok(Ok(read)) => {
                    Counters::add(&self.counters.bytes_in, read);
                    paused = false;
                }
            }
        }
    }

    /// False if the node stops.
    async fn take(&self, heard: RelayMessage, useful_at: &mut Option<Instant>, share: &mut ReadBudget) -> bool {
        if useful_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            *useful_at = Some(Instant::now());
            if self.events.send(LinkEvent::Heard(self.id)).await.is_err() {
                return false;
            }
        }
        match heard {
            // Theirs shows it as a message; it is none.
            RelayMessage::Greeting => true,
            RelayMessage::Text(text) => {
                while let Err(wait) = share.left.take_n(1, share.clock.now()) {
                    sleep(wait).await;
                }
                let incoming = Incoming { claimed: self.ip.to_string(), text, from: Some(self.ip) };
                self.into_room.send(incoming).await
            }
        }
    }

    async fn write(&self, mut stream: OwnedWriteHalf, mut writes: mpsc::Receiver<Vec<u8>>) -> bool {
        while let Some(bytes) = writes.recv().await {
            match timeout(WRITE_DEADLINE, stream.write_all(&bytes)).await {
                Ok(Ok(())) => Counters::add(&self.counters.bytes_out, bytes.len()),
                Ok(Err(why)) => {
                    debug!(peer = %self.ip, %why, "43110: a write failed");
                    return true;
                }
                Err(_) => {
                    warn!(peer = %self.ip, "43110: it has taken nothing for {WRITE_DEADLINE:?}; the link is closed");
                    return false;
                }
            }
            if self.events.send(LinkEvent::Written(self.id)).await.is_err() {
                return false;
            }
        }
        false
    }
}
