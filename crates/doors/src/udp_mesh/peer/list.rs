//! The peers that a directory lists.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use rumormill_limits::Rate;
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::{Change, Changes, Entry, KEY_LEN, Part};

use crate::udp_mesh::config::MAX_MEMBERS;
use crate::udp_mesh::texts::TEXTS;

/// What the directory says of one peer, and what that peer has sent us since.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub name: String,
    /// Its key; legacy peers have none.
    pub key: Option<[u8; KEY_LEN]>,
    /// What is left of the texts that it may send ([`TEXTS`]).
    pub(in crate::udp_mesh) said: Rate,
    /// The last time it signed a text, in microseconds since the Unix epoch; 0 if never.
    pub(in crate::udp_mesh) time: u64,
}

/// Peers by where they take datagrams.
type KnownPeers = BTreeMap<SocketAddr, Known>;
type Coming = (u64, u32, Vec<(SocketAddr, Known)>);

/// The peers but ourselves, and which version of the directory that is.
#[derive(Debug, Default)]
pub(super) struct List {
    peers: KnownPeers,
    version: u64,
    own_key: Option<[u8; KEY_LEN]>,
    /// A whole directory on its way: its version, how many entries it has, and those that came.
    coming: Option<Coming>,
}

fn known(entry: &Entry<'_>) -> Known {
    let character = entry.character.map(|character| character.to_string()).unwrap_or_default();
    let name = entry.identity.map_or(character, |identity| identity.name.to_owned());
    Known { name, key: entry.identity.map(|identity| identity.key), said: TEXTS, time: 0 }
}

impl List {
    pub(super) const fn peers(&self) -> &KnownPeers {
        &self.peers
    }

    pub(super) fn peer_at(&mut self, addr: SocketAddr) -> Option<&mut Known> {
        self.peers.get_mut(&addr)
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the directory lists us under our key.
    pub(super) fn lists(&self, key: &[u8; KEY_LEN]) -> bool {
        self.own_key.as_ref() == Some(key)
    }

    /// A legacy directory: names and ports.
    pub(super) fn replace_legacy(&mut self, ip: IpAddr, own: u16, entries: impl Iterator<Item = (NameChar, u16)>) {
        let others = entries.filter(|(_, port)| *port != own);
        let table = others.map(|(character, port)| {
            let addr = SocketAddr::new(ip, port);
            (addr, known(&Entry { character: Some(character), addr, identity: None }))
        });
        self.replace(table.collect());
    }

    /// What was counted of a peer that stays is kept.
    fn replace(&mut self, mut table: KnownPeers) {
        for (addr, peer) in &mut table {
            if let Some(before) = self.peers.get(addr) {
                peer.said = before.said;
                if before.key == peer.key {
                    peer.time = before.time;
                }
            }
        }
        self.peers = table;
    }

    /// True once the directory is whole.
    pub(super) fn part(&mut self, own: SocketAddr, part: &Part<'_>) -> bool {
        let fits = usize::try_from(part.total).is_ok_and(|total| total <= MAX_MEMBERS);
        if part.offset == 0 && fits {
            self.coming = Some((part.version, part.total, Vec::new()));
        }
        let Some((version, total, entries)) = &mut self.coming else { return false };
        let next = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        if (*version, *total, next) != (part.version, part.total, part.offset) {
            return false;
        }
        entries.extend(part.iter().map(|entry| (entry.addr, known(&entry))));
        if u32::try_from(entries.len()) != Ok(*total) {
            return false;
        }
        let Some((version, _, entries)) = self.coming.take() else { return false };
        let mut table: KnownPeers = entries.into_iter().collect();
        self.own_key = table.remove(&own).and_then(|peer| peer.key);
        self.version = version;
        self.replace(table);
        true
    }

    /// True if they lead on from what we have.
    pub(super) fn changes(&mut self, own: SocketAddr, changes: &Changes<'_>) -> bool {
        // Some of them may be known already, where they were sent twice.
        let Some(skip) = self.version.checked_sub(changes.base).and_then(|skip| usize::try_from(skip).ok()) else {
            return false;
        };
        if self.version == 0 {
            return false;
        }
        for change in changes.iter().skip(skip) {
            self.version = self.version.saturating_add(1);
            match change {
                Change::Came(entry) if entry.addr == own => self.own_key = entry.identity.map(|identity| identity.key),
                Change::Went(addr) if addr == own => self.own_key = None,
                Change::Came(entry) if self.peers.len() < MAX_MEMBERS => {
                    self.peers.insert(entry.addr, known(&entry));
                }
                Change::Came(_) => {}
                Change::Went(addr) => {
                    self.peers.remove(&addr);
                }
            }
        }
        true
    }
}
