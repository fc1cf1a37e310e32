//! Accepting: connections come through the gate, shake hands beside each other, and come out as links.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tracing::{debug, info};

use crate::endpoint::{Endpoint, Opened};
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::stream::{Counted, Stream};

/// Authenticated links that wait to be taken by [`Listener::accept`].
const ACCEPT_QUEUE: usize = 64;

/// A listening socket. Dropping it closes it; links live on.
#[derive(Debug)]
pub struct Listener {
    links: mpsc::Receiver<Opened>,
    addr: SocketAddr,
    task: AbortHandle,
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

    /// Where it listens.
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
    loop {
        let (tcp, addr) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(why) => {
                // Out of file descriptors, most likely: go on when some are free.
                debug!(%why, "accept");
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
        if !endpoint.gate(|gate| gate.within_rate(addr.ip(), Instant::now())) {
            Metrics::add(&endpoint.0.metrics.over_rate, 1);
            continue;
        }
        let (begin, begun) = oneshot::channel();
        let task = tokio::spawn({
            let (endpoint, ready) = (endpoint.clone(), ready.clone());
            async move {
                let Ok(pass) = begun.await else { return };
                let deadline = endpoint.0.deadline;
                let result = match timeout(deadline, handshake(&endpoint, tcp, addr)).await {
                    // It keeps its slot until it is taken, so that links which wait are bounded too.
                    Ok(Ok(opened)) => ready.send_timeout(opened, deadline).await.map_err(|_| Refusal::Overload),
                    Ok(Err(reason)) => Err(reason),
                    Err(_) => Err(Refusal::Timeout),
                };
                endpoint.gate(|gate| gate.leave(pass));
                if let Err(reason) = result {
                    endpoint.0.metrics.refuse(reason);
                    info!(target: "rumormill::transport", peer = %addr, %reason, "handshake refused");
                }
            }
        });
        let (pass, ended) = endpoint.gate(|gate| gate.enter(addr.ip(), task.abort_handle()));
        Metrics::add(&endpoint.0.metrics.evicted, ended);
        let _ = begin.send(pass);
    }
}

async fn handshake(endpoint: &Endpoint, tcp: TcpStream, addr: SocketAddr) -> Result<Opened, Refusal> {
    const TLS_HANDSHAKE: u8 = 0x16;
    let _ = tcp.set_nodelay(true);
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
