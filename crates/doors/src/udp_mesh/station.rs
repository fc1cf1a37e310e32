//! A peer with its sockets: what a door that joins a directory and the console share.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::udp_mesh::extended::{Extended, MAX_TEXT_LEN};
use rumormill_wire::udp_mesh::{Datagram, UdpMeshFault};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::config::{Config, Role};
use super::keys::{Keys, UNSIGNED, holds};
use super::peer::{Act, Peer, Settings, Tell};
use super::socket::{BUFFER_LEN, Mouth, addr_of, bind, drain};
use crate::cut::{cut, one_line};
use crate::{Counters, DoorError, DoorKind};

/// Texts from one peer, a second: what old peers can take of each other.
pub(super) const TEXTS: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Texts from all who are in no directory together, a second.
pub(super) const STRANGERS: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Happenings that nobody has asked for yet.
const MAX_EVENTS: usize = 1_024;

/// Told once a message went out.
pub(super) type Done = Option<oneshot::Sender<Result<(), String>>>;

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
    start: Instant,
    strangers: Bucket,
    events: VecDeque<Event>,
    buffer: Vec<u8>,
    own: SocketAddr,
    pub(super) counters: Arc<Counters>,
}

/// One text in both forms.
pub(super) struct Encoded {
    old: Arc<[u8]>,
    extended: Arc<[u8]>,
}

impl Encoded {
    /// As one line, cut to what a datagram can hold.
    pub(super) fn new(text: &str, keys: &mut Keys, counters: &Counters) -> Self {
        let line = one_line(text);
        let (text, is_cut) = cut(&line, MAX_TEXT_LEN);
        if is_cut {
            Counters::one(&counters.cut);
            tracing::info!(bytes = line.len(), "udp-mesh: a text was cut to what a datagram holds");
        }
        let mut old = Vec::new();
        let encoded = Datagram::Vanilla(&text).encode(&mut old);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        let time = keys.time();
        let extended = keys.signed(Extended::Text { time, text: &text, signature: UNSIGNED });
        Self { old: old.into(), extended: extended.into() }
    }

    /// For an old peer or one of ours.
    pub(super) fn for_peer(&self, extended: bool) -> Arc<[u8]> {
        Arc::clone(if extended { &self.extended } else { &self.old })
    }
}

/// Counts a datagram that is none.
pub(super) fn count_fault(counters: &Counters, reason: UdpMeshFault) {
    Counters::one(if reason == UdpMeshFault::Port { &counters.refused_other } else { &counters.malformed });
}

/// Tells those who wait for messages that are through.
pub(super) fn tell_done(finished: impl Iterator<Item = (Done, usize)>) {
    for (done, sent) in finished {
        if let Some(done) = done {
            let nobody = || "nobody there took it".to_owned();
            let _ = done.send(if sent > 0 { Ok(()) } else { Err(nobody()) });
        }
    }
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
            start: Instant::now(),
            strangers: Bucket::default(),
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
            tokio::select! {
                ready = self.mouth.socket.readable() => if ready.is_ok() { self.hear_peers(); },
                ready = self.speak.readable() => if ready.is_ok() { self.hear_directory(); },
                _ = self.mouth.socket.writable(), if self.mouth.is_held() => {}
                () = tokio::time::sleep_until(wait) => {}
            }
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
                (Act::Birth, Some(name)) => plain(Datagram::Birth { name, port: self.own.port() }),
                (Act::KeepAlive(_), Some(name)) => plain(Datagram::KeepAlive(name)),
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

    fn hear_peers(&mut self) {
        let now = self.start.elapsed();
        let Self { peer, mouth, strangers, events, buffer, counters, .. } = self;
        let _ = drain(&mouth.socket, buffer, |from, bytes| {
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
            let Some(claimed) = text.claimed(now, from, sender, strangers, counters) else { return };
            if events.len() < MAX_EVENTS {
                events.push_back(Event::Text { claimed, text: text.text.to_owned(), from });
            } else {
                Counters::one(&counters.dropped_in);
            }
        });
    }
}

fn plain(datagram: Datagram<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = datagram.encode(&mut out);
    debug_assert!(encoded.is_ok(), "{encoded:?}");
    out
}

/// A text that came.
pub(super) struct Heard<'a> {
    pub(super) text: &'a str,
    /// The time it was signed and the whole datagram.
    pub(super) signed: Option<(u64, &'a [u8])>,
}

/// What is known of whom it came from.
pub(super) struct Sender<'a> {
    pub(super) name: String,
    pub(super) key: Option<[u8; 32]>,
    pub(super) said: &'a mut Bucket,
    pub(super) time: &'a mut u64,
}

impl Heard<'_> {
    /// Under which name the text may go on; `None`, and it is counted, if it may not.
    pub(super) fn claimed(
        &self,
        now: Duration,
        from: SocketAddr,
        sender: Option<Sender<'_>>,
        strangers: &mut Bucket,
        counters: &Counters,
    ) -> Option<String> {
        let Some(sender) = sender else {
            let allowed = strangers.take(now, STRANGERS);
            // Only who is known has a key; nobody vouches for the rest, and an empty text says nothing.
            let fine = allowed && self.signed.is_none() && !self.text.is_empty();
            if !fine {
                Counters::one(if allowed { &counters.refused_other } else { &counters.refused_rate });
            }
            return fine.then(|| format!("?:{}", from.port()));
        };
        if !sender.said.take(now, TEXTS) {
            Counters::one(&counters.refused_rate);
            return None;
        }
        let vouched = match (self.signed, sender.key) {
            (None, _) => true,
            (Some((time, bytes)), Some(key)) => time > *sender.time && holds(&key, bytes),
            (Some(_), None) => false,
        };
        if !vouched || self.text.is_empty() {
            Counters::one(&counters.refused_other);
            return None;
        }
        if let Some((time, _)) = self.signed {
            *sender.time = time;
        }
        Some(sender.name)
    }
}
