//! All links, and which of them an input concerned: only those are looked at after it.

use std::collections::{BTreeMap, BTreeSet};

use rumormill_wire::NodeId;

use crate::io::LinkId;
use crate::link::Link;

/// The links. Whoever changes one gets it from here, so that none that changed is overlooked.
#[derive(Debug, Default)]
pub(crate) struct Links {
    map: BTreeMap<LinkId, Link>,
    by_peer: BTreeMap<NodeId, BTreeSet<LinkId>>,
    /// Those that changed, or whose time has come.
    touched: BTreeSet<LinkId>,
    visits: u64,
}

impl Links {
    /// A link comes up. A name is used once, so none is replaced.
    pub(crate) fn insert(&mut self, id: LinkId, link: Link) {
        self.by_peer.entry(link.peer).or_default().insert(id);
        self.touched.insert(id);
        self.map.insert(id, link);
    }

    /// A link is gone; what it was.
    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        let link = self.map.remove(&id)?;
        self.touched.insert(id);
        if let Some(links) = self.by_peer.get_mut(&link.peer) {
            links.remove(&id);
            if links.is_empty() {
                self.by_peer.remove(&link.peer);
            }
        }
        Some(link)
    }

    /// A link that is up, to be looked at.
    #[must_use]
    pub(crate) fn get(&self, id: &LinkId) -> Option<&Link> {
        self.map.get(id)
    }

    /// One of them, to be changed.
    pub(crate) fn get_mut(&mut self, id: &LinkId) -> Option<&mut Link> {
        let link = self.map.get_mut(id)?;
        self.touched.insert(*id);
        Some(link)
    }

    /// One of many that something goes to, to be changed.
    pub(crate) fn visit(&mut self, id: &LinkId) -> Option<&mut Link> {
        self.visits = self.visits.saturating_add(1);
        self.get_mut(id)
    }

    /// The time of one has come.
    pub(crate) fn touch(&mut self, id: LinkId) {
        if self.map.contains_key(&id) {
            self.touched.insert(id);
        }
    }

    /// The first of those that an input concerned.
    #[must_use]
    pub(crate) fn first_touched(&mut self) -> Option<LinkId> {
        self.visits = self.visits.saturating_add(u64::from(!self.touched.is_empty()));
        self.touched.first().copied()
    }

    /// All was done for it.
    pub(crate) fn settled(&mut self, id: LinkId) {
        self.touched.remove(&id);
    }

    /// All of them, in order: for what goes to everybody and for nothing else.
    #[must_use]
    pub(crate) fn everybody(&mut self) -> Vec<LinkId> {
        self.visits = self.visits.saturating_add(u64::try_from(self.map.len()).unwrap_or(u64::MAX));
        self.map.keys().copied().collect()
    }

    /// All of them, for what is noted of each and leads to nothing.
    pub(crate) fn note_all(&mut self) -> impl Iterator<Item = (&LinkId, &mut Link)> {
        self.map.iter_mut()
    }

    /// The links with one node, in order.
    #[must_use]
    pub(crate) fn of_peer(&self, peer: &NodeId) -> Vec<LinkId> {
        self.by_peer.get(peer).into_iter().flatten().copied().collect()
    }

    /// All of them, for those who count.
    #[cfg(feature = "fuzz")]
    pub(crate) fn values(&self) -> impl Iterator<Item = &Link> {
        self.map.values()
    }

    /// How many there are.
    #[cfg(feature = "fuzz")]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// How often any of them was looked at, since the start.
    #[cfg(feature = "fuzz")]
    #[must_use]
    pub(crate) const fn visits(&self) -> u64 {
        self.visits
    }
}
