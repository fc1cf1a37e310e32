//! The door as a directory that takes part: one task with two sockets.
//!
//! The directory's socket takes BIRTH and KEEPALIVE and sends the directory; texts come and go by a socket of their own, whose
//! port is listed like that of any peer.

mod hear;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rumormill_limits::file::Held;
use rumormill_limits::{Rate, Timestamp};
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::MAX_NAME_LEN;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::chatter::Chatter;
use super::config::{Config, KIND, Role};
use super::directory::{Directory, Input, Limits, Output, Own};
use super::keys::{Keys, secret, unix_micros};
use super::paced::PacedSocket;
use super::saver::{SAVE_GAP, Saver};
use super::socket::{BUFFER_LEN, addr_of, bind, bind_low, breathe, queue_of, ready, shown};
use super::state::{self, Members};
use super::texts::{Encoded, STRANGERS};
use super::verifier::Verifier;
use crate::counters::Counters;
use crate::cut::{cut, one_line};
use crate::error::DoorError;
use crate::port::{Author, Datagrams, Done, Port};

/// Directories written before others have their turn: they may be long, and who wants to be taken waits meanwhile.
const MAX_SENDS: usize = 64;
/// Refusals sent, at once and a second.
const REFUSALS: Rate = Rate::new(500, 500);

/// A directory and its sockets.
#[derive(Debug)]
pub(super) struct Host {
    socket: UdpSocket,
    texts: PacedSocket,
    directory: Directory,
    keys: Keys,
    start: Instant,
    listen: SocketAddr,
    peer: SocketAddr,
    /// Asked for; once settled, the one that it has.
    character: Option<NameChar>,
    chatter: Chatter,
    buffer: Vec<u8>,
    /// A datagram that the socket had no room for.
    held: Option<(SocketAddr, Arc<[u8]>)>,
    verifier: Verifier,
    /// Members that went while others were heard.
    gone: Vec<SocketAddr>,
    refusals: Rate,
    strangers: Rate,
    saver: Saver,
    /// Nobody else writes the members meanwhile.
    _held: Option<Held>,
}

/// What a run leaves to the next.
fn members_of(directory: &Directory) -> Members {
    Members { version: directory.version(), members: directory.saved() }
}

impl Host {
    pub(super) async fn bind(config: Config) -> Result<Self, DoorError> {
        let Role::Directory { character, peer } = config.role else {
            let reason = "a peer is no directory".to_owned();
            return Err(DoorError::Refused { door: KIND, reason });
        };
        // Before anything else: a file that is not ours is no place for the members.
        let (held, members) = match &config.state {
            Some(path) => {
                let cannot = || DoorError::io(KIND, "keep the members in", path.display());
                (state::hold(path).map_err(cannot())?, state::load(path).map_err(cannot())?)
            }
            None => (None, Members::default()),
        };
        let socket = bind(config.listen)?;
        let listen = addr_of(&socket)?;
        let texts = bind_low(peer, listen.port())?;
        let peer = shown(addr_of(&texts)?);
        ready(&socket).await?;
        ready(&texts).await?;
        let limits = Limits {
            members: config.members,
            by_address: config.by_address,
            look: config.heartbeat,
            silence: config.reap,
            home: peer.ip(),
            queue: queue_of(&socket),
        };
        let seed = secret().map_err(DoorError::io(KIND, "make", "a secret"))?;
        let mut directory = Directory::new(limits, members.version.saturating_add(1).max(unix_micros()), &seed);
        let restored = members.members.into_iter().map(|saved| directory.restore(Timestamp::ZERO, saved));
        let count = restored.filter(|taken| *taken).count();
        if count > 0 {
            info!(members = count, "udp-mesh: members of the last run are listed until they fall silent");
        }
        let saver = Saver::new(config.state, directory.revision());
        let keys = Keys::generate().map_err(DoorError::io(KIND, "make", "a key"))?;
        Ok(Self {
            socket,
            texts: PacedSocket::new(texts),
            directory,
            keys,
            start: Instant::now(),
            listen,
            peer,
            character,
            chatter: Chatter::new(Timestamp::ZERO, config.broadcast),
            buffer: vec![0; BUFFER_LEN],
            held: None,
            verifier: Verifier::default(),
            gone: Vec::new(),
            refusals: REFUSALS,
            strangers: STRANGERS,
            saver,
            _held: held,
        })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.listen
    }

    pub(super) const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Lists ourselves, under the character asked for or a free one.
    fn settle(&mut self, name: &str) {
        let line = one_line(name);
        let (name, _) = cut(&line, MAX_NAME_LEN);
        // A name of one character would have to be that character.
        let name = if name.chars().count() > 1 { name.into_owned() } else { format!("node {name}") };
        let own = || Own { key: self.keys.public(), name: name.clone() };
        let wished = self.character.into_iter().chain(self.directory.free_character());
        let mut tried = wished.filter(|character| self.directory.settle(Timestamp::ZERO, *character, self.peer, own()));
        let (found, wished) = (tried.next(), self.character);
        self.character = found;
        match found {
            Some(character) if wished.is_none_or(|wished| wished == character) => {
                info!(%character, peer = %self.peer, "udp-mesh: the directory takes part");
            }
            Some(character) => warn!(%character, "udp-mesh: the name asked for is held by a member of the last run"),
            None => warn!("udp-mesh: no name is free; the directory does not take part"),
        }
    }

    /// Serves until it is told to stop or the node drops its end.
    pub(super) async fn run(mut self, mut port: Port) {
        self.start = Instant::now();
        self.settle(&port.name);
        let mut into_room = Datagrams::new(port.into_room.clone());
        loop {
            if self.directory.looks(self.now()) {
                // Nobody is dropped whose heartbeat has come: the runtime asks the system what has, and it is read.
                tokio::task::yield_now().await;
                self.hear_members(&port.counters);
            }
            let now = self.now();
            let room = self.turn(now, &port.counters);
            let due = self
                .next_timeout(room)
                .unwrap_or(now.after(SAVE_GAP))
                .min(self.saver.due(now, self.directory.revision()));
            let wake = self.start.checked_add(due.since_zero()).unwrap_or(self.start);
            let mut empty = true;
            tokio::select! {
                ready = self.socket.readable() => if ready.is_ok() { empty = self.hear_members(&port.counters) },
                ready = self.texts.socket.readable() => if ready.is_ok() {
                    empty = self.hear_peers(&mut into_room, &port.counters);
                },
                () = into_room.has_room() => into_room.give(),
                _ = self.socket.writable(), if self.held.is_some() => {}
                _ = self.texts.socket.writable(), if self.texts.is_held() => {}
                outgoing = port.from_room.recv() => match outgoing {
                    Some(outgoing) => {
                        let (author, to, text, done) = outgoing.into_parts();
                        self.send(author, &text, (to, done), &port.counters);
                    }
                    None => break,
                },
                _ = port.stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep_until(wake) => {}
            }
            breathe(empty).await;
        }
        let (now, revision, directory) = (self.now(), self.directory.revision(), self.directory);
        self.saver.last(now, revision, || members_of(&directory)).await;
    }

    fn now(&self) -> Timestamp {
        Timestamp::at(self.start.elapsed())
    }

    /// When something is due, as far as the two sockets have room for it.
    fn next_timeout(&self, (directories, texts): (bool, bool)) -> Option<Timestamp> {
        let texts = self.texts.next_timeout().filter(|_| texts);
        let chatter = self.chatter.next_timeout().filter(|_| self.character.is_some());
        let directories = self.directory.next_timeout().filter(|_| directories);
        texts.into_iter().chain(chatter).chain(directories).min()
    }

    /// All that is due; whether the two sockets have room for more.
    fn turn(&mut self, now: Timestamp, counters: &Counters) -> (bool, bool) {
        self.feed(now, Input::Timeout);
        if let Some(text) = self.character.and_then(|character| self.chatter.say(now, &character.to_string())) {
            self.send(None, &text, (None, None), counters);
        }
        for addr in std::mem::take(&mut self.gone) {
            self.texts.gone(now, addr, counters);
        }
        let directories = self.send_directories(now, counters);
        let texts = self.texts.flush(now, counters);
        Counters::set(&counters.open, self.directory.len());
        counters.held_back.store(self.directory.held(), Ordering::Relaxed);
        self.saver.save(now, self.directory.revision(), || members_of(&self.directory));
        (directories, texts)
    }

    /// Feeds the directory; the datagram that it sends, if there is room for one.
    fn feed(&mut self, now: Timestamp, input: Input<'_>) -> Option<(SocketAddr, Arc<[u8]>)> {
        let taken = self.directory.handle(now, input);
        debug_assert!(taken.is_ok(), "only datagrams are refused: {taken:?}");
        let mut datagram = None;
        while let Some(output) = self.directory.poll_output() {
            match output {
                Output::Datagram { to, bytes } => datagram = Some((to, bytes)),
                Output::Gone { addr } => self.gone.push(addr),
                Output::Verify { .. } | Output::Joined { .. } => {}
            }
        }
        datagram
    }

    fn send_directories(&mut self, now: Timestamp, counters: &Counters) -> bool {
        for _ in 0..MAX_SENDS {
            let next = self.held.take().or_else(|| self.feed(now, Input::Writable));
            let Some((to, bytes)) = next else { return true };
            match self.socket.try_send_to(&bytes, to) {
                Ok(len) => Counters::add(&counters.bytes_out, len),
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {
                    self.held = Some((to, bytes));
                    return false;
                }
                Err(why) => debug!(%to, %why, "udp-mesh: a directory was not sent"),
            }
            // A text right behind it would be a burst.
            self.texts.other(now, to, counters);
        }
        true
    }

    /// To all members, or those at one address, as far as they have shown that they receive where their form can.
    fn send(&mut self, author: Author, text: &str, (to, done): (Option<IpAddr>, Option<Done>), counters: &Counters) {
        let encoded = Encoded::new(text, &mut self.keys, counters);
        let wanted = self.directory.others().filter(|member| to.is_none_or(|ip| member.addr.ip() == ip));
        let mut receivers: Vec<_> = wanted.map(|m| (m.addr, encoded.for_peer(m.own.is_some()))).collect();
        let (now, all) = (self.now(), receivers.len());
        receivers.retain(|(to, bytes)| self.directory.takes_text(now, *to, bytes.len()));
        // With nobody there it is one that was dropped.
        Counters::add(&counters.dropped_out, all.max(1).saturating_sub(receivers.len()));
        self.texts.send(now, author, (receivers, done), counters);
    }
}
