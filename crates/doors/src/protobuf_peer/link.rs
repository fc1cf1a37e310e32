//! One connection as the router sees it.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use rumormill_limits::{Timestamp, Turns};
use rumormill_wire::protobuf_peer::{LENGTH_LEN, MAX_SENT_LEN};

use super::framed::Framed;
use super::places::{Owner, Placed};
use crate::port::Author;

/// Frames that wait to be written to one peer: so many texts, and so many that say who is there. Of texts beyond that, whose most are
/// there loses his oldest.
pub(super) const MAX_WAITING: usize = 1_024;
/// What one peer that takes nothing costs in texts, in bytes of memory: those that wait and those that its writer has.
pub(super) const MAX_TEXTS_COST: usize = 512 * 1_024;
/// Of that, what the texts that wait cost.
pub(super) const MAX_WAITING_COST: usize = MAX_TEXTS_COST - MAX_WRITTEN_COST;
/// What its writer has at most: it takes frames up to a bound, and the last of them may be as long as there are.
const MAX_WRITTEN_COST: usize = MAX_WRITTEN_BYTES + LENGTH_LEN + MAX_SENT_LEN + MAX_WRITTEN * PLACE;
/// What a text costs in the queue beside its bytes: its place, and that of an author with one text.
pub(super) const PLACE: usize = 384;
/// Frames that its writer has at once; the others wait here, where authors take turns.
pub(super) const MAX_WRITTEN: usize = 8;
/// With so many bytes of them it takes no more.
const MAX_WRITTEN_BYTES: usize = 24 * 1_024;

/// A link's number. None is used twice.
pub(super) type LinkId = u64;

/// Whose share of a link's queue a text takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A text of the room: the share of the member who wrote it.
    Room(Author),
    /// The peer that handed it to us; ourselves, from the console.
    Peer(i64),
}

/// A frame that waits, or is to be written.
#[derive(Debug)]
pub(super) struct QueuedFrame<T> {
    pub(super) bytes: Framed,
    /// Whether it is a message of ours.
    pub(super) ours: bool,
    pub(super) ticket: Option<T>,
    /// `None` of one that says who is there.
    pub(super) source: Option<Source>,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It dialled in and has not said who it is.
    New,
    /// We dialled and have not been answered.
    Calling,
    /// It said who it is: a peer with this id.
    Peer(i64),
}

/// Why a link is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    /// The id is taken, or none.
    #[error("id {0} is taken or not allowed")]
    Taken(i64),
    /// The host does not want us.
    #[error("the host refused our id")]
    Refused,
    /// A frame at the wrong time.
    #[error("a frame that has no place here")]
    OutOfTurn,
    /// What came is no frame of this protocol.
    #[error("{0}")]
    Unreadable(String),
    /// No handshake in time.
    #[error("it does not say who it is")]
    Silent,
    /// Somebody else needs the place.
    #[error("its place is needed")]
    Crowded,
}

/// A connection, and what waits to be written to it.
#[derive(Debug)]
pub(super) struct Link<T> {
    /// How far it has come.
    pub stage: Stage,
    /// Whether we dialled: then it is for us to say first who we are.
    pub called: bool,
    /// When it last said something useful; at first, when it was made.
    pub heard: Timestamp,
    /// Whether it has said more than who it is.
    pub spoke: bool,
    /// Whether it has written in the name of a peer that has a link of its own.
    pub forged: bool,
    /// The ids that it was told of and not told to have gone.
    pub announced: BTreeSet<i64>,
    /// How many ids are known by way of it.
    pub learned: usize,
    /// Whose share of the places it takes.
    pub owner: Owner,
    /// Who is there, in order. This goes before texts: it is short, and they would wait for it in vain.
    first: VecDeque<QueuedFrame<T>>,
    texts: Turns<Source, Box<QueuedFrame<T>>>,
    /// Frames that its writer has.
    writing: usize,
    /// Bytes of the frames that its writer has.
    bytes: usize,
}

impl<T> Link<T> {
    /// A connection that has just been made.
    #[must_use]
    pub(super) fn new(address: IpAddr, called: bool, now: Timestamp) -> Self {
        let stage = if called { Stage::Calling } else { Stage::New };
        Self {
            stage,
            called,
            heard: now,
            spoke: false,
            forged: false,
            announced: BTreeSet::new(),
            learned: 0,
            owner: Owner::of(address),
            first: VecDeque::new(),
            texts: Turns::new(MAX_WAITING, MAX_WAITING_COST),
            writing: 0,
            bytes: 0,
        }
    }

    /// Its id, once it has one.
    #[must_use]
    pub(super) fn peer(&self) -> Option<i64> {
        match self.stage {
            Stage::Peer(id) => Some(id),
            Stage::New | Stage::Calling => None,
        }
    }

    /// What tells whether it has to make room.
    #[must_use]
    pub(super) const fn placed(&self, link: LinkId) -> Placed {
        Placed { link, owner: self.owner, spoke: self.spoke, heard: self.heard }
    }

    /// Whether a text of so many bytes may wait with nothing lost for it. One may, however long it is.
    #[must_use]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let fits = self.texts.size().saturating_add(bytes).saturating_add(PLACE) <= MAX_WAITING_COST;
        self.texts.is_empty() || self.texts.len() < MAX_WAITING && fits
    }

    /// A frame waits; what was lost for it.
    #[must_use]
    pub(super) fn put(&mut self, frame: QueuedFrame<T>) -> Vec<QueuedFrame<T>> {
        match frame.source {
            Some(source) => {
                // Counted whole, also where others share the text: they may read, and this one not.
                let cost = frame.bytes.len().saturating_add(PLACE);
                self.texts.push(source, Box::new(frame), cost).into_iter().map(|lost| *lost).collect()
            }
            None if self.first.len() >= MAX_WAITING => vec![frame],
            None => {
                self.first.push_back(frame);
                Vec::new()
            }
        }
    }

    /// The next frame, if its writer takes one.
    pub(super) fn next(&mut self) -> Option<QueuedFrame<T>> {
        let takes = self.writing < MAX_WRITTEN && self.bytes < MAX_WRITTEN_BYTES;
        takes.then(|| self.next_anyhow()).flatten()
    }

    /// The next frame, however many its writer has.
    pub(super) fn next_anyhow(&mut self) -> Option<QueuedFrame<T>> {
        let frame = self.first.pop_front().or_else(|| self.texts.pop().map(|text| *text))?;
        self.writing = self.writing.saturating_add(1);
        self.bytes = self.bytes.saturating_add(frame.bytes.len());
        Some(frame)
    }

    /// A frame of so many bytes was written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.writing = self.writing.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
