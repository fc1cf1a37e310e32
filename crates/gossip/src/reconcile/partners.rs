//! What a comparison remembers of each neighbour.

use std::collections::BTreeMap;

use rand::Rng;

use super::io::Whole;
use crate::io::{LinkId, Timestamp};
use crate::picker::Picker;

/// A part that differs as before is told in two comparisons that follow each other, then it is left out of one, of three, seven and of so
/// many at most. Two logs of which each keeps what the other does not take would be listed for ever; what is new changes its part, and is
/// told at once.
const MAX_LEFT_OUT: u32 = 15;

#[derive(Debug, Default)]
struct Partner {
    /// Since when it owes an answer.
    asked: Option<Timestamp>,
    /// The fingerprint of what it had and of what we had when it was last sent what we have.
    listed: Option<([u8; 16], [u8; 16])>,
    /// It had something else in the last comparison too.
    differed: bool,
    /// The parts that differed when it answered us, and what it was told of each.
    parts: BTreeMap<u8, PartTold>,
    /// A comparison has come to its end once.
    compared: bool,
    closing: bool,
    /// When it listed all that it has, the first time.
    listed_all: Option<Timestamp>,
}

impl Partner {
    /// What it was told does not count.
    fn forget(&mut self) {
        self.listed = None;
        self.parts.clear();
    }
}

/// A part that differs in one way, told again and again.
#[derive(Debug, Default)]
struct PartTold {
    /// The fingerprint of what it had and of what we had when it was last told.
    pair: Option<([u8; 16], [u8; 16])>,
    /// In how many comparisons it is left out when it was told once more.
    next: u32,
    /// In how many more it is left out.
    left_out: u32,
}

impl PartTold {
    /// The two differ so. Says whether that is told.
    fn tell(&mut self, theirs: [u8; 16], ours: [u8; 16]) -> bool {
        if self.pair.replace((theirs, ours)) != Some((theirs, ours)) {
            (self.next, self.left_out) = (0, 0);
        }
        if let Some(left_out) = self.left_out.checked_sub(1) {
            self.left_out = left_out;
            return false;
        }
        self.left_out = self.next;
        self.next = self.next.saturating_mul(2).saturating_add(1).min(MAX_LEFT_OUT);
        true
    }
}

/// The neighbours, and among which of them a timer may choose.
#[derive(Debug, Default)]
pub(super) struct Partners {
    map: BTreeMap<LinkId, Partner>,
    /// Those that are not closing.
    open: Picker,
    /// Those of them whose turn has not come since it last came to all. One that is new is compared with anyway, and has a turn after
    /// them: whoever links again and again would put off all others.
    left: Picker,
}

impl Partners {
    pub(super) fn insert(&mut self, link: LinkId) {
        self.map.insert(link, Partner::default());
        self.open.insert(link);
    }

    pub(super) fn close(&mut self, link: LinkId) {
        if let Some(link) = self.map.get_mut(&link) {
            link.closing = true;
        }
        self.open.remove(link);
        self.left.remove(link);
    }

    pub(super) fn remove(&mut self, link: LinkId) {
        self.map.remove(&link);
        self.open.remove(link);
        self.left.remove(link);
    }

    /// How many are not closing.
    pub(super) const fn open(&self) -> usize {
        self.open.len()
    }

    /// One that is not closing, at random, and each once before any comes again: however many lie, an honest one's turn comes.
    pub(super) fn pick(&mut self, rng: &mut dyn Rng) -> Option<LinkId> {
        if self.left.is_empty() {
            self.left.clone_from(&self.open);
        }
        let link = self.left.pick(rng, &[])?;
        self.left.remove(link);
        Some(link)
    }

    /// A question went to it. The oldest counts.
    pub(super) fn asked(&mut self, link: LinkId, now: Timestamp) {
        if let Some(link) = self.map.get_mut(&link) {
            link.asked = link.asked.or(Some(now));
        }
    }

    pub(super) fn answered(&mut self, link: LinkId) {
        if let Some(link) = self.map.get_mut(&link) {
            link.asked = None;
        }
    }

    pub(super) fn asked_since(&self, link: LinkId) -> Option<Timestamp> {
        self.map.get(&link)?.asked
    }

    /// It is sent what we have. Says whether that was so before, when both had what they have now.
    pub(super) fn list(&mut self, link: LinkId, theirs: Whole, ours: Whole) -> bool {
        let pair = (theirs.fingerprint, ours.fingerprint);
        self.map.get_mut(&link).is_some_and(|link| link.listed.replace(pair) == Some(pair))
    }

    /// It has something else than we. Says whether that was so in the comparison before.
    pub(super) fn differs(&mut self, link: LinkId) -> bool {
        self.map.get_mut(&link).is_some_and(|link| core::mem::replace(&mut link.differed, true))
    }

    /// A part differs. Says whether it is told what we have of it.
    pub(super) fn part_differs(&mut self, link: LinkId, part: u8, theirs: [u8; 16], ours: [u8; 16]) -> bool {
        self.map.get_mut(&link).is_some_and(|link| link.parts.entry(part).or_default().tell(theirs, ours))
    }

    /// What it was told of parts does not count: there is something to go on with.
    pub(super) fn tell_anew(&mut self, link: LinkId) {
        if let Some(link) = self.map.get_mut(&link) {
            link.parts.clear();
        }
    }

    /// What it was told does not count, neither of parts nor of all.
    pub(super) fn told_nothing(&mut self, link: LinkId) {
        if let Some(link) = self.map.get_mut(&link) {
            link.forget();
        }
    }

    /// What all of them were told does not count.
    pub(super) fn tell_all_anew(&mut self) {
        self.map.values_mut().for_each(Partner::forget);
    }

    pub(super) fn listed_all(&mut self, link: LinkId, now: Timestamp) {
        if let Some(link) = self.map.get_mut(&link) {
            link.listed_all = link.listed_all.or(Some(now));
        }
    }

    pub(super) fn first_list(&self, link: LinkId) -> Option<Timestamp> {
        self.map.get(&link).filter(|link| !link.compared)?.listed_all
    }

    pub(super) fn finished(&mut self, link: LinkId) {
        if let Some(link) = self.map.get_mut(&link) {
            link.compared = true;
            link.differed = false;
        }
    }

    pub(super) fn compared(&self, link: LinkId) -> bool {
        self.map.get(&link).is_some_and(|link| link.compared)
    }

    /// Whether it takes something and no comparison has come to its end yet.
    pub(super) fn begins(&self, link: LinkId) -> bool {
        self.map.get(&link).is_some_and(|link| !link.compared && !link.closing)
    }
}
