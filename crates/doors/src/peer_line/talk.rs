//! One connection that came in: cut into messages by newlines, pauses and its end.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::peer_line::{Line, message_len, trim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, error::Elapsed, sleep, timeout};

use super::session::{InboundSession, RECEIVED};
use super::shared::{Shared, Sink};
use super::turn::Turn;
use super::useful::Useful;
use crate::counters::Counters;
use crate::opening::{self, OpeningKind};

/// A pause that ends a message.
pub(super) const PAUSE: Duration = Duration::from_millis(300);
/// However it trickles, a message ends after so long.
const MESSAGE: Duration = Duration::from_secs(10);
/// The first byte comes within this time.
pub(super) const FIRST: Duration = Duration::from_secs(10);
/// The next message comes within this time.
const IDLE: Duration = Duration::from_secs(900);
/// An answer is taken within this time.
const ANSWER: Duration = Duration::from_secs(2);
/// One message in this time, once [`LEAD`] is used up: the others wait in the sender's system.
const PACE: Duration = Duration::from_millis(5);
/// How far a connection may be ahead of [`PACE`]: 200 messages at once.
const LEAD: Duration = Duration::from_secs(1);
/// Bytes read at once.
const CHUNK: usize = 4_096;

/// A connection that was taken, from its first byte to its last.
pub(super) struct Talk<S> {
    stream: TcpStream,
    session: InboundSession,
    shared: Shared<S>,
    useful: Arc<Useful>,
    /// `None` once the others need not wait for this connection.
    turn: Option<Turn>,
    first: bool,
    /// A port alone was answered.
    answered: bool,
    due: Instant,
}

impl<S: Sink> Talk<S> {
    /// A connection that was taken.
    pub(super) fn new(stream: TcpStream, from: IpAddr, shared: Shared<S>, useful: Arc<Useful>, turn: Turn) -> Self {
        let (session, turn, due) = (InboundSession::new(from), Some(turn), Instant::now());
        Self { stream, session, shared, useful, turn, first: true, answered: false, due }
    }

    /// Serves the connection until its end.
    ///
    /// # Errors
    /// It broke, or is not from a program of this chat.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(CHUNK);
        let mut begun = Instant::now();
        loop {
            if buffer.is_empty() {
                begun = Instant::now();
            }
            let opening = self.session.is_opening() && !self.answered;
            let wait = match (buffer.is_empty(), self.first) {
                (true, true) => FIRST,
                (true, false) if opening => PAUSE,
                (true, false) => IDLE,
                (false, _) => PAUSE.min(MESSAGE.saturating_sub(begun.elapsed())),
            };
            buffer.reserve(CHUNK);
            let read = self.read(&mut buffer, wait).await;
            let (ended, closed) = match read {
                Err(_) if buffer.is_empty() && opening => {
                    self.answered = true;
                    self.answer().await?;
                    continue;
                }
                Err(_) if buffer.is_empty() => (true, true),
                Err(_) => (true, false),
                Ok(Ok(0)) => (true, true),
                Ok(Ok(bytes)) => {
                    Counters::add(&self.shared.counters.bytes_in, bytes);
                    (false, false)
                }
                // What came before the reset is still a message.
                Ok(Err(_)) => (true, true),
            };
            self.messages(&mut buffer, ended).await?;
            if closed {
                return self.last().await;
            }
        }
    }

    async fn read(&mut self, buffer: &mut Vec<u8>, wait: Duration) -> Result<io::Result<usize>, Elapsed> {
        let begun = Instant::now();
        if let Some(turn) = &self.turn {
            if let Ok(read) = timeout(turn.left().min(wait), self.stream.read_buf(buffer)).await {
                return Ok(read);
            }
            self.turn = None;
        }
        timeout(wait.saturating_sub(begun.elapsed()), self.stream.read_buf(buffer)).await
    }

    /// Takes all messages that are complete.
    async fn messages(&mut self, buffer: &mut Vec<u8>, ended: bool) -> io::Result<()> {
        let mut used = 0_usize;
        while let Some(rest) = buffer.get(used..).filter(|rest| !rest.is_empty()) {
            let len = message_len(rest, ended).map_err(|why| {
                Counters::one(&self.shared.counters.malformed);
                io::Error::new(io::ErrorKind::InvalidData, why)
            })?;
            let Some(message) = len.and_then(|len| rest.get(..len)) else { break };
            used = used.saturating_add(message.len());
            self.message(message).await?;
        }
        buffer.drain(..used);
        Ok(())
    }

    async fn message(&mut self, message: &[u8]) -> io::Result<()> {
        if trim(message).is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.first) {
            opening::check(trim(message), form(trim(message))).map_err(|stranger| {
                Counters::one(&self.shared.counters.malformed);
                io::Error::new(io::ErrorKind::InvalidData, stranger)
            })?;
        }
        if let Some(turn) = &mut self.turn {
            turn.comes().await;
        }
        self.pace().await;
        for heard in self.session.message(message) {
            self.hear(heard).await?;
        }
        if self.session.wants_answers() { self.answer().await } else { Ok(()) }
    }

    async fn answer(&mut self) -> io::Result<()> {
        self.turn = None;
        let answer = RECEIVED.as_bytes();
        timeout(ANSWER, self.stream.write_all(answer)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Counters::add(&self.shared.counters.bytes_out, answer.len());
        Ok(())
    }

    async fn hear(&mut self, heard: super::session::ReceivedMessage) -> io::Result<()> {
        self.useful.now();
        let at = self.stream.local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |addr| addr.ip());
        let taken = self.shared.hear(&mut self.session, heard, at).await;
        if taken { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
    }

    async fn last(mut self) -> io::Result<()> {
        match self.session.end() {
            Some(heard) => self.hear(heard).await,
            None => Ok(()),
        }
    }

    async fn pace(&mut self) {
        let now = Instant::now();
        self.due = self.due.max(now).checked_add(PACE).unwrap_or(now);
        let ahead = self.due.saturating_duration_since(now);
        if ahead > LEAD {
            self.turn = None;
            sleep(ahead.saturating_sub(LEAD)).await;
        }
    }
}

/// What a first message looks like. One with its sender's address may be of any character set, and cut anywhere.
fn form(message: &[u8]) -> OpeningKind {
    match Line::parse(String::from_utf8_lossy(message).as_bytes()) {
        Ok(_) => OpeningKind::Message,
        Err(_) => OpeningKind::Unknown,
    }
}
