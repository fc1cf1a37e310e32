//! A member of the directory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::{Rate, Timestamp};
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::{Entry, Identity, KEY_LEN, encode_part};

use super::attention::LastHeard;
use super::receipt::Receipt;
use crate::udp_mesh::texts::TEXTS;

/// Datagrams to the directory from one member, at once and a second: heartbeats every 10 ms are a hundred.
const SPOKEN: Rate = Rate::new(256, 128);

/// What a member of the extended form has more than a legacy peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// The Ed25519 key that it signs with.
    pub key: [u8; KEY_LEN],
    /// One to 64 bytes, unlike every other member's.
    pub name: String,
}

/// A member's number. None is used twice.
pub(super) type Id = u64;

/// What the directory knows of a member, and what it still has to send to it.
#[derive(Debug)]
pub(crate) struct Member {
    /// The character that legacy peers know it by.
    pub character: Option<NameChar>,
    /// Where it takes datagrams.
    pub addr: SocketAddr,
    /// Its key and name; legacy peers have none.
    pub own: Option<Own>,
    /// Where its BIRTH came from, and its heartbeats since.
    pub(super) birth: Option<SocketAddr>,
    /// Where and when the same BIRTH of a legacy peer came again: a double, or it was ended and started again.
    pub(super) again: Option<(SocketAddr, Timestamp)>,
    pub(super) heard: LastHeard,
    /// What is left of [`SPOKEN`].
    pub(super) spoken: Rate,
    pub(super) receipt: Receipt,
    /// What it is sent until it is up to date was sent to it before.
    pub(super) again_sent: bool,
    /// Whether it is the directory itself, which takes part.
    pub(super) ours: bool,
    /// The last time that was signed with its key, in a BIRTH; or in a text, which the owner of the directory keeps.
    pub(in crate::udp_mesh) time: u64,
    pub(in crate::udp_mesh) said: Rate,
    pub(super) has: Has,
    pub(super) queued: bool,
    pub(super) ready: Timestamp,
}

/// What a member knows of the directory.
#[derive(Debug, Clone)]
pub(super) enum Has {
    /// Nothing, or too little to add to.
    Nothing,
    /// Its page: it was asked to show that it receives.
    Asked,
    /// All of a version. Legacy peers have no versions: all of the last broadcast.
    Version(u64),
    /// The parts of a version up to one.
    Parts { version: u64, parts: Arc<[Arc<[u8]>]>, next: usize },
}

/// What is known of a member after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    /// The character that legacy peers know it by.
    pub character: Option<NameChar>,
    /// Where it takes datagrams.
    pub addr: SocketAddr,
    /// Its key and name; legacy peers have none.
    pub own: Option<Own>,
    /// Where its BIRTH came from.
    pub birth: Option<SocketAddr>,
    /// The last time it signed, in microseconds since the Unix epoch; 0 if never.
    pub time: u64,
}

impl Member {
    pub(super) fn new(
        character: Option<NameChar>,
        addr: SocketAddr,
        own: Option<Own>,
        birth: Option<SocketAddr>,
        heard: LastHeard,
    ) -> Self {
        Self {
            character,
            addr,
            own,
            birth,
            again: None,
            heard,
            spoken: SPOKEN,
            receipt: Receipt::default(),
            again_sent: false,
            ours: false,
            time: 0,
            said: TEXTS,
            has: Has::Nothing,
            queued: false,
            ready: Timestamp::ZERO,
        }
    }

    /// Whether a heartbeat of a legacy peer from there is this one's. Of two that gave the same BIRTH it is the first as long
    /// as that one beats; `wait` after the second it is the second if the first has not.
    pub(super) fn beats(&mut self, now: Timestamp, heard: LastHeard, from: SocketAddr, wait: Duration) -> bool {
        let follows = self.again.is_some_and(|(again, at)| again == from && now >= at.after(wait));
        let is_theirs = self.own.is_none() && (self.birth.is_none_or(|birth| birth == from) || follows);
        if is_theirs {
            (self.birth, self.again, self.heard) = (Some(from), None, heard);
        }
        is_theirs
    }

    /// The first directory that it is sent: it lists it alone.
    pub(super) fn page(&self) -> Arc<[u8]> {
        let mut out = Vec::new();
        let alone = [entry(self.character, self.addr, self.own.as_ref())];
        let encoded = encode_part(self.receipt.page(), 1, 0, alone, &mut out);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        out.into()
    }

    /// Its name, as it is shown.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        match (&self.own, self.character) {
            (Some(own), _) => own.name.clone(),
            (None, Some(character)) => character.to_string(),
            (None, None) => String::new(),
        }
    }

    pub(super) fn saved(&self) -> Saved {
        let (character, addr, birth, time) = (self.character, self.addr, self.birth, self.time);
        Saved { character, addr, own: self.own.clone(), birth, time }
    }
}

/// An entry of the extended form.
pub(super) fn entry(character: Option<NameChar>, addr: SocketAddr, own: Option<&Own>) -> Entry<'_> {
    Entry { character, addr, identity: own.map(|own| Identity { key: own.key, name: &own.name }) }
}
