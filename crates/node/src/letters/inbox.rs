//! What waits: letters to be pulled, letters to older nodes, how far the log was read, and the keys of members. All of it
//! survives a crash if there is a file; a letter of one place of the log is taken once (P-L6).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::Path;

use rumormill_doors::ServiceError;
use rumormill_wire::{Origin, Seq};

use super::counting::Counting;
use super::journal::Journal;
use super::keys::Keys;
use super::record::{At, JournalRecord, MemberKey};
use super::shares::{Sender, Shares, Size, Whose};
pub(crate) use super::waiting::{Came, FoundInLog, Relayed, WaitingLetter};
use crate::clock::Wall;

/// Origins whose letters are read.
pub(crate) const MAX_ORIGINS: usize = 65_536;

/// All letters that wait here, all that others are to be sent, and what they are judged by.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    journal: Option<Journal>,
    pub(crate) waiting: BTreeMap<u64, WaitingLetter>,
    pub(crate) relayed: BTreeMap<u64, Relayed>,
    shares: Shares,
    next_id: u64,
    read: BTreeMap<Origin, Seq>,
    /// Origins whose place in `read` is ahead of the file's.
    unsaved: BTreeMap<Origin, Seq>,
    /// Origins whose next letters wait in the log, since they find no room here.
    held_back: BTreeSet<Origin>,
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

    fn snapshot(&self) -> Vec<JournalRecord> {
        let mut all = vec![JournalRecord::Next(self.next_id)];
        // An origin's place goes first: it is not to stand behind a letter that it counts.
        all.extend(self.read.iter().map(|(origin, next)| JournalRecord::Read(At::new(*origin, *next))));
        all.extend(self.keys.records());
        all.extend(self.waiting.iter().map(|(id, letter)| letter.record(*id)));
        let relays = self.relayed.iter();
        all.extend(relays.map(|(id, r)| JournalRecord::Relay { id: *id, to: r.to, contents: r.contents.clone() }));
        all
    }

    /// Sees that the file is the one that was written here. If it is not, it is written anew: all that it is to hold is known here, and
    /// what was handed over would come again by an old one.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        let Some(happened) = self.journal.as_ref().and_then(Journal::lost) else { return Ok(()) };
        let all = self.snapshot();
        if let Some(journal) = &mut self.journal {
            journal.renew(&all)?;
            let file = journal.path().display();
            tracing::warn!(%file, happened, "not by this node, which has written the file anew; stop a node before you touch its files");
        }
        Ok(())
    }

    /// Writes records, then counts them as so.
    fn keep(&mut self, records: Vec<JournalRecord>) -> io::Result<()> {
        self.look()?;
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

    fn apply(&mut self, record: JournalRecord) {
        match record {
            JournalRecord::Letter { id, at, from, contents } => {
                let came = match (at.as_ref().and_then(At::place), from) {
                    (Some((origin, seq)), _) => {
                        if seq.0 > 0 {
                            self.advance(origin, Seq(seq.0.saturating_add(1)));
                        }
                        Came::Log(origin, seq)
                    }
                    (None, Some(from)) => Came::Address(from),
                    (None, None) => return,
                };
                self.count(Whose::From(came.sender()), id, &contents);
                self.waiting.insert(id, WaitingLetter { came, contents });
            }
            JournalRecord::Relay { id, to, contents } => {
                self.count(Whose::To(to), id, &contents);
                self.relayed.insert(id, Relayed { to, contents });
            }
            JournalRecord::Gone(ids) => {
                for id in ids {
                    let waiting =
                        self.waiting.remove(&id).map(|letter| (Whose::From(letter.came.sender()), letter.contents));
                    let relayed = || self.relayed.remove(&id).map(|letter| (Whose::To(letter.to), letter.contents));
                    if let Some((whose, contents)) = waiting.or_else(relayed) {
                        self.shares.remove(&whose, id, Size::of(&contents));
                    }
                }
            }
            JournalRecord::Key { at, clock, key } => {
                let Some((origin, seq)) = at.place() else { return };
                let key = MemberKey { clock: rumormill_wire::Clock(clock), origin, seq, key };
                self.keys.put(key);
            }
            JournalRecord::Read(at) => {
                if let Some((origin, next)) = at.place() {
                    self.advance(origin, next);
                    self.unsaved.remove(&origin);
                }
            }
            JournalRecord::Next(id) => self.next_id = self.next_id.max(id),
        }
    }

    fn count(&mut self, whose: Whose, id: u64, contents: &str) {
        self.next_id = self.next_id.max(id.saturating_add(1));
        self.shares.add(whose, id, Size::of(contents));
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

    /// Whether a letter of an origin finds room; else its next ones wait in the log, to be read again once
    /// [`Inbox::has_room_again`] says so.
    pub(crate) fn has_room_for(&mut self, origin: &Origin) -> bool {
        let has_room = self.shares.has_room(&Whose::From(Sender::Node(origin.node)), Size::of(""));
        if !has_room {
            self.hold_back(*origin);
        }
        has_room
    }

    /// Whether an origin's next letters wait in the log.
    pub(crate) fn is_held_back(&self, origin: &Origin) -> bool {
        self.held_back.contains(origin)
    }

    /// Origins whose next letters wait in the log.
    pub(crate) fn held_back(&self) -> usize {
        self.held_back.len()
    }

    /// Those of them for whose letters there is room now, the one with the fewest here first.
    pub(crate) fn has_room_again(&self) -> Vec<Origin> {
        let whose = |origin: &Origin| Whose::From(Sender::Node(origin.node));
        let some_room = |origin: &&Origin| self.shares.has_room(&whose(origin), Size::of(""));
        let mut origins: Vec<_> = self.held_back.iter().filter(some_room).copied().collect();
        origins.sort_by_key(|origin| self.shares.letters_of(&whose(origin)));
        origins
    }

    /// All of an origin that the log has was read.
    pub(crate) fn has_caught_up(&mut self, origin: &Origin) {
        self.held_back.remove(origin);
    }

    fn hold_back(&mut self, origin: Origin) {
        if self.held_back.insert(origin) {
            tracing::info!(author = %origin.node, "its letters here are as many as may wait; its next ones wait in the log");
        }
    }

    /// Letters to be pulled that are free, at most `most`: senders take turns, and of each the oldest comes first (P-L7).
    pub(crate) fn in_turn(
        &self,
        most: usize,
        is_free: impl Fn(u64) -> bool,
    ) -> impl Iterator<Item = (u64, &WaitingLetter)> {
        self.shares.in_turn(most, is_free).into_iter().filter_map(|id| Some((id, self.waiting.get(&id)?)))
    }

    /// Takes what was found in one bundle of an origin, up to but without `next`, all or as much as there is room for.
    /// False if there was no room for all.
    pub(crate) fn take(&mut self, origin: Origin, found: Vec<FoundInLog>, next: Seq) -> io::Result<bool> {
        let Some(from) = self.next_of(&origin) else { return Ok(true) };
        let (mut records, mut more) = (Vec::new(), Size::default());
        let whose = Whose::From(Sender::Node(origin.node));
        let (mut until, mut all) = (next, true);
        for found in found {
            match found {
                FoundInLog::Letter(seq, _) if seq < from => {}
                FoundInLog::Letter(seq, contents) => {
                    let with_it = more.plus(Size::of(&contents));
                    if !self.shares.has_room(&whose, with_it) {
                        (until, all) = (seq, false);
                        break;
                    }
                    let id = self.next_id.saturating_add(u64::try_from(more.letters).unwrap_or(u64::MAX));
                    more = with_it;
                    records.push(JournalRecord::Letter { id, at: Some(At::new(origin, seq)), from: None, contents });
                }
                FoundInLog::Key(key) if self.keys.is_news(&key) => records.push(key.record()),
                FoundInLog::Key(_) => {}
            }
        }
        if !records.is_empty() {
            self.keep(records)?;
        }
        self.advance(origin, until);
        if !all {
            self.hold_back(origin);
        }
        Ok(all)
    }

    /// Takes a letter that came by a door.
    pub(crate) fn take_from(&mut self, from: IpAddr, contents: String) -> io::Result<()> {
        self.room_for(Whose::From(Sender::Address(from)), &contents)?;
        self.keep(vec![JournalRecord::Letter { id: self.next_id, at: None, from: Some(from), contents }])
    }

    /// Takes a letter to an older node.
    pub(crate) fn relay(&mut self, to: IpAddr, contents: String) -> io::Result<()> {
        self.room_for(Whose::To(to), &contents)?;
        self.keep(vec![JournalRecord::Relay { id: self.next_id, to, contents }])
    }

    fn room_for(&self, whose: Whose, contents: &str) -> io::Result<()> {
        let full = || io::Error::other(ServiceError::TooManyLetters);
        self.shares.has_room(&whose, Size::of(contents)).then_some(()).ok_or_else(full)
    }

    /// These were handed over; what brings them back.
    pub(crate) fn hand_over(&mut self, ids: Vec<u64>) -> io::Result<Vec<(u64, WaitingLetter)>> {
        let taken = ids.iter().filter_map(|id| Some((*id, self.waiting.get(id)?.clone()))).collect();
        self.gone(ids)?;
        Ok(taken)
    }

    /// These wait again, beyond their share if need be: there are no more of them than one PULL takes. Without the disk they wait
    /// until we end.
    pub(crate) fn bring_back(&mut self, taken: Vec<(u64, WaitingLetter)>) -> io::Result<()> {
        let records: Vec<_> = taken.iter().map(|(id, letter)| letter.record(*id)).collect();
        self.keep(records.clone()).inspect_err(|_| records.into_iter().for_each(|record| self.apply(record)))
    }

    /// These were handed over, or went out.
    pub(crate) fn gone(&mut self, mut ids: Vec<u64>) -> io::Result<()> {
        ids.retain(|id| self.waiting.contains_key(id) || self.relayed.contains_key(id));
        if ids.is_empty() { Ok(()) } else { self.keep(vec![JournalRecord::Gone(ids)]) }
    }

    /// Lets go of letters and keys whose messages do not count any more (P-L8); gives how many letters. If the disk does not take
    /// that, they are gone until a restart, which asks again.
    pub(crate) fn let_go(&mut self, counting: &Counting) -> usize {
        let withdrawn = |letter: &WaitingLetter| match letter.came {
            Came::Log(origin, seq) => !counting.counts(&origin, seq),
            Came::Address(_) => false,
        };
        let ids: Vec<_> = self.waiting.iter().filter(|(_, letter)| withdrawn(letter)).map(|(id, _)| *id).collect();
        let letters = ids.len();
        let mut kept = if letters == 0 { Ok(()) } else { self.keep(vec![JournalRecord::Gone(ids.clone())]) };
        if kept.is_err() {
            self.apply(JournalRecord::Gone(ids));
        }
        if self.keys.let_go(counting) && kept.is_ok() {
            // The file has no word for a key that is gone, and one that stands there may be newer than what comes next.
            let all = self.snapshot();
            kept = self.journal.as_mut().map_or(Ok(()), |journal| journal.renew(&all));
        }
        if let Err(why) = kept {
            tracing::warn!(%why, "letters or keys that do not count any more are still on the disk");
        }
        letters
    }

    /// Makes durable how far the log was read. Without it the same is read again after a restart, to no other end.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        self.look()?;
        let records: Vec<_> =
            self.unsaved.iter().map(|(origin, next)| JournalRecord::Read(At::new(*origin, *next))).collect();
        if records.is_empty() { Ok(()) } else { self.keep(records) }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
