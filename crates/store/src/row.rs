//! A bundle's facts, read and checked once.

use rumormill_wire::native::{BundleView, SignedHeader};
use rumormill_wire::{Clock, Digest, Origin, Seq};

use crate::error::StoreError;
use crate::types::ChainHead;

/// What the tables need to know of a bundle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub signed: SignedHeader,
    pub digest: Digest,
    pub first_clock: Clock,
    pub last_clock: Clock,
}

impl Facts {
    /// Reads a bundle. Its digest is computed from its bytes (P-B6).
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let view = BundleView::parse(bytes).map_err(|_| StoreError::NotABundle)?;
        let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
        let header = *view.header();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header.to_bytes());
        hasher.update(body.as_bytes());
        Ok(Self {
            signed: SignedHeader { header, body, signature: *view.signature() },
            digest: Digest(*hasher.finalize().as_bytes()),
            first_clock: view.first_clock(),
            last_clock: view.last_clock(),
        })
    }

    /// What a stored row is checked by: like the digest, but it covers the signature and the time of arrival too, which
    /// neighbours and people are shown as well.
    pub(crate) fn seal(&self, received_us: u64) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.digest.as_bytes());
        hasher.update(self.signed.signature.as_bytes());
        hasher.update(&received_us.to_be_bytes());
        *hasher.finalize().as_bytes()
    }

    /// Reads a stored row, if it is what was written.
    pub(crate) fn sealed(data: &[u8], received_us: u64, seal: &[u8]) -> Option<Self> {
        Self::read(data).ok().filter(|facts| facts.seal(received_us) == seal)
    }

    pub(crate) const fn origin(&self) -> Origin {
        self.signed.header.origin
    }

    pub(crate) const fn first(&self) -> Seq {
        self.signed.header.first
    }

    pub(crate) fn next(&self) -> Seq {
        self.signed.header.next()
    }

    /// Refuses a bundle that is not the next of its chain.
    pub(crate) fn follows(&self, next: Seq, previous: &Digest) -> Result<(), StoreError> {
        if self.first() == next && self.signed.header.previous == *previous {
            return Ok(());
        }
        Err(StoreError::NotNext { origin: self.origin(), first: self.first(), next })
    }

    pub(crate) fn head(&self) -> ChainHead {
        ChainHead {
            origin: self.origin(),
            next: self.next(),
            head: self.digest,
            head_signed: self.signed,
            last_clock: self.last_clock,
            kept: Seq::FIRST,
        }
    }
}
