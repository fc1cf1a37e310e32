//! Which of two links with one peer stays (docs/protocol.md, P-F10).

use rumormill_limits::Timestamp;
use rumormill_wire::NodeId;

use crate::direction::Direction;

/// Two links with one peer that are both younger than this, in microseconds, came of both sides dialling at once: a link comes up in
/// milliseconds, on a slow wire within a second.
const YOUNG_US: u64 = 2_000_000;

/// The other end of a link, and who opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The node id at the other end.
    pub(crate) node: NodeId,
    /// Which side opened the link.
    pub(crate) direction: Direction,
}

/// What becomes of a new link when there is one with this peer already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rival {
    /// The old one ends.
    NewWins,
    /// The new one is refused.
    OldWins,
    /// The old one wins if it answers a PING.
    Test,
}

/// What becomes of `new` beside `old`, which is up `since` then. Both sides dialled at once: the link dialled by the lower node id stays, and both sides see it so. Otherwise the old
/// one stays if it is alive.
pub(crate) fn rival(me: NodeId, old: End, since: Timestamp, new: End, now: Timestamp) -> Rival {
    let dialler = |end: End| if end.direction == Direction::Outbound { me } else { end.node };
    let crossed = old.node == new.node && dialler(old) != dialler(new);
    if !crossed || now.since(since) > YOUNG_US {
        return Rival::Test;
    }
    if dialler(new) < dialler(old) { Rival::NewWins } else { Rival::OldWins }
}

#[cfg(test)]
mod tests {
    use Direction::{Inbound, Outbound};

    use super::*;

    /// What becomes of a link of the same age as the time.
    fn judge(me: NodeId, old: (u8, Direction), new: (u8, Direction), now: u64) -> Rival {
        let end = |(peer, direction)| End { node: NodeId([peer; 32]), direction };
        rival(me, end(old), Timestamp::ZERO, end(new), Timestamp(now))
    }

    #[test]
    fn both_sides_keep_the_link_that_the_lower_id_dialled() {
        // Node 1 and node 2 dial each other; whichever link each sees first, both keep the one that 1 dialled.
        let (one, two) = (NodeId([1; 32]), NodeId([2; 32]));
        assert_eq!(judge(one, (2, Inbound), (2, Outbound), 1_000), Rival::NewWins);
        assert_eq!(judge(one, (2, Outbound), (2, Inbound), 1_000), Rival::OldWins);
        assert_eq!(judge(two, (1, Outbound), (1, Inbound), 1_000), Rival::NewWins);
        assert_eq!(judge(two, (1, Inbound), (1, Outbound), 1_000), Rival::OldWins);
    }

    #[test]
    fn an_old_link_or_a_second_dial_is_decided_by_a_ping() {
        let one = NodeId([1; 32]);
        assert_eq!(judge(one, (2, Inbound), (2, Inbound), 1), Rival::Test);
        assert_eq!(judge(one, (2, Inbound), (2, Outbound), YOUNG_US + 1), Rival::Test);
        assert_eq!(judge(one, (3, Inbound), (2, Outbound), 1), Rival::Test, "one name, two ids");
    }
}
