//! The protobuf door over real sockets, against bytes written out by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rumormill_doors::protobuf_peer::console::{Options, console};
use rumormill_doors::protobuf_peer::hub::{MAX_NEW, MAX_PEERS};
use rumormill_doors::protobuf_peer::message::{MAX_TEXT_LEN, Said};
use rumormill_doors::protobuf_peer::{Config, Door};
use rumormill_doors::{Outgoing, RoomEnd, Spec, porch};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(5);

struct Running {
    addr: SocketAddr,
    room: RoomEnd,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn door(keys: &str) -> Running {
    let spec: Spec = format!("protobuf-peer,listen=127.0.0.1:0,{keys}").parse().unwrap();
    let door = Door::bind(Config::from_spec(&spec).unwrap()).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let (porch, room) = porch("alice", stopped);
    Running { addr: door.local_addr(), room, stop, task: tokio::spawn(door.run(porch)) }
}

impl Running {
    async fn heard(&mut self) -> (String, String) {
        let message = timeout(SOON, self.room.incoming.recv()).await.expect("a message").expect("open");
        (message.claimed, message.text)
    }

    fn give(&self, text: &str) -> oneshot::Receiver<Result<(), String>> {
        let (done, result) = oneshot::channel();
        let line = format!("alice@c0de: {text}");
        let out = Outgoing { sender: "alice".into(), text: text.into(), line, to: None, done: Some(done) };
        self.room.give(out).unwrap();
        result
    }

    /// Waits until a counter is what it should be.
    async fn counts(&self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let now = || self.room.counters.named().into_iter().find(|(found, _)| *found == name).unwrap().1;
        let end = Instant::now() + SOON;
        while !wanted(now()) {
            assert!(Instant::now() < end, "{name} is {}", now());
            sleep(Duration::from_millis(5)).await;
        }
        now()
    }
}

struct Peer(TcpStream);

impl Peer {
    async fn dial(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    /// Dials and says who it is; takes the answer of the host 10.
    async fn joined(addr: SocketAddr, id: i64) -> Self {
        let mut peer = Self::dial(addr).await;
        peer.says(Said::Start { id }).await;
        assert_eq!(peer.hears().await, Said::Welcome { id: 10 });
        peer
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn says(&mut self, said: Said) {
        self.send(&said.frame().unwrap()).await;
    }

    async fn gets(&mut self, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        timeout(SOON, self.0.read_exact(&mut found)).await.expect("bytes in time").expect("bytes");
        assert_eq!(found, bytes);
    }

    async fn try_hear(&mut self) -> Option<Said> {
        let len = self.0.read_u32().await.ok()?;
        let mut body = vec![0; len as usize];
        self.0.read_exact(&mut body).await.ok()?;
        Some(Said::decode(&body).unwrap())
    }

    async fn hears(&mut self) -> Said {
        timeout(SOON, self.try_hear()).await.expect("a frame in time").expect("a frame")
    }

    async fn ends(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(SOON, self.0.read_to_end(&mut rest)).await.expect("closed in time");
        assert!(end.is_err() || rest.is_empty(), "{rest:02x?} before the end");
    }
}

fn text(from: i64, to: i64, text: &str) -> Said {
    Said::Text { from, to, text: text.into() }
}

fn claimed(id: i64, text: &str) -> (String, String) {
    (id.to_string(), text.to_owned())
}

const START_12: &[u8] = b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0c";
const WELCOME_10: &[u8] = b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x0a";
const REFUSED: &[u8] = b"\x00\x00\x00\x06\x08\x04\x2a\x02\x10\x01";
const JOIN_11: &[u8] = b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x12\x04\x08\x0b\x10\x0a";
const VIA_A: &[u8] = b"\x00\x00\x00\x0f\x08\x01\x12\x0b\x08\x0c\x10\x0b\x1a\x05via A";

#[tokio::test]
async fn a_host_speaks_as_the_older_one_to_the_byte() {
    let mut door = door("id=10").await;
    let mut a = Peer::dial(door.addr).await;
    a.send(b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0b").await;
    a.gets(WELCOME_10).await;
    let mut b = Peer::dial(door.addr).await;
    b.send(START_12).await;
    b.gets(WELCOME_10).await;
    b.gets(JOIN_11).await;
    a.gets(b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x12\x04\x08\x0c\x10\x0a").await;
    b.send(VIA_A).await;
    a.gets(VIA_A).await;
    b.says(text(12, 10, "Hello, Room")).await;
    assert_eq!(door.heard().await, claimed(12, "Hello, Room"));
    let done = door.give("hi\nthere");
    for (peer, id) in [(&mut a, 11), (&mut b, 12)] {
        assert_eq!(peer.hears().await, text(10, id, "alice@c0de: hi\nthere"));
    }
    assert_eq!(timeout(SOON, done).await.unwrap().unwrap(), Ok(()));
    assert_eq!(door.counts("messages_out", |n| n == 2).await, 2);
    drop(b);
    a.gets(b"\x00\x00\x00\x0a\x08\x02\x1a\x06\x08\x01\x1a\x02\x08\x0c").await;
    // It may come back under its id.
    Peer::joined(door.addr, 12).await;
}

#[tokio::test]
async fn frames_come_coalesced_and_cut_at_any_place() {
    let mut door = door("id=10").await;
    let mut stream = START_12.to_vec();
    for n in 0..20 {
        stream.extend(text(12, 10, &format!("grüße {n}")).frame().unwrap());
    }
    for size in [1, 3, 4, 7, 1_000] {
        let mut peer = Peer::dial(door.addr).await;
        peer.0.set_nodelay(true).unwrap();
        for piece in stream.chunks(size) {
            peer.send(piece).await;
            tokio::task::yield_now().await;
        }
        peer.gets(WELCOME_10).await;
        for n in 0..20 {
            assert_eq!(door.heard().await, claimed(12, &format!("grüße {n}")));
        }
        drop(peer);
        door.counts("open", |n| n == 0).await;
    }
}

#[tokio::test]
async fn ids_that_are_taken_ours_or_none_are_refused_and_the_link_is_closed() {
    let door = door("id=10").await;
    let _twelve = Peer::joined(door.addr, 12).await;
    for id in [12, 10, 0, -1] {
        let mut other = Peer::dial(door.addr).await;
        // More than the start, as one who does not wait for the answer sends it.
        other.says(Said::Start { id }).await;
        other.says(text(id, 10, "too early")).await;
        let mut answer = Vec::new();
        timeout(SOON, other.0.read_to_end(&mut answer)).await.expect("closed").expect("no reset");
        assert_eq!(answer, REFUSED, "{id}");
    }
    assert_eq!(door.counts("refused_other", |n| n >= 4).await, 4);
    door.counts("open", |n| n == 1).await;
}

#[tokio::test]
async fn a_message_waits_for_its_receiver_and_comes_before_the_announcements() {
    let door = door("id=10").await;
    let mut a = Peer::joined(door.addr, 11).await;
    a.says(text(11, 12, "first")).await;
    a.says(text(11, 12, "second")).await;
    a.says(text(11, 11, "a mark, so that all before it has been read")).await;
    let mut mark = Peer::joined(door.addr, 50).await;
    assert_eq!(mark.hears().await, Said::Join { id: 11, via: 10 });
    assert_eq!(a.hears().await, Said::Join { id: 50, via: 10 });
    a.says(text(11, 50, "read")).await;
    assert_eq!(mark.hears().await, text(11, 50, "read"));
    let mut b = Peer::joined(door.addr, 12).await;
    assert_eq!(b.hears().await, text(11, 12, "first"));
    assert_eq!(b.hears().await, text(11, 12, "second"));
    assert_eq!(b.hears().await, Said::Join { id: 11, via: 10 });
    assert_eq!(b.hears().await, Said::Join { id: 50, via: 10 });
}

#[tokio::test]
async fn what_is_no_frame_closes_its_link_and_touches_nothing_else() {
    let mut door = door("id=10").await;
    let mut honest = Peer::joined(door.addr, 12).await;
    let long = 200_000u32.to_be_bytes();
    let cases: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /msg HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        &long,
        b"\x00\x00\x00\x02\x08\x80",
        b"\x00\x00\x00\x02\x08\x03",
        b"\x00\x00\x00\x06\x08\x04\x22\x02\x08\x0d",
        b"\x00\x00\x00\x04\x22\x02\x08\x0d",
        b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x0d",
    ];
    for (n, bytes) in cases.iter().enumerate() {
        let mut bad = Peer::dial(door.addr).await;
        bad.send(bytes).await;
        bad.ends().await;
        let id = 100 + i64::try_from(n).unwrap();
        let mut late = Peer::joined(door.addr, id).await;
        assert_eq!(late.hears().await, Said::Join { id: 12, via: 10 });
        late.send(bytes).await;
        late.ends().await;
        assert_eq!(honest.hears().await, Said::Join { id, via: 10 });
        assert_eq!(honest.hears().await, Said::Leave { id });
    }
    honest.says(text(12, 10, "still here")).await;
    assert_eq!(door.heard().await, claimed(12, "still here"));
}

#[tokio::test]
async fn a_frame_that_ends_in_the_middle_is_counted() {
    let door = door("id=10").await;
    let mut peer = Peer::joined(door.addr, 12).await;
    peer.send(&VIA_A[..9]).await;
    peer.0.shutdown().await.unwrap();
    peer.ends().await;
    door.counts("malformed", |n| n == 1).await;
}

#[tokio::test]
async fn a_text_is_cut_to_what_the_older_program_takes() {
    let mut door = door("id=10").await;
    let mut peer = Peer::joined(door.addr, 12).await;
    door.give(&"é".repeat(100_000));
    let Said::Text { text: found, .. } = peer.hears().await else { panic!("no text") };
    assert!(found.len() <= MAX_TEXT_LEN && found.len() > MAX_TEXT_LEN - 4 && found.ends_with('…'), "{}", found.len());
    assert_eq!(door.room.counters.cut.load(Ordering::Relaxed), 1);
    // The older program may send a little more than it takes.
    let long = "x".repeat(100_000);
    let body = [b"\x08\x01\x12\xa8\x8d\x06\x08\x0c\x10\x0a\x1a\xa0\x8d\x06", long.as_bytes()].concat();
    peer.send(&[&u32::try_from(body.len()).unwrap().to_be_bytes(), &body[..]].concat()).await;
    assert_eq!(door.heard().await, claimed(12, &long));
}

#[tokio::test]
async fn a_message_that_nobody_takes_is_said_to_be_so() {
    let door = door("id=10").await;
    let result = timeout(SOON, door.give("anyone?")).await.unwrap().unwrap();
    assert!(result.unwrap_err().contains("nobody"));
    let (done, result) = oneshot::channel();
    let to = Some([127, 0, 0, 2].into());
    door.room
        .give(Outgoing { sender: "a".into(), text: "t".into(), line: "a: t".into(), to, done: Some(done) })
        .unwrap();
    assert!(timeout(SOON, result).await.unwrap().unwrap().is_err());
}

/// A host written here: takes one connection and its start.
async fn host(listener: &TcpListener, start: &[u8], answer: &[u8]) -> Peer {
    let (stream, _) = timeout(SOON, listener.accept()).await.expect("a call").unwrap();
    let mut peer = Peer(stream);
    peer.gets(start).await;
    peer.send(answer).await;
    peer
}

const START_10: &[u8] = b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0a";
const WELCOME_1: &[u8] = b"\x00\x00\x00\x06\x08\x04\x2a\x02\x08\x01";

#[tokio::test]
async fn a_joiner_dials_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut door = door(&format!("id=10,join={addr}")).await;
    let mut host = host(&listener, START_10, WELCOME_1).await;
    host.says(Said::Join { id: 2, via: 1 }).await;
    host.says(text(2, 10, "from afar")).await;
    assert_eq!(door.heard().await, claimed(2, "from afar"));
    door.give("hi");
    assert_eq!(host.hears().await, text(10, 1, "alice@c0de: hi"));
    assert_eq!(host.hears().await, text(10, 2, "alice@c0de: hi"));
    let mut b = Peer::joined(door.addr, 12).await;
    assert_eq!(b.hears().await, Said::Join { id: 1, via: 10 });
    assert_eq!(b.hears().await, Said::Join { id: 2, via: 10 });
    assert_eq!(host.hears().await, Said::Join { id: 12, via: 10 });
    drop(host);
    door.counts("open", |n| n == 1).await;
    // The host is gone: nothing is said of it, and nobody dials again.
    assert!(timeout(Duration::from_millis(1_500), listener.accept()).await.is_err());
    b.says(text(12, 10, "on")).await;
    assert_eq!(door.heard().await, claimed(12, "on"));
}

#[tokio::test]
async fn a_joiner_dials_again_if_it_is_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut door = door(&format!("id=10,join={addr},retry=1s")).await;
    let mut refusing = host(&listener, START_10, REFUSED).await;
    refusing.ends().await;
    let lost = host(&listener, START_10, WELCOME_1).await;
    drop(lost);
    let mut back = host(&listener, START_10, WELCOME_1).await;
    back.says(text(1, 10, "again")).await;
    assert_eq!(door.heard().await, claimed(1, "again"));
    let done = door.give("back");
    assert_eq!(back.hears().await, text(10, 1, "alice@c0de: back"));
    assert_eq!(timeout(SOON, done).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn a_door_that_stops_closes_all_within_a_second() {
    let door = door("id=10").await;
    let mut peers = Vec::new();
    for id in 11..14 {
        peers.push(Peer::joined(door.addr, id).await);
    }
    let mut idle = Peer::dial(door.addr).await;
    door.counts("open", |n| n == 4).await;
    let start = Instant::now();
    door.stop.send_replace(true);
    timeout(SOON, door.task).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    idle.ends().await;
    for mut peer in peers {
        while let Some(said) = timeout(SOON, peer.try_hear()).await.unwrap() {
            assert!(matches!(said, Said::Join { .. }), "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_do_not_shut_out_an_honest_one() {
    let mut door = door("id=10").await;
    let mut honest = Peer::joined(door.addr, 12).await;
    honest.says(text(12, 10, "first")).await;
    assert_eq!(door.heard().await, claimed(12, "first"));
    let mut idle = Vec::new();
    for n in 0..1_000i64 {
        let mut peer = Peer::dial(door.addr).await;
        if n % 2 == 0 {
            peer.says(Said::Start { id: 1_000 + n }).await;
        }
        idle.push(peer);
    }
    door.counts("opened", |n| n == 1_001).await;
    let mut late = Peer::joined(door.addr, 13).await;
    late.says(text(13, 10, "late")).await;
    honest.says(text(12, 10, "early")).await;
    let mut heard = [door.heard().await, door.heard().await];
    heard.sort();
    assert_eq!(heard, [claimed(12, "early"), claimed(13, "late")]);
    let open = door.counts("open", |_| true).await;
    assert!(open <= u64::try_from(MAX_NEW + MAX_PEERS).unwrap(), "{open}");
}

/// xorshift: the same run every time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn frame(&mut self) -> Vec<u8> {
        let id = |draw: &mut Self| i64::try_from(draw.below(40)).unwrap() - 1;
        let said = match self.below(6) {
            0 => Said::Start { id: 100 + id(self) },
            1 => Said::Welcome { id: id(self) },
            2 => Said::Join { id: 10_000 + id(self), via: id(self) },
            3 => Said::Leave { id: 10_000 + id(self) },
            _ => text(
                id(self),
                [10, 12, 77, 10_003][usize::try_from(self.below(4)).unwrap()],
                &"x".repeat(usize::try_from(self.below(300)).unwrap()),
            ),
        };
        let mut frame = said.frame().unwrap();
        if self.below(4) == 0 {
            let at = usize::try_from(self.below(frame.len() as u64)).unwrap();
            frame[at] = self.next().to_le_bytes()[0];
        }
        frame
    }
}

/// One who sends whatever he likes, as fast as he can, and often comes back.
async fn attack(addr: SocketAddr, seed: u64, end: Instant) {
    let mut draw = Draw(seed);
    while Instant::now() < end {
        let Ok(mut stream) = TcpStream::connect(addr).await else { continue };
        let mut bytes = match draw.below(3) {
            0 => Said::Start { id: i64::try_from(1_000 + draw.below(5_000)).unwrap() }.frame().unwrap(),
            _ => Vec::new(),
        };
        for _ in 0..draw.below(200) {
            bytes.extend(draw.frame());
        }
        let cut = usize::try_from(draw.below(bytes.len() as u64 + 1)).unwrap();
        let _ = timeout(Duration::from_millis(200), stream.write_all(&bytes[..cut])).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn torture() {
    let time = if std::env::var_os("RUMORMILL_TEST_LONG").is_some() { 60 } else { 2 };
    let mut door = door("id=10").await;
    let end = Instant::now() + Duration::from_secs(time);
    let attackers: Vec<_> = (1..=8).map(|n| tokio::spawn(attack(door.addr, n * 7_919, end))).collect();
    // Whoever is admitted may still be crowded out by the flood before he has spoken; then he comes back, as a person would.
    let (mut served, mut again) = (0, 0);
    let mut honest = None;
    while Instant::now() < end {
        if honest.is_none() {
            let mut peer = Peer::dial(door.addr).await;
            let hello = [Said::Start { id: 12 }.frame().unwrap(), text(12, 10, "honest").frame().unwrap()].concat();
            again += 1;
            honest = peer.0.write_all(&hello).await.is_ok().then_some(peer);
        }
        let Some(peer) = &mut honest else { continue };
        let mark = format!("mark {served}");
        let sent = peer.0.write_all(&text(12, 10, &mark).frame().unwrap()).await.is_ok();
        let found = sent && timeout(Duration::from_secs(1), find(&mut door.room, &mark)).await.is_ok();
        if found {
            served += 1;
        } else {
            honest = None;
        }
        // He also reads what he is told.
        let mut rest = vec![0; 65_536];
        if let Some(peer) = &mut honest {
            while matches!(peer.0.try_read(&mut rest), Ok(1..)) {}
        }
    }
    for attacker in attackers {
        attacker.await.unwrap();
    }
    let open = door.counts("open", |_| true).await;
    assert!(open <= u64::try_from(MAX_NEW + MAX_PEERS).unwrap(), "{open}");
    assert!(
        served > time * 20 && again < time * 5,
        "{served} messages, {again} links; {:?}",
        door.room.counters.named()
    );
    door.stop.send_replace(true);
    timeout(SOON, door.task).await.unwrap().unwrap();
}

async fn find(room: &mut RoomEnd, mark: &str) {
    while room.incoming.recv().await.expect("open").text != mark {}
}

/// A console with its terminal.
struct Terminal {
    typed: DuplexStream,
    shown: BufReader<DuplexStream>,
    task: JoinHandle<Result<(), String>>,
}

impl Terminal {
    fn open(desired_id: Option<i64>, peer: Option<SocketAddr>) -> Self {
        let (typed, input) = tokio::io::duplex(4_096);
        let (output, shown) = tokio::io::duplex(4_096);
        let local = ([127, 0, 0, 1], 0).into();
        let options = Options { local, peer, desired_id, insecure_bind: false };
        let task = tokio::spawn(async move {
            console(options, BufReader::new(input), output).await.map_err(|why| why.to_string())
        });
        Self { typed, shown: BufReader::new(shown), task }
    }

    async fn types(&mut self, line: &str) {
        self.typed.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn shows(&mut self) -> String {
        use tokio::io::AsyncBufReadExt as _;
        let mut line = String::new();
        timeout(SOON, self.shown.read_line(&mut line)).await.expect("a line in time").unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// Reads the line that says who and where it is.
    async fn addr(&mut self) -> SocketAddr {
        self.shows().await.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn two_consoles_talk() {
    let mut a = Terminal::open(Some(10), None);
    let addr = a.addr().await;
    a.types("table").await;
    assert_eq!(a.shows().await, "nobody is known");
    a.types("12 Kept For You,  With Spaces").await;
    assert_eq!(a.shows().await, "12 is not known; kept until it is");
    a.types("buffer").await;
    assert_eq!(a.shows().await, "for 12 from 10: Kept For You,  With Spaces");
    let mut b = Terminal::open(Some(12), Some(addr));
    assert!(b.shows().await.starts_with("id 12, listening on 127.0.0.1:"));
    assert_eq!(b.shows().await, format!("joined 10 at {addr}"));
    assert_eq!(b.shows().await, "10: Kept For You,  With Spaces");
    a.types("BUFFER").await;
    assert_eq!(a.shows().await, "nothing is kept");
    a.types("table").await;
    assert_eq!(a.shows().await, "12 via 12");
    b.types("10 grüße\r").await;
    assert_eq!(a.shows().await, "12: grüße");
    for (line, answer) in [
        ("hello", "give `<id> text`, `table`, `buffer` or `end`"),
        ("0 nobody", "give `<id> text`, `table`, `buffer` or `end`"),
        ("12", "there is no text for 12"),
        ("10 me", "not sent: 10 is our own id"),
    ] {
        a.types(line).await;
        assert_eq!(a.shows().await, answer, "{line}");
    }
    a.types("end").await;
    assert_eq!(timeout(SOON, a.task).await.unwrap().unwrap(), Ok(()));
    assert_eq!(b.shows().await, format!("the host at {addr} has gone"));
    drop(b.typed);
    assert_eq!(timeout(SOON, b.task).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn what_is_piped_in_waits_for_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut piped = Terminal::open(Some(12), Some(addr));
    piped.types("10 hello\nend").await;
    piped.addr().await;
    let start = b"\x00\x00\x00\x06\x08\x03\x22\x02\x08\x0c";
    let mut host = host(&listener, start, b"").await;
    sleep(Duration::from_millis(50)).await;
    host.says(Said::Welcome { id: 10 }).await;
    assert_eq!(piped.shows().await, format!("joined 10 at {addr}"));
    assert_eq!(host.hears().await, text(12, 10, "hello"));
    host.ends().await;
    assert_eq!(timeout(SOON, piped.task).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn a_console_that_cannot_join_says_so_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut refused = Terminal::open(Some(10), Some(addr));
    refused.addr().await;
    let _host = host(&listener, START_10, REFUSED).await;
    let why = timeout(SOON, refused.task).await.unwrap().unwrap().unwrap_err();
    assert!(why.contains("refused our id"), "{why}");
    drop(listener);
    let alone = Terminal::open(None, Some(addr));
    let why = timeout(SOON, alone.task).await.unwrap().unwrap().unwrap_err();
    assert!(why.contains(&format!("cannot join {addr}")), "{why}");
    let none = Terminal::open(Some(0), None);
    assert!(timeout(SOON, none.task).await.unwrap().unwrap().unwrap_err().contains("id: `0`"));
}

#[tokio::test]
async fn what_comes_from_outside_does_not_move_the_cursor() {
    let mut a = Terminal::open(Some(10), None);
    let mut peer = Peer::joined(a.addr().await, 12).await;
    peer.says(text(12, 10, "one\n99: two\x1b[2J")).await;
    assert_eq!(a.shows().await, "12: one 99: two [2J");
    let long = "x".repeat(200_000);
    a.types(&long).await;
    assert_eq!(a.shows().await, "not sent: the line is too long");
    a.typed.write_all(b"12 \xff\n").await.unwrap();
    assert_eq!(a.shows().await, "not sent: the line is not UTF-8");
}
