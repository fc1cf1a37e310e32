//! Work that the engine asks for and that is done outside of its lock: signatures and certificates.
//!
//! It runs in the task that fed the engine, which is the reader of the link that brought the bundle: no hop to a pool, and
//! a neighbour that sends much to check slows its own link.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rumormill_gossip::{CheckId, Checked, Evidence, Input, LinkId, RawBundle, RawProof, verify, verify_proof};
use rumormill_transport::{CertificateInfo, InForce, Refusal, Trust, revocation};
use rumormill_wire::{NetworkId, NodeId};

use crate::names::Names;

/// A certificate with its age, unchecked.
pub(crate) fn evidence_of(certificate: &Bytes) -> Evidence {
    let begins = CertificateInfo::read(certificate).ok().map(|info| info.not_before);
    let since = begins.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Evidence { bytes: certificate.clone(), since: since.map_or(0, |since| since.as_secs()) }
}

/// One piece of work.
#[derive(Debug)]
pub(crate) enum Job {
    Bundle { check: CheckId, raw: RawBundle },
    Member { link: LinkId, node: NodeId, evidence: Bytes, known: Option<Evidence> },
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
    fn member(&self, node: NodeId, evidence: Evidence, known: Option<&Evidence>) -> Checked {
        if known.is_some_and(|known| !evidence.beats(known)) {
            return Checked::Void;
        }
        match self.trust.check_member(&node, &evidence.bytes) {
            Ok(info) => {
                self.names.learn(node, &info.name, &evidence);
                Checked::Holds(evidence)
            }
            // Others may go by a CA, or have other pins.
            Err(Refusal::NotPinned) => Checked::Void,
            Err(reason) => {
                tracing::info!(%node, %reason, "a certificate passed on by a neighbour does not belong here");
                Checked::False
            }
        }
    }

    /// Does one piece of work; what comes out goes to the engine.
    pub(crate) fn run(&self, job: Job) -> Option<Input> {
        match job {
            Job::Bundle { check, raw } => {
                Some(Input::Verified { check, verdict: verify(&raw, &self.network).map(Arc::new) })
            }
            Job::Member { link, node, evidence, known } => {
                let verdict = self.member(node, evidence_of(&evidence), known.as_ref());
                Some(Input::MemberVerdict { link, node, evidence, verdict })
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
