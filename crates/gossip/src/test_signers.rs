//! Who signs in the tests of these modules.
#![allow(clippy::unwrap_used, reason = "tests")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rumormill_wire::{NodeId, Signature};

use crate::bundle::Signer;

/// A node with a key of its own.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    /// The key of this number: the same each time.
    pub(crate) fn new(n: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[n; 32]).unwrap())
    }
}

impl Signer for Key {
    fn node(&self) -> NodeId {
        NodeId(self.0.public_key().as_ref().try_into().unwrap())
    }
    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).as_ref().try_into().unwrap())
    }
}

/// A node whose signatures nobody checks.
pub(crate) struct Anybody(pub(crate) NodeId);

impl Signer for Anybody {
    fn node(&self) -> NodeId {
        self.0
    }
    fn sign(&self, _: &[u8]) -> Signature {
        Signature([0; 64])
    }
}
