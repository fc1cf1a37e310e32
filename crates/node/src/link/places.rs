//! Who gets one of `max-links`: each neighbour that is named in the configuration has a place that nobody else takes.
//!
//! A neighbour that is named with its name is whoever has the certificate for it. One that is named by address alone is whoever
//! answered there with its key when we dialled: where a connection comes from says nothing.

use rumormill_gossip::LinkId;
use rumormill_wire::NodeId;

use super::facts::Facts;
use super::state::Link;

/// The neighbours that are named, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Named(Vec<(Option<String>, Option<NodeId>)>);

/// What place a link gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Free,
    /// A named neighbour takes that of the youngest link with another.
    InPlaceOf(LinkId),
    /// What is free is kept for named neighbours.
    Kept,
    None,
}

impl Named {
    /// One that is named twice has one place, and this node itself has none.
    pub(crate) fn new(all: impl IntoIterator<Item = (Option<String>, Option<NodeId>)>, me: NodeId) -> Self {
        let mut found: Vec<(Option<String>, Option<NodeId>)> = Vec::new();
        for (name, node) in all {
            let same = |(other_name, other): &(Option<String>, Option<NodeId>)| {
                (name.is_some() && name == *other_name) || (node.is_some() && node == *other)
            };
            if node != Some(me) && !found.iter().any(same) {
                found.push((name, node));
            }
        }
        Self(found)
    }

    /// Whether a member is one of them, by what it has proven.
    pub(crate) fn has(&self, name: &str, node: &NodeId) -> bool {
        self.0.iter().any(|entry| is(entry, name, node))
    }

    /// Places to be kept: of those that have no link.
    pub(crate) fn kept<'a>(&self, links: impl Iterator<Item = &'a Link> + Clone) -> usize {
        let linked = |entry| links.clone().any(|link| is(entry, &link.facts.name, &link.facts.peer));
        self.0.iter().filter(|entry| !linked(entry)).count()
    }

    /// The place of a new link beside those that are up.
    pub(crate) fn place<'a>(
        &self,
        links: impl Iterator<Item = &'a Link> + Clone,
        new: &Facts,
        max_links: usize,
    ) -> Place {
        let up = links.clone().count();
        if self.has(&new.name, &new.peer) {
            if up < max_links {
                return Place::Free;
            }
            let others = links.filter(|link| !self.has(&link.facts.name, &link.facts.peer));
            return others.map(|link| link.id).max().map_or(Place::None, Place::InPlaceOf);
        }
        match max_links.saturating_sub(up) {
            0 => Place::None,
            free if free > self.0.len() || free > self.kept(links) => Place::Free,
            _ => Place::Kept,
        }
    }
}

fn is((named, known): &(Option<String>, Option<NodeId>), name: &str, node: &NodeId) -> bool {
    named.as_deref() == Some(name) || known.as_ref() == Some(node)
}

#[cfg(test)]
mod tests {
    use rumormill_gossip::Timestamp;

    use super::super::facts::Direction;
    use super::super::facts::tests::facts;
    use super::*;

    const ME: NodeId = NodeId([99; 32]);

    fn links(peers: &[u8]) -> Vec<Link> {
        let link = |(n, peer): (u64, &u8)| Link::new(LinkId(n), facts(*peer, Direction::Inbound), Timestamp(n));
        (1..).zip(peers).map(link).collect()
    }

    fn named(all: &[(Option<&str>, Option<u8>)]) -> Named {
        let all = all.iter().map(|(name, node)| (name.map(str::to_owned), node.map(|node| NodeId([node; 32]))));
        Named::new(all, ME)
    }

    fn place(named: &Named, up: &[u8], new: u8, max: usize) -> Place {
        named.place(links(up).iter(), &facts(new, Direction::Inbound), max)
    }

    #[test]
    fn others_leave_a_place_for_each_that_is_named_and_has_no_link() {
        let named = named(&[(Some("n1"), None), (None, Some(2)), (None, None)]);
        assert_eq!(place(&named, &[], 10, 4), Place::Free);
        assert_eq!(place(&named, &[10], 11, 4), Place::Kept, "three are to come");
        assert_eq!(place(&named, &[10, 1], 11, 4), Place::Kept, "two");
        assert_eq!(place(&named, &[1, 2], 11, 4), Place::Free, "one, and one is left");
        assert_eq!(place(&named, &[1, 2, 10], 11, 4), Place::Kept, "where it is we do not know, and who answers there");
        assert_eq!(place(&named, &[10], 1, 4), Place::Free);
        assert_eq!(place(&named, &[10, 1, 12], 2, 4), Place::Free);
        assert_eq!(place(&named, &[1, 2, 10, 11], 12, 4), Place::None);
    }

    #[test]
    fn one_that_is_named_takes_the_place_of_the_youngest_other() {
        let named = named(&[(Some("n1"), None), (None, Some(2))]);
        assert_eq!(place(&named, &[10, 1, 11], 2, 3), Place::InPlaceOf(LinkId(3)));
        assert_eq!(place(&named, &[10, 11, 1], 2, 3), Place::InPlaceOf(LinkId(2)), "never another one that is named");
        assert_eq!(place(&named, &[10, 11, 12], 13, 3), Place::None, "not for one that is not");
        assert_eq!(place(&named, &[1], 2, 1), Place::None);
    }

    #[test]
    fn one_that_is_named_twice_has_one_place_and_we_ourselves_have_none() {
        let twice =
            named(&[(Some("n1"), None), (Some("n1"), Some(1)), (None, Some(99)), (None, Some(3)), (None, Some(3))]);
        assert_eq!(twice.kept(links(&[]).iter()), 2);
        assert_eq!(twice.kept(links(&[3]).iter()), 1);
        assert_eq!(named(&[(None, None), (None, None)]).kept(links(&[]).iter()), 2, "two that nobody knows yet");
    }
}
