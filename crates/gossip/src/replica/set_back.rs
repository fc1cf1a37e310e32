//! A bundle of the next number whose clock does not rise above the one before it (docs/protocol.md, P-B11).
//!
//! It can never join its chain, and its author alone is at fault: who keeps nothing passes it on in good faith, for it has
//! nothing to compare it with. So it is dropped, its place is said to be held on the link that brought it, so that it does
//! not come again and again, and what its author signed there is remembered: any other bundle of that number is the second
//! branch of a fork.

use rumormill_wire::native::SignedHeader;

use super::Replica;
use crate::bundle::VerifiedBundle;
use crate::ingress::Dropped;
use crate::ingress::queue::Sender;
use crate::io::LinkId;
use crate::proof::from_checked;

impl Replica {
    /// One that holds does not rise.
    pub(super) fn set_back(&mut self, bundle: &VerifiedBundle, sender: Sender) {
        let signed = *bundle.signed_header();
        let origin = signed.header.origin;
        self.dropped(sender, signed.header, Dropped::SetBack);
        let before = self.logs.chains.update(origin, |chain| chain.set_back.replace(Box::new(signed)));
        self.is_second(before, signed, Some(sender.link));
    }

    /// Another bundle has that number.
    pub(super) fn is_second(&mut self, known: Option<Box<SignedHeader>>, other: SignedHeader, from: Option<LinkId>) {
        if let Some(proof) = known.and_then(|known| from_checked(*known, other)) {
            self.take_proof(proof, from);
        }
    }
}
