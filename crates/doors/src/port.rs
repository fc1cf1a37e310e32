//! Where a door and the node meet: a bounded queue each way, counters, and a word when to close.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rumormill_limits::Turns;
use rumormill_wire::NodeId;
use tokio::sync::{mpsc, oneshot, watch};

use crate::counters::Counters;
use crate::unsent::Unsent;

/// Messages from outside that wait for the room. TCP doors read no more while it is full; datagrams wait before it, as many again,
/// and whose most are there loses his oldest.
pub const MAX_INCOMING: usize = 256;
/// Messages that wait to go out by a door. Beyond that they are dropped and counted.
pub const MAX_OUTGOING: usize = 1_024;

/// A message that came in. Nobody has proved who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The name that the other side claims, as that protocol has names; the node cuts it to
    /// [`rumormill_wire::native::MAX_CLAIMED_LEN`] bytes.
    pub claimed: String,
    /// What it says, without the frame that its protocol puts around it.
    pub text: String,
    /// The address it came from, where the protocol tells senders apart by address.
    pub from: Option<IpAddr>,
}

/// By whom the sender of a message hears that it was written to the other side, or why it never will be.
pub type Done = oneshot::Sender<Result<(), Unsent>>;

/// Who has a share of his own in a door's queues: the member who wrote a message; `None` is the node or the door itself.
pub type Author = Option<NodeId>;

/// A message that goes out.
#[derive(Debug)]
pub struct Outgoing {
    /// Whose it is: where there is too much, whoever has most there loses of his own.
    pub author: Author,
    /// Who wrote it, as it is shown outside: a member's name, or `name/door?` for one who came in by another door.
    pub sender: String,
    /// What it says; may hold line ends.
    pub text: String,
    /// `sender@network: text`. By this mark a node of this network knows its own messages when they come back.
    pub line: String,
    /// To one address only, and bare (`text`, not `line`), where the protocol has that; `None` is to everyone. An empty text
    /// to one address says nothing: it asks whether somebody there can be reached, and [`Outgoing::done`] is the answer.
    pub to: Option<IpAddr>,
    /// Told once the message was written to the other side, or why it never will be.
    pub done: Option<Done>,
}

impl Outgoing {
    /// Whose it is, to whom it goes, what is said there (the bare text to one, the marked line to all), and who is told.
    #[must_use]
    pub fn into_parts(self) -> (Author, Option<IpAddr>, String, Option<Done>) {
        let said = if self.to.is_some() { self.text } else { self.line };
        (self.author, self.to, said, self.done)
    }
}

/// A door's end: what it serves with, until [`Port::stop`] or until the node drops the other end ([`RoomEnd`]).
#[derive(Debug)]
pub struct Port {
    /// The name of our node.
    pub name: String,
    /// What the door counts, shared with the room's end.
    pub counters: Arc<Counters>,
    /// The way into the room, for what comes from outside.
    pub into_room: IntoRoom,
    /// Out of the room; `None` when the node stops.
    pub from_room: mpsc::Receiver<Outgoing>,
    /// True once the door is to say goodbye and close.
    pub stop: watch::Receiver<bool>,
}

/// The way into the room; cloned for each connection.
#[derive(Debug, Clone)]
pub struct IntoRoom {
    queue: mpsc::Sender<Incoming>,
    counters: Arc<Counters>,
}

impl IntoRoom {
    /// Waits for a place. False if the node stops.
    pub async fn send(&self, incoming: Incoming) -> bool {
        self.queue.send(incoming).await.is_ok()
    }
}

/// What came by datagrams and waits for a place in the room's queue: senders take turns, and what is lost is counted.
#[derive(Debug)]
pub(crate) struct Datagrams {
    turns: Turns<Option<SocketAddr>, Incoming>,
    into_room: IntoRoom,
}

impl Datagrams {
    pub(crate) const fn new(into_room: IntoRoom) -> Self {
        Self { turns: Turns::new(MAX_INCOMING, usize::MAX), into_room }
    }

    /// One came, from a member of the door's own protocol; `None` is all others together, who may have any address.
    pub(crate) fn push(&mut self, member: Option<SocketAddr>, incoming: Incoming) {
        let size = incoming.text.len();
        let lost = self.turns.push(member, incoming, size);
        Counters::add(&self.into_room.counters.dropped_in, lost.len());
        self.give();
    }

    /// Resolves once the room takes more; then [`Datagrams::give`]. Never, if nothing waits or the node stops.
    pub(crate) async fn has_room(&self) {
        if self.turns.is_empty() || self.into_room.queue.reserve().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Gives the room what it takes now.
    pub(crate) fn give(&mut self) {
        while !self.turns.is_empty()
            && let Ok(place) = self.into_room.queue.try_reserve()
            && let Some(next) = self.turns.pop()
        {
            place.send(next);
        }
    }
}

/// The way out by a door; cloned for those who only send.
#[derive(Debug, Clone)]
pub struct WayOut {
    queue: mpsc::Sender<Outgoing>,
    counters: Arc<Counters>,
}

impl WayOut {
    /// Gives a message to the door without waiting; with no place, or once the door has closed, it is dropped and counted, and
    /// false comes back.
    pub fn give(&self, outgoing: Outgoing) -> bool {
        // Before it is given: the door may count what waits itself, and knows more of it.
        self.waits(0);
        let given = self.queue.try_send(outgoing).is_ok();
        if !given {
            Counters::one(&self.counters.dropped_out);
        }
        given
    }

    /// Gives a message to the door once it has a place for it; false, and counted, once the door has closed.
    pub async fn give_in_time(&self, outgoing: Outgoing) -> bool {
        let given = self.queue.send(outgoing).await.is_ok();
        if !given {
            Counters::one(&self.counters.dropped_out);
        }
        given
    }

    /// So many messages wait for the door here or, by the caller's own count, before it.
    pub fn waits(&self, before: usize) {
        let here = self.queue.max_capacity().saturating_sub(self.queue.capacity());
        Counters::set(&self.counters.waiting_out, before.saturating_add(here));
    }

    /// So many messages that should have gone out never came here.
    pub fn missed(&self, messages: usize) {
        Counters::add(&self.counters.dropped_out, messages);
    }
}

/// The room's end of a door's port, for the node: to drop it, and every [`WayOut`] of it, ends the door.
#[derive(Debug)]
pub struct RoomEnd {
    /// What the door brings; `None` once the door has gone.
    pub incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::Sender<Outgoing>,
    /// What the door counts.
    pub counters: Arc<Counters>,
}

impl RoomEnd {
    /// The way out alone, for those who only send.
    #[must_use]
    pub fn way_out(&self) -> WayOut {
        WayOut { queue: self.outgoing.clone(), counters: Arc::clone(&self.counters) }
    }

    /// Counts a message that the room took.
    pub fn took(&self) {
        self.counters.messages_in.fetch_add(1, Ordering::Relaxed);
    }

    /// The queue itself, for one who waits for a place.
    #[must_use]
    pub fn sender(&self) -> mpsc::Sender<Outgoing> {
        self.outgoing.clone()
    }
}

/// Both ends for a door of the node `name`.
#[must_use]
pub fn port(name: &str, stop: watch::Receiver<bool>) -> (Port, RoomEnd) {
    let (into, incoming) = mpsc::channel(MAX_INCOMING);
    let (outgoing, from_room) = mpsc::channel(MAX_OUTGOING);
    let counters = Arc::new(Counters::default());
    let into_room = IntoRoom { queue: into, counters: Arc::clone(&counters) };
    let door = Port { name: name.to_owned(), counters: Arc::clone(&counters), into_room, from_room, stop };
    (door, RoomEnd { incoming, outgoing, counters })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(text: &str) -> Outgoing {
        let line = format!("a@0000: {text}");
        Outgoing { author: None, sender: "a".into(), text: text.into(), line, to: None, done: None }
    }

    #[tokio::test]
    async fn a_door_that_reads_nothing_costs_the_room_nothing() {
        let (_stop, stopped) = watch::channel(false);
        let (mut door, room) = port("alice", stopped);
        let given = (0..MAX_OUTGOING + 10).filter(|n| room.way_out().give(outgoing(&n.to_string()))).count();
        assert_eq!(given, MAX_OUTGOING);
        assert_eq!(room.counters.dropped_out.load(Ordering::Relaxed), 10);
        assert_eq!(door.from_room.recv().await.unwrap().text, "0");
    }

    #[tokio::test]
    async fn a_full_room_loses_datagrams_of_whoever_sends_most_and_counts_them() {
        let (_stop, stopped) = watch::channel(false);
        let (door, mut room) = port("alice", stopped);
        let mut datagrams = Datagrams::new(door.into_room.clone());
        let message = |text: &str| Incoming { claimed: "Z".into(), text: text.into(), from: None };
        let [flooder, honest] = [1, 2].map(|port| Some(SocketAddr::from(([127, 0, 0, 1], port))));
        for n in 0..20 {
            (0..100).for_each(|_| datagrams.push(flooder, message("x")));
            datagrams.push(None, message("of a stranger"));
            datagrams.push(honest, message(&format!("honest {n:02}")));
        }
        let lost = door.counters.dropped_in.load(Ordering::Relaxed);
        assert_eq!(lost, 20 * 102 - 2 * u64::try_from(MAX_INCOMING).unwrap());
        let mut heard = Vec::new();
        while let Ok(incoming) = room.incoming.try_recv() {
            datagrams.has_room().await;
            datagrams.give();
            heard.push(incoming.text);
            if datagrams.turns.is_empty() {
                break;
            }
        }
        while let Ok(incoming) = room.incoming.try_recv() {
            heard.push(incoming.text);
        }
        let said: Vec<_> = heard.iter().filter(|text| text.starts_with("honest")).cloned().collect();
        assert_eq!(said, (0..20).map(|n| format!("honest {n:02}")).collect::<Vec<_>>());
        assert_eq!(heard.len(), 2 * MAX_INCOMING);
    }
}
