//! A hash of sets that grows and shrinks element by element: `LtHash` with 1,024 lanes of 16 bits (Bellare and Micciancio 1997; Lewi,
//! Kim, Maykov and Weis, "Securing Update Propagation with Homomorphic Hashing", 2019).
//!
//! Each element is expanded to 2,048 bytes, and lane by lane all are added modulo 2^16. A member chooses its heads freely, so it may
//! search for two sets that look alike. Against a plain sum of 128 bits that takes minutes (Wagner's generalized birthday). Here it is
//! a short vector problem in a lattice, estimated at 200 bits by the paper. What is shown is cut to 128 bits: two sets that look
//! alike then cost 2^64 trials.

/// Lanes of 16 bits.
const LANES: usize = 1_024;

/// What parts this expansion from every other use of BLAKE3 here.
const KEY: [u8; 32] = *b"rumormill/1 frontier set element";

/// One element, expanded.
pub struct Element([u16; LANES]);

impl core::fmt::Debug for Element {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Element")
    }
}

impl Element {
    /// Expands the digest of an entry; the costly part, so done once.
    #[must_use]
    pub fn new(digest: &[u8; 32]) -> Self {
        let mut bytes = [0; LANES * 2];
        let mut hasher = blake3::Hasher::new_keyed(&KEY);
        hasher.update(digest).finalize_xof().fill(&mut bytes);
        let mut lanes = [0; LANES];
        let (pairs, _) = bytes.as_chunks::<2>();
        lanes.iter_mut().zip(pairs).for_each(|(lane, pair)| *lane = u16::from_le_bytes(*pair));
        Self(lanes)
    }
}

/// The hash of a set.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash(Box<[u16; LANES]>);

impl Default for LtHash {
    fn default() -> Self {
        Self(Box::new([0; LANES]))
    }
}

impl LtHash {
    /// An element joins. One that joins twice counts twice.
    pub fn add(&mut self, element: &Element) {
        self.0.iter_mut().zip(&element.0).for_each(|(sum, lane)| *sum = sum.wrapping_add(*lane));
    }

    /// An element that was added leaves.
    pub fn remove(&mut self, element: &Element) {
        self.0.iter_mut().zip(&element.0).for_each(|(sum, lane)| *sum = sum.wrapping_sub(*lane));
    }

    /// What is shown of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        let mut bytes = [0; LANES * 2];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        pairs.iter_mut().zip(self.0.iter()).for_each(|(pair, lane)| *pair = lane.to_le_bytes());
        let mut out = [0; 16];
        blake3::Hasher::new().update(&bytes).finalize_xof().fill(&mut out);
        out
    }
}

impl core::fmt::Debug for LtHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LtHash({:02x?})", self.digest())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    fn element(n: u8) -> Element {
        Element::new(&[n; 32])
    }

    #[test]
    fn the_order_does_not_count_and_what_leaves_leaves_nothing_behind() {
        let (mut up, mut down) = (LtHash::default(), LtHash::default());
        (0..9).for_each(|n| up.add(&element(n)));
        (0..9).rev().for_each(|n| down.add(&element(n)));
        assert_eq!(up, down);
        assert_ne!(up.digest(), LtHash::default().digest());
        (0..9).for_each(|n| up.remove(&element(n)));
        assert_eq!(up, LtHash::default());
    }

    #[test]
    fn an_element_is_no_multiple_of_itself_and_lanes_are_apart() {
        let mut twice = LtHash::default();
        (0..2).for_each(|_| twice.add(&element(1)));
        let mut once = LtHash::default();
        once.add(&element(1));
        assert_ne!(once, twice);
        // All lanes are used: about one in 2^16 is zero.
        assert!(once.0.iter().filter(|lane| **lane == 0).count() < 8);
        // No lane carries into the next: 2^16 times an element is nothing.
        let mut many = LtHash::default();
        let one = element(1);
        (0..1 << 16).for_each(|_| many.add(&one));
        assert_eq!(many, LtHash::default());
    }
}
