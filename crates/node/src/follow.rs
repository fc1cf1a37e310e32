//! Following the log: what was, up to a moment, and then what comes, each message once. All who follow inside the node do it so:
//! the doors, and the local socket for those outside, who read with `rumormill_api::LogReader` what it passes on.

use std::sync::Arc;

use rumormill_store::OrderKey;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::driver::{Fence, News, Told};
use crate::handle::{LogError, MAX_PAGE, NodeHandle};
use crate::lock;
use crate::view::{AHEAD_US, Message, Place};

/// What comes.
#[derive(Debug)]
pub enum Next {
    /// Messages, in an order in which each author's are in the order of their numbers.
    Messages(Vec<Message>),
    /// Some were missed because this follower was too slow, as many times as messages were told together.
    Missed(u64),
    /// The node stops.
    End,
}

/// One who follows.
pub struct Follow {
    node: NodeHandle,
    coming: broadcast::Receiver<Told>,
    so_far: Arc<SoFar>,
}

/// What counts as so far.
struct SoFar {
    fence: Fence,
    until_us: u64,
}

impl NodeHandle {
    /// Follows the log from this moment on.
    pub async fn follow(&self) -> Follow {
        let begun = self.0.driver.begin().await;
        let so_far = Arc::new(SoFar { fence: begun.fence, until_us: begun.until_us });
        Follow { node: self.clone(), coming: begun.coming, so_far }
    }
}

impl Follow {
    /// The next messages of the log so far, after a place; empty only at its end. The place to go on from comes with them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn page(&self, after: Option<Place>) -> Result<(Vec<Message>, Option<Place>), LogError> {
        let (pages, so_far) = (self.node.0.driver.disk.pages(), Arc::clone(&self.so_far));
        let mut rules = self.node.rules();
        rules.wall_us = so_far.until_us.saturating_sub(AHEAD_US);
        let task = move || {
            let mut after = after.map(|at| OrderKey { clock: at.clock, origin: at.origin, seq: at.seq });
            loop {
                let entries = lock(&pages).page(after, MAX_PAGE)?;
                let end = entries.len() < MAX_PAGE;
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
        self.so_far = Arc::new(SoFar { fence: Fence::default(), until_us: 0 });
    }

    /// Waits for what comes. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Next {
        loop {
            let news = tokio::select! {
                () = self.node.stopped() => return Next::End,
                news = self.coming.recv() => news,
            };
            let news = match news {
                Ok(told) => told.get(),
                Err(RecvError::Lagged(times)) => return Next::Missed(times),
                Err(RecvError::Closed) => return Next::End,
            };
            let messages = match news.as_deref() {
                Some(News::Committed(committed)) => self.node.rules().bundle(committed),
                Some(News::Due(messages)) => {
                    // What was withdrawn since it was found is not told.
                    let rules = self.node.rules();
                    messages.iter().filter(|message| rules.counts(&message.place)).cloned().collect()
                }
                None => return Next::Missed(1),
            };
            if !messages.is_empty() {
                return Next::Messages(messages);
            }
        }
    }
}
