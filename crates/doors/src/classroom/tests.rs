use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use rumormill_wire::classroom::MAX_LINE_LEN;

use super::session::MAX_PENDING;
use super::*;
use crate::service_error::ServiceError;
use crate::services::{Durable, LogPart};

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Vec<String>>>);

impl Chat for Fake {
    async fn say(&self, text: String) -> Result<Durable, ServiceError> {
        let log = Arc::clone(&self.0);
        // It shows only once it is durable, and that takes a while.
        Ok(Box::pin(async move {
            tokio::task::yield_now().await;
            log.lock().unwrap().push(text);
        }))
    }
    type Cursor = usize;
    async fn chat_part(&self, from: usize) -> Result<LogPart<usize>, ServiceError> {
        let log = self.0.lock().unwrap();
        let texts = Arc::new(log.iter().skip(from).take(2).map(String::as_str).collect());
        let next = (from + 2 < log.len()).then_some(from + 2);
        Ok(LogPart { texts, next })
    }
    async fn crash(&self, said: &mut Vec<Durable>) {
        for durable in said.drain(..) {
            durable.await;
        }
        self.0.lock().unwrap().push("crashed".into());
    }
}

async fn client() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Fake::default(), Arc::default()));
    TcpStream::connect(addr).await.unwrap()
}

async fn read(stream: &mut TcpStream, bytes: usize) -> String {
    let mut out = vec![0; bytes];
    timeout(Duration::from_secs(60), stream.read_exact(&mut out)).await.unwrap().unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn coalesced_and_cut_commands_get_one_reply_for_each_get() {
    let mut stream = client().await;
    let commands = b"get chatLog\nmsg 1 one\nmsg x no\nwhat\nmsg 2 two,  three\nget chatLog\nget chatLog\n";
    let expected = "chatLog \nchatLog one,two,  three\nchatLog one,two,  three\n";
    for byte in commands {
        stream.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(read(&mut stream, expected.len()).await, expected);
    stream.write_all(b"msg 3 four\nget chatLog\n").await.unwrap();
    let expected = "chatLog one,two,  three,four\n";
    assert_eq!(read(&mut stream, expected.len()).await, expected);
}

#[tokio::test]
async fn every_get_is_answered_once_whatever_blanks_and_line_ends_there_are() {
    let mut stream = client().await;
    let commands = b"\xef\xbb\xbfmsg  3\tone  two \r\nget  chatLog\nget\n\tget the log \r\nget \xff\nget chatlog\r\n";
    stream.write_all(commands).await.unwrap();
    let expected = "chatLog one  two\n".repeat(5);
    assert_eq!(read(&mut stream, expected.len()).await, expected);
    stream.write_all(b"msg 4 \xff\nmsg 4 \xff\ngets\nmsg 5 last\nget chatLog").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    timeout(Duration::from_secs(60), stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, "chatLog one  two,last\n", "the last line lacks its end, and two that are no text store nothing");
}

#[tokio::test]
async fn a_thousand_messages_in_one_go_are_all_there_and_in_order() {
    let mut stream = client().await;
    let texts: Vec<_> = (0..3 * MAX_PENDING).map(|n| format!("m{n}")).collect();
    let mut input: String = texts.iter().map(|text| format!("msg 1 {text}\n")).collect();
    input.push_str("get chatLog\n");
    stream.write_all(input.as_bytes()).await.unwrap();
    let expected = format!("chatLog {}\n", texts.join(","));
    assert_eq!(read(&mut stream, expected.len()).await, expected);
}

#[tokio::test]
async fn messages_of_one_connection_show_on_another_and_a_crash_has_no_reply() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Fake::default(), Arc::default()));
    let mut first = TcpStream::connect(addr).await.unwrap();
    let mut second = TcpStream::connect(addr).await.unwrap();
    first.write_all(b"msg 1 HTTP/1.1 is old\ncrashNow\nget chatLog\n").await.unwrap();
    // What was said before it had its effect first.
    let expected = "chatLog HTTP/1.1 is old,crashed\n";
    assert_eq!(read(&mut first, expected.len()).await, expected);
    second.write_all(b"get chatLog\n").await.unwrap();
    assert_eq!(read(&mut second, expected.len()).await, expected);
}

#[tokio::test]
async fn one_client_too_many_is_turned_away_and_a_place_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Fake::default(), Arc::default()));
    let mut clients = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"get chatLog\n").await.unwrap();
        assert_eq!(read(&mut stream, 9).await, "chatLog \n");
        clients.push(stream);
    }
    let mut more = TcpStream::connect(addr).await.unwrap();
    let end = timeout(Duration::from_secs(60), more.read(&mut [0; 16])).await.expect("closed");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    clients.pop();
    timeout(Duration::from_secs(60), async {
        loop {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let _ = stream.write_all(b"get chatLog\n").await;
            if matches!(stream.read(&mut [0; 16]).await, Ok(9)) {
                break;
            }
        }
    })
    .await
    .expect("a place came back");
}

#[tokio::test]
async fn a_silent_client_keeps_its_place_until_a_newcomer_needs_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, idle) = (listener.local_addr().unwrap(), Duration::from_millis(500));
    let patience = Patience { reply: REPLY_DEADLINE, idle };
    tokio::spawn(serve_within(listener, Fake::default(), Arc::default(), patience));
    let mut silent = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"get chatLog\n").await.unwrap();
        assert_eq!(read(&mut stream, 9).await, "chatLog \n");
        silent.push(stream);
    }
    tokio::time::sleep(2 * idle).await;
    // The first of them speaks again: longer silent than it is the second.
    silent[0].write_all(b"get chatLog\n").await.unwrap();
    assert_eq!(read(&mut silent[0], 9).await, "chatLog \n");
    let mut newcomer = TcpStream::connect(addr).await.unwrap();
    newcomer.write_all(b"msg 1 a\nget chatLog\n").await.unwrap();
    assert_eq!(read(&mut newcomer, 10).await, "chatLog a\n");
    let end = timeout(Duration::from_secs(60), silent[1].read(&mut [0; 16])).await.expect("closed");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    for stream in [0, 2, MAX_CLIENTS - 1] {
        silent[stream].write_all(b"get chatLog\n").await.unwrap();
        assert_eq!(read(&mut silent[stream], 10).await, "chatLog a\n");
    }
}

/// A log of many parts that counts how many were asked for.
#[derive(Clone, Default)]
struct Long(Arc<std::sync::atomic::AtomicUsize>);

/// More than the system takes for a connection.
const PARTS: usize = 512;
const PART: usize = 64 * 1_024;

impl Chat for Long {
    type Cursor = usize;
    async fn say(&self, _: String) -> Result<Durable, ServiceError> {
        Err(ServiceError::StoreFull("full".into()))
    }
    async fn chat_part(&self, from: usize) -> Result<LogPart<usize>, ServiceError> {
        self.0.fetch_add(1, Relaxed);
        Ok(LogPart {
            texts: Arc::new(["x".repeat(PART).as_str()].into_iter().collect()),
            next: (from + 1 < PARTS).then_some(from + 1),
        })
    }
    async fn crash(&self, _: &mut Vec<Durable>) {}
}

/// Until no more parts are asked for; how many were.
async fn at_rest(long: &Long) -> usize {
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = long.0.load(Relaxed);
        if now > 0 && now == before {
            return now;
        }
        before = now;
    }
}

#[tokio::test]
async fn a_reply_is_read_from_the_log_only_as_fast_as_the_client_takes_it() {
    let (long, listener) = (Long::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(serve(listener, long.clone(), Arc::default()));
    stream.write_all(b"get chatLog\n").await.unwrap();
    assert!(at_rest(&long).await < PARTS, "the whole log was read for a client that reads nothing");
    let expected = format!("chatLog {}\n", vec!["x".repeat(PART); PARTS].join(","));
    let reply = timeout(Duration::from_secs(60), read(&mut stream, expected.len())).await.unwrap();
    assert!(reply == expected, "not a byte is other than in one piece");
    assert_eq!(long.0.load(Relaxed), PARTS);
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_a_reply_is_let_go_and_counted() {
    let (long, listener) = (Long::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let counters = Arc::new(Counters::default());
    let patience = Patience { reply: Duration::from_millis(300), idle: IDLE };
    tokio::spawn(serve_within(listener, long, Arc::clone(&counters), patience));
    stream.write_all(b"get chatLog\n").await.unwrap();
    let gone = async {
        while counters.dropped_out.load(Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), gone).await.expect("let go");
    let (mut rest, whole) = (Vec::new(), PARTS * PART);
    let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await.expect("closed");
    assert!(rest.len() < whole && !rest.ends_with(b"\n"), "a reply that was cut has no end");
}

/// Connects until a newcomer has the start of a reply.
async fn until_served(addr: SocketAddr) -> TcpStream {
    let served = async {
        loop {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let _ = stream.write_all(b"get chatLog\n").await;
            if matches!(stream.read_exact(&mut [0; 8]).await, Ok(8)) {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), served).await.expect("a newcomer finds a place")
}

#[tokio::test]
async fn bytes_without_a_command_keep_no_place_and_commands_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, counters) = (listener.local_addr().unwrap(), Arc::new(Counters::default()));
    let patience = Patience { reply: REPLY_DEADLINE, idle: Duration::from_secs(1) };
    tokio::spawn(serve_within(listener, Fake::default(), Arc::clone(&counters), patience));
    let mut slow = Vec::new();
    for _ in 1..MAX_CLIENTS {
        slow.push(TcpStream::connect(addr).await.unwrap());
    }
    // Half of them say one endless line, the others lines that are no commands.
    let trickle = tokio::spawn(async move {
        loop {
            for (n, stream) in slow.iter_mut().enumerate() {
                let _ = stream.write_all(if n % 2 == 0 { b"x" } else { b"\n" }).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let honest = TcpStream::connect(addr).await.unwrap();
    let all = async {
        while counters.open.load(Relaxed) < u64::try_from(MAX_CLIENTS).unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(60), all).await.expect("all places are taken");
    let mut served = vec![honest];
    for _ in 1..MAX_CLIENTS {
        let mut newcomer = until_served(addr).await;
        assert_eq!(read(&mut newcomer, 1).await, "\n");
        served.push(newcomer);
        for stream in &mut served {
            stream.write_all(b"get chatLog\n").await.unwrap();
            assert_eq!(read(stream, 9).await, "chatLog \n", "whoever gives commands keeps its place");
        }
    }
    trickle.abort();
}

#[tokio::test]
async fn a_reply_that_is_taken_a_few_bytes_at_a_time_keeps_no_place() {
    let (long, listener) = (Long::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let addr = listener.local_addr().unwrap();
    // Little waits in the system, so that each bit that is taken makes room for another.
    socket2::SockRef::from(&listener).set_send_buffer_size(4_096).unwrap();
    let patience = Patience { reply: Duration::from_secs(10), idle: Duration::from_millis(500) };
    let counters = Arc::new(Counters::default());
    tokio::spawn(serve_within(listener, long, Arc::clone(&counters), patience));
    let mut slow = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(addr).await.unwrap();
        stream.write_all(b"get chatLog\n").await.unwrap();
        slow.push(stream);
    }
    for stream in &mut slow {
        assert_eq!(read(stream, 8).await, "chatLog ");
    }
    let trickle = tokio::spawn(async move {
        loop {
            for stream in &mut slow {
                let _ = stream.try_read(&mut [0; 512]);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    until_served(addr).await;
    assert_eq!(counters.dropped_out.load(Relaxed), 0, "they took something all the time");
    trickle.abort();
}

#[tokio::test]
async fn a_first_line_of_http_and_an_endless_line_close_the_connection() {
    let endless = vec![b'x'; MAX_LINE_LEN + 1];
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmsg 1 evil\n"[..],
        b"POST /msg HTTP/1.1\r\n",
        b"crash / HTTP/1.1\r\n",
        b"msg /1 HTTP/1.1\r\n",
        &endless,
    ] {
        let mut stream = client().await;
        let _ = stream.write_all(bytes).await;
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await.expect("closed");
        assert!(end.is_err() || rest.is_empty());
    }
}

#[tokio::test]
async fn of_whoever_begins_with_no_text_nothing_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, log, counters) = (listener.local_addr().unwrap(), Fake::default(), Arc::<Counters>::default());
    tokio::spawn(serve(listener, log.clone(), Arc::clone(&counters)));
    let begins: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 random",
        b"\x16\x03\n\x01",
        b"\n \r\n\0\x03\0\x60!\x12\xa4B",
        b"what \xff is this",
        b"\x01",
        b"GET / HTTP/1.1\r",
    ];
    for begin in begins {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let _ = stream.write_all(&[begin, b"\nmsg 1 evil\ncrash\nget chatLog\n"].concat()).await;
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await.expect("closed");
        assert!(end.is_err() || rest.is_empty(), "{begin:?}");
    }
    assert_eq!(counters.malformed.load(Relaxed), 8, "each of them, and two blank lines");
    // A message is a message in whatever character set, and what is no command is passed over; so is what comes later.
    for (begin, expected) in [(&b"msg 1 gr\xfc"[..], "chatLog one\n"), (b"\n\xef\xbb\xbfhello\r", "chatLog one,one\n")]
    {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(&[begin, b"\n\x16\x03\xff\nmsg 1 one\nget chatLog\n"].concat()).await.unwrap();
        assert_eq!(read(&mut stream, expected.len()).await, expected);
    }
    assert_eq!(*log.0.lock().unwrap(), ["one", "one"]);
}
