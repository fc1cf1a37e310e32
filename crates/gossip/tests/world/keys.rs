//! Keys by a number, and the certificates that these tests' CA gives.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::*;

pub struct Key(Ed25519KeyPair);

impl Key {
    pub fn new(n: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap())
    }
    pub fn id(&self) -> NodeId {
        NodeId(self.0.public_key().as_ref().try_into().unwrap())
    }
}

impl Signer for Key {
    fn node(&self) -> NodeId {
        self.id()
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).as_ref().try_into().unwrap())
    }
}

/// A member's certificate, with what is added to it: that says its age.
pub fn certificate(node: NodeId, added: &str) -> Evidence {
    let since = added.len().try_into().unwrap();
    Evidence { bytes: Bytes::from(format!("certificate of {node}{added}")), since }
}

/// What the CA says of a certificate.
pub fn judge(node: NodeId, bytes: &Bytes) -> Option<Evidence> {
    let added = bytes.strip_prefix(format!("certificate of {node}").as_bytes())?;
    let since = added.len().try_into().unwrap();
    // Nobody was given more than a few of one length.
    (added.len() <= 8).then(|| Evidence { bytes: bytes.clone(), since })
}
