//! Messages that are dated further ahead of our clock than others believe: they are kept and passed on like any other, and
//! told to those who follow when their time has come.
//!
//! Nothing is remembered of them but when the next one may be due: what became due between two moments is a range of the
//! store in its one order. So a member that dates without end costs its place in the store and no memory, and a restart
//! loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rumormill_gossip::Engine;
use rumormill_store::{OrderKey, StoreError};
use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};
use tokio::time::Instant;

use super::{Coming, Hub, News, State};
use crate::lock;
use crate::view::{AHEAD_US, Message, Rules};

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(250);
/// After that, rest so many times as long as it took.
const REST: u32 = 19;
/// Messages read together.
const TOGETHER: usize = 128;
/// Bytes of text told together, as much as in a bundle: news that wait for a follower are bounded by their number.
const TOGETHER_BYTES: usize = 64 * 1024;
/// News that may wait for the slowest follower before more is found for it, and for how long that is minded.
const WAITING: usize = super::news::FOLLOW_NEWS / 2;
const PATIENCE: Duration = Duration::from_millis(100);
/// A range is read so often again because more of it came meanwhile; what comes still later is told as it comes.
const PASSES: usize = 16;

/// Up to where messages were told.
#[derive(Debug)]
pub(super) struct Due {
    /// Messages with a clock up to this are told as they come. Only rises: a message is told once, also when our own clock
    /// was wrong and is put right.
    until: u64,
    /// There may be messages behind it from this clock on; none if there are none.
    next: Option<u64>,
    /// Messages up to this clock are being told.
    telling: Option<u64>,
    /// Some of those came only while they were being told.
    more: bool,
}

impl Due {
    pub(super) const fn new(wall_us: u64) -> Self {
        // What the store has of later times is found by looking once.
        Self { until: wall_us.saturating_add(AHEAD_US), next: Some(0), telling: None, more: false }
    }

    /// Bundles become durable now: messages of theirs up to which clock are told.
    pub(super) const fn until(&mut self, wall_us: u64) -> u64 {
        let now = wall_us.saturating_add(AHEAD_US);
        if self.next.is_none() && self.telling.is_none() && now > self.until {
            self.until = now;
        }
        self.until
    }

    /// A bundle became durable.
    pub(super) fn note(&mut self, first: Clock, last: Clock) {
        if last.0 <= self.until {
            return;
        }
        let from = first.0.max(self.until.saturating_add(1));
        self.next = Some(self.next.map_or(from, |next| next.min(from)));
        self.more |= self.telling.is_some_and(|until| first.0 <= until);
    }

    /// Begins to tell what has become due; gives from where, without it, and up to where.
    fn begin(&mut self, wall_us: u64, followed: bool) -> Option<(u64, u64)> {
        let now = wall_us.saturating_add(AHEAD_US);
        if !followed && now > self.until && self.telling.is_none() {
            // Nobody is there to be told. What is ahead is looked for when somebody is.
            self.until = now;
            self.next = self.next.map(|next| next.max(now.saturating_add(1)));
        }
        if now <= self.until || self.next.is_none_or(|next| next > now) {
            return None;
        }
        (self.telling, self.next) = (Some(now), None);
        Some((self.until, now))
    }

    /// All up to there was told, unless some came meanwhile: then it is to be read once more.
    fn end(&mut self, next: Option<u64>, last_try: bool) -> bool {
        self.next = self.next.into_iter().chain(next).min();
        if std::mem::take(&mut self.more) && !last_try {
            return false;
        }
        self.until = self.telling.take().unwrap_or(self.until);
        true
    }
}

/// Of each origin, the first number that followers had not been told of at some moment, or were not to be told of yet.
#[derive(Debug, Default)]
pub(crate) struct Fence(BTreeMap<Origin, Seq>);

impl Fence {
    fn of(state: &State) -> Self {
        let mut ends: BTreeMap<_, _> = state.engine.ends().collect();
        // The engine may hear of a commit of ours later than followers.
        if let Some((origin, next)) = state.own_told {
            let end = ends.entry(origin).or_insert(next);
            *end = (*end).max(next);
        }
        for open in state.uncommitted.iter().rev() {
            let header = open.bundle.header();
            ends.insert(header.origin, header.first);
        }
        Self(ends)
    }

    /// Whether followers had been told of this message.
    pub(crate) fn is_behind(&self, origin: &Origin, seq: Seq) -> bool {
        self.0.get(origin).is_some_and(|end| seq < *end)
    }
}

/// Where a follower begins.
pub(crate) struct Beginning {
    pub(crate) coming: Coming,
    /// What is behind it is not told any more.
    pub(crate) fence: Fence,
    /// Nor is what is up to this clock.
    pub(crate) until_us: u64,
}

impl Hub {
    /// Everything that comes, and where it begins: no message falls between what a page of the log shows behind the fence
    /// and what comes, and none is in both.
    pub(crate) async fn begin(&self) -> Beginning {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            {
                let state = lock(&self.state);
                if state.due.telling.is_none() {
                    let (fence, until_us) = (Fence::of(&state), state.due.until);
                    return Beginning { coming: self.followers.subscribe(), fence, until_us };
                }
            }
            // Until all that is due by now is told.
            told.await;
        }
    }

    /// Tells what has become due, until the node stops.
    pub(crate) async fn run_due(self: Arc<Self>) {
        let mut stopping = self.stopping();
        let mut rounds = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                _ = rounds.tick() => {}
            }
            let begun = {
                let mut state = lock(&self.state);
                state.due.begin(self.wall_us(), self.followers.count() > 0)
            };
            if let Some((from, until)) = begun {
                let start = Instant::now();
                self.tell_due(from, until).await;
                self.told.notify_waiters();
                // A large store takes long to look through: a member that dates one message after the other is not to keep us
                // at it all the time.
                rounds.reset_after(PERIOD.max(start.elapsed().saturating_mul(REST)));
            }
        }
    }

    async fn tell_due(self: &Arc<Self>, from: u64, until: u64) {
        let mut before = Fence::default();
        for pass in 1..=PASSES {
            let now = Fence::of(&lock(&self.state));
            let range = Range { from, until, before, now };
            let (next, range) = match self.tell_range(range).await {
                Ok(found) => found,
                Err(why) => {
                    let _: Option<()> = self.read_failed(&why);
                    (None, None)
                }
            };
            // What could not be read is not begun anew: some of it is told.
            let last_try = pass == PASSES || range.is_none();
            before = range.map_or_else(Fence::default, |range| range.now);
            if lock(&self.state).due.end(next, last_try) {
                return;
            }
        }
    }

    /// Tells what of a range had been told of to nobody; gives the clock of what comes behind it.
    async fn tell_range(self: &Arc<Self>, mut range: Range) -> Result<(Option<u64>, Option<Range>), StoreError> {
        let mut after = Some(OrderKey { clock: Clock(range.from), origin: LAST, seq: Seq(u64::MAX) });
        loop {
            if self.followers.count() == 0 {
                // Nobody is there to be told; what comes behind is looked for another time.
                return Ok((Some(range.until.saturating_add(1)), Some(range)));
            }
            let hub = Arc::clone(self);
            let task = tokio::task::spawn_blocking(move || {
                let read = hub.read_due(after, &range);
                (read, range)
            });
            let Ok((read, back)) = task.await else { return Ok((None, None)) };
            range = back;
            let Found { messages, last, next, end } = read?;
            for part in parts(messages) {
                self.let_followers_read().await;
                self.followers.tell(News::Due(part));
            }
            after = last.or(after);
            if end {
                return Ok((next, Some(range)));
            }
        }
    }

    /// A follower that does not read is not waited for long: it will be told that it missed some.
    async fn let_followers_read(&self) {
        let begun = Instant::now();
        while self.followers.waiting() > WAITING && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn read_due(&self, after: Option<OrderKey>, range: &Range) -> Result<Found, StoreError> {
        let limits = self.with_engine(Engine::limits_now);
        let rules = Rules { limits, wall_us: range.until.saturating_sub(AHEAD_US) };
        let entries = lock(&self.disk.pages()).page(after, TOGETHER)?;
        let mut found = Found { messages: Vec::new(), last: None, next: None, end: entries.len() < TOGETHER };
        for entry in entries {
            let OrderKey { clock, origin, seq } = entry.key;
            if clock.0 > range.until {
                (found.next, found.end) = (Some(clock.0), true);
                break;
            }
            found.last = Some(entry.key);
            if range.now.is_behind(&origin, seq) && !range.before.is_behind(&origin, seq) {
                found.messages.extend(rules.entry(entry));
            }
        }
        Ok(found)
    }
}

/// In their order, in parts that are not large and of one author each, who loses what is too much for a follower.
fn parts(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Message>>::new(), usize::MAX);
    for message in messages {
        let len = message.text.as_raw().len();
        bytes = bytes.saturating_add(len);
        let author = message.place.origin.node;
        let same = |part: &&mut Vec<Message>| part.last().is_some_and(|last| last.place.origin.node == author);
        match parts.last_mut().filter(same) {
            Some(part) if bytes <= TOGETHER_BYTES => part.push(message),
            _ => {
                parts.push(vec![message]);
                bytes = len;
            }
        }
    }
    parts
}

/// Behind all origins.
const LAST: Origin = Origin { node: NodeId([0xff; 32]), incarnation: Incarnation(u64::MAX) };

/// A range of the log by its clocks, and which messages of it are meant.
struct Range {
    from: u64,
    until: u64,
    before: Fence,
    now: Fence,
}

struct Found {
    messages: Vec<Message>,
    last: Option<OrderKey>,
    next: Option<u64>,
    end: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_000_000_000;

    #[test]
    fn what_is_ahead_is_told_once_when_its_time_has_come() {
        let mut due = Due::new(T);
        assert_eq!(due.begin(T, true), None, "up to now all is told as it comes");
        assert_eq!(
            due.begin(T + 1, true),
            Some((T + AHEAD_US, T + 1 + AHEAD_US)),
            "what the store has is looked for once"
        );
        assert!(due.end(None, false));
        assert_eq!(due.begin(T + 2, true), None);
        assert_eq!(due.until(T + 5), T + 5 + AHEAD_US, "while nothing is ahead there is nothing to look for");
        let ahead = T + 5 + 3 * AHEAD_US;
        due.note(Clock(T), Clock(ahead));
        assert_eq!(due.until(T + 10), T + 5 + AHEAD_US, "now the bound moves only over what is told");
        assert!(due.begin(T + 10, true).is_some(), "what is between is looked for");
        assert!(due.end(Some(ahead), false));
        assert_eq!(due.begin(T + 20, true), None);
        assert_eq!(due.begin(ahead - AHEAD_US, true), Some((T + 10 + AHEAD_US, ahead)));
        due.note(Clock(T), Clock(T + 11));
        assert!(due.end(None, false), "what comes in time meanwhile is told at once");
    }

    #[test]
    fn what_becomes_due_while_it_is_told_is_told_in_another_pass() {
        let mut due = Due::new(T);
        assert!(due.begin(T + 1_000, true).is_some());
        due.note(Clock(T + 500 + AHEAD_US), Clock(T + 500 + AHEAD_US));
        assert!(!due.end(None, false));
        assert!(due.end(None, false));
        assert!(due.begin(T + 2_000, true).is_some());
        due.note(Clock(T + 1_500 + AHEAD_US), Clock(T + 1_500 + AHEAD_US));
        assert!(due.end(None, true), "not for ever");
    }

    #[test]
    fn nobody_who_follows_is_told_nothing_and_what_is_still_ahead_stays_known() {
        let mut due = Due::new(T);
        due.note(Clock(T), Clock(T + 2 * AHEAD_US));
        assert_eq!(due.begin(T + 5, false), None);
        assert_eq!(due.begin(T + 6, true), Some((T + 5 + AHEAD_US, T + 6 + AHEAD_US)), "looked for once");
    }

    #[test]
    fn what_is_told_together_is_no_larger_than_a_bundle() {
        let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(1) };
        let message = |seq: u64, len: usize| Message {
            place: crate::view::Place { clock: Clock(seq), origin, seq: Seq(seq) },
            kind: rumormill_wire::native::MessageKind::CHAT,
            room: String::new().into(),
            text: "x".repeat(len).into(),
            through: None,
            late: false,
        };
        let sizes = |lens: &[usize]| -> Vec<usize> {
            let messages = lens.iter().zip(1..).map(|(len, seq)| message(seq, *len)).collect();
            let parts = parts(messages);
            assert!(parts.iter().flatten().map(|message| message.place.seq.0).is_sorted());
            parts.iter().map(Vec::len).collect()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[0; 128]), [128]);
        assert_eq!(sizes(&[32_768; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[100_000, 1, 65_535, 1]), [1, 2, 1]);
        let mut two: Vec<_> = (1..=6).map(|seq| message(seq, 1)).collect();
        two[3].place.origin.node = NodeId([2; 32]);
        assert_eq!(parts(two).iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 2], "of one author each");
    }

    #[test]
    fn a_clock_put_back_tells_nothing_twice() {
        let mut due = Due::new(T);
        assert_eq!(due.begin(T - 1, true), None);
        assert_eq!(due.until(T - 1), T + AHEAD_US);
        due.note(Clock(T), Clock(T));
        assert_eq!(due.begin(T, true), None);
    }
}
