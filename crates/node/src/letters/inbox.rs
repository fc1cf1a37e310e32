//! What waits: letters to be pulled, letters to older nodes, how far the log was read, and the keys of members. All of it
//! survives a crash if there is a file; a letter of one place of the log is taken once (P-L6).

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use rumormill_wire::{NodeId, Origin, Seq};

use super::journal::Journal;
use super::keys::Keys;
use super::record::{At, Key, Record};
use crate::clock::Wall;

/// Letters that wait, those to older nodes among them. Beyond that, letters wait in the log.
pub(crate) const MAX_WAITING: usize = 10_000;
/// Bytes of all of them.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// Origins whose letters are read.
pub(crate) const MAX_ORIGINS: usize = 65_536;

/// Who sent a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender {
    Node(NodeId),
    Address(IpAddr),
}

/// A letter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) sender: Sender,
    pub(crate) contents: String,
}

/// A letter to an older node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relayed {
    pub(crate) to: IpAddr,
    pub(crate) contents: String,
}

/// What was found in the log for us.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Letter(Seq, String),
    Key(Key),
}

/// All that waits.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    journal: Option<Journal>,
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    pub(crate) relayed: BTreeMap<u64, Relayed>,
    bytes: usize,
    next_id: u64,
    read: BTreeMap<Origin, Seq>,
    /// Origins whose place in `read` is ahead of the file's.
    unsaved: BTreeMap<Origin, Seq>,
    pub(crate) keys: Keys,
}

impl Inbox {
    /// Without a file. The clock says which keys count.
    pub(crate) fn new(wall: Wall) -> Self {
        Self { keys: Keys::new(wall), ..Self::default() }
    }

    /// With a file; it is written anew without what is gone.
    pub(crate) fn open(path: &Path, wall: Wall) -> io::Result<Self> {
        let mut inbox = Self::new(wall);
        for record in Journal::read(path)? {
            inbox.apply(record);
        }
        inbox.journal = Some(Journal::create(path, &inbox.snapshot())?);
        Ok(inbox)
    }

    fn snapshot(&self) -> Vec<Record> {
        let mut all = vec![Record::Next(self.next_id)];
        // An origin's place goes first: it is not to stand behind a letter that it counts.
        all.extend(self.read.iter().map(|(origin, next)| Record::Read(At::new(*origin, *next))));
        all.extend(self.keys.records());
        all.extend(self.waiting.iter().map(|(id, letter)| {
            let (at, from) = match &letter.sender {
                // Its own number no longer matters: `read` is beyond it.
                Sender::Node(node) => (Some(At::new(Origin { node: *node, ..Origin::MIN }, Seq(0))), None),
                Sender::Address(from) => (None, Some(*from)),
            };
            Record::Letter { id: *id, at, from, contents: letter.contents.clone() }
        }));
        let relays = self.relayed.iter();
        all.extend(relays.map(|(id, r)| Record::Relay { id: *id, to: r.to, contents: r.contents.clone() }));
        all
    }

    /// Writes records, then counts them as so.
    fn keep(&mut self, records: Vec<Record>) -> io::Result<()> {
        if self.journal.as_ref().is_some_and(Journal::is_long) {
            let all = self.snapshot();
            if let Some(journal) = &mut self.journal {
                journal.renew(&all)?;
            }
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&records)?;
        }
        records.into_iter().for_each(|record| self.apply(record));
        Ok(())
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Letter { id, at, from, contents } => {
                let place = at.as_ref().and_then(At::place);
                let sender = match (place, from) {
                    (Some((origin, seq)), _) => {
                        if seq.0 > 0 {
                            self.advance(origin, Seq(seq.0.saturating_add(1)));
                        }
                        Sender::Node(origin.node)
                    }
                    (None, Some(from)) => Sender::Address(from),
                    (None, None) => return,
                };
                self.count(id, &contents);
                self.waiting.insert(id, Waiting { sender, contents });
            }
            Record::Relay { id, to, contents } => {
                self.count(id, &contents);
                self.relayed.insert(id, Relayed { to, contents });
            }
            Record::Gone(ids) => {
                for id in ids {
                    let waiting = self.waiting.remove(&id).map(|letter| letter.contents);
                    let gone = waiting.or_else(|| self.relayed.remove(&id).map(|letter| letter.contents));
                    self.bytes = self.bytes.saturating_sub(gone.map_or(0, |contents| contents.len()));
                }
            }
            Record::Key { at, clock, key } => {
                let Some((origin, seq)) = at.place() else { return };
                let key = Key { clock: rumormill_wire::Clock(clock), origin, seq, key };
                self.keys.put(key);
            }
            Record::Read(at) => {
                if let Some((origin, next)) = at.place() {
                    self.advance(origin, next);
                    self.unsaved.remove(&origin);
                }
            }
            Record::Next(id) => self.next_id = self.next_id.max(id),
        }
    }

    fn count(&mut self, id: u64, contents: &str) {
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.bytes = self.bytes.saturating_add(contents.len());
    }

    fn advance(&mut self, origin: Origin, next: Seq) {
        let mark = self.read.entry(origin).or_insert(Seq::FIRST);
        if next > *mark {
            *mark = next;
            self.unsaved.insert(origin, next);
        }
    }

    /// The first number of an origin that was not read yet; `None` of one that is not read at all, since there are too
    /// many.
    pub(crate) fn next_of(&self, origin: &Origin) -> Option<Seq> {
        match self.read.get(origin) {
            Some(next) => Some(*next),
            None => (self.read.len() < MAX_ORIGINS).then_some(Seq::FIRST),
        }
    }

    fn has_room(&self, letters: usize, bytes: usize) -> bool {
        let waiting = self.waiting.len().saturating_add(self.relayed.len());
        waiting.saturating_add(letters) <= MAX_WAITING && self.bytes.saturating_add(bytes) <= MAX_BYTES
    }

    /// Takes what was found in one bundle of an origin, up to but without `next`, all or as much as there is room for.
    /// False if there was no room for all.
    pub(crate) fn take(&mut self, origin: Origin, found: Vec<Found>, next: Seq) -> io::Result<bool> {
        let Some(from) = self.next_of(&origin) else { return Ok(true) };
        let (mut records, mut letters, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        let (mut until, mut all) = (next, true);
        for found in found {
            match found {
                Found::Letter(seq, _) if seq < from => {}
                Found::Letter(seq, contents) => {
                    if !self.has_room(letters.saturating_add(1), bytes.saturating_add(contents.len())) {
                        (until, all) = (seq, false);
                        break;
                    }
                    let id = self.next_id.saturating_add(u64::try_from(letters).unwrap_or(u64::MAX));
                    letters = letters.saturating_add(1);
                    bytes = bytes.saturating_add(contents.len());
                    records.push(Record::Letter { id, at: Some(At::new(origin, seq)), from: None, contents });
                }
                Found::Key(key) if self.keys.is_news(&key) => records.push(key.record()),
                Found::Key(_) => {}
            }
        }
        if !records.is_empty() {
            self.keep(records)?;
        }
        self.advance(origin, until);
        Ok(all)
    }

    /// Takes a letter that came by a door.
    pub(crate) fn take_from(&mut self, from: IpAddr, contents: String) -> io::Result<()> {
        self.room_for(&contents)?;
        self.keep(vec![Record::Letter { id: self.next_id, at: None, from: Some(from), contents }])
    }

    /// Takes a letter to an older node.
    pub(crate) fn relay(&mut self, to: IpAddr, contents: String) -> io::Result<()> {
        self.room_for(&contents)?;
        self.keep(vec![Record::Relay { id: self.next_id, to, contents }])
    }

    fn room_for(&self, contents: &str) -> io::Result<()> {
        let full = || io::Error::other(format!("{MAX_WAITING} letters or {MAX_BYTES} bytes wait already"));
        self.has_room(1, contents.len()).then_some(()).ok_or_else(full)
    }

    /// These were handed over, or went out.
    pub(crate) fn gone(&mut self, mut ids: Vec<u64>) -> io::Result<()> {
        ids.retain(|id| self.waiting.contains_key(id) || self.relayed.contains_key(id));
        if ids.is_empty() { Ok(()) } else { self.keep(vec![Record::Gone(ids)]) }
    }

    /// Makes durable how far the log was read. Without it the same is read again after a restart, to no other end.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        let records: Vec<_> = self.unsaved.iter().map(|(origin, next)| Record::Read(At::new(*origin, *next))).collect();
        if records.is_empty() { Ok(()) } else { self.keep(records) }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
