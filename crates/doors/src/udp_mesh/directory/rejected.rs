//! Who was turned away lately. A legacy peer asks once only, so who asks again from the same place is one of ours.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use rumormill_wire::udp_mesh::NameChar;

/// So many are remembered, the latest.
pub(super) const MAX_REJECTED: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Rejected {
    asked: BTreeMap<SocketAddr, (NameChar, u16)>,
    order: VecDeque<SocketAddr>,
}

impl Rejected {
    /// Remembers a BIRTH that was turned away; true if the same had come from there before.
    pub(super) fn again(&mut self, from: SocketAddr, character: NameChar, port: u16) -> bool {
        let before = self.asked.insert(from, (character, port));
        if before.is_none() {
            self.order.push_back(from);
            if self.order.len() > MAX_REJECTED
                && let Some(oldest) = self.order.pop_front()
            {
                self.asked.remove(&oldest);
            }
        }
        before == Some((character, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_again_counts_and_the_table_is_bounded() {
        let (mut rejected, a) = (Rejected::default(), NameChar::new('A').unwrap());
        let from = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert!(!rejected.again(from(1), a, 3_001));
        assert!(!rejected.again(from(1), a, 3_002));
        assert!(rejected.again(from(1), a, 3_002));
        for port in 2..5_000 {
            assert!(!rejected.again(from(port), a, 3_001));
        }
        assert_eq!((rejected.asked.len(), rejected.order.len()), (MAX_REJECTED, MAX_REJECTED));
        assert!(!rejected.again(from(1), a, 3_002), "forgotten by now");
    }
}
