//! Followers are told of messages whose time has come (see [`super::due`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rumormill_gossip::Engine;
use rumormill_store::{OrderKey, StoreError};
use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};
use tokio::time::Instant;

use super::fence::{Fence, SoFar};
use super::news::{Coming, FOLLOW_NEWS, News};
use super::state::{Driver, State};
use crate::lock;
use crate::view::{MAX_AHEAD_US, Message, Rules};

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(250);
/// After that, rest so many times as long as it took.
const REST: u32 = 19;
/// Messages read together: a page of the store, so that nobody waits long for its reader.
const TOGETHER: usize = 128;
/// Bytes of text told together, as much as in a bundle: news that wait for a follower are bounded by their number.
const TOGETHER_BYTES: usize = 64 * 1024;
/// News that may wait for the slowest follower before more is looked for.
const WAITING: usize = FOLLOW_NEWS / 2;
/// The slowest follower is waited for so long at most: it is told then that it missed some.
const PATIENCE: Duration = Duration::from_millis(100);
/// A range is read so often again because more of it came meanwhile; what comes still later is told as it comes.
const PASSES: usize = 16;

/// Where a follower begins.
pub(crate) struct Beginning {
    pub(crate) coming: Coming,
    /// Is not told any more.
    pub(crate) so_far: SoFar,
}

impl Driver {
    /// Everything that comes, and where it begins: no message falls between what a page of the log shows behind the fence
    /// and what comes, and none is in both.
    pub(crate) async fn begin(&self) -> Beginning {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            {
                let mut state = lock(&self.state);
                self.mind_our_clock(&mut state);
                if state.due.telling.is_none() {
                    let so_far = SoFar { fence: fence_of(&state), until_us: state.due.until };
                    return Beginning { coming: self.followers.subscribe(), so_far };
                }
            }
            // Until all that is due by now is told.
            told.await;
        }
    }

    /// If our clock was put back, those who follow learn what they need not be told again, and whoever begins to follow now is
    /// shown nothing that is ahead of it. To be asked before anything goes by up to where messages are told.
    pub(super) fn mind_our_clock(&self, state: &mut State) {
        let Some(until_us) = state.due.put_back(self.wall_us()) else { return };
        if self.followers.count() > 0 {
            self.followers.tell(News::PutBack(SoFar { fence: fence_of(state), until_us }));
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
                self.mind_our_clock(&mut state);
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
            let now = fence_of(&lock(&self.state));
            let range = Range { from, until, before, now };
            let (next, range) = match self.tell_range(range).await {
                Ok(found) => found,
                Err(why) => {
                    self.read_failed(&why);
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
            let driver = Arc::clone(self);
            let task = tokio::task::spawn_blocking(move || {
                let read = driver.read_due(after, &range);
                (read, range)
            });
            let Ok((read, back)) = task.await else { return Ok((None, None)) };
            range = back;
            let DuePage { messages, last, next, end } = read?;
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

    fn read_due(&self, after: Option<OrderKey>, range: &Range) -> Result<DuePage, StoreError> {
        let limits = self.with_engine(Engine::limits_now);
        let rules = Rules { limits, wall_us: range.until.saturating_sub(MAX_AHEAD_US) };
        let entries = lock(&self.disk.pages()).page(after, TOGETHER)?;
        let mut found = DuePage { messages: Vec::new(), last: None, next: None, end: entries.len() < TOGETHER };
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

/// The ends that followers have been told of at this moment.
fn fence_of(state: &State) -> Fence {
    let mut ends: BTreeMap<_, _> = state.machine.gossip().ends().collect();
    // The engine may hear of a commit of ours later than followers.
    if let Some((origin, next)) = state.own_told {
        let end = ends.entry(origin).or_insert(next);
        *end = (*end).max(next);
    }
    for open in state.uncommitted.iter().rev() {
        let header = open.bundle.header();
        ends.insert(header.origin, header.first);
    }
    Fence::behind(ends)
}

/// An origin behind all others, for the end of a range.
const LAST: Origin = Origin { node: NodeId([0xff; 32]), incarnation: Incarnation(u64::MAX) };

/// A range of the log by its clocks, and which messages of it are meant.
struct Range {
    from: u64,
    until: u64,
    before: Fence,
    now: Fence,
}

/// What one page of the store has of a range.
struct DuePage {
    messages: Vec<Message>,
    last: Option<OrderKey>,
    next: Option<u64>,
    end: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
