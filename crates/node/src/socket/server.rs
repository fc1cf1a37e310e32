//! The node's end of the local socket.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumormill_wire::native::MessageKind;
use rumormill_wire::{NodeId, Origin};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{Info, MAX_CLIENTS, MAX_LINE, MAX_PATH, Reply, Request, Sent};
use crate::counters::Counters;
use crate::files;
use crate::handle::{MAX_PAGE, NodeHandle};
use crate::view::{Message, utc};

/// A client that reads nothing for so long is let go.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Messages that `log` can be asked for by `last`.
const MAX_LAST: usize = 100_000;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit in a socket's address.
    #[error("socket: {} has {len} bytes; {} is the most a socket's path can have; name a shorter one with --socket",
        path.display(), MAX_PATH - 1)]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        len: usize,
    },
    /// Another node answers there.
    #[error("socket: another node answers at {}", .0.display())]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("socket: {} is there and is no socket", .0.display())]
    NoSocket(PathBuf),
    /// The file system.
    #[error("socket: cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The listening socket; its file goes when this does.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Server {
    /// Listens, for the owner alone. A socket that a dead node left behind is replaced.
    ///
    /// # Errors
    /// The path is too long or taken, or the file system refuses.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let len = path.as_os_str().as_bytes().len();
        if len >= MAX_PATH {
            return Err(SocketError::TooLong { path: path.to_owned(), len });
        }
        let io = |action| {
            let path = path.to_owned();
            move |source| SocketError::Io { action, path, source }
        };
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            files::private_dir(dir).map_err(io("make the directory of"))?;
        }
        clear(path)?;
        // Made under another name and renamed once its mode is set, so that nobody else can ever connect.
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let beside = if beside.as_os_str().as_bytes().len() < MAX_PATH { beside } else { path.to_owned() };
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside).map_err(io("listen at"))?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).map_err(io("set the mode of"))?;
        if beside != path {
            fs::rename(&beside, path).map_err(io("name"))?;
        }
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves clients until the node stops.
    pub async fn serve(self, node: NodeHandle) {
        let room = Arc::new(Semaphore::new(MAX_CLIENTS));
        loop {
            let accepted = tokio::select! {
                () = node.stopped() => break,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
                tracing::warn!("too many clients at the local socket");
                continue;
            };
            let node = node.clone();
            tokio::spawn(async move {
                if let Err(error) = serve_client(&node, stream).await {
                    tracing::debug!(%error, "a client at the local socket is gone");
                }
                drop(place);
            });
        }
    }
}

/// Takes away what a dead node left behind, and nothing else.
fn clear(path: &Path) -> Result<(), SocketError> {
    let io = |action, source| SocketError::Io { action, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("look at", error)),
        Ok(facts) if !facts.file_type().is_socket() => return Err(SocketError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| io("replace", error))
        }
        Err(error) => Err(io("try", error)),
    }
}

/// What goes to a client.
struct Out(BufWriter<OwnedWriteHalf>);

impl Out {
    async fn put(&mut self, reply: &Reply) -> io::Result<()> {
        let mut line = serde_json::to_vec(reply).map_err(io::Error::other)?;
        line.push(b'\n');
        timeout(WRITE_DEADLINE, self.0.write_all(&line)).await?
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(WRITE_DEADLINE, self.0.flush()).await?
    }

    async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        self.put(reply).await?;
        self.flush().await
    }
}

async fn serve_client(node: &NodeHandle, stream: UnixStream) -> io::Result<()> {
    let (read, write) = stream.into_split();
    let (mut lines, mut out) = (BufReader::new(read), Out(BufWriter::new(write)));
    while let Some(line) = next_line(&mut lines).await? {
        Counters::add(&node.0.hub.counters.socket_requests, 1);
        match serde_json::from_slice(&line) {
            Ok(Request::Log { follow, room, last, mark }) => {
                let wanted = Wanted { follow, room, last: last.map(|n| n.min(MAX_LAST)), mark };
                tokio::select! {
                    done = log(node, &mut out, wanted) => done?,
                    // A follower that has gone is noticed by its closing, not by the next message.
                    _ = gone(&mut lines), if follow => return Ok(()),
                }
            }
            Ok(request) => {
                let reply = answer(node, request).await;
                out.say(&reply).await?;
            }
            Err(error) => out.say(&Reply::Error(format!("not a request: {error}"))).await?,
        }
    }
    Ok(())
}

/// A line without its end; `None` at the end of the stream.
async fn next_line(lines: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    let read = (&mut *lines).take(most).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        _ if read == MAX_LINE => Err(io::Error::new(io::ErrorKind::InvalidData, "a line too long")),
        _ if read == 0 => Ok(None),
        _ => Ok(Some(line)),
    }
}

async fn gone(lines: &mut BufReader<OwnedReadHalf>) {
    while lines.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
        let all = lines.buffer().len();
        lines.consume(all);
    }
}

async fn answer(node: &NodeHandle, request: Request) -> Reply {
    match request {
        Request::Send { text, room, kind } => send(node, text, &room, kind.as_deref()).await,
        Request::Peers => Reply::Peers(node.peers()),
        Request::Doors => Reply::Doors(node.doors()),
        Request::Metrics => Reply::Metrics(node.metrics().into_iter().collect()),
        Request::Info => Reply::Info(Info {
            name: node.name().to_owned(),
            node: node.node_id().to_string(),
            incarnation: node.me().incarnation.0,
            listen: node.local_addr().to_string(),
            fingerprint: node.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect(),
        }),
        Request::Frontier { node: id } => match id.parse::<NodeId>() {
            Ok(id) => Reply::Frontier(node.frontier_of(&id).into_iter().map(|(i, seq)| (i.0, seq.0)).collect()),
            Err(error) => Reply::Error(format!("node: {error}")),
        },
        Request::Shutdown => {
            node.stop();
            Reply::Stopping {}
        }
        Request::Log { .. } => Reply::Error("answered elsewhere".to_owned()),
    }
}

async fn send(node: &NodeHandle, text: String, room: &str, kind: Option<&str>) -> Reply {
    let kind = match kind {
        None | Some("chat") => MessageKind::CHAT,
        Some("notice") => MessageKind::NOTICE,
        Some(other) => return Reply::Error(format!("kind: `{other}` is not allowed; give chat or notice")),
    };
    let receipt = match node.submit(kind, room, text).await {
        Ok(pending) => pending.await,
        Err(error) => Err(error),
    };
    match receipt {
        Ok(receipt) => Reply::Sent(Sent {
            origin: receipt.origin.node.to_string(),
            incarnation: receipt.origin.incarnation.0,
            seq: receipt.seq.0,
            time: utc(receipt.clock.0),
        }),
        Err(error) => Reply::Error(error.to_string()),
    }
}

/// What of the log is asked for.
struct Wanted {
    follow: bool,
    room: Option<String>,
    last: Option<usize>,
    mark: bool,
}

async fn log(node: &NodeHandle, out: &mut Out, asked: Wanted) -> io::Result<()> {
    let Wanted { follow, room, last, mark } = asked;
    // Following begins before the log is read, so that nothing falls between; what is in both is shown once.
    let mut coming = follow.then(|| node.subscribe());
    let wanted = |message: &Message| room.as_ref().is_none_or(|room| *room == message.room);
    let mut shown: HashMap<Origin, u64> = HashMap::new();
    let mut tail = VecDeque::new();
    let mut after = None;
    loop {
        let page = match node.page(after, MAX_PAGE).await {
            Ok(page) => page,
            Err(error) => return out.say(&Reply::Error(error.to_string())).await,
        };
        after = page.last().map(|message| message.place).or(after);
        let more = page.len() == MAX_PAGE;
        for message in page {
            let seq = shown.entry(message.place.origin).or_default();
            *seq = (*seq).max(message.place.seq.0);
            if !wanted(&message) {
                continue;
            }
            match last {
                None => out.put(&line(node, &message)).await?,
                Some(last) => {
                    tail.push_back(message);
                    tail.drain(..tail.len().saturating_sub(last));
                }
            }
        }
        if !more {
            break;
        }
    }
    for message in tail {
        out.put(&line(node, &message)).await?;
    }
    if follow && mark {
        out.put(&Reply::Current {}).await?;
    }
    out.flush().await?;
    while let Some(coming) = &mut coming {
        let committed = tokio::select! {
            () = node.stopped() => break,
            committed = coming.recv() => committed,
        };
        match committed {
            Ok(committed) => {
                for message in node.rules().bundle(&committed) {
                    let seen = shown.get(&message.place.origin).is_some_and(|seq| message.place.seq.0 <= *seq);
                    if !seen && wanted(&message) {
                        out.put(&line(node, &message)).await?;
                    }
                }
                out.flush().await?;
            }
            Err(RecvError::Lagged(bundles)) => out.say(&Reply::Missed { bundles }).await?,
            Err(RecvError::Closed) => break,
        }
    }
    out.say(&Reply::End {}).await
}

fn line(node: &NodeHandle, message: &Message) -> Reply {
    Reply::Line(message.line(node.name_of(&message.place.origin.node)))
}
