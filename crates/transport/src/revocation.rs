//! The CA's revocation list: checked, and written by the CA (docs/protocol.md, R).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use rumormill_wire::native::{Cut, Lasts, RevocationEntry, RevocationList, SIGN_REVOCATION_CONTEXT};
use rumormill_wire::{Digest, Incarnation, NetworkId, NodeId, Seq, Signature};

use crate::ca::{CaError, LocalCa};
use crate::files;
use crate::trust::Trust;

/// A list whose signature holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationSet {
    /// Its number; 0 for no list at all.
    pub number: u64,
    /// Node to its cut: `None` keeps its messages (P-R3).
    pub nodes: BTreeMap<NodeId, Option<BTreeMap<Incarnation, Seq>>>,
}

/// Why a list does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// Its form.
    #[error("it is not a revocation list")]
    Form,
    /// Its signature.
    #[error("its signature is not the CA's")]
    Signature,
    /// Trust is pinned: there is no CA.
    #[error("there is no CA where trust is pinned")]
    NoCa,
}

fn signed_bytes(network: &NetworkId, part: &[u8]) -> Vec<u8> {
    let digest = Digest(*blake3::hash(part).as_bytes());
    [SIGN_REVOCATION_CONTEXT, network.as_bytes(), digest.as_bytes()].concat()
}

impl RevocationSet {
    /// Whether a node is on it.
    #[must_use]
    pub fn contains(&self, node: &NodeId) -> bool {
        self.nodes.contains_key(node)
    }

    /// Reads and checks a list.
    ///
    /// # Errors
    /// [`BadList`] says why it does not count.
    pub fn check(bytes: &[u8], trust: &Trust) -> Result<Self, BadList> {
        let key = trust.ca_key().ok_or(BadList::NoCa)?;
        let list = RevocationList::parse(bytes).map_err(|_| BadList::Form)?;
        UnparsedPublicKey::new(&ED25519, key.as_bytes())
            .verify(&signed_bytes(&trust.network(), list.signed_part()), list.signature().as_bytes())
            .map_err(|_| BadList::Signature)?;
        Ok(Self::decode(&list))
    }

    fn decode(list: &RevocationList<'_>) -> Self {
        let cut = |cut: Cut<'_>| match cut {
            Cut::Links => None,
            Cut::Last(lasts) => Some(lasts.iter().collect()),
        };
        Self { number: list.number(), nodes: list.entries().map(|entry| (entry.node, cut(entry.cut))).collect() }
    }
}

impl LocalCa {
    /// Where the list in force lies.
    #[must_use]
    pub fn revocations_path(home: &Path) -> std::path::PathBuf {
        home.join("revoked.bin")
    }

    /// The list in force; an empty one if nobody was ever revoked.
    ///
    /// # Errors
    /// The list there is not this CA's.
    pub fn revocations(&self) -> Result<RevocationSet, CaError> {
        let trust = Trust::from_ca(self.certificate())
            .ok_or_else(|| CaError::Content { path: self.certificate_path(), what: "a CA certificate" })?;
        match files::read(&Self::revocations_path(self.home())) {
            Ok(bytes) => RevocationSet::check(&bytes, &trust).map_err(|why| CaError::Revocations(why.to_string())),
            Err(why) if why.is_missing() => Ok(RevocationSet::default()),
            Err(why) => Err(why.into()),
        }
    }

    /// Puts a node on the list. Without `cut`, a cut that it has already stays. With `cut`, its messages count only up to these numbers, and none of another incarnation.
    ///
    /// # Errors
    /// The list there does not hold, or a file cannot be written.
    pub fn revoke(&self, node: NodeId, cut: Option<BTreeMap<Incarnation, Seq>>) -> Result<RevocationSet, CaError> {
        let _lock = files::lock(&self.home().join("lock"))?;
        let mut set = self.revocations()?;
        set.number = set.number.checked_add(1).ok_or_else(|| CaError::Revocations("no number is left".to_owned()))?;
        let held = set.nodes.entry(node).or_default();
        if cut.is_some() {
            *held = cut;
        }
        let bytes = self.sign_list(&set)?;
        files::write_private(&Self::revocations_path(self.home()), &bytes)?;
        Ok(set)
    }

    fn sign_list(&self, set: &RevocationSet) -> Result<Vec<u8>, CaError> {
        let key = self.key()?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.serialized_der())
            .map_err(|_| CaError::Content { path: self.home().join("ca/ca.key"), what: "an Ed25519 key" })?;
        let issued = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let cuts: Vec<_> = set.nodes.values().map(|cut| cut.as_ref().map(lasts)).collect();
        let entries: Vec<_> = set
            .nodes
            .keys()
            .zip(&cuts)
            .map(|(node, cut)| RevocationEntry {
                node: *node,
                cut: cut.as_deref().map_or(Cut::Links, |lasts| Cut::Last(Lasts::from(lasts))),
            })
            .collect();
        let part = RevocationList::encode(set.number, issued, &entries)
            .map_err(|why| CaError::Revocations(why.to_string()))?;
        let mut signature = Signature::ZERO;
        let signed = pair.sign(&signed_bytes(&self.network(), &part));
        for (slot, byte) in signature.0.iter_mut().zip(signed.as_ref()) {
            *slot = *byte;
        }
        Ok(RevocationList::seal(part, &signature))
    }
}

fn lasts(cut: &BTreeMap<Incarnation, Seq>) -> Vec<(Incarnation, Seq)> {
    cut.iter().map(|(incarnation, seq)| (*incarnation, *seq)).collect()
}
