//! The door as a directory that takes part: one task with two sockets.
//!
//! The directory's socket takes BIRTH and KEEPALIVE and sends the directory; texts come and go by a socket of their own, whose
//! port is listed like that of any peer.

mod hear;
mod save;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::udp_mesh::Letter;
use rumormill_wire::udp_mesh::extended::MAX_NAME_LEN;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::bucket::Bucket;
use super::chatter::Chatter;
use super::checks::Checks;
use super::config::{Config, Role};
use super::directory::{Directory, Limits, Own};
use super::keys::{Keys, unix_micros};
use super::socket::{BUFFER_LEN, Mouth, addr_of, bind, bind_low, breathe, ready, shown};
use super::state::{self};
use super::texts::{Done, Encoded, tell_done};
use crate::cut::{cut, one_line};
use crate::{Counters, DoorError, DoorKind, Outgoing, Porch};

/// Between two writes of the members.
const SAVE_GAP: Duration = Duration::from_millis(500);

/// Directories written before others have their turn: they may be long, and who wants to be taken waits meanwhile.
const MAX_SENDS: usize = 64;

/// A directory and its sockets.
#[derive(Debug)]
pub(super) struct Host {
    socket: UdpSocket,
    mouth: Mouth<Done>,
    directory: Directory,
    keys: Keys,
    start: Instant,
    listen: SocketAddr,
    peer: SocketAddr,
    /// Asked for; once settled, the one that it has.
    letter: Option<Letter>,
    chatter: Chatter,
    buffer: Vec<u8>,
    /// A datagram that the socket had no room for.
    held: Option<(SocketAddr, Arc<[u8]>)>,
    checks: Checks,
    refusals: Bucket,
    strangers: Bucket,
    state: Option<PathBuf>,
    saved: (u64, Duration),
    saving: Option<JoinHandle<std::io::Result<()>>>,
}

impl Host {
    pub(super) async fn bind(config: Config) -> Result<Self, DoorError> {
        let Role::Directory { letter, peer } = config.role else {
            let reason = "a peer is no directory".to_owned();
            return Err(DoorError::Refused { door: DoorKind::UdpMesh, reason });
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
        };
        let kept = config.state.as_deref().map(state::load).transpose().unwrap_or_else(|why| {
            warn!(%why, "udp-mesh: the members of the last run cannot be read; the directory begins without them");
            None
        });
        let kept = kept.unwrap_or_default();
        let mut directory = Directory::new(limits, kept.version.saturating_add(1).max(unix_micros()));
        let restored = kept.members.into_iter().map(|saved| directory.restore(Duration::ZERO, saved));
        let count = restored.filter(|taken| *taken).count();
        if count > 0 {
            info!(members = count, "udp-mesh: members of the last run are listed until they fall silent");
        }
        let saved = (directory.version(), Duration::ZERO);
        let keys = Keys::generate().map_err(DoorError::io(DoorKind::UdpMesh, "make", "a key"))?;
        Ok(Self {
            socket,
            mouth: Mouth::new(texts),
            directory,
            keys,
            start: Instant::now(),
            listen,
            peer,
            letter,
            chatter: Chatter::new(Duration::ZERO, config.broadcast),
            buffer: vec![0; BUFFER_LEN],
            held: None,
            checks: Checks::default(),
            refusals: Bucket::default(),
            strangers: Bucket::default(),
            state: config.state,
            saved,
            saving: None,
        })
    }

    pub(super) const fn local_addr(&self) -> SocketAddr {
        self.listen
    }

    pub(super) const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Lists ourselves, under the letter asked for or a free one.
    fn settle(&mut self, name: &str) {
        let line = one_line(name);
        let (name, _) = cut(&line, MAX_NAME_LEN);
        // A name of one character would have to be that letter.
        let name = if name.chars().count() > 1 { name.into_owned() } else { format!("node {name}") };
        let own = || Own { key: self.keys.public(), name: name.clone() };
        let wished = self.letter.into_iter().chain(self.directory.free_letter());
        let mut tried = wished.filter(|letter| self.directory.settle(Duration::ZERO, *letter, self.peer, own()));
        let (found, wished) = (tried.next(), self.letter);
        self.letter = found;
        match found {
            Some(letter) if wished.is_none_or(|wished| wished == letter) => {
                info!(%letter, peer = %self.peer, "udp-mesh: the directory takes part");
            }
            Some(letter) => warn!(%letter, "udp-mesh: the name asked for is held by a member of the last run"),
            None => warn!("udp-mesh: no name is free; the directory does not take part"),
        }
    }

    /// Serves until the porch says stop or the node drops its end.
    pub(super) async fn run(mut self, mut porch: Porch) {
        self.start = Instant::now();
        self.settle(&porch.name);
        loop {
            let now = self.start.elapsed();
            let room = self.turn(now, &porch.counters);
            let due = self.mouth.pacer.wake().filter(|_| room.1);
            let chatter = self.chatter.wake().filter(|_| self.letter.is_some());
            let due = due.into_iter().chain(chatter).chain(room.0.then(|| self.directory.wake())).min();
            let mut empty = true;
            let due = due.unwrap_or(now + SAVE_GAP).min(self.save_due(now));
            tokio::select! {
                ready = self.socket.readable() => if ready.is_ok() { empty = self.hear_members(&porch.counters) },
                ready = self.mouth.socket.readable() => if ready.is_ok() {
                    empty = self.hear_peers(&porch.into_room, &porch.counters);
                },
                _ = self.socket.writable(), if self.held.is_some() => {}
                _ = self.mouth.socket.writable(), if self.mouth.is_held() => {}
                outgoing = porch.from_room.recv() => match outgoing {
                    Some(outgoing) => self.give(outgoing, &porch.counters),
                    None => break,
                },
                _ = porch.stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep_until(self.start + due) => {}
            }
            breathe(empty).await;
        }
        self.save_last().await;
    }

    /// All that is due; whether the two sockets have room for more.
    fn turn(&mut self, now: Duration, counters: &Counters) -> (bool, bool) {
        self.directory.look(now);
        if let Some(text) = self.letter.and_then(|letter| self.chatter.say(now, &letter.to_string())) {
            self.send(&text, None, None, counters);
        }
        for addr in self.directory.gone() {
            self.mouth.pacer.forget(addr);
        }
        let directories = self.send_directories(now, counters);
        let texts = self.mouth.flush(now, counters);
        self.mouth.count_dropped(counters);
        tell_done(self.mouth.pacer.finished());
        Counters::set(&counters.open, self.directory.len());
        self.save(now);
        (directories, texts)
    }

    fn send_directories(&mut self, now: Duration, counters: &Counters) -> bool {
        for _ in 0..MAX_SENDS {
            let next = self.held.take().or_else(|| self.directory.next_datagram(now));
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
            self.mouth.pacer.note(now, to);
        }
        true
    }

    fn give(&mut self, outgoing: Outgoing, counters: &Counters) {
        let Outgoing { text, line, to, done, .. } = outgoing;
        self.send(if to.is_some() { &text } else { &line }, to, done, counters);
    }

    /// To all members, or those at one address.
    fn send(&mut self, text: &str, to: Option<IpAddr>, done: Done, counters: &Counters) {
        let encoded = Encoded::new(text, &mut self.keys, counters);
        let wanted = self.directory.others().filter(|member| to.is_none_or(|ip| member.addr.ip() == ip));
        let parcels: Vec<_> = wanted.map(|m| (m.addr, encoded.for_peer(m.own.is_some()))).collect();
        if parcels.is_empty() {
            Counters::one(&counters.dropped_out);
        }
        self.mouth.pacer.push(self.start.elapsed(), parcels, done);
    }
}
