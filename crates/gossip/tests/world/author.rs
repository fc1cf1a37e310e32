//! A member without an engine that signs what it likes: chains, histories that part, and proofs of that.

use rumormill_gossip::bundle::seal;
use rumormill_wire::Digest;
use rumormill_wire::native::{BundleBuilder, SignedHeader};

use super::*;

/// Such a member, by the number of its key.
#[derive(Clone, Copy)]
pub struct Author(pub u8);

impl Author {
    pub fn id(self) -> NodeId {
        Key::new(self.0).id()
    }

    /// It in one of its incarnations.
    pub const fn life(self, incarnation: u64) -> Life {
        Life { author: self, incarnation }
    }

    /// The frame that shows its certificate.
    pub fn member(self) -> Bytes {
        frames::member(self.id(), "")
    }

    /// A link of its own with a node, which is shown its certificate.
    pub fn link(self, world: &mut World, n: usize) -> LinkId {
        let link = world.stranger(n, self.0);
        world.give(n, Input::Frame { link, bytes: self.member() });
        link
    }

    /// The same, and what it brings over that link.
    pub fn bring(self, world: &mut World, n: usize, bundles: &[Arc<VerifiedBundle>]) -> LinkId {
        let link = self.link(world, n);
        bring(world, n, link, bundles);
        link
    }
}

/// Bundles over a link, in their order, each when the one before is judged and kept.
pub fn bring(world: &mut World, n: usize, link: LinkId, bundles: &[Arc<VerifiedBundle>]) {
    for bundle in bundles {
        world.give(n, Input::Frame { link, bytes: frames::rumor(bundle.bytes()) });
        world.run_for(2_000);
    }
}

/// An author in one incarnation. It signs any number at any time, as often as it likes.
#[derive(Clone, Copy)]
pub struct Life {
    author: Author,
    incarnation: u64,
}

impl Life {
    pub fn origin(self) -> Origin {
        Origin { node: self.author.id(), incarnation: Incarnation(self.incarnation) }
    }

    /// A bundle of messages from number `first` on. The first is dated `clock`, each that follows a microsecond later.
    pub fn dated(self, first: u64, previous: Digest, clock: u64, texts: &[&str]) -> Arc<VerifiedBundle> {
        let mut builder = BundleBuilder::new(self.origin(), Seq(first), previous);
        for (n, text) in (0..).zip(texts) {
            builder.push(Clock(clock + n), MessageKind::CHAT, "", text.as_bytes()).unwrap();
        }
        seal(builder, Clock(clock), &Key::new(self.author.0), &NETWORK)
    }

    /// The same, dated ten microseconds a number, so that clocks rise from bundle to bundle.
    pub fn bundle(self, first: u64, previous: Digest, texts: &[&str]) -> Arc<VerifiedBundle> {
        self.dated(first, previous, NOW + first * 10, texts)
    }

    /// Its first bundle, of one message.
    pub fn opening(self, text: &str) -> Arc<VerifiedBundle> {
        self.bundle(1, Digest::ZERO, &[text])
    }

    /// One history: the trunk, which several may have in common, and bundles of one message up to the number `until`.
    pub fn branch(self, name: &str, trunk: &[Arc<VerifiedBundle>], until: u64) -> Vec<Arc<VerifiedBundle>> {
        let mut all = trunk.to_vec();
        while all.len() < usize::try_from(until).unwrap() {
            let first = u64::try_from(all.len()).unwrap() + 1;
            let previous = all.last().map_or(Digest::ZERO, |last| last.digest());
            all.push(self.bundle(first, previous, &[&format!("{name} {first}")]));
        }
        all
    }

    /// Headers of two bundles that are signed for one number. Nobody has these bundles.
    pub fn headers(self, first: u64) -> [SignedHeader; 2] {
        let previous = |n| if first == 1 { Digest::ZERO } else { Digest([n; 32]) };
        [("one", 1), ("other", 2)].map(|(text, n)| *self.bundle(first, previous(n), &[text]).signed_header())
    }

    /// The frame that proves it by them.
    pub fn proof(self, first: u64) -> Bytes {
        frames::proof(self.headers(first))
    }
}
