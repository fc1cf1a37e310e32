//! A member with a valid certificate that misbehaves on its link harms nobody else. What it does to the engine's state is
//! tested in the gossip room; this is about links, memory and time.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod support;

use std::time::{Duration, Instant};

use rumormill_gossip::Signer;
use rumormill_gossip::bundle::{bundle_digest, seal, signed_bytes};
use rumormill_node::{NodeConfig, NodeHandle};
use rumormill_testkit::frames::encoded;
use rumormill_transport::endpoint::Opened;
use rumormill_transport::{Endpoint, Expect};
use rumormill_wire::native::{
    BundleBuilder, BundleHeader, Bye, ByeCode, Coverage, Frame, Hello, LENGTH_LEN, MAX_FRAME_LEN, Member, MessageKind,
    Proof, SignedHeader, Status, StatusEntries, rumor_prefix,
};
use rumormill_wire::{Clock, Digest, Incarnation, NetworkId, NodeId, Origin, Seq, Signature};
use support::{Net, PATIENCE, ask, has, say, until, until_log};

struct Attacker {
    endpoint: Endpoint,
    opened: Opened,
}

impl Attacker {
    async fn connect(net: &Net, victim: &NodeHandle) -> Self {
        let endpoint = net.endpoint("mallory");
        let opened = endpoint.dial(victim.local_addr(), Expect::Any).await.unwrap();
        Self { endpoint, opened }
    }

    fn hello(&self, network: NetworkId, min: u16, max: u16) -> Vec<u8> {
        encoded(&Frame::Hello(Hello { min, max, network, features: 0, name: "mallory".into(), agent: "".into() }))
    }

    /// Past HELLO, as far as the victim can see an honest neighbour.
    async fn linked(net: &Net, victim: &NodeHandle) -> Self {
        let mut attacker = Self::connect(net, victim).await;
        let hello = attacker.hello(attacker.endpoint.network(), 1, 1);
        attacker.send(&hello).await;
        until("the attacker is linked", async || has(victim, "mallory")).await;
        attacker
    }

    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.opened.writer.send([bytes]).await.is_ok()
    }

    /// Reads until the link ends; gives the BYE, if there was one.
    async fn end(&mut self) -> Option<ByeCode> {
        let read = async {
            let mut code = None;
            while let Ok(Some(frame)) = self.opened.reader.next_frame().await {
                if let Ok(Frame::Bye(Bye { code: found, .. })) = Frame::decode(&frame) {
                    code = Some(found);
                }
            }
            code
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap()
    }

    fn origin(&self) -> Origin {
        Origin { node: self.endpoint.identity().node(), incarnation: Incarnation(7) }
    }

    /// Two histories signed with the attacker's own key, under a made-up incarnation. It holds.
    fn proof(&self, incarnation: u64) -> Vec<u8> {
        let origin = Origin { incarnation: Incarnation(incarnation), ..self.origin() };
        let [a, b] = [1, 2].map(|body| self.signed(origin, Digest([body; 32])));
        encoded(&Frame::Proof(Proof { a, b }))
    }

    /// The first bundle of an origin, of one message.
    fn signed(&self, origin: Origin, body: Digest) -> SignedHeader {
        let header = BundleHeader { origin, first: Seq::FIRST, count: 1, previous: Digest::ZERO };
        let signed = signed_bytes(&self.endpoint.network(), &bundle_digest(&header, &body));
        SignedHeader { header, body, signature: self.endpoint.identity().sign(&signed) }
    }

    fn bundle(&self, origin: Origin, first: u64, previous: Digest, signature: Signature) -> Vec<u8> {
        let mut builder = BundleBuilder::new(origin, Seq(first), previous);
        builder.push(Clock(1), MessageKind::CHAT, "", b"evil").unwrap();
        let bundle = builder.seal(signature);
        [&rumor_prefix(false, false, bundle.len()).unwrap()[..], &bundle].concat()
    }
}

/// Two honest nodes, linked; the first is the victim.
async fn pair(net: &Net) -> [NodeHandle; 2] {
    pair_with(net, NodeConfig::new("a").limits.frames_per_s).await
}

async fn pair_with(net: &Net, frames_per_s: u32) -> [NodeHandle; 2] {
    let mut config = net.config("a", &[]);
    config.limits.frames_per_s = frames_per_s;
    config.limits.handshake_deadline = Duration::from_millis(500);
    config.ping = Duration::from_millis(200);
    let a = rumormill_node::start(config).await.unwrap();
    let b = net.start("b", &[("a", a.local_addr())]).await;
    until("linked", async || has(&a, "b")).await;
    [a, b]
}

async fn unharmed([a, b]: [NodeHandle; 2]) {
    let before = a.chat_log().await.unwrap().len();
    say(&a, "from the victim").await;
    say(&b, "from its neighbour").await;
    let logs = (until_log(&a, before + 2).await, until_log(&b, before + 2).await);
    assert_eq!(logs.0, logs.1);
    assert!(logs.0.iter().all(|text| text != "evil"));
    for node in [a, b] {
        node.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_nothing_is_let_go_before_and_after_hello() {
    let net = Net::new();
    let nodes = pair(&net).await;
    let mut mute = Attacker::connect(&net, &nodes[0]).await;
    assert_eq!(mute.end().await, Some(ByeCode::IDLE));
    let mut silent = Attacker::linked(&net, &nodes[0]).await;
    // It answers no PING. On a busy machine the link may end before the BYE is written.
    assert!(matches!(silent.end().await, None | Some(ByeCode::IDLE)));
    until("it is gone", async || !has(&nodes[0], "mallory")).await;
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_hello_is_answered_with_the_reason() {
    let net = Net::new();
    let nodes = pair(&net).await;
    let network = Attacker::connect(&net, &nodes[0]).await.endpoint.network();
    let cases = [(NetworkId([9; 32]), 1, 1, ByeCode::NETWORK), (network, 2, 3, ByeCode::VERSION)];
    for (network, min, max, code) in cases {
        let mut attacker = Attacker::connect(&net, &nodes[0]).await;
        let hello = attacker.hello(network, min, max);
        attacker.send(&hello).await;
        assert_eq!(attacker.end().await, Some(code));
    }
    let mut attacker = Attacker::connect(&net, &nodes[0]).await;
    attacker.send(&encoded(&Frame::Ping(1))).await;
    assert_eq!(attacker.end().await, Some(ByeCode::PROTOCOL), "the first frame is HELLO");
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_frames_end_the_link_with_a_ban() {
    let net = Net::new();
    let nodes = pair(&net).await;
    let mut attacker = Attacker::linked(&net, &nodes[0]).await;
    let hello = attacker.hello(attacker.endpoint.network(), 1, 1);
    attacker.send(&hello).await;
    assert_eq!(attacker.end().await, Some(ByeCode::MISBEHAVIOUR), "there is one HELLO");
    let mut again = Attacker::connect(&net, &nodes[0]).await;
    let hello = again.hello(again.endpoint.network(), 1, 1);
    again.send(&hello).await;
    assert_eq!(again.end().await, Some(ByeCode::MISBEHAVIOUR), "banned for a while");
    until("it is gone", async || !has(&nodes[0], "mallory")).await;
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_over_the_limit_ends_the_link_before_its_bytes_are_waited_for() {
    let net = Net::new();
    let nodes = pair(&net).await;
    let mut attacker = Attacker::linked(&net, &nodes[0]).await;
    let length = u32::try_from(MAX_FRAME_LEN + 1).unwrap().to_be_bytes();
    assert_eq!(length.len(), LENGTH_LEN);
    attacker.send(&length).await;
    assert_eq!(attacker.end().await, Some(ByeCode::PROTOCOL));
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_signature_ends_the_link_and_nothing_is_kept() {
    let net = Net::new();
    let nodes = pair(&net).await;
    let mut attacker = Attacker::linked(&net, &nodes[0]).await;
    let bundle = attacker.bundle(attacker.origin(), 1, Digest::ZERO, Signature([1; 64]));
    attacker.send(&bundle).await;
    assert_eq!(attacker.end().await, Some(ByeCode::MISBEHAVIOUR));
    assert_eq!(nodes[0].stats().bundles_invalid, 1);
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_nobody_ends_the_link() {
    let net = Net::new();
    let nodes = pair(&net).await;
    let mut attacker = Attacker::linked(&net, &nodes[0]).await;
    let evidence = attacker.endpoint.identity().certificate_der().to_vec();
    attacker.send(&encoded(&Frame::Member(Member { node: NodeId([5; 32]), evidence: &evidence }))).await;
    assert_eq!(attacker.end().await, Some(ByeCode::MISBEHAVIOUR));
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_gaps_and_pings_that_reads_nothing_slows_itself_only() {
    const FRAMES_PER_S: u32 = 2_000;
    let net = Net::new();
    let nodes = pair_with(&net, FRAMES_PER_S).await;
    let mut attacker = Attacker::linked(&net, &nodes[0]).await;
    let mut flood = Vec::new();
    for n in 2..200_u64 {
        flood.extend(attacker.bundle(attacker.origin(), u64::MAX / 2 + n, Digest([1; 32]), Signature([1; 64])));
        flood.extend(encoded(&Frame::Ping(n)));
    }
    let flooding = tokio::spawn(async move { while attacker.send(&flood).await {} });
    until("the flood is on", async || nodes[0].stats().bundles_gap > u64::from(FRAMES_PER_S)).await;
    let (began, at_first) = (Instant::now(), nodes[0].stats().bundles_gap);
    for n in 0..20 {
        let [a, b] = &nodes;
        let before = b.chat_log().await.unwrap().len();
        say(a, &format!("through the flood {n}")).await;
        until_log(b, before + 1).await;
    }
    // Half of what it sends are pings; what is read is held to the rate, whatever it sends.
    until("it is slowed", async || nodes[0].stats().bundles_gap > at_first + u64::from(FRAMES_PER_S)).await;
    let read = u32::try_from(nodes[0].stats().bundles_gap - at_first).unwrap();
    let allowed = f64::from(FRAMES_PER_S) * (began.elapsed().as_secs_f64() + 0.1);
    assert!(f64::from(read) <= allowed, "{read} bundles of the flood were read, {allowed} may be");
    flooding.abort();
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_proofs_is_dropped_and_banned_and_a_newcomer_is_heard() {
    const FLOOD: u64 = 6_000;
    let net = Net::new();
    let nodes = pair_with(&net, 20_000).await;
    say(&nodes[0], "before").await;
    until_log(&nodes[1], 1).await;
    // Signed beforehand: a link that says nothing meanwhile would be let go.
    let signer = Attacker::connect(&net, &nodes[0]).await;
    let proofs: Vec<u8> = (0..FLOOD).flat_map(|n| signer.proof(n)).collect();
    drop(signer);
    let mut attacker = Attacker::linked(&net, &nodes[0]).await;
    attacker.send(&proofs).await;
    // What it still had to send may cut off the last word to it.
    let end = attacker.end().await;
    assert!(matches!(end, None | Some(ByeCode::MISBEHAVIOUR)), "{end:?}, {:?}", nodes[0].stats());
    until("it is gone", async || !has(&nodes[0], "mallory")).await;
    assert_eq!(nodes[0].stats().misbehaviour, 1);
    for node in &nodes {
        let origins = node.metrics().into_iter().find(|(name, _)| name == "gossip_origins").unwrap().1;
        assert_eq!((node.stats().proofs, origins), (0, 1), "nothing is kept");
    }
    assert_eq!(nodes[1].stats().proofs_vain, 0, "nothing is passed on");
    let c = net.start("c", &[("b", nodes[1].local_addr())]).await;
    say(&c, "a newcomer").await;
    for node in &nodes {
        assert!(until_log(node, 2).await.contains(&"a newcomer".to_owned()));
    }
    c.shutdown().await.unwrap();
    unharmed(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_keeps_a_proof_and_what_it_withdraws_stays_withdrawn_after_a_restart() {
    let net = Net::new();
    let mut config = net.on_disk("a", &[]);
    config.store_max = 1 << 20;
    let a = rumormill_node::start(config.clone()).await.unwrap();
    let mut attacker = Attacker::linked(&net, &a).await;
    let (node, origin) = (attacker.endpoint.identity().node(), attacker.origin());
    let mut builder = BundleBuilder::new(origin, Seq::FIRST, Digest::ZERO);
    builder.push(Clock(1), MessageKind::CHAT, "", b"evil").unwrap();
    let body = Digest(*blake3::hash(builder.message_bytes()).as_bytes());
    let first = attacker.signed(origin, body);
    let evidence = attacker.endpoint.identity().certificate_der().to_vec();
    attacker.send(&encoded(&Frame::Member(Member { node, evidence: &evidence }))).await;
    let bundle = builder.seal(first.signature);
    let rumor = [&rumor_prefix(false, false, bundle.len()).unwrap()[..], &bundle].concat();
    attacker.send(&rumor).await;
    until_log(&a, 1).await;
    while let Ok(said) = a.submit(MessageKind::CHAT, "", "x".repeat(16_000)).await {
        if said.await.is_err() {
            break;
        }
    }
    until("it is full", async || a.metrics().contains(&("node_store_full".to_owned(), 1))).await;
    let other = attacker.signed(origin, Digest([2; 32]));
    attacker.send(&encoded(&Frame::Proof(Proof { a: first, b: other }))).await;
    until("the fork is proven", async || a.stats().proofs == 1).await;
    a.shutdown().await.unwrap();
    drop(a);
    let a = rumormill_node::start(config).await.unwrap();
    let texts = a.chat_log().await.unwrap();
    assert!(!texts.is_empty() && texts.iter().all(|line| !line.contains("evil")), "it is withdrawn as before");
    a.shutdown().await.unwrap();
}

/// A copy that was taken when a letter came is not what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_that_wait_when_a_proof_withdraws_them_are_not_handed_out() {
    let net = Net::new();
    let with_door = |name: &str, neighbours: &[_]| {
        let mut config = net.config(name, neighbours);
        config.doors = vec!["push-pull,listen=127.0.0.1:0,gap=1ms,idle=20ms".parse().unwrap()];
        config
    };
    let c = rumormill_node::start(with_door("c", &[])).await.unwrap();
    let count = |name: &str| c.doors()[0].counters[name];
    let mallory = rumormill_node::start(with_door("mallory", &[("c", c.local_addr())])).await.unwrap();
    let origin = mallory.me();
    let pushed = async || ask(&mallory, "PUSH IP:c MSG:before the fork").await == "SUCCESS";
    until("c's key is known", pushed).await;
    assert_eq!(ask(&mallory, "PUSH IP:c MSG:behind it").await, "SUCCESS");
    until("both wait", async || count("waiting_out") == 2).await;
    let last = mallory.frontier_of(&origin.node).0[0].1;
    mallory.shutdown().await.unwrap();
    until("it is gone", async || !has(&c, "mallory")).await;
    let mut attacker = Attacker::linked(&net, &c).await;
    let [a, b] = [1, 2].map(|body| {
        let (previous, body) = (Digest([9; 32]), Digest([body; 32]));
        let header = BundleHeader { origin, first: last, count: 1, previous };
        let signed = signed_bytes(&attacker.endpoint.network(), &bundle_digest(&header, &body));
        SignedHeader { header, body, signature: attacker.endpoint.identity().sign(&signed) }
    });
    attacker.send(&encoded(&Frame::Proof(Proof { a, b }))).await;
    until("the fork is proven", async || c.stats().proofs == 1).await;
    assert_eq!(ask(&c, "PULL").await, "SUCCESS 1IP: mallory MSG:before the fork");
    assert_eq!((count("letters_withdrawn"), count("waiting_out")), (1, 0));
    c.shutdown().await.unwrap();
}

struct Pen<'a>(&'a Endpoint);

impl Signer for Pen<'_> {
    fn node(&self) -> NodeId {
        self.0.identity().node()
    }
    fn sign(&self, message: &[u8]) -> Signature {
        self.0.identity().sign(message)
    }
}

/// It has asked for the log and reads nothing of it, so that writing to it fails as soon as it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_neighbour_wrote_before_it_left_is_read_to_its_end() {
    const SAID: u64 = 300;
    let net = Net::new();
    let a = net.start("a", &[]).await;
    for n in 0..200 {
        say(&a, &format!("{n} {}", "x".repeat(30_000))).await;
    }
    let mut attacker = Attacker::linked(&net, &a).await;
    let nothing = Status {
        want_status: false,
        hold: false,
        heard: 0,
        fingerprint: [9; 16],
        origins: 0,
        coverage: Coverage::Range { low: Origin::MIN, high: Origin::MAX },
        entries: StatusEntries::from(&[][..]),
    };
    attacker.send(&encoded(&Frame::Status(nothing))).await;
    let stands = async || {
        let stand = || a.peers().first().map(|peer| (peer.lag, peer.bytes_out));
        let before = stand();
        tokio::time::sleep(Duration::from_millis(300)).await;
        before.is_some_and(|(lag, _)| lag > 0) && before == stand()
    };
    until("nothing more goes out", stands).await;
    let (mut frames, mut previous, origin) = (Vec::new(), Digest::ZERO, attacker.origin());
    for n in 1..=SAID {
        let mut builder = BundleBuilder::new(origin, Seq(n), previous);
        builder.push(Clock(1_000 + n), MessageKind::CHAT, "", b"before it left").unwrap();
        let bundle = seal(builder, Clock(1_000 + n), &Pen(&attacker.endpoint), &attacker.endpoint.network());
        frames.extend_from_slice(&rumor_prefix(false, false, bundle.bytes().len()).unwrap());
        frames.extend_from_slice(bundle.bytes());
        previous = bundle.digest();
    }
    assert!(attacker.send(&frames).await);
    drop(attacker);
    let all = usize::try_from(SAID).unwrap();
    until("all of it", async || {
        a.chat_log().await.unwrap().iter().filter(|text| *text == "before it left").count() == all
    })
    .await;
    a.shutdown().await.unwrap();
}
