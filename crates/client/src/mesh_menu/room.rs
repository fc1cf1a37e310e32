//! What a menu makes of the room: who is there, who is in its table, and what it shows (docs/protocol.md, M); pure.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rumormill_api::LogLine;
use rumormill_doors::cut;
use rumormill_doors::peer_line::table::{AddressForm, PeerTable};
use rumormill_wire::NodeId;
use rumormill_wire::peer_line::is_exit;
use rumormill_wire::peer_line::mesh::{MeshLine, ROOM, To};

use super::present::{Holder, Present};

/// Locks a room; what a thread that panicked has left is taken as it is.
pub(crate) fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One menu's view of the room.
#[derive(Debug)]
pub(crate) struct Room {
    own: SocketAddr,
    node: NodeId,
    /// Who is there.
    pub(crate) present: Present,
    /// Whom it knows: the same table as over the plain format.
    pub(crate) table: PeerTable,
    /// Of each chain, the last number that was taken: a log that is read again changes nothing. A member has few chains; the
    /// node holds it to that.
    taken: BTreeMap<(NodeId, u64), u64>,
    open: bool,
}

impl Room {
    /// Of a menu that is not open yet: what it takes is of before.
    pub(crate) fn new(own: SocketAddr, node: NodeId) -> Self {
        let (present, table) = (Present::default(), PeerTable::new(own));
        Self { own, node, present, table, taken: BTreeMap::new(), open: false }
    }

    /// The menu opens: from here on it hears. It may come again to the address that it had.
    ///
    /// # Errors
    /// Another node has the address.
    pub(crate) fn open(&mut self) -> Result<(), Holder> {
        if let Some(other) = self.present.holder(self.own).filter(|holder| holder.node != self.node) {
            return Err(other.clone());
        }
        self.present.came(self.own, self.node, None);
        self.open = true;
        Ok(())
    }

    /// Where the menu is.
    pub(crate) fn own(&self) -> SocketAddr {
        self.own
    }

    /// Whether somebody is there.
    pub(crate) fn is_there(&self, addr: SocketAddr) -> bool {
        self.present.holder(addr).is_some()
    }

    /// Takes a message of the log; gives what is to be shown of it.
    pub(crate) fn take(&mut self, message: &LogLine) -> Option<String> {
        let node: NodeId = message.origin.parse().ok()?;
        let last = self.taken.entry((node, message.incarnation)).or_default();
        if message.seq <= *last {
            return None;
        }
        *last = message.seq;
        if message.room != *ROOM || message.kind != "chat" || !message.verified {
            return None;
        }
        let line = MeshLine::parse(message.text.as_raw().as_bytes()).ok()?;
        if line.is_online() {
            self.present.came(line.from, node, message.from.as_deref());
            return None;
        }
        // Nobody speaks for a menu of another node (P-M4).
        if !self.present.has(node, line.from) {
            return None;
        }
        match line.to {
            To::All if line.is_farewell() => {
                self.present.left(line.from, node);
                let known = self.table.exit(line.from, line.from.ip());
                (self.open && known).then(|| shown(&line, true))
            }
            To::One(to) if to == self.own && self.open => {
                let left = self.hear(&line);
                Some(shown(&line, left))
            }
            _ => None,
        }
    }

    /// Brings the sender of a message to us into the table, or takes it out (P-M5); whether it left.
    fn hear(&mut self, line: &MeshLine<'_>) -> bool {
        if is_exit(line.text) {
            return self.table.exit(line.from, line.from.ip());
        }
        self.table.name(line.from, AddressForm::Plain, line.from.ip(), self.own.ip(), true);
        false
    }
}

fn shown(line: &MeshLine<'_>, left: bool) -> String {
    let start = format!("{} {}", line.from, line.team);
    let mut shown = cut::shown(&format!("{start} {}", line.text));
    if left {
        shown.push('\n');
        shown.push_str(&cut::shown(&format!("{start} left")));
    }
    shown
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
