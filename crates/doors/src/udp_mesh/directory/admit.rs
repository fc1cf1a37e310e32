//! Who is heard: members first, each within its rate; whoever is none within theirs.

use std::net::SocketAddr;

use rumormill_limits::Timestamp;

use super::Directory;
use super::member::{Id, Member};
use super::newcomers::Admit;

impl Directory {
    /// Whether a datagram from there is heard. To be asked once for each.
    pub(in crate::udp_mesh) fn admit(&mut self, now: Timestamp, from: SocketAddr) -> Admit {
        let Some(member) = self.speaker(from) else {
            return if self.newcomers.take(now, from) { Admit::Newcomer } else { Admit::Over };
        };
        if member.spoken.take(now) { Admit::Member } else { Admit::Over }
    }

    /// A member that sends its heartbeats from there.
    fn speaker(&mut self, from: SocketAddr) -> Option<&mut Member> {
        let legacy = self.sources.range((from, Id::MIN)..=(from, Id::MAX)).next().map(|(_, id)| id);
        let id = self.births.get(&from).or(legacy)?;
        self.members.get_mut(id)
    }
}
