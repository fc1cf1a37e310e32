//! Which connection is made next.

use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_limits::Timestamp;

use super::super::table::{Peer, Table};
use super::super::twin::same;
use super::input::Dial;
use super::{Busy, Contact, MAX_DIALS, MAX_DOUBTFUL, Outbox, Queue};

fn is_doubtful(peer: Option<&Peer>) -> bool {
    peer.is_none_or(|peer| !peer.answered || peer.failures > 0)
}

impl Outbox {
    /// The next connection to make, if there is a place and somebody to connect to.
    pub(super) fn dial(&mut self, table: &Table, now: Timestamp) -> Option<Dial> {
        if self.busy.len() >= MAX_DIALS {
            return None;
        }
        if let Some(dial) = self.contact(table, now) {
            return Some(dial);
        }
        let room_for_doubt = self.busy.values().filter(|busy| busy.doubtful).count() < MAX_DOUBTFUL;
        let mut at = 0_usize;
        while let Some(addr) = self.turn.get(at).copied() {
            let peer = table.get(addr).filter(|peer| peer.dial);
            let Some(found) = peer else {
                // It left, or was taken out, since.
                self.turn.remove(at);
                self.forget(addr);
                continue;
            };
            let doubtful = is_doubtful(peer);
            if doubtful && !room_for_doubt {
                at = at.saturating_add(1);
                continue;
            }
            self.turn.remove(at);
            let Some((id, text)) = self.queues.get_mut(&addr).and_then(Queue::pop) else { continue };
            self.waiting = self.waiting.saturating_sub(1);
            self.busy.insert(addr, Busy { message: Some(id), doubtful });
            return Some(Dial { addr, form: found.form, text, contact: self.is_contact(addr), greeting: false });
        }
        None
    }

    fn contact(&mut self, table: &Table, now: Timestamp) -> Option<Dial> {
        let busy = &self.busy;
        let due = |contact: &&mut Contact| {
            contact.due.is_some_and(|due| due <= now) && !busy.contains_key(&table.entry(contact.addr))
        };
        let contact = self.contacts.iter_mut().find(due)?;
        contact.tries = contact.tries.saturating_add(1);
        contact.due = None;
        let (addr, peer) = (table.entry(contact.addr), table.get(contact.addr));
        self.busy.insert(addr, Busy { message: None, doubtful: is_doubtful(peer) });
        // What waits for it in its queue comes after this.
        self.turn.retain(|other| *other != addr);
        let form = table.form(addr);
        Some(Dial { addr, form, text: Arc::clone(&self.greeting), contact: true, greeting: true })
    }

    fn is_contact(&self, addr: SocketAddr) -> bool {
        self.contacts.iter().any(|contact| same(contact.addr, addr))
    }
}
