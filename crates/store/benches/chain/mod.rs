//! Bundles for the benchmarks, of chains without end.

use std::error::Error;

use bytes::Bytes;
use rumormill_store::BundleRow;
use rumormill_wire::native::{BundleBuilder, MessageKind};
use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Origin, Seq, Signature};

/// How a benchmark ends.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Bytes of a message's body.
pub const BODY: usize = 256;

/// What one author writes.
pub struct Chain {
    builder: BundleBuilder,
    clock: u64,
}

impl Chain {
    /// The chain of one of 255 authors.
    pub fn new(n: u8) -> Self {
        let origin = Origin { node: NodeId([n; 32]), incarnation: Incarnation(1) };
        Self { builder: BundleBuilder::new(origin, Seq::FIRST, Digest::ZERO), clock: 0 }
    }

    /// The next bundle, of so many messages.
    pub fn next(&mut self, messages: u16) -> Outcome<BundleRow> {
        for n in 0..u64::from(messages) {
            self.clock += 1;
            let body = (self.clock + n).to_string().repeat(BODY);
            let body = body.as_bytes().get(..BODY).unwrap_or_default();
            self.builder.push(Clock(self.clock), MessageKind::CHAT, "", body)?;
        }
        let header = self.builder.header();
        let body = blake3::hash(self.builder.message_bytes());
        let digest = blake3::hash(&[&header.to_bytes()[..], body.as_bytes()].concat());
        let next = BundleBuilder::new(header.origin, header.next(), Digest(*digest.as_bytes()));
        let done = core::mem::replace(&mut self.builder, next);
        Ok(BundleRow { bytes: Bytes::from(done.seal(Signature([1; 64]))), received_us: self.clock })
    }
}
