//! The node's end of the local socket: answers what `rumormill_api` asks.

mod lines;
mod log;
mod places;

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rumormill_api::{Frontier, Info, Reply, Request, RevocationPart, Sent, utc};
use rumormill_doors::take::{Shortage, Untaken};
use rumormill_limits::file::{create_dir, is_ours};
use rumormill_wire::NodeId;
use rumormill_wire::hex::Hex;
use rumormill_wire::native::MessageKind;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};

use crate::counters::Counters;
use crate::descriptors;
use crate::handle::NodeHandle;
use lines::{Out, gone, next_line};
use log::{MAX_LAST, Wanted, log};
use places::{Slot, Slots};

pub use crate::socket_error::SocketError;
pub use crate::socket_limits::{MAX_ASKING, MAX_CLIENTS, MAX_FOLLOWERS, MAX_PATH};
pub use lines::Times;

/// The listening socket; its file goes when this does.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of its file.
    file: (u64, u64),
    times: Times,
}

impl Drop for Server {
    fn drop(&mut self) {
        // By now another node's may be there, or a file of somebody's.
        if is_ours(&self.path, self.file.0, self.file.1) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Server {
    /// Listens, for the owner alone. A socket that a dead node left behind is replaced.
    ///
    /// # Errors
    /// The path is too long or taken, or the file system refuses.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        Self::check(path)?;
        let io = |action| {
            let path = path.to_owned();
            move |source| SocketError::Io { action, path, source }
        };
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            // One that is there stays as it is, and may be one like `/tmp`.
            create_dir(dir).map_err(io("make the directory of"))?;
        }
        clear(path)?;
        // Made under another name and renamed once its mode is set, so that nobody else can ever connect.
        let beside = path.with_extension(format!("{}.new", std::process::id()));
        let beside = if beside.as_os_str().as_bytes().len() < MAX_PATH { beside } else { path.to_owned() };
        clear(&beside)?;
        let listener = UnixListener::bind(&beside).map_err(io("listen at"))?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).map_err(io("set the mode of"))?;
        if beside != path {
            fs::rename(&beside, path).map_err(io("name"))?;
        }
        let facts = fs::symlink_metadata(path).map_err(io("look at"))?;
        Ok(Self { listener, path: path.to_owned(), file: (facts.dev(), facts.ino()), times: Times::default() })
    }

    /// Sees that a socket can have this path. Makes nothing.
    ///
    /// # Errors
    /// It is too long.
    pub fn check(path: &Path) -> Result<(), SocketError> {
        let len = path.as_os_str().as_bytes().len();
        if len >= MAX_PATH { Err(SocketError::TooLong { path: path.to_owned(), len }) } else { Ok(()) }
    }

    /// The path of the socket, for clients.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same with other times: for tests that cannot wait.
    #[must_use]
    pub fn with_times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// Serves clients until the node stops.
    pub async fn serve(self, node: NodeHandle) {
        let slots = Slots::default();
        let short = Shortage::default();
        loop {
            let accepted = tokio::select! {
                () = node.stopped() => break,
                accepted = self.listener.accept() => accepted,
            };
            let counters = &node.0.driver.counters;
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(why) => {
                    Counters::add(&counters.socket_refused, 1);
                    short.one("local socket", &why.into());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let me = rustix::process::geteuid().as_raw();
            // The user that connected, as the system noted it then. One that is not known is nobody's.
            let user = stream.peer_cred().map_or(u32::MAX, |found| found.uid());
            if !places::is_answered(user, me) {
                Counters::add(&counters.socket_strangers, 1);
                tracing::warn!(user, "another user is at the local socket and is not answered: see its mode");
                places::turn_away(&stream, &places::not_yours(user, me));
                continue;
            }
            let slot = match slots.ask() {
                Some(_) if stream.as_raw_fd() >= descriptors::first_kept_from_the_owner() => {
                    Err(Untaken::Descriptors(places::NO_DESCRIPTOR.to_owned()))
                }
                Some(slot) => Ok(slot),
                None => Err(Untaken::Other(places::TOO_MANY_ASKING.to_owned())),
            };
            let slot = match slot {
                Ok(slot) => slot,
                Err(why) => {
                    Counters::add(&counters.socket_refused, 1);
                    short.one("local socket", &why);
                    places::turn_away(&stream, why.why());
                    continue;
                }
            };
            let (node, slots, times) = (node.clone(), slots.clone(), self.times);
            tokio::spawn(async move {
                match serve_client(&node, stream, slot, &slots, times).await {
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                        Counters::add(&node.0.driver.counters.socket_dropped, 1);
                        tracing::info!(%error, "a client at the local socket was let go");
                    }
                    Err(error) => tracing::debug!(%error, "a client at the local socket is gone"),
                    Ok(()) => {}
                }
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
    match probe(path) {
        // A node that takes no more connections is one too.
        Ok(()) => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(SocketError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| io("replace", error))
        }
        Err(error) => Err(io("try", error)),
    }
}

/// Whether anybody listens there. Does not wait: a node that hangs takes no connection for as long as it does.
fn probe(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?)
}

async fn serve_client(
    node: &NodeHandle,
    stream: UnixStream,
    asking: Slot,
    slots: &Slots,
    times: Times,
) -> io::Result<()> {
    let (read, write) = stream.into_split();
    let (mut lines, mut out) = (BufReader::new(read), Out::new(write, times));
    let mut first = true;
    while let Some(line) = next_line(&mut lines, first.then_some(times.request), times.request).await? {
        first = false;
        Counters::add(&node.0.driver.counters.socket_requests, 1);
        match serde_json::from_slice(&line) {
            Ok(Request::Log { follow: true, room, last, mark }) => {
                let Some(_following) = slots.follow() else {
                    Counters::add(&node.0.driver.counters.socket_refused, 1);
                    out.say(&Reply::Error(places::TOO_MANY_FOLLOWING.to_owned())).await?;
                    continue;
                };
                // Its slot among those that ask is for others.
                drop(asking);
                let wanted = Wanted { follow: true, room, last: last.map(|n| n.min(MAX_LAST)), mark };
                return tokio::select! {
                    done = log(node, &mut out, wanted) => done,
                    // A follower that has gone is noticed by its closing, not by the next message.
                    () = gone(&mut lines) => Ok(()),
                };
            }
            Ok(Request::Log { room, last, mark, .. }) => {
                let wanted = Wanted { follow: false, room, last: last.map(|n| n.min(MAX_LAST)), mark };
                log(node, &mut out, wanted).await?;
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

async fn answer(node: &NodeHandle, request: Request) -> Reply {
    match request {
        Request::Send { text, room, kind } => send(node, text, &room, kind.as_deref()).await,
        Request::Peers => Reply::Peers(node.peers()),
        Request::Unlinked => Reply::Unlinked(node.unlinked()),
        Request::Doors => Reply::Doors(node.doors()),
        Request::Metrics => Reply::Metrics(node.metrics().into_iter().collect()),
        Request::Info => Reply::Info(info(node)),
        Request::Frontier { node: id } => match id.parse::<NodeId>() {
            Ok(id) => {
                let (chains, left_out) = node.frontier_of(&id);
                let chains = chains.into_iter().map(|(incarnation, last)| (incarnation.0, last.0)).collect();
                Reply::Frontier(Frontier { network: node.network().to_string(), chains, left_out })
            }
            Err(error) => Reply::Error(format!("node: {error}")),
        },
        Request::RevocationPart { place } => Reply::RevocationPart(revocation_part(node, place)),
        Request::Shutdown => {
            node.stop();
            Reply::Stopping {}
        }
        Request::Log { .. } => Reply::Error("answered elsewhere".to_owned()),
    }
}

fn revocation_part(node: &NodeHandle, place: u8) -> RevocationPart {
    let list = node.revocations();
    let part = list.part(place).map(|part| Hex(part.bytes()).to_string());
    RevocationPart { network: node.network().to_string(), list: list.number(), part }
}

fn info(node: &NodeHandle) -> Info {
    let (list, (from, until)) = (node.revocations(), node.certificate_valid());
    Info {
        name: node.name().to_owned(),
        node: node.node_id().to_string(),
        incarnation: node.me().incarnation.0,
        listen: node.local_addr().to_string(),
        fingerprint: Hex(&node.fingerprint()).to_string(),
        certificate_not_before: from,
        certificate_not_after: until,
        revocations: list.number(),
        revocations_issued: list.issued(),
        revoked_nodes: list.len(),
        revocations_file: node.revocations_file(),
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
        Err(error) if error.is_asked_wrongly() => Reply::Wrong(error.to_string()),
        Err(error) => Reply::Error(error.to_string()),
    }
}
