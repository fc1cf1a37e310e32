//! How the sockets of links are set up.

use tokio::net::TcpStream;

/// Bytes that may wait unsent in the system for one link: what one wake-up fills again. The system would take some megabytes, which
/// on a slow path stand before all that comes later, whatever order it has here: a PING, what somebody else says, a farewell. And a
/// peer that reads them slowly would seem to take nothing for longer than [`crate::LinkLimits`] lets it.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 16 * 1024;

/// Before the handshake. What the system does not do for us costs time alone.
pub(crate) fn set_up(tcp: &TcpStream) {
    let _ = tcp.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn little_waits_unsent_in_the_system() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        set_up(&tcp);
        assert_eq!(socket2::SockRef::from(&tcp).tcp_notsent_lowat().unwrap(), 16 * 1024);
        assert!(tcp.nodelay().unwrap());
    }
}
