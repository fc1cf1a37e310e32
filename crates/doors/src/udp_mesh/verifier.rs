//! Signatures cost, so they are checked in moderation: so many a second in all, and none for a while for a sender whose last
//! did not hold.

use std::net::SocketAddr;
use std::time::Duration;

use rumormill_limits::{Rate, Recent, Timestamp};
use rumormill_wire::udp_mesh::extended::KEY_LEN;

use super::keys::holds;
use crate::counters::Counters;

/// Signatures checked, at once and a second: a fifth of what one core of a small machine can do. More are dropped: whoever is honest asks again.
const CHECKS: Rate = Rate::new(5_000, 5_000);
/// Nothing more is checked of a sender for so long.
const PENALTY: Duration = Duration::from_secs(1);
/// Senders that are remembered, the latest.
const MAX_FAILED: usize = 4_096;

/// The share that is left, and who has none.
#[derive(Debug)]
pub(super) struct Verifier {
    checks: Rate,
    failed: Recent<SocketAddr, Timestamp, MAX_FAILED>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { checks: CHECKS, failed: Recent::new() }
    }
}

impl Verifier {
    /// Whether a datagram bears the signature of a key. False as well if there is no share left to see.
    pub(super) fn holds(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        key: &[u8; KEY_LEN],
        bytes: &[u8],
        counters: &Counters,
    ) -> bool {
        let waits = self.failed.get(&from).is_some_and(|at| now < at.after(PENALTY));
        if waits || !self.checks.take(now) {
            Counters::one(&counters.refused_rate);
            return false;
        }
        let holds = holds(key, bytes);
        if !holds {
            self.failed.insert(from, now);
        }
        holds
    }
}

#[cfg(test)]
mod tests {
    use rumormill_wire::udp_mesh::extended::Extended;

    use super::*;
    use crate::udp_mesh::keys::{Keys, UNSIGNED};

    #[test]
    fn a_forger_waits_and_the_honest_do_not() {
        let (mut verifier, counters) = (Verifier::default(), Counters::default());
        let keys = Keys::generate().unwrap();
        let text = keys.signed(Extended::Text { time: 1, text: "hello", signature: UNSIGNED });
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let mut holds = |ms: u64, port, bytes: &[u8]| {
            verifier.holds(Timestamp(ms * 1_000), at(port), &keys.public(), bytes, &counters)
        };
        assert!(holds(0, 1, &text) && !holds(0, 2, &[0; 80]));
        assert!(holds(1, 1, &text) && !holds(1, 2, &text) && holds(1_500, 2, &text));
        for port in 0..5_000 {
            holds(9_000, port, &[0; 80]);
        }
        assert_eq!(verifier.failed.len(), MAX_FAILED);
    }
}
