//! The tasks of links that greet, each with its place.

use std::sync::{Arc, Mutex};

use rumormill_peering::{Greetings, Room};
use rumormill_wire::NodeId;
use tokio::task::AbortHandle;

use crate::lock;

/// The table of links that greet, with the task of each.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<Greetings<AbortHandle>>);

/// A place in it, which ends with this.
#[derive(Debug)]
pub(crate) struct Seat {
    table: Arc<Seats>,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.table.0).leave(self.number);
    }
}

impl Seats {
    /// Takes a link in, whose task this is. Ends those that make room, and says how many.
    pub(crate) fn enter(self: &Arc<Self>, node: NodeId, task: AbortHandle, room: Room) -> (Seat, usize) {
        let (number, ended) = lock(&self.0).enter(node, task, room);
        ended.iter().for_each(AbortHandle::abort);
        (Seat { table: Arc::clone(self), number }, ended.len())
    }
}
