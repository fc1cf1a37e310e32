//! A member with a valid certificate that says what it likes, and writes it with its own key.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::endpoint::{EndpointConfig, Opened};
use rumormill_transport::link::LinkLimits;
use rumormill_transport::{DialError, Endpoint, Expect, Identity, LocalCa, Trust};
use rumormill_wire::native::{
    BundleBuilder, BundleHeader, Frame, Hello, MessageKind, Proof, SignedHeader, rumor_prefix,
};
use rumormill_wire::{Clock, Digest, Incarnation, Origin, Seq, Signature};

use crate::frames::encoded;
use crate::wait::PATIENCE;

/// What a test that is no task itself runs such members by.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A member of the network that sends what it likes.
#[derive(Debug)]
pub struct Member {
    /// Dials, and has its key.
    pub endpoint: Endpoint,
}

/// What dials and is dialled as this member of the CA's network, over loopback.
pub fn endpoint(ca: &LocalCa, identity: Identity) -> Endpoint {
    let trust = Trust::from_ca(ca.certificate()).unwrap();
    let (admission, link) = (AdmissionLimits::default(), LinkLimits::default());
    Endpoint::new(EndpointConfig { identity, trust, loopback_only: true, post_quantum: false, admission, link })
        .unwrap()
}

impl Member {
    /// A member of the network whose CA lies in `home`.
    pub fn new(home: &Path, name: &str) -> Self {
        let ca = LocalCa::open(home).unwrap();
        Self { endpoint: endpoint(&ca, ca.open_or_issue(name).unwrap()) }
    }

    /// A connection, once there is somebody: a node's local socket is there a little earlier than it listens.
    pub async fn connect(&self, to: SocketAddr) -> Opened {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.endpoint.dial(to, Expect::Any).await {
                Err(DialError::Connect { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => return other.unwrap(),
            }
        }
    }

    /// HELLO, with a name and an agent that would do harm at a terminal.
    pub fn hello(&self) -> Vec<u8> {
        let network = self.endpoint.network();
        let (name, agent) = ("\u{202e}\n".into(), "\u{1b}[2J".into());
        encoded(&Frame::Hello(Hello { min: 1, max: 1, network, features: 0, name, agent }))
    }

    /// A link past our HELLO.
    pub async fn link(&self, to: SocketAddr) -> Opened {
        let mut opened = self.connect(to).await;
        opened.writer.send([self.hello().as_slice()]).await.unwrap();
        opened
    }

    /// The origin under which it signs: its node id, and incarnation 7.
    pub fn origin(&self) -> Origin {
        Origin { node: self.endpoint.identity().node(), incarnation: Incarnation(7) }
    }

    /// Signs a header over a body that there need not be.
    pub fn sign(&self, header: &BundleHeader, body: Digest) -> Signature {
        let digest = blake3::hash(&[&header.to_bytes()[..], body.as_bytes()].concat());
        let text = [&b"rumormill/1 bundle\0"[..], self.endpoint.network().as_bytes(), digest.as_bytes()].concat();
        self.endpoint.identity().sign(&text)
    }

    /// RUMOR with the first bundle of our chain.
    pub fn rumor(&self, messages: &[(MessageKind, &str, &str)]) -> Vec<u8> {
        let mut builder = BundleBuilder::new(self.origin(), Seq(1), Digest::ZERO);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        for (n, (kind, room, body)) in (0..).zip(messages) {
            let clock = Clock(u64::try_from(now.as_micros()).unwrap() + n);
            builder.push(clock, *kind, room, body.as_bytes()).unwrap();
        }
        let body = Digest(*blake3::hash(builder.message_bytes()).as_bytes());
        let signature = self.sign(&builder.header(), body);
        let bundle = builder.seal(signature);
        [&rumor_prefix(false, false, bundle.len()).unwrap()[..], &bundle].concat()
    }

    /// PROOF that we have equivocated at a place.
    pub fn proof(&self, place: u64) -> Vec<u8> {
        let header = BundleHeader { origin: self.origin(), first: Seq(place), count: 1, previous: Digest([9; 32]) };
        let signed = |body| SignedHeader { header, body, signature: self.sign(&header, body) };
        encoded(&Frame::Proof(Proof { a: signed(Digest([1; 32])), b: signed(Digest([2; 32])) }))
    }
}
