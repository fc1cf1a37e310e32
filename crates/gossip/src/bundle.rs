//! Bundles: as received, and once checked (docs/protocol.md, B).

use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use bytes::Bytes;
use rumormill_wire::native::{BundleBuilder, BundleHeader, BundleView, SIGN_BUNDLE_CONTEXT, SignedHeader, WireError};
use rumormill_wire::{Clock, Digest, NetworkId, NodeId, Signature};

use crate::cost;
use crate::key::{BadKey, check_node_id};

/// A bundle whose head was read and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBundle {
    header: BundleHeader,
    bytes: Bytes,
}

impl RawBundle {
    /// Reads the head alone: what is dropped unread costs no more.
    ///
    /// # Errors
    /// The head breaks P-B1 to P-B3.
    pub fn peek(bytes: Bytes) -> Result<Self, WireError> {
        let (header, _) = BundleHeader::peek(&bytes)?;
        Ok(Self { header, bytes })
    }

    /// One that was checked, to be sent.
    #[must_use]
    pub fn of(bundle: &VerifiedBundle) -> Self {
        Self { header: *bundle.header(), bytes: bundle.bytes.clone() }
    }

    pub(crate) const fn from_parts(header: BundleHeader, bytes: Bytes) -> Self {
        Self { header, bytes }
    }

    /// The head as the sender claims it: neither messages nor signature were looked at.
    #[must_use]
    pub const fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// The whole bundle as it came, shared and not copied.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What its author is charged with for keeping it (P-G1).
    #[must_use]
    pub fn cost(&self) -> u64 {
        cost::charged(self.bytes.len(), self.header.count.into())
    }

    /// What it counts for of its author's pace (P-G6).
    #[must_use]
    pub fn pace_cost(&self) -> u64 {
        cost::paced(self.bytes.len(), self.header.count)
    }
}

/// A bundle whose form and signature hold. Only [`verify`] and our own [`seal`] make one.
#[derive(Debug, Clone)]
pub struct VerifiedBundle {
    bytes: Bytes,
    signed: SignedHeader,
    digest: Digest,
    first_clock: Clock,
    last_clock: Clock,
}

impl VerifiedBundle {
    /// The whole bundle as its author signed it, shared and not copied.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
    /// What its author is charged with for keeping it (P-G1).
    #[must_use]
    pub fn cost(&self) -> u64 {
        cost::charged(self.bytes.len(), self.signed.header.count.into())
    }

    /// What it counts for of its author's pace (P-G6).
    #[must_use]
    pub fn pace_cost(&self) -> u64 {
        cost::paced(self.bytes.len(), self.signed.header.count)
    }
    /// Its head, which its author signed.
    #[must_use]
    pub const fn header(&self) -> &BundleHeader {
        &self.signed.header
    }
    /// What a proof needs of it (P-B7).
    #[must_use]
    pub const fn signed_header(&self) -> &SignedHeader {
        &self.signed
    }
    /// Its digest (P-B6).
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
    /// Clock of its first message.
    #[must_use]
    pub const fn first_clock(&self) -> Clock {
        self.first_clock
    }
    /// Clock of its last message.
    #[must_use]
    pub const fn last_clock(&self) -> Clock {
        self.last_clock
    }
}

/// Why a bundle is not valid, wherever it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It breaks one of P-B1 to P-B5.
    #[error("malformed bundle: {0}")]
    Form(WireError),
    /// Its author's key.
    #[error("bad author key: {0}")]
    Key(BadKey),
    /// The signature is not by its author over these bytes in this network (P-B6).
    #[error("the signature does not hold")]
    Signature,
}

/// Digest of a header and the digest of its messages (P-B6).
#[must_use]
pub fn bundle_digest(header: &BundleHeader, body: &Digest) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header.to_bytes());
    hasher.update(body.as_bytes());
    Digest(*hasher.finalize().as_bytes())
}

/// The bytes that the author signs (P-B6).
#[must_use]
pub fn signed_bytes(network: &NetworkId, digest: &Digest) -> Vec<u8> {
    [SIGN_BUNDLE_CONTEXT, network.as_bytes(), digest.as_bytes()].concat()
}

/// Checks a signed header by itself.
///
/// # Errors
/// The key or the signature does not hold.
pub fn verify_header(signed: &SignedHeader, network: &NetworkId) -> Result<Digest, Invalid> {
    let node = &signed.header.origin.node;
    check_node_id(node).map_err(Invalid::Key)?;
    let digest = bundle_digest(&signed.header, &signed.body);
    UnparsedPublicKey::new(&ED25519, node.as_bytes())
        .verify(&signed_bytes(network, &digest), signed.signature.as_bytes())
        .map_err(|_| Invalid::Signature)?;
    Ok(digest)
}

/// Checks a bundle: form, canonical key, signature. The verdict depends on nothing but these bytes and the network.
///
/// Takes some 60 microseconds; the shell calls it away from the engine's task.
///
/// # Errors
/// [`Invalid`] names the first thing that does not hold.
pub fn verify(raw: &RawBundle, network: &NetworkId) -> Result<VerifiedBundle, Invalid> {
    let view = BundleView::parse(&raw.bytes).map_err(Invalid::Form)?;
    let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
    let signed = SignedHeader { header: *view.header(), body, signature: *view.signature() };
    let (first_clock, last_clock) = (view.first_clock(), view.last_clock());
    let digest = verify_header(&signed, network)?;
    Ok(VerifiedBundle { bytes: raw.bytes.clone(), signed, digest, first_clock, last_clock })
}

/// Who signs our bundles.
pub trait Signer: Send {
    /// The Ed25519 public key whose secret half signs: our node id.
    fn node(&self) -> NodeId;
    /// Ed25519 over `message`.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// Closes a bundle of our own.
#[must_use]
pub fn seal(
    builder: BundleBuilder,
    first_clock: Clock,
    signer: &dyn Signer,
    network: &NetworkId,
) -> Arc<VerifiedBundle> {
    let header = builder.header();
    let body = Digest(*blake3::hash(builder.message_bytes()).as_bytes());
    let digest = bundle_digest(&header, &body);
    let signature = signer.sign(&signed_bytes(network, &digest));
    let last_clock = builder.last_clock().unwrap_or(first_clock);
    Arc::new(VerifiedBundle {
        bytes: Bytes::from(builder.seal(signature)),
        signed: SignedHeader { header, body, signature },
        digest,
        first_clock,
        last_clock,
    })
}
