//! Bans with an end.

use core::time::Duration;
use std::collections::BTreeMap;

use rumormill_limits::Timestamp;
use rumormill_wire::NodeId;

/// Most bans at once; the one that ends first makes room. They are of members, by key, and last a minute, so this is more than
/// any network is likely to have at once.
pub const MAX_BANS: usize = 4_096;

/// Nodes that are not taken for now.
#[derive(Debug, Default)]
pub struct Bans(BTreeMap<NodeId, Timestamp>);

impl Bans {
    /// Bans a node for so long from `now`.
    pub fn ban(&mut self, node: NodeId, lasts: Duration, now: Timestamp) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= MAX_BANS
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until).map(|(node, _)| *node)
        {
            self.0.remove(&first);
        }
        self.0.insert(node, now.after(lasts));
    }

    /// How much longer a node is banned.
    #[must_use]
    pub fn remaining(&self, node: &NodeId, now: Timestamp) -> Option<Duration> {
        Some(self.0.get(node)?.elapsed(now)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends_and_the_table_is_bounded() {
        let (mut bans, now) = (Bans::default(), Timestamp::ZERO);
        bans.ban(NodeId([1; 32]), Duration::from_secs(60), now);
        assert!(bans.remaining(&NodeId([1; 32]), now).is_some());
        assert!(bans.remaining(&NodeId([1; 32]), now.after(Duration::from_secs(60))).is_none());
        for n in 0..=u16::try_from(MAX_BANS).unwrap() {
            let mut id = [9; 32];
            id[..2].copy_from_slice(&n.to_be_bytes());
            bans.ban(NodeId(id), Duration::from_secs(u64::from(n) + 1), now);
        }
        assert_eq!(bans.0.len(), MAX_BANS);
    }
}
