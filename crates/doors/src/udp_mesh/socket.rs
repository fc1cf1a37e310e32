//! Sockets: binding them, and reading them until they are empty.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::config::KIND;
use crate::address::canonical;
use crate::error::DoorError;

/// Asked of the system for what arrives while we are busy; it may give less.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Datagrams read from one socket before others have their turn.
const MAX_BATCH: usize = 256;
/// Room for the largest datagram there is.
pub(super) const BUFFER_LEN: usize = 65_536;
/// Ports above this are refused by the command line of the legacy peers, so ours are below.
const LAST_PORT: u16 = 32_767;
/// A free port is looked for from here to [`LAST_PORT`]. Linux gives out those above by itself, so few programs have one here.
const FIRST_PORT: u16 = 20_000;
/// Ports that are tried. If none of them is free the system chooses one, which legacy peers may refuse.
const TRIES: u16 = 4_000;

fn open(addr: SocketAddr) -> io::Result<UdpSocket> {
    let addr = canonical(addr);
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

/// Binds a socket with a large buffer, for one family of addresses.
pub(super) fn bind(addr: SocketAddr) -> Result<UdpSocket, DoorError> {
    open(addr).map_err(DoorError::io(KIND, "bind", addr))
}

/// Binds a socket that legacy peers are told of: port 0 is any free one that they would take themselves.
pub(super) fn bind_low(addr: SocketAddr, seed: u16) -> Result<UdpSocket, DoorError> {
    if addr.port() != 0 {
        return bind(addr);
    }
    let span = LAST_PORT.saturating_sub(FIRST_PORT);
    let place = |n| seed.wrapping_add(n).checked_rem(span).unwrap_or_default();
    let ports = (0..TRIES).map(|n| FIRST_PORT.saturating_add(place(n)));
    let found = ports.filter_map(|port| open(SocketAddr::new(addr.ip(), port)).ok()).next();
    found.map_or_else(|| bind(addr), Ok)
}

/// The address of a socket, as one that others can send to.
pub(super) fn addr_of(socket: &UdpSocket) -> Result<SocketAddr, DoorError> {
    socket.local_addr().map_err(DoorError::io(KIND, "look up", "a socket"))
}

/// Bytes that wait in the system at most, as it counts them; none where it does not say.
pub(super) fn queue_of(socket: &UdpSocket) -> usize {
    SockRef::from(socket).recv_buffer_size().unwrap_or(0)
}

/// Waits until the runtime knows that there is room to write: until then nothing can be written without waiting.
pub(super) async fn ready(socket: &UdpSocket) -> Result<(), DoorError> {
    socket.writable().await.map_err(DoorError::io(KIND, "write to", "a socket"))
}

/// An address of our own to be shown: not "any".
pub(super) fn shown(addr: SocketAddr) -> SocketAddr {
    match canonical(addr).ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::from([127, 0, 0, 1]), addr.port()),
        ip => SocketAddr::new(ip, addr.port()),
    }
}

/// Reads what is there, but not for ever: false if there may be more. `Err` is what the system says of a directory that is
/// not there.
pub(super) fn drain(
    socket: &UdpSocket,
    buffer: &mut [u8],
    mut each: impl FnMut(SocketAddr, &[u8]),
) -> Result<bool, io::Error> {
    for _ in 0..MAX_BATCH {
        match socket.try_recv_from(buffer) {
            Ok((len, from)) => each(canonical(from), buffer.get(..len).unwrap_or_default()),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(why) => return Err(why),
        }
    }
    Ok(false)
}

/// A socket with all these to read would keep the thread from everything else.
pub(super) async fn breathe(is_empty: bool) {
    if !is_empty {
        tokio::task::yield_now().await;
    }
}
