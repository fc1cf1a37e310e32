//! Sockets: binding them, reading them until they are empty, writing without waiting.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::pace::{Pacer, Parcel};
use crate::{Counters, DoorError, DoorKind};

/// Asked of the system for what arrives while we are busy; it may give less.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams read from one socket before others have their turn.
const MAX_BATCH: usize = 256;
/// Datagrams written before others have their turn.
const MAX_SENDS: usize = 512;
/// Room for the largest datagram there is.
pub(super) const BUFFER_LEN: usize = 65_536;
/// Ports above this are refused by the command line of the old peers, so ours are below.
const LAST_PORT: u16 = 32_767;
/// Where the search for a free port begins, and how many are tried.
const FIRST_PORT: u16 = 20_000;
const TRIES: u16 = 4_000;

fn open(addr: SocketAddr) -> io::Result<UdpSocket> {
    let addr = plain(addr);
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The system gives what it allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if addr.is_ipv6() {
        // One family a socket: its addresses have one form then.
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}

/// Binds a socket.
pub(super) fn bind(addr: SocketAddr) -> Result<UdpSocket, DoorError> {
    open(addr).map_err(DoorError::io(DoorKind::UdpMesh, "bind", addr))
}

/// Binds a socket that old peers are told of: port 0 is any free one that they would take themselves.
pub(super) fn bind_low(addr: SocketAddr, seed: u16) -> Result<UdpSocket, DoorError> {
    if addr.port() != 0 {
        return bind(addr);
    }
    let span = LAST_PORT - FIRST_PORT;
    let ports = (0..TRIES).map(|n| FIRST_PORT + seed.wrapping_add(n) % span);
    let found = ports.filter_map(|port| open(SocketAddr::new(addr.ip(), port)).ok()).next();
    found.map_or_else(|| bind(addr), Ok)
}

/// The address of a socket, as one that others can send to.
pub(super) fn addr_of(socket: &UdpSocket) -> Result<SocketAddr, DoorError> {
    socket.local_addr().map_err(DoorError::io(DoorKind::UdpMesh, "look up", "a socket"))
}

/// The address as old peers know it: an IPv4 address in IPv6 clothes is an IPv4 address.
pub(super) fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// An address of our own to be shown: not "any".
pub(super) fn shown(addr: SocketAddr) -> SocketAddr {
    match plain(addr).ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::from([127, 0, 0, 1]), addr.port()),
        ip => SocketAddr::new(ip, addr.port()),
    }
}

/// Reads what is there, but not for ever. `Err` is what the system says of a directory that is not there.
pub(super) fn drain(
    socket: &UdpSocket,
    buffer: &mut [u8],
    mut each: impl FnMut(SocketAddr, &[u8]),
) -> Result<(), io::Error> {
    for _ in 0..MAX_BATCH {
        match socket.try_recv_from(buffer) {
            Ok((len, from)) => each(plain(from), buffer.get(..len).unwrap_or_default()),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

/// A socket that is written to without waiting, at the pace of the receivers.
#[derive(Debug)]
pub(super) struct Mouth<D> {
    pub(super) socket: UdpSocket,
    pub(super) pacer: Pacer<D>,
    /// The socket had no room for it.
    held: Option<Parcel>,
}

impl<D> Mouth<D> {
    pub(super) fn new(socket: UdpSocket) -> Self {
        Self { socket, pacer: Pacer::default(), held: None }
    }

    /// Writes what is due; false if the socket has no room. Then it is worth waiting for.
    pub(super) fn flush(&mut self, now: Duration, counters: &Counters) -> bool {
        for _ in 0..MAX_SENDS {
            let Some(parcel) = self.held.take().or_else(|| self.pacer.next(now)) else { return true };
            let sent = match self.socket.try_send_to(&parcel.bytes, parcel.to) {
                Ok(len) => {
                    Counters::add(&counters.bytes_out, len);
                    Counters::one(&counters.messages_out);
                    true
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    self.held = Some(parcel);
                    return false;
                }
                Err(_) => {
                    Counters::one(&counters.dropped_out);
                    false
                }
            };
            self.pacer.sent(parcel.message, sent);
        }
        true
    }

    /// Counts what the pacer dropped.
    pub(super) fn count_dropped(&mut self, counters: &Counters) {
        Counters::add(&counters.dropped_out, self.pacer.dropped());
    }

    /// Whether a datagram waits for room in the socket.
    pub(super) const fn is_held(&self) -> bool {
        self.held.is_some()
    }
}
