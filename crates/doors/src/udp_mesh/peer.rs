//! A peer of somebody else's directory: BIRTH until it is listed, then heartbeats, and what the directory says.
//!
//! A machine: datagrams and times go in, acts come out. A directory says nothing as long as nothing changes, and an old one
//! answers a BIRTH of whoever is listed with an error on its screen and a directory for everybody. So a listed peer sends
//! heartbeats only, and asks again when the directory was away, or when it was silent itself for so long that it was dropped.

mod list;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rumormill_wire::udp_mesh::extended::{Changes, KEY_LEN, Part, Refusal};
use rumormill_wire::udp_mesh::{Entries, Letter};

pub use list::Known;

use super::chatter::Chatter;
use list::List;

/// A peer that is in no directory so long after its BIRTH says so, and asks again.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Between two BIRTHs at most, while nobody takes it.
pub const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// An old directory drops a peer that was silent for longer, and heartbeats do not bring it back.
pub const SILENCE: Duration = Duration::from_millis(1_500);

/// Who the peer is, and its times.
#[derive(Debug, Clone)]
pub struct Settings {
    /// One character, or up to 64 bytes: then it speaks the extended form.
    pub name: String,
    /// Its own port.
    pub own: SocketAddr,
    /// Where the directory listens.
    pub directory: SocketAddr,
    /// With which key it signs.
    pub key: [u8; KEY_LEN],
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two broadcasts.
    pub broadcast: Option<Duration>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Send BIRTH to the directory.
    Birth,
    /// Send KEEPALIVE to the directory; the extended form says the version.
    KeepAlive(u64),
    /// Send LEAVE to the directory.
    Leave,
    /// Send this to all peers.
    Broadcast(String),
    /// Say what happened.
    Tell(Tell),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// The directory lists us.
    Registered,
    /// It did not within [`PATIENCE`].
    LeftOut,
    /// It said why not.
    Refused(Refusal),
    /// It listed us and does no more.
    Lost,
}

/// The peer.
#[derive(Debug)]
pub struct Peer {
    settings: Settings,
    letter: Option<Letter>,
    wanted: bool,
    listed: bool,
    /// The BIRTH that waits for an answer was sent then.
    asked: Option<Duration>,
    backoff: Duration,
    next_birth: Duration,
    next_heartbeat: Duration,
    chatter: Chatter,
    /// It was seen to speak from its own port: then nobody else is believed.
    exact: bool,
    refused: Option<Refusal>,
    list: List,
    acts: VecDeque<Act>,
}

impl Peer {
    /// A peer that asks to be taken at once.
    #[must_use]
    pub fn new(settings: Settings, now: Duration) -> Self {
        let mut chars = settings.name.chars();
        let letter = chars.next().and_then(Letter::new).filter(|_| chars.next().is_none());
        let chatter = Chatter::new(now, settings.broadcast);
        Self {
            settings,
            letter,
            wanted: true,
            listed: false,
            asked: None,
            backoff: PATIENCE,
            next_birth: now,
            next_heartbeat: now,
            chatter,
            exact: false,
            refused: None,
            list: List::default(),
            acts: VecDeque::new(),
        }
    }

    /// The name as one character; `None` if it speaks the extended form.
    #[must_use]
    pub const fn letter(&self) -> Option<Letter> {
        self.letter
    }

    /// What it was made with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the directory lists us.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.listed
    }

    /// Whether it does not ask to be listed.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        !self.wanted
    }

    /// The others, as the directory last said.
    #[must_use]
    pub const fn peers(&self) -> &BTreeMap<SocketAddr, Known> {
        self.list.peers()
    }

    /// The peer at an address.
    pub fn peer_at(&mut self, addr: SocketAddr) -> Option<&mut Known> {
        self.list.peer_at(addr)
    }

    /// Asks to be taken, again and again.
    pub fn connect(&mut self, now: Duration) {
        if !self.wanted {
            (self.wanted, self.asked, self.refused) = (true, None, None);
            (self.next_birth, self.backoff) = (now, PATIENCE);
        }
    }

    /// Falls silent, which is how old peers go.
    pub fn disconnect(&mut self) {
        if self.wanted && self.listed && self.letter.is_none() {
            self.acts.push_back(Act::Leave);
        }
        (self.wanted, self.listed) = (false, false);
        self.list.clear();
    }

    /// Turns broadcasts on or off.
    pub fn broadcast(&mut self, now: Duration, every: Option<Duration>) {
        self.chatter.set(now, every);
    }

    /// An old DIRECTORY.
    pub fn directory(&mut self, now: Duration, from: SocketAddr, entries: Entries<'_>) {
        let Some(letter) = self.letter.filter(|_| self.believes(from)) else { return };
        self.list.replace_old(self.settings.directory.ip(), self.settings.own.port(), entries.iter());
        // We are left out of what we show by our port, and listed by both.
        self.judge(now, entries.iter().any(|entry| entry == (letter, self.settings.own.port())));
    }

    /// A part of an extended directory (P-U4).
    pub fn part(&mut self, now: Duration, from: SocketAddr, part: &Part<'_>) {
        if self.letter.is_some() || from != self.settings.directory {
            return;
        }
        // It may take many, and each says that we are not forgotten.
        self.asked = self.asked.map(|_| now);
        self.next_birth = self.next_birth.max(now + self.backoff);
        if self.list.part(self.settings.own, part) {
            self.judge(now, self.list.lists(&self.settings.key));
        }
    }

    /// Changes of an extended directory (P-U5).
    pub fn changes(&mut self, now: Duration, from: SocketAddr, changes: &Changes<'_>) {
        if self.letter.is_some() || from != self.settings.directory {
            return;
        }
        if self.list.changes(self.settings.own, changes) {
            self.judge(now, self.list.lists(&self.settings.key));
        }
    }

    /// The directory says no (P-U8).
    pub fn refused(&mut self, now: Duration, from: SocketAddr, why: Refusal) {
        if from != self.settings.directory || !self.wanted {
            return;
        }
        match why {
            Refusal::Unknown if self.listed => self.judge(now, false),
            Refusal::Unknown => {}
            why if self.listed || self.refused == Some(why) => {}
            why => {
                self.refused = Some(why);
                self.acts.push_back(Act::Tell(Tell::Refused(why)));
            }
        }
    }

    /// The system says that nobody listens where the directory should be.
    pub fn unreachable(&mut self, now: Duration) {
        if self.listed {
            self.judge(now, false);
            self.next_birth = now + self.backoff;
        }
    }

    /// Another process has the directory's port than before.
    pub fn restarted(&mut self, now: Duration) {
        self.judge(now, false);
    }

    /// A directory may answer from any of its ports until it is seen to answer from its own.
    fn believes(&mut self, from: SocketAddr) -> bool {
        self.exact |= from == self.settings.directory;
        from == self.settings.directory || !self.exact && from.ip() == self.settings.directory.ip()
    }

    fn judge(&mut self, now: Duration, listed: bool) {
        if !self.wanted {
            return;
        }
        if listed {
            (self.asked, self.backoff, self.refused) = (None, PATIENCE, None);
        }
        match (self.listed, listed) {
            (false, true) => {
                (self.listed, self.next_heartbeat) = (true, now + self.settings.heartbeat);
                self.acts.push_back(Act::Tell(Tell::Registered));
            }
            (true, false) => {
                (self.listed, self.asked, self.next_birth) = (false, None, now);
                self.acts.push_back(Act::Tell(Tell::Lost));
            }
            _ => {}
        }
    }

    /// The next thing to do, if its time has come.
    pub fn act(&mut self, now: Duration) -> Option<Act> {
        if let Some(act) = self.acts.pop_front() {
            return Some(act);
        }
        if let Some(text) = self.chatter.say(now, &self.settings.name) {
            return Some(Act::Broadcast(text));
        }
        if !self.wanted {
            return None;
        }
        if self.asked.is_some_and(|asked| now >= asked + PATIENCE) {
            return Some(self.unanswered());
        }
        if self.listed {
            if self.letter.is_some() && now >= self.next_heartbeat + self.dropped_after() {
                self.judge(now, false);
                return self.acts.pop_front();
            }
            if now >= self.next_heartbeat {
                self.next_heartbeat = now + self.settings.heartbeat;
                return Some(Act::KeepAlive(self.list.version()));
            }
            return None;
        }
        (now >= self.next_birth).then(|| self.ask(now))
    }

    fn ask(&mut self, now: Duration) -> Act {
        self.asked = Some(now);
        self.next_birth = now + self.backoff;
        self.backoff = MAX_BACKOFF.min(self.backoff.saturating_mul(2));
        Act::Birth
    }

    /// So long after a heartbeat was due an old directory may have dropped us.
    fn dropped_after(&self) -> Duration {
        let between = self.settings.heartbeat;
        SILENCE.max(between.saturating_mul(2)).saturating_sub(between)
    }

    /// A BIRTH to which nothing came.
    fn unanswered(&mut self) -> Act {
        self.asked = None;
        Act::Tell(Tell::LeftOut)
    }

    /// When [`Peer::act`] has something again.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        if !self.acts.is_empty() {
            return Some(Duration::ZERO);
        }
        let asked = self.asked.map(|asked| asked + PATIENCE);
        let heartbeat = self.listed.then_some(self.next_heartbeat);
        let birth = (!self.listed).then_some(self.next_birth);
        let wanted = [asked, heartbeat, birth].into_iter().flatten().filter(|_| self.wanted);
        wanted.chain(self.chatter.wake()).min()
    }
}

#[cfg(test)]
mod tests;
