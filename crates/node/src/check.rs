//! Work that the engine asks for and that is done outside of its lock: signatures and certificates.
//!
//! It runs in the task that fed the engine, which is the reader of the link that brought the bundle: no hop to a pool, and
//! a neighbour that sends much to check slows its own link.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_gossip::{CheckId, Input, LinkId, RawBundle, RawProof, verify, verify_proof};
use rumormill_transport::{InForce, Trust, revocation};
use rumormill_wire::{NetworkId, NodeId};

use crate::names::Names;

/// One piece of work.
#[derive(Debug)]
pub(crate) enum Job {
    Bundle { check: CheckId, raw: RawBundle },
    Member { link: LinkId, node: NodeId, evidence: Bytes },
    Proof { link: LinkId, raw: Box<RawProof> },
    Revocations { link: LinkId, bytes: Bytes },
}

/// What checks depend on.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) me: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) trust: Trust,
    pub(crate) names: Names,
    /// The revocation list in force: the engine's, shared with the handshakes.
    pub(crate) revoked: InForce,
}

impl Checker {
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
            Job::Revocations { link, bytes } => Some(match revocation::check(&bytes, &self.trust) {
                Ok(part) => Input::Revoked { link: Some(link), part },
                Err(_) => Input::RevocationsRefused { link },
            }),
        }
    }
}
