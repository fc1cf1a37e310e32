//! Takes connections and hands over what they say.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumormill_wire::peer_line::Online;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::dial::share_port;
use super::session::{Heard, Session};
use super::table::{Named, Table};
use super::talk::Talk;
use crate::limits::ByAddress;
use crate::{Counters, DoorError, DoorKind};

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 256;
/// Connections at once from one address, loopback aside.
pub const MAX_BY_ADDRESS: usize = 32;
/// So long a new connection has its place for sure. With all places taken by such, the next one waits unaccepted.
const GRACE: Duration = Duration::from_millis(200);
/// Connections that the system keeps for us.
const BACKLOG: u32 = 1_024;
/// New connections of one address in a second, loopback aside; and at once.
const PER_S: NonZeroU32 = NonZeroU32::new(50).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(200).unwrap();
/// What the system keeps of datagrams.
const DATAGRAM_BUFFER: usize = 1 << 20;
/// How often a free port is looked for that both TCP and UDP have.
const PORT_TRIES: usize = 16;

/// Where what was heard goes.
pub trait Sink: Clone + Send + Sync + 'static {
    /// Takes a message from an address, waiting for a place; false if nobody listens any more. `left`: its sender was in
    /// the table and no longer is.
    fn take(&self, heard: Heard, left: bool, from: IpAddr) -> impl Future<Output = bool> + Send;

    /// A datagram with addresses came.
    fn answer(&self, _from: SocketAddr, _online: Online<'_>) {}
}

/// Sockets that are bound.
#[derive(Debug)]
pub struct Listener {
    /// Where messages come in.
    pub tcp: TcpListener,
    /// Where the question comes in; may be missing where another program has that port.
    pub udp: Option<UdpSocket>,
    /// Where both are.
    pub local: SocketAddr,
}

impl Listener {
    /// Binds both. `share`: connections are also made from this port. `both`: without the datagrams there is nothing.
    ///
    /// # Errors
    /// The port is taken, or not ours to take.
    pub async fn bind(addr: SocketAddr, share: bool, both: bool) -> Result<Self, DoorError> {
        let failed = |why| DoorError::io(DoorKind::PeerLine, "listen on", addr)(why);
        let mut tries = 0;
        loop {
            tries += 1;
            let tcp = listen(addr, share).map_err(failed)?;
            let local = tcp.local_addr().map_err(failed)?;
            match datagrams(local).await {
                Ok(udp) => return Ok(Self { tcp, udp: Some(udp), local }),
                Err(_) if addr.port() == 0 && tries < PORT_TRIES => {}
                Err(why) if both => return Err(DoorError::io(DoorKind::PeerLine, "take datagrams on", local)(why)),
                Err(why) => {
                    debug!(%local, %why, "peer-line: nobody can ask who is online");
                    return Ok(Self { tcp, udp: None, local });
                }
            }
        }
    }
}

fn listen(addr: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if share {
        share_port(&socket)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

async fn datagrams(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(addr).await?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(DATAGRAM_BUFFER);
    Ok(socket)
}

/// What all connections share.
#[derive(Debug, Clone)]
pub struct Hall<S> {
    table: Arc<Mutex<Table>>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Where what was heard goes.
    pub sink: S,
}

impl<S: Sink> Hall<S> {
    /// For a table, counters and a sink.
    pub fn new(table: Arc<Mutex<Table>>, counters: Arc<Counters>, sink: S) -> Self {
        Self { table, counters, sink }
    }

    /// The table.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what was heard into the table, and hands it over; false if nobody listens any more.
    pub async fn hear(&self, session: &mut Session, heard: Heard, at: IpAddr) -> bool {
        let left = self.note(session, &heard, at);
        self.sink.take(heard, left, session.from()).await
    }

    fn note(&self, session: &mut Session, heard: &Heard, at: IpAddr) -> bool {
        let Some(who) = &heard.who else { return false };
        if heard.exit {
            return self.table().exit(who.addr, session.from());
        }
        let named = self.table().name(who.addr, who.form, session.from(), at, session.may_name());
        match named {
            Named::Added => session.named(),
            Named::Full => Counters::one(&self.counters.refused_full),
            Named::Own | Named::Known => {}
        }
        false
    }
}

struct Place {
    ip: IpAddr,
    useful: Arc<Useful>,
    task: AbortHandle,
}

/// When a connection last said something useful.
#[derive(Debug)]
pub struct Useful {
    born: Instant,
    /// Milliseconds after it began, plus one; 0 for never.
    at: AtomicU64,
}

impl Useful {
    fn new() -> Self {
        Self { born: Instant::now(), at: AtomicU64::new(0) }
    }

    /// Now.
    pub fn now(&self) {
        let ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.at.store(ms.saturating_add(1), Ordering::Relaxed);
    }

    /// Whether it ever did, and when it last did or began.
    fn rank(&self) -> (bool, Instant) {
        match self.at.load(Ordering::Relaxed) {
            0 => (false, self.born),
            ms => (true, self.born + Duration::from_millis(ms)),
        }
    }
}

/// The connections.
struct Places<S> {
    hall: Hall<S>,
    tasks: JoinSet<()>,
    places: HashMap<Id, Place>,
    by_address: ByAddress,
}

/// Takes connections until the task is dropped.
pub async fn serve<S: Sink>(listener: TcpListener, hall: Hall<S>) {
    let by_address = ByAddress::new(PER_S, BURST);
    let mut places = Places { hall, tasks: JoinSet::new(), places: HashMap::new(), by_address };
    loop {
        tokio::select! {
            Some(ended) = places.tasks.join_next_with_id() => places.ended(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => places.admit(stream, from.ip().to_canonical()).await,
                Err(why) => {
                    debug!(%why, "peer-line: cannot take a connection");
                    sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
}

impl<S: Sink> Places<S> {
    async fn admit(&mut self, stream: TcpStream, ip: IpAddr) {
        let counters = Arc::clone(&self.hall.counters);
        if !ip.is_loopback() {
            let here = self.places.values().filter(|place| place.ip == ip).count();
            if here >= MAX_BY_ADDRESS || !self.by_address.allows(ip) {
                return Counters::one(&counters.refused_rate);
            }
        }
        while self.places.len() >= MAX_CONNECTIONS {
            self.make_place().await;
        }
        let useful = Arc::new(Useful::new());
        let talk = Talk::new(stream, ip, self.hall.clone(), Arc::clone(&useful));
        let task = self.tasks.spawn(async move {
            if let Err(why) = talk.run().await {
                debug!(%ip, %why, "peer-line: a connection ended");
            }
        });
        self.places.insert(task.id(), Place { ip, useful, task });
        Counters::one(&counters.opened);
        Counters::set(&counters.open, self.places.len());
        // Whoever was taken first speaks first, however many more there are.
        tokio::task::yield_now().await;
    }

    /// Closes the connection that has said nothing useful for longest, unless it is too new for that: then waits.
    async fn make_place(&mut self) {
        let least = self.places.iter().min_by_key(|(_, place)| place.useful.rank()).map(|(id, place)| (*id, place));
        let Some((id, place)) = least else { return };
        let age = place.useful.rank().1.elapsed();
        if age >= GRACE {
            place.task.abort();
            self.places.remove(&id);
            Counters::one(&self.hall.counters.refused_full);
        } else if let Ok(Some(ended)) = timeout(GRACE - age, self.tasks.join_next_with_id()).await {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = ended.map_or_else(|why| why.id(), |(id, ())| id);
        self.places.remove(&id);
        Counters::set(&self.hall.counters.open, self.places.len());
    }
}
