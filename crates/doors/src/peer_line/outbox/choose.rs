//! Which connection is made next.

use std::net::SocketAddr;
use std::sync::Arc;

use rumormill_limits::Timestamp;

use super::super::table::{PeerEntry, PeerTable};
use super::super::twin::same;
use super::input::Dial;
use super::{Busy, Contact, MAX_DIALS, MAX_DOUBTFUL, Outbox, PeerQueue};

fn is_doubtful(peer: Option<&PeerEntry>) -> bool {
    peer.is_none_or(|peer| !peer.answered || peer.failures > 0)
}

impl Outbox {
    /// The next connection to make, if there is a place and somebody to connect to.
    pub(super) fn dial(&mut self, table: &PeerTable, now: Timestamp) -> Option<Dial> {
        if self.busy.len() >= MAX_DIALS {
            return None;
        }
        if let Some(dial) = self.contact(table, now) {
            return Some(dial);
        }
        let room_for_doubt = self.doubtful() < MAX_DOUBTFUL;
        let (mut at, mut best) = (0_usize, None);
        while let Some(addr) = self.turn.get(at).copied() {
            let peer = table.get(addr).filter(|peer| peer.dial);
            let Some(found) = peer else {
                // It left, or was taken out, since.
                self.turn.remove(at);
                self.forget(addr);
                continue;
            };
            if !is_doubtful(peer) {
                if best.is_none() {
                    return self.take(at, found, false, now).or_else(|| self.dial(table, now));
                }
            } else if room_for_doubt && best.is_none_or(|(_, failures)| found.failures < failures) {
                // Of those whose turn it is before another's: whoever failed least, so that new ones pass those that take nothing.
                best = Some((at, found.failures));
            }
            at = at.saturating_add(1);
        }
        let (at, _) = best?;
        let found = self.turn.get(at).and_then(|addr| table.get(*addr))?;
        self.take(at, found, true, now).or_else(|| self.dial(table, now))
    }

    /// Takes what waits for the peer at this place of the turns.
    fn take(&mut self, at: usize, peer: &PeerEntry, doubtful: bool, now: Timestamp) -> Option<Dial> {
        let addr = self.turn.remove(at)?;
        let (id, text) = self.queues.get_mut(&addr).and_then(PeerQueue::pop)?;
        self.waiting = self.waiting.saturating_sub(1);
        let contact = self.is_contact(addr);
        self.busy.insert(addr, Busy { message: Some(id), doubtful, since: now });
        Some(Dial { addr, form: peer.form, text, contact, greeting: false })
    }

    fn contact(&mut self, table: &PeerTable, now: Timestamp) -> Option<Dial> {
        let busy = &self.busy;
        let due = |contact: &&mut Contact| {
            contact.due.is_some_and(|due| due <= now) && !busy.contains_key(&table.entry(contact.addr))
        };
        let contact = self.contacts.iter_mut().find(due)?;
        contact.tries = contact.tries.saturating_add(1);
        contact.due = None;
        let (addr, peer) = (table.entry(contact.addr), table.get(contact.addr));
        self.busy.insert(addr, Busy { message: None, doubtful: is_doubtful(peer), since: now });
        // What waits for it in its queue comes after this.
        self.turn.retain(|other| *other != addr);
        let form = table.form(addr);
        Some(Dial { addr, form, text: Arc::clone(&self.greeting), contact: true, greeting: true })
    }

    pub(super) fn is_contact(&self, addr: SocketAddr) -> bool {
        self.contacts.iter().any(|contact| same(contact.addr, addr))
    }
}
