//! The port, for connections and datagrams.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};
use tracing::debug;

use crate::error::DoorError;
use crate::listen::{PortSharing, listen};
use crate::peer_line::config::KIND;

/// What the system keeps of datagrams.
const DATAGRAM_BUFFER: usize = 1 << 20;
/// How often a free port is looked for that both TCP and UDP have.
const PORT_TRIES: usize = 16;

/// The door's two sockets, with one port.
#[derive(Debug)]
pub(super) struct Listener {
    /// Where others connect with their messages.
    pub tcp: TcpListener,
    /// Where the question comes in; may be missing where another program has that port.
    pub udp: Option<UdpSocket>,
    /// The address that both have.
    pub local: SocketAddr,
}

impl Listener {
    /// Binds both. `share`: connections are also made from this port. `both`: without the datagrams there is nothing.
    ///
    /// # Errors
    /// The port is taken, or not ours to take.
    pub(super) async fn bind(addr: SocketAddr, share: bool, both: bool) -> Result<Self, DoorError> {
        let failed = |why| DoorError::io(KIND, "listen on", addr)(why);
        let mut tries = 0;
        loop {
            tries = usize::saturating_add(tries, 1);
            let tcp =
                listen(addr, if share { PortSharing::ReusePort } else { PortSharing::Exclusive }).map_err(failed)?;
            let local = tcp.local_addr().map_err(failed)?;
            match datagrams(local).await {
                Ok(udp) => return Ok(Self { tcp, udp: Some(udp), local }),
                Err(_) if addr.port() == 0 && tries < PORT_TRIES => {}
                Err(why) if both => return Err(DoorError::io(KIND, "take datagrams on", local)(why)),
                Err(why) => {
                    debug!(%local, %why, "peer-line: nobody can ask who is online");
                    return Ok(Self { tcp, udp: None, local });
                }
            }
        }
    }
}

async fn datagrams(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(addr).await?;
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(DATAGRAM_BUFFER);
    Ok(socket)
}
