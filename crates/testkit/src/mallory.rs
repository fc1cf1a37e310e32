//! A member with a valid certificate that does harm in earnest: links that come again, bundles and proofs without end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumormill_transport::endpoint::Opened;
use rumormill_transport::{Expect, LinkWriter};
use rumormill_wire::native::{
    BundleBuilder, BundleHeader, BundleView, Frame, Member as Introduction, MessageKind, Proof, SignedHeader, kind,
    rumor_prefix,
};
use rumormill_wire::{Clock, Digest, Incarnation, Origin, Seq, Signature};
use tokio::task::JoinHandle;

use crate::frames::{encoded, hello};
use crate::hostile::Member;
use crate::nodes::Net;
use crate::wait::PATIENCE;

/// How long it waits before it dials again after it was turned away.
const AGAIN: Duration = Duration::from_millis(50);

/// A member that does harm in one of the [`crate::ways`], for as long as a test lets it.
#[derive(Debug)]
pub struct Mallory {
    member: Member,
    name: String,
    /// How many frames it has sent.
    pub sent: AtomicU64,
    /// The number that a neighbour said last that it wants of its first incarnation; 0 once that was heeded.
    pub wanted: Arc<AtomicU64>,
}

/// A bundle that it has signed, as a RUMOR frame, and what proofs and the next bundle need of it.
#[derive(Debug)]
pub struct Signed {
    /// The RUMOR frame.
    pub rumor: Vec<u8>,
    /// The header, with its signature.
    pub header: SignedHeader,
    /// The digest that the next bundle names.
    pub digest: Digest,
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

impl Mallory {
    /// A member of this network, with a certificate like everybody's, or with the one that it was issued before.
    pub fn of(net: &Net, name: &str) -> Self {
        Self {
            member: Member::new(&net.home(), name),
            name: name.to_owned(),
            sent: AtomicU64::new(0),
            wanted: Arc::default(),
        }
    }

    /// Its origin of an incarnation.
    pub fn origin(&self, incarnation: u64) -> Origin {
        Origin { incarnation: Incarnation(incarnation), ..self.member.origin() }
    }

    /// HELLO under its own name.
    pub fn hello(&self) -> Vec<u8> {
        hello(self.member.endpoint.network(), &self.name)
    }

    /// TLS alone, without a word.
    pub async fn open(&self, to: SocketAddr) -> Option<Opened> {
        self.member.endpoint.dial(to, Expect::Any).await.ok()
    }

    /// A link past HELLO. Waits while it is turned away.
    pub async fn link(&self, to: SocketAddr) -> HostileLink<'_> {
        loop {
            if let Some(Opened { mut reader, mut writer, .. }) = self.open(to).await
                && writer.send([self.hello().as_slice()]).await.is_ok()
            {
                let (origin, wanted) = (self.origin(1), Arc::clone(&self.wanted));
                let reads = tokio::spawn(async move {
                    while let Ok(Some(frame)) = reader.next_frame().await {
                        if let Ok(Frame::Status(status)) = Frame::decode(&frame)
                            && let Some(entry) = status.entries.iter().find(|entry| entry.origin == origin)
                        {
                            wanted.store(entry.next.0, Ordering::Relaxed);
                        }
                    }
                });
                return HostileLink { of: self, writer, reads };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether it gets as far as the other's HELLO.
    pub async fn is_taken(&self, to: SocketAddr) -> bool {
        let Some(Opened { mut reader, mut writer, .. }) = self.open(to).await else { return false };
        if writer.send([self.hello().as_slice()]).await.is_err() {
            return false;
        }
        let first = tokio::time::timeout(PATIENCE, reader.next_frame()).await;
        matches!(first, Ok(Ok(Some(frame))) if frame.first() == Some(&kind::HELLO))
    }

    /// Counts a frame that left.
    pub fn count(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Signs a header over a body that there need not be.
    pub fn header(&self, header: BundleHeader, body: Digest) -> (SignedHeader, Digest) {
        let digest = Digest(*blake3::hash(&[&header.to_bytes()[..], body.as_bytes()].concat()).as_bytes());
        (SignedHeader { header, body, signature: self.member.sign(&header, body) }, digest)
    }

    /// Signs a bundle of these messages: room and text.
    pub fn bundle(&self, origin: Origin, first: u64, previous: Digest, clock: u64, texts: &[(&str, &[u8])]) -> Signed {
        let mut builder = BundleBuilder::new(origin, Seq(first), previous);
        for (n, (room, text)) in (0..).zip(texts) {
            builder.push(Clock(clock + n), MessageKind::CHAT, room, text).unwrap();
        }
        self.seal(builder)
    }

    /// The same of a room that nobody can send by hand: the bytes of its name take the place of as many of another.
    pub fn bundle_in(&self, origin: Origin, first: u64, previous: Digest, room: &str, text: &[u8]) -> Signed {
        let stand_in = "r".repeat(room.len());
        let mut builder = BundleBuilder::new(origin, Seq(first), previous);
        builder.push(Clock(now_us()), MessageKind::CHAT, &stand_in, text).unwrap();
        let mut bytes = builder.seal(Signature::ZERO);
        let at = bytes.windows(room.len()).rposition(|part| part == stand_in.as_bytes()).unwrap();
        bytes[at..at + room.len()].copy_from_slice(room.as_bytes());
        self.sign_bytes(bytes)
    }

    fn seal(&self, builder: BundleBuilder) -> Signed {
        self.sign_bytes(builder.seal(Signature::ZERO))
    }

    fn sign_bytes(&self, mut bytes: Vec<u8>) -> Signed {
        let view = BundleView::parse(&bytes).unwrap();
        let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
        let (header, digest) = self.header(*view.header(), body);
        let at = BundleHeader::LEN;
        bytes[at..at + 64].copy_from_slice(header.signature.as_bytes());
        let rumor = [&rumor_prefix(false, false, bytes.len()).unwrap()[..], &bytes].concat();
        Signed { rumor, header, digest }
    }

    /// A proof that this key signed two first bundles of an origin that nobody has heard of.
    pub fn proof_from_nothing(&self, incarnation: u64) -> Vec<u8> {
        let (origin, first, previous) = (self.origin(incarnation), Seq(1), Digest::ZERO);
        let header = BundleHeader { origin, first, count: 1, previous };
        let a = self.header(header, Digest([1; 32])).0;
        let b = self.header(header, Digest([2; 32])).0;
        encoded(&Frame::Proof(Proof { a, b }))
    }

    /// Its certificate as a MEMBER frame.
    pub fn introduction(&self) -> Vec<u8> {
        let identity = self.member.endpoint.identity();
        encoded(&Frame::Member(Introduction { node: identity.node(), evidence: identity.certificate_der() }))
    }
}

/// A link on which it says what it wants; of what comes back it heeds only what is wanted of it.
#[derive(Debug)]
pub struct HostileLink<'a> {
    of: &'a Mallory,
    writer: LinkWriter,
    reads: JoinHandle<()>,
}

impl HostileLink<'_> {
    /// Sends bytes; when the link is gone, makes another.
    pub async fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        if self.reads.is_finished() || self.writer.send([bytes]).await.is_err() {
            self.reads.abort();
            tokio::time::sleep(AGAIN).await;
            *self = self.of.link(to).await;
        } else {
            self.of.count();
        }
    }
}
