//! Between the doors and the room. What comes in is marked as bridged with the door and the claimed name; what goes out
//! bears the network's mark. A message goes out of each door at most once, and never of the one it came by.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use rumormill_doors::cut::{cut, one_line};
use rumormill_doors::{Counters, Incoming, Outgoing, RoomEnd};
use rumormill_wire::native::{Bridged, MAX_CLAIMED_LEN, MessageKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::exit::Exit;
use crate::door_share::Share;
use crate::follow::{Follow, Next};
use crate::handle::{NodeHandle, Pending};
use crate::network_mark::NetworkMark;
use crate::view::Message;

/// Messages of one door that were taken and are not durable yet; what is over waits.
const MAX_WATCHED: usize = 1_024;

/// One door as the bridge sees it.
pub(crate) struct BridgedDoor {
    pub(crate) name: String,
    pub(crate) end: RoomEnd,
    /// What it may bring, by this way and by all others.
    pub(crate) share: Arc<Share>,
    /// Whether the room's messages go out here; PUSH/PULL and the classroom ask for what they want.
    pub(crate) gets_room: bool,
    /// Who else hears what comes in here.
    pub(crate) also: Option<mpsc::Sender<Incoming>>,
}

/// All ways between one node's doors and its room.
pub(crate) struct Bridge {
    node: NodeHandle,
    mark: NetworkMark,
    /// What was written before is not sent out: a node that keeps its log in memory gets it all again after a restart. Falls if
    /// our clock is put back.
    since_us: AtomicU64,
}

impl Bridge {
    pub(crate) fn new(node: NodeHandle, since_us: u64) -> Self {
        let mark = NetworkMark::of(&node.0.endpoint.network());
        Self { node, mark, since_us: AtomicU64::new(since_us) }
    }

    /// Brings what comes in by the doors into the room and what the room says out by them, until the node stops.
    pub(crate) async fn run(self, ways: Vec<BridgedDoor>) {
        let coming = self.node.follow().await;
        let this = Arc::new(self);
        let (mut tasks, mut exits) = (JoinSet::new(), Vec::new());
        for BridgedDoor { name, end, share, gets_room, also } in ways {
            let way = end.way_out();
            tasks.spawn(Arc::clone(&this).bring(name.clone(), end, share, also));
            if gets_room {
                let exit = Arc::new(Exit::new(name, way));
                tasks.spawn(Arc::clone(&exit).run());
                exits.push(exit);
            }
        }
        if exits.is_empty() {
            // To follow costs work for each message.
            drop(coming);
            this.node.stopped().await;
        } else {
            this.send_what_comes(coming, &exits).await;
            exits.iter().for_each(|exit| exit.end());
        }
    }

    async fn send_what_comes(&self, mut coming: Follow, exits: &[Arc<Exit>]) {
        coming.forget_so_far();
        loop {
            match coming.next().await {
                Next::Messages(messages) => self.send_out(&messages, exits),
                Next::Missed(messages) => {
                    tracing::warn!(messages, "the doors are slower than the room; what they missed does not go out");
                    let messages = usize::try_from(messages).unwrap_or(usize::MAX);
                    exits.iter().for_each(|exit| exit.missed(messages));
                }
                Next::End => return,
            }
        }
    }

    /// What comes in by one door.
    async fn bring(
        self: Arc<Self>,
        name: String,
        mut end: RoomEnd,
        share: Arc<Share>,
        also: Option<mpsc::Sender<Incoming>>,
    ) {
        let mut is_over = false;
        let mut refused = String::new();
        let (watched, pending) = mpsc::channel(MAX_WATCHED);
        tokio::spawn(watch_taken(name.clone(), Arc::clone(&end.counters), pending));
        while let Some(message) = end.incoming.recv().await {
            if self.mark.is_on(&message.text) {
                Counters::one(&end.counters.echoes);
                continue;
            }
            let body = body(&name, &message, self.node.0.max_message, &end.counters.cut);
            share.turn().await;
            if let Err(why) = share.charge(body.len()) {
                Counters::one(&end.counters.dropped_in);
                Counters::one(&end.counters.over_share);
                if !std::mem::replace(&mut is_over, true) {
                    tracing::warn!(door = name, %why, "the rest is dropped");
                }
                continue;
            }
            is_over = false;
            if let Some(also) = &also {
                // Waits for the disk there, and so does the door.
                let _ = also.send(message).await;
            }
            match self.node.submit(MessageKind::BRIDGED, "", body).await {
                Ok(pending) => {
                    end.took();
                    let _ = watched.send(pending).await;
                }
                Err(why) => {
                    Counters::one(&end.counters.dropped_in);
                    let why = why.to_string();
                    if why != refused {
                        tracing::warn!(door = name, why, "messages from outside are not taken");
                        refused = why;
                    }
                }
            }
        }
    }

    fn send_out(&self, messages: &[Message], exits: &[Arc<Exit>]) {
        let since_us = self.since_us();
        for message in messages {
            let old = message.late || message.place.clock.0 < since_us;
            if old || !message.kind.is_text() || !message.room.as_raw().is_empty() {
                continue;
            }
            for exit in exits.iter().filter(|exit| !self.came_by(message, &exit.name)) {
                self.offer(message, exit);
            }
        }
    }

    /// By a clock that was put back since, all times are another's: what was long before is late by then, and known by that.
    fn since_us(&self) -> u64 {
        let since_us = self.since_us.load(Relaxed);
        let was_put_back = self.node.0.driver.wall_us() < since_us;
        if was_put_back {
            self.since_us.store(0, Relaxed);
        }
        if was_put_back { 0 } else { since_us }
    }

    fn came_by(&self, message: &Message, door: &str) -> bool {
        let ours = message.place.origin.node == self.node.node_id();
        ours && message.through.as_ref().is_some_and(|through| through.door.as_raw() == door)
    }

    fn offer(&self, message: &Message, exit: &Exit) {
        let node = message.place.origin.node;
        let author = self.node.name_of(&node).unwrap_or_else(|| node.to_string().chars().take(8).collect());
        let sender = message.sender(&author);
        let line = self.mark.line(&sender, message.text.as_raw());
        let text = message.text.as_raw().to_owned();
        exit.offer(Outgoing { author: Some(node), sender, text, line, to: None, done: None });
    }
}

/// What was taken at a door and could not be written is counted, and said with the reason: once for each reason.
async fn watch_taken(door: String, counters: Arc<Counters>, mut taken: mpsc::Receiver<Pending>) {
    let mut said = String::new();
    while let Some(pending) = taken.recv().await {
        let Err(why) = pending.await else { continue };
        Counters::one(&counters.dropped_in);
        let why = why.to_string();
        if why != said {
            tracing::warn!(door, why, "a message from outside was taken and is not written");
            said = why;
        }
    }
}

/// The body of what came in, within `max` bytes.
fn body(door: &str, message: &Incoming, max: usize, cuts: &AtomicU64) -> String {
    let claimed = one_line(&message.claimed);
    let (claimed, _) = cut(&claimed, MAX_CLAIMED_LEN);
    let marked = door.len().saturating_add(claimed.len()).saturating_add(2);
    let room = max.saturating_sub(marked);
    let (text, was_cut) = cut(&message.text, room);
    if was_cut {
        Counters::one(cuts);
    }
    let mut body = String::new();
    Bridged { door, claimed: &claimed, text: &text }.encode(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_within_the_bound_and_read_as_what_came() {
        let cuts = AtomicU64::new(0);
        let message = Incoming { claimed: "a\nb".repeat(40), text: "é".repeat(300), from: None };
        let whole = body("udp-mesh#2", &message, 400, &cuts);
        assert!(whole.len() <= 400, "{}", whole.len());
        let bridged = Bridged::parse(&whole).unwrap();
        assert_eq!(bridged.door, "udp-mesh#2");
        assert!(bridged.claimed.len() <= MAX_CLAIMED_LEN && bridged.claimed.starts_with("a b"));
        assert!(bridged.text.starts_with("éé") && bridged.text.ends_with('\u{2026}'));
        assert_eq!(cuts.into_inner(), 1);
    }
}
