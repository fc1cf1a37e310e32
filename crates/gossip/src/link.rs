//! One neighbour: cursors instead of a queue (ARCHITECTURE.md, "The machine").
//!
//! A cursor says from which number on the neighbour lacks an origin. There is one only where the two differ, so a
//! neighbour in sync costs nothing, and one that reads slowly costs a cursor, not a queue.

use std::collections::{BTreeSet, VecDeque};

use rumormill_wire::native::RangeRequest;
use rumormill_wire::{NodeId, Origin, Seq};

use crate::io::Timestamp;
use crate::pacer::Pacer;
use crate::shared_map::{Put, SharedMap};
use crate::turns::Turns;
use crate::unacked::Unacked;

/// RANGE requests of one neighbour that wait to be served.
pub const MAX_RANGE_REQUESTS: usize = 16;
/// Origins remembered as better known by a neighbour.
pub const MAX_BEHIND: usize = 4_096;
/// Origins of which something new waits to pass to one neighbour.
pub const MAX_PASSING: usize = 1_024;
/// Authors remembered as introduced to one neighbour.
pub const MAX_INTRODUCED: usize = 1_024;

/// Origins remembered as ending elsewhere at one neighbour.
pub const MAX_DISPUTED: usize = 1_024;

/// A chain that ends at another place at the neighbour than here, or only at one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disputed {
    /// Where it ends there, if it does.
    pub place: Option<Seq>,
    /// Since when we know.
    pub since: Timestamp,
}

/// Why a cursor stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// The neighbour does not want it now. A STATUS that wants it sets it free.
    Peer,
    /// Our store gave nothing. The next comparison by timer tries again.
    Store,
}

/// From where on a neighbour lacks an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The next number to send.
    pub next: Seq,
    /// Why it stands still; nothing while it moves.
    pub parked: Option<Parked>,
    /// Since when there is a difference.
    pub since: Timestamp,
}

/// What a neighbour is given next.
#[derive(Debug, Clone, Copy)]
pub enum Feed {
    /// What passes without being kept, from this number on.
    Pass(Origin, Seq),
    /// What is kept here, from a cursor on.
    Cursor(Origin, Cursor),
}

/// State of a link.
#[derive(Debug)]
pub struct Link {
    /// The node at the other end, by its certificate. One node may have several links.
    pub peer: NodeId,
    /// Bytes that may be given to it now. Control frames may push it below zero, by a bounded amount.
    pub window: isize,
    /// Bytes that may be on their way to it.
    pub most: usize,
    /// Where it lacks something.
    pub cursors: SharedMap<Cursor>,
    /// Its node has had its share: something waits until there is more.
    pub waits: bool,
    /// Its cursors were too many, or a reply to it was left out: compare again once there is room.
    pub overflow: bool,
    /// Its cursors were too many: it lacks more than they say.
    pub lacks_more: bool,
    /// It keeps nothing more now (P-S8).
    pub hold: bool,
    /// What is new passes to it, though it keeps nothing or we do not: from which number on.
    pub passing: SharedMap<Seq>,
    /// Authors whose certificates went to it before what passes.
    pub introduced: BTreeSet<NodeId>,
    /// More differs than is remembered; a whole comparison finds the rest.
    pub unsure: bool,
    /// When its word was last against what it had said or was given: it is not in sync for some time from then on, or it would be for as
    /// long as it says so again and again.
    pub wavered_at: Option<Timestamp>,
    /// By a list of all that differs it lacks what it had by all that is known, and no comparison since found it to have what we have. In a
    /// few lines an honest one says so of what it did not take for the pace of its author, too.
    pub denies: bool,
    /// A chain of one length has another head there, as far as the last comparison tells.
    pub branches: bool,
    /// How fast it is given each author's messages.
    pub pace: Pacer,
    /// When it may be given something that only the pace of an author or its node's share held up.
    pub feed_at: Option<Timestamp>,
    /// Whose turn it is.
    pub(crate) turns: Turns,
    /// How many origins are remembered of which it has more: its share of [`MAX_BEHIND`] for all links with its node.
    pub max_behind: usize,
    /// What ends elsewhere there than here.
    pub disputed: SharedMap<Disputed>,
    /// What it was given and has not said to have heard, and what is new and was kept from it.
    pub unacked: Unacked,
    /// A range read is under way for it.
    pub reading: Option<RangeInFlight>,
    /// What it asked for.
    pub range_requests: VecDeque<RangeRequest>,
    /// From where on it was asked what it has of our own node, and has not said; `None` once it has said all.
    pub own_from: Option<Origin>,
    /// People named it: its word about our own chain is waited for.
    pub named: bool,
    /// To be closed: nothing more is sent to it or taken from it.
    pub closing: bool,
}

/// A range read given to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeInFlight {
    /// The chain that is read.
    pub origin: Origin,
    /// First number that was asked of the store.
    pub from: Seq,
    /// It answers a RANGE, and moves no cursor.
    pub answers_range: bool,
    /// The last bundle of it asks for a STATUS.
    pub want_status: bool,
}

impl Link {
    /// A new link with so many bytes to give.
    #[must_use]
    pub fn new(peer: NodeId, window: usize) -> Self {
        Self {
            peer,
            window: isize::try_from(window).unwrap_or(isize::MAX),
            most: window,
            cursors: SharedMap::default(),
            waits: false,
            overflow: false,
            lacks_more: false,
            hold: false,
            passing: SharedMap::default(),
            introduced: BTreeSet::new(),
            unsure: false,
            wavered_at: None,
            denies: false,
            branches: false,
            disputed: SharedMap::default(),
            pace: Pacer::new(0, 0),
            feed_at: None,
            turns: Turns::default(),
            max_behind: MAX_BEHIND,
            unacked: Unacked::default(),
            reading: None,
            range_requests: VecDeque::new(),
            own_from: None,
            named: false,
            closing: false,
        }
    }

    /// The neighbour says itself that it lacks this origin from `next` on. If by all that is known it had that, it never did, or has lost
    /// it, or was not true before. Says whether there was room to remember it beside all others.
    pub fn says_lacks(&mut self, origin: Origin, next: Seq, now: Timestamp, limit: usize) -> bool {
        if !self.cursors.contains_key(&origin) && !self.unacked.lacks(&origin, next) {
            self.wavered_at = Some(now);
        }
        self.note_lacks(origin, next, now, limit)
    }

    /// The neighbour has this origin up to `next`.
    pub fn note_has(&mut self, origin: Origin, next: Seq, ours: Seq) {
        self.unacked.reaches(&origin, next);
        if next >= ours {
            self.cursors.remove(&origin);
        } else if let Some(cursor) = self.cursors.get_mut(&origin) {
            cursor.next = cursor.next.max(next);
        }
    }

    /// The neighbour lacks this origin from `next` on. Says whether there was room to remember it beside all others.
    pub fn note_lacks(&mut self, origin: Origin, next: Seq, now: Timestamp, limit: usize) -> bool {
        self.turns.wake(origin.node);
        if let Some(cursor) = self.cursors.get_mut(&origin) {
            cursor.next = next;
            cursor.parked = None;
            return true;
        }
        let put = self.cursors.put(origin, Cursor { next, parked: None, since: now }, limit);
        if put == Put::Out {
            (self.overflow, self.lacks_more) = (true, true);
        }
        self.settled(&put)
    }

    /// Whether a cursor that was put in cost none. A comparison finds what is out again.
    fn settled(&mut self, put: &Put<Cursor>) -> bool {
        match put {
            Put::Instead(_, Cursor { parked: Some(Parked::Peer), .. }) => self.unsure = true,
            Put::Instead(..) => (self.overflow, self.lacks_more) = (true, true),
            Put::In | Put::Out => {}
        }
        *put == Put::In
    }

    /// The neighbour lacks this origin from `next` on and does not want it now. Says whether there was room to remember it beside
    /// all others.
    pub fn note_held(&mut self, origin: Origin, next: Seq, now: Timestamp, limit: usize) -> bool {
        if let Some(cursor) = self.cursors.get_mut(&origin) {
            (cursor.next, cursor.parked) = (next, Some(Parked::Peer));
            return true;
        }
        let put = self.cursors.put(origin, Cursor { next, parked: Some(Parked::Peer), since: now }, limit);
        self.unsure |= put == Put::Out;
        self.settled(&put)
    }

    /// An origin ends there at this place, or does not end; here at `ours`.
    pub fn note_end(&mut self, origin: Origin, place: Option<Seq>, ours: Option<Seq>, now: Timestamp) {
        if place == ours {
            // It took back what it had said, unless we came to say the same.
            let before = self.disputed.remove(&origin);
            if before.is_some_and(|disputed| disputed.place != place) {
                self.wavered_at = Some(now);
            }
        } else if let Some(disputed) = self.disputed.get_mut(&origin) {
            disputed.place = place;
        } else if self.disputed.put(origin, Disputed { place, since: now }, MAX_DISPUTED) != Put::In {
            self.unsure = true;
        }
    }

    /// Whether the neighbour said that it does not want this origin now.
    #[must_use]
    pub fn holds(&self, origin: &Origin) -> bool {
        self.cursors.get(origin).is_some_and(|cursor| cursor.parked == Some(Parked::Peer))
    }

    /// Something new of this origin is to pass, from this number on. Says whether there was room for it beside all others.
    pub fn pass(&mut self, origin: Origin, first: Seq) -> bool {
        self.turns.wake(origin.node);
        self.passing.contains_key(&origin) || self.passing.put(origin, first, MAX_PASSING) == Put::In
    }

    /// What it is given next, if anything can go now: the authors take turns. If nothing can for the pace of authors alone, notes when
    /// something may: when twice as much may go.
    pub fn next_feed(&mut self, bytes: u64, now: Timestamp) -> Option<Feed> {
        let (mut feed_at, mut next, mut rest) = (None, None, Vec::new());
        for last in self.turns.all() {
            let Some(feed) = self.feed_after(last) else {
                rest.push((last.node, false));
                continue;
            };
            if matches!(feed, Feed::Pass(..)) || self.pace.allows(&last.node, bytes, now) {
                next = Some(feed);
                break;
            }
            let at = self.pace.at(&last.node, bytes.saturating_mul(2), now);
            feed_at = Some(feed_at.map_or(at, |old: Timestamp| old.min(at)));
            rest.push((last.node, true));
        }
        self.feed_at = feed_at.filter(|_| next.is_none());
        match next {
            Some(Feed::Pass(origin, _) | Feed::Cursor(origin, _)) => self.turns.take(origin),
            None if feed_at.is_none() => self.turns.all_rest(),
            None => {}
        }
        rest.into_iter().for_each(|(author, waits)| self.turns.rest(author, waits));
        next
    }

    /// The next that waits of an author, after this origin of it. What passes does not go before what a cursor still brings.
    fn feed_after(&self, last: Origin) -> Option<Feed> {
        use core::ops::Bound::{Excluded, Included};
        let (low, high) = (Origin { node: last.node, ..Origin::MIN }, Origin { node: last.node, ..Origin::MAX });
        let moves = |origin: &Origin| self.cursors.get(origin).is_some_and(|cursor| cursor.parked.is_none());
        if let Some((origin, first)) = self.passing.range(low..=high).find(|(origin, _)| !moves(origin)) {
            return Some(Feed::Pass(*origin, *first));
        }
        let all = self.cursors.range((Excluded(last), Included(high))).chain(self.cursors.range(low..=last));
        let mut moving = all.filter(|(_, cursor)| cursor.parked.is_none());
        moving.next().map(|(origin, cursor)| Feed::Cursor(*origin, *cursor))
    }

    /// The neighbour keeps nothing more: what it lacks waits.
    pub fn hold_all(&mut self) {
        self.cursors.values_mut().for_each(|cursor| cursor.parked = Some(Parked::Peer));
    }

    /// What stands still for this reason goes on.
    pub fn unpark(&mut self, why: Parked) {
        for (origin, cursor) in self.cursors.iter_mut().filter(|(_, cursor)| cursor.parked == Some(why)) {
            cursor.parked = None;
            self.turns.wake(origin.node);
        }
    }

    /// What stands still goes on.
    pub fn go_on(&mut self, origin: &Origin) {
        if let Some(cursor) = self.cursors.get_mut(origin) {
            cursor.parked = None;
            self.turns.wake(origin.node);
        }
    }

    /// Whether half of the cursors that are not parked are done: a comparison for each single one that is would cost more
    /// than what it finds.
    #[must_use]
    pub fn has_room(&self, limit: usize) -> bool {
        let parked = self.cursors.values().filter(|cursor| cursor.parked.is_some()).count();
        let active = self.cursors.len().saturating_sub(parked);
        self.cursors.len() < limit
            && active <= limit.saturating_sub(parked) / 2
            && parked <= limit.saturating_sub(limit / 8)
    }

    /// Whether something is to go to it.
    #[must_use]
    pub fn has_feed(&self) -> bool {
        !self.passing.is_empty() || self.has_cursor()
    }

    /// Whether it lacks something that it wants now.
    #[must_use]
    pub fn has_cursor(&self) -> bool {
        self.cursors.values().any(|cursor| cursor.parked.is_none())
    }
}
