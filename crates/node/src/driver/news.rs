//! What followers are told, and how much of it waits for one that is slow.
//!
//! News are kept once, whoever follows, until all have read them, up to a bound in bytes that authors share: the one with
//! most there loses its oldest first. So one slow follower costs neither memory nor what the others are told, and a burst of
//! one member does not make others' messages missed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use rumormill_wire::NodeId;
use tokio::sync::watch;

use super::fence::SoFar;
use crate::committed::Committed;
use crate::lock;
use crate::view::Message;

/// So many news may wait for the slowest follower before more is looked for that has become due.
pub(super) const FOLLOW_NEWS: usize = 1_024;
/// Bytes of the news kept for followers that lag.
const FOLLOW_BYTES: usize = 8 << 20;
/// What each of them counts beside its bytes, so that their number is bounded too.
const EACH: usize = 512;

/// Whose share news take that are no author's.
const NOBODY: NodeId = NodeId([0; 32]);

/// What those who follow are told.
#[derive(Debug)]
pub(crate) enum News {
    /// A bundle is durable, and its messages whose time has come are told.
    Committed(Arc<Committed>),
    /// The time of these messages of one author has come, of bundles that have been durable for some time.
    Due(Vec<Message>),
    /// Our clock was put back. What is so far is not told again when its time comes once more.
    PutBack(SoFar),
}

impl News {
    fn bytes(&self) -> usize {
        let own = match self {
            Self::Committed(committed) => committed.bundle.bytes().len(),
            Self::Due(messages) => {
                messages.iter().map(|m| m.text.as_raw().len().saturating_add(size_of::<Message>())).sum()
            }
            Self::PutBack(so_far) => so_far.bytes(),
        };
        own.saturating_add(EACH)
    }

    fn messages(&self) -> u64 {
        match self {
            Self::Committed(committed) => committed.bundle.header().count.into(),
            Self::Due(messages) => u64::try_from(messages.len()).unwrap_or(u64::MAX),
            Self::PutBack(_) => 0,
        }
    }

    fn author(&self) -> NodeId {
        match self {
            Self::Committed(committed) => committed.bundle.header().origin.node,
            Self::Due(messages) => messages.first().map_or(NOBODY, |message| message.place.origin.node),
            Self::PutBack(_) => NOBODY,
        }
    }
}

/// What comes to one who follows.
#[derive(Debug)]
pub(crate) enum FollowerEvent {
    /// News, shared by all who follow.
    News(Arc<News>),
    /// So many messages left before this follower came to them.
    Missed(u64),
}

/// One piece of news that some followers have not read.
#[derive(Debug)]
struct BufferedNews {
    news: Arc<News>,
    /// Messages told before it since the start: the gap to what a follower has read is what it missed.
    before: u64,
}

/// How far one has read: the next of the news, and how many messages it has accounted for.
#[derive(Debug, Clone, Copy)]
struct Reader {
    next: u64,
    messages: u64,
}

/// What of one author is buffered: its bytes, and its numbers, the oldest first.
#[derive(Debug, Default)]
struct AuthorQueue {
    bytes: usize,
    order: VecDeque<u64>,
}

/// All news that some followers have not read, and how far each follower has read.
#[derive(Debug, Default)]
struct NewsBuffer {
    kept: BTreeMap<u64, BufferedNews>,
    shares: HashMap<NodeId, AuthorQueue>,
    bytes: usize,
    readers: HashMap<u64, Reader>,
    last_reader: u64,
    /// The number of the next news, and messages told in all.
    next: u64,
    messages: u64,
}

impl NewsBuffer {
    fn keep(&mut self, news: Arc<News>) {
        let (author, bytes, messages) = (news.author(), news.bytes(), news.messages());
        self.kept.insert(self.next, BufferedNews { news, before: self.messages });
        let share = self.shares.entry(author).or_default();
        share.order.push_back(self.next);
        share.bytes = share.bytes.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        self.next = self.next.saturating_add(1);
        self.messages = self.messages.saturating_add(messages);
        while self.bytes > FOLLOW_BYTES {
            let most = self.shares.values().max_by_key(|share| share.bytes);
            let Some(oldest) = most.and_then(|share| share.order.front().copied()) else { return };
            self.forget(oldest);
        }
    }

    /// Of each author the oldest is forgotten first.
    fn forget(&mut self, number: u64) {
        let Some(BufferedNews { news, .. }) = self.kept.remove(&number) else { return };
        let (author, bytes) = (news.author(), news.bytes());
        self.bytes = self.bytes.saturating_sub(bytes);
        let Some(share) = self.shares.get_mut(&author) else { return };
        share.order.pop_front();
        share.bytes = share.bytes.saturating_sub(bytes);
        if share.order.is_empty() {
            self.shares.remove(&author);
        }
    }

    fn slowest(&self) -> u64 {
        self.readers.values().map(|reader| reader.next).min().unwrap_or(self.next)
    }

    /// What every follower has read is not kept.
    fn trim(&mut self) {
        let slowest = self.slowest();
        while let Some(oldest) = self.kept.first_key_value().map(|(number, _)| *number).filter(|n| *n < slowest) {
            self.forget(oldest);
        }
    }

    fn read(&mut self, id: u64) -> Option<FollowerEvent> {
        let (next, told) = (self.next, self.messages);
        let reader = self.readers.get_mut(&id)?;
        let coming = self.kept.range(reader.next..).next();
        let before = coming.map_or(told, |(_, kept)| kept.before);
        let missed = before.saturating_sub(reader.messages);
        if missed > 0 {
            (reader.messages, reader.next) = (before, coming.map_or(next, |(number, _)| *number));
            return Some(FollowerEvent::Missed(missed));
        }
        let (number, kept) = coming?;
        reader.next = number.saturating_add(1);
        reader.messages = before.saturating_add(kept.news.messages());
        Some(FollowerEvent::News(Arc::clone(&kept.news)))
    }
}

/// All who follow, and the news that some of them have not come to.
pub(super) struct Followers {
    waiting: Arc<Mutex<NewsBuffer>>,
    /// Changes when there is more to come to.
    more: watch::Sender<()>,
}

impl Followers {
    pub(super) fn new() -> Self {
        Self { waiting: Arc::default(), more: watch::Sender::new(()) }
    }

    pub(super) fn tell(&self, news: News) {
        {
            let mut waiting = lock(&self.waiting);
            if waiting.readers.is_empty() {
                return;
            }
            waiting.trim();
            waiting.keep(Arc::new(news));
        }
        self.more.send_replace(());
    }

    pub(super) fn subscribe(&self) -> Coming {
        let mut waiting = lock(&self.waiting);
        waiting.last_reader = waiting.last_reader.saturating_add(1);
        let (id, reader) = (waiting.last_reader, Reader { next: waiting.next, messages: waiting.messages });
        waiting.readers.insert(id, reader);
        Coming { id, waiting: Arc::clone(&self.waiting), more: self.more.subscribe() }
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.waiting).readers.len()
    }

    /// News that wait for the slowest.
    pub(super) fn waiting(&self) -> usize {
        let mut waiting = lock(&self.waiting);
        waiting.trim();
        waiting.kept.len()
    }
}

/// What comes, for one who follows.
#[derive(Debug)]
pub(crate) struct Coming {
    id: u64,
    waiting: Arc<Mutex<NewsBuffer>>,
    more: watch::Receiver<()>,
}

impl Drop for Coming {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiting);
        waiting.readers.remove(&self.id);
        waiting.trim();
    }
}

impl Coming {
    /// What is there already; `None` if there is nothing now.
    pub(crate) fn try_recv(&mut self) -> Option<FollowerEvent> {
        lock(&self.waiting).read(self.id)
    }

    /// Waits for what comes; `None` once nothing will. Nothing is lost if the future is dropped.
    pub(crate) async fn recv(&mut self) -> Option<FollowerEvent> {
        loop {
            // Others have their turn, however much waits here.
            tokio::task::consume_budget().await;
            self.more.mark_unchanged();
            if let Some(told) = self.try_recv() {
                return Some(told);
            }
            self.more.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::native::MessageKind;
    use rumormill_wire::{Clock, Incarnation, Origin, Seq};

    use super::*;
    use crate::view::Place;

    fn message(author: u8, seq: u64, len: usize) -> Message {
        let origin = Origin { node: NodeId([author; 32]), incarnation: Incarnation(1) };
        Message {
            place: Place { clock: Clock(seq), origin, seq: Seq(seq) },
            kind: MessageKind::CHAT,
            room: String::new().into(),
            text: "x".repeat(len).into(),
            through: None,
            late: false,
        }
    }

    /// Numbers of what one author said, and how many messages were missed.
    fn read(coming: &mut Coming, author: u8) -> (Vec<u64>, u64) {
        let (mut seen, mut missed) = (Vec::new(), 0);
        while let Some(told) = coming.try_recv() {
            match told {
                FollowerEvent::News(news) => {
                    let News::Due(messages) = &*news else { panic!("nothing else was told") };
                    let of = messages.iter().filter(|message| message.place.origin.node == NodeId([author; 32]));
                    seen.extend(of.map(|message| message.place.seq.0));
                }
                FollowerEvent::Missed(messages) => missed += messages,
            }
        }
        (seen, missed)
    }

    #[tokio::test]
    async fn a_follower_that_reads_nothing_costs_a_bounded_number_of_bytes_and_learns_what_it_missed() {
        let followers = Followers::new();
        let mut slow = followers.subscribe();
        let each = 64 * 1024;
        for n in 0..300 {
            followers.tell(News::Due(vec![message(1, n, each)]));
            assert!(lock(&followers.waiting).bytes <= FOLLOW_BYTES);
        }
        let (seen, missed) = read(&mut slow, 1);
        assert_eq!(missed + seen.len() as u64, 300);
        assert!(seen.len() > 100 && seen.len() < 128, "as many as fit: {}", seen.len());
        assert_eq!(seen.last(), Some(&299), "the newest");
    }

    #[tokio::test]
    async fn a_burst_of_one_author_takes_nothing_of_another_however_short_its_messages_are() {
        let followers = Followers::new();
        let mut slow = followers.subscribe();
        for (each, together) in [(0, 1), (0, 512), (32_000, 1)] {
            let mut told = 0;
            for n in 0..20_000 {
                if n % 1_000 == 0 {
                    followers.tell(News::Due(vec![message(1, n, 20)]));
                }
                followers.tell(News::Due((0..together).map(|_| message(2, n, each)).collect()));
                told += together;
            }
            let (seen, missed) = read(&mut slow, 1);
            assert_eq!(seen.len(), 20, "{each} {together}");
            assert!((1..told).contains(&missed), "{missed} of {told}");
            assert!(lock(&followers.waiting).bytes <= FOLLOW_BYTES);
        }
    }

    #[tokio::test]
    async fn what_all_have_read_is_not_kept() {
        let followers = Followers::new();
        followers.tell(News::Due(vec![message(1, 0, 1)]));
        let (mut a, mut b) = (followers.subscribe(), followers.subscribe());
        for n in 0..100 {
            followers.tell(News::Due(vec![message(1, n, 1_024)]));
            assert!(matches!(a.recv().await, Some(FollowerEvent::News(_))), "the other has not read it");
        }
        assert_eq!(followers.waiting(), 100);
        for _ in 0..100 {
            assert!(matches!(b.recv().await, Some(FollowerEvent::News(_))));
        }
        assert_eq!(followers.waiting(), 0);
        followers.tell(News::Due(vec![message(1, 100, 1_024)]));
        drop(b);
        assert!(matches!(a.recv().await, Some(FollowerEvent::News(_))));
        drop(a);
        let waiting = lock(&followers.waiting);
        assert_eq!((waiting.kept.len(), waiting.bytes, waiting.shares.len()), (0, 0, 0));
    }
}
