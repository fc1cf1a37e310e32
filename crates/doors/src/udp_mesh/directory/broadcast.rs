//! Broadcasts: who gets which datagram of the directory next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::encode_directory;
use rumormill_wire::udp_mesh::extended::{Entry, encode_part};

use super::Directory;
use super::feed::{Bytes, GAP_BUSY, MAX_PART, entry_len};
use super::member::{Has, Id, Member, entry};
use crate::udp_mesh::pacer::GAP;

/// After a pause so long a broadcast counts as the first.
const PAUSE: Duration = Duration::from_secs(1);

fn entries<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<Entry<'a>> {
    members.map(|m| entry(m.character, m.addr, m.own.as_ref())).collect()
}

impl Directory {
    /// The next datagram whose time has come, and for whom.
    pub(super) fn next_datagram(&mut self, now: Timestamp) -> Option<(SocketAddr, Arc<[u8]>)> {
        if self.feed.due.is_some_and(|due| due <= now) {
            self.begin_broadcast(now);
        }
        loop {
            let (at, id) = *self.feed.agenda.first().filter(|(at, _)| *at <= now)?;
            self.feed.agenda.remove(&(at, id));
            if let Some(datagram) = self.datagram_for(now, id) {
                return Some(datagram);
            }
        }
    }

    fn begin_broadcast(&mut self, now: Timestamp) {
        let (version, feed) = (self.feed.version(), &mut self.feed);
        let paused = feed.last.is_none_or(|last| now.elapsed(last) > PAUSE);
        feed.gap = if paused { GAP } else { GAP_BUSY.min(feed.gap.saturating_mul(2)) };
        (feed.due, feed.last) = (None, Some(now));
        let legacy = std::mem::take(&mut feed.legacy);
        for (id, member) in self.members.iter_mut().filter(|(_, member)| !member.ours) {
            let behind = match (&member.own, &member.has) {
                (None, _) => legacy,
                (Some(_), Has::Version(sent)) => *sent < version,
                (Some(_), Has::Nothing) => true,
                (Some(_), Has::Parts { .. } | Has::Asked) => false,
            };
            if behind {
                feed.queue(now, *id, member);
            }
        }
    }

    fn datagram_for(&mut self, now: Timestamp, id: Id) -> Option<(SocketAddr, Arc<[u8]>)> {
        let member = self.members.get(&id)?;
        let (addr, has, is_legacy) = (member.addr, member.has.clone(), member.own.is_none());
        if !is_legacy && !member.receipt.is_shown() {
            return self.page_for(now, id);
        }
        let (bytes, has) = if is_legacy {
            (self.directory(), Has::Version(self.feed.version()))
        } else {
            let Some(next) = self.next_for(has) else {
                let member = self.members.get_mut(&id)?;
                (member.queued, member.again_sent) = (false, false);
                return None;
            };
            next
        };
        let version = self.feed.version();
        let member = self.members.get_mut(&id)?;
        let wait = match (is_legacy, member.again_sent) {
            (true, _) => self.unshown.take(now, addr, bytes.len()).err(),
            (false, true) => self.again.take(now, addr, bytes.len()).err(),
            (false, false) => None,
        };
        if let Some(wait) = wait {
            // What it is told then is what holds then.
            self.feed.agenda.insert((now.after(wait), id));
            return None;
        }
        (member.has, member.queued, member.ready) = (has, false, now.after(GAP));
        let is_whole = matches!(member.has, Has::Version(sent) if sent == version);
        member.again_sent &= !is_whole;
        if !is_legacy && !is_whole {
            self.feed.queue(now, id, member);
        }
        Some((addr, bytes))
    }

    /// The page of a member that has not shown that it receives, as far as it has paid for it.
    fn page_for(&mut self, now: Timestamp, id: Id) -> Option<(SocketAddr, Arc<[u8]>)> {
        let member = self.members.get_mut(&id)?;
        let bytes = member.page();
        // Each of its heartbeats pays for some of the next, and asks for it.
        (member.has, member.queued, member.again_sent) = (Has::Asked, false, false);
        if !member.receipt.pay(bytes.len()) {
            self.unpaid = self.unpaid.saturating_add(1);
            return None;
        }
        member.ready = now.after(GAP);
        Some((member.addr, bytes))
    }

    /// What a member of the extended form is sent next, and what it has then; nothing if it has all.
    fn next_for(&mut self, has: Has) -> Option<(Bytes, Has)> {
        match has {
            Has::Version(version) if version == self.feed.version() => None,
            Has::Version(version) if self.feed.reaches(version) => {
                let (bytes, version) = self.feed.changes(version);
                Some((bytes, Has::Version(version)))
            }
            Has::Parts { version, parts, next } => part(version, parts, next),
            Has::Version(_) | Has::Nothing | Has::Asked => {
                let (version, parts) = self.parts();
                part(version, parts, 0)
            }
        }
    }

    /// What legacy peers are told: everyone who has a character.
    fn directory(&mut self) -> Arc<[u8]> {
        if let Some(bytes) = &self.feed.directory {
            return Arc::clone(bytes);
        }
        let mut out = Vec::new();
        let listed =
            self.characters.iter().filter_map(|(character, id)| Some((*character, self.members.get(id)?.addr.port())));
        let encoded = encode_directory(listed, &mut out);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        let bytes: Arc<[u8]> = out.into();
        self.feed.directory = Some(Arc::clone(&bytes));
        bytes
    }

    /// The whole directory of this version, in parts.
    fn parts(&mut self) -> (u64, Arc<[Bytes]>) {
        if let Some((version, parts)) = self.feed.parts.as_ref().filter(|(version, _)| self.feed.reaches(*version)) {
            // Changes since then are shorter than a new whole, unless there are very many.
            if self.feed.version().saturating_sub(*version) <= u64::try_from(self.members.len() / 4).unwrap_or(0) {
                return (*version, Arc::clone(parts));
            }
        }
        let (all, version) = (entries(self.members.values()), self.feed.version());
        let total = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let (mut parts, mut offset) = (Vec::new(), 0_u32);
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let mut room = MAX_PART;
            let fits = |entry: &&Entry<'_>| {
                let left = room.checked_sub(entry_len(entry.identity.map(|identity| identity.name)));
                room = left.unwrap_or(0);
                left.is_some()
            };
            let (chunk, after) = rest.split_at(rest.iter().take_while(fits).count());
            let mut out = Vec::new();
            let encoded = encode_part(version, total, offset, chunk.iter().copied(), &mut out);
            debug_assert!(encoded.is_ok(), "{encoded:?}");
            parts.push(out.into());
            offset = u32::saturating_add(offset, u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            rest = after;
        }
        let parts: Arc<[Bytes]> = parts.into();
        self.feed.parts = Some((version, Arc::clone(&parts)));
        (version, parts)
    }
}

/// A part, and what is known to whoever got it.
fn part(version: u64, parts: Arc<[Bytes]>, at: usize) -> Option<(Bytes, Has)> {
    let bytes = Arc::clone(parts.get(at)?);
    let next = at.saturating_add(1);
    let has = if next >= parts.len() { Has::Version(version) } else { Has::Parts { version, parts, next } };
    Some((bytes, has))
}
