//! Accepting: connections pass admission control, shake hands beside each other, and come out as links.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::endpoint::Endpoint;
use crate::link::Opened;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::stream::{Counted, Stream};
use crate::tcp::set_up;

/// Connections that the system may hold for us. When it holds no more, a newcomer tries again only after a second, so this is
/// many; the system's own bound (`net.core.somaxconn`) is below it where that is lower.
const BACKLOG: u32 = 4_096;
/// Authenticated links that wait to be taken by [`Listener::accept`]: as many as a node has by
/// default.
const ACCEPT_QUEUE: usize = 64;
/// A shortage of descriptors is said once in so long: it lasts, and its log needs descriptors and disk too.
const SHORT_SAID_EVERY: Duration = Duration::from_secs(60);

/// A listening socket. Dropping it closes it; links live on.
#[derive(Debug)]
pub struct Listener {
    links: mpsc::Receiver<Opened>,
    addr: SocketAddr,
    task: AbortHandle,
}

impl Endpoint {
    /// Listens, and takes connections from now on whether [`Listener::accept`] is called or not.
    ///
    /// # Errors
    /// The address is taken, or lies beyond this machine while the CA is the automatic one.
    pub async fn bind(&self, addr: SocketAddr) -> io::Result<Listener> {
        self.check_scope(addr).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why.to_string()))?;
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A node that restarts takes its address again at once.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Ok(self.listen(socket.listen(BACKLOG)?))
    }

    /// Accepts from a socket that listens already.
    #[must_use]
    pub fn listen(&self, socket: TcpListener) -> Listener {
        Listener::start(self.clone(), socket)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    pub(crate) fn start(endpoint: Endpoint, socket: TcpListener) -> Self {
        let addr = socket.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let (ready, links) = mpsc::channel(ACCEPT_QUEUE);
        let task = tokio::spawn(accept_all(endpoint, socket, ready));
        Self { links, addr, task: task.abort_handle() }
    }

    /// Where it listens, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next authenticated link. Handshakes run beside each other; those that fail are logged and counted, not seen
    /// here. `None` once the socket is closed.
    pub async fn accept(&mut self) -> Option<Opened> {
        self.links.recv().await
    }
}

async fn accept_all(endpoint: Endpoint, socket: TcpListener, ready: mpsc::Sender<Opened>) {
    let mut said = None;
    loop {
        let (tcp, addr) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(why) => {
                // Out of file descriptors, most likely: go on when some are free.
                debug!(%why, "accept");
                make_room(&endpoint, &mut said);
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        Metrics::add(&endpoint.0.metrics.accepted, 1);
        if endpoint.check_scope(addr).is_err() {
            // A socket that was bound elsewhere: `bind` would have refused it.
            endpoint.0.metrics.refuse(Refusal::Scope);
            info!(target: "rumormill::transport", peer = %addr, reason = %Refusal::Scope, "handshake refused");
            continue;
        }
        if !endpoint.admission(|admission| admission.within_rate(addr.ip(), endpoint.0.clock.now())) {
            Metrics::add(&endpoint.0.metrics.over_rate, 1);
            continue;
        }
        let Some(tcp) = within_descriptors(&endpoint, tcp, &mut said).await else { continue };
        let (begin, begun) = oneshot::channel();
        let task = tokio::spawn({
            let (endpoint, ready) = (endpoint.clone(), ready.clone());
            async move {
                let Ok(id) = begun.await else { return };
                let deadline = endpoint.0.deadline;
                let result = match timeout(deadline, handshake(&endpoint, tcp, addr)).await {
                    // It keeps its slot until it is taken, so that links which wait are bounded too.
                    Ok(Ok(opened)) => ready.send_timeout(opened, deadline).await.map_err(|_| Refusal::Overload),
                    Ok(Err(reason)) => Err(reason),
                    Err(_) => Err(Refusal::Timeout),
                };
                endpoint.admission(|admission| admission.leave(id));
                if let Err(reason) = result {
                    endpoint.0.metrics.refuse(reason);
                    info!(target: "rumormill::transport", peer = %addr, %reason, "handshake refused");
                }
            }
        });
        let (id, ended) = endpoint.admission(|admission| admission.enter(addr.ip(), task.abort_handle()));
        Metrics::add(&endpoint.0.metrics.evicted, ended);
        let _ = begin.send(id);
    }
}

/// Gives a connection that leaves alone the descriptors kept for files: one that has such a number gets that of an older
/// handshake, which makes room, or is closed.
async fn within_descriptors(endpoint: &Endpoint, tcp: TcpStream, said: &mut Option<Instant>) -> Option<TcpStream> {
    /// What was ended gives its descriptor back when its task is looked at.
    const TRIES: u32 = 10;
    let first_kept = endpoint.0.descriptors;
    if tcp.as_raw_fd() < first_kept {
        return Some(tcp);
    }
    if !make_room(endpoint, said) {
        return None;
    }
    let tcp = tcp.into_std().ok()?;
    for _ in 0..TRIES {
        // A copy has the lowest number that is free.
        let copy = tcp.try_clone().ok().filter(|copy| copy.as_raw_fd() < first_kept);
        if let Some(copy) = copy {
            drop(tcp);
            return TcpStream::from_std(copy).ok();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

/// Descriptors run short: the oldest handshake of the fullest prefix makes room. Says whether there was one.
fn make_room(endpoint: &Endpoint, said: &mut Option<Instant>) -> bool {
    let ended = endpoint.admission(|admission| admission.make_room(1));
    Metrics::add(&endpoint.0.metrics.descriptors_short, 1);
    Metrics::add(&endpoint.0.metrics.evicted, ended);
    if said.is_none_or(|at| at.elapsed() >= SHORT_SAID_EVERY) {
        *said = Some(Instant::now());
        let so_far = endpoint.0.metrics.descriptors_short.load(std::sync::atomic::Ordering::Relaxed);
        warn!(
            target: "rumormill::transport", so_far,
            "descriptors run short: links are taken only as older handshakes end; raise the limit (`ulimit -n`, LimitNOFILE)"
        );
    }
    ended > 0
}

async fn handshake(endpoint: &Endpoint, tcp: TcpStream, addr: SocketAddr) -> Result<Opened, Refusal> {
    const TLS_HANDSHAKE: u8 = 0x16;
    set_up(&tcp);
    let mut first = [0];
    match tcp.peek(&mut first).await {
        Ok(1) if first == [TLS_HANDSHAKE] => {}
        Ok(0) | Err(_) => return Err(Refusal::Lost),
        Ok(_) => return Err(Refusal::NotTls),
    }
    let current = endpoint.current();
    let stream = current.acceptor.accept(Counted::new(tcp)).await.map_err(|why| Refusal::of_io(&why))?;
    endpoint.opened(Stream::Server(stream), addr, &current.identity)
}
