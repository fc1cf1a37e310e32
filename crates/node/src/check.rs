//! What checks depend on: signatures and certificates are checked outside of the engine's lock.
//!
//! A check runs in the task that fed the engine, which is the reader of the link that brought the bundle: no hop to a pool, and
//! a neighbour that sends much to check slows its own link.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use rumormill_gossip::{Checked, Evidence, Judge, Judged};
use rumormill_transport::{BadList, CertificateInfo, InForce, Refusal, Trust, revocation};
use rumormill_wire::{NetworkId, NodeId};

use crate::names::Names;

/// What whoever mixes pins and a CA has to know, said once.
const NO_CA: &str = "a neighbour sent a revocation list, and this node has no CA to judge it by: it trusts the pin file alone. \
                     Who is revoked there is still a member here; take the node out of the pin file and start again";

/// A certificate with its age, unchecked.
pub(crate) fn evidence_of(certificate: &Bytes) -> Evidence {
    let begins = CertificateInfo::read(certificate).ok().map(|info| info.not_before);
    let since = begins.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Evidence { bytes: certificate.clone(), since: since.map_or(0, |since| since.as_secs()) }
}

/// What a bundle, a certificate and a list are checked against.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) me: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) trust: Trust,
    pub(crate) names: Names,
    /// The revocation list in force: the engine's, shared with the handshakes.
    pub(crate) revoked: InForce,
    /// A neighbour sent a revocation list where trust is pinned, and the log said what that means.
    pub(crate) said_void: AtomicBool,
}

impl Judge for Checker {
    fn network(&self) -> NetworkId {
        self.network
    }

    fn evidence(&self, _: &NodeId, certificate: &Bytes) -> Option<Evidence> {
        Some(evidence_of(certificate))
    }

    fn member(&self, node: NodeId, evidence: Evidence) -> Checked {
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

    fn revocations(&self, bytes: &Bytes) -> Judged {
        match revocation::check(bytes, &self.trust) {
            Ok(part) => Judged::Holds(part),
            Err(BadList::NoCa) => {
                if !self.said_void.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{NO_CA}");
                }
                Judged::Void
            }
            Err(BadList::Form | BadList::Signature) => Judged::False,
        }
    }
}
