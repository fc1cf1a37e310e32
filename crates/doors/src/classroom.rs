//! The control port: the classroom proxy interface as a process answers it (`rumormill_wire::classroom`).
//!
//! Messages are taken in the order in which they come, without waiting for the disk; a `get chatLog` waits for those before
//! it on its connection, so it shows them. There is one reply to each `get`, and none to anything else.
//!
//! A proxy may die without its `stopall`. Whoever comes next in the same directory must find empty logs, so a process whose
//! starter ends while a client is connected is [`deserted`](Chat::deserted).

mod seats;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::classroom::{ClassroomError, ClassroomFault, LogReply, MAX_LINE_LEN, ProcessLine, line_len};
use rustix::process::{Pid, getppid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::listen::{Share, listen};
use crate::take::Taker;
use crate::{Counters, DoorError, DoorKind, Porch, Spec, SpecError};
use seats::{Seat, Seats};

/// Connections to a control port at once.
pub const MAX_CLIENTS: usize = 64;
/// A client that takes no byte of a reply for so long is dropped.
pub const REPLY_DEADLINE: Duration = Duration::from_secs(30);
/// With all places taken, a client from which no byte came for so long makes room for a newcomer.
pub const IDLE: Duration = Duration::from_secs(60);
/// Messages of one connection that are not yet durable.
const MAX_PENDING: usize = 1_024;
/// A process that ends closes its connections first: so long after a client has gone, its starter is looked for.
const LINGER: Duration = Duration::from_secs(1);

/// Resolves when a message is durable, or never will be.
pub type Durable = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A part of the log.
#[derive(Debug)]
pub struct LogPart<P> {
    /// Its texts, in order.
    pub texts: Vec<String>,
    /// Where the next part begins, if this one is not the last.
    pub next: Option<P>,
}

/// What the control port drives.
pub trait Chat: Clone + Send + Sync + 'static {
    /// Takes a message; waits only while too many wait before it. What it gives resolves once the message is durable.
    /// An error says why the message was not taken; nothing was stored then.
    fn say(&self, text: String) -> impl Future<Output = Result<Durable, String>> + Send;

    /// Where a part of the log begins; the default is where the log does.
    type Place: Default + Send;

    /// The next texts of the log, in order. Asked for only once those before are written, so that a reply is never in memory
    /// as a whole.
    fn chat_part(&self, from: Self::Place) -> impl Future<Output = Result<LogPart<Self::Place>, String>> + Send;

    /// Ends the process once what its client has `said` before has had its effect: it is durable and has left for the neighbours.
    /// From here on nothing new is passed on. Does nothing where that is not offered.
    fn crash(&self, said: &mut Vec<Durable>) -> impl Future<Output = ()> + Send;

    /// A client has gone, and with it the process that had started this one.
    fn deserted(&self) {}
}

/// Checked settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
}

impl Config {
    /// Checks what was asked for: `classroom,listen=127.0.0.1:10000`.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen"], &[])?;
        Ok(Self { listen: spec.listen(None)? })
    }
}

/// A control port that is bound and not yet served.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Door {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(config: Config) -> Result<Self, DoorError> {
        let failed = |why| DoorError::io(DoorKind::Classroom, "listen on", config.listen)(why);
        let listener = listen(config.listen, Share::No).map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local_addr })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the node stops. The room's messages are asked for, never pushed, so those of the porch go nowhere.
    pub async fn run<C: Chat>(self, mut porch: Porch, chat: C) {
        let counters = Arc::clone(&porch.counters);
        tokio::select! {
            () = serve(self.listener, chat, counters) => {}
            _ = porch.stop.wait_for(|stop| *stop) => {}
            () = async { while porch.from_room.recv().await.is_some() {} } => {}
        }
    }
}

/// Serves until the task is dropped.
pub async fn serve<C: Chat>(listener: TcpListener, chat: C, counters: Arc<Counters>) {
    serve_within(listener, chat, counters, Patience { reply: REPLY_DEADLINE, idle: IDLE }).await;
}

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    reply: Duration,
    idle: Duration,
}

async fn serve_within<C: Chat>(listener: TcpListener, chat: C, counters: Arc<Counters>, patience: Patience) {
    let seats = Seats::new(patience.idle, Arc::clone(&counters));
    let taker = Taker::new(&listener, "control port", &counters);
    loop {
        let (stream, _) = taker.take().await;
        let Some(seat) = seats.take() else {
            warn!("control port: {MAX_CLIENTS} clients already, none silent for {IDLE:?}; one more is turned away");
            continue;
        };
        let (chat, counters) = (chat.clone(), Arc::clone(&counters));
        let starter = getppid();
        tokio::spawn(async move {
            let (pending, told, refused, reply_deadline) = (Vec::new(), false, String::new(), patience.reply);
            let session =
                Session { stream, seat, chat: chat.clone(), pending, counters, told, refused, reply_deadline };
            if let Err(why) = session.run().await {
                debug!(%why, "control connection ended");
            }
            if has_gone(starter).await {
                chat.deserted();
            }
        });
    }
}

/// Whether our starter, which is our parent as long as it lives, ends about now. One that had left us to ourselves before is
/// not waited for.
async fn has_gone(starter: Option<Pid>) -> bool {
    let mut pause = Duration::from_millis(1);
    while pause < LINGER {
        if getppid() != starter {
            return true;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    false
}

struct Session<C> {
    stream: TcpStream,
    seat: Seat,
    chat: C,
    pending: Vec<Durable>,
    counters: Arc<Counters>,
    /// A line that was not UTF-8 was said.
    told: bool,
    /// Why a message was not taken, as it was said last.
    refused: String,
    reply_deadline: Duration,
}

/// Whether a first line comes from a web page: a browser lets one reach any port of this machine. A message may well speak
/// of HTTP, but no request looks like a message: where that has its number, a request has a path.
fn is_http(line: &[u8]) -> bool {
    let methods =
        [&b"GET /"[..], b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"CONNECT ", b"PRI *"];
    let is_message = matches!(ProcessLine::parse(line), Ok(ProcessLine::Msg { .. }));
    methods.iter().any(|method| line.starts_with(method)) || !is_message && line.windows(5).any(|part| part == b"HTTP/")
}

impl<C: Chat> Session<C> {
    async fn run(mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(4_096);
        let (mut first, mut ended) = (true, false);
        loop {
            let mut used = 0;
            while let Some(rest) = buffer.get(used..) {
                let Ok(length) = line_len(rest) else {
                    warn!("control port: a line longer than {MAX_LINE_LEN} bytes; the connection is closed");
                    return Ok(());
                };
                let Some(length) = length else { break };
                let line = rest.get(..length.saturating_sub(1)).unwrap_or_default();
                if std::mem::take(&mut first) && is_http(line) {
                    warn!("control port: a first line of HTTP; the connection is closed");
                    return Ok(());
                }
                let line = line.to_vec();
                used += length;
                self.line(&line).await?;
            }
            buffer.drain(..used);
            if ended {
                return Ok(());
            }
            self.seat.wait();
            let read = tokio::select! {
                read = self.stream.read_buf(&mut buffer) => read?,
                () = self.seat.lost() => 0,
            };
            if !self.seat.serve() {
                debug!("control port: a client that was silent makes room");
                return Ok(());
            }
            Counters::add(&self.counters.bytes_in, read);
            if read == 0 {
                ended = true;
                if !buffer.is_empty() {
                    // The last line may lack its end.
                    buffer.push(b'\n');
                }
            }
        }
    }

    async fn line(&mut self, line: &[u8]) -> std::io::Result<()> {
        match ProcessLine::parse(line) {
            Ok(ProcessLine::Msg { text, .. }) => {
                if self.pending.len() >= MAX_PENDING {
                    self.settle().await;
                }
                match self.chat.say(text.to_owned()).await {
                    Ok(durable) => {
                        Counters::one(&self.counters.messages_in);
                        self.pending.push(durable);
                    }
                    Err(why) => {
                        Counters::one(&self.counters.dropped_in);
                        // Said once for each reason; further ones of this connection are only counted.
                        if why != self.refused {
                            warn!("control port: a message was not taken: {why}");
                            self.refused = why;
                        }
                    }
                }
            }
            Ok(ProcessLine::GetChatLog) => {
                self.settle().await;
                self.reply().await?;
            }
            Ok(ProcessLine::Crash { .. }) => self.chat.crash(&mut self.pending).await,
            Err(why) => self.malformed(why),
        }
        Ok(())
    }

    /// What is no command stores nothing. That a line is not UTF-8 is said, once for a connection: it was meant as a message.
    fn malformed(&mut self, why: ClassroomError) {
        Counters::one(&self.counters.malformed);
        if why.reason == ClassroomFault::Utf8 && !std::mem::replace(&mut self.told, true) {
            warn!(%why, "control port: a line stores nothing; further ones of this connection are only counted");
        } else {
            debug!(%why, "control port: a line that is no command");
        }
    }

    async fn settle(&mut self) {
        for durable in self.pending.drain(..) {
            durable.await;
        }
    }

    /// Writes the log part by part, each once the client has taken the one before.
    async fn reply(&mut self) -> std::io::Result<()> {
        let (mut out, mut reply, mut from) = (Vec::new(), None, Some(C::Place::default()));
        while let Some(place) = from.take() {
            let part = match self.chat.chat_part(place).await {
                Ok(part) => part,
                Err(why) => {
                    // The asker waits for a line: an empty log would be a lie, so the connection ends.
                    warn!("control port: the log cannot be read: {why}");
                    return Err(std::io::Error::other(why));
                }
            };
            let mut log = reply.take().unwrap_or_else(|| LogReply::begin(&mut out));
            part.texts.iter().for_each(|text| log.message(text, &mut out));
            from = part.next;
            if from.is_some() {
                reply = Some(log);
            } else {
                log.end(&mut out);
            }
            self.write(&out).await?;
            // What one part needed is not kept for the next.
            out = Vec::new();
        }
        Ok(())
    }

    async fn write(&mut self, mut out: &[u8]) -> std::io::Result<()> {
        while !out.is_empty() {
            let Ok(written) = timeout(self.reply_deadline, self.stream.write(out)).await else {
                Counters::one(&self.counters.dropped_out);
                warn!("control port: a client took nothing of a reply for {:?}; it is let go", self.reply_deadline);
                return Err(std::io::ErrorKind::TimedOut.into());
            };
            let written = written?;
            if written == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            Counters::add(&self.counters.bytes_out, written);
            out = out.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<Vec<String>>>);

    impl Chat for Fake {
        async fn say(&self, text: String) -> Result<Durable, String> {
            let log = Arc::clone(&self.0);
            // It shows only once it is durable, and that takes a while.
            Ok(Box::pin(async move {
                tokio::task::yield_now().await;
                log.lock().unwrap().push(text);
            }))
        }
        type Place = usize;
        async fn chat_part(&self, from: usize) -> Result<LogPart<usize>, String> {
            let log = self.0.lock().unwrap();
            let texts: Vec<_> = log.iter().skip(from).take(2).cloned().collect();
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
        let commands =
            b"\xef\xbb\xbfmsg  3\tone  two \r\nget  chatLog\nget\n\tget the log \r\nget \xff\nget chatlog\r\n";
        stream.write_all(commands).await.unwrap();
        let expected = "chatLog one  two\n".repeat(5);
        assert_eq!(read(&mut stream, expected.len()).await, expected);
        stream.write_all(b"msg 4 \xff\nmsg 4 \xff\ngets\nmsg 5 last\nget chatLog").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = String::new();
        timeout(Duration::from_secs(60), stream.read_to_string(&mut rest)).await.unwrap().unwrap();
        assert_eq!(
            rest, "chatLog one  two,last\n",
            "the last line lacks its end, and two that are no text store nothing"
        );
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
        type Place = usize;
        async fn say(&self, _: String) -> Result<Durable, String> {
            Err("full".into())
        }
        async fn chat_part(&self, from: usize) -> Result<LogPart<usize>, String> {
            self.0.fetch_add(1, Relaxed);
            Ok(LogPart { texts: vec!["x".repeat(PART)], next: (from + 1 < PARTS).then_some(from + 1) })
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

    #[tokio::test]
    async fn a_starter_that_lives_is_no_reason_to_go() {
        assert!(!has_gone(getppid()).await);
        assert!(has_gone(Pid::from_raw(i32::MAX)).await, "somebody else is our parent now");
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
}
