//! What an engine asks of its shell and waits for.

use std::sync::Arc;

use bytes::Bytes;
use rumormill_wire::native::ListPart;
use rumormill_wire::{NodeId, Origin, Seq};

use crate::bundle::RawBundle;
use crate::io::{CheckId, LinkId};
use crate::members::Evidence;
use crate::proof::RawProof;

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Job {
    /// Check a bundle.
    Verify { check: CheckId, raw: RawBundle },
    /// Check a certificate.
    Member { link: LinkId, node: NodeId, evidence: Bytes, known: Option<Evidence> },
    /// Check a proof.
    Proof { link: LinkId, raw: Box<RawProof> },
    /// Check a part of the revocation list.
    List { link: LinkId, bytes: Bytes },
    /// Read one bundle.
    LookUp { origin: Origin, at: Seq },
    /// Read a range.
    Range { link: LinkId, origin: Origin, from: Seq, until: Seq, max_bytes: usize },
    /// Keep a part of the revocation list.
    KeepList { part: Arc<ListPart> },
    /// Report a link that was closed.
    Down { link: LinkId },
}
