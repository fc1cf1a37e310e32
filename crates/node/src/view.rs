//! What people see of the log: what is durable, in the one order, less what the rules withdraw (ARCHITECTURE.md, "A message, from key to screen").
//!
//! Withdrawn are messages from a fork's place on, those that a revocation cuts, and kinds that are not shown. A clock more
//! than a minute ahead of ours hides a message until ours comes near. One that came more than a minute after its
//! stamp is shown as late.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_api::{LogLine, UNKNOWN_DOOR, utc};
use rumormill_store::{Entry, OrderKey};
use rumormill_wire::native::{Bridged, BundleView, MessageKind};
use rumormill_wire::{Clock, ForeignText, Origin, Seq};

use crate::committed::Committed;

pub use rumormill_gossip::clock::MAX_AHEAD_US;

/// Where a message stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When, by its author's clock.
    pub clock: Clock,
    /// By whom, in which life of its store.
    pub origin: Origin,
    /// Its place in that origin's chain, from 1.
    pub seq: Seq,
}

/// A message as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it stands in the one order of all messages.
    pub place: Place,
    /// Of which kind; only those that are shown come here.
    pub kind: MessageKind,
    /// Which room; empty for the common one.
    pub room: ForeignText,
    /// Its text; of a file, how long it is.
    pub text: ForeignText,
    /// The door it came through, if it did.
    pub through: Option<Through>,
    /// It came more than a minute after its stamp.
    pub late: bool,
}

/// How a message came in that nobody has signed who is said to have written it (P-B9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Through {
    /// The kind of the door, with `#2` behind it where a node has several; `?` if it does not say.
    pub door: ForeignText,
    /// The name that the sender claimed.
    pub claimed: ForeignText,
}

impl Through {
    /// `claimed/door?`, in as many bytes as they have.
    #[must_use]
    pub fn word(&self) -> String {
        let door = if self.door == UNKNOWN_DOOR { UNKNOWN_DOOR.to_owned() } else { self.door.as_foreign().word() };
        format!("{}/{door}?", self.claimed.as_foreign().word())
    }
}

impl Message {
    /// How the local socket shows it, with the name of its author.
    #[must_use]
    pub fn line(&self, from: Option<String>, revoked: bool) -> LogLine {
        LogLine {
            origin: self.place.origin.node.to_string(),
            incarnation: self.place.origin.incarnation.0,
            seq: self.place.seq.0,
            time: utc(self.place.clock.0),
            kind: kind_name(self.kind).unwrap_or("other").to_owned(),
            room: self.room.clone(),
            text: self.text.clone(),
            verified: self.kind != MessageKind::BRIDGED,
            door: self.through.as_ref().map(|through| through.door.clone()),
            claimed: self.through.as_ref().map(|through| through.claimed.clone()),
            late: self.late,
            revoked,
            from,
        }
    }

    /// Who is shown as its sender where only a word is shown: its author, or `claimed/door?` of what came through a door.
    /// Neither a member's name nor a claimed one holds `/` or `?`, so nobody can claim to be an author.
    #[must_use]
    pub fn sender(&self, author: &str) -> String {
        match &self.through {
            Some(through) => through.word(),
            None => author.to_owned(),
        }
    }
}

/// The name of a kind that is shown.
#[must_use]
pub const fn kind_name(kind: MessageKind) -> Option<&'static str> {
    match kind {
        MessageKind::CHAT => Some("chat"),
        MessageKind::FILE => Some("file"),
        MessageKind::NOTICE => Some("notice"),
        MessageKind::BRIDGED => Some("bridged"),
        _ => None,
    }
}

/// The rules at one moment.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Per origin, the first number that does not count.
    pub limits: Arc<BTreeMap<Origin, Seq>>,
    /// Our wall clock in microseconds.
    pub wall_us: u64,
}

impl Rules {
    /// Whether neither a fork nor a revocation withdraws a message.
    #[must_use]
    pub fn counts(&self, place: &Place) -> bool {
        self.limits.get(&place.origin).is_none_or(|limit| place.seq < *limit)
    }

    fn shows(&self, place: &Place, kind: MessageKind, until_us: u64) -> bool {
        kind_name(kind).is_some() && place.clock.0 <= until_us && self.counts(place)
    }

    /// One message of the store, if it is shown.
    #[must_use]
    pub fn entry(&self, entry: Entry) -> Option<Message> {
        let OrderKey { clock, origin, seq } = entry.key;
        let place = Place { clock, origin, seq };
        let until_us = self.wall_us.saturating_add(MAX_AHEAD_US);
        self.shows(&place, entry.kind, until_us)
            .then(|| message(place, entry.kind, entry.room, entry.body, entry.received_us))
    }

    /// The messages of a bundle that are told now that it is durable.
    #[must_use]
    pub fn bundle(&self, committed: &Committed) -> Vec<Message> {
        let header = *committed.bundle.header();
        let Ok(view) = BundleView::parse(committed.bundle.bytes()) else { return Vec::new() };
        let shown = view.messages().filter_map(|message| {
            let place = Place { clock: message.clock, origin: header.origin, seq: message.seq };
            let shows = self.shows(&place, message.kind, committed.until_us);
            shows.then(|| {
                let (room, body) = (message.room.to_owned(), message.body.to_vec());
                self::message(place, message.kind, room, body, committed.received_us)
            })
        });
        shown.collect()
    }
}

fn message(place: Place, kind: MessageKind, room: String, body: Vec<u8>, received: u64) -> Message {
    let late = received.saturating_sub(place.clock.0) > MAX_AHEAD_US;
    let (text, through) = text(kind, body);
    Message { place, kind, room: room.into(), text: text.into(), through, late }
}

fn text(kind: MessageKind, body: Vec<u8>) -> (String, Option<Through>) {
    if kind == MessageKind::FILE {
        return (format!("(a file of {} bytes)", body.len()), None);
    }
    let text = String::from_utf8(body).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    if kind != MessageKind::BRIDGED {
        return (text, None);
    }
    match Bridged::parse(&text) {
        Some(Bridged { door, claimed, text }) => {
            (text.to_owned(), Some(Through { door: door.into(), claimed: claimed.into() }))
        }
        None => (text, Some(Through { door: UNKNOWN_DOOR.into(), claimed: ForeignText::default() })),
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::{Incarnation, NodeId};

    use super::*;

    fn entry(node: u8, seq: u64, clock: u64, kind: MessageKind) -> Entry {
        let origin = Origin { node: NodeId([node; 32]), incarnation: Incarnation(1) };
        let key = OrderKey { clock: Clock(clock), origin, seq: Seq(seq) };
        Entry { key, kind, room: String::new(), body: b"hi".to_vec(), received_us: clock }
    }

    #[test]
    fn withdrawn_and_unknown_and_future_messages_are_not_shown() {
        let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(1) };
        let rules = Rules { limits: Arc::new([(origin, Seq(3))].into()), wall_us: 1_000 };
        let chat = MessageKind::CHAT;
        assert!(rules.entry(entry(1, 2, 1, chat)).is_some());
        assert!(rules.entry(entry(1, 3, 1, chat)).is_none(), "from the fork's place on");
        assert!(rules.entry(entry(2, 3, 1, chat)).is_some(), "another author is not touched");
        assert!(rules.entry(entry(2, 1, 1, MessageKind(77))).is_none());
        assert!(rules.entry(entry(2, 1, 1_000 + MAX_AHEAD_US, chat)).is_some());
        assert!(rules.entry(entry(2, 1, 1_001 + MAX_AHEAD_US, chat)).is_none(), "hidden until our clock comes near");
    }

    #[test]
    fn what_comes_after_a_minute_is_late_and_a_bridged_sender_is_not_verified() {
        let rules = Rules { wall_us: u64::MAX / 2, ..Rules::default() };
        let mut old = entry(1, 1, 5, MessageKind::BRIDGED);
        old.received_us = 5 + MAX_AHEAD_US;
        assert!(!rules.entry(old.clone()).unwrap().late);
        old.received_us += 1;
        let message = rules.entry(old).unwrap();
        let line = message.line(Some("bob".into()), false);
        assert!(message.late && line.late && !line.verified);
        let json = serde_json::to_value(&line).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let expected =
            ["claimed", "door", "from", "incarnation", "kind", "late", "origin", "room", "seq", "text", "time"];
        assert_eq!(keys, [&expected[..], &["verified"]].concat());
        assert_eq!((line.door.unwrap().as_raw(), line.claimed.unwrap().as_raw()), ("?", ""), "of unknown form");
        let mut known = entry(1, 2, 5, MessageKind::BRIDGED);
        known.body = b"udp-mesh\nA\nhi\nthere".to_vec();
        let known = rules.entry(known).unwrap();
        assert_eq!((known.text.as_raw(), known.sender("bob").as_str()), ("hi\nthere", "A/udp-mesh?"));
        let mut liar = entry(1, 4, 5, MessageKind::BRIDGED);
        liar.body = "udp-mesh\nbob/x? (\u{202e}\nhi".into();
        assert_eq!(rules.entry(liar).unwrap().sender("bob"), "bob_x____/udp-mesh?", "a claim is one word");
        let plain = rules.entry(entry(1, 3, 5, MessageKind::CHAT)).unwrap();
        assert_eq!((plain.through.as_ref(), plain.sender("bob").as_str()), (None, "bob"));
    }
}
