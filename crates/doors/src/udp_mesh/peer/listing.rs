//! What the directory says, and what it means for us.

use std::net::SocketAddr;

use rumormill_limits::Timestamp;
use rumormill_wire::udp_mesh::Entries;
use rumormill_wire::udp_mesh::extended::{Part, Refusal};

use super::MeshPeer;
use super::input::{Output, Reject, Tell};

impl MeshPeer {
    pub(super) fn check_sender(&self, from: SocketAddr) -> Result<(), Reject> {
        if from == self.settings.directory { Ok(()) } else { Err(Reject::Stranger(from)) }
    }

    pub(super) fn check_extended(&self, from: SocketAddr) -> Result<(), Reject> {
        if self.character.is_some() { Err(Reject::Form) } else { self.check_sender(from) }
    }

    /// A legacy DIRECTORY.
    pub(super) fn directory(&mut self, now: Timestamp, from: SocketAddr, entries: Entries<'_>) -> Result<(), Reject> {
        let character = self.character.ok_or(Reject::Form)?;
        if !self.believes(from) {
            return Err(Reject::Stranger(from));
        }
        self.list.replace_legacy(self.settings.directory.ip(), self.settings.own.port(), entries.iter());
        // We are left out of what we show by our port, and listed by both.
        self.judge(now, entries.iter().any(|entry| entry == (character, self.settings.own.port())));
        Ok(())
    }

    /// A part of an extended directory (P-U4).
    pub(super) fn part(&mut self, now: Timestamp, part: &Part<'_>) {
        // It may take many, and each says that we are not forgotten.
        self.asked = self.asked.map(|_| now);
        self.next_birth = self.next_birth.max(now.after(self.backoff.delay()));
        if !self.list.part(self.settings.own, part) {
            return;
        }
        let is_listed = self.list.lists(&self.settings.key);
        if is_listed && part.total == 1 {
            // The directory gives the rest to whoever shows that it receives (P-U10). Listed alone once more, we are alone.
            self.outputs.push_back(Output::KeepAlive { version: part.version });
            if !self.listed && !std::mem::replace(&mut self.has_page, true) {
                return;
            }
        }
        self.judge(now, is_listed);
    }

    /// The directory says no (P-U8).
    pub(super) fn refused(&mut self, now: Timestamp, why: Refusal) {
        if !self.wanted {
            return;
        }
        match why {
            Refusal::Unknown if self.listed => self.judge(now, false),
            Refusal::Unknown => {}
            why if self.listed || self.refused == Some(why) => {}
            why => {
                self.refused = Some(why);
                self.outputs.push_back(Output::Tell(Tell::Refused(why)));
            }
        }
    }

    /// The system says that nobody listens where the directory should be.
    pub(super) fn unreachable(&mut self, now: Timestamp) {
        if self.listed {
            self.judge(now, false);
            self.next_birth = now.after(self.backoff.delay());
        }
    }

    /// A directory may answer from any of its ports until it is seen to answer from its own.
    fn believes(&mut self, from: SocketAddr) -> bool {
        self.exact |= from == self.settings.directory;
        from == self.settings.directory || !self.exact && from.ip() == self.settings.directory.ip()
    }

    pub(super) fn judge(&mut self, now: Timestamp, listed: bool) {
        if !self.wanted {
            return;
        }
        if listed {
            (self.asked, self.refused) = (None, None);
            self.backoff.reset();
        }
        match (self.listed, listed) {
            (false, true) => {
                (self.listed, self.next_heartbeat) = (true, now.after(self.settings.heartbeat));
                self.outputs.push_back(Output::Tell(Tell::Registered));
            }
            (true, false) => {
                (self.listed, self.asked, self.next_birth, self.has_page) = (false, None, now, false);
                self.outputs.push_back(Output::Tell(Tell::Lost));
            }
            _ => {}
        }
    }
}
