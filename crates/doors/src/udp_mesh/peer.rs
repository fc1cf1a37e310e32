//! A peer of somebody else's directory: BIRTH until it is listed, then heartbeats, and what the directory says.
//!
//! A machine without IO or clock: [`MeshPeer::handle`] takes what happened and the time; after each call [`MeshPeer::poll_output`] is
//! drained; [`Input::Timeout`] is due at [`MeshPeer::next_timeout`].
//!
//! A directory says nothing as long as nothing changes, and a legacy one answers a BIRTH of whoever is listed with an error on
//! its screen and a directory for everybody. So a listed peer sends heartbeats only, and asks again when the directory was
//! away, or when it was silent itself for so long that it was dropped.

mod input;
mod list;
mod listing;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rumormill_limits::{Backoff, Timestamp};
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::{KEY_LEN, Refusal};

use super::chatter::Chatter;
use list::List;

pub(super) use input::{Input, Output, Reject, Tell};
pub(super) use list::Known;

/// A peer that is in no directory so long after its BIRTH says so, and asks again.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Between two BIRTHs at most, while nobody takes it.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// A legacy directory drops a peer that was silent for longer, and heartbeats do not bring it back.
pub(super) const SILENCE: Duration = Duration::from_millis(1_500);

/// Who the peer is, and its times.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// One character, or up to 64 bytes: then it speaks the extended form.
    pub name: String,
    /// Its own port, where texts come in: what the directory lists.
    pub own: SocketAddr,
    /// Where the directory listens.
    pub directory: SocketAddr,
    /// With which key it signs.
    pub key: [u8; KEY_LEN],
    /// Between two heartbeats; a directory forgets who is silent for some of them.
    pub heartbeat: Duration,
    /// Between two broadcasts of its own; nothing if it says none by itself.
    pub broadcast: Option<Duration>,
}

/// A peer of one directory: when it asks, beats and speaks, and whom it believes.
#[derive(Debug)]
pub(super) struct MeshPeer {
    settings: Settings,
    character: Option<NameChar>,
    wanted: bool,
    listed: bool,
    /// The BIRTH that waits for an answer was sent then.
    asked: Option<Timestamp>,
    backoff: Backoff,
    next_birth: Timestamp,
    next_heartbeat: Timestamp,
    chatter: Chatter,
    /// It was seen to speak from its own port: then nobody else is believed.
    exact: bool,
    refused: Option<Refusal>,
    /// A directory came that listed us alone, and nothing after it yet.
    has_page: bool,
    list: List,
    outputs: VecDeque<Output>,
}

impl MeshPeer {
    /// A peer that asks to be taken at once.
    #[must_use]
    pub(super) fn new(settings: Settings, now: Timestamp) -> Self {
        let mut chars = settings.name.chars();
        let character = chars.next().and_then(NameChar::new).filter(|_| chars.next().is_none());
        let chatter = Chatter::new(now, settings.broadcast);
        Self {
            settings,
            character,
            wanted: true,
            listed: false,
            asked: None,
            backoff: Backoff::new(PATIENCE, MAX_BACKOFF),
            next_birth: now,
            next_heartbeat: now,
            chatter,
            exact: false,
            refused: None,
            has_page: false,
            list: List::default(),
            outputs: VecDeque::new(),
        }
    }

    /// The name as one character; `None` if it speaks the extended form.
    #[must_use]
    pub(super) const fn character(&self) -> Option<NameChar> {
        self.character
    }

    /// What it was made with.
    #[must_use]
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the directory lists us.
    #[cfg(test)]
    pub(super) const fn is_listed(&self) -> bool {
        self.listed
    }

    /// Whether it does not ask to be listed.
    #[must_use]
    pub(super) const fn is_idle(&self) -> bool {
        !self.wanted
    }

    /// The others, as the directory last said.
    #[must_use]
    pub(super) const fn peers(&self) -> &BTreeMap<SocketAddr, Known> {
        self.list.peers()
    }

    /// The peer at an address.
    pub(super) fn peer_at(&mut self, addr: SocketAddr) -> Option<&mut Known> {
        self.list.peer_at(addr)
    }

    /// Takes what happened. A directory that says nonsense is not believed, which is no error.
    ///
    /// # Errors
    /// It comes from somebody who is not our directory, or in a form that we do not speak; nothing has changed.
    pub(super) fn handle(&mut self, now: Timestamp, input: Input<'_>) -> Result<(), Reject> {
        match input {
            Input::Connect => self.connect(now),
            Input::Disconnect => self.disconnect(),
            Input::Broadcast { every } => self.chatter.set(now, every),
            Input::Directory { from, entries } => return self.directory(now, from, entries),
            Input::Part { from, part } => {
                self.check_extended(from)?;
                self.part(now, part);
            }
            Input::Changes { from, changes } => {
                self.check_extended(from)?;
                if self.list.changes(self.settings.own, changes) {
                    self.judge(now, self.list.lists(&self.settings.key));
                }
            }
            Input::Refused { from, why } => {
                self.check_sender(from)?;
                self.refused(now, why);
            }
            Input::Unreachable => self.unreachable(now),
            Input::Restarted => self.judge(now, false),
            Input::Timeout => self.timeout(now),
        }
        Ok(())
    }

    /// What is to be done; to be drained until `None`.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let asked = self.asked.map(|asked| asked.after(PATIENCE));
        let heartbeat = self.listed.then_some(self.next_heartbeat);
        let birth = (!self.listed).then_some(self.next_birth);
        let wanted = [asked, heartbeat, birth].into_iter().flatten().filter(|_| self.wanted);
        wanted.chain(self.chatter.next_timeout()).min()
    }

    /// Asks to be taken, again and again.
    fn connect(&mut self, now: Timestamp) {
        if !self.wanted {
            (self.wanted, self.asked, self.refused) = (true, None, None);
            self.next_birth = now;
            self.backoff.reset();
        }
    }

    /// Falls silent, which is how legacy peers go.
    fn disconnect(&mut self) {
        if self.wanted && self.listed && self.character.is_none() {
            self.outputs.push_back(Output::Leave);
        }
        (self.wanted, self.listed) = (false, false);
        self.list.clear();
    }

    /// All whose time has come.
    fn timeout(&mut self, now: Timestamp) {
        while let Some(output) = self.due(now) {
            self.outputs.push_back(output);
        }
    }

    fn due(&mut self, now: Timestamp) -> Option<Output> {
        if let Some(text) = self.chatter.say(now, &self.settings.name) {
            return Some(Output::Broadcast(text));
        }
        if !self.wanted {
            return None;
        }
        if self.asked.is_some_and(|asked| now >= asked.after(PATIENCE)) {
            self.asked = None;
            return Some(Output::Tell(Tell::LeftOut));
        }
        if self.listed && self.character.is_some() && now >= self.next_heartbeat.after(self.dropped_after()) {
            self.judge(now, false);
        }
        if self.listed {
            let version = self.list.version();
            return (now >= self.next_heartbeat).then(|| {
                self.next_heartbeat = now.after(self.settings.heartbeat);
                Output::KeepAlive { version }
            });
        }
        (now >= self.next_birth).then(|| self.ask(now))
    }

    fn ask(&mut self, now: Timestamp) -> Output {
        self.asked = Some(now);
        self.next_birth = now.after(self.backoff.step());
        Output::Birth
    }

    /// So long after a heartbeat was due a legacy directory may have dropped us.
    fn dropped_after(&self) -> Duration {
        let between = self.settings.heartbeat;
        SILENCE.max(between.saturating_mul(2)).saturating_sub(between)
    }
}

#[cfg(test)]
mod tests;
