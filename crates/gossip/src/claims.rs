//! What neighbours say that they have and we lack: by neighbour, and by origin, so that whoever wants to know who has more of one
//! does not ask all.

use std::collections::{BTreeMap, BTreeSet};

use rumormill_wire::{NodeId, Origin, Seq};

use crate::io::{LinkId, Timestamp};
use crate::shared_map::{Put, SharedMap};
use crate::stats::Why;

/// What a neighbour has and we lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// The number it wants next.
    pub next: Seq,
    /// Since when we know.
    pub since: Timestamp,
    /// The neighbour's chain ends there, for a reason that we do not know yet.
    pub ended: bool,
    /// Why we do not take it now.
    pub why: Option<Why>,
}

/// All claims of all neighbours.
#[derive(Debug, Default)]
pub struct Claims {
    by_link: BTreeMap<LinkId, SharedMap<Behind>>,
    by_origin: BTreeSet<(Origin, LinkId)>,
}

impl Claims {
    /// A neighbour has an origin up to `next`, which is more than we have; `why` we do not take it now. It may have so many
    /// claims. Says whether this one is remembered beside all others.
    pub fn note(
        &mut self,
        link: LinkId,
        origin: Origin,
        (next, now): (Seq, Timestamp),
        why: Option<Why>,
        most: usize,
    ) -> bool {
        let claims = self.by_link.entry(link).or_default();
        if let Some(behind) = claims.get_mut(&origin) {
            behind.next = behind.next.max(next);
            // That its author's certificate did not come is known until it comes.
            if behind.why != Some(Why::NotAdmitted) {
                behind.why = why;
            }
            return true;
        }
        let put = claims.put(origin, Behind { next, since: now, ended: false, why }, most);
        if put != Put::Out {
            self.by_origin.insert((origin, link));
        }
        if let Put::Instead(oldest, _) = put {
            self.by_origin.remove(&(oldest, link));
        }
        put == Put::In
    }

    /// What a neighbour has of an origin.
    #[must_use]
    pub fn get(&self, link: LinkId, origin: &Origin) -> Option<&Behind> {
        self.by_link.get(&link)?.get(origin)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, link: LinkId, origin: &Origin) -> Option<&mut Behind> {
        self.by_link.get_mut(&link)?.get_mut(origin)
    }

    /// Whether a neighbour has an origin up to this number, by its own word.
    #[must_use]
    pub fn has(&self, link: LinkId, origin: &Origin, next: Seq) -> bool {
        self.get(link, origin).is_some_and(|behind| behind.next >= next)
    }

    /// We have it too.
    pub fn remove(&mut self, link: LinkId, origin: &Origin) -> Option<Behind> {
        let claims = self.by_link.get_mut(&link)?;
        let behind = claims.remove(origin)?;
        if claims.is_empty() {
            self.by_link.remove(&link);
        }
        self.by_origin.remove(&(*origin, link));
        Some(behind)
    }

    /// We have all that a neighbour has, or it is gone.
    pub fn clear(&mut self, link: LinkId) {
        for (origin, _) in self.by_link.remove(&link).unwrap_or_default().iter() {
            self.by_origin.remove(&(*origin, link));
        }
    }

    /// The claims of one neighbour from `low` to `high`, both included, in order.
    pub fn range(&self, link: LinkId, low: Origin, high: Origin) -> impl Iterator<Item = (&Origin, &Behind)> {
        let claims = self.by_link.get(&link).filter(|_| low <= high);
        claims.into_iter().flat_map(move |claims| claims.range(low..=high))
    }

    /// All claims of one neighbour, in order.
    pub fn of_link(&self, link: LinkId) -> impl Iterator<Item = (&Origin, &Behind)> {
        self.range(link, Origin::MIN, Origin::MAX)
    }

    /// Who has more of an origin than we.
    #[must_use]
    pub fn who_has(&self, origin: Origin) -> Vec<LinkId> {
        self.by_origin.range((origin, LinkId(0))..=(origin, LinkId(u64::MAX))).map(|(_, link)| *link).collect()
    }

    /// Who has more of a node's origins than we, and of which.
    #[must_use]
    pub fn of_node(&self, node: NodeId) -> Vec<(Origin, LinkId)> {
        let (low, high) = (Origin { node, ..Origin::MIN }, Origin { node, ..Origin::MAX });
        self.by_origin.range((low, LinkId(0))..=(high, LinkId(u64::MAX))).copied().collect()
    }

    /// The most that one neighbour has.
    #[cfg(feature = "fuzz")]
    #[must_use]
    pub fn most(&self) -> usize {
        self.by_link.values().map(SharedMap::len).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::Incarnation;

    use super::*;

    #[test]
    fn both_ways_to_look_at_claims_say_the_same() {
        let origin = |node: u8, n: u64| Origin { node: NodeId([node; 32]), incarnation: Incarnation(n) };
        let mut claims = Claims::default();
        let note =
            |claims: &mut Claims, link, of, next| claims.note(LinkId(link), of, (Seq(next), Timestamp(1)), None, 2);
        assert!(note(&mut claims, 1, origin(1, 1), 5) && note(&mut claims, 1, origin(1, 2), 5));
        assert!(!note(&mut claims, 1, origin(1, 3), 5), "no room for a third");
        assert!(note(&mut claims, 1, origin(1, 2), 3) && claims.has(LinkId(1), &origin(1, 2), Seq(5)), "never less");
        assert!(note(&mut claims, 2, origin(1, 2), 9));
        assert_eq!(claims.who_has(origin(1, 2)), [LinkId(1), LinkId(2)]);
        assert_eq!(claims.of_node(NodeId([1; 32])).len(), 3);
        assert_eq!(claims.remove(LinkId(1), &origin(1, 2)).map(|behind| behind.next), Some(Seq(5)));
        assert_eq!(claims.who_has(origin(1, 2)), [LinkId(2)]);
        claims.clear(LinkId(1));
        assert!(note(&mut claims, 1, origin(1, 1), 5) && note(&mut claims, 1, origin(1, 2), 5));
        assert!(!note(&mut claims, 1, origin(2, 1), 5), "another author has a place, which costs one");
        assert_eq!((claims.get(LinkId(1), &origin(1, 1)), claims.who_has(origin(1, 1))), (None, vec![]));
        assert_eq!(claims.who_has(origin(2, 1)), [LinkId(1)]);
        claims.clear(LinkId(1));
        assert_eq!((claims.of_link(LinkId(1)).count(), claims.of_node(NodeId([1; 32])).len()), (0, 1));
        claims.clear(LinkId(2));
        assert!(claims.by_link.is_empty() && claims.by_origin.is_empty());
    }
}
