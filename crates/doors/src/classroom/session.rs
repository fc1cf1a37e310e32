//! One client of the control port: its lines, in their order, and the replies.

use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::classroom::{ClassroomError, ClassroomFault, LogReply, MAX_LINE_LEN, ProcessLine, line_len};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::seats::Seat;
use crate::counters::Counters;
use crate::opening::{self, OpeningKind};
use crate::service_error::ServiceError;
use crate::services::{Chat, Durable};

/// Messages of one connection that are not yet durable: what a disk takes in one commit, twice over.
pub(super) const MAX_PENDING: usize = 1_024;

/// One client, from its first line until it goes.
pub(super) struct ControlSession<C> {
    stream: TcpStream,
    seat: Seat,
    chat: C,
    pending: Vec<Durable>,
    counters: Arc<Counters>,
    /// That a line was not UTF-8 stands in the log.
    has_warned: bool,
    /// Why a message was not taken, as it was said last.
    refused: Option<ServiceError>,
    reply_deadline: Duration,
}

impl<C: Chat> ControlSession<C> {
    /// A client that has a place.
    pub(super) fn new(
        stream: TcpStream,
        seat: Seat,
        chat: C,
        counters: Arc<Counters>,
        reply_deadline: Duration,
    ) -> Self {
        let (pending, has_warned, refused) = (Vec::new(), false, None);
        Self { stream, seat, chat, pending, counters, has_warned, refused, reply_deadline }
    }

    pub(super) async fn run(mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(4_096);
        let (mut first, mut ended) = (true, false);
        loop {
            let mut used = 0;
            while let Some(rest) = buffer.get(used..) {
                let Ok(length) = line_len(rest) else {
                    warn!("control port: a line longer than {MAX_LINE_LEN} bytes; the connection is closed");
                    return Ok(());
                };
                let Some(length) = length else { break };
                let line = rest.get(..length.saturating_sub(1)).unwrap_or_default();
                // Blank lines say nothing yet.
                if first && !line.trim_ascii().is_empty() {
                    first = false;
                    if let Err(stranger) = opening::check(line, form(line)) {
                        Counters::one(&self.counters.malformed);
                        warn!("control port: {stranger}; the connection is closed");
                        return Ok(());
                    }
                }
                let line = line.to_vec();
                used = used.saturating_add(length);
                if !self.seat.serve() {
                    return made_room();
                }
                self.line(&line).await?;
            }
            buffer.drain(..used);
            if ended {
                return Ok(());
            }
            self.seat.wait();
            let read = tokio::select! {
                read = self.stream.read_buf(&mut buffer) => read?,
                () = self.seat.lost() => return made_room(),
            };
            Counters::add(&self.counters.bytes_in, read);
            if read == 0 {
                ended = true;
                if !buffer.is_empty() {
                    // The last line may lack its end.
                    buffer.push(b'\n');
                }
            }
        }
    }

    async fn line(&mut self, line: &[u8]) -> std::io::Result<()> {
        let command = ProcessLine::parse(line);
        if command.is_ok() {
            self.seat.got_on();
        }
        match command {
            Ok(ProcessLine::Msg { text, .. }) => {
                if self.pending.len() >= MAX_PENDING {
                    self.settle().await;
                }
                match self.chat.say(text.to_owned()).await {
                    Ok(durable) => {
                        Counters::one(&self.counters.messages_in);
                        self.pending.push(durable);
                    }
                    Err(why) => {
                        Counters::one(&self.counters.dropped_in);
                        if matches!(why, ServiceError::OverShare { .. }) {
                            Counters::one(&self.counters.over_share);
                        }
                        // Said once for each reason; further ones of this connection are only counted.
                        if self.refused.as_ref() != Some(&why) {
                            warn!("control port: a message was not taken: {why}");
                            self.refused = Some(why);
                        }
                    }
                }
            }
            Ok(ProcessLine::GetChatLog) => {
                self.settle().await;
                // However long the disk took.
                self.seat.got_on();
                self.reply().await?;
            }
            Ok(ProcessLine::Crash { .. }) => self.chat.crash(&mut self.pending).await,
            Err(why) => self.malformed(why),
        }
        Ok(())
    }

    /// What is no command stores nothing. That a line is not UTF-8 is said, once for a connection: it was meant as a message.
    fn malformed(&mut self, why: ClassroomError) {
        Counters::one(&self.counters.malformed);
        if why.reason == ClassroomFault::Utf8 && !std::mem::replace(&mut self.has_warned, true) {
            warn!(%why, "control port: a line stores nothing; further ones of this connection are only counted");
        } else {
            debug!(%why, "control port: a line that is no command");
        }
    }

    async fn settle(&mut self) {
        for durable in self.pending.drain(..) {
            durable.await;
        }
    }

    /// Writes the log part by part, each once the client has taken the one before.
    async fn reply(&mut self) -> std::io::Result<()> {
        let (mut out, mut reply, mut from) = (Vec::new(), None, Some(C::Cursor::default()));
        while let Some(place) = from.take() {
            let part = match self.chat.chat_part(place).await {
                Ok(part) => part,
                Err(why) => {
                    // The asker waits for a line: an empty log would be a lie, so the connection ends.
                    warn!("control port: the log cannot be read: {why}");
                    return Err(std::io::Error::other(why));
                }
            };
            let mut log = reply.take().unwrap_or_else(|| LogReply::begin(&mut out));
            log.messages(&part.texts, &mut out);
            from = part.next;
            if from.is_some() {
                reply = Some(log);
            } else {
                log.end(&mut out);
            }
            // One that takes a little now and then is waited for like one that says a little.
            self.seat.wait();
            self.write(&out).await?;
            if !self.seat.serve() {
                return made_room();
            }
            self.seat.got_on();
            // What one part needed is not kept for the next.
            out = Vec::new();
        }
        Ok(())
    }

    async fn write(&mut self, mut out: &[u8]) -> std::io::Result<()> {
        while !out.is_empty() {
            let written = tokio::select! {
                written = timeout(self.reply_deadline, self.stream.write(out)) => written,
                () = self.seat.lost() => return made_room(),
            };
            let Ok(written) = written else {
                Counters::one(&self.counters.dropped_out);
                warn!("control port: a client took nothing of a reply for {:?}; it is let go", self.reply_deadline);
                return Err(std::io::ErrorKind::TimedOut.into());
            };
            let written = written?;
            if written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            Counters::add(&self.counters.bytes_out, written);
            out = out.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The end of one whose place somebody else has.
fn made_room() -> std::io::Result<()> {
    debug!("control port: a client that got on with nothing makes room");
    Err(std::io::ErrorKind::TimedOut.into())
}

/// What a first line looks like. A message may well speak of HTTP, but no request looks like a message: where that has its number,
/// a request has a path. One whose text is not UTF-8 is still a message: it stores nothing, and the next may be well.
fn form(line: &[u8]) -> OpeningKind {
    match ProcessLine::parse(line) {
        Ok(ProcessLine::Msg { .. }) => OpeningKind::Message,
        Err(why) if why.reason == ClassroomFault::Utf8 => OpeningKind::Message,
        Ok(_) => OpeningKind::Command,
        Err(_) => OpeningKind::Unknown,
    }
}
