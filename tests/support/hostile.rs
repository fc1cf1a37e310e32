//! A member with a valid certificate that means harm: what it signs, and links that say whatever it wants.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    dead_code,
    reason = "helpers of tests, each of which uses its part"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rumormill_transport::endpoint::{EndpointConfig, Opened};
use rumormill_transport::gate::GateLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{Endpoint, Expect, Identity, LinkWriter, LocalCa, Trust};
use rumormill_wire::native::{
    BundleBuilder, BundleHeader, BundleView, Frame, Hello, Member, MessageKind, Proof, SIGN_BUNDLE_CONTEXT,
    SignedHeader, kind, rumor_prefix,
};
use rumormill_wire::{Clock, Digest, Incarnation, Origin, Seq, Signature};
use tokio::task::JoinHandle;

use crate::nodes::Net;

/// How long it waits before it dials again after it was turned away.
const AGAIN: Duration = Duration::from_millis(50);

/// The member.
pub struct Mallory {
    pub name: String,
    pub endpoint: Endpoint,
    /// Frames that left.
    pub sent: AtomicU64,
}

/// A bundle that it has signed, as a RUMOR frame, and what proofs and the next bundle need of it.
pub struct Signed {
    pub rumor: Vec<u8>,
    pub header: SignedHeader,
    pub digest: Digest,
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

pub fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes).unwrap();
    bytes
}

/// Bytes as a frame of a kind, whatever they are.
pub fn raw_frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 1).unwrap();
    [&len.to_be_bytes()[..], &[kind], payload].concat()
}

impl Mallory {
    /// A member of this network with a certificate like everybody's.
    pub fn of(net: &Net, name: &str) -> Self {
        net.certs(&["issue", name, "--out", Self::keys(net, name).to_str().unwrap()]);
        Self::of_issued(net, name)
    }

    fn keys(net: &Net, name: &str) -> PathBuf {
        net.dir.path().join(format!("{name}-keys"))
    }

    /// The same with the certificate that it was issued before.
    pub fn of_issued(net: &Net, name: &str) -> Self {
        let dir = Self::keys(net, name);
        let identity = Identity::load(&dir.join("cert.pem"), &dir.join("key.pem")).unwrap();
        let ca = LocalCa::open_or_create(&net.home()).unwrap();
        let endpoint = Endpoint::new(EndpointConfig {
            identity,
            trust: Trust::from_ca(ca.certificate()).unwrap(),
            loopback_only: true,
            gate: GateLimits::default(),
            link: LinkLimits::default(),
        })
        .unwrap();
        Self { name: name.to_owned(), endpoint, sent: AtomicU64::new(0) }
    }

    pub fn origin(&self, incarnation: u64) -> Origin {
        Origin { node: self.endpoint.identity().node(), incarnation: Incarnation(incarnation) }
    }

    pub fn hello(&self, agent: &str) -> Vec<u8> {
        let (network, incarnation) = (self.endpoint.network(), Incarnation(1));
        let name = self.name.as_str();
        encoded(&Frame::Hello(Hello { min: 1, max: 1, network, incarnation, features: 0, name, agent }))
    }

    /// TLS alone, without a word.
    pub async fn open(&self, to: SocketAddr) -> Option<Opened> {
        self.endpoint.dial(to, Expect::Any).await.ok()
    }

    /// A link past HELLO. Waits while it is turned away.
    pub async fn link(&self, to: SocketAddr) -> HostileLink<'_> {
        loop {
            if let Some(Opened { mut reader, mut writer, .. }) = self.open(to).await
                && writer.send([self.hello("").as_slice()]).await.is_ok()
            {
                let reads = tokio::spawn(async move { while let Ok(Some(_)) = reader.next_frame().await {} });
                return HostileLink { of: self, writer, reads };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether it gets as far as the other's HELLO.
    pub async fn is_taken(&self, to: SocketAddr) -> bool {
        let Some(Opened { mut reader, mut writer, .. }) = self.open(to).await else { return false };
        if writer.send([self.hello("").as_slice()]).await.is_err() {
            return false;
        }
        let first = tokio::time::timeout(Duration::from_secs(30), reader.next_frame()).await;
        matches!(first, Ok(Ok(Some(frame))) if frame.first() == Some(&kind::HELLO))
    }

    fn signature(&self, digest: &Digest) -> Signature {
        let signed = [SIGN_BUNDLE_CONTEXT, self.endpoint.network().as_bytes(), digest.as_bytes()].concat();
        self.endpoint.identity().sign(&signed)
    }

    /// Signs a header over a body that there need not be.
    pub fn header(&self, header: BundleHeader, body: Digest) -> (SignedHeader, Digest) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header.to_bytes());
        hasher.update(body.as_bytes());
        let digest = Digest(*hasher.finalize().as_bytes());
        (SignedHeader { header, body, signature: self.signature(&digest) }, digest)
    }

    /// Signs a bundle of these messages.
    pub fn bundle(&self, origin: Origin, first: u64, previous: Digest, clock: u64, texts: &[(&str, &[u8])]) -> Signed {
        let mut builder = BundleBuilder::new(origin, Seq(first), previous);
        for (n, (room, text)) in texts.iter().enumerate() {
            builder.push(Clock(clock + n as u64), MessageKind::CHAT, room, text).unwrap();
        }
        let unsigned = builder.clone().seal(Signature::ZERO);
        let view = BundleView::parse(&unsigned).unwrap();
        let body = Digest(*blake3::hash(view.message_bytes()).as_bytes());
        let (header, digest) = self.header(*view.header(), body);
        let bundle = builder.seal(header.signature);
        let rumor = [&rumor_prefix(false, false, bundle.len()).unwrap()[..], &bundle].concat();
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
    pub fn member(&self) -> Vec<u8> {
        let identity = self.endpoint.identity();
        encoded(&Frame::Member(Member { node: identity.node(), evidence: identity.certificate_der() }))
    }
}

/// A link on which it says what it wants; what comes back is read and thrown away.
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
            self.of.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}
