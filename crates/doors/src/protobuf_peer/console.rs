//! A peer for a person at a terminal: `rumormill peer LOCAL [PEER]`. It takes the lines that the legacy program takes:
//! `<id> text`, `table`, `buffer` and `end`. Unlike that one it does not put into lower case what is typed.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use rumormill_wire::protobuf_peer::MAX_BODY_LEN;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tracing::level_filters::LevelFilter;

use super::ProtobufPeer;
use super::config::{Config, KIND, random_id};
use super::message::MAX_TEXT_LEN;
use super::net::{Calling, Net};
use super::router::SendOutcome;
use crate::cut;
use crate::error::DoorError;
use crate::port::{Incoming, port};
use crate::spec::Spec;

/// A line that is typed, in bytes.
pub const MAX_LINE_LEN: usize = MAX_BODY_LEN;

/// What the legacy program calls its log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// All that is logged, details of the protocol too.
    Debug,
    /// What happens as it should, and all that is worse.
    #[default]
    Info,
    /// What should not happen.
    Warning,
    /// What fails for good.
    Error,
    /// What ends the program; that is said in any case.
    Critical,
}

impl LogLevel {
    /// What is logged at this level.
    #[must_use]
    pub fn filter(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
            Self::Critical => LevelFilter::OFF,
        }
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "DEBUG" => Ok(Self::Debug),
            "INFO" => Ok(Self::Info),
            "WARNING" => Ok(Self::Warning),
            "ERROR" => Ok(Self::Error),
            "CRITICAL" => Ok(Self::Critical),
            _ => Err("give DEBUG, INFO, WARNING, ERROR or CRITICAL".to_owned()),
        }
    }
}

/// What the person asks for.
#[derive(Debug, Clone)]
pub struct PeerConsoleOptions {
    /// Where to listen; loopback, unless `insecure_bind` is set.
    pub local: SocketAddr,
    /// The host to join. With none we are the first.
    pub peer: Option<SocketAddr>,
    /// Our id; random if not given.
    pub desired_id: Option<i64>,
    /// Free to listen beyond loopback.
    pub insecure_bind: bool,
}

impl PeerConsoleOptions {
    fn config(&self) -> Result<Config, DoorError> {
        let mut spec = Spec::new(KIND).insecure_bind(self.insecure_bind);
        spec.set("listen", &self.local.to_string())?;
        spec.set("id", &self.desired_id.unwrap_or_else(random_id).to_string())?;
        if let Some(peer) = self.peer {
            spec.set("join", &peer.to_string())?;
        }
        Ok(Config::from_spec(&spec)?)
    }
}

/// Runs until `end`, or the end of the input.
///
/// # Errors
/// It cannot listen, or the host cannot be joined, or the output takes nothing more.
pub async fn console(
    options: PeerConsoleOptions,
    input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Result<(), DoorError> {
    let door = ProtobufPeer::bind(options.config()?).await?;
    let (stop, stopped) = watch::channel(false);
    let (port, mut room) = port("peer", stopped);
    let net = Arc::new(Net::new(door.id(), Arc::clone(&port.counters), port.into_room.clone()));
    tell(&mut output, &[format!("id {}, listening on {}", door.id(), door.local_addr())]).await?;
    let session = ConsoleSession { net: Arc::clone(&net), peer: options.peer };
    let calling = net.calling.subscribe();
    let serving = door.serve_by(port, net);
    let talking = async {
        let ended = session.talk(input, &mut output, &mut room.incoming, calling).await;
        stop.send_replace(true);
        ended
    };
    tokio::join!(serving, talking).1
}

/// What the person at the terminal works with.
struct ConsoleSession {
    net: Arc<Net>,
    peer: Option<SocketAddr>,
}

impl ConsoleSession {
    async fn talk(
        &self,
        mut input: impl AsyncBufRead + Unpin,
        output: &mut (impl AsyncWrite + Unpin),
        incoming: &mut mpsc::Receiver<Incoming>,
        mut calling: watch::Receiver<Calling>,
    ) -> Result<(), DoorError> {
        let mut typed = Typed::default();
        // What is piped in is for a peer that has joined: nothing is read before the host has answered.
        let mut waits = self.peer.is_some();
        loop {
            tokio::select! {
                line = typed.line(&mut input), if !waits => {
                    let line = line.map_err(DoorError::io(KIND, "read", "what is typed"))?;
                    match line.map(|line| self.command(&line)) {
                        Some(Some(answer)) => tell(output, &answer).await?,
                        Some(None) | None => return Ok(()),
                    }
                }
                Some(message) = incoming.recv() => {
                    // It may be the host that speaks, and it came before.
                    if calling.has_changed().unwrap_or(false) {
                        let now = calling.borrow_and_update().clone();
                        waits &= matches!(now, Calling::No | Calling::Now);
                        tell(output, &self.state(now)?).await?;
                    }
                    tell(output, &[format!("{}: {}", message.claimed, message.text)]).await?;
                }
                Ok(()) = calling.changed() => {
                    let now = calling.borrow_and_update().clone();
                    waits &= matches!(now, Calling::No | Calling::Now);
                    tell(output, &self.state(now)?).await?;
                }
            }
        }
    }

    fn state(&self, calling: Calling) -> Result<Vec<String>, DoorError> {
        let host = self.peer.map_or_else(String::new, |peer| peer.to_string());
        match calling {
            Calling::No | Calling::Now => Ok(Vec::new()),
            Calling::Joined(id) => Ok(vec![format!("joined {id} at {host}")]),
            Calling::Lost => Ok(vec![format!("the host at {host} has gone")]),
            Calling::Failed(why) => {
                Err(DoorError::Refused { door: KIND, reason: format!("cannot join {host}: {why}") })
            }
        }
    }

    /// What to answer to a line; `None` is the end.
    fn command(&self, line: &Result<String, &'static str>) -> Option<Vec<String>> {
        let line = match line {
            Ok(line) => line.trim(),
            Err(why) => return Some(vec![(*why).to_owned()]),
        };
        Some(match line.to_ascii_lowercase().as_str() {
            "end" => return None,
            "table" => self.table(),
            "buffer" => self.buffer(),
            "" => Vec::new(),
            _ => self.say(line),
        })
    }

    fn say(&self, line: &str) -> Vec<String> {
        let (id, text) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some(id) = id.parse().ok().filter(|id| *id > 0) else {
            return vec!["give `<id> text`, `table`, `buffer` or `end`".to_owned()];
        };
        if text.is_empty() {
            return vec![format!("there is no text for {id}")];
        }
        if text.len() > MAX_TEXT_LEN {
            return vec![format!("not sent: more than {MAX_TEXT_LEN} bytes")];
        }
        match self.net.send(id, text.to_owned()) {
            Ok(SendOutcome::Out) => Vec::new(),
            Ok(SendOutcome::Stored) => vec![format!("{id} is not known; kept until it is")],
            Err(_) => vec![format!("not sent: {id} is our own id")],
            Ok(SendOutcome::Dropped) => vec![format!("not sent: too much waits for {id}")],
        }
    }

    fn table(&self) -> Vec<String> {
        let rows: Vec<_> = self.net.table().into_iter().map(|(id, via)| format!("{id} via {via}")).collect();
        if rows.is_empty() { vec!["nobody is known".to_owned()] } else { rows }
    }

    fn buffer(&self) -> Vec<String> {
        let rows =
            self.net.buffer().into_iter().map(|kept| format!("for {} from {}: {}", kept.to, kept.from, kept.text));
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() { vec!["nothing is kept".to_owned()] } else { rows }
    }
}

/// Writes lines. What came from outside must not move the cursor, nor look like two lines.
async fn tell(output: &mut (impl AsyncWrite + Unpin), lines: &[String]) -> Result<(), DoorError> {
    let text: String = lines.iter().map(|line| format!("{}\n", cut::shown(line))).collect();
    let written = async {
        output.write_all(text.as_bytes()).await?;
        output.flush().await
    };
    written.await.map_err(DoorError::io(KIND, "write", "the output"))
}

/// What has been typed of the next line. Keeps it when the wait for more is given up.
#[derive(Default)]
struct Typed {
    line: Vec<u8>,
    too_long: bool,
}

impl Typed {
    /// The next line; `None` at the end of the input. The error inside is for the person.
    async fn line(
        &mut self,
        input: &mut (impl AsyncBufRead + Unpin),
    ) -> std::io::Result<Option<Result<String, &'static str>>> {
        loop {
            let bytes = input.fill_buf().await?;
            let ended = bytes.is_empty();
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            self.too_long |= self.line.len().saturating_add(part.len()) > MAX_LINE_LEN;
            if !self.too_long {
                self.line.extend_from_slice(part);
            }
            let used = part.len().saturating_add(usize::from(end.is_some()));
            input.consume(used);
            if ended && self.line.is_empty() && !self.too_long {
                return Ok(None);
            }
            if ended || end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Result<String, &'static str> {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return Err("not sent: the line is too long");
        }
        String::from_utf8(line).map_err(|_| "not sent: the line is not UTF-8")
    }
}
