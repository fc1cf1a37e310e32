//! The CA's revocation list: checked, and the one that is in force in this process (docs/protocol.md, R). The CA's end of it is
//! in `revoke`.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use rumormill_wire::native::{MAX_PARTS, MAX_REVOCATION_LEN, RevocationPart, SIGN_REVOCATION_CONTEXT};
use rumormill_wire::{Digest, NetworkId, NodeId};

use crate::trust::Trust;

pub use rumormill_wire::native::{ListPart, Revocations, Revoked};

/// Bytes before each part in a file.
const LENGTH_LEN: usize = 4;
/// The longest list in a file (P-R6).
pub const MAX_FILE_LEN: usize = MAX_PARTS * (MAX_REVOCATION_LEN + LENGTH_LEN);

/// Why a list does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// It does not parse, or a rule of section R does not hold.
    #[error("it is not a revocation list")]
    Form,
    /// The CA did not sign these bytes for this network.
    #[error("its signature is not the CA's")]
    Signature,
    /// Trust is pinned: there is no CA.
    #[error("there is no CA where trust is pinned")]
    NoCa,
}

pub(crate) fn signed_bytes(network: &NetworkId, part: &[u8]) -> Vec<u8> {
    let digest = Digest(*blake3::hash(part).as_bytes());
    [SIGN_REVOCATION_CONTEXT, network.as_bytes(), digest.as_bytes()].concat()
}

/// Reads and checks one part.
///
/// # Errors
/// [`BadList`] says why it does not count.
pub fn check(bytes: &[u8], trust: &Trust) -> Result<Arc<ListPart>, BadList> {
    let key = trust.ca_key().ok_or(BadList::NoCa)?;
    let part = RevocationPart::parse(bytes).map_err(|_| BadList::Form)?;
    UnparsedPublicKey::new(&ED25519, key.as_bytes())
        .verify(&signed_bytes(&trust.network(), part.signed_part()), part.signature().as_bytes())
        .map_err(|_| BadList::Signature)?;
    ListPart::decode(bytes).map(Arc::new).map_err(|_| BadList::Form)
}

/// Reads and checks a file: parts in rising order of place, each with its length before it (P-R6). One part that does not hold,
/// and nothing of it counts.
///
/// # Errors
/// [`BadList`] says why it does not count.
pub fn check_file(bytes: &[u8], trust: &Trust) -> Result<Revocations, BadList> {
    let mut list = Revocations::default();
    let (mut rest, mut highest) = (bytes, None);
    while let Some((length, after)) = rest.split_first_chunk::<LENGTH_LEN>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| BadList::Form)?;
        let (part, after) = after.split_at_checked(length).ok_or(BadList::Form)?;
        let part = check(part, trust)?;
        if highest >= Some(part.place()) {
            return Err(BadList::Form);
        }
        highest = Some(part.place());
        list.take(part);
        rest = after;
    }
    if rest.is_empty() && highest.is_some() { Ok(list) } else { Err(BadList::Form) }
}

/// A list as it stands in a file.
#[must_use]
pub fn file(list: &Revocations) -> Vec<u8> {
    let mut out = Vec::new();
    for part in list.parts() {
        // A part has at most 64 KiB.
        out.extend_from_slice(&u32::try_from(part.bytes().len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part.bytes());
    }
    out
}

/// The list in force in this process. Clones share it: handshakes, the engine's shell and people look at one value.
#[derive(Debug, Clone, Default)]
pub struct InForce(Arc<RwLock<Arc<Revocations>>>);

impl InForce {
    /// The list of the moment.
    #[must_use]
    pub fn get(&self) -> Arc<Revocations> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a list in force. One with a part that is older than ours changes nothing (P-R2).
    pub fn set(&self, list: Arc<Revocations>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if held.parts().all(|part| list.number_of(part.place()) >= part.number()) {
            *held = list;
        }
    }

    /// Whether a node is out.
    #[must_use]
    pub fn revokes(&self, node: &NodeId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).revokes(node)
    }
}
