//! Which of two links with one peer stays.

use rumormill_gossip::Timestamp;
use rumormill_wire::NodeId;

use super::facts::Direction;
use super::state::Link;

/// Two links with one peer that are both younger than this, in microseconds, came of both sides dialling at once: a link comes up in
/// milliseconds, on a slow wire within a second.
const YOUNG_US: u64 = 2_000_000;

/// What becomes of a new link when there is one with this peer already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    NewWins,
    OldWins,
    /// The old one wins if it answers a PING.
    Test,
}

/// Both sides dialled at once: the link dialled by the lower node id stays, and both sides see it so. Otherwise the old
/// one stays if it is alive.
pub(crate) fn rival(me: NodeId, old: &Link, new: &Link, now: Timestamp) -> Rival {
    let dialler = |link: &Link| if link.facts.direction == Direction::Outbound { me } else { link.facts.peer };
    let crossed = old.facts.peer == new.facts.peer && dialler(old) != dialler(new);
    if !crossed || now.since(old.since) > YOUNG_US {
        return Rival::Test;
    }
    if dialler(new) < dialler(old) { Rival::NewWins } else { Rival::OldWins }
}

#[cfg(test)]
mod tests {
    use rumormill_gossip::LinkId;

    use super::super::facts::tests::facts;
    use super::*;

    fn link(peer: u8, direction: Direction) -> Link {
        Link::new(LinkId(0), facts(peer, direction), Timestamp(0))
    }

    #[test]
    fn both_sides_keep_the_link_that_the_lower_id_dialled() {
        // Node 1 and node 2 dial each other; whichever link each sees first, both keep the one that 1 dialled.
        let (one, two) = (NodeId([1; 32]), NodeId([2; 32]));
        let now = Timestamp(1_000);
        use Direction::{Inbound, Outbound};
        assert_eq!(rival(one, &link(2, Inbound), &link(2, Outbound), now), Rival::NewWins);
        assert_eq!(rival(one, &link(2, Outbound), &link(2, Inbound), now), Rival::OldWins);
        assert_eq!(rival(two, &link(1, Outbound), &link(1, Inbound), now), Rival::NewWins);
        assert_eq!(rival(two, &link(1, Inbound), &link(1, Outbound), now), Rival::OldWins);
    }

    #[test]
    fn an_old_link_or_a_second_dial_is_decided_by_a_ping() {
        let one = NodeId([1; 32]);
        use Direction::{Inbound, Outbound};
        assert_eq!(rival(one, &link(2, Inbound), &link(2, Inbound), Timestamp(1)), Rival::Test);
        assert_eq!(rival(one, &link(2, Inbound), &link(2, Outbound), Timestamp(YOUNG_US + 1)), Rival::Test);
        assert_eq!(rival(one, &link(3, Inbound), &link(2, Outbound), Timestamp(1)), Rival::Test, "one name, two ids");
    }
}
