//! How the sockets of links are set up.

use tokio::net::TcpStream;

/// Bytes that may wait unsent in the system for one link, as many as go in one write. The system would take some megabytes, which
/// on a slow path stand before all that comes later, whatever order it has here: a PING, what somebody else says, a farewell. And a
/// peer that reads them slowly and without pause would seem to take nothing for longer than [`crate::LinkLimits`] lets it.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 64 * 1024;

/// Before the handshake. What the system does not do for us costs time alone.
pub(crate) fn set_up(tcp: &TcpStream) {
    let _ = tcp.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT_BYTES);
}
