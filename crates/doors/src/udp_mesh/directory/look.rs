//! Looking for the silent, and taking back who was dropped in doubt.

use std::net::SocketAddr;

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::NameChar;
use rumormill_wire::udp_mesh::extended::Refusal;

use super::Directory;
use super::input::Reject;
use super::member::{Id, Member};

impl Directory {
    /// Whether it is time to look for the silent: then what has come is to be read before.
    #[must_use]
    pub(in crate::udp_mesh) fn looks(&self, now: Timestamp) -> bool {
        now >= self.next_look
    }

    /// Looks for the silent, if it is time. Time in which heartbeats may have been lost here does not count.
    pub(super) fn look(&mut self, now: Timestamp) {
        if !self.looks(now) {
            return;
        }
        self.next_look = now.after(self.limits.look);
        self.attention.look(now);
        let is_silent = |m: &Member| !m.ours && self.attention.is_silent(m.heard, self.limits.silence);
        let silent: Vec<Id> = self.members.iter().filter(|(_, m)| is_silent(m)).map(|(id, _)| *id).collect();
        for id in silent {
            self.remember(id);
            self.remove(now, id);
        }
    }

    /// Of a legacy peer that is dropped in doubt, what it takes to take it back.
    fn remember(&mut self, id: Id) {
        let Some(member) = self.members.get(&id).filter(|member| member.own.is_none()) else { return };
        if let (Some(character), Some(birth)) = (member.character, member.birth) {
            let addr = Some(member.addr).filter(|_| self.attention.is_in_doubt(member.heard));
            if addr.is_some() || self.dropped.get(&(birth, character)).is_some() {
                self.dropped.insert((birth, character), addr);
            }
        }
    }

    /// A heartbeat of a legacy peer that was dropped while its heartbeats may have been lost here: it is taken back, since it
    /// never sends BIRTH again.
    pub(super) fn revive(&mut self, now: Timestamp, from: SocketAddr, character: NameChar) -> Result<(), Reject> {
        let unknown = Reject::silent(Refusal::Unknown);
        let addr = self.dropped.get(&(from, character)).copied().flatten().ok_or(unknown)?;
        let free = self.character_free(character, addr).and_then(|()| self.place_for(addr.ip()));
        free.map_err(|_| unknown)?;
        self.dropped.insert((from, character), None);
        self.join(now, Member::new(Some(character), addr, None, Some(from), self.attention.heard(now)));
        Ok(())
    }
}
