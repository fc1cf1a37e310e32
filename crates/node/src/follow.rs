//! Following the log: what was, up to a moment, and then what comes, each message once. All who follow inside the node do it so:
//! the doors, and the local socket for those outside, who read with `rumormill_api::LogReader` what it passes on.

use std::sync::Arc;

use rumormill_store::{Entry, OrderKey, Reader, StoreError};
use tokio::time::{Duration, Instant, sleep_until};

use crate::clock::after;
use crate::counters::Counters;
use crate::driver::{Coming, FollowerEvent, News, SoFar};
use crate::handle::{LogError, MAX_PAGE, NodeHandle};
use crate::lock;
use crate::view::{MAX_AHEAD_US, Message, Place};

/// What comes next to one who follows.
#[derive(Debug)]
pub enum Next {
    /// Messages, in an order in which each author's are in the order of their numbers.
    Messages(Vec<Message>),
    /// So many were missed because this follower was too slow. Said at most once a second, and before the end.
    Missed(u64),
    /// The node stops, and nothing more comes.
    End,
}

/// One who follows: what it was given already, and what comes.
#[derive(Debug)]
pub struct Follow {
    node: NodeHandle,
    coming: Coming,
    so_far: Arc<SoFar>,
    told_before: ToldBefore,
    missed: Sums,
}

/// What had been told each time our clock was put back. Its time comes again, and it is not told again.
#[derive(Debug, Default)]
struct ToldBefore(Vec<Arc<News>>);

/// As often our clock may be put back, each time further, before the first of these times is forgotten: what was told
/// then may be told once more.
const MAX_PUT_BACK: usize = 8;

impl ToldBefore {
    fn put_back(&mut self, news: Arc<News>) {
        let until = |news: &News| if let News::PutBack(so_far) = news { so_far.until_us } else { 0 };
        // What had been told up to an earlier clock is a part of it.
        self.0.retain(|before| until(before) > until(&news));
        if self.0.len() == MAX_PUT_BACK {
            self.0.remove(0);
        }
        self.0.push(news);
    }

    fn has(&self, place: &Place) -> bool {
        self.0.iter().any(|news| if let News::PutBack(so_far) = &**news { so_far.has(place) } else { false })
    }
}

/// Bytes of messages after which a page ends.
const PAGE_BYTES: usize = 128 * 1024;
/// So many are read at a time: of the longest half a megabyte, before it is seen that they are long.
const STEP: usize = 16;

/// What follows in the log, a few messages of the longest or many of short ones, and whether it ends there.
fn some(reader: &mut dyn Reader, mut after: Option<OrderKey>) -> Result<(Vec<Entry>, bool), StoreError> {
    let (mut entries, mut bytes) = (Vec::new(), 0_usize);
    while entries.len() < MAX_PAGE && bytes < PAGE_BYTES {
        let step = reader.page(after, STEP)?;
        let end = step.len() < STEP;
        after = step.last().map(|entry| entry.key).or(after);
        bytes = step.iter().map(|entry| entry.body.len()).fold(bytes, usize::saturating_add);
        entries.extend(step);
        if end {
            return Ok((entries, true));
        }
    }
    Ok((entries, false))
}

/// What was missed is said in sums.
#[derive(Debug, Default)]
struct Sums {
    messages: u64,
    /// When the next sum may be said.
    next: Option<Instant>,
}

/// Between two sums that are said, so that a flood makes no flood of them.
const BETWEEN: Duration = Duration::from_secs(1);

impl Sums {
    /// When what was missed is to be said, if anything was.
    fn at(&self) -> Option<Instant> {
        (self.messages > 0).then(|| self.next.unwrap_or_else(Instant::now))
    }

    fn say(&mut self) -> Next {
        self.next = Some(after(BETWEEN));
        Next::Missed(std::mem::take(&mut self.messages))
    }
}

impl NodeHandle {
    /// Follows the log from this moment on.
    pub async fn follow(&self) -> Follow {
        let begun = self.0.driver.begin().await;
        let so_far = Arc::new(begun.so_far);
        let (told_before, missed) = (ToldBefore::default(), Sums::default());
        Follow { node: self.clone(), coming: begun.coming, so_far, told_before, missed }
    }
}

impl Follow {
    /// The next messages of the log so far, after a place; empty only at its end. The place to go on from comes with them. No
    /// more than 128 KiB and a few messages: whoever takes nothing of them holds them for as long as it may.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn page(&self, after: Option<Place>) -> Result<(Vec<Message>, Option<Place>), LogError> {
        let (driver, so_far) = (Arc::clone(&self.node.0.driver), Arc::clone(&self.so_far));
        let (turn, pages) = (driver.disk.turn().await, driver.disk.pages());
        let mut rules = self.node.rules();
        rules.wall_us = so_far.until_us.saturating_sub(MAX_AHEAD_US);
        let task = move || {
            let _turn = turn;
            let mut after = after.map(|at| OrderKey { clock: at.clock, origin: at.origin, seq: at.seq });
            loop {
                let (entries, end) = some(&mut **lock(&pages), after)?;
                Counters::add(&driver.counters.log_rows_read, u64::try_from(entries.len()).unwrap_or(u64::MAX));
                after = entries.last().map(|entry| entry.key).or(after);
                let behind =
                    entries.into_iter().filter(|entry| so_far.fence.is_behind(&entry.key.origin, entry.key.seq));
                let shown: Vec<_> = behind.filter_map(|entry| rules.entry(entry)).collect();
                if end || !shown.is_empty() {
                    let next = after.filter(|_| !end);
                    return Ok((shown, next.map(|key| Place { clock: key.clock, origin: key.origin, seq: key.seq })));
                }
            }
        };
        tokio::task::spawn_blocking(task).await.map_err(|why| LogError::Ended(why.to_string()))?
    }

    /// All of what was has been read.
    pub fn forget_so_far(&mut self) {
        self.so_far = Arc::new(SoFar::nothing());
    }

    /// Waits for what comes. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Next {
        loop {
            let say_at = self.missed.at();
            let told = tokio::select! {
                () = self.node.stopped() => None,
                () = sleep_until(say_at.unwrap_or_else(Instant::now)), if say_at.is_some() => return self.missed.say(),
                told = self.coming.recv() => told,
            };
            let news = match told {
                Some(FollowerEvent::News(news)) => news,
                Some(FollowerEvent::Missed(messages)) => {
                    self.missed.messages = self.missed.messages.saturating_add(messages);
                    continue;
                }
                None if say_at.is_some() => return self.missed.say(),
                None => return Next::End,
            };
            let messages = match &*news {
                News::Committed(committed) => self.node.rules().bundle(committed),
                News::Due(messages) => {
                    // What was withdrawn since it was found is not told.
                    let rules = self.node.rules();
                    let news = |message: &&Message| !self.told_before.has(&message.place);
                    messages.iter().filter(|message| rules.counts(&message.place)).filter(news).cloned().collect()
                }
                News::PutBack(_) => {
                    self.told_before.put_back(news);
                    continue;
                }
            };
            if !messages.is_empty() {
                return Next::Messages(messages);
            }
        }
    }
}
