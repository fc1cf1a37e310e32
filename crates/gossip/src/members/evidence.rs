//! Certificates of members, which of two of one node counts, and what follows for its author (docs/protocol.md, P-G4).

use core::cmp::Reverse;

use bytes::Bytes;

/// A certificate that holds, or nothing where trust is pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The certificate in DER.
    pub bytes: Bytes,
    /// From when it is valid, in seconds since the Unix epoch, as it says itself.
    pub since: u64,
}

impl Evidence {
    /// Whether there is nothing to show.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Of two certificates of one node the one that is valid from a later time on counts, of two from one time the one with
    /// the lower bytes. So whoever knows both goes by the same one, whichever came first.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        (self.since, Reverse(&self.bytes)) > (other.since, Reverse(&other.bytes))
    }
}

/// What became of a certificate that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The CA issued it for that node; it counts if it beats the one that is known.
    Holds(Evidence),
    /// It says nothing here, and whoever sent it may not know: another that counts is known, or trust is pinned.
    Void,
    /// The CA did not issue it for that node.
    False,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(bytes: &'static [u8], since: u64) -> Evidence {
        Evidence { bytes: Bytes::from_static(bytes), since }
    }

    #[test]
    fn of_two_exactly_one_counts_and_of_three_the_same_whatever_the_order() {
        let all = [evidence(b"a", 1), evidence(b"b", 1), evidence(b"a", 2), evidence(b"", 0)];
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            assert_eq!(one.beats(other) ^ other.beats(one), one != other, "{one:?} {other:?}");
        }
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let last = order.into_iter().map(|n| &all[n]).reduce(|kept, new| if new.beats(kept) { new } else { kept });
            assert_eq!(last, Some(&all[2]));
        }
        assert!(all[0].beats(&all[1]), "of two from one time the lower bytes");
    }
}

/// Whether an author belongs to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its certificate holds.
    Admitted,
    /// A certificate of its own is being checked: its bundles wait for that.
    Pending,
    /// Nobody has vouched for it yet.
    Unknown,
}
