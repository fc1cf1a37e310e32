//! The store of a node in the world.

use super::*;

/// What survives a crash.
#[derive(Default, Clone)]
pub struct Disk {
    pub bundles: BTreeMap<Origin, Vec<Bytes>>,
    pub members: Vec<(NodeId, Evidence)>,
    pub proofs: Vec<VerifiedProof>,
    pub revocations: Revocations,
    pub arrived: BTreeMap<(Origin, Seq), u64>,
}

impl Disk {
    pub fn holding(&self, origin: Origin, at: Seq) -> Option<(usize, RawBundle)> {
        let bundles = self.bundles.get(&origin)?;
        bundles.iter().enumerate().find_map(|(n, bytes)| {
            let raw = RawBundle::peek(bytes.clone()).unwrap();
            (raw.header().first <= at && at < raw.header().next()).then_some((n, raw))
        })
    }

    pub fn range(&self, origin: Origin, from: Seq, until: Seq, max_bytes: usize) -> Vec<RawBundle> {
        let (mut next, mut bytes, mut bundles) = (from, 0, Vec::new());
        while next < until && (bytes == 0 || bytes < max_bytes) {
            let Some((_, raw)) = self.holding(origin, next) else { break };
            next = raw.header().next();
            bytes += raw.bytes().len() + 6;
            bundles.push(raw);
        }
        bundles
    }

    pub fn chains(&self) -> Vec<RecoveredChain> {
        let last = |bundles: &Vec<Bytes>| {
            let bundle = verify(&RawBundle::peek(bundles.last().unwrap().clone()).unwrap(), &NETWORK).unwrap();
            RecoveredChain { head: *bundle.signed_header(), last_clock: bundle.last_clock(), kept: Seq::FIRST }
        };
        self.bundles.values().map(last).collect()
    }
}
