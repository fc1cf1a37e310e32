//! Bans with an end.

use core::time::Duration;
use std::collections::BTreeMap;

use rumormill_limits::Timestamp;
use rumormill_wire::NodeId;

use crate::places::Who;

/// Most bans at once; the one that ends first makes room. They are of members, by key, and last a minute, so this is more than
/// any network is likely to have at once.
const MAX_BANS: usize = 4_096;

/// Nodes that are not taken for now, with their names and until when.
#[derive(Debug, Default)]
pub(crate) struct Bans(BTreeMap<NodeId, (String, Timestamp)>);

impl Bans {
    /// Bans a node for so long from `now`.
    pub(crate) fn ban(&mut self, who: Who<'_>, lasts: Duration, now: Timestamp) {
        self.0.retain(|_, (_, until)| *until > now);
        if self.0.len() >= MAX_BANS
            && let Some(first) = self.0.iter().min_by_key(|(_, (_, until))| *until).map(|(node, _)| *node)
        {
            self.0.remove(&first);
        }
        self.0.insert(who.node, (who.name.to_owned(), now.after(lasts)));
    }

    /// How much longer a node is banned.
    pub(crate) fn remaining(&self, node: &NodeId, now: Timestamp) -> Option<Duration> {
        self.0.get(node).and_then(|(_, until)| left(*until, now))
    }

    /// How much longer all who bore this name are banned.
    pub(crate) fn remaining_of(&self, name: &str, now: Timestamp) -> Option<Duration> {
        self.0.values().filter(|(other, _)| other == name).filter_map(|(_, until)| left(*until, now)).max()
    }
}

fn left(until: Timestamp, now: Timestamp) -> Option<Duration> {
    Some(until.elapsed(now)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends_and_the_table_is_bounded() {
        let (mut bans, now) = (Bans::default(), Timestamp::ZERO);
        let who = |node| Who { name: "n1", node };
        bans.ban(who(NodeId([1; 32])), Duration::from_secs(60), now);
        assert!(bans.remaining(&NodeId([1; 32]), now).is_some());
        let end = now.after(Duration::from_secs(60));
        assert!(bans.remaining(&NodeId([1; 32]), end).is_none() && bans.remaining_of("n1", end).is_none());
        assert_eq!((bans.remaining_of("n1", now), bans.remaining_of("n2", now)), (Some(Duration::from_secs(60)), None));
        for n in 0..=u16::try_from(MAX_BANS).unwrap() {
            let mut id = [9; 32];
            id[..2].copy_from_slice(&n.to_be_bytes());
            bans.ban(who(NodeId(id)), Duration::from_secs(u64::from(n) + 1), now);
        }
        assert_eq!(bans.0.len(), MAX_BANS);
    }
}
