//! When the engine hears that a bundle of our own is durable.
//!
//! It then sends that bundle and closes the next one. On an idle node that is at once. On a loaded one, every bundle costs
//! each receiver a signature to check, so the next should hold all that has come meanwhile: the word is held back until
//! the bundle before has left for the neighbours and a moment has passed, for a few milliseconds at most. So bundles grow with the load by
//! themselves (ARCHITECTURE.md, "A message, from key to screen"), even where a commit takes no time at all.

use std::sync::Arc;

use rumormill_gossip::Timestamp;

use crate::link::Link;

/// The longest time that the word of a commit is held back, in microseconds.
pub(crate) const MAX_HOLD_US: u64 = 5_000;
/// Between two bundles of ours that are not full, in microseconds: less than anybody sees.
pub(crate) const INTERVAL_US: u64 = 1_000;
/// So many bytes of messages fill a bundle.
const FULL_BYTES: usize = 60 * 1024;

#[derive(Default)]
pub(crate) struct BundlePacer {
    /// The append of our own bundle that is being committed.
    own: Option<u64>,
    /// Up to where each link has to have written: the bundle before.
    marks: Vec<(Arc<Link>, u64)>,
    /// What is held back, and until when at the latest.
    held: Option<(u64, Timestamp)>,
    /// When the engine last heard of a bundle of ours.
    last: Option<Timestamp>,
    /// Bytes of messages that wait for a bundle.
    waiting: usize,
}

impl BundlePacer {
    /// A message of so many bytes waits for a bundle.
    pub(crate) fn submitted(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_add(bytes);
    }

    /// A bundle of our own goes to the store.
    pub(crate) fn appended(&mut self, append: u64, bytes: usize) {
        self.own = Some(append);
        self.waiting = self.waiting.saturating_sub(bytes);
    }

    /// All appends up to this one are durable. Gives how many of them the engine may hear of now; what is held back is
    /// given by [`BundlePacer::due`].
    pub(crate) fn committed(&mut self, appends: u64, now: Timestamp) -> u64 {
        let Some(own) = self.own.filter(|own| *own <= appends) else { return appends };
        let until = self.held.map_or(now.plus(MAX_HOLD_US), |(_, until)| until);
        self.held = Some((appends, until));
        own.saturating_sub(1)
    }

    /// What was held back and need not be any more.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<u64> {
        let (appends, until) = self.held?;
        if now >= until {
            // Who is slow now is not waited for until it has caught up.
            self.left();
            self.marks.drain(..).for_each(|(link, _)| link.set_slow());
        } else if !self.left() || (self.waiting < FULL_BYTES && now < self.next()) {
            return None;
        }
        (self.held, self.own, self.last) = (None, None, Some(now));
        Some(appends)
    }

    /// When to ask again at the latest.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let (_, until) = self.held?;
        Some(if self.marks.is_empty() { until.min(self.next()) } else { until })
    }

    fn next(&self) -> Timestamp {
        self.last.map_or(Timestamp(0), |last| last.plus(INTERVAL_US))
    }

    /// Our bundle was put into the outboxes.
    pub(crate) fn sent<'a>(&mut self, links: impl Iterator<Item = &'a Arc<Link>>) {
        self.marks.clear();
        for link in links {
            let put = link.put_in();
            if link.written() < put && !link.is_slow() {
                self.marks.push((Arc::clone(link), put));
            }
        }
    }

    fn left(&mut self) -> bool {
        self.marks.retain(|(link, mark)| !link.is_closed() && link.written() < *mark);
        self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rumormill_gossip::LinkId;

    use super::*;
    use rumormill_peering::Direction;

    use crate::link::facts;

    fn link() -> Arc<Link> {
        Arc::new(Link::new(LinkId(1), facts(1, Direction::Inbound), Timestamp(0)))
    }

    /// What the engine hears of when a commit returns.
    fn hears(pace: &mut BundlePacer, appends: u64, now: u64) -> u64 {
        let heard = pace.committed(appends, Timestamp(now));
        pace.due(Timestamp(now)).unwrap_or(heard)
    }

    #[test]
    fn an_idle_node_hears_at_once() {
        let (mut pace, link) = (BundlePacer::default(), link());
        pace.appended(3, 0);
        assert_eq!(hears(&mut pace, 2, 0), 2, "of others' bundles it hears in any case");
        assert_eq!(hears(&mut pace, 3, 0), 3);
        pace.sent([&link].into_iter());
        pace.appended(4, 0);
        let later = INTERVAL_US;
        assert_eq!(hears(&mut pace, 4, later), 4, "nothing was put into the outbox, so nothing has to leave");
    }

    #[test]
    fn bundles_that_are_not_full_keep_a_distance_and_full_ones_do_not() {
        let mut pace = BundlePacer::default();
        pace.appended(1, 0);
        assert_eq!(hears(&mut pace, 1, 10), 1);
        pace.appended(2, 0);
        assert_eq!(hears(&mut pace, 2, 11), 1);
        assert_eq!(pace.deadline(), Some(Timestamp(10 + INTERVAL_US)));
        assert_eq!(pace.due(Timestamp(9 + INTERVAL_US)), None);
        assert_eq!(pace.due(Timestamp(10 + INTERVAL_US)), Some(2));
        pace.submitted(FULL_BYTES);
        pace.appended(3, 0);
        assert_eq!(hears(&mut pace, 3, 11 + INTERVAL_US), 3);
        pace.appended(4, FULL_BYTES);
        assert_eq!(hears(&mut pace, 4, 12 + INTERVAL_US), 3, "what fills a bundle fills one");
    }

    #[test]
    fn a_loaded_node_hears_once_the_bundle_before_has_left() {
        let (mut pace, link) = (BundlePacer::default(), link());
        link.send(Bytes::from_static(b"bundle"));
        pace.sent([&link].into_iter());
        pace.appended(5, 0);
        assert_eq!(hears(&mut pace, 6, 0), 4);
        assert_eq!(hears(&mut pace, 9, 1), 4);
        assert_eq!(pace.due(Timestamp(2)), None);
        link.wrote(6);
        assert_eq!(pace.due(Timestamp(3)), Some(9));
        assert_eq!(pace.due(Timestamp(3)), None);
    }

    #[test]
    fn a_slow_neighbour_is_waited_for_once_and_not_again_before_it_has_caught_up() {
        let (mut pace, link) = (BundlePacer::default(), link());
        link.send(Bytes::from_static(b"bundle"));
        pace.sent([&link].into_iter());
        pace.appended(1, 0);
        assert_eq!(hears(&mut pace, 1, 0), 0);
        assert_eq!(pace.deadline(), Some(Timestamp(MAX_HOLD_US)));
        assert_eq!(pace.due(Timestamp(MAX_HOLD_US)), Some(1));
        link.send(Bytes::from_static(b"more"));
        pace.sent([&link].into_iter());
        pace.appended(2, 0);
        assert_eq!(hears(&mut pace, 2, MAX_HOLD_US + INTERVAL_US), 2, "it is slow, so it holds nobody up");
        link.wrote(10);
        link.send(Bytes::from_static(b"again"));
        pace.sent([&link].into_iter());
        pace.appended(3, 0);
        assert_eq!(
            hears(&mut pace, 3, MAX_HOLD_US + 2 * INTERVAL_US),
            2,
            "it had caught up, so it is waited for again"
        );
    }
}
