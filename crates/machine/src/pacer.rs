//! When gossip hears that a bundle of our own is durable.
//!
//! It then sends that bundle and closes the next one. On an idle node that is at once. On a loaded one, every bundle costs
//! each receiver a signature to check, so the next should hold all that has come meanwhile: the word is held back until
//! the bundle before has left for the neighbours and a moment has passed, for a few milliseconds at most. So bundles grow with the load by
//! themselves (ARCHITECTURE.md, "A message, from key to screen"), even where a commit takes no time at all. The moment is longer where more
//! authors are loaded: what all of them together make everybody check stays about the same.

use std::collections::BTreeMap;

use rumormill_gossip::VerifiedBundle;
use rumormill_limits::{LinkId, Timestamp};
use rumormill_wire::NodeId;

use crate::window::Window;

/// The longest time that the word of a commit is held back for links that are slow to write, in microseconds.
const MAX_HOLD_US: u64 = 5_000;
/// Between two bundles of ours that are not full, in microseconds, for each author that is loaded: to check, keep and pass on one takes some
/// 100, so all of them cost everybody about a tenth of a core.
const INTERVAL_US: u64 = 1_000;
/// The longest time between two of them: less than anybody sees.
const LONGEST_US: u64 = 16_000;
/// An author that has written this shortly before its last bundle is loaded, in microseconds: one that is not waits for a person.
const LOADED_US: u64 = 20_000;
/// Authors that are counted: with more the time is the longest anyhow.
const MAX_AUTHORS: usize = 16;
/// So many bytes of messages fill a bundle.
const FULL_BYTES: usize = 60 * 1024;

/// What goes over one link.
#[derive(Debug)]
struct Progress {
    window: Window,
    /// Up to here it was too slow to be waited for.
    slow_until: u64,
}

#[derive(Debug)]
pub(crate) struct Pacer {
    me: NodeId,
    links: BTreeMap<LinkId, Progress>,
    /// Appends so far.
    appends: u64,
    /// The append of our own bundle that is being committed.
    own: Option<u64>,
    /// Up to where each link has to have written: the bundle before.
    marks: BTreeMap<LinkId, u64>,
    /// What is held back, and until when at the latest.
    held: Option<(u64, Timestamp)>,
    /// When gossip last heard of a bundle of ours.
    last: Option<Timestamp>,
    /// Bytes of messages that wait for a bundle.
    waiting: usize,
    /// Other authors by when they wrote last, and whether that was soon after what they wrote before. Those that wrote longest ago go first.
    others: BTreeMap<NodeId, Heard>,
}

/// When a bundle of an author came.
#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Timestamp,
    loaded: bool,
}

impl Pacer {
    /// For what this node writes.
    pub(crate) const fn new(me: NodeId) -> Self {
        Self {
            me,
            links: BTreeMap::new(),
            appends: 0,
            own: None,
            marks: BTreeMap::new(),
            held: None,
            last: None,
            waiting: 0,
            others: BTreeMap::new(),
        }
    }

    pub(crate) fn link_up(&mut self, link: LinkId) {
        self.links.insert(link, Progress { window: Window::new(), slow_until: 0 });
    }

    pub(crate) fn link_down(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// So many bytes of gossip's are on their way over a link.
    pub(crate) fn given(&mut self, link: LinkId, bytes: usize, now: Timestamp) {
        if let Some(progress) = self.links.get_mut(&link) {
            progress.window.given(bytes, now);
        }
    }

    /// So many of them were written. Gives the window of the link if it is another one now.
    pub(crate) fn written(&mut self, link: LinkId, bytes: usize, now: Timestamp) -> Option<usize> {
        self.links.get_mut(&link)?.window.written(bytes, now)
    }

    /// A message of so many bytes waits for a bundle.
    pub(crate) fn submitted(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_add(bytes);
    }

    /// A bundle goes to the store.
    pub(crate) fn appended(&mut self, bundle: &VerifiedBundle, now: Timestamp) {
        self.append(bundle.header().origin.node, bundle.bytes().len(), now);
    }

    fn append(&mut self, author: NodeId, bytes: usize, now: Timestamp) {
        self.appends = self.appends.saturating_add(1);
        if author == self.me {
            self.own = Some(self.appends);
            self.waiting = self.waiting.saturating_sub(bytes);
            return;
        }
        let before = self.others.get(&author).map(|heard| heard.at);
        let loaded = before.is_some_and(|at| now.since(at) < LOADED_US);
        if before.is_none() && self.others.len() >= MAX_AUTHORS {
            let oldest = self.others.iter().min_by_key(|(_, heard)| heard.at).map(|(author, _)| *author);
            oldest.iter().for_each(|author| {
                self.others.remove(author);
            });
        }
        self.others.insert(author, Heard { at: now, loaded });
    }

    /// Between two bundles of ours that are not full.
    fn interval(&self, now: Timestamp) -> u64 {
        let loaded = |heard: &&Heard| heard.loaded && now.since(heard.at) < LOADED_US;
        let others = u64::try_from(self.others.values().filter(loaded).count()).unwrap_or(u64::MAX);
        others.saturating_add(1).saturating_mul(INTERVAL_US).min(LONGEST_US)
    }

    /// All appends up to this one are durable. Gives how many of them gossip may hear of now; what is held back is
    /// given by [`Pacer::due`].
    pub(crate) fn committed(&mut self, appends: u64, now: Timestamp) -> u64 {
        let Some(own) = self.own.filter(|own| *own <= appends) else { return appends };
        let until = self.held.map_or(now.plus(MAX_HOLD_US), |(_, until)| until);
        self.held = Some((appends, until));
        own.saturating_sub(1)
    }

    /// Nothing more is committed. What was held back is given.
    pub(crate) fn give_up(&mut self) -> Option<u64> {
        (self.own, self.waiting) = (None, 0);
        self.marks.clear();
        self.held.take().map(|(appends, _)| appends)
    }

    /// What was held back and need not be any more.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<u64> {
        let (appends, until) = self.held?;
        if !self.left() {
            if now < until {
                return None;
            }
            // Who is slow now is not waited for until it has caught up.
            for link in core::mem::take(&mut self.marks).keys() {
                if let Some(progress) = self.links.get_mut(link) {
                    progress.slow_until = progress.window.given;
                }
            }
        }
        if self.waiting < FULL_BYTES && now < self.next(now) {
            return None;
        }
        (self.held, self.own, self.last) = (None, None, Some(now));
        Some(appends)
    }

    /// When to ask again at the latest.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let (_, until) = self.held?;
        Some(if self.marks.is_empty() { self.next(now) } else { until })
    }

    fn next(&self, now: Timestamp) -> Timestamp {
        self.last.map_or(Timestamp(0), |last| last.plus(self.interval(now)))
    }

    /// All of our bundle that goes to neighbours now is given.
    pub(crate) fn sent(&mut self) {
        let on_its_way = |progress: &Progress| progress.window.written < progress.window.given;
        let awaited = |progress: &Progress| on_its_way(progress) && progress.window.written >= progress.slow_until;
        let links = self.links.iter().filter(|(_, progress)| awaited(progress));
        self.marks = links.map(|(link, progress)| (*link, progress.window.given)).collect();
    }

    /// Whether the bundle before is written to all that are waited for.
    fn left(&mut self) -> bool {
        let links = &self.links;
        self.marks.retain(|link, mark| links.get(link).is_some_and(|progress| progress.window.written < *mark));
        self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(1);

    fn pacer() -> Pacer {
        let mut pacer = Pacer::new(NodeId([1; 32]));
        pacer.link_up(LINK);
        pacer
    }

    impl Pacer {
        /// What gossip hears of when a commit returns.
        fn hears(&mut self, appends: u64, now: u64) -> u64 {
            let heard = self.committed(appends, Timestamp(now));
            self.due(Timestamp(now)).unwrap_or(heard)
        }

        /// The next append, one of our own, is this one.
        fn own(&mut self, append: u64, bytes: usize) {
            while self.appends < append - 1 {
                // Each of another author.
                let author = u8::try_from(self.appends).unwrap() + 2;
                self.append(NodeId([author; 32]), 0, Timestamp(0));
            }
            self.append(self.me, bytes, Timestamp(0));
        }

        fn gives(&mut self, bytes: usize) {
            self.given(LINK, bytes, Timestamp(0));
            self.sent();
        }
    }

    #[test]
    fn an_idle_node_hears_at_once() {
        let mut pacer = pacer();
        pacer.own(3, 0);
        assert_eq!(pacer.hears(2, 0), 2, "of others' bundles it hears in any case");
        assert_eq!(pacer.hears(3, 0), 3);
        pacer.sent();
        pacer.own(4, 0);
        assert_eq!(pacer.hears(4, INTERVAL_US), 4, "nothing was given to a link, so nothing has to leave");
    }

    #[test]
    fn bundles_that_are_not_full_keep_a_distance_and_full_ones_do_not() {
        let mut pacer = pacer();
        pacer.own(1, 0);
        assert_eq!(pacer.hears(1, 10), 1);
        pacer.own(2, 0);
        assert_eq!(pacer.hears(2, 11), 1);
        assert_eq!(pacer.deadline(Timestamp(0)), Some(Timestamp(10 + INTERVAL_US)));
        assert_eq!(pacer.due(Timestamp(9 + INTERVAL_US)), None);
        assert_eq!(pacer.due(Timestamp(10 + INTERVAL_US)), Some(2));
        pacer.submitted(FULL_BYTES);
        pacer.own(3, 0);
        assert_eq!(pacer.hears(3, 11 + INTERVAL_US), 3);
        pacer.own(4, FULL_BYTES);
        assert_eq!(pacer.hears(4, 12 + INTERVAL_US), 3, "what fills a bundle fills one");
    }

    #[test]
    fn a_loaded_node_hears_once_the_bundle_before_has_left() {
        let mut pacer = pacer();
        pacer.gives(6);
        pacer.own(5, 0);
        assert_eq!(pacer.hears(6, 0), 4);
        assert_eq!(pacer.hears(9, 1), 4);
        assert_eq!(pacer.due(Timestamp(2)), None);
        pacer.written(LINK, 6, Timestamp(0));
        assert_eq!(pacer.due(Timestamp(3)), Some(9));
        assert_eq!(pacer.due(Timestamp(3)), None);
    }

    #[test]
    fn a_link_that_ends_is_not_waited_for() {
        let mut pacer = pacer();
        pacer.gives(6);
        pacer.own(1, 0);
        assert_eq!(pacer.hears(1, 0), 0);
        pacer.link_down(LINK);
        assert_eq!(pacer.due(Timestamp(1)), Some(1));
    }

    #[test]
    fn a_slow_neighbour_is_waited_for_once_and_not_again_before_it_has_caught_up() {
        let mut pacer = pacer();
        pacer.gives(6);
        pacer.own(1, 0);
        assert_eq!(pacer.hears(1, 0), 0);
        assert_eq!(pacer.deadline(Timestamp(0)), Some(Timestamp(MAX_HOLD_US)));
        assert_eq!(pacer.due(Timestamp(MAX_HOLD_US)), Some(1));
        pacer.gives(4);
        pacer.own(2, 0);
        assert_eq!(pacer.hears(2, MAX_HOLD_US + INTERVAL_US), 2, "it is slow, so it holds nobody up");
        pacer.written(LINK, 10, Timestamp(0));
        pacer.gives(5);
        pacer.own(3, 0);
        let heard = pacer.hears(3, MAX_HOLD_US + 2 * INTERVAL_US);
        assert_eq!(heard, 2, "it had caught up, so it is waited for again");
    }

    #[test]
    fn what_is_held_back_is_given_when_the_store_is_full() {
        let mut pacer = pacer();
        pacer.gives(6);
        pacer.own(1, 0);
        assert_eq!(pacer.hears(1, 0), 0);
        pacer.own(2, 0);
        assert_eq!(pacer.give_up(), Some(1));
        assert_eq!((pacer.give_up(), pacer.deadline(Timestamp(0))), (None, None));
        assert_eq!(pacer.hears(1, 1), 1, "nothing of ours is on its way to the store any more");
    }

    #[test]
    fn the_more_authors_are_loaded_the_longer_is_the_distance_and_those_that_are_not_do_not_count() {
        let mut pacer = pacer();
        let writes = |pacer: &mut Pacer, author: u8, at: u64| pacer.append(NodeId([author; 32]), 0, Timestamp(at));
        for author in 2..6 {
            writes(&mut pacer, author, 0);
        }
        assert_eq!(pacer.interval(Timestamp(0)), INTERVAL_US, "one bundle each is no load");
        for author in 2..6 {
            writes(&mut pacer, author, 1_000);
        }
        assert_eq!(pacer.interval(Timestamp(1_000)), 5 * INTERVAL_US);
        assert_eq!(pacer.interval(Timestamp(1_000 + LOADED_US)), INTERVAL_US, "they have stopped");
        for author in 2..200 {
            writes(&mut pacer, author, 2_000);
            writes(&mut pacer, author, 2_001);
        }
        assert_eq!((pacer.interval(Timestamp(2_001)), pacer.others.len()), (LONGEST_US, MAX_AUTHORS));
    }
}
