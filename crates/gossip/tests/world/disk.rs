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

    /// The next bundle of its chain is durable.
    pub fn take(&mut self, bytes: Bytes) -> (Origin, Seq) {
        let header = *RawBundle::peek(bytes.clone()).unwrap().header();
        let chain = self.bundles.entry(header.origin).or_default();
        let next = chain.last().map_or(Seq::FIRST, |b| RawBundle::peek(b.clone()).unwrap().header().next());
        assert_eq!(header.first, next, "the store takes only what is next");
        chain.push(bytes);
        (header.origin, header.first)
    }

    pub fn persist_member(&mut self, node: NodeId, evidence: &Bytes) {
        self.members.push((node, judge(node, evidence).unwrap_or_default()));
    }

    /// In place of the one of its origin.
    pub fn persist_proof(&mut self, proof: VerifiedProof) {
        self.proofs.retain(|old| old.origin() != proof.origin());
        self.proofs.push(proof);
    }

    pub fn chains(&self) -> Vec<RecoveredChain> {
        let last = |bundles: &Vec<Bytes>| {
            let bundle = verify(&RawBundle::peek(bundles.last().unwrap().clone()).unwrap(), &NETWORK).unwrap();
            RecoveredChain { head: *bundle.signed_header(), last_clock: bundle.last_clock(), kept: Seq::FIRST }
        };
        self.bundles.values().map(last).collect()
    }
}
