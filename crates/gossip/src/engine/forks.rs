//! What the search for the place of a fork says, done; and what ended chains show (docs/protocol.md, E and P-S7).

use rumormill_wire::native::{Frame, Proof, RangeRequest, SignedHeader};
use rumormill_wire::{Digest, Origin, Seq};

use super::Engine;
use crate::bundle::{RawBundle, VerifiedBundle, bundle_digest};
use crate::fork::{Difference, Input, Output as Found};
use crate::io::{LinkId, Output};
use crate::proof::from_checked;
use crate::reconcile;
use crate::stats::bump;

/// Bundles looked up at once to learn what ended chains show.
const MAX_LOOK_UPS: usize = 16;

impl Engine {
    /// Tells the search, and does what it says.
    pub(super) fn tell_search(&mut self, input: Input) {
        self.search.handle(self.now, input);
        while let Some(output) = self.search.poll_output() {
            match output {
                Found::LookUp { origin, at, link } => {
                    if let Some(ours) = self.logs.cached(origin, at) {
                        self.search.handle(self.now, Input::Ours { origin, at, bundle: Some(ours) });
                    } else {
                        self.shares.charge_search(link, self.now);
                        self.output.push_back(Output::LookUp { origin, at });
                    }
                }
                Found::Ask { link, origin, at } => {
                    let until = Seq(at.0.saturating_add(1));
                    self.send(link, &Frame::Range(RangeRequest { origin, from: at, until }));
                }
                Found::Found { proof, link } => self.take_proof(*proof, Some(link)),
                Found::Room(link) => self.tell_reconcile(reconcile::Input::Again { link, lacks_more: false }),
            }
        }
    }

    /// The neighbour's head is not ours, at the same number.
    pub(super) fn heads_differ(&mut self, id: LinkId, origin: Origin, next: Seq) {
        let Some(at) = next.0.checked_sub(1).filter(|at| *at > 0) else { return };
        if let Some(link) = self.links.get_mut(&id) {
            link.branches = true;
        }
        let ours = self.logs.chains.get(&origin).and_then(|chain| chain.head);
        self.differs(origin, id, Seq(at), ours, None);
    }

    /// A bundle that holds and does not fit ours.
    pub(super) fn evidence(&mut self, bundle: &VerifiedBundle, id: LinkId) {
        let theirs = *bundle.signed_header();
        let origin = theirs.header.origin;
        let Some(chain) = self.logs.chains.get(&origin) else { return };
        let (next, head) = (chain.next, chain.head);
        if let Some(head) = head.filter(|_| theirs.header.first == next) {
            if let Some(proof) = from_checked(head, theirs) {
                self.take_proof(proof, Some(id));
            }
            // Theirs names another predecessor: look at what they have where our head begins.
            self.differs(origin, id, head.header.first, Some(head), None);
        } else {
            self.differs(origin, id, theirs.header.first, None, Some(theirs));
        }
    }

    fn differs(
        &mut self,
        origin: Origin,
        link: LinkId,
        at: Seq,
        ours: Option<SignedHeader>,
        theirs: Option<SignedHeader>,
    ) {
        let Some(peer) = self.peer(link) else { return };
        if !self.search.is_searching(&origin) && self.lists_are_over(link) {
            return bump(&mut self.stats.searches_full, 1);
        }
        let proven = self.logs.fork_place(&origin).is_some();
        let seen = Difference { origin, at, ours, theirs, link, peer, proven };
        self.tell_search(Input::Differs(Box::new(seen)));
    }

    pub(super) fn looked_up(&mut self, origin: Origin, at: Seq, bundle: Option<&RawBundle>) {
        let ours = bundle.and_then(signed_header_of);
        self.look_before(origin, at, ours);
        self.tell_search(Input::Ours { origin, at, bundle: ours });
    }

    /// Looks up what ended chains show, a few at a time: the store's queue is short.
    pub(super) fn look_up_more(&mut self) {
        while self.looking_up.len() < MAX_LOOK_UPS {
            let Some((origin, at)) = self.logs.chains.take_unread() else { return };
            match self.logs.cached(origin, at) {
                Some(ours) => self.look_before(origin, at, Some(ours)),
                None if self.looking_up.insert((origin, at)) => self.output.push_back(Output::LookUp { origin, at }),
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
    let view = rumormill_wire::native::BundleView::parse(raw.bytes()).ok()?;
    let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
    Some(SignedHeader { header: *view.header(), body, signature: *view.signature() })
}
