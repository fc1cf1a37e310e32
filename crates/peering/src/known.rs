//! Addresses of known members, which have handshake slots of their own in a flood from their prefix.
//!
//! Those of configured neighbours stay. Another is known while a link from there is up and for a time after, for a few
//! addresses of each member, so that one that moves about takes no place from others; it ends with the member's revocation.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use rumormill_limits::Timestamp;
use rumormill_wire::NodeId;

/// Addresses of one member; the one that was used least recently makes room.
const PER_NODE: usize = 2;
/// How long an address is known after its last link.
pub const KEPT: Duration = Duration::from_secs(3_600);

/// Who is known where.
#[derive(Debug)]
pub struct Known {
    configured: BTreeSet<IpAddr>,
    seen: BTreeMap<(NodeId, IpAddr), Timestamp>,
    most: usize,
}

impl Known {
    /// `most` addresses at once, those of neighbours that are `configured` among them.
    pub fn new(configured: impl IntoIterator<Item = IpAddr>, most: usize) -> Self {
        let configured = configured.into_iter().map(|addr| addr.to_canonical()).collect();
        Self { configured, seen: BTreeMap::new(), most }
    }

    /// A link of this member is up from there.
    pub fn see(&mut self, node: NodeId, addr: IpAddr, now: Timestamp) {
        let addr = addr.to_canonical();
        self.seen.insert((node, addr), now);
        while self.of(&node).count() > PER_NODE
            && let Some(oldest) = self.of(&node).min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            self.seen.remove(&oldest);
        }
        while self.seen.len() > self.most
            && let Some(oldest) = self.seen.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            self.seen.remove(&oldest);
        }
    }

    fn of(&self, node: &NodeId) -> impl Iterator<Item = (&(NodeId, IpAddr), &Timestamp)> {
        let (first, last) = (IpAddr::from([0; 4]), IpAddr::from([0xff; 16]));
        self.seen.range((*node, first)..=(*node, last))
    }

    /// Lets go whose time is over, and members that belong no more.
    pub fn forget(&mut self, now: Timestamp, gone: impl Fn(&NodeId) -> bool) {
        self.seen.retain(|(node, _), at| now.elapsed(*at) < KEPT && !gone(node));
    }

    /// All of them, configured ones first.
    #[must_use]
    pub fn addrs(&self) -> Vec<IpAddr> {
        let mut newest: Vec<_> = self.seen.iter().map(|((_, addr), at)| (*at, *addr)).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        let mut taken = self.configured.clone();
        let seen = newest.into_iter().map(|(_, addr)| addr).filter(move |addr| taken.insert(*addr));
        self.configured.iter().copied().chain(seen).take(self.most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1_024;

    fn node(n: u16) -> NodeId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&n.to_be_bytes());
        NodeId(id)
    }

    fn ip(n: u16) -> IpAddr {
        let [a, b] = n.to_be_bytes();
        IpAddr::from([10, a, b, 1])
    }

    #[test]
    fn a_member_that_moves_about_takes_no_place_from_others() {
        let (mut known, now) = (Known::new([ip(0)], MOST), Timestamp::ZERO);
        known.see(node(1), ip(1), now);
        for n in 0..2_000 {
            known.see(node(2), ip(1_000 + n), now.after(Duration::from_millis(u64::from(n))));
        }
        let addrs = known.addrs();
        assert_eq!(addrs.len(), 1 + 1 + PER_NODE, "{addrs:?}");
        for kept in [ip(0), ip(1), ip(2_998), ip(2_999)] {
            assert!(addrs.contains(&kept), "{kept}: the newest win");
        }
    }

    #[test]
    fn an_address_ends_with_time_and_with_its_member_but_a_configured_one_stays() {
        let (mut known, now) = (Known::new([ip(0), ip(3)], MOST), Timestamp::ZERO);
        known.see(node(1), ip(1), now);
        known.see(node(2), ip(2), now);
        known.see(node(3), ip(3), now);
        known.forget(now, |gone| *gone == node(2) || *gone == node(3));
        assert_eq!(known.addrs(), [ip(0), ip(3), ip(1)]);
        known.see(node(1), ip(1), now.after(KEPT / 2));
        known.forget(now.after(KEPT), |_| false);
        assert_eq!(known.addrs().len(), 3, "its time runs from the end of its last link");
        known.forget(now.after(KEPT / 2 + KEPT), |_| false);
        assert_eq!(known.addrs(), [ip(0), ip(3)]);
    }

    #[test]
    fn all_together_are_bounded_and_the_newest_win() {
        let (mut known, now) = (Known::new([ip(0)], MOST), Timestamp::ZERO);
        let most = u16::try_from(MOST).unwrap();
        for n in 1..2 * most {
            known.see(node(n), ip(n), now.after(Duration::from_millis(u64::from(n))));
        }
        let addrs = known.addrs();
        assert_eq!(addrs.len(), MOST);
        assert!(addrs.contains(&ip(0)) && addrs.contains(&ip(2 * most - 1)) && !addrs.contains(&ip(1)));
    }
}
