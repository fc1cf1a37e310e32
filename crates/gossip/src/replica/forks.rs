//! What the search for the place of a fork says, done; and what ended chains show (docs/protocol.md, E and P-S7).

use rumormill_wire::native::{BundleView, Proof, SignedHeader};
use rumormill_wire::{Digest, Origin, Seq};

use super::{Replica, ReplicaOutput};
use crate::bundle::{RawBundle, VerifiedBundle, bundle_digest};
use crate::fork::{Difference, Input, Output};
use crate::ingress::queue::Sender;
use crate::io as driver;
use crate::proof::from_checked;

/// Bundles looked up at once to learn what ended chains show.
const MAX_LOOK_UPS: usize = 16;

impl Replica {
    /// Tells the search, and does what it says.
    pub(super) fn tell_search(&mut self, input: Input) {
        self.search.handle(self.now, input);
        while let Some(output) = self.search.poll_output() {
            match output {
                Output::LookUp { origin, at, link } => {
                    if let Some(ours) = self.logs.cached(origin, at) {
                        self.search.handle(self.now, Input::Ours { origin, at, bundle: Some(ours) });
                    } else {
                        self.output.push_back(ReplicaOutput::Searched(link));
                        self.drive(driver::Output::LookUp { origin, at });
                    }
                }
                Output::Ask { link, origin, at } => self.output.push_back(ReplicaOutput::Ask(link, origin, at)),
                Output::Found { proof, link } => self.take_proof(*proof, Some(link)),
                Output::Room(link) => self.output.push_back(ReplicaOutput::SearchRoom(link)),
            }
        }
    }

    /// Searches for where two branches part that a neighbour showed.
    pub(crate) fn search_for(&mut self, seen: Box<Difference>) {
        self.tell_search(Input::Differs(seen));
    }

    /// A bundle that holds and does not fit ours.
    pub(super) fn evidence(&mut self, bundle: &VerifiedBundle, sender: &Sender) {
        let theirs = *bundle.signed_header();
        let origin = theirs.header.origin;
        let Some(chain) = self.logs.chains.get(&origin) else { return };
        let (next, head) = (chain.next, chain.head);
        let (at, ours, theirs) = if let Some(head) = head.filter(|_| theirs.header.first == next) {
            if let Some(proof) = from_checked(head, theirs) {
                self.take_proof(proof, Some(sender.link));
            }
            // Theirs names another predecessor: look at what they have where our head begins.
            (head.header.first, Some(head), None)
        } else {
            (theirs.header.first, None, Some(theirs))
        };
        let proven = self.logs.fork_place(&origin).is_some();
        let seen = Difference { origin, at, ours, theirs, link: sender.link, peer: sender.peer, proven };
        self.output.push_back(ReplicaOutput::Differs(Box::new(seen)));
    }

    pub(crate) fn looked_up(&mut self, origin: Origin, at: Seq, bundle: Option<&RawBundle>) {
        let ours = bundle.and_then(signed_header_of);
        self.look_before(origin, at, ours);
        self.tell_search(Input::Ours { origin, at, bundle: ours });
    }

    /// Looks up what ended chains show, a few at a time: the store's queue is short.
    pub(crate) fn look_up_more(&mut self) {
        while self.looking_up.len() < MAX_LOOK_UPS {
            let Some((origin, at)) = self.logs.chains.take_unread() else { return };
            match self.logs.cached(origin, at) {
                Some(ours) => self.look_before(origin, at, Some(ours)),
                None if self.looking_up.insert((origin, at)) => self.drive(driver::Output::LookUp { origin, at }),
                None => {}
            }
        }
    }

    /// A store that gave nothing is asked again with the next comparison.
    pub(super) fn look_up_again(&mut self) {
        for origin in core::mem::take(&mut self.unfound) {
            self.logs.chains.read_again(origin);
        }
    }

    /// Our own bundle before the end of a chain: that is what its entry shows (P-S7). If it reaches beyond the place of a
    /// fork it contradicts one of the two.
    fn look_before(&mut self, origin: Origin, at: Seq, ours: Option<SignedHeader>) {
        self.looking_up.remove(&(origin, at));
        let Some(chain) = self.logs.chains.get(&origin) else { return };
        let Some(limit) = chain.limit().filter(|limit| limit.0.checked_sub(1) == Some(at.0)) else { return };
        let Some(ours) = ours else {
            self.unfound.insert(origin);
            return;
        };
        let fork = chain.fork.as_deref().map(|fork| *fork.proof()).filter(|_| ours.header.next() > limit);
        let head = bundle_digest(&ours.header, &ours.body).head();
        self.logs.chains.update(origin, |chain| chain.before = Some((limit, head)));
        let lower = fork.and_then(|Proof { a, b }| from_checked(ours, a).or_else(|| from_checked(ours, b)));
        if let Some(proof) = lower {
            self.take_proof(proof, None);
        }
    }
}

/// Of a bundle that the store has: it was checked when it came.
fn signed_header_of(raw: &RawBundle) -> Option<SignedHeader> {
    let view = BundleView::parse(raw.bytes()).ok()?;
    let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
    Some(SignedHeader { header: *view.header(), body, signature: *view.signature() })
}
