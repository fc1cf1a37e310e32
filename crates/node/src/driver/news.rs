//! What followers are told, and how much of it waits for one that is slow: a number of news, and bytes.
//!
//! The channel holds no bundles, only where they are. The newest are kept here, up to a bound in bytes, so that one slow
//! follower costs neither memory nor what the others are told: it has missed what is older.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::broadcast;

use crate::committed::Committed;
use crate::lock;
use crate::view::Message;

/// News that a follower may lag behind before it is told that it missed some.
pub(super) const FOLLOW_NEWS: usize = 1_024;
/// Bytes of the news kept for followers that lag.
const FOLLOW_BYTES: usize = 8 << 20;

/// What those who follow are told.
#[derive(Debug)]
pub enum News {
    /// A bundle is durable.
    Committed(Arc<Committed>),
    /// The time of these messages has come, of bundles that have been durable for some time.
    Due(Vec<Message>),
}

impl News {
    fn bytes(&self) -> usize {
        match self {
            Self::Committed(committed) => committed.bundle.bytes().len(),
            Self::Due(messages) => {
                messages.iter().map(|m| m.text.as_raw().len().saturating_add(size_of::<Message>())).sum()
            }
        }
    }
}

/// News, unless the follower came too late for it.
#[derive(Debug, Clone)]
pub struct Told(Weak<News>);

impl Told {
    /// The news; `None` if it was missed.
    #[must_use]
    pub fn get(&self) -> Option<Arc<News>> {
        self.0.upgrade()
    }
}

/// The newest, oldest leave first.
#[derive(Debug, Default)]
struct Recent {
    kept: VecDeque<Arc<News>>,
    bytes: usize,
}

impl Recent {
    fn keep(&mut self, news: Arc<News>) {
        self.bytes = self.bytes.saturating_add(news.bytes());
        self.kept.push_back(news);
        while self.bytes > FOLLOW_BYTES {
            self.forget_oldest();
        }
    }

    /// What every follower has read is not kept, but for the last: the slowest may be about to look at it.
    fn trim(&mut self, waiting: usize) {
        while self.kept.len() > waiting.saturating_add(1) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.kept.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(oldest.bytes());
    }
}

/// All who follow.
pub(super) struct Followers {
    sender: broadcast::Sender<Told>,
    recent: Mutex<Recent>,
}

impl Followers {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::Sender::new(FOLLOW_NEWS), recent: Mutex::default() }
    }

    pub(super) fn tell(&self, news: News) {
        let news = Arc::new(news);
        let mut recent = lock(&self.recent);
        let told = Told(Arc::downgrade(&news));
        recent.keep(news);
        // Whoever followed may have gone away.
        let _ = self.sender.send(told);
        recent.trim(self.sender.len());
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.sender.subscribe()
    }

    pub(super) fn count(&self) -> usize {
        self.sender.receiver_count()
    }

    /// News that wait for the slowest.
    pub(super) fn waiting(&self) -> usize {
        self.sender.len()
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::MessageKind;
    use rumormill_wire::{Clock, Incarnation, NodeId, Origin, Seq};

    use super::*;
    use crate::view::Place;

    fn message(seq: u64, len: usize) -> Message {
        let origin = Origin { node: NodeId([1; 32]), incarnation: Incarnation(1) };
        Message {
            place: Place { clock: Clock(seq), origin, seq: Seq(seq) },
            kind: MessageKind::CHAT,
            room: String::new().into(),
            text: "x".repeat(len).into(),
            through: None,
            late: false,
        }
    }

    #[tokio::test]
    async fn a_follower_that_reads_nothing_costs_a_bounded_number_of_bytes_and_learns_what_it_missed() {
        let followers = Followers::new();
        let mut slow = followers.subscribe();
        let each = 64 * 1024;
        for n in 0..300 {
            followers.tell(News::Due(vec![message(n, each)]));
            assert!(lock(&followers.recent).bytes <= FOLLOW_BYTES);
        }
        let mut missed = 0;
        let mut seen = Vec::new();
        while let Ok(told) = slow.try_recv() {
            match told.get().as_deref() {
                Some(News::Due(messages)) => seen.extend(messages.iter().map(|message| message.place.seq.0)),
                _ => missed += 1,
            }
        }
        assert_eq!(missed + seen.len(), 300);
        assert!(seen.len() > 100 && seen.len() < 128, "as many as fit: {}", seen.len());
        assert_eq!(seen.last(), Some(&299), "the newest");
    }

    #[tokio::test]
    async fn what_all_have_read_is_not_kept() {
        let followers = Followers::new();
        let (mut a, mut b) = (followers.subscribe(), followers.subscribe());
        for n in 0..100 {
            followers.tell(News::Due(vec![message(n, 1_024)]));
            let told = a.recv().await.unwrap();
            assert!(told.get().is_some(), "the other has not read it");
        }
        assert_eq!(lock(&followers.recent).kept.len(), 100);
        for _ in 0..100 {
            assert!(b.recv().await.unwrap().get().is_some());
        }
        followers.tell(News::Due(vec![message(100, 1_024)]));
        assert!(lock(&followers.recent).kept.len() <= 2);
        assert!(a.recv().await.unwrap().get().is_some() && b.recv().await.unwrap().get().is_some());
    }
}
