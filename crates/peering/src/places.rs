//! Who gets one of `max-links`: each neighbour that is named in the configuration has a place that nobody else takes.
//!
//! A neighbour that is named with its name is whoever has the certificate for it. One that is named by address alone is whoever
//! answered there with its key when we dialled: where a connection comes from says nothing.

use rumormill_limits::LinkId;
use rumormill_wire::NodeId;

/// Whose link it is: what its certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who<'a> {
    /// Its name in the network.
    pub(crate) name: &'a str,
    /// The node id: the key of that certificate.
    pub(crate) node: NodeId,
}

/// The neighbours that are named, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Named(Vec<(Option<String>, Option<NodeId>)>);

/// What place a link gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One that nobody has.
    Free,
    /// A named neighbour takes that of the youngest link with another.
    InPlaceOf(LinkId),
    /// What is free is kept for named neighbours.
    Kept,
    /// All are taken, by those who keep theirs.
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
    pub(crate) fn has(&self, who: Who<'_>) -> bool {
        self.0.iter().any(|entry| is(entry, who))
    }

    /// Places to be kept beside links that are up: of those that have none.
    pub(crate) fn kept<'a>(&self, links: impl Iterator<Item = Who<'a>> + Clone) -> usize {
        self.0.iter().filter(|entry| !links.clone().any(|who| is(entry, who))).count()
    }

    /// The place of a new link beside those that are up.
    pub(crate) fn place<'a>(
        &self,
        links: impl Iterator<Item = (LinkId, Who<'a>)> + Clone,
        new: Who<'_>,
        max_links: usize,
    ) -> Place {
        let up = links.clone().count();
        if self.has(new) {
            if up < max_links {
                return Place::Free;
            }
            let others = links.filter(|(_, who)| !self.has(*who));
            return others.map(|(link, _)| link).max().map_or(Place::None, Place::InPlaceOf);
        }
        match max_links.saturating_sub(up) {
            0 => Place::None,
            free if free > self.0.len() || free > self.kept(links.map(|(_, who)| who)) => Place::Free,
            _ => Place::Kept,
        }
    }
}

fn is((named, known): &(Option<String>, Option<NodeId>), who: Who<'_>) -> bool {
    named.as_deref() == Some(who.name) || known.as_ref() == Some(&who.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: NodeId = NodeId([99; 32]);
    const NAMES: [&str; 14] = ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11", "n12", "n13"];

    fn who(peer: u8) -> Who<'static> {
        Who { name: NAMES[usize::from(peer)], node: NodeId([peer; 32]) }
    }

    fn links(peers: &[u8]) -> impl Iterator<Item = (LinkId, Who<'static>)> + Clone {
        (1..).map(LinkId).zip(peers.iter().map(|peer| who(*peer)))
    }

    fn named(all: &[(Option<&str>, Option<u8>)]) -> Named {
        let all = all.iter().map(|(name, node)| (name.map(str::to_owned), node.map(|node| NodeId([node; 32]))));
        Named::new(all, ME)
    }

    fn place(named: &Named, up: &[u8], new: u8, max: usize) -> Place {
        named.place(links(up), who(new), max)
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
        assert_eq!(twice.kept(links(&[]).map(|(_, who)| who)), 2);
        assert_eq!(twice.kept(links(&[3]).map(|(_, who)| who)), 1);
        assert_eq!(
            named(&[(None, None), (None, None)]).kept(links(&[]).map(|(_, who)| who)),
            2,
            "two that nobody knows yet"
        );
    }
}
