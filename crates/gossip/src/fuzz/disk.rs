//! What an honest node's store holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq};

use crate::bundle::VerifiedBundle;
use crate::config::{Recovered, RecoveredChain};
use crate::members::Evidence;
use crate::proof::VerifiedProof;
use crate::revocation::Revocations;

/// What survives a crash.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub bundles: BTreeMap<Origin, Vec<Arc<VerifiedBundle>>>,
    pub members: Vec<(NodeId, Evidence)>,
    pub proofs: BTreeMap<Origin, VerifiedProof>,
    pub list: Revocations,
}

/// What has to come next in a chain: number, predecessor, and a clock above this one.
pub(super) type Next = (Seq, Digest, Clock);

impl Disk {
    /// The bundle that holds this number.
    pub(super) fn holding(&self, origin: Origin, at: Seq) -> Option<&Arc<VerifiedBundle>> {
        let bundles = self.bundles.get(&origin)?;
        let at_or_before = bundles.partition_point(|bundle| bundle.header().first <= at).checked_sub(1)?;
        bundles.get(at_or_before).filter(|bundle| at < bundle.header().next())
    }

    pub(super) fn ends(&self) -> BTreeMap<Origin, Next> {
        let last = |(origin, bundles): (&Origin, &Vec<Arc<VerifiedBundle>>)| {
            let last = bundles.last()?;
            Some((*origin, (last.header().next(), last.digest(), last.last_clock())))
        };
        self.bundles.iter().filter_map(last).collect()
    }

    /// What a node knows that starts from it.
    pub(super) fn recovered(&self, node: NodeId, wall_s: u64) -> Recovered {
        let own = self.bundles.keys().filter(|origin| origin.node == node).map(|origin| origin.incarnation).max();
        let chain = |bundles: &Vec<Arc<VerifiedBundle>>| {
            let last = bundles.last()?;
            Some(RecoveredChain { head: *last.signed_header(), last_clock: last.last_clock(), kept: Seq::FIRST })
        };
        Recovered {
            chains: self.bundles.values().filter_map(chain).collect(),
            members: self.members.clone(),
            proofs: self.proofs.values().copied().collect(),
            revocations: self.list.clone(),
            ..Recovered::empty(Origin { node, incarnation: own.unwrap_or(Incarnation(wall_s)) })
        }
    }
}
