//! Listening: with room for many who come at once, so that a crowd delays those behind it but turns nobody away.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::error::DoorError;

/// Connections that the system keeps until they are taken, where it allows as many. One for which there is no room is
/// tried again by its own system, after a second and more.
pub const BACKLOG: u32 = 4_096;

/// Who else may have the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortSharing {
    /// Nobody, as long as we have it.
    Exclusive,
    /// Other sockets of the same user that ask for the same (`SO_REUSEPORT`).
    ReusePort,
}

/// Listens at an address.
///
/// # Errors
/// The address is taken, or not ours to take.
pub fn listen(addr: SocketAddr, share: PortSharing) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections that have ended keep nobody from coming back.
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    if share == PortSharing::ReusePort {
        socket.set_reuseport(true)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// A listener with the settings of its door, bound and not yet served.
#[derive(Debug)]
pub(crate) struct Listening<C> {
    pub(crate) listener: TcpListener,
    pub(crate) local_addr: SocketAddr,
    pub(crate) config: C,
}

impl<C> Listening<C> {
    /// Listens for a door of this kind.
    pub(crate) fn bind(kind: &'static str, addr: SocketAddr, share: PortSharing, config: C) -> Result<Self, DoorError> {
        let failed = |why| DoorError::io(kind, "listen on", addr)(why);
        let listener = listen(addr, share).map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local_addr, config })
    }
}
