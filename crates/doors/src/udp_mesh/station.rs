//! A peer with its sockets: what a door that joins a directory and the console share.

mod hear;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_limits::{Rate, Timestamp};
use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::Extended;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::config::{Config, KIND, Role};
use super::holder::Holder;
use super::keys::{Keys, UNSIGNED};
use super::paced::PacedSocket;
use super::peer::{Input, MeshPeer, Output, Settings, Tell};
use super::socket::{BUFFER_LEN, addr_of, bind, breathe, ready};
use super::texts::{Encoded, STRANGERS};
use super::verifier::Verifier;
use crate::counters::Counters;
use crate::error::DoorError;
use crate::port::{Author, Done};

/// Happenings that nobody has asked for yet.
const MAX_EVENTS: usize = 1_024;

/// What happened at a peer, for the door or the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StationEvent {
    /// A text came that may be shown, under the name that is claimed for it.
    Text { claimed: String, text: String, from: SocketAddr },
    /// From the directory, or about it.
    Tell(Tell),
}

/// A peer and its sockets.
#[derive(Debug)]
pub(super) struct Station {
    peer: MeshPeer,
    keys: Keys,
    texts: PacedSocket,
    /// BIRTH and KEEPALIVE go out here, and refusals come back. Connected to the directory.
    speak: UdpSocket,
    /// Who has the directory's port.
    holder: Holder,
    start: Instant,
    strangers: Rate,
    verifier: Verifier,
    events: VecDeque<StationEvent>,
    buffer: Vec<u8>,
    own: SocketAddr,
    pub(super) counters: Arc<Counters>,
}

impl Station {
    pub(super) async fn bind(config: &Config) -> Result<Self, DoorError> {
        let Role::Peer { join, name } = &config.role else {
            let reason = "a directory is no peer of another".to_owned();
            return Err(DoorError::Refused { door: KIND, reason });
        };
        let socket = bind(config.listen)?;
        let own = addr_of(&socket)?;
        let speak = bind(SocketAddr::new(own.ip(), 0))?;
        speak.connect(*join).await.map_err(DoorError::io(KIND, "reach", join))?;
        ready(&socket).await?;
        ready(&speak).await?;
        let keys = Keys::generate().map_err(DoorError::io(KIND, "make", "a key"))?;
        let settings = Settings {
            name: name.clone(),
            own,
            directory: *join,
            key: keys.public(),
            heartbeat: config.heartbeat,
            broadcast: config.broadcast,
        };
        Ok(Self {
            peer: MeshPeer::new(settings, Timestamp::ZERO),
            keys,
            texts: PacedSocket::new(socket),
            speak,
            holder: Holder::new(*join),
            start: Instant::now(),
            strangers: STRANGERS,
            verifier: Verifier::default(),
            events: VecDeque::new(),
            buffer: vec![0; BUFFER_LEN],
            own,
            counters: Arc::default(),
        })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.own
    }

    pub(super) const fn peer(&self) -> &MeshPeer {
        &self.peer
    }

    /// Feeds the peer; [`Station::drain`] does what it says.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        let taken = self.peer.handle(self.now(), input);
        debug_assert!(taken.is_ok(), "only datagrams are rejected: {taken:?}");
    }

    fn now(&self) -> Timestamp {
        Timestamp::at(self.start.elapsed())
    }

    /// Whether texts wait to go out.
    pub(super) fn is_busy(&self) -> bool {
        self.texts.is_busy()
    }

    /// Queues a text for those peers that `to` wants; how many there are.
    pub(super) fn send(
        &mut self,
        author: Author,
        text: &str,
        to: impl Fn(SocketAddr, &str) -> bool,
        done: Option<Done>,
    ) -> usize {
        let encoded = Encoded::new(text, &mut self.keys, &self.counters);
        let wanted = self.peer.peers().iter().filter(|(addr, peer)| to(**addr, &peer.name));
        let receivers: Vec<_> = wanted.map(|(addr, peer)| (*addr, encoded.for_peer(peer.key.is_some()))).collect();
        let count = receivers.len();
        if count == 0 {
            Counters::one(&self.counters.dropped_out);
        }
        let now = self.now();
        self.texts.send(now, author, (receivers, done), &self.counters);
        count
    }

    /// Waits until something happens. May be dropped at any point: nothing is lost.
    pub(super) async fn event(&mut self) -> StationEvent {
        loop {
            let now = self.now();
            self.feed(Input::Timeout);
            self.drain();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let room = self.texts.flush(now, &self.counters);
            let texts = self.texts.next_timeout().filter(|_| room);
            let due = self.peer.next_timeout().into_iter().chain(texts).min().unwrap_or(now.plus(60_000_000));
            let wake = self.start.checked_add(due.since_zero()).unwrap_or(self.start);
            let mut empty = true;
            tokio::select! {
                ready = self.texts.socket.readable() => if ready.is_ok() { empty = self.hear_peers() },
                ready = self.speak.readable() => if ready.is_ok() { self.hear_directory(); },
                _ = self.texts.socket.writable(), if self.texts.is_held() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            breathe(empty).await;
        }
    }

    /// Does what the peer says.
    fn drain(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            let datagram = match (output, self.peer.character()) {
                (Output::Tell(tell), _) => {
                    self.note(StationEvent::Tell(tell));
                    continue;
                }
                (Output::Broadcast(text), _) => {
                    self.send(None, &text, |_, _| true, None);
                    continue;
                }
                (Output::Birth, Some(name)) => {
                    // Looked at before it is asked: when its answer is read, another may have the port already.
                    self.holder.has_changed();
                    plain(Datagram::Birth { name, port: self.own.port() })
                }
                (Output::KeepAlive { .. }, Some(name)) => {
                    if self.holder.has_changed() {
                        self.feed(Input::Restarted);
                        self.feed(Input::Timeout);
                        continue;
                    }
                    plain(Datagram::KeepAlive(name))
                }
                (Output::KeepAlive { version }, None) => plain(Datagram::Extended(Extended::KeepAlive { version })),
                (Output::Birth, None) => {
                    let (time, key, addr) = (self.keys.time(), self.keys.public(), self.own);
                    let name = &self.peer.settings().name;
                    self.keys.signed(Extended::Birth { time, key, addr, name, signature: UNSIGNED })
                }
                (Output::Leave, _) => {
                    let time = self.keys.time();
                    self.keys.signed(Extended::Leave { time, signature: UNSIGNED })
                }
            };
            self.ask_directory(&datagram);
        }
        Counters::set(&self.counters.open, self.peer.peers().len());
    }

    fn ask_directory(&mut self, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        match self.speak.try_send(datagram) {
            Ok(len) => Counters::add(&self.counters.bytes_out, len),
            Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => self.feed(Input::Unreachable),
            // The next heartbeat makes up for it.
            Err(_) => {}
        }
    }

    /// Says goodbye, where the form has one.
    pub(super) fn leave(&mut self) {
        self.feed(Input::Disconnect);
        self.drain();
    }

    fn note(&mut self, event: StationEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            Counters::one(&self.counters.dropped_in);
        }
    }
}

fn plain(datagram: Datagram<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = datagram.encode(&mut out);
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    out
}
