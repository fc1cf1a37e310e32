//! Work that the engine asks for and that is done outside of its lock: signatures and certificates.
//!
//! It runs in the task that fed the engine, which is the reader of the link that brought the bundle: no hop to a pool, and
//! a neighbour that sends much to check slows its own link.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rumormill_gossip::{CheckId, Input, LinkId, RawBundle, RawProof, Revocations, verify, verify_proof};
use rumormill_transport::{RevocationSet, Trust};
use rumormill_wire::{NetworkId, NodeId};

use crate::lock;
use crate::names::Names;

/// One piece of work.
#[derive(Debug)]
pub(crate) enum Job {
    Bundle { check: CheckId, raw: RawBundle },
    Member { link: LinkId, node: NodeId, evidence: Bytes },
    Proof { link: LinkId, raw: Box<RawProof> },
    Revocations { bytes: Bytes },
}

/// What checks depend on.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) me: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) trust: Trust,
    pub(crate) names: Names,
    /// The newest list that was checked, for handshakes.
    pub(crate) revoked: Mutex<RevocationSet>,
}

impl Checker {
    /// Remembers a checked list if it is newer (P-R2).
    pub(crate) fn learn(&self, set: &RevocationSet) {
        let mut known = lock(&self.revoked);
        if set.number > known.number {
            *known = set.clone();
        }
    }

    /// Whether the newest list revokes this node.
    pub(crate) fn is_revoked(&self, node: &NodeId) -> bool {
        lock(&self.revoked).nodes.contains_key(node)
    }

    /// Does one piece of work; what comes out goes to the engine.
    pub(crate) fn run(&self, job: Job) -> Option<Input> {
        match job {
            Job::Bundle { check, raw } => {
                Some(Input::Verified { check, verdict: verify(&raw, &self.network).map(Arc::new) })
            }
            Job::Member { link, node, evidence } => {
                let verdict = match self.trust.check_member(&node, &evidence) {
                    Ok(info) => {
                        self.names.learn(node, &info.name);
                        Some(evidence)
                    }
                    Err(reason) => {
                        tracing::info!(%node, %reason, "a certificate passed on by a neighbour does not belong here");
                        None
                    }
                };
                Some(Input::MemberVerdict { link, node, verdict })
            }
            Job::Proof { link, raw } => {
                Some(Input::ProofVerdict { link, verdict: verify_proof(&raw, &self.network).ok().map(Box::new) })
            }
            Job::Revocations { bytes } => match RevocationSet::check(&bytes, &self.trust) {
                Ok(set) => {
                    self.learn(&set);
                    Some(Input::Revoked { list: revocations(set), bytes })
                }
                Err(reason) => {
                    tracing::info!(%reason, "a revocation list passed on by a neighbour does not hold");
                    None
                }
            },
        }
    }
}

/// A checked list as the engine takes it.
pub(crate) fn revocations(set: RevocationSet) -> Revocations {
    Revocations { number: set.number, nodes: set.nodes }
}
