//! What a node has, in 16 bytes: an incremental sum of entry hashes (docs/protocol.md, P-S3), and 256 such sums by the
//! first byte of the node id for finding where two frontiers differ.

use rumormill_wire::native::{EntryState, StatusEntry};
use rumormill_wire::{NodeId, Origin};

/// How many parts the key space has.
pub const BUCKETS: usize = 256;

/// Hash of one entry. `Hold` is of the moment and does not count.
#[must_use]
pub fn entry_hash(entry: &StatusEntry) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(entry.origin.node.as_bytes());
    hasher.update(&entry.origin.incarnation.0.to_be_bytes());
    hasher.update(&entry.next.0.to_be_bytes());
    hasher.update(entry.head.as_bytes());
    hasher.update(&[u8::from(entry.state == EntryState::Forked)]);
    let mut out = [0; 16];
    hasher.finalize_xof().fill(&mut out);
    u128::from_be_bytes(out)
}

/// Which part an origin is in.
#[must_use]
pub fn bucket_of(node: &NodeId) -> usize {
    let [first, ..] = node.0;
    usize::from(first)
}

/// The lowest and the highest origin of a part.
#[must_use]
pub fn bucket_range(bucket: u8) -> (Origin, Origin) {
    let (mut low, mut high) = (Origin::MIN, Origin::MAX);
    for end in [&mut low, &mut high] {
        if let Some(first) = end.node.0.first_mut() {
            *first = bucket;
        }
    }
    (low, high)
}

/// The sums over all entries.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    whole: u128,
    parts: [u128; BUCKETS],
    entries: u32,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self { whole: 0, parts: [0; BUCKETS], entries: 0 }
    }
}

impl Fingerprint {
    /// An origin's entry changed from one hash to another; `None` is no entry.
    pub fn change(&mut self, origin: &Origin, old: Option<u128>, new: Option<u128>) {
        let difference = new.unwrap_or(0).wrapping_sub(old.unwrap_or(0));
        self.whole = self.whole.wrapping_add(difference);
        if let Some(part) = self.parts.get_mut(bucket_of(&origin.node)) {
            *part = part.wrapping_add(difference);
        }
        match (old, new) {
            (None, Some(_)) => self.entries = self.entries.saturating_add(1),
            (Some(_), None) => self.entries = self.entries.saturating_sub(1),
            _ => {}
        }
    }

    /// The sum over all.
    #[must_use]
    pub const fn whole(&self) -> [u8; 16] {
        self.whole.to_be_bytes()
    }

    /// How many entries there are.
    #[must_use]
    pub const fn entries(&self) -> u32 {
        self.entries
    }

    /// The sums of the parts, cut to their upper 64 bits.
    #[must_use]
    pub fn parts(&self) -> [u64; BUCKETS] {
        let mut out = [0; BUCKETS];
        for (slot, part) in out.iter_mut().zip(self.parts.iter()) {
            *slot = u64::try_from(part >> 64).unwrap_or(u64::MAX);
        }
        out
    }
}
