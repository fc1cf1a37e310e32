//! Who was turned away lately. A legacy peer asks once only, so who asks again from the same place is one of ours.

use std::net::SocketAddr;

use rumormill_limits::Recent;
use rumormill_wire::udp_mesh::NameChar;

/// So many are remembered, the latest.
pub(super) const MAX_REJECTED: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Rejected {
    asked: Recent<SocketAddr, (NameChar, u16), MAX_REJECTED>,
}

impl Rejected {
    /// Remembers a BIRTH that was turned away; true if the same had come from there before.
    pub(super) fn again(&mut self, from: SocketAddr, character: NameChar, port: u16) -> bool {
        self.asked.insert(from, (character, port)) == Some((character, port))
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
        assert_eq!(rejected.asked.len(), MAX_REJECTED);
        assert!(!rejected.again(from(1), a, 3_002), "forgotten by now");
    }
}
