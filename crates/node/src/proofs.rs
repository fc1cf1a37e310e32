//! Equivocation proofs of the store at a start (docs/protocol.md, P-E1).
//!
//! A start costs no signature for them, however many there are: only proofs that were checked are written, and the store
//! knows a row that is not what was written. One about which there are no messages is of no use; it goes, a few at a time,
//! once the node listens.

use std::sync::Arc;
use std::time::Duration;

use rumormill_gossip::VerifiedProof;
use rumormill_store::{Record, Recovered as Stored};
use rumormill_wire::native::{Frame, kind};
use rumormill_wire::{Origin, Seq};

use crate::counters::Counters;
use crate::driver::Driver;

/// Rows dropped at once, so that the store's thread has time for messages between them.
const AT_ONCE: usize = 1_024;
/// The pause between two of these, in which the store's thread takes what else waits.
const PAUSE: Duration = Duration::from_millis(20);

/// The proofs of a store: those that end a chain it has, and the origins of the rest.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) proofs: Vec<VerifiedProof>,
    pub(crate) useless: Vec<Origin>,
}

impl Sorted {
    pub(crate) fn of(stored: &Stored) -> Self {
        let mut sorted = Self::default();
        for (origin, bytes) in &stored.proofs {
            let at = stored.chains.binary_search_by_key(origin, |chain| chain.origin);
            let next = at.ok().and_then(|at| stored.chains.get(at)).map_or(Seq::FIRST, |chain| chain.next);
            // Most of what somebody planted is told by its key alone.
            let proof = if next > Seq::FIRST { read(bytes) } else { None };
            match proof.filter(|proof| proof.origin() == *origin && proof.place() <= next) {
                Some(proof) => sorted.proofs.push(proof),
                None => sorted.useless.push(*origin),
            }
        }
        sorted
    }
}

fn read(bytes: &[u8]) -> Option<VerifiedProof> {
    let frame = [&[kind::PROOF][..], bytes].concat();
    let Ok(Frame::Proof(proof)) = Frame::decode(&frame) else { return None };
    VerifiedProof::restored(proof)
}

/// Drops what is of no use from the store.
pub(crate) async fn drop_useless(driver: Arc<Driver>, useless: Vec<Origin>) {
    if useless.is_empty() {
        return;
    }
    tracing::info!(count = useless.len(), "dropping proofs about origins without messages from the store");
    let mut stopping = driver.stopping();
    for some in useless.chunks(AT_ONCE) {
        driver.keep(some.iter().copied().map(Record::DropProof).collect());
        Counters::add(&driver.counters.useless_proofs_dropped, u64::try_from(some.len()).unwrap_or(u64::MAX));
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rumormill_store::ChainHead;
    use rumormill_wire::native::{BundleHeader, SignedHeader};
    use rumormill_wire::{Clock, Digest, Incarnation, NodeId, Signature};

    use super::*;

    fn origin(n: u64) -> Origin {
        Origin { node: NodeId([7; 32]), incarnation: Incarnation(n) }
    }

    fn header(origin: Origin, first: u64, body: u8) -> SignedHeader {
        let previous = if first == 1 { Digest::ZERO } else { Digest([3; 32]) };
        let header = BundleHeader { origin, first: Seq(first), count: 1, previous };
        SignedHeader { header, body: Digest([body; 32]), signature: Signature([0; 64]) }
    }

    fn proof(origin: Origin, first: u64) -> Bytes {
        [1, 2].map(|body| header(origin, first, body).to_bytes()).concat().into()
    }

    fn chain(origin: Origin, messages: u64) -> ChainHead {
        let next = Seq(messages + 1);
        let head_signed = header(origin, messages, 1);
        ChainHead { origin, next, head: Digest([1; 32]), head_signed, last_clock: Clock(1), kept: Seq::FIRST }
    }

    #[test]
    fn of_200_000_proofs_those_about_messages_are_kept_and_no_signature_is_checked() {
        let mut stored = Stored {
            proofs: (0..200_000).map(|n| (origin(n), proof(origin(n), 1))).collect(),
            chains: [10, 20, 30, 40].map(|n| chain(origin(n), 5)).into(),
            ..Stored::default()
        };
        stored.proofs[20].1 = proof(origin(20), 6);
        stored.proofs[30].1 = proof(origin(30), 7);
        stored.proofs[40].1 = proof(origin(41), 1);
        let sorted = Sorted::of(&stored);
        let kept: Vec<_> = sorted.proofs.iter().map(|proof| (proof.origin(), proof.place())).collect();
        // Their signatures are zeros: they would not hold if anybody looked.
        assert_eq!(kept, [(origin(10), Seq(1)), (origin(20), Seq(6))]);
        assert_eq!(sorted.useless.len(), 200_000 - 2);
        assert!(sorted.useless.contains(&origin(30)), "beyond what there is");
        assert!(sorted.useless.contains(&origin(40)), "about another origin than its key says");
    }
}
