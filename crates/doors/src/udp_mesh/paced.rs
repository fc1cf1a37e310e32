//! A socket that is written to without waiting, at the pace of the receivers.

use std::io;
use std::net::SocketAddr;

use rumormill_limits::Timestamp;
use tokio::net::UdpSocket;

use super::pacer::{Datagram, Input, Output, Pacer, Receivers};
use crate::counters::Counters;
use crate::port::{Author, Done};
use crate::unsent::Unsent;

/// Datagrams written before others have their turn.
const MAX_SENDS: usize = 512;

/// The socket and its pacer.
#[derive(Debug)]
pub(super) struct PacedSocket {
    pub(super) socket: UdpSocket,
    pacer: Pacer<Option<Done>>,
    /// The socket had no room for it.
    held: Option<Datagram>,
}

impl PacedSocket {
    pub(super) fn new(socket: UdpSocket) -> Self {
        Self { socket, pacer: Pacer::default(), held: None }
    }

    /// Queues a message; what does not fit is counted.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        author: Author,
        (receivers, done): (Receivers, Option<Done>),
        counters: &Counters,
    ) {
        self.feed(now, Input::Send { author, receivers, done }, counters);
    }

    /// Something else went to a receiver.
    pub(super) fn other(&mut self, now: Timestamp, to: SocketAddr, counters: &Counters) {
        self.feed(now, Input::Other { to }, counters);
    }

    /// A receiver has gone.
    pub(super) fn gone(&mut self, now: Timestamp, to: SocketAddr, counters: &Counters) {
        self.feed(now, Input::Gone { to }, counters);
    }

    /// Writes what is due; false if the socket has no room. Then it is worth waiting for.
    pub(super) fn flush(&mut self, now: Timestamp, counters: &Counters) -> bool {
        for _ in 0..MAX_SENDS {
            let next = self.held.take().or_else(|| self.feed(now, Input::Writable, counters));
            let Some(datagram) = next else { return true };
            let sent = match self.socket.try_send_to(&datagram.bytes, datagram.to) {
                Ok(len) => {
                    Counters::add(&counters.bytes_out, len);
                    Counters::one(&counters.messages_out);
                    true
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    self.held = Some(datagram);
                    return false;
                }
                Err(_) => {
                    Counters::one(&counters.dropped_out);
                    false
                }
            };
            self.feed(now, Input::Sent { message: datagram.message, sent }, counters);
        }
        true
    }

    /// When [`PacedSocket::flush`] has something again.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.pacer.next_timeout()
    }

    /// Whether a datagram waits for room in the socket.
    pub(super) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether texts wait to go out.
    pub(super) fn is_busy(&self) -> bool {
        self.is_held() || self.pacer.waiting() > 0
    }

    /// Feeds the pacer and does what it says, but for a datagram, which comes back.
    fn feed(&mut self, now: Timestamp, input: Input<Option<Done>>, counters: &Counters) -> Option<Datagram> {
        let mut datagram = None;
        let taken = self.pacer.handle(now, input);
        debug_assert!(taken.is_ok(), "it is told of its own datagrams, each once: {taken:?}");
        while let Some(output) = self.pacer.poll_output() {
            match output {
                Output::Datagram(next) => datagram = Some(next),
                Output::Settled { done, sent } => {
                    let nobody = Err(Unsent::Nobody("nobody there took it"));
                    let _ = done.map(|done| done.send(if sent > 0 { Ok(()) } else { nobody }));
                }
                Output::Dropped(datagrams) => Counters::add(&counters.dropped_out, datagrams),
            }
        }
        datagram
    }
}
