//! A peer with its sockets: what a door that joins a directory and the console share.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::udp_mesh::Datagram;
use rumormill_wire::udp_mesh::extended::Extended;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::checks::Checks;
use super::config::{Config, Role};
use super::holder::Holder;
use super::keys::{Keys, UNSIGNED};
use super::peer::{Act, Peer, Settings, Tell};
use super::socket::{BUFFER_LEN, Mouth, addr_of, bind, breathe, drain, ready};
use super::texts::{Done, Encoded, Guard, Heard, Sender, count_fault, tell_done};
use crate::{Counters, DoorError, DoorKind};

/// Happenings that nobody has asked for yet.
const MAX_EVENTS: usize = 1_024;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A text came.
    Text { claimed: String, text: String, from: SocketAddr },
    /// From the directory, or about it.
    Tell(Tell),
}

/// A peer and its sockets.
#[derive(Debug)]
pub(super) struct Station {
    peer: Peer,
    keys: Keys,
    mouth: Mouth<Done>,
    /// BIRTH and KEEPALIVE go out here, and refusals come back. Connected to the directory.
    speak: UdpSocket,
    /// Who has the directory's port.
    holder: Holder,
    start: Instant,
    strangers: Bucket,
    checks: Checks,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    own: SocketAddr,
    pub(super) counters: Arc<Counters>,
}

impl Station {
    pub(super) async fn bind(config: &Config) -> Result<Self, DoorError> {
        let Role::Peer { join, name } = &config.role else {
            let reason = "a directory is no peer of another".to_owned();
            return Err(DoorError::Refused { door: DoorKind::UdpMesh, reason });
        };
        let socket = bind(config.listen)?;
        let own = addr_of(&socket)?;
        let speak = bind(SocketAddr::new(own.ip(), 0))?;
        speak.connect(*join).await.map_err(DoorError::io(DoorKind::UdpMesh, "reach", join))?;
        ready(&socket).await?;
        ready(&speak).await?;
        let keys = Keys::generate().map_err(DoorError::io(DoorKind::UdpMesh, "make", "a key"))?;
        let settings = Settings {
            name: name.clone(),
            own,
            directory: *join,
            key: keys.public(),
            heartbeat: config.heartbeat,
            broadcast: config.broadcast,
        };
        Ok(Self {
            peer: Peer::new(settings, Duration::ZERO),
            keys,
            mouth: Mouth::new(socket),
            speak,
            holder: Holder::new(*join),
            start: Instant::now(),
            strangers: Bucket::default(),
            checks: Checks::default(),
            events: VecDeque::new(),
            buffer: vec![0; BUFFER_LEN],
            own,
            counters: Arc::default(),
        })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.own
    }

    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The peer, and what time it is.
    pub(super) fn peer_mut(&mut self) -> (&mut Peer, Duration) {
        let now = self.start.elapsed();
        (&mut self.peer, now)
    }

    /// Whether texts wait to go out.
    pub(super) fn is_busy(&self) -> bool {
        self.mouth.is_held() || self.mouth.pacer.waiting() > 0
    }

    /// Queues a text for those peers that `to` wants; how many there are.
    pub(super) fn send(&mut self, text: &str, to: impl Fn(SocketAddr, &str) -> bool, done: Done) -> usize {
        let encoded = Encoded::new(text, &mut self.keys, &self.counters);
        let wanted = self.peer.peers().iter().filter(|(addr, peer)| to(**addr, &peer.name));
        let parcels: Vec<_> = wanted.map(|(addr, peer)| (*addr, encoded.for_peer(peer.key.is_some()))).collect();
        let count = parcels.len();
        if count == 0 {
            Counters::one(&self.counters.dropped_out);
        }
        self.mouth.pacer.push(self.start.elapsed(), parcels, done);
        count
    }

    /// Waits until something happens. May be dropped at any point: nothing is lost.
    pub(super) async fn event(&mut self) -> Event {
        loop {
            let now = self.start.elapsed();
            self.do_acts(now).await;
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let room = self.mouth.flush(now, &self.counters);
            self.mouth.count_dropped(&self.counters);
            tell_done(self.mouth.pacer.finished());
            let due = [self.peer.wake(), self.mouth.pacer.wake().filter(|_| room)].into_iter().flatten().min();
            let wait = self.start + due.unwrap_or(now + Duration::from_secs(60));
            let mut empty = true;
            tokio::select! {
                ready = self.mouth.socket.readable() => if ready.is_ok() { empty = self.hear_peers() },
                ready = self.speak.readable() => if ready.is_ok() { self.hear_directory(); },
                _ = self.mouth.socket.writable(), if self.mouth.is_held() => {}
                () = tokio::time::sleep_until(wait) => {}
            }
            breathe(empty).await;
        }
    }

    async fn do_acts(&mut self, now: Duration) {
        while let Some(act) = self.peer.act(now) {
            let settings = self.peer.settings();
            let datagram = match (act, self.peer.letter()) {
                (Act::Tell(tell), _) => {
                    self.note(Event::Tell(tell));
                    continue;
                }
                (Act::Broadcast(text), _) => {
                    self.send(&text, |_, _| true, None);
                    continue;
                }
                (Act::Birth, Some(name)) => {
                    // Looked at before it is asked: when its answer is read, another may have the port already.
                    self.holder.has_changed();
                    plain(Datagram::Birth { name, port: self.own.port() })
                }
                (Act::KeepAlive(_), Some(name)) => {
                    if self.holder.has_changed() {
                        self.peer.restarted(now);
                        continue;
                    }
                    plain(Datagram::KeepAlive(name))
                }
                (Act::KeepAlive(version), None) => plain(Datagram::Extended(Extended::KeepAlive { version })),
                (Act::Birth, None) => {
                    let (time, key, addr) = (self.keys.time(), self.keys.public(), self.own);
                    self.keys.signed(Extended::Birth { time, key, addr, name: &settings.name, signature: UNSIGNED })
                }
                (Act::Leave, _) => {
                    let time = self.keys.time();
                    self.keys.signed(Extended::Leave { time, signature: UNSIGNED })
                }
            };
            self.ask_directory(now, &datagram);
        }
        Counters::set(&self.counters.open, self.peer.peers().len());
    }

    fn ask_directory(&mut self, now: Duration, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        match self.speak.try_send(datagram) {
            Ok(len) => Counters::add(&self.counters.bytes_out, len),
            Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => self.peer.unreachable(now),
            // The next heartbeat makes up for it.
            Err(_) => {}
        }
    }

    /// Says goodbye, where the form has one.
    pub(super) async fn leave(&mut self) {
        let now = self.start.elapsed();
        self.peer.disconnect();
        self.do_acts(now).await;
    }

    fn note(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            Counters::one(&self.counters.dropped_in);
        }
    }

    fn hear_directory(&mut self) {
        let (now, directory) = (self.start.elapsed(), self.peer.settings().directory);
        let mut refused = Vec::new();
        let heard = drain(&self.speak, &mut self.buffer, |_, bytes| match Datagram::parse(bytes) {
            Ok(Datagram::Extended(Extended::Refused(why))) => refused.push(why),
            Ok(_) => Counters::one(&self.counters.refused_other),
            Err(why) => count_fault(&self.counters, why.reason),
        });
        for why in refused {
            self.peer.refused(now, directory, why);
        }
        if heard.is_err_and(|why| why.kind() == io::ErrorKind::ConnectionRefused) {
            self.peer.unreachable(now);
        }
    }

    fn hear_peers(&mut self) -> bool {
        let now = self.start.elapsed();
        let Self { peer, mouth, strangers, checks, events, buffer, counters, .. } = self;
        let empty = drain(&mouth.socket, buffer, |from, bytes| {
            Counters::add(&counters.bytes_in, bytes.len());
            let text = match Datagram::parse(bytes) {
                Ok(Datagram::Directory(entries)) => return peer.directory(now, from, entries),
                Ok(Datagram::Extended(Extended::Part(part))) => return peer.part(now, from, &part),
                Ok(Datagram::Extended(Extended::Changes(changes))) => return peer.changes(now, from, &changes),
                Ok(Datagram::Extended(Extended::Refused(why))) => return peer.refused(now, from, why),
                Ok(Datagram::Vanilla(text)) => Heard { text, signed: None },
                Ok(Datagram::Extended(Extended::Text { time, text, .. })) => {
                    Heard { text, signed: Some((time, bytes)) }
                }
                Ok(_) => return Counters::one(&counters.refused_other),
                Err(why) => return count_fault(counters, why.reason),
            };
            let sender = peer.peer_at(from).map(|peer| Sender {
                name: peer.name.clone(),
                key: peer.key,
                said: &mut peer.said,
                time: &mut peer.time,
            });
            let Some(claimed) = text.claimed(now, from, sender, &mut Guard { strangers, checks, counters }) else {
                return;
            };
            if events.len() < MAX_EVENTS {
                events.push_back(Event::Text { claimed, text: text.text.to_owned(), from });
            } else {
                Counters::one(&counters.dropped_in);
            }
        });
        empty.unwrap_or(true)
    }
}

fn plain(datagram: Datagram<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = datagram.encode(&mut out);
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    out
}
