//! What a neighbour is told of what it sent: how many of its RUMOR frames have a verdict, and where we stand on origins of which something
//! was not taken, or that it asks about (docs/protocol.md, P-S2, P-S6).
//!
//! [`Acks`] is a machine of its own. It knows no chains: it says for which origins a neighbour is to be sent lines, and whoever drives it
//! fills them in. That it sent a STATUS, of whatever kind, it tells with [`Input::Told`].

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rumormill_wire::Origin;

use crate::io::{LinkId, Timestamp};
use crate::timers::Timers;

/// Origins that wait to be named to one neighbour: what one STATUS has room for.
pub const MAX_LINES: usize = 512;
/// A neighbour is told within this time how much of what it sent has a verdict (P-S2), in microseconds.
const ACK_US: u64 = 1_000_000;
/// Between two answers to RUMOR frames of a neighbour that has had its share of lists (P-G5), in microseconds.
const SLOW_US: u64 = 1_000_000;

/// What the machine is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A link is up.
    LinkUp(LinkId),
    /// It is gone.
    LinkDown(LinkId),
    /// A RUMOR frame came; its number among those of the link is [`Acks::received`] then.
    Received(LinkId),
    /// That frame waits for a verdict, and all behind it is not acknowledged before.
    InFlight(LinkId, u64),
    /// There is a verdict on a frame, whatever it is.
    Verdict {
        /// The link that it came over.
        link: LinkId,
        /// Its number among those of the link.
        ordinal: u64,
        /// Of which origin it was.
        origin: Origin,
        /// It asks for a line; others may join it until then.
        ask: Option<Timestamp>,
    },
    /// The neighbour is to hear where we stand on an origin, at this time at the latest.
    Say(LinkId, Origin, Timestamp),
    /// The same for one that has had its share of lists: less often.
    SayLater(LinkId, Origin),
    /// A STATUS went to the neighbour: it says how much has a verdict.
    Told(LinkId),
    /// [`Output::Due`]: the lines are sent, unless the neighbour has had its share of lists and heard of us a moment ago.
    Send {
        /// The link.
        link: LinkId,
        /// It has had its share.
        over: bool,
    },
    /// Time has come, or may have.
    Timeout,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Something is due to a neighbour: tell [`Input::Send`].
    Due(LinkId),
    /// The neighbour is to be sent our lines of these origins.
    Lines {
        /// The link.
        link: LinkId,
        /// In order.
        origins: Vec<Origin>,
        /// There were more, which a comparison has to find.
        more: bool,
    },
}

/// What is known of one link.
#[derive(Debug, Default)]
struct PeerAcks {
    /// RUMOR frames that came over it.
    received: u64,
    /// Those of them without a verdict.
    in_flight: BTreeSet<u64>,
    /// Origins to name in the next STATUS.
    lines: BTreeSet<Origin>,
    /// They were too many.
    more: bool,
    /// When that STATUS is due at the latest.
    due_at: Option<Timestamp>,
    /// It is due as soon as no frame is in flight.
    asked: bool,
    /// When the last one of them went.
    sent_at: Timestamp,
    /// How many verdicts the neighbour was told of.
    acked: u64,
    /// When it is told of further ones at the latest, with our line of this origin.
    ack: Option<(Timestamp, Origin)>,
}

impl PeerAcks {
    /// How many frames have a verdict, with none in flight before them.
    fn verdicts(&self) -> u64 {
        self.in_flight.first().map_or(self.received, |first| first.saturating_sub(1))
    }

    fn can_say(&self, origin: &Origin) -> bool {
        self.lines.len() < MAX_LINES || self.lines.contains(origin)
    }

    fn say(&mut self, origin: Origin, at: Timestamp) {
        if self.can_say(&origin) {
            self.lines.insert(origin);
        } else {
            self.more = true;
        }
        self.due_at = Some(self.due_at.map_or(at, |old| old.min(at)));
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let asked = self.asked && self.in_flight.is_empty();
        !self.lines.is_empty() && (asked || self.due_at.is_some_and(|at| at <= now))
    }

    fn next(&self) -> Option<Timestamp> {
        let ack = self.ack.map(|(at, _)| at);
        [self.due_at, ack].into_iter().flatten().min()
    }
}

/// The machine that tells neighbours what became of what they sent.
#[derive(Debug, Default)]
pub struct Acks {
    links: BTreeMap<LinkId, PeerAcks>,
    /// Those that something changed for since the last time.
    touched: BTreeSet<LinkId>,
    timers: Timers<LinkId>,
    output: VecDeque<Output>,
}

impl Acks {
    /// Takes one input. What is to be done then comes out of [`Acks::poll_output`].
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::LinkUp(id) => drop(self.links.insert(id, PeerAcks::default())),
            Input::LinkDown(id) => {
                self.links.remove(&id);
                self.touched.remove(&id);
                self.timers.set(id, None);
            }
            Input::Received(id) => self.with(id, |link| link.received = link.received.saturating_add(1)),
            Input::InFlight(id, ordinal) => self.with(id, |link| {
                link.in_flight.insert(ordinal);
            }),
            Input::Verdict { link, ordinal, origin, ask } => self.with(link, |link| {
                link.in_flight.remove(&ordinal);
                if link.ack.is_none() && link.verdicts() > link.acked {
                    link.ack = Some((now.plus(ACK_US), origin));
                }
                if let Some(at) = ask {
                    link.say(origin, at);
                    link.asked = true;
                }
            }),
            Input::Say(id, origin, at) => self.with(id, |link| link.say(origin, at)),
            Input::SayLater(id, origin) => self.with(id, |link| link.say(origin, now.plus(SLOW_US))),
            Input::Told(id) => self.with(id, |link| (link.acked, link.ack) = (link.verdicts(), None)),
            Input::Send { link, over } => self.send(link, over, now),
            Input::Timeout => self.run(now),
        }
    }

    /// What is to be done next; `None` once that is all.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When the machine wants [`Input::Timeout`] at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// How many RUMOR frames came over a link.
    #[must_use]
    pub fn received(&self, id: LinkId) -> u64 {
        self.links.get(&id).map_or(0, |link| link.received)
    }

    /// How many of them have a verdict, with none in flight before them: what each STATUS says (P-S2).
    #[must_use]
    pub fn verdicts(&self, id: LinkId) -> u64 {
        self.links.get(&id).map_or(0, PeerAcks::verdicts)
    }

    /// Whether the next STATUS has room for an origin.
    #[must_use]
    pub fn can_say(&self, id: LinkId, origin: &Origin) -> bool {
        self.links.get(&id).is_some_and(|link| link.can_say(origin))
    }

    /// The most frames in flight, and the most lines that wait, for one link.
    #[cfg(feature = "fuzz")]
    #[must_use]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        let most = |of: fn(&PeerAcks) -> usize| self.links.values().map(of).max().unwrap_or(0);
        (most(|link| link.in_flight.len()), most(|link| link.lines.len()))
    }

    fn with(&mut self, id: LinkId, change: impl FnOnce(&mut PeerAcks)) {
        let Some(link) = self.links.get_mut(&id) else { return };
        change(link);
        self.timers.set(id, link.next());
        self.touched.insert(id);
    }

    fn run(&mut self, now: Timestamp) {
        self.touched.extend(self.timers.take_due(now));
        for id in core::mem::take(&mut self.touched) {
            let Some(link) = self.links.get_mut(&id) else { continue };
            // A line goes with it: without one the STATUS were a comparison, and while much is on its way that finds differences that are none.
            if let Some((_, origin)) = link.ack.take_if(|(at, _)| *at <= now) {
                link.say(origin, now);
            }
            if link.is_due(now) {
                self.output.push_back(Output::Due(id));
            }
            self.timers.set(id, link.next());
        }
    }

    fn send(&mut self, id: LinkId, over: bool, now: Timestamp) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_due(now)) else { return };
        link.asked = false;
        let next = link.sent_at.plus(SLOW_US);
        if over && next > now {
            // Whoever asks with each frame is answered all the same, and less often.
            link.due_at = Some(next);
        } else {
            (link.due_at, link.sent_at) = (None, now);
            let origins = core::mem::take(&mut link.lines).into_iter().collect();
            let more = core::mem::take(&mut link.more);
            self.output.push_back(Output::Lines { link: id, origins, more });
        }
        self.timers.set(id, link.next());
    }
}
